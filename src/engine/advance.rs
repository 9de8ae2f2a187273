//! One run of the device: its rows are planned and started, masks made while it computes, tokens drawn and settled.

use std::time::{Duration, Instant};

use super::backend::{Ask, Backend, BackendError, Row, SlotId};
use super::plan::{Pending, Room, Share, plan};
use super::sequence::Resident;
use super::settle::{Turn, settle};
use super::spread::Cost;
use super::step::{Engine, Slot};
use crate::telemetry::metrics::{METRICS, StepPart};

impl<B: Backend> Engine<B> {
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
    pub(super) fn advance(&mut self) {
        let started = Instant::now();
        let room = Room { n_batch: self.limits.n_batch, n_prefill: self.pace.n_prefill(self.limits.n_batch) };
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
        if let Err(error) = self.start(&mut turns) {
            let places: Vec<usize> = turns.iter().map(|turn| turn.share.slot_idx).collect();
            let lost = places.into_iter().filter_map(|i| Some((i, self.vacate(i)?))).collect();
            return self.lose(lost, &error.0);
        }
        let mut since = METRICS.note_part(StepPart::Start, started);
        let asks = asks(&self.backend, &turns, &self.slots);
        if !asks.is_empty() {
            self.backend.ask(&asks);
        }
        drop(asks);
        since = METRICS.note_part(StepPart::Ask, since);
        if self.backend.is_apart() {
            self.tell();
            since = METRICS.note_part(StepPart::Tell, since);
        }
        let residents: Vec<Resident> = turns.iter().filter_map(|turn| self.vacate(turn.share.slot_idx)).collect();
        let places: Vec<(usize, bool)> = turns.iter().map(|t| (t.share.slot_idx, t.share.n_drafts > 0)).collect();
        let (vocab, n_ctx) = (&*self.vocab, self.limits.n_ctx);
        let finished = match self.backend.finish() {
            Ok(outputs) => {
                let device = submitted.elapsed();
                since = METRICS.note_part(StepPart::Wait, since);
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
        since = METRICS.note_part(StepPart::Settle, since);
        if !self.backend.is_apart() {
            self.tell();
            METRICS.note_part(StepPart::Tell, since);
        }
        METRICS.step_seconds.observe(started.elapsed().as_secs_f64());
    }

    /// Starts the device and makes masks.
    ///
    /// Where the device is not the processor, both at once: telling a GPU what to do takes the host most of a step, and
    /// masks need nothing of it.
    fn start(&mut self, turns: &mut [Turn]) -> Result<(), BackendError> {
        let rows = rows(&self.slots, turns);
        let n_ctx = self.limits.n_ctx;
        let Self { backend, slots, mask_cost, .. } = self;
        if backend.is_apart() {
            return rayon::in_place_scope(|scope| {
                scope.spawn(|_| choose(slots, turns, mask_cost, n_ctx));
                backend.start(&rows)
            });
        }
        backend.start(&rows)?;
        choose(slots, turns, mask_cost, n_ctx);
        Ok(())
    }

    /// Tells clients what is new. Whose sequence has left its slot was told then.
    fn tell(&mut self) {
        for slot in &mut self.slots {
            if let Slot::Busy(resident) = slot {
                resident.task_mut().send_news();
            }
        }
    }
}

/// Computes the masks of the slots that draw, in parallel.
fn choose(slots: &mut [Slot], turns: &mut [Turn], cost: &mut Cost, n_ctx: usize) {
    let mut drawing: Vec<Option<&mut Turn>> = (0..slots.len()).map(|_| None).collect();
    for turn in turns.iter_mut().filter(|turn| turn.share.draws) {
        let slot_idx = turn.share.slot_idx;
        drawing[slot_idx] = Some(turn);
    }
    let wanted: Vec<(&mut Turn, &mut Resident)> = drawing
        .into_iter()
        .zip(slots)
        .filter_map(|(turn, slot)| match (turn, slot) {
            (Some(turn), Slot::Busy(resident)) => Some((turn, resident)),
            _ => None,
        })
        .collect();
    if !wanted.is_empty() {
        let started = Instant::now();
        cost.each(wanted, |(turn, resident)| turn.choice = Some(resident.choose(n_ctx)));
        METRICS.mask_seconds.observe(started.elapsed().as_secs_f64());
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
        let choice = turn.choice.as_ref()?.as_ref().ok().filter(|choice| choice.draws())?;
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
