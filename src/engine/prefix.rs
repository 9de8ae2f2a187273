//! Which slot takes the next sequence, and how much of its prompt is already computed. Pure.

use super::plan::GRAIN;
use crate::grammar::TokenId;

/// From here on copying another slot's cells is cheaper than computing them again.
const WORTH_COPYING: usize = 256;

/// A slot as the choice sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate<'a> {
    pub(super) slot_idx: usize,
    pub(super) is_free: bool,
    /// When it became free; larger is later.
    pub(super) freed_at: u64,
    /// Tokens that have cells there.
    pub(super) cached: &'a [TokenId],
}

/// The choice: the slot, and the prefix that it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placement {
    pub(super) slot_idx: usize,
    /// Cells to keep, a multiple of `GRAIN`.
    pub(super) n_cached: usize,
    /// The slot to copy them from, if not its own.
    pub(super) copy_from: Option<usize>,
}

/// Finds the free slot with the longest common prefix, else the one free for longest; or none, if none is free.
pub(super) fn place(prompt: &[TokenId], slots: &[Candidate<'_>]) -> Option<Placement> {
    let reusable = |slot: &Candidate<'_>| {
        let common = prompt.iter().zip(slot.cached).take_while(|(a, b)| a == b).count();
        // Why: the last token of the prompt must run, since its logits are wanted.
        common.min(prompt.len().saturating_sub(1)) / GRAIN * GRAIN
    };
    let own = slots.iter().filter(|s| s.is_free).max_by_key(|s| (reusable(s), std::cmp::Reverse(s.freed_at)))?;
    let n_own = reusable(own);
    let other = slots.iter().filter(|s| s.slot_idx != own.slot_idx).max_by_key(|s| reusable(s));
    match other {
        Some(other) if reusable(other) >= n_own + WORTH_COPYING => {
            Some(Placement { slot_idx: own.slot_idx, n_cached: reusable(other), copy_from: Some(other.slot_idx) })
        }
        _ => Some(Placement { slot_idx: own.slot_idx, n_cached: n_own, copy_from: None }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_by_prefix_then_age() {
        let long: Vec<TokenId> = (0..600).collect();
        let short = &long[..70];
        let slot = |slot_idx, is_free, freed_at, cached| Candidate { slot_idx, is_free, freed_at, cached };
        for (name, slots, expected) in [
            ("none free", vec![slot(0, false, 0, &long[..])], None),
            ("longest prefix", vec![slot(0, true, 9, &[][..]), slot(1, true, 1, short)], Some((1, 64, None))),
            ("oldest", vec![slot(0, true, 9, &[][..]), slot(1, true, 1, &[][..])], Some((1, 0, None))),
            (
                "copies a long one",
                vec![slot(0, false, 0, &long[..]), slot(1, true, 1, &[][..])],
                Some((1, 576, Some(0))),
            ),
            ("not a short one", vec![slot(0, false, 0, short), slot(1, true, 1, &[][..])], Some((1, 0, None))),
            ("the last token runs", vec![slot(0, true, 0, &long[..])], Some((0, 576, None))),
        ] {
            let placed = place(&long[..577], &slots).map(|p| (p.slot_idx, p.n_cached, p.copy_from));
            assert_eq!(placed, expected, "{name}");
        }
    }
}
