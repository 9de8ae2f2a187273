//! Draws tokens from logits that stay on the device: one graph for all rows that are drawn alike, on a queue of its own.
//!
//! Why not in llama.cpp's graph, where samplers can be set per sequence: there the masks must be known before the step is
//! computed, so that the device waits while they are made, and each sequence has its own small operations.

#![expect(unsafe_code, reason = "calls of llama.cpp's C interface")]

use std::ptr::{self, NonNull};

use llama_cpp_sys_2 as sys;
use rayon::prelude::*;

use super::draw_graph::{self, Kind, N_SCALARS, Nodes};
use super::mask_table::{PER_INDEX, Table};
use crate::engine::Draw;
use crate::engine::sampling::Sampling;
use crate::grammar::TokenId;

/// Nodes of one graph at most.
const MAX_NODES: usize = 64;

/// Draws from rows of logits.
pub(super) struct RowSampler {
    // Fields are dropped in this order: what lives in buffers of the backend goes before it.
    programs: Vec<Program>,
    table: Table,
    backend: Backend,
    n_vocab: usize,
    supported: Vec<Kind>,
}

/// A token to draw: from which row of the logits, and how.
pub(super) struct RowDraw<'a> {
    pub(super) output_idx: usize,
    pub(super) draw: Draw<'a>,
}

impl RowSampler {
    /// Makes one for logits in buffers of type `buft`. Nothing, if there is no such device, or no memory on it.
    pub(super) fn new(buft: sys::ggml_backend_buffer_type_t, n_vocab: usize, n_threads: i32) -> Option<Self> {
        let backend = Backend::new(buft, n_threads)?;
        let table = Table::new(buft)?;
        let is_supported =
            |kind: &Kind| Program::new(*kind, &backend).is_some_and(|mut p| p.is_supported(&table, n_vocab, &backend));
        let supported = Kind::ALL.into_iter().filter(is_supported).collect();
        Some(Self { programs: Vec::new(), table, backend, n_vocab, supported })
    }

    /// Whether the device has all operations that `sampling` takes.
    pub(super) fn can_draw(&self, sampling: &Sampling) -> bool {
        Kind::of(sampling).is_some_and(|kind| self.supported.contains(&kind))
    }

    /// Brings masks and numbers to the device, which may still be at the logits `[n_vocab, n_outputs]`. Returns whether
    /// it could.
    pub(super) fn prepare(&mut self, logits: NonNull<sys::ggml_tensor>, draws: &[RowDraw<'_>]) -> bool {
        // Why: where the device cannot multiply by the last layer, llama.cpp computes logits on the host.
        if !self.backend.can_read(logits) {
            return false;
        }
        for program in &mut self.programs {
            program.asked.clear();
            program.tokens.clear();
        }
        for (i, draw) in draws.iter().enumerate() {
            let Some(kind) = Kind::of(draw.draw.sampling) else { return false };
            let program = match self.programs.iter().position(|program| program.kind == kind) {
                Some(place) => &mut self.programs[place],
                None => {
                    let Some(program) = Program::new(kind, &self.backend) else { return false };
                    self.programs.push(program);
                    self.programs.last_mut().expect("it was just pushed")
                }
            };
            program.asked.push(i);
        }
        let (table, backend, n_vocab) = (&self.table, &self.backend, self.n_vocab);
        let mut used = self.programs.iter_mut().filter(|program| !program.asked.is_empty());
        used.all(|program| program.prepare(logits, draws, table, backend, n_vocab))
    }

    /// Draws what was prepared, once the logits are there. Tokens come with the rows of the logits.
    pub(super) fn run(&mut self) -> Vec<(usize, TokenId)> {
        for program in self.programs.iter_mut().filter(|program| !program.asked.is_empty()) {
            program.start(&self.backend);
        }
        self.backend.wait();
        let tokens = self.programs.iter().flat_map(|program| program.row_ids.iter().zip(&program.tokens));
        tokens.filter_map(|(row, token)| Some((usize::try_from(*row).ok()?, TokenId::try_from(*token).ok()?))).collect()
    }
}

/// A queue of the device.
struct Backend(NonNull<sys::ggml_backend>);

// SAFETY: used by one thread at a time: every use that changes anything comes through `&mut RowSampler`.
unsafe impl Send for Backend {}

impl Backend {
    fn new(buft: sys::ggml_backend_buffer_type_t, n_threads: i32) -> Option<Self> {
        // SAFETY: the buffer type came from llama.cpp; names are static.
        unsafe {
            let device = match sys::ggml_backend_buft_get_device(buft) {
                device if device.is_null() => sys::ggml_backend_dev_by_type(sys::GGML_BACKEND_DEVICE_TYPE_CPU),
                device => device,
            };
            let backend = NonNull::new(sys::ggml_backend_dev_init(device, ptr::null()))?;
            let registry = sys::ggml_backend_dev_backend_reg(device);
            let set = sys::ggml_backend_reg_get_proc_address(registry, c"ggml_backend_set_n_threads".as_ptr());
            if !set.is_null() {
                // SAFETY: ggml-backend.h gives this name this type.
                let set: unsafe extern "C" fn(*mut sys::ggml_backend, i32) = std::mem::transmute(set);
                set(backend.as_ptr(), n_threads);
            }
            Some(Self(backend))
        }
    }

