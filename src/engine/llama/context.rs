//! One llama.cpp context: the owner of the C object, its batch, and the probe in its graph.
//!
//! Own, beside llama-cpp-2's, because masks on the device need what that one keeps to itself: samplers in the graph, and
//! the number of outputs that memory is reserved for.

#![expect(unsafe_code, reason = "calls of llama.cpp's C interface")]

use std::ptr::NonNull;

use llama_cpp_2::model::LlamaModel;
use llama_cpp_sys_2 as sys;

use super::load::Model;
use super::probe::Probe;

/// How a context is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct ContextOptions {
    /// Tokens per sequence.
    pub(super) n_ctx: u32,
    /// Sequences.
    pub(super) n_seqs: u32,
    /// Rows per batch.
    pub(super) n_batch: u32,
    /// Rows with outputs per batch.
    pub(super) n_outputs: u32,
    /// Of these, those of one sequence.
    pub(super) n_outputs_per_seq: u32,
    /// Whether logits stay where they are computed. Then a batch must be one run of the graph: cells are shared, and the
    /// model is not recurrent.
    pub(super) keeps_logits: bool,
    /// Whether sequences share one buffer of cells, or have lanes of their own.
    pub(super) shares_cells: bool,
    pub(super) n_threads: i32,
}

/// A llama.cpp context.
pub(super) struct Context {
    ptr: NonNull<sys::llama_context>,
    model: Model,
    /// Set if logits stay where they are computed. Invariant: the context points into it, so it is freed after it.
    probe: Option<Probe>,
    /// Runs with the graph of the run before, as of the last look.
    n_reused: i32,
}

// SAFETY: a context is bound to no thread; llama.h only asks that one thread at a time uses it, and every use of ours
// takes `&mut self`, or reads what only `&mut self` changes.
unsafe impl Send for Context {}

/// The rows of one decode call, in llama.cpp's layout.
#[derive(Default)]
pub(super) struct Batch {
    tokens: Vec<sys::llama_token>,
    positions: Vec<sys::llama_pos>,
    n_seq_ids: Vec<i32>,
    seq_ids: Vec<sys::llama_seq_id>,
    outputs: Vec<i8>,
}

impl Batch {
    pub(super) fn clear(&mut self) {
        self.tokens.clear();
        self.positions.clear();
        self.n_seq_ids.clear();
        self.seq_ids.clear();
        self.outputs.clear();
    }

    pub(super) fn push(&mut self, token: i32, pos: i32, seq_id: i32, has_output: bool) {
        self.tokens.push(token);
        self.positions.push(pos);
        self.n_seq_ids.push(1);
        self.seq_ids.push(seq_id);
        self.outputs.push(i8::from(has_output));
    }
}

impl Context {
    /// Makes a context; nothing, if llama.cpp cannot, mostly for want of memory. It has a probe if logits are to be kept
    /// and the device can.
    pub(super) fn new(model: Model, options: ContextOptions) -> Option<Self> {
        let mut context = Self::bare(model, options)?;
        if options.keeps_logits {
            // SAFETY: the context is valid, and is freed before its probe (see `drop`).
            let (probe, is_set) = unsafe { Probe::set(context.ptr.as_ptr(), options.n_seqs) };
            context.probe = Some(probe);
            if !is_set {
                // Why another: some sequences have their sampler, and their logits would stay on the device.
                drop(context);
                return Self::bare(model, options);
            }
        }
        Some(context)
    }

    fn bare(model: Model, options: ContextOptions) -> Option<Self> {
        // SAFETY: takes nothing, gives a plain struct (llama.h, llama_context_default_params).
        let mut params = unsafe { sys::llama_context_default_params() };
        params.n_ctx = options.n_ctx.checked_mul(options.n_seqs)?;
        params.n_batch = options.n_batch;
        params.n_ubatch = options.n_batch;
        params.n_seq_max = options.n_seqs;
        // Why: left alone, logits are reserved for every row of a batch: 100 MB for 50,000 tokens and 512 rows.
        params.n_outputs_max = options.n_outputs;
        params.n_outputs_max_per_seq = options.n_outputs_per_seq;
        params.n_threads = options.n_threads;
        params.n_threads_batch = options.n_threads;
        params.kv_unified = options.shares_cells;
        params.no_perf = true;
        // SAFETY: the model is loaded and lives as long as the process; params came from llama.cpp's defaults.
        let ptr = unsafe { sys::llama_init_from_model(model_ptr(model), params) };
        Some(Self { ptr: NonNull::new(ptr)?, model, probe: None, n_reused: 0 })
    }

