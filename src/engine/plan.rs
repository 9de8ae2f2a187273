//! Which rows the next step runs: decoding first, then prompts in chunks. Pure.
//!
//! Invariant: a plan never exceeds the batch, and every resident sequence gets rows within as many plans as there are
//! slots. Chunk borders lie at fixed positions of the prompt, whatever was cached, so that the same prompt is computed
//! in the same pieces each time and gives the same text.

/// Positions at which a prompt is cut into chunks.
pub(super) const CHUNK: usize = 256;
/// Prefix reuse ends at a multiple of this, and so does the last chunk but one.
pub(super) const GRAIN: usize = 64;

/// What a slot would like to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) slot_idx: usize,
    /// Tokens that have their cell.
    pub(super) n_fed: usize,
    /// All tokens.
    pub(super) n_tokens: usize,
    pub(super) is_prefilling: bool,
}

/// What a slot may run: `n_rows` from its `n_fed` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) slot_idx: usize,
    pub(super) n_rows: usize,
    /// Whether the last row reaches the end of the tokens, so that the next one is drawn.
    pub(super) draws: bool,
}

/// Shares `n_batch` rows among the slots; `turn` rotates who is served first.
pub(super) fn plan(pending: &[Pending], n_batch: usize, turn: usize) -> Vec<Share> {
    let mut shares = Vec::with_capacity(pending.len());
    let mut n_left = n_batch;
    let mut grant = |p: &Pending, n_rows: usize| {
        let n_rows = n_rows.min(n_left);
        n_left -= n_rows;
        if n_rows > 0 {
            shares.push(Share { slot_idx: p.slot_idx, n_rows, draws: p.n_fed + n_rows == p.n_tokens });
        }
    };
    let rotated = |prefilling: bool| {
        let (before, after) = pending.split_at(turn % pending.len().max(1));
        after.iter().chain(before).filter(move |p| p.is_prefilling == prefilling)
    };
    rotated(false).for_each(|p| grant(p, p.n_tokens - p.n_fed));
    rotated(true).for_each(|p| grant(p, chunk_end(p.n_fed, p.n_tokens) - p.n_fed));
    shares
}

/// The end of the chunk of a prompt of `n_tokens` that begins at `n_fed`.
fn chunk_end(n_fed: usize, n_tokens: usize) -> usize {
    let next_border = (n_fed / CHUNK + 1) * CHUNK;
    let last_grain = (n_tokens - 1) / GRAIN * GRAIN;
    if n_fed < last_grain { next_border.min(last_grain) } else { n_tokens }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn chunks_end_where_reuse_begins() {
        for (n_fed, n_tokens, end) in
            [(0, 10, 10), (0, 300, 256), (256, 300, 300), (0, 200, 192), (192, 200, 200), (0, 64, 64), (0, 65, 64)]
        {
            assert_eq!(chunk_end(n_fed, n_tokens), end, "{n_fed} of {n_tokens}");
        }
    }

    proptest! {
        #[test]
        fn plans_fit_and_progress(
            sizes in prop::collection::vec((0usize..600, 1usize..600, any::<bool>()), 1..9),
            n_batch in 1usize..512,
        ) {
            let mut pending: Vec<Pending> = sizes.iter().enumerate()
                .map(|(slot_idx, &(n_fed, more, is_prefilling))| Pending { slot_idx, n_fed, n_tokens: n_fed + more, is_prefilling })
                .collect();
            let before = pending.clone();
            for turn in 0..pending.len() {
                let shares = plan(&pending, n_batch, turn);
                prop_assert!(shares.iter().map(|s| s.n_rows).sum::<usize>() <= n_batch);
                for share in shares {
                    let p = &mut pending[share.slot_idx];
                    p.n_fed += share.n_rows;
                    prop_assert!(p.n_fed <= p.n_tokens);
                    prop_assert_eq!(share.draws, p.n_fed == p.n_tokens);
                }
            }
            let decoding = before.iter().any(|p| !p.is_prefilling);
            for (now, then) in pending.iter().zip(&before) {
                // While others decode long forced runs, a prompt may wait; decoding itself never does for long.
                prop_assert!(now.n_fed > then.n_fed || decoding, "slot {} starved", now.slot_idx);
            }
        }
    }
}