    fn device(&self) -> sys::ggml_backend_dev_t {
        // SAFETY: the backend is valid as long as `self`.
        unsafe { sys::ggml_backend_get_device(self.0.as_ptr()) }
    }

    /// Whether `tensor` is in a buffer that this device's operations take.
    fn can_read(&self, tensor: NonNull<sys::ggml_tensor>) -> bool {
        // SAFETY: the tensor belongs to a graph that has its memory.
        unsafe {
            let buffer = (*tensor.as_ptr()).buffer;
            !buffer.is_null()
                && sys::ggml_backend_dev_supports_buft(self.device(), sys::ggml_backend_buffer_get_type(buffer))
        }
    }

    fn wait(&self) {
        // SAFETY: as above.
        unsafe { sys::ggml_backend_synchronize(self.0.as_ptr()) }
    }

    /// Starts to copy `data` into a tensor; it must stay until the next `wait`.
    unsafe fn upload<T>(&self, tensor: NonNull<sys::ggml_tensor>, data: &[T]) {
        // SAFETY: the tensor has memory for `data`.
        unsafe {
            let n_bytes = size_of_val(data);
            sys::ggml_backend_tensor_set_async(self.0.as_ptr(), tensor.as_ptr(), data.as_ptr().cast(), 0, n_bytes);
        }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        // SAFETY: made by ggml_backend_dev_init, freed once.
        unsafe { sys::ggml_backend_free(self.0.as_ptr()) }
    }
}

/// The graph of one kind of draws, with its memory.
struct Program {
    kind: Kind,
    context: NonNull<sys::ggml_context>,
    memory: NonNull<sys::ggml_gallocr>,
    graph: *mut sys::ggml_cgraph,
    nodes: Option<Nodes>,
    /// Places of the draws that it makes in this step.
    asked: Vec<usize>,
    row_ids: Vec<i32>,
    indices: Vec<i32>,
    addends: Vec<f32>,
    scalars: Vec<f32>,
    /// By `row_ids`: what this step drew; empty if it drew nothing.
    tokens: Vec<i32>,
}

// SAFETY: as for `Backend`.
unsafe impl Send for Program {}

impl Program {
    fn new(kind: Kind, backend: &Backend) -> Option<Self> {
        // SAFETY: a context without data, and an allocator for the backend's buffers.
        unsafe {
            let params = sys::ggml_init_params {
                mem_size: MAX_NODES * sys::ggml_tensor_overhead() + sys::ggml_graph_overhead_custom(MAX_NODES, false),
                mem_buffer: ptr::null_mut(),
                no_alloc: true,
            };
            let context = NonNull::new(sys::ggml_init(params))?;
            let buft = sys::ggml_backend_get_default_buffer_type(backend.0.as_ptr());
            let Some(memory) = NonNull::new(sys::ggml_gallocr_new(buft)) else {
                sys::ggml_free(context.as_ptr());
                return None;
            };
            Some(Self {
                kind,
                context,
                memory,
                graph: ptr::null_mut(),
                nodes: None,
                asked: Vec::new(),
                row_ids: Vec::new(),
                indices: Vec::new(),
                addends: Vec::new(),
                scalars: Vec::new(),
                tokens: Vec::new(),
            })
        }
    }

