//! Which slot takes the next sequence, and from where it gets the cells of its prompt's beginning. Pure.

use crate::grammar::TokenId;

/// From here on copying cells from another slot is cheaper than computing them again.
pub(super) const WORTH_COPYING: usize = 256;
/// So many cells are worth keeping on the host, where that is faster than computing them again.
pub(super) const WORTH_SAVING: usize = 32;
/// From here on it is better to wait until another sequence has computed the same cells.
const WORTH_WAITING: usize = 64;

/// Fewer cells than this are computed in less time than one more run of the graph takes.
const WORTH_A_RUN: usize = 32;

/// A slot as the choice sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate<'a> {
    pub(super) slot_idx: usize,
    pub(super) is_free: bool,
    /// When it became free; larger is later.
    pub(super) freed_at: u64,
    /// Tokens that have cells there.
    pub(super) cached: &'a [TokenId],
    /// Tokens that will have cells there soon: the prompt that is going in.
    pub(super) coming: &'a [TokenId],
}

/// Where cells come from, if not from the slot itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CopyFrom {
    Slot(usize),
    Saved(usize),
}

/// What the choice depends on beside tokens.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    /// A prefix is cut at a multiple of this, or before the prompt's last token. Without it, only whole sequences can be
    /// taken over.
    pub(super) grain: Option<usize>,
    /// How many sequences want a slot.
    pub(super) n_waiting: usize,
    /// How many cells must be gained by bringing so many back from the host.
    pub(super) worth_restoring: &'a dyn Fn(usize) -> usize,
}

/// The choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placement {
    /// A slot, and the prefix that it gets.
    Slot {
        slot_idx: usize,
        /// Cells to keep.
        n_cached: usize,
        copy_from: Option<CopyFrom>,
    },
    /// Another sequence is computing the same cells.
    Later,
    /// No slot is free.
    Full,
}

