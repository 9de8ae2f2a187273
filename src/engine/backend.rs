//! The device, the one thing that tests fake.
//!
//! A step is started, asked and finished in three calls, so that host work goes on while the device computes: masks are
//! made after the first and handed over with the second. Tokens are then drawn on the device, under the masks, or on the
//! host, from logits.

use super::sampling::{Counts, Drawn, Sampler, Sampling};
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
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The lane.
    pub slot: SlotId,
    /// Its position in the sequence, from 0.
    pub pos: usize,
    /// The token.
    pub token: TokenId,
    /// Whether a token will be drawn after it; if not, it only fills the cache.
    pub has_output: bool,
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

/// A token that the device is to draw.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The row after which it comes; at most one token is asked for each.
    pub row_idx: usize,
    /// How.
    pub draw: Draw<'a>,
}

/// A device that failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct BackendError(pub String);

/// The device: model, KV cache, and where it can, sampling.
pub trait Backend {
    /// What a finished step gave; borrowed until the next one.
    type Outputs<'a>: Outputs
    where
        Self: 'a;
    /// The cells of a slot, kept on the host.
    type Saved;

    /// What it can hold.
    fn limits(&self) -> Limits;

    /// Whether cells can be cut off at any position. Recurrent models can only forget everything.
    fn can_cut(&self) -> bool {
        true
    }

    /// Whether it computes beside the processor, so that what needs no result is best done meanwhile.
    fn is_apart(&self) -> bool {
        false
    }

    /// Whether it draws tokens itself under this sampling.
    fn can_draw(&self, sampling: &Sampling) -> bool {
        let _ = sampling;
        false
    }

    /// Starts computing `rows`, at most `n_batch`. It may return before the device is done.
    ///
    /// # Errors
    /// If the device fails; the cells of all slots in `rows` are then undefined and must be truncated to 0.
    fn start(&mut self, rows: &[Row]) -> Result<(), BackendError>;

    /// Has tokens drawn after the rows of the last [`Backend::start`], which may still be computed; only under samplings
    /// for which it can, and at most once in a step.
    fn ask(&mut self, asks: &[Ask<'_>]) {
        let _ = asks;
    }

    /// Waits until the rows of the last [`Backend::start`] are computed, and what was asked for is drawn.
    ///
    /// # Errors
    /// As [`Backend::start`].
    fn finish(&mut self) -> Result<Self::Outputs<'_>, BackendError>;

    /// Keeps the first `n` cells of `slot`. Returns how many are kept: `n`, or 0 if the model cannot cut.
    fn truncate(&mut self, slot: SlotId, n: usize) -> usize;

    /// As [`Backend::truncate`], for a sequence that goes back and stays.
    fn rewind(&mut self, slot: SlotId, n: usize) -> usize {
        self.truncate(slot, n)
    }

    /// Makes the cells of `to` a copy of the first `n` of `from`. Returns how many there are then.
    fn copy_prefix(&mut self, from: SlotId, to: SlotId, n: usize) -> usize;

    /// Bytes that [`Backend::save`] would take.
    fn saved_bytes(&self, slot: SlotId) -> usize;

    /// Copies the cells of `slot` to the host; nothing if the device cannot.
    fn save(&mut self, slot: SlotId) -> Option<Self::Saved>;

    /// Makes the cells of `slot` the first `n` of `saved`. Returns how many there are then.
    fn restore(&mut self, slot: SlotId, saved: &Self::Saved, n: usize) -> usize;
}

/// The results of a step. Rows are named by their place in it; several threads may draw at once.
pub trait Outputs: Sync {
    /// The token that the device drew for a row that was asked for.
    fn token(&self, row_idx: usize) -> Option<TokenId>;

    /// Draws for a row with an output on the host, any number of times. Nothing, if the mask allows no token.
    fn draw(&self, row_idx: usize, draw: &Draw<'_>, sampler: &mut Sampler) -> Option<Drawn>;
}
