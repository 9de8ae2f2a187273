//! Gives waiting sequences their slots, and the cells that somebody computed before.

use std::time::Instant;

use super::backend::{Backend, SlotId};
use super::plan::GRAIN;
use super::prefix::{Candidate, CopyFrom, Placement, Terms, WORTH_SAVING, n_common, place};
use super::sequence::Waiting;
use super::step::{Engine, Slot};
use crate::grammar::TokenId;
use crate::telemetry::metrics::METRICS;

impl<B: Backend> Engine<B> {
    /// Admits in the order of arrival, as long as slots are free. Whoever waits for cells that are being computed lets
    /// others pass.
    pub(super) fn admit(&mut self, now: Instant) {
        let mut next = 0;
        while next < self.waiting.len() {
            let candidates: Vec<Candidate<'_>> =
                self.slots.iter().enumerate().map(|(i, slot)| candidate(i, slot)).collect();
            let prompt = &self.waiting[next].job.prompt;
            // Why: alone, a request runs in the same batches each time, so that it gives the same text; in company
            // batches differ anyway.
            let is_alone = self.waiting.len() == 1 && candidates.iter().all(|slot| slot.is_free);
            let grain = self.backend.can_cut().then_some(if is_alone { GRAIN } else { 1 });
            let terms = Terms {
                grain,
                n_waiting: self.waiting.len() - next,
                worth_restoring: &|n_saved| self.pace.worth_restoring(n_saved),
            };
            match place(prompt, &candidates, self.prefixes.tokens(), terms) {
                Placement::Full => return,
                Placement::Later => next += 1,
                Placement::Slot { slot_idx, n_cached, copy_from } => {
                    let Some(waiting) = self.waiting.remove(next) else { return };
                    self.seat(waiting, slot_idx, n_cached, copy_from, now);
                }
            }
        }
    }

    fn seat(&mut self, waiting: Waiting, slot_idx: usize, n_cached: usize, copy_from: Option<CopyFrom>, now: Instant) {
        let slot = SlotId(slot_idx);
        let n_own = if copy_from.is_none() { n_cached } else { 0 };
        let entry = match copy_from {
            Some(CopyFrom::Saved(entry_idx)) => self.prefixes.take(entry_idx),
            Some(CopyFrom::Slot(_)) | None => None,
        };
        self.put_by(slot_idx, n_own);
        let started = Instant::now();
        let n_cached = match copy_from {
            None => self.backend.truncate(slot, n_cached),
            Some(CopyFrom::Slot(from)) => self.backend.copy_prefix(SlotId(from), slot, n_cached),
            Some(CopyFrom::Saved(_)) => match &entry {
                Some(entry) => self.backend.restore(slot, &entry.saved, n_cached),
                None => self.backend.truncate(slot, 0),
            },
        };
        if let Some(entry) = entry {
            self.pace.note_copy(entry.n_tokens(), started.elapsed());
            self.prefixes.give_back(entry);
        }
        self.slots[slot_idx] = Slot::Busy(waiting.admit(n_cached, self.tuning.forces, now));
    }

    /// Keeps the cells of a free slot on the host before all but the first `n_kept` are lost, if nobody else has them.
    fn put_by(&mut self, slot_idx: usize, n_kept: usize) {
        let Slot::Free { cached, .. } = &mut self.slots[slot_idx] else { return };
        let tokens: Vec<TokenId> = std::mem::take(cached);
        if tokens.len() < n_kept + WORTH_SAVING {
            return;
        }
        let n_bytes = self.backend.saved_bytes(SlotId(slot_idx));
        if !self.prefixes.has_room_for(n_bytes) {
            return;
        }
        let is_elsewhere = self.slots.iter().any(|slot| {
            let Candidate { cached, .. } = candidate(0, slot);
            n_common(cached, &tokens) + WORTH_SAVING > tokens.len()
        });
        if is_elsewhere || self.prefixes.covers(&tokens, WORTH_SAVING) {
            return;
        }
        if !self.pace.saving_pays() {
            return;
        }
        let started = Instant::now();
        let saved = self.backend.save(SlotId(slot_idx));
        self.pace.note_copy(tokens.len(), started.elapsed());
        if let Some(saved) = saved {
            self.prefixes.put(tokens, saved, n_bytes);
            METRICS.prefix_cache_bytes.set(self.prefixes.n_bytes() as u64);
        }
    }
}

fn candidate(slot_idx: usize, slot: &Slot) -> Candidate<'_> {
    match slot {
        Slot::Free { cached, freed_at } => {
            Candidate { slot_idx, is_free: true, freed_at: *freed_at, cached, coming: &[] }
        }
        Slot::Busy(resident) => {
            let (tokens, n_fed) = resident.tokens();
            let coming = if resident.is_prefilling() { tokens } else { &[] };
            Candidate { slot_idx, is_free: false, freed_at: 0, cached: &tokens[..n_fed], coming }
        }
    }
}