/// The number of tokens that both begin with.
pub(super) fn n_common(a: &[TokenId], b: &[TokenId]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// Finds the free slot with the longest common prefix, else one beside slots that are taken, else the one free for
/// longest.
///
/// Lanes that follow one another are computed in one run of llama.cpp's graph; each gap between them is a run more, in
/// every step, which costs about as much as a row of another sequence. With as many sequences waiting as slots are free
/// there will be no gaps.
pub(super) fn place<'a>(
    prompt: &[TokenId],
    slots: &[Candidate<'_>],
    saved: impl Iterator<Item = &'a [TokenId]>,
    terms: Terms<'_>,
) -> Placement {
    let reusable = |cached: &[TokenId]| {
        let common = n_common(prompt, cached);
        // Why: the last token of the prompt must run, since its logits are wanted.
        let n_most = prompt.len().saturating_sub(1);
        let n = common.min(n_most);
        match terms.grain {
            Some(_) if n == n_most => n,
            Some(grain) => n / grain * grain,
            None if n == cached.len() => n,
            None => 0,
        }
    };
    let is_taken = |slot_idx: usize| slots.get(slot_idx).is_some_and(|s| !s.is_free);
    let has_gaps = slots.iter().filter(|s| s.is_free).count() > terms.n_waiting;
    let own = slots.iter().enumerate().filter(|(_, s)| s.is_free).max_by_key(|(i, s)| {
        let n_neighbours = usize::from(is_taken(i.wrapping_sub(1))) + usize::from(is_taken(i + 1));
        let n = reusable(s.cached);
        let by_gaps = if has_gaps { (n / WORTH_A_RUN, n_neighbours) } else { (n, 0) };
        (by_gaps, n, std::cmp::Reverse(s.freed_at))
    });
    let own = own.map(|(_, s)| s);
    let Some(own) = own else { return Placement::Full };
    let n_own = reusable(own.cached);
    let others = slots.iter().filter(|s| s.slot_idx != own.slot_idx);
    let in_slots = others.map(|s| (reusable(s.cached), WORTH_COPYING, CopyFrom::Slot(s.slot_idx)));
    let on_host = saved.enumerate().map(|(i, tokens)| {
        let n = reusable(tokens);
        (n, (terms.worth_restoring)(tokens.len()), CopyFrom::Saved(i))
    });
    let best = in_slots.chain(on_host).filter(|(n, n_worth, _)| *n >= n_own + n_worth).max_by_key(|(n, ..)| *n);
    let (n_cached, copy_from) = best.map_or((n_own, None), |(n, _, from)| (n, Some(from)));
    let n_coming = slots.iter().map(|s| reusable(s.coming)).max().unwrap_or(0);
    if terms.grain.is_some() && n_coming >= n_cached + WORTH_WAITING {
        return Placement::Later;
    }
    Placement::Slot { slot_idx: own.slot_idx, n_cached, copy_from }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(grain: Option<usize>, n_waiting: usize) -> Terms<'static> {
        Terms { grain, n_waiting, worth_restoring: &|n_saved| n_saved / 8 }
    }

    #[test]
    fn places_by_prefix_then_age() {
        let long: Vec<TokenId> = (0..600).collect();
        let short = &long[..70];
        let slot = |slot_idx, is_free, freed_at, cached| Candidate { slot_idx, is_free, freed_at, cached, coming: &[] };
        let at = |slot_idx, n_cached, copy_from| Placement::Slot { slot_idx, n_cached, copy_from };
        let computing = Candidate { coming: &long, ..slot(0, false, 0, &long[..64]) };
        for (name, slots, saved, expected) in [
            ("none free", vec![slot(0, false, 0, &long[..])], vec![], Placement::Full),
            ("longest prefix", vec![slot(0, true, 9, &[][..]), slot(1, true, 1, short)], vec![], at(1, 64, None)),
            ("oldest", vec![slot(0, true, 9, &[][..]), slot(1, true, 1, &[][..])], vec![], at(1, 0, None)),
            (
                "copies a long one",
                vec![slot(0, false, 0, &long[..]), slot(1, true, 1, &[][..])],
                vec![],
                at(1, 576, Some(CopyFrom::Slot(0))),
            ),
            (
                "beside others",
                vec![
                    slot(0, true, 1, &[][..]),
                    slot(1, true, 9, &[][..]),
                    slot(2, false, 0, &[][..]),
                    slot(3, true, 8, &[][..]),
                ],
                vec![],
                at(3, 0, None),
            ),
            (
                "in the gap",
                vec![
                    slot(0, false, 0, &[][..]),
                    slot(1, true, 9, &[][..]),
                    slot(2, false, 0, &[][..]),
                    slot(3, true, 8, &[][..]),
                ],
                vec![],
                at(1, 0, None),
            ),
            ("not a short one", vec![slot(0, false, 0, short), slot(1, true, 1, &[][..])], vec![], at(1, 0, None)),
            ("the last token runs", vec![slot(0, true, 0, &long[..])], vec![], at(0, 576, None)),
            (
                "from the host",
                vec![slot(0, true, 0, short)],
                vec![short, &long[..]],
                at(0, 576, Some(CopyFrom::Saved(1))),
            ),
            (
                "few from the host",
                vec![slot(0, true, 0, &long[..470])],
                vec![&long[..]],
                at(0, 576, Some(CopyFrom::Saved(0))),
            ),
            ("too few", vec![slot(0, true, 0, &long[..570])], vec![&long[..]], at(0, 512, None)),
            ("waits for a twin", vec![computing, slot(1, true, 1, &[][..])], vec![], Placement::Later),
            ("not if it has more", vec![computing, slot(1, true, 1, &long[..])], vec![], at(1, 576, None)),
        ] {
            assert_eq!(place(&long[..577], &slots, saved.into_iter(), terms(Some(64), 1)), expected, "{name}");
        }
        let gap = [slot(0, false, 0, &[][..]), slot(1, true, 1, &long[..67]), slot(2, true, 1, short)];
        let among = |n_waiting| place(short, &gap, std::iter::empty(), terms(Some(1), n_waiting));
        assert_eq!(among(1), at(1, 67, None), "two tokens are computed sooner than a run more in every step");
        assert_eq!(among(2), at(2, 69, None), "the other slot is about to be taken too");
        let whole = [slot(0, true, 1, short), slot(1, true, 0, &[][..])];
        let state = |prompt: &[TokenId]| place(prompt, &whole, std::iter::empty(), terms(None, 1));
        assert_eq!(state(&long[..100]), at(0, 70, None), "a state is taken over whole");
        assert_eq!(state(&long[..60]), at(1, 0, None), "or not at all");
    }
}
