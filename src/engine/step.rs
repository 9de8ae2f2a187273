//! The body of the engine's loop: cancel, admit, plan, mask, compute, commit.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use rayon::prelude::*;

use super::backend::{Backend, Draw, Limits, Row, SlotId, Want};
use super::job::{EngineError, Job};
use super::plan::{Pending, Share, plan};
use super::prefix::{Candidate, place};
use super::sampling::{Counts, Drawn};
use super::sequence::{Next, Resident, Taken, Waiting};
use crate::grammar::{Mask, Matcher, MatcherError, TokenId, Vocab};
use crate::telemetry::metrics::METRICS;

/// A lane of the KV cache.
enum Slot {
    /// Nobody's; the cells of `cached` are still there.
    Free { cached: Vec<TokenId>, freed_at: u64 },
    /// Taken.
    Busy(Resident),
}

/// The engine: everything but the thread.
pub struct Engine<B> {
    backend: B,
    vocab: Arc<Vocab>,
    limits: Limits,
    waiting: VecDeque<Waiting>,
    slots: Vec<Slot>,
    n_steps: u64,
}

/// What a slot needs for its draw.
struct Prepared {
    mask: Option<Mask>,
    uniform: f32,
    /// Whether anything is left that has not led nowhere before.
    has_choice: bool,
}

impl<B: Backend> Engine<B> {
    /// Makes an engine with all slots free.
    pub fn new(backend: B, vocab: Arc<Vocab>) -> Self {
        let limits = backend.limits();
        let slots = (0..limits.n_slots).map(|_| Slot::Free { cached: Vec::new(), freed_at: 0 }).collect();
        Self { backend, vocab, limits, waiting: VecDeque::new(), slots, n_steps: 0 }
    }

    /// Puts a job into the queue.
    pub fn submit(&mut self, job: Job) {
        self.waiting.push_back(Waiting { job });
    }

