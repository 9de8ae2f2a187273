//! The graph that draws one token for each row of logits: mask, temperature, truncation, and the draw itself.
//!
//! Rows are computed together, `[n_vocab, n_rows]`. What varies from step to step (masks, random numbers, temperatures,
//! …) is input. Masks come as one index per eight tokens into a table of 256 rows, an eighth of the bytes of a float per
//! token; only where a bias or a penalty is added they come as floats.

#![expect(unsafe_code, reason = "calls of llama.cpp's C interface")]

use std::ptr::NonNull;

use llama_cpp_sys_2 as sys;

use super::mask_table::{PER_INDEX, Table};
use crate::engine::sampling::Sampling;

/// How tokens are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The likeliest.
    Greedy,
    /// Drawn from all allowed tokens.
    Drawn,
    /// Drawn from the likeliest tokens: top_k, min_p, top_p.
    Truncated,
}

/// What a graph computes. All else is input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) form: Form,
    /// Whether numbers are added to logits, not only tokens forbidden.
    pub(super) adds: bool,
}

impl Kind {
    pub(super) const ALL: [Self; 6] = [
        Self { form: Form::Greedy, adds: false },
        Self { form: Form::Drawn, adds: false },
        Self { form: Form::Truncated, adds: false },
        Self { form: Form::Greedy, adds: true },
        Self { form: Form::Drawn, adds: true },
        Self { form: Form::Truncated, adds: true },
    ];

    /// What `sampling` needs; nothing, if no graph computes it.
    pub(super) fn of(sampling: &Sampling) -> Option<Self> {
        // Why: the repeat penalty depends on the logit's sign, so it is no number that could be added.
        if sampling.repeat_penalty != 1.0 {
            return None;
        }
        let form = if sampling.temperature <= 0.0 {
            Form::Greedy
        } else if sampling.top_k > 0 || sampling.top_p < 1.0 || sampling.min_p > 0.0 {
            Form::Truncated
        } else {
            Form::Drawn
        };
        Some(Self { form, adds: !sampling.logit_bias.is_empty() || sampling.penalizes() })
    }
}

/// 1/temperature, random number, min_p, top_p, top_k: one each for every row.
pub(super) const N_SCALARS: usize = 5;

/// Inputs and result of a graph.
#[derive(Clone, Copy)]
pub(super) struct Nodes {
    /// `[n_vocab, n_outputs]`: a leaf without memory of its own.
    pub(super) logits: NonNull<sys::ggml_tensor>,
    /// `[n_rows]`, I32: which rows of the logits are drawn from.
    pub(super) row_ids: NonNull<sys::ggml_tensor>,
    /// `[n_vocab / 8, n_rows]`, I32, or `[n_vocab, n_rows]`, F32, if the kind adds.
    pub(super) masks: NonNull<sys::ggml_tensor>,
    /// `[n_rows, N_SCALARS]`; absent where nothing is left to chance.
    pub(super) scalars: Option<NonNull<sys::ggml_tensor>>,
    /// `[n_rows]`, I32.
    pub(super) tokens: NonNull<sys::ggml_tensor>,
}

/// Makes the nodes in `ctx`, for `n_outputs` rows of logits of which `n_rows` are drawn from. Nothing, if `ctx` is full.
///
/// # Safety
/// `ctx` is valid, and the table lives as long as the graph.
pub(super) unsafe fn build(
    ctx: *mut sys::ggml_context,
    kind: Kind,
    table: &Table,
    (n_vocab, n_outputs, n_rows): (i64, i64, i64),
) -> Option<Nodes> {
    // SAFETY: every tensor below is made in `ctx` from tensors of `ctx`, or is the table, which has a buffer.
    unsafe {
        let logits = sys::ggml_new_tensor_2d(ctx, sys::GGML_TYPE_F32, n_vocab, n_outputs);
        let row_ids = input(ctx, sys::GGML_TYPE_I32, n_rows, 1);
        let rows = sys::ggml_get_rows(ctx, logits, row_ids);
        let (masks, addends) = if kind.adds {
            let addends = input(ctx, sys::GGML_TYPE_F32, n_vocab, n_rows);
            (addends, addends)
        } else {
            let per_index = i64::try_from(PER_INDEX).ok()?;
            let n_indices = (n_vocab + per_index - 1) / per_index;
            let indices = input(ctx, sys::GGML_TYPE_I32, n_indices, n_rows);
            let spread =
                sys::ggml_get_rows(ctx, table.tensor.as_ptr(), sys::ggml_reshape_1d(ctx, indices, n_indices * n_rows));
            let wide = sys::ggml_reshape_2d(ctx, spread, n_indices * per_index, n_rows);
            (indices, sys::ggml_view_2d(ctx, wide, n_vocab, n_rows, (*wide).nb[1], 0))
        };
        let masked = sys::ggml_add(ctx, rows, addends);
        let (scalars, tokens) = if kind.form == Form::Greedy {
            (None, sys::ggml_argmax(ctx, masked))
        } else {
            let scalars = input(ctx, sys::GGML_TYPE_F32, n_rows, i64::try_from(N_SCALARS).ok()?);
            let draw = Draws { ctx, n_vocab, n_rows, scalars };
            let probabilities = draw.probabilities(masked);
            let tokens = match kind.form {
                Form::Greedy | Form::Drawn => draw.place(probabilities),
                Form::Truncated => {
                    let order = sys::ggml_argsort(ctx, masked, sys::GGML_SORT_ORDER_DESC);
                    let place = draw.place(draw.truncate(draw.gather(probabilities, order)));
                    sys::ggml_get_rows(ctx, sys::ggml_reshape_3d(ctx, order, 1, n_vocab, n_rows), place)
                }
            };
            (Some(NonNull::new(scalars)?), tokens)
        };
        sys::ggml_set_output(tokens);
        Some(Nodes {
            logits: NonNull::new(logits)?,
            row_ids: NonNull::new(row_ids)?,
            masks: NonNull::new(masks)?,
            scalars,
            tokens: NonNull::new(tokens)?,
        })
    }
}

