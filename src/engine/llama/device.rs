//! Runs batches on a llama.cpp context and draws tokens on the host.

use std::num::NonZeroU32;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;

use super::load::{LlamaFile, Model};
use crate::engine::sampling::{Drawn, Sampler};
use crate::engine::{Backend, BackendError, Limits, Row, SlotId, Want};

/// How the context is set up.
#[derive(Clone, Copy, Debug)]
pub struct LlamaOptions {
    /// What it must hold.
    pub limits: Limits,
    /// Threads for one step.
    pub n_threads: usize,
}

/// A llama.cpp context with one sequence per slot.
pub struct LlamaDevice {
    context: LlamaContext<'static>,
    batch: LlamaBatch<'static>,
    limits: Limits,
    sampler: Sampler,
}

impl LlamaDevice {
    /// Makes a context for `file`'s model. Each slot has its own lane of the cache, so that what others do never
    /// moves a sequence's cells, and the same request gives the same text.
    ///
    /// # Errors
    /// If llama.cpp cannot make the context, mostly for want of memory.
    pub fn new(
        model: Model,
        backend: &'static llama_cpp_2::llama_backend::LlamaBackend,
        options: LlamaOptions,
    ) -> Result<Self, BackendError> {
        let LlamaOptions { limits, n_threads } = options;
        let small =
            |n: usize, what: &str| u32::try_from(n).map_err(|_| BackendError(format!("{what} is too large: {n}")));
        let n_threads = i32::try_from(n_threads).map_err(|_| BackendError("too many threads".into()))?;
        let n_batch = small(limits.n_batch, "the batch")?;
        let n_slots = small(limits.n_slots, "the number of slots")?;
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(small(limits.n_ctx * limits.n_slots, "the context")?))
            .with_n_batch(n_batch)
            .with_n_ubatch(n_batch)
            .with_n_seq_max(n_slots)
            .with_kv_unified(false)
            .with_n_threads(n_threads)
            .with_n_threads_batch(n_threads);
        let context = model.new_context(backend, params).map_err(|e| {
            BackendError(format!("no context of {} slots with {} tokens each: {e}", limits.n_slots, limits.n_ctx))
        })?;
        let batch = LlamaBatch::new(limits.n_batch, 1);
        Ok(Self { context, batch, limits, sampler: Sampler::default() })
    }

    fn fill(&mut self, rows: &[Row<'_>]) -> Result<(), BackendError> {
        self.batch.clear();
        for row in rows {
            let too_large = |_| BackendError("a row out of range".into());
            let token = LlamaToken(i32::try_from(row.token).map_err(too_large)?);
            let pos = i32::try_from(row.pos).map_err(too_large)?;
            let wants = matches!(row.want, Want::Token(_));
            self.batch.add(token, pos, &[seq_id(row.slot)], wants).map_err(|e| BackendError(e.to_string()))?;
        }
        Ok(())
    }
}

impl LlamaFile {
    /// Makes what builds the device on the engine's thread.
    pub fn device(&self, options: LlamaOptions) -> impl FnOnce() -> Result<LlamaDevice, BackendError> + Send + use<> {
        let (model, backend) = (self.model, self.backend);
        move || LlamaDevice::new(model, backend, options)
    }
}

impl Backend for LlamaDevice {
    fn limits(&self) -> Limits {
        self.limits
    }

    fn step(&mut self, rows: &[Row<'_>]) -> Result<Vec<Drawn>, BackendError> {
        self.fill(rows)?;
        self.context.decode(&mut self.batch).map_err(|e| BackendError(e.to_string()))?;
        let mut drawn = Vec::new();
        for (i, row) in (0i32..).zip(rows) {
            if let Want::Token(draw) = &row.want {
                let token = self.sampler.draw(self.context.get_logits_ith(i), draw);
                drawn.push(token.ok_or_else(|| BackendError("the mask allows nothing".into()))?);
            }
        }
        Ok(drawn)
    }

    fn redraw(&mut self, row_idx: usize, row: &Row<'_>) -> Result<Drawn, BackendError> {
        let Want::Token(draw) = &row.want else { return Err(BackendError("the row wants no token".into())) };
        let i = i32::try_from(row_idx).map_err(|_| BackendError("a row out of range".into()))?;
        let token = self.sampler.draw(self.context.get_logits_ith(i), draw);
        token.ok_or_else(|| BackendError("the mask allows nothing".into()))
    }

    fn truncate(&mut self, slot: SlotId, n: usize) -> usize {
        let from = u32::try_from(n).unwrap_or(u32::MAX);
        if self.context.kv_cache_seq_rm(seq_id(slot), Some(from), None).is_ok() {
            return n;
        }
        // Recurrent models cannot cut, only forget.
        let _emptied = self.context.kv_cache_seq_rm(seq_id(slot), None, None);
        0
    }

    fn copy_prefix(&mut self, from: SlotId, to: SlotId, n: usize) -> usize {
        let _emptied = self.context.kv_cache_seq_rm(seq_id(to), None, None);
        // Why: lanes of their own can only be copied whole; the rest is cut off again.
        if self.context.kv_cache_seq_cp(seq_id(from), seq_id(to), None, None).is_err() {
            return 0;
        }
        self.truncate(to, n)
    }
}

fn seq_id(slot: SlotId) -> i32 {
    i32::try_from(slot.0).expect("slots are few")
}
