//! Tokens in, tokens out: sequences in slots, continuous batching, chunked prefill, prefix reuse.
//!
//! One thread owns the device and runs `Engine::step` in a loop. Reading order: `job` (what comes in and goes out),
//! `backend` (the device), `sequence` (states and transitions), `plan` (rows of the next step), `prefix` (which slot),
//! `step` (the loop's body), `handle` (the thread). Not here: HTTP, chat, JSON, tool formats.

mod backend;
mod fake;
mod handle;
mod job;
#[cfg(feature = "llama")]
pub mod llama;
mod plan;
mod prefix;
pub mod sampling;
mod sequence;
mod step;

pub use backend::{Backend, BackendError, Draw, Limits, Row, SlotId, Want};
pub use fake::{FakeBackend, FakeMode, fake_vocab};
pub use handle::{Busy, EngineHandle, EngineOptions};
pub use job::{EngineError, Event, FinishReason, Job};
pub use sampling::{Counts, Drawn, Sampling, TokenLogprob, TokenLogprobs};
pub use step::Engine;
