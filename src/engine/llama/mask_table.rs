//! The table that turns eight bits of a mask into eight addends, where the logits are.

#![expect(unsafe_code, reason = "calls of llama.cpp's C interface")]

use std::ptr::{self, NonNull};

use llama_cpp_sys_2 as sys;

/// Tokens per index into the table.
pub(super) const PER_INDEX: usize = 8;
const N_ROWS: usize = 1 << PER_INDEX;

/// `[8, 256]`: row `b` has 0 where bit `i` of `b` is set, and minus infinity elsewhere.
pub(super) struct Table {
    context: NonNull<sys::ggml_context>,
    buffer: NonNull<sys::ggml_backend_buffer>,
    pub(super) tensor: NonNull<sys::ggml_tensor>,
}

impl Table {
    /// Makes the table in a buffer of type `buft`.
    pub(super) fn new(buft: sys::ggml_backend_buffer_type_t) -> Option<Self> {
        // SAFETY: the context holds one tensor's header and no data; the buffer gets what the tensor takes.
        unsafe {
            let params = sys::ggml_init_params {
                mem_size: 2 * sys::ggml_tensor_overhead(),
                mem_buffer: ptr::null_mut(),
                no_alloc: true,
            };
            let context = NonNull::new(sys::ggml_init(params))?;
            let tensor = sys::ggml_new_tensor_2d(context.as_ptr(), sys::GGML_TYPE_F32, 8, 256);
            let buffer = NonNull::new(sys::ggml_backend_alloc_ctx_tensors_from_buft(context.as_ptr(), buft));
            let (Some(tensor), Some(buffer)) = (NonNull::new(tensor), buffer) else {
                sys::ggml_free(context.as_ptr());
                return None;
            };
            let allowed = |row: usize, bit: usize| row >> bit & 1 == 1;
            let values: Vec<f32> = (0..N_ROWS)
                .flat_map(|row| (0..PER_INDEX).map(move |bit| if allowed(row, bit) { 0.0 } else { f32::NEG_INFINITY }))
                .collect();
            sys::ggml_backend_tensor_set(tensor.as_ptr(), values.as_ptr().cast(), 0, size_of_val(&values[..]));
            Some(Self { context, buffer, tensor })
        }
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // SAFETY: both were made in `new`, and no graph that uses the tensor runs after its sampler is gone.
        unsafe {
            sys::ggml_backend_buffer_free(self.buffer.as_ptr());
            sys::ggml_free(self.context.as_ptr());
        }
    }
}