    /// Starts computing `batch`; a GPU may still be at it when this returns.
    ///
    /// # Errors
    /// With llama.cpp's code: 1 no room in the cache, below 0 a fault.
    pub(super) fn decode(&mut self, batch: &mut Batch) -> Result<(), i32> {
        let mut seq_ids: Vec<*mut sys::llama_seq_id> = batch.seq_ids.iter_mut().map(std::ptr::from_mut).collect();
        let n_tokens = i32::try_from(batch.tokens.len()).map_err(|_| -1)?;
        let raw = sys::llama_batch {
            n_tokens,
            token: batch.tokens.as_mut_ptr(),
            embd: std::ptr::null_mut(),
            pos: batch.positions.as_mut_ptr(),
            n_seq_id: batch.n_seq_ids.as_mut_ptr(),
            seq_id: seq_ids.as_mut_ptr(),
            logits: batch.outputs.as_mut_ptr(),
        };
        // SAFETY: all arrays have `n_tokens` entries and outlive the call, which copies what it keeps.
        match unsafe { sys::llama_decode(self.ptr.as_ptr(), raw) } {
            0 => Ok(()),
            code => Err(code),
        }
    }

    /// Waits until the device is done.
    pub(super) fn synchronize(&mut self) {
        // SAFETY: the context is valid as long as `self`.
        unsafe { sys::llama_synchronize(self.ptr.as_ptr()) }
    }

    /// How many runs since the last look had the graph of the run before.
    pub(super) fn n_reused(&mut self) -> u64 {
        // SAFETY: the context is valid as long as `self`.
        let n_reused = unsafe { sys::llama_perf_context(self.ptr.as_ptr()) }.n_reused;
        let n_before = std::mem::replace(&mut self.n_reused, n_reused);
        u64::try_from(n_reused - n_before).unwrap_or(0)
    }

    /// The logits `[n_vocab]` of a row of the last batch that had an output; valid until the next batch.
    pub(super) fn logits(&self, row_idx: usize) -> Option<&[f32]> {
        let row = i32::try_from(row_idx).ok()?;
        // SAFETY: gives null for rows without outputs (llama.h, llama_get_logits_ith).
        let logits = unsafe { sys::llama_get_logits_ith(self.ptr.as_ptr(), row) };
        let n_vocab = usize::try_from(self.model.n_vocab()).ok()?;
        // SAFETY: a row has n_vocab values, which only the next decode overwrites, and that needs `&mut self`.
        (!logits.is_null()).then(|| unsafe { std::slice::from_raw_parts(logits, n_vocab) })
    }

    /// What knows where the logits are, if they stay there.
    pub(super) fn probe(&self) -> Option<&Probe> {
        self.probe.as_ref()
    }

    /// Removes the cells of a sequence from `from` on. Returns whether it could.
    pub(super) fn cut(&mut self, seq_id: i32, from: i32) -> bool {
        // SAFETY: the memory belongs to the context; -1 means "to the end" (llama.h, llama_memory_seq_rm).
        unsafe { sys::llama_memory_seq_rm(sys::llama_get_memory(self.ptr.as_ptr()), seq_id, from, -1) }
    }

    /// Copies a whole sequence onto an emptied one; shared cells are not copied, but belong to both.
    pub(super) fn copy(&mut self, from: i32, to: i32) {
        // SAFETY: as for `cut`. Why whole: lanes of their own can only be copied so.
        unsafe { sys::llama_memory_seq_cp(sys::llama_get_memory(self.ptr.as_ptr()), from, to, -1, -1) }
    }

    /// Bytes that the cells of a sequence take outside.
    pub(super) fn state_bytes(&self, seq_id: i32) -> usize {
        // SAFETY: only counts.
        unsafe { sys::llama_state_seq_get_size_ext(self.ptr.as_ptr(), seq_id, 0) }
    }

    /// Copies the cells of a sequence out.
    pub(super) fn state(&mut self, seq_id: i32) -> Option<Vec<u8>> {
        let mut bytes = vec![0; self.state_bytes(seq_id)];
        // SAFETY: at most `bytes.len()` bytes are written.
        let n =
            unsafe { sys::llama_state_seq_get_data_ext(self.ptr.as_ptr(), bytes.as_mut_ptr(), bytes.len(), seq_id, 0) };
        (n == bytes.len() && n > 0).then_some(bytes)
    }

    /// Copies cells into a sequence. Returns whether they fit.
    pub(super) fn set_state(&mut self, seq_id: i32, bytes: &[u8]) -> bool {
        // SAFETY: the bytes came from `state` of this very context, and llama.cpp checks their lengths.
        let n = unsafe { sys::llama_state_seq_set_data_ext(self.ptr.as_ptr(), bytes.as_ptr(), bytes.len(), seq_id, 0) };
        n == bytes.len()
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: made by llama_init_from_model, freed once, before the probe that it points to: fields are dropped later.
        unsafe { sys::llama_free(self.ptr.as_ptr()) }
    }
}

/// The C object of a model.
fn model_ptr(model: Model) -> *mut sys::llama_model {
    const {
        assert!(
            size_of::<LlamaModel>() == size_of::<*mut sys::llama_model>(),
            "a LlamaModel is one pointer in the pinned version of llama-cpp-2"
        );
    }
    // SAFETY: in the pinned llama-cpp-2 0.1.160 a LlamaModel is a NonNull<llama_model> and nothing else (src/model.rs,
    // src/ptr.rs); the assertion above fails to compile if that changes in size.
    unsafe { std::mem::transmute_copy::<LlamaModel, *mut sys::llama_model>(model) }
}
