//! Who gets drafts for the next step, and from where: the draft model if there is one, else the sequence itself.

use super::backend::{Backend, SlotId};
use super::draft::{Drafter, Drafts, MAX_DRAFTS, Source, look_up};
use super::sequence::Resident;
use super::step::{Engine, Slot};
use crate::grammar::{TokenId, Vocab};

impl<B: Backend> Engine<B> {
    /// Looks for drafts for every sequence whose next step may carry them.
    pub(super) fn propose(&mut self) {
        let n_decoding = self.decoding().count();
        if n_decoding == 0 || !self.backend.can_cut() {
            return;
        }
        let bounds = Bounds { break_even: self.pace.break_even(n_decoding), n_ctx: self.limits.n_ctx };
        if let Some(drafter) = &mut self.drafter {
            ask(&mut **drafter, &mut self.slots, &self.vocab, bounds);
        } else if self.tuning.speculates {
            search(&mut self.slots, &self.vocab, bounds);
        }
    }
}

/// What bounds drafts.
#[derive(Clone, Copy)]
struct Bounds {
    /// How probably right a draft must be to be worth its row.
    break_even: f32,
    n_ctx: usize,
}

/// Lets the model propose for all at once.
fn ask(drafter: &mut dyn Drafter, slots: &mut [Slot], vocab: &Vocab, bounds: Bounds) {
    let mut wants = Vec::new();
    for (slot_idx, resident) in drafting(slots) {
        let n = resident.record_mut().map_or(0, |record| record.n_worth(Source::Model, bounds.break_even));
        if n > 0 {
            wants.push((slot_idx, n));
        }
    }
    if wants.is_empty() {
        return;
    }
    let tokens = |slot_idx: usize| -> &[TokenId] {
        match &slots[slot_idx] {
            Slot::Busy(resident) => resident.tokens().0,
            Slot::Free { cached, .. } => cached,
        }
    };
    let asked: Vec<_> = wants.iter().map(|(i, n)| (SlotId(*i), tokens(*i), *n)).collect();
    let drafted = drafter.draft(&asked);
    for ((slot_idx, _), tokens) in wants.into_iter().zip(drafted) {
        if let Slot::Busy(resident) = &mut slots[slot_idx] {
            resident.set_drafts(Drafts { tokens, source: Some(Source::Model) }, vocab, bounds.n_ctx);
        }
    }
}

/// Proposes what followed the last time that a sequence ended as it does now.
fn search(slots: &mut [Slot], vocab: &Vocab, bounds: Bounds) {
    for (_, resident) in drafting(slots) {
        let Some((source, after)) = look_up(resident.tokens().0) else { continue };
        let mut tokens = after[..after.len().min(MAX_DRAFTS)].to_vec();
        tokens.truncate(resident.record_mut().map_or(0, |record| record.n_worth(source, bounds.break_even)));
        if !tokens.is_empty() {
            resident.set_drafts(Drafts { tokens, source: Some(source) }, vocab, bounds.n_ctx);
        }
    }
}

/// The sequences whose next step may carry drafts: they decode, and nobody wants to know of each token how probable it
/// was.
fn drafting(slots: &mut [Slot]) -> impl Iterator<Item = (usize, &mut Resident)> {
    slots.iter_mut().enumerate().filter_map(|(slot_idx, slot)| match slot {
        Slot::Busy(resident) => {
            let may = !resident.is_prefilling() && resident.task().job.logprobs.is_none();
            may.then_some((slot_idx, resident))
        }
        Slot::Free { .. } => None,
    })
}
