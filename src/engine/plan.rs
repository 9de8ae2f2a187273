//! Which rows the next step runs: decoding first, then prompts in chunks, then drafts. Pure.
//!
//! Invariant: a plan never exceeds the batch, and every resident sequence gets rows within as many plans as there are
//! slots, if the batch has a row for each. Chunk borders of a prompt that is alone lie at fixed positions, whatever was
//! cached, so that it is computed in the same pieces each time and gives the same text.

/// Positions at which a prompt is cut into chunks.
pub(super) const CHUNK: usize = 256;
/// Prefix reuse of a request that is alone ends at a multiple of this, or before its last token. A chunk that is cut for
/// want of room ends there too.
pub(super) const GRAIN: usize = 8;

/// What a slot would like to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) slot_idx: usize,
    /// Tokens that have their cell.
    pub(super) n_fed: usize,
    /// All tokens.
    pub(super) n_tokens: usize,
    pub(super) is_prefilling: bool,
    /// Tokens that may come after them.
    pub(super) n_drafts: usize,
}

/// What a slot may run: `n_rows` from its `n_fed` on, then `n_drafts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) slot_idx: usize,
    pub(super) n_rows: usize,
    pub(super) n_drafts: usize,
    /// Whether the last row reaches the end of the tokens, so that the next one is drawn.
    pub(super) draws: bool,
}

/// How many rows there are to share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// In all.
    pub(super) n_batch: usize,
    /// For prompts, while others decode and wait for the step to end.
    pub(super) n_prefill: usize,
}

/// Shares the rows among the slots; `turn` rotates who is served first.
///
/// Shares come in the order of slots, because llama.cpp computes together only lanes that follow one another: in any
/// other order it runs its graph several times for one batch.
pub(super) fn plan(pending: &[Pending], room: Room, turn: usize) -> Vec<Share> {
    let mut order: Vec<&Pending> = pending.iter().collect();
    order.rotate_left(turn % pending.len().max(1));
    let mut n_rows = vec![0; order.len()];
    let mut n_left = room.n_batch;
    // Why: a long run of forced tokens must not take the rows of those who come after it.
    let n_fair = (room.n_batch / order.len().max(1)).max(1);
    let n_wanted = |p: &Pending| p.n_tokens - p.n_fed;
    for (p, n_rows) in order.iter().zip(&mut n_rows).filter(|(p, _)| !p.is_prefilling) {
        *n_rows = n_wanted(p).min(n_fair).min(n_left);
        n_left -= *n_rows;
    }
    let is_awaited = pending.iter().any(|p| !p.is_prefilling);
    let mut n_prefill = if is_awaited { room.n_prefill.min(n_left) } else { n_left };
    for (p, n_rows) in order.iter().zip(&mut n_rows).filter(|(p, _)| p.is_prefilling) {
        *n_rows = chunk(p, n_prefill, pending.len() == 1);
        n_prefill -= *n_rows;
        n_left -= *n_rows;
    }
    for (p, n_rows) in order.iter().zip(&mut n_rows).filter(|(p, _)| !p.is_prefilling) {
        let n_more = (n_wanted(p) - *n_rows).min(n_left);
        *n_rows += n_more;
        n_left -= n_more;
    }
    let share = |(p, n_rows): (&&Pending, usize)| {
        let draws = p.n_fed + n_rows == p.n_tokens;
        let n_drafts = if draws { p.n_drafts.min(n_left) } else { 0 };
        n_left -= n_drafts;
        Share { slot_idx: p.slot_idx, n_rows, n_drafts, draws }
    };
    let mut shares: Vec<Share> = order.iter().zip(n_rows).filter(|(_, n_rows)| *n_rows > 0).map(share).collect();
    shares.sort_unstable_by_key(|share| share.slot_idx);
    shares
}

/// How many rows of the next chunk fit into `n_room`: up to its end, or to a multiple of `GRAIN`, if one is reached.
fn chunk(p: &Pending, n_room: usize, is_alone: bool) -> usize {
    let n_whole = chunk_end(p.n_fed, p.n_tokens, is_alone) - p.n_fed;
    if n_whole <= n_room {
        return n_whole;
    }
    let border = (p.n_fed + n_room) / GRAIN * GRAIN;
    if border > p.n_fed { border - p.n_fed } else { n_room }
}

/// The end of the chunk of a prompt of `n_tokens` that begins at `n_fed`.
///
/// Alone, the last token has a run of its own: when the same prompt comes again, it is all that is computed.
fn chunk_end(n_fed: usize, n_tokens: usize, is_alone: bool) -> usize {
    let next_border = (n_fed / CHUNK + 1) * CHUNK;
    let end = if is_alone && n_fed + 1 < n_tokens { n_tokens - 1 } else { n_tokens };
    next_border.min(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn chunks_end_where_reuse_begins() {
        for (n_fed, n_tokens, is_alone, end) in [
            (0, 8, true, 7),
            (7, 8, true, 8),
            (0, 1, true, 1),
            (0, 300, true, 256),
            (256, 300, true, 299),
            (299, 300, true, 300),
            (0, 256, true, 255),
            (256, 257, true, 257),
            (0, 200, false, 200),
            (0, 300, false, 256),
        ] {
            assert_eq!(chunk_end(n_fed, n_tokens, is_alone), end, "{n_fed} of {n_tokens}");
        }
    }

    proptest! {
        #[test]
        fn plans_fit_and_progress(
            sizes in prop::collection::vec((0usize..600, 1usize..600, any::<bool>(), 0usize..20), 1..9),
            n_batch in 9usize..512,
            n_prefill in 1usize..512,
        ) {
            let room = Room { n_batch, n_prefill };
            let mut pending: Vec<Pending> = sizes.iter().enumerate()
                .map(|(slot_idx, &(n_fed, more, is_prefilling, n_drafts))| {
                    let n_drafts = if is_prefilling { 0 } else { n_drafts };
                    Pending { slot_idx, n_fed, n_tokens: n_fed + more, is_prefilling, n_drafts }
                })
                .collect();
            let before = pending.clone();
            for turn in 0..pending.len() {
                let shares = plan(&pending, room, turn);
                prop_assert!(shares.iter().map(|s| s.n_rows + s.n_drafts).sum::<usize>() <= n_batch);
                let n_prompt: usize =
                    shares.iter().filter(|s| pending[s.slot_idx].is_prefilling).map(|s| s.n_rows).sum();
                prop_assert!(n_prompt <= n_prefill || before.iter().all(|p| p.is_prefilling));
                for share in shares {
                    let p = &mut pending[share.slot_idx];
                    p.n_fed += share.n_rows;
                    prop_assert!(p.n_fed <= p.n_tokens);
                    prop_assert_eq!(share.draws, p.n_fed == p.n_tokens);
                    prop_assert!(share.n_drafts == 0 || share.draws);
                }
            }
            for (now, then) in pending.iter().zip(&before) {
                prop_assert!(now.n_fed > then.n_fed, "slot {} starved", now.slot_idx);
            }
        }
    }
}