    /// Makes the nodes anew.
    fn build(&mut self, table: &Table, n_vocab: usize, n_outputs: i64, n_rows: usize) -> Option<Nodes> {
        let sizes = (i64::try_from(n_vocab).ok()?, n_outputs, i64::try_from(n_rows).ok()?);
        // SAFETY: nobody uses the old nodes any more; the table outlives its programs.
        unsafe {
            let ctx = self.context.as_ptr();
            sys::ggml_reset(ctx);
            let nodes = draw_graph::build(ctx, self.kind, table, sizes)?;
            self.graph = sys::ggml_new_graph_custom(ctx, MAX_NODES, false);
            sys::ggml_build_forward_expand(self.graph, nodes.tokens.as_ptr());
            Some(nodes)
        }
    }

    fn is_supported(&mut self, table: &Table, n_vocab: usize, backend: &Backend) -> bool {
        let is_built = self.build(table, n_vocab, 2, 2).is_some();
        let device = backend.device();
        // SAFETY: the graph was just built; it is only looked at.
        is_built
            && unsafe {
                (0..sys::ggml_graph_n_nodes(self.graph))
                    .all(|i| sys::ggml_backend_dev_supports_op(device, sys::ggml_graph_node(self.graph, i)))
            }
    }

    fn prepare(
        &mut self,
        logits: NonNull<sys::ggml_tensor>,
        draws: &[RowDraw<'_>],
        table: &Table,
        backend: &Backend,
        n_vocab: usize,
    ) -> bool {
        let n_rows = self.asked.len();
        // SAFETY: the tensor is the one of the step that is being computed.
        let n_outputs = unsafe { (*logits.as_ptr()).ne[1] };
        let Some(nodes) = self.build(table, n_vocab, n_outputs, n_rows) else { return false };
        self.fill(draws, n_vocab);
        // SAFETY: the leaf gets the memory of a tensor of the same type and size; the allocator gives all others theirs.
        unsafe {
            (*nodes.logits.as_ptr()).data = (*logits.as_ptr()).data;
            (*nodes.logits.as_ptr()).buffer = (*logits.as_ptr()).buffer;
            if !sys::ggml_gallocr_alloc_graph(self.memory.as_ptr(), self.graph) {
                return false;
            }
            backend.upload(nodes.row_ids, &self.row_ids);
            if self.kind.adds {
                backend.upload(nodes.masks, &self.addends);
            } else {
                backend.upload(nodes.masks, &self.indices);
            }
            if let Some(scalars) = nodes.scalars {
                backend.upload(scalars, &self.scalars);
            }
        }
        self.nodes = Some(nodes);
        true
    }

    /// Puts down what the inputs hold.
    fn fill(&mut self, draws: &[RowDraw<'_>], n_vocab: usize) {
        let n_rows = self.asked.len();
        self.row_ids.clear();
        self.scalars.clear();
        self.scalars.resize(n_rows * N_SCALARS, 0.0);
        for (row, asked) in self.asked.iter().enumerate() {
            let RowDraw { output_idx, draw } = &draws[*asked];
            self.row_ids.push(i32::try_from(*output_idx).unwrap_or(0));
            for (place, scalar) in scalars(draw).into_iter().enumerate() {
                self.scalars[place * n_rows + row] = scalar;
            }
        }
        let draws = self.asked.par_iter().map(|asked| &draws[*asked].draw);
        if self.kind.adds {
            self.addends.resize(n_rows * n_vocab, 0.0);
            self.addends.par_chunks_mut(n_vocab).zip(draws).for_each(|(row, draw)| write_addends(row, draw));
        } else {
            let n_indices = n_vocab.div_ceil(PER_INDEX);
            self.indices.resize(n_rows * n_indices, 0);
            self.indices.par_chunks_mut(n_indices).zip(draws).for_each(|(row, draw)| write_indices(row, draw));
        }
    }

    fn start(&mut self, backend: &Backend) {
        let Some(nodes) = self.nodes else { return };
        self.tokens.resize(self.asked.len(), -1);
        // SAFETY: the graph was prepared, the logits are there; `tokens` stays until the backend was waited for.
        unsafe {
            let status = sys::ggml_backend_graph_compute_async(backend.0.as_ptr(), self.graph);
            if status != sys::GGML_STATUS_SUCCESS {
                self.tokens.clear();
            } else {
                let (tokens, n_bytes) = (self.tokens.as_mut_ptr().cast(), size_of_val(&self.tokens[..]));
                sys::ggml_backend_tensor_get_async(backend.0.as_ptr(), nodes.tokens.as_ptr(), tokens, 0, n_bytes);
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: both were made in `new`, and nothing runs any more: `run` waits.
        unsafe {
            sys::ggml_gallocr_free(self.memory.as_ptr());
            sys::ggml_free(self.context.as_ptr());
        }
    }
}

/// 1/temperature, random number, min_p, top_p, top_k; numbers that drop nothing where something is not set.
fn scalars(draw: &Draw<'_>) -> [f32; N_SCALARS] {
    let s = draw.sampling;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^24, or beyond any vocabulary")]
    let top_k = if s.top_k == 0 { f32::MAX } else { s.top_k as f32 };
    let top_p = if s.top_p >= 1.0 { 2.0 } else { s.top_p };
    let temperature = if s.temperature > 0.0 { s.temperature } else { 1.0 };
    [1.0 / temperature, draw.uniform, s.min_p, top_p, top_k]
}

/// Writes the mask of one row, as indices into the table.
fn write_indices(row: &mut [i32], draw: &Draw<'_>) {
    for (word_idx, indices) in (0u32..).zip(row.chunks_mut(32 / PER_INDEX)) {
        let word = draw.mask.map_or(u32::MAX, |mask| mask.word(word_idx));
        for (index, byte) in indices.iter_mut().zip(word.to_le_bytes()) {
            *index = i32::from(byte);
        }
    }
}

/// Writes the numbers to add to one row of logits: bias and penalties, and minus infinity for what the mask forbids.
fn write_addends(row: &mut [f32], draw: &Draw<'_>) {
    for (word_idx, addends) in (0u32..).zip(row.chunks_mut(32)) {
        let word = draw.mask.map_or(u32::MAX, |mask| mask.word(word_idx));
        for (bit, addend) in addends.iter_mut().enumerate() {
            *addend = if word >> bit & 1 == 1 { 0.0 } else { f32::NEG_INFINITY };
        }
    }
    let mut add = |token: TokenId, number: f32| {
        if let Some(addend) = row.get_mut(token as usize) {
            *addend += number;
        }
    };
    let s = draw.sampling;
    s.logit_bias.iter().for_each(|(token, bias)| add(*token, *bias));
    if s.penalizes() {
        for (token, count) in draw.counts {
            #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^24")]
            add(*token, -(s.presence_penalty + s.frequency_penalty * *count as f32));
        }
    }
}
