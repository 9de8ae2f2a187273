//! The device, the one thing that tests fake.

use super::sampling::{Counts, Drawn, Sampling};
use crate::grammar::{Mask, TokenId};

/// A KV cache lane that hosts one sequence at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SlotId(pub usize);

/// What a device can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Number of slots.
    pub n_slots: usize,
    /// Rows per step at most.
    pub n_batch: usize,
    /// Tokens per sequence at most, prompt and answer together.
    pub n_ctx: usize,
}

/// One token to run through the model at `pos` of `slot`. Rows of a slot come in order, without gaps.
#[derive(Debug)]
pub struct Row<'a> {
    /// The lane.
    pub slot: SlotId,
    /// Its position in the sequence, from 0.
    pub pos: usize,
    /// The token.
    pub token: TokenId,
    /// What is wanted in return.
    pub want: Want<'a>,
}

/// What a row gives back.
#[derive(Debug)]
pub enum Want<'a> {
    /// Nothing: the token only fills the cache.
    Nothing,
    /// The next token.
    Token(Draw<'a>),
}

/// How the next token is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Draw<'a> {
    /// The tokens allowed; all, if absent.
    pub mask: Option<&'a Mask>,
    /// Temperature, truncation, penalties, bias.
    pub sampling: &'a Sampling,
    /// How often each token was generated so far.
    pub counts: &'a Counts,
    /// A uniform random number in [0, 1) that decides the draw.
    pub uniform: f32,
    /// Report log probabilities with this many alternatives.
    pub logprobs: Option<u8>,
}

/// A device that failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct BackendError(pub String);

/// The device: model, KV cache, sampling.
pub trait Backend {
    /// What it can hold.
    fn limits(&self) -> Limits;

    /// Runs `rows` (at most `n_batch`) and returns one draw for each row that wants a token, in their order.
    ///
    /// # Errors
    /// If the device fails; the cells of all slots in `rows` are then undefined and must be truncated to 0.
    fn step(&mut self, rows: &[Row<'_>]) -> Result<Vec<Drawn>, BackendError>;

    /// Draws again for the row at `row_idx` of the last step, from the same logits.
    ///
    /// # Errors
    /// If the row wanted no token, or the mask allows nothing.
    fn redraw(&mut self, row_idx: usize, row: &Row<'_>) -> Result<Drawn, BackendError>;

    /// Keeps the first `n` cells of `slot`. Returns how many are kept: `n`, or 0 if the model cannot cut.
    fn truncate(&mut self, slot: SlotId, n: usize) -> usize;

    /// As [`Backend::truncate`], for a sequence that goes back and stays.
    fn rewind(&mut self, slot: SlotId, n: usize) -> usize {
        self.truncate(slot, n)
    }

    /// Makes the cells of `to` a copy of the first `n` of `from`. Returns how many there are then.
    fn copy_prefix(&mut self, from: SlotId, to: SlotId, n: usize) -> usize;
}