    /// Whether there is nothing to do.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.slots.iter().all(|slot| matches!(slot, Slot::Free { .. }))
    }

    /// Runs one step: at most one call of the device.
    pub fn step(&mut self, now: Instant) {
        self.advance(now);
        METRICS.running.set(self.pending().len() as u64);
    }

    fn advance(&mut self, now: Instant) {
        self.n_steps += 1;
        self.cancel();
        self.admit(now);
        let pending = self.pending();
        METRICS.waiting.set(i64::try_from(self.waiting.len()).unwrap_or(i64::MAX));
        if pending.is_empty() {
            return;
        }
        #[expect(clippy::cast_possible_truncation, reason = "only rotates the order")]
        let shares = plan(&pending, self.limits.n_batch, self.n_steps as usize);
        let started = Instant::now();
        let prepared = self.prepare(&shares);
        METRICS.mask_seconds.observe(started.elapsed().as_secs_f64());
        let (shares, prepared) = self.drop_failed(shares, prepared);
        self.compute(&shares, prepared);
        METRICS.step_seconds.observe(started.elapsed().as_secs_f64());
    }

    /// Frees what nobody waits for any more.
    fn cancel(&mut self) {
        self.waiting.retain(|waiting| {
            let is_gone = waiting.job.events.is_closed();
            if is_gone {
                METRICS.cancelled.inc();
            }
            !is_gone
        });
        for slot in &mut self.slots {
            if matches!(slot, Slot::Busy(resident) if resident.job().events.is_closed())
                && let Slot::Busy(resident) = std::mem::replace(slot, free(Vec::new(), 0))
            {
                *slot = free(resident.cancel(), self.n_steps);
            }
        }
    }

    fn admit(&mut self, now: Instant) {
        while let Some(waiting) = self.waiting.pop_front() {
            let candidates: Vec<Candidate<'_>> =
                self.slots.iter().enumerate().map(|(i, slot)| candidate(i, slot)).collect();
            let Some(placement) = place(&waiting.job.prompt, &candidates) else {
                self.waiting.push_front(waiting);
                return;
            };
            let to = SlotId(placement.slot_idx);
            let n_cached = match placement.copy_from {
                Some(from) => self.backend.copy_prefix(SlotId(from), to, placement.n_cached),
                None => self.backend.truncate(to, placement.n_cached),
            };
            self.slots[placement.slot_idx] = Slot::Busy(waiting.admit(n_cached, now));
        }
    }

    fn pending(&self) -> Vec<Pending> {
        let busy = self.slots.iter().enumerate().filter_map(|(slot_idx, slot)| match slot {
            Slot::Busy(resident) => Some((slot_idx, resident)),
            Slot::Free { .. } => None,
        });
        busy.map(|(slot_idx, resident)| {
            let (tokens, n_fed) = resident.tokens();
            Pending { slot_idx, n_fed, n_tokens: tokens.len(), is_prefilling: resident.is_prefilling() }
        })
        .collect()
    }

    /// Computes the masks of all slots that draw, in parallel.
    fn prepare(&mut self, shares: &[Share]) -> Vec<Result<Option<Prepared>, MatcherError>> {
        let mut draws: Vec<bool> = vec![false; self.slots.len()];
        shares.iter().for_each(|share| draws[share.slot_idx] = share.draws);
        let one = |(slot, draws): (&mut Slot, bool)| match slot {
            Slot::Busy(resident) if draws => {
                let uniform = resident.uniform();
                let mut mask = resident.matcher_mut().map(Matcher::mask).transpose()?;
                let has_choice = mask.as_mut().is_none_or(|mask| resident.forbid_bans(mask));
                Ok(Some(Prepared { mask, uniform, has_choice }))
            }
            _ => Ok(None),
        };
        let n_draws = draws.iter().filter(|d| **d).count();
        let slots = self.slots.iter_mut().zip(draws).collect::<Vec<_>>();
        // Why: handing one mask to another thread costs more than computing it.
        if n_draws < 2 { slots.into_iter().map(one).collect() } else { slots.into_par_iter().map(one).collect() }
    }

    /// Takes out the sequences whose mask could not be computed, or is empty.
    fn drop_failed(
        &mut self,
        shares: Vec<Share>,
        prepared: Vec<Result<Option<Prepared>, MatcherError>>,
    ) -> (Vec<Share>, Vec<Option<Prepared>>) {
        let mut failed = Vec::new();
        let mut ready = Vec::with_capacity(prepared.len());
        for (slot_idx, result) in prepared.into_iter().enumerate() {
            ready.push(result.unwrap_or_else(|error| {
                self.give_up(slot_idx, EngineError::Matcher(error.to_string()));
                failed.push(slot_idx);
                None
            }));
        }
        for (slot_idx, prepared) in ready.iter().enumerate() {
            if prepared.as_ref().is_some_and(|prepared| !prepared.has_choice) {
                self.step_back(slot_idx, "every way on led to a dead end");
                failed.push(slot_idx);
            }
        }
        (shares.into_iter().filter(|share| !failed.contains(&share.slot_idx)).collect(), ready)
    }

    fn compute(&mut self, shares: &[Share], mut prepared: Vec<Option<Prepared>>) {
        let no_counts = Counts::new();
        let mut rows = Vec::with_capacity(shares.iter().map(|s| s.n_rows).sum());
        let mut drawing = vec![0; self.slots.len()];
        for share in shares {
            let Slot::Busy(resident) = &self.slots[share.slot_idx] else { continue };
            let (tokens, n_fed) = resident.tokens();
            for pos in n_fed..n_fed + share.n_rows {
                let want = match &prepared[share.slot_idx] {
                    Some(prepared) if share.draws && pos + 1 == tokens.len() => {
                        drawing[share.slot_idx] = rows.len();
                        Want::Token(draw(resident, prepared, &no_counts))
                    }
                    _ => Want::Nothing,
                };
                rows.push(Row { slot: SlotId(share.slot_idx), pos, token: tokens[pos], want });
            }
        }
        if rows.is_empty() {
            return;
        }
        let n_rows = rows.len();
        let drawn = self.backend.step(&rows);
        drop(rows);
        match drawn {
            Ok(drawn) => {
                let mut drawn = drawn.into_iter();
                for share in shares {
                    let token = if share.draws { drawn.next() } else { None };
                    let row_idx = drawing[share.slot_idx];
                    self.commit(*share, token, row_idx, prepared[share.slot_idx].take());
                }
            }
            Err(error) => {
                tracing::error!(%error, n_rows, "the device failed; its sequences are ended");
                shares.iter().for_each(|share| self.fail(share.slot_idx, EngineError::Backend(error.0.clone())));
            }
        }
    }

    /// Gives a slot its token; draws again as long as the guard vetoes.
    fn commit(&mut self, share: Share, token: Option<Drawn>, row_idx: usize, prepared: Option<Prepared>) {
        let slot_idx = share.slot_idx;
        let taken = std::mem::replace(&mut self.slots[slot_idx], free(Vec::new(), 0));
        let Slot::Busy(resident) = taken else { return };
        let mut resident = resident.fed(share.n_rows, share.draws);
        let (Some(mut drawn), Some(mut prepared)) = (token, prepared) else {
            self.slots[slot_idx] = Slot::Busy(resident);
            return;
        };
        loop {
            let token = drawn.token;
            let why = match resident.take(drawn, &self.vocab, self.limits.n_ctx) {
                Taken::Yes(Next::Stay(resident)) => {
                    self.slots[slot_idx] = Slot::Busy(resident);
                    return;
                }
                Taken::Yes(Next::Leave { cached }) => {
                    self.slots[slot_idx] = free(cached, self.n_steps);
                    return;
                }
                Taken::Vetoed(back, why) => {
                    resident = back;
                    why
                }
            };
            let is_left = prepared.mask.as_mut().is_some_and(|mask| {
                mask.forbid(token);
                mask.n_allowed() > 0
            });
            let again = if is_left { self.redraw(slot_idx, row_idx, &resident, &prepared) } else { None };
            match again {
                Some(again) => drawn = again,
                None => {
                    self.slots[slot_idx] = Slot::Busy(resident);
                    self.step_back(slot_idx, why);
                    return;
                }
            }
        }
    }

    fn redraw(&mut self, slot_idx: usize, row_idx: usize, resident: &Resident, prepared: &Prepared) -> Option<Drawn> {
        let no_counts = Counts::new();
        let (tokens, _) = resident.tokens();
        let pos = tokens.len() - 1;
        let want = Want::Token(draw(resident, prepared, &no_counts));
        let row = Row { slot: SlotId(slot_idx), pos, token: tokens[pos], want };
        self.backend.redraw(row_idx, &row).ok()
    }

    /// Takes a sequence back to its last choice, or ends it where there is none.
    fn step_back(&mut self, slot_idx: usize, why: &'static str) {
        let taken = std::mem::replace(&mut self.slots[slot_idx], free(Vec::new(), self.n_steps));
        let Slot::Busy(resident) = taken else { return };
        match resident.step_back(why) {
            Ok((mut resident, n_kept)) => {
                let n_cells = self.backend.rewind(SlotId(slot_idx), n_kept);
                resident.cut(n_cells);
                self.slots[slot_idx] = Slot::Busy(resident);
            }
            Err((resident, error)) => {
                self.slots[slot_idx] = Slot::Busy(resident);
                self.give_up(slot_idx, error);
            }
        }
    }

    /// Brings an answer that cannot go on to a valid end, or ends it with `error` where none is known.
    fn give_up(&mut self, slot_idx: usize, error: EngineError) {
        let taken = std::mem::replace(&mut self.slots[slot_idx], free(Vec::new(), self.n_steps));
        let Slot::Busy(resident) = taken else { return };
        match resident.close(self.limits.n_ctx) {
            Ok(cached) => {
                tracing::debug!(%error, "an answer that could not go on was closed");
                self.slots[slot_idx] = free(cached, self.n_steps);
            }
            Err(resident) => {
                self.slots[slot_idx] = Slot::Busy(resident);
                self.fail(slot_idx, error);
            }
        }
    }

    fn fail(&mut self, slot_idx: usize, error: EngineError) {
        self.backend.truncate(SlotId(slot_idx), 0);
        let taken = std::mem::replace(&mut self.slots[slot_idx], free(Vec::new(), self.n_steps));
        if let Slot::Busy(resident) = taken {
            resident.fail(error);
        }
    }
}

fn draw<'a>(resident: &'a Resident, prepared: &'a Prepared, no_counts: &'a Counts) -> Draw<'a> {
    Draw {
        mask: prepared.mask.as_ref(),
        sampling: &resident.job().sampling,
        counts: resident.counts().unwrap_or(no_counts),
        uniform: prepared.uniform,
        logprobs: resident.job().logprobs,
    }
}

fn free(cached: Vec<TokenId>, freed_at: u64) -> Slot {
    Slot::Free { cached, freed_at }
}

fn candidate(slot_idx: usize, slot: &Slot) -> Candidate<'_> {
    match slot {
        Slot::Free { cached, freed_at } => Candidate { slot_idx, is_free: true, freed_at: *freed_at, cached },
        Slot::Busy(resident) => {
            let (tokens, n_fed) = resident.tokens();
            Candidate { slot_idx, is_free: false, freed_at: 0, cached: &tokens[..n_fed] }
        }
    }
}
