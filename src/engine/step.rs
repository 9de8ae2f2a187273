//! The body of the engine's loop: cancel, expire, admit, propose, advance; and what becomes of slots.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::backend::{Backend, Limits, SlotId};
use super::draft::Drafter;
use super::job::{EngineError, Job};
use super::pace::Pace;
use super::prefix_cache::PrefixCache;
use super::sequence::{Resident, Waiting};
use super::settle::Settled;
use super::spread::Cost;
use crate::grammar::{TokenId, Vocab};
use crate::telemetry::metrics::METRICS;

/// How an engine works.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// Propose tokens that the sequence itself makes likely.
    pub speculates: bool,
    /// Take tokens that the grammar leaves no choice about without drawing them.
    pub forces: bool,
    /// Bytes of KV cells kept on the host for prompts that begin alike.
    pub prefix_cache_bytes: usize,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { speculates: true, forces: true, prefix_cache_bytes: 1 << 30 }
    }
}

/// A lane of the KV cache.
pub(super) enum Slot {
    /// Nobody's; the cells of `cached` are still there.
    Free { cached: Vec<TokenId>, freed_at: u64 },
    /// Taken.
    Busy(Resident),
}

/// The engine: everything but the thread.
pub struct Engine<B: Backend> {
    pub(super) backend: B,
    pub(super) limits: Limits,
    pub(super) waiting: VecDeque<Waiting>,
    pub(super) slots: Vec<Slot>,
    pub(super) n_steps: u64,
    pub(super) prefixes: PrefixCache<B::Saved>,
    pub(super) vocab: Arc<Vocab>,
    pub(super) tuning: Tuning,
    pub(super) drafter: Option<Box<dyn Drafter>>,
    pub(super) pace: Pace,
    /// Of a mask.
    pub(super) mask_cost: Cost,
    /// Of settling a slot.
    pub(super) settle_cost: Cost,
}

impl<B: Backend> Engine<B> {
    /// Makes an engine with all slots free.
    pub fn new(backend: B, vocab: Arc<Vocab>, tuning: Tuning) -> Self {
        let (limits, is_apart) = (backend.limits(), backend.is_apart());
        let slots = (0..limits.n_slots).map(|_| free(Vec::new(), 0)).collect();
        Self {
            backend,
            limits,
            waiting: VecDeque::new(),
            slots,
            n_steps: 0,
            prefixes: PrefixCache::new(tuning.prefix_cache_bytes),
            vocab,
            tuning,
            drafter: None,
            pace: Pace::default(),
            mask_cost: Cost::unknown(is_apart),
            settle_cost: Cost::unknown(is_apart),
        }
    }

    /// Lets a model propose tokens.
    #[must_use]
    pub fn with_drafter(mut self, drafter: Option<Box<dyn Drafter>>) -> Self {
        self.drafter = drafter;
        self
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
        self.n_steps += 1;
        self.cancel();
        self.expire(now);
        self.admit(now);
        METRICS.waiting.set(i64::try_from(self.waiting.len()).unwrap_or(i64::MAX));
        let mut n_running = self.n_busy();
        if n_running > 0 {
            self.propose();
            self.advance();
            n_running = self.n_busy();
        }
        METRICS.running.set(n_running as u64);
    }

    fn n_busy(&self) -> usize {
        self.slots.iter().filter(|slot| matches!(slot, Slot::Busy(_))).count()
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
        for slot_idx in 0..self.slots.len() {
            if matches!(&self.slots[slot_idx], Slot::Busy(resident) if resident.task().job.events.is_closed())
                && let Some(resident) = self.vacate(slot_idx)
            {
                self.slots[slot_idx] = free(resident.cancel(), self.n_steps);
            }
        }
    }

    /// Ends what should have ended by now.
    fn expire(&mut self, now: Instant) {
        let is_over = |job: &Job| job.deadline.is_some_and(|deadline| deadline <= now);
        if self.waiting.iter().any(|waiting| is_over(&waiting.job)) {
            let (over, rest) = self.waiting.drain(..).partition::<VecDeque<_>, _>(|waiting| is_over(&waiting.job));
            over.into_iter().for_each(|waiting| waiting.fail(EngineError::Deadline));
            self.waiting = rest;
        }
        for slot_idx in 0..self.slots.len() {
            if matches!(&self.slots[slot_idx], Slot::Busy(resident) if is_over(&resident.task().job))
                && let Some(resident) = self.vacate(slot_idx)
            {
                self.slots[slot_idx] = free(resident.expire(self.limits.n_ctx), self.n_steps);
            }
        }
    }

    pub(super) fn decoding(&self) -> impl Iterator<Item = &Resident> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::Busy(resident) if !resident.is_prefilling() => Some(resident),
            Slot::Busy(_) | Slot::Free { .. } => None,
        })
    }

    /// Puts a settled slot back, and does to its cells what follows from that.
    pub(super) fn place(&mut self, slot_idx: usize, settled: Settled, had_drafts: bool) {
        let slot = SlotId(slot_idx);
        match settled {
            Settled::Stays(mut resident) => {
                if had_drafts {
                    self.rewind(slot, &mut resident);
                }
                self.slots[slot_idx] = Slot::Busy(resident);
            }
            Settled::Leaves { cached } => self.slots[slot_idx] = free(cached, self.n_steps),
            Settled::IsStuck(resident, why) => match resident.step_back(why) {
                Ok(mut resident) => {
                    self.rewind(slot, &mut resident);
                    self.slots[slot_idx] = Slot::Busy(resident);
                }
                Err((resident, error)) => self.give_up(slot_idx, resident, error),
            },
            Settled::Breaks(resident, error) => self.give_up(slot_idx, resident, error),
        }
    }

    /// Takes the cells of a sequence back to those that its tokens still have.
    fn rewind(&mut self, slot: SlotId, resident: &mut Resident) {
        let n_cells = self.backend.rewind(slot, resident.tokens().1);
        resident.cut(n_cells);
    }

    /// Brings an answer that cannot go on to a valid end, or ends it with `error` where none is known.
    fn give_up(&mut self, slot_idx: usize, resident: Resident, error: EngineError) {
        match resident.close(self.limits.n_ctx) {
            Ok(cached) => {
                tracing::debug!(%error, "an answer that could not go on was closed");
                self.slots[slot_idx] = free(cached, self.n_steps);
            }
            Err(resident) => {
                self.backend.truncate(SlotId(slot_idx), 0);
                self.slots[slot_idx] = free(Vec::new(), self.n_steps);
                resident.fail(error);
            }
        }
    }

    /// Ends the sequences of a step that the device could not compute.
    pub(super) fn lose(&mut self, lost: Vec<(usize, Resident)>, error: &str) {
        tracing::error!(%error, n_slots = lost.len(), "the device failed; its sequences are ended");
        for (slot_idx, resident) in lost {
            self.backend.truncate(SlotId(slot_idx), 0);
            resident.fail(EngineError::Backend(error.to_owned()));
        }
    }

    /// Takes the sequence out of a slot.
    pub(super) fn vacate(&mut self, slot_idx: usize) -> Option<Resident> {
        match std::mem::replace(&mut self.slots[slot_idx], free(Vec::new(), self.n_steps)) {
            Slot::Busy(resident) => Some(resident),
            was_free @ Slot::Free { .. } => {
                self.slots[slot_idx] = was_free;
                None
            }
        }
    }
}

pub(super) fn free(cached: Vec<TokenId>, freed_at: u64) -> Slot {
    Slot::Free { cached, freed_at }
}