unsafe fn input(ctx: *mut sys::ggml_context, of: sys::ggml_type, n: i64, n_rows: i64) -> *mut sys::ggml_tensor {
    // SAFETY: as `build`.
    unsafe {
        let tensor = sys::ggml_new_tensor_2d(ctx, of, n, n_rows);
        sys::ggml_set_input(tensor);
        tensor
    }
}

/// Shorthands for nodes.
#[derive(Clone, Copy)]
struct Draws {
    ctx: *mut sys::ggml_context,
    n_vocab: i64,
    n_rows: i64,
    scalars: *mut sys::ggml_tensor,
}

/// # Safety
/// The methods take and give tensors of `ctx`.
impl Draws {
    /// `[1, n_rows]`
    unsafe fn scalar(self, place: usize) -> *mut sys::ggml_tensor {
        // SAFETY: `place` is below N_SCALARS.
        unsafe {
            let row_bytes = (*self.scalars).nb[1];
            sys::ggml_view_2d(self.ctx, self.scalars, 1, self.n_rows, size_of::<f32>(), place * row_bytes)
        }
    }

    /// 1 where `a > b`, else 0; `b` has one element per row.
    unsafe fn is_above(self, a: *mut sys::ggml_tensor, b: *mut sys::ggml_tensor) -> *mut sys::ggml_tensor {
        // SAFETY: see the impl.
        unsafe { sys::ggml_step(self.ctx, sys::ggml_sub(self.ctx, a, b)) }
    }

    /// 1 where `a < b`, else 0; `b` has one element per row.
    unsafe fn is_below(self, a: *mut sys::ggml_tensor, b: *mut sys::ggml_tensor) -> *mut sys::ggml_tensor {
        // SAFETY: see the impl.
        unsafe {
            let difference = sys::ggml_sub(self.ctx, a, b);
            sys::ggml_step(self.ctx, sys::ggml_scale(self.ctx, difference, -1.0))
        }
    }

    unsafe fn probabilities(self, logits: *mut sys::ggml_tensor) -> *mut sys::ggml_tensor {
        // SAFETY: see the impl.
        unsafe { sys::ggml_soft_max(self.ctx, sys::ggml_mul(self.ctx, logits, self.scalar(0))) }
    }

    unsafe fn gather(self, values: *mut sys::ggml_tensor, order: *mut sys::ggml_tensor) -> *mut sys::ggml_tensor {
        // SAFETY: see the impl.
        unsafe {
            let columns = sys::ggml_reshape_3d(self.ctx, values, 1, self.n_vocab, self.n_rows);
            sys::ggml_reshape_2d(self.ctx, sys::ggml_get_rows(self.ctx, columns, order), self.n_vocab, self.n_rows)
        }
    }

    /// Sets to 0 what top_k, min_p and top_p drop from probabilities in falling order.
    unsafe fn truncate(self, sorted: *mut sys::ggml_tensor) -> *mut sys::ggml_tensor {
        // SAFETY: see the impl.
        unsafe {
            #[expect(clippy::cast_precision_loss, reason = "vocabularies are far below 2^24")]
            let places = sys::ggml_arange(self.ctx, 0.0, self.n_vocab as f32, 1.0);
            let in_top_k = self.is_below(sys::ggml_repeat(self.ctx, places, sorted), self.scalar(4));
            let first = sys::ggml_view_2d(self.ctx, sorted, 1, self.n_rows, (*sorted).nb[1], 0);
            let most = sys::ggml_cont(self.ctx, first);
            // Why: what is exactly at the threshold stays.
            let least = sys::ggml_scale(self.ctx, sys::ggml_mul(self.ctx, most, self.scalar(2)), 1.0 - 1e-6);
            let has_min_p = self.is_above(sorted, least);
            let weights = sys::ggml_mul(self.ctx, sorted, sys::ggml_mul(self.ctx, in_top_k, has_min_p));
            let before = sys::ggml_sub(self.ctx, sys::ggml_cumsum(self.ctx, weights), weights);
            let enough = sys::ggml_mul(self.ctx, sys::ggml_sum_rows(self.ctx, weights), self.scalar(3));
            sys::ggml_mul(self.ctx, weights, self.is_below(before, enough))
        }
    }

    /// The first place of each row at which the sum of `weights` exceeds the random share of their total: `[1, n_rows]`,
    /// I32.
    unsafe fn place(self, weights: *mut sys::ggml_tensor) -> *mut sys::ggml_tensor {
        // SAFETY: see the impl.
        unsafe {
            let sums = sys::ggml_cumsum(self.ctx, weights);
            let share = sys::ggml_mul(self.ctx, sys::ggml_sum_rows(self.ctx, weights), self.scalar(1));
            #[expect(clippy::cast_precision_loss, reason = "vocabularies are far below 2^24")]
            let n = self.n_vocab as f32;
            let n_above = sys::ggml_sum_rows(self.ctx, self.is_above(sums, share));
            let n_beyond = sys::ggml_clamp(self.ctx, n_above, 1.0, n);
            sys::ggml_cast(self.ctx, sys::ggml_scale_bias(self.ctx, n_beyond, -1.0, n), sys::GGML_TYPE_I32)
        }
    }
}
