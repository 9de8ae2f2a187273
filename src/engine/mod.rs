//! Tokens in, tokens out: sequences in slots, continuous batching, chunked prefill, prefix reuse.
//!
//! One thread owns the device and runs `Engine::step` in a loop. Reading order: `job` (what comes in and goes out),
//! `backend` (the device), `sequence` and `decoding` (states and transitions), `plan` (rows of the next step), `prefix`
//! (which slot), `admit`, `step` (the loop's body), `settle` (what becomes of a slot), `draft` and `propose` (speculation),
//! `handle` (the thread). Not here: HTTP, chat, JSON, tool formats.

mod admit;
mod advance;
mod backend;
mod decoding;
mod draft;
mod fake;
mod handle;
mod job;
#[cfg(feature = "llama")]
pub mod llama;
mod pace;
mod placement;
mod plan;
mod prefix;
mod prefix_cache;
mod propose;
pub mod sampling;
mod sequence;
mod settle;
mod spread;
mod step;

pub use backend::{Ask, Backend, BackendError, Draw, Limits, Outputs, Row, SlotId};
pub use draft::Drafter;
pub use fake::{FakeBackend, FakeMode, fake_vocab};
pub use handle::{Busy, EngineHandle, EngineOptions};
pub use job::{Effort, EngineError, Event, FinishReason, Job, ThinkingLimit};
pub use placement::{DrawOn, GpuLayers, KvCells, Placement};
pub use sampling::{Counts, Drawn, Sampling, TokenLogprob, TokenLogprobs};
pub use step::{Engine, Tuning};
