//! What becomes of one slot after its rows were computed: draws, accepts, goes on through drafts that were right.
//!
//! Works on the slot alone, so that all slots of a step are settled in parallel; what the device has to do to its cells
//! is said in the outcome.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use super::backend::Outputs;
use super::job::EngineError;
use super::plan::Share;
use super::sampling::{Drawn, Sampler};
use super::sequence::{Choice, Next, Resident, Taken};
use crate::grammar::{MatcherError, TokenId, Vocab};
use crate::telemetry::metrics::METRICS;

/// What a slot runs in this step.
pub(super) struct Turn {
    pub(super) share: Share,
    /// The step's row with the slot's first token.
    pub(super) row_idx: usize,
    /// What is drawn with, once it is known.
    pub(super) choice: Option<Result<Choice, MatcherError>>,
    /// Its part of the time that the device took.
    pub(super) device: Duration,
}

/// What becomes of a slot. Cells beyond the sequence's `n_fed` are to be cut off.
pub(super) enum Settled {
    /// The sequence goes on.
    Stays(Resident),
    /// It is over; these tokens have cells.
    Leaves { cached: Vec<TokenId> },
    /// Nothing can follow here.
    IsStuck(Resident, &'static str),
    /// It cannot be computed any further.
    Breaks(Resident, EngineError),
}

const DEAD_END: &str = "every way on led to a dead end";

thread_local! {
    static SAMPLER: RefCell<Sampler> = RefCell::default();
}

/// Settles a slot. `n_ctx` is the most that a sequence can hold.
pub(super) fn settle(turn: Turn, resident: Resident, outputs: &impl Outputs, vocab: &Vocab, n_ctx: usize) -> Settled {
    let started = Instant::now();
    let Turn { share, row_idx, choice, device } = turn;
    let mut resident = resident.fed(share.n_rows, share.draws);
    resident.note_device(device);
    let Some(choice) = choice.filter(|_| share.draws) else { return Settled::Stays(resident) };
    let drafts = resident.drafts()[..share.n_drafts].to_vec();
    let row_idx = row_idx + share.n_rows - 1;
    let mask_time = resident.task().effort.mask;
    let walk = Walk { outputs, vocab, n_ctx, row_idx, drafts: &drafts, n_right: 0 };
    let (mut settled, n_right) = walk.run(resident, choice);
    if let Settled::Stays(resident) | Settled::IsStuck(resident, _) = &mut settled {
        resident.note_drafts(drafts.len(), n_right);
        let masks = resident.task().effort.mask.saturating_sub(mask_time);
        resident.note_host(started.elapsed().saturating_sub(masks));
    }
    settled
}

/// The way through the rows of one slot.
struct Walk<'a, O> {
    outputs: &'a O,
    vocab: &'a Vocab,
    n_ctx: usize,
    row_idx: usize,
    drafts: &'a [TokenId],
    n_right: usize,
}

impl<O: Outputs> Walk<'_, O> {
    /// Draws token after token, as long as the next row was computed. Returns how many drafts were right.
    fn run(mut self, mut resident: Resident, first: Result<Choice, MatcherError>) -> (Settled, usize) {
        let mut choice = first;
        loop {
            let settled = match choice {
                Err(error) => Settled::Breaks(resident, EngineError::Matcher(error.to_string())),
                Ok(Choice { ending: Some(ending), .. }) => match resident.close_with(ending) {
                    Ok(cached) => Settled::Leaves { cached },
                    Err(resident) => Settled::IsStuck(resident, DEAD_END),
                },
                Ok(choice) if !choice.has_any => Settled::IsStuck(resident, DEAD_END),
                Ok(choice) => self.draw(resident, choice),
            };
            let Settled::Stays(stays) = settled else { return (settled, self.n_right) };
            resident = stays;
            let (n, is_all) = resident.match_drafts(&self.drafts[self.n_right..]);
            self.n_right += n;
            self.row_idx += n;
            if n == 0 || !is_all {
                return (Settled::Stays(resident), self.n_right);
            }
            choice = resident.choose(self.n_ctx);
        }
    }

    /// Draws one token; again, as long as the guard vetoes. What the device drew counts as the first draw.
    fn draw(&self, mut resident: Resident, mut choice: Choice) -> Settled {
        let mut drawn_there = self.outputs.token(self.row_idx);
        if let Some(token) = drawn_there {
            let is_allowed = choice.allows(token);
            let counter = if is_allowed { &METRICS.device_draws } else { &METRICS.refused_draws };
            counter.inc();
            drawn_there = is_allowed.then_some(token);
        }
        loop {
            let drawn = match drawn_there.take() {
                Some(token) => Some(Drawn { token, logprobs: None }),
                None => {
                    SAMPLER.with_borrow_mut(|sampler| self.outputs.draw(self.row_idx, &resident.draw(&choice), sampler))
                }
            };
            let Some(drawn) = drawn else { return Settled::IsStuck(resident, DEAD_END) };
            match self.take(resident, drawn) {
                Ok(settled) => return settled,
                Err((back, why, token)) => {
                    resident = back;
                    if !choice.forbid(token) {
                        return Settled::IsStuck(resident, why);
                    }
                }
            }
        }
    }

    /// Gives the sequence its token.
    ///
    /// # Errors
    /// With the sequence, the reason and the token, if the guard vetoes it.
    fn take(&self, resident: Resident, drawn: Drawn) -> Result<Settled, (Resident, &'static str, TokenId)> {
        let token = drawn.token;
        match resident.take(drawn, self.vocab, self.n_ctx) {
            Taken::Yes(Next::Stay(resident)) => Ok(Settled::Stays(resident)),
            Taken::Yes(Next::Leave { cached }) => Ok(Settled::Leaves { cached }),
            Taken::Vetoed(resident, why) => Err((resident, why, token)),
        }
    }
}
