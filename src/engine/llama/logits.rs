//! Logits that stay where they were computed, and copies of their rows.

#![expect(unsafe_code, reason = "calls of llama.cpp's C interface")]

use std::ptr::NonNull;
use std::sync::Mutex;

use llama_cpp_sys_2 as sys;

/// The logits `[n_vocab, n_outputs]` of the last step. Nothing may be computed as long as it is in use.
#[derive(Clone, Copy)]
pub(super) struct Logits(NonNull<sys::ggml_tensor>);

// SAFETY: the tensor is only read, and copies are made one at a time (see `copy`).
unsafe impl Send for Logits {}
// SAFETY: as above.
unsafe impl Sync for Logits {}

/// Devices do not promise that several threads may copy at once.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

impl Logits {
    pub(super) fn new(tensor: NonNull<sys::ggml_tensor>) -> Self {
        Self(tensor)
    }

    pub(super) fn tensor(&self) -> NonNull<sys::ggml_tensor> {
        self.0
    }

    /// How many rows there are.
    pub(super) fn n_rows(&self) -> usize {
        // SAFETY: the graph that the tensor belongs to is kept by the context.
        usize::try_from(unsafe { (*self.0.as_ptr()).ne[1] }).unwrap_or(0)
    }

    fn n_vocab(&self) -> usize {
        // SAFETY: as above.
        usize::try_from(unsafe { (*self.0.as_ptr()).ne[0] }).unwrap_or(0)
    }

    /// A copy of one row; the step must be computed.
    pub(super) fn row(&self, row_idx: usize) -> Option<Vec<f32>> {
        let mut row = vec![0.0; self.n_vocab()];
        (row_idx < self.n_rows()).then(|| self.copy(row_idx, &mut row))?;
        Some(row)
    }

    /// Copies rows to `copied`, one after the other; there must be such rows. Gives n_vocab.
    pub(super) fn copy_rows(&self, row_idxs: impl Iterator<Item = usize>, copied: &mut Vec<f32>) -> usize {
        let n_vocab = self.n_vocab();
        let row_idxs: Vec<usize> = row_idxs.collect();
        copied.resize(row_idxs.len() * n_vocab, 0.0);
        for (row_idx, row) in row_idxs.into_iter().zip(copied.chunks_exact_mut(n_vocab.max(1))) {
            self.copy(row_idx, row);
        }
        n_vocab
    }

    fn copy(&self, row_idx: usize, row: &mut [f32]) {
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let n_bytes = size_of_val(row);
        // SAFETY: the caller has checked that there is such a row, and the row has n_vocab values.
        unsafe {
            let from = row_idx * (*self.0.as_ptr()).nb[1];
            sys::ggml_backend_tensor_get(self.0.as_ptr(), row.as_mut_ptr().cast(), from, n_bytes);
        }
    }
}
