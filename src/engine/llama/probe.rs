//! Finds the tensor with the logits where llama.cpp computes them, and keeps them there.
//!
//! llama.cpp copies logits to the host for every sequence that has no sampler in its graph. A sampler that does nothing
//! spares the copy, and is told which tensor the logits are. They stay until the next step, so that masks can be made
//! while the step is computed, and draws go on from the same logits after a veto.
//! Source: llama.h and src/llama-graph.cpp (`build_sampling`, `set_outputs`) of llama.cpp as in llama-cpp-sys-2 0.1.161.

#![expect(unsafe_code, reason = "calls and callbacks of llama.cpp's C interface")]

use std::ffi::c_char;
use std::ptr::NonNull;

use llama_cpp_sys_2 as sys;

/// The samplers of all sequences of a context, and what they saw.
pub(super) struct Probe {
    chains: Vec<NonNull<sys::llama_sampler>>,
    /// Leaked while samplers point to it.
    seen: NonNull<Seen>,
}

struct Seen {
    /// The buffers that the logits are in; null until a sampler is set.
    buffer_type: sys::ggml_backend_buffer_type_t,
    /// Null until a graph was built.
    logits: *mut sys::ggml_tensor,
}

impl Probe {
    /// Puts a sampler into the graph for each of `n_seqs` sequences; whether it could is said beside the probe.
    ///
    /// # Safety
    /// `context` is valid, and does not outlive the probe.
    pub(super) unsafe fn set(context: *mut sys::llama_context, n_seqs: u32) -> (Self, bool) {
        let nothing = Seen { buffer_type: std::ptr::null_mut(), logits: std::ptr::null_mut() };
        let seen = NonNull::from(Box::leak(Box::new(nothing)));
        let mut probe = Self { chains: Vec::new(), seen };
        let is_set = (0..n_seqs.cast_signed()).all(|seq_id| {
            // SAFETY: the interface is static, and the samplers' context lives as long as the probe, which outlives the
            // context. The chain owns its sampler (llama.h, llama_sampler_chain_add).
            unsafe {
                let chain = sys::llama_sampler_chain_init(sys::llama_sampler_chain_params { no_perf: true });
                let sampler = sys::llama_sampler_init((&raw const INTERFACE).cast_mut(), seen.as_ptr().cast());
                sys::llama_sampler_chain_add(chain, sampler);
                probe.chains.extend(NonNull::new(chain));
                sys::llama_set_sampler(context, seq_id, chain)
            }
        });
        (probe, is_set)
    }

    /// The logits `[n_vocab, n_outputs]` of the last step; valid until the next.
    pub(super) fn logits(&self) -> Option<NonNull<sys::ggml_tensor>> {
        // SAFETY: callbacks write here only inside calls that take the context by `&mut`.
        NonNull::new(unsafe { (*self.seen.as_ptr()).logits })
    }

    /// The type of the buffers that logits are in.
    pub(super) fn buffer_type(&self) -> sys::ggml_backend_buffer_type_t {
        // SAFETY: as above.
        unsafe { (*self.seen.as_ptr()).buffer_type }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // SAFETY: the context is gone (see `set`); chains free their samplers, and then nobody knows the box.
        unsafe {
            self.chains.iter().for_each(|chain| sys::llama_sampler_free(chain.as_ptr()));
            drop(Box::from_raw(self.seen.as_ptr()));
        }
    }
}

static INTERFACE: sys::llama_sampler_i = sys::llama_sampler_i {
    name: Some(name),
    accept: None,
    apply: Some(apply),
    reset: None,
    clone: None,
    free: None,
    backend_init: Some(backend_init),
    backend_accept: None,
    backend_apply: Some(backend_apply),
    backend_set_input: None,
    backend_reset: None,
    copy_state: None,
};

unsafe extern "C" fn name(_: *const sys::llama_sampler) -> *const c_char {
    c"drawplate-probe".as_ptr()
}

unsafe extern "C" fn apply(_: *mut sys::llama_sampler, _: *mut sys::llama_token_data_array) {}

unsafe extern "C" fn backend_init(
    sampler: *mut sys::llama_sampler,
    buffer_type: sys::ggml_backend_buffer_type_t,
    _n_outputs_max_per_seq: u32,
) -> bool {
    // SAFETY: called by llama.cpp with a sampler of ours.
    unsafe { (*(*sampler).ctx.cast::<Seen>()).buffer_type = buffer_type };
    true
}

/// Notes the tensor of which `data` shows one row: the row is a view of the logits with a row of padding.
unsafe extern "C" fn backend_apply(
    sampler: *mut sys::llama_sampler,
    _ctx: *mut sys::ggml_context,
    _graph: *mut sys::ggml_cgraph,
    data: *mut sys::llama_sampler_data,
) {
    // SAFETY: called by llama.cpp while it builds a graph, with a sampler of ours.
    unsafe {
        let row = (*data).logits;
        let padded = if (*row).view_src.is_null() { row } else { (*row).view_src };
        let source = (*padded).src[0];
        (*(*sampler).ctx.cast::<Seen>()).logits = if source.is_null() { padded } else { source };
        // Why: what is left here is copied to the host after every step.
        (*data).logits = std::ptr::null_mut();
        (*data).probs = std::ptr::null_mut();
        (*data).candidates = std::ptr::null_mut();
    }
}
