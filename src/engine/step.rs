//! The body of the engine's loop: cancel, admit, plan, mask, compute, settle.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::backend::{Ask, Backend, Limits, Row, SlotId};
use super::draft::Drafter;
use super::job::{EngineError, Job};
use super::pace::Pace;
use super::plan::{Pending, Room, Share, plan};
use super::prefix_cache::PrefixCache;
use super::sequence::{Resident, Waiting};
use super::settle::{Settled, Turn, settle};
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
        Self { speculates: true, forces: true, prefix_cache_bytes: 256 << 20 }
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
    mask_cost: Cost,
    /// Of settling a slot.
    settle_cost: Cost,
}

impl<B: Backend> Engine<B> {
    /// Makes an engine with all slots free.
    pub fn new(backend: B, vocab: Arc<Vocab>, tuning: Tuning) -> Self {
        let limits = backend.limits();
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
            mask_cost: Cost::default(),
            settle_cost: Cost::default(),
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

    fn pending(&self) -> Vec<Pending> {
        let busy = self.slots.iter().enumerate().filter_map(|(slot_idx, slot)| match slot {
            Slot::Busy(resident) => Some((slot_idx, resident)),
            Slot::Free { .. } => None,
        });
        busy.map(|(slot_idx, resident)| {
            let (tokens, n_fed) = resident.tokens();
            let (is_prefilling, n_drafts) = (resident.is_prefilling(), resident.drafts().len());
            Pending { slot_idx, n_fed, n_tokens: tokens.len(), is_prefilling, n_drafts }
        })
        .collect()
    }

    /// Plans, computes and settles the rows of one step.
    fn advance(&mut self) {
        let started = Instant::now();
        let room = Room {
            n_batch: self.limits.n_batch,
            n_prefill: self.pace.n_prefill(self.limits.n_batch),
            is_one_run: self.backend.is_one_run(),
        };
        #[expect(clippy::cast_possible_truncation, reason = "only rotates the order")]
        let shares = plan(&self.pending(), room, self.n_steps as usize);
        let mut n_rows = 0;
        let mut turns: Vec<Turn> = shares
            .into_iter()
            .map(|share| {
                let row_idx = n_rows;
                n_rows += share.n_rows + share.n_drafts;
                Turn { share, row_idx, choice: None, device: Duration::ZERO }
            })
            .collect();
        let submitted = Instant::now();
        if let Err(error) = self.backend.start(&rows(&self.slots, &turns)) {
            let places: Vec<usize> = turns.iter().map(|turn| turn.share.slot_idx).collect();
            let lost = places.into_iter().filter_map(|i| Some((i, self.vacate(i)?))).collect();
            return self.lose(lost, &error.0);
        }
        self.choose(&mut turns);
        let asks = asks(&self.backend, &turns, &self.slots);
        if !asks.is_empty() {
            self.backend.ask(&asks);
        }
        drop(asks);
        if self.backend.is_apart() {
            self.tell();
        }
        let residents: Vec<Resident> = turns.iter().filter_map(|turn| self.vacate(turn.share.slot_idx)).collect();
        let places: Vec<(usize, bool)> = turns.iter().map(|t| (t.share.slot_idx, t.share.n_drafts > 0)).collect();
        let (vocab, n_ctx) = (&*self.vocab, self.limits.n_ctx);
        let finished = match self.backend.finish() {
            Ok(outputs) => {
                let device = submitted.elapsed();
                share_time(&mut turns, device, n_rows);
                let one = |(turn, resident): (Turn, Resident)| settle(turn, resident, &outputs, vocab, n_ctx);
                Ok((device, self.settle_cost.each(turns.into_iter().zip(residents).collect(), one)))
            }
            Err(error) => Err((residents, error)),
        };
        match finished {
            Ok((device, settled)) => {
                self.pace.note(n_rows, device);
                for ((slot_idx, had_drafts), settled) in places.into_iter().zip(settled) {
                    self.place(slot_idx, settled, had_drafts);
                }
            }
            Err((residents, error)) => self.lose(places.into_iter().map(|(i, _)| i).zip(residents).collect(), &error.0),
        }
        if !self.backend.is_apart() {
            self.tell();
        }
        METRICS.step_seconds.observe(started.elapsed().as_secs_f64());
    }

    /// Tells clients what is new. Whose sequence has left its slot was told then.
    fn tell(&mut self) {
        for slot in &mut self.slots {
            if let Slot::Busy(resident) = slot {
                resident.task_mut().send_news();
            }
        }
    }

    /// Computes the masks of the slots that draw, in parallel.
    fn choose(&mut self, turns: &mut [Turn]) {
        let mut drawing: Vec<Option<&mut Turn>> = (0..self.slots.len()).map(|_| None).collect();
        for turn in turns.iter_mut().filter(|turn| turn.share.draws) {
            let slot_idx = turn.share.slot_idx;
            drawing[slot_idx] = Some(turn);
        }
        let wanted: Vec<(&mut Turn, &mut Resident)> = drawing
            .into_iter()
            .zip(&mut self.slots)
            .filter_map(|(turn, slot)| match (turn, slot) {
                (Some(turn), Slot::Busy(resident)) => Some((turn, resident)),
                _ => None,
            })
            .collect();
        if !wanted.is_empty() {
            let started = Instant::now();
            self.mask_cost.each(wanted, |(turn, resident)| turn.choice = Some(resident.choose()));
            METRICS.mask_seconds.observe(started.elapsed().as_secs_f64());
        }
    }

    /// Puts a settled slot back, and does to its cells what follows from that.
    fn place(&mut self, slot_idx: usize, settled: Settled, had_drafts: bool) {
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
    fn lose(&mut self, lost: Vec<(usize, Resident)>, error: &str) {
        tracing::error!(%error, n_slots = lost.len(), "the device failed; its sequences are ended");
        for (slot_idx, resident) in lost {
            self.backend.truncate(SlotId(slot_idx), 0);
            resident.fail(EngineError::Backend(error.to_owned()));
        }
    }

    /// Takes the sequence out of a slot.
    fn vacate(&mut self, slot_idx: usize) -> Option<Resident> {
        match std::mem::replace(&mut self.slots[slot_idx], free(Vec::new(), self.n_steps)) {
            Slot::Busy(resident) => Some(resident),
            was_free @ Slot::Free { .. } => {
                self.slots[slot_idx] = was_free;
                None
            }
        }
    }
}

/// The rows of a step, in the order of its turns.
fn rows(slots: &[Slot], turns: &[Turn]) -> Vec<Row> {
    let mut rows = Vec::with_capacity(turns.iter().map(|t| t.share.n_rows + t.share.n_drafts).sum());
    for turn in turns {
        let Share { slot_idx, n_rows, n_drafts, draws } = turn.share;
        let Slot::Busy(resident) = &slots[slot_idx] else { continue };
        let (tokens, n_fed) = resident.tokens();
        let fed = &tokens[n_fed..n_fed + n_rows];
        for (i, token) in fed.iter().chain(&resident.drafts()[..n_drafts]).enumerate() {
            let has_output = draws && i + 1 >= n_rows;
            rows.push(Row { slot: SlotId(slot_idx), pos: n_fed + i, token: *token, has_output });
        }
    }
    rows
}

/// What the device is to draw: one token for each slot that draws, where it can. Drafts are drawn for on the host.
fn asks<'a>(backend: &impl Backend, turns: &'a [Turn], slots: &'a [Slot]) -> Vec<Ask<'a>> {
    let ask = |turn: &'a Turn| {
        let Slot::Busy(resident) = &slots[turn.share.slot_idx] else { return None };
        let job = &resident.task().job;
        let choice = turn.choice.as_ref()?.as_ref().ok().filter(|choice| choice.has_any)?;
        let is_for_it = job.logprobs.is_none() && backend.can_draw(&job.sampling);
        is_for_it.then(|| Ask { row_idx: turn.row_idx + turn.share.n_rows - 1, draw: resident.draw(choice) })
    };
    turns.iter().filter_map(ask).collect()
}

/// Shares out the time that the device took by rows.
fn share_time(turns: &mut [Turn], device: Duration, n_rows: usize) {
    for turn in turns {
        #[expect(clippy::cast_precision_loss, reason = "a batch has few rows")]
        let part = (turn.share.n_rows + turn.share.n_drafts) as f64 / n_rows.max(1) as f64;
        turn.device = device.mul_f64(part);
    }
}

pub(super) fn free(cached: Vec<TokenId>, freed_at: u64) -> Slot {
    Slot::Free { cached, freed_at }
}
