//! Runs batches on a llama.cpp context, and draws tokens where the logits are if that is the faster way.

use std::borrow::Cow;

use super::context::{Batch, Context, ContextOptions};
use super::load::{LlamaFile, Model};
use super::logits::Logits;
use super::row_sampler::{RowDraw, RowSampler};
use crate::engine::draft::MAX_DRAFTS;
use crate::engine::sampling::{Drawn, Sampler, Sampling};
use crate::engine::{Ask, Backend, BackendError, Draw, DrawOn, KvCells, Limits, Outputs, Row, SlotId};
use crate::grammar::TokenId;
use crate::telemetry::metrics::METRICS;

/// How the context is set up.
#[derive(Clone, Copy, Debug)]
pub struct LlamaOptions {
    /// What it must hold.
    pub limits: Limits,
    /// Threads for one step.
    pub n_threads: usize,
    /// Where tokens are drawn.
    pub draw_on: DrawOn,
    /// How slots hold their cells.
    pub kv_cells: KvCells,
}

impl LlamaOptions {
    /// Draws and holds cells where and as it suits the device that holds the model.
    #[must_use]
    pub fn new(limits: Limits, n_threads: usize) -> Self {
        Self { limits, n_threads, draw_on: DrawOn::Auto, kv_cells: KvCells::Auto }
    }
}

/// A llama.cpp context with one sequence per slot.
pub struct LlamaDevice {
    // Dropped in this order: the sampler's graphs point to the context's logits.
    sampler: Option<RowSampler>,
    context: Context,
    batch: Batch,
    limits: Limits,
    can_cut: bool,
    is_on_gpu: bool,
    /// By row of the last step: the row of the logits, if it has one.
    output_idxs: Vec<Option<usize>>,
    n_outputs: usize,
    /// Whether draws of the last step are prepared.
    is_asked: bool,
    /// Rows of logits `[n, n_vocab]` that were copied to the host.
    copied: Vec<f32>,
}

impl LlamaDevice {
    /// Makes a context for `model`, whose last layer may be on a GPU.
    ///
    /// # Errors
    /// If llama.cpp cannot make the context, mostly for want of memory; or if options exclude each other.
    pub fn new(model: Model, is_on_gpu: bool, options: LlamaOptions) -> Result<Self, BackendError> {
        let LlamaOptions { limits, n_threads, draw_on, kv_cells } = options;
        let small =
            |n: usize, what: &str| u32::try_from(n).map_err(|_| BackendError(format!("{what} is too large: {n}")));
        let can_cut = !model.is_recurrent() && !model.is_hybrid();
        // Why: logits stay on the device until the next run of the graph, so a step must be one run.
        let can_draw = can_cut && kv_cells != KvCells::Own;
        let draws = match draw_on {
            DrawOn::Auto => is_on_gpu && can_draw,
            DrawOn::Host => false,
            DrawOn::Device if can_draw => true,
            DrawOn::Device => {
                let why = "tokens are drawn on the device only with shared cells, and not for recurrent models";
                return Err(BackendError(why.into()));
            }
        };
        let shares_cells = match kv_cells {
            // Why: a run of the graph reads all weights; that is most of a step's time on a GPU, and little of it on a CPU.
            KvCells::Auto => is_on_gpu || draws,
            KvCells::Own => false,
            KvCells::Shared => true,
        };
        let n_threads = i32::try_from(n_threads).map_err(|_| BackendError("too many threads".into()))?;
        let n_outputs = limits.n_batch.min(limits.n_slots * (1 + MAX_DRAFTS)).max(limits.n_slots);
        let context = Context::new(
            model,
            ContextOptions {
                n_ctx: small(limits.n_ctx, "the context")?,
                n_seqs: small(limits.n_slots, "the number of slots")?,
                n_batch: small(limits.n_batch, "the batch")?,
                n_outputs: small(n_outputs, "the number of outputs")?,
                n_outputs_per_seq: small(1 + MAX_DRAFTS, "the number of outputs")?,
                keeps_logits: draws,
                shares_cells,
                n_threads,
            },
        );
        let context = context.ok_or_else(|| {
            BackendError(format!("no context of {} slots with {} tokens each", limits.n_slots, limits.n_ctx))
        })?;
        let n_vocab = usize::try_from(model.n_vocab()).unwrap_or(0);
        let sampler = context.probe().and_then(|probe| RowSampler::new(probe.buffer_type(), n_vocab, n_threads));
        if draws && sampler.is_none() {
            tracing::warn!("the device cannot draw tokens; they are drawn on the host");
        }
        Ok(Self {
            sampler,
            context,
            batch: Batch::default(),
            limits,
            can_cut,
            is_on_gpu,
            output_idxs: Vec::new(),
            n_outputs: 0,
            is_asked: false,
            copied: Vec::new(),
        })
    }

    fn fill(&mut self, rows: &[Row]) -> Result<(), BackendError> {
        self.batch.clear();
        self.output_idxs.clear();
        self.n_outputs = 0;
        self.is_asked = false;
        for row in rows {
            let too_large = |_| BackendError("a row out of range".into());
            let token = i32::try_from(row.token).map_err(too_large)?;
            let pos = i32::try_from(row.pos).map_err(too_large)?;
            self.batch.push(token, pos, seq_id(row.slot), row.has_output);
            self.output_idxs.push(row.has_output.then_some(self.n_outputs));
            self.n_outputs += usize::from(row.has_output);
        }
        Ok(())
    }

    /// The logits that the last step left on the device.
    fn kept(&self) -> Result<Option<Logits>, BackendError> {
        let Some(probe) = self.context.probe() else { return Ok(None) };
        let logits = probe.logits().map(Logits::new);
        match logits {
            Some(logits) if logits.n_rows() == self.n_outputs => Ok(Some(logits)),
            _ if self.n_outputs == 0 => Ok(None),
            _ => Err(BackendError("llama.cpp did not compute the step in one run".into())),
        }
    }
}

impl LlamaFile {
    /// Makes what builds the device on the engine's thread.
    pub fn device(&self, options: LlamaOptions) -> impl FnOnce() -> Result<LlamaDevice, BackendError> + Send + use<> {
        let (model, is_on_gpu) = (self.model, self.is_on_gpu);
        move || LlamaDevice::new(model, is_on_gpu, options)
    }
}

/// The results of a step on llama.cpp.
pub struct LlamaOutputs<'a> {
    output_idxs: &'a [Option<usize>],
    kept: Option<Logits>,
    rows: Vec<RowOutput<'a>>,
}

#[derive(Clone, Copy)]
enum RowOutput<'a> {
    Nothing,
    Logits(&'a [f32]),
    Token(TokenId),
}

impl Outputs for LlamaOutputs<'_> {
    fn token(&self, row_idx: usize) -> Option<TokenId> {
        match self.rows.get(row_idx) {
            Some(RowOutput::Token(token)) => Some(*token),
            Some(RowOutput::Nothing | RowOutput::Logits(_)) | None => None,
        }
    }

    fn draw(&self, row_idx: usize, draw: &Draw<'_>, sampler: &mut Sampler) -> Option<Drawn> {
        let logits = match self.rows.get(row_idx)? {
            RowOutput::Logits(logits) => Cow::Borrowed(*logits),
            // After a veto, or where the device gave no token that is allowed.
            RowOutput::Token(_) | RowOutput::Nothing => {
                let output_idx = self.output_idxs.get(row_idx).copied().flatten()?;
                Cow::Owned(self.kept.as_ref()?.row(output_idx)?)
            }
        };
        sampler.draw(&logits, draw)
    }
}

impl Backend for LlamaDevice {
    type Outputs<'a> = LlamaOutputs<'a>;
    type Saved = Vec<u8>;

    fn limits(&self) -> Limits {
        self.limits
    }

    fn can_cut(&self) -> bool {
        self.can_cut
    }

    fn is_apart(&self) -> bool {
        self.is_on_gpu
    }

    fn can_draw(&self, sampling: &Sampling) -> bool {
        self.sampler.as_ref().is_some_and(|sampler| sampler.can_draw(sampling))
    }

    fn start(&mut self, rows: &[Row]) -> Result<(), BackendError> {
        self.fill(rows)?;
        self.context.decode(&mut self.batch).map_err(|code| {
            BackendError(match code {
                1 => "there is no room in the KV cache".into(),
                code => format!("llama.cpp cannot compute the batch (code {code})"),
            })
        })
    }

    fn ask(&mut self, asks: &[Ask<'_>]) {
        let of = |ask: &Ask<'_>| self.output_idxs.get(ask.row_idx).copied().flatten();
        let draws: Vec<RowDraw<'_>> =
            asks.iter().filter_map(|ask| Some(RowDraw { output_idx: of(ask)?, draw: ask.draw })).collect();
        self.is_asked = match (self.kept(), &mut self.sampler) {
            (Ok(Some(logits)), Some(sampler)) if !draws.is_empty() => sampler.prepare(logits.tensor(), &draws),
            _ => false,
        };
    }

    fn finish(&mut self) -> Result<LlamaOutputs<'_>, BackendError> {
        let kept = self.kept()?;
        self.context.synchronize();
        METRICS.reused_graphs.inc_by(self.context.n_reused());
        let drawn = match &mut self.sampler {
            Some(sampler) if std::mem::take(&mut self.is_asked) => sampler.run(),
            _ => Vec::new(),
        };
        let mut tokens: Vec<Option<TokenId>> = vec![None; self.n_outputs];
        drawn.into_iter().for_each(|(output_idx, token)| tokens[output_idx] = Some(token));
        let undrawn = self.output_idxs.iter().flatten().filter(|output_idx| tokens[**output_idx].is_none());
        let n_vocab = match &kept {
            Some(logits) => logits.copy_rows(undrawn.copied(), &mut self.copied),
            None => 0,
        };
        let mut copied = self.copied.chunks_exact(n_vocab.max(1));
        let mut output = |(i, output_idx): (usize, &Option<usize>)| {
            let Some(output_idx) = output_idx else { return Ok(RowOutput::Nothing) };
            if let Some(token) = tokens[*output_idx] {
                return Ok(RowOutput::Token(token));
            }
            let logits = if kept.is_some() { copied.next() } else { self.context.logits(i) };
            logits
                .map(RowOutput::Logits)
                .ok_or_else(|| BackendError("llama.cpp has no logits for a row that wants them".into()))
        };
        let rows = self.output_idxs.iter().enumerate().map(&mut output).collect::<Result<_, _>>()?;
        Ok(LlamaOutputs { output_idxs: &self.output_idxs, kept, rows })
    }

    fn truncate(&mut self, slot: SlotId, n: usize) -> usize {
        if self.context.cut(seq_id(slot), i32::try_from(n).unwrap_or(i32::MAX)) {
            return n;
        }
        // Recurrent models cannot cut, only forget.
        self.context.cut(seq_id(slot), -1);
        0
    }

    fn copy_prefix(&mut self, from: SlotId, to: SlotId, n: usize) -> usize {
        self.context.cut(seq_id(to), -1);
        self.context.copy(seq_id(from), seq_id(to));
        self.truncate(to, n)
    }

    fn saved_bytes(&self, slot: SlotId) -> usize {
        self.context.state_bytes(seq_id(slot))
    }

    fn save(&mut self, slot: SlotId) -> Option<Vec<u8>> {
        self.context.state(seq_id(slot))
    }

    fn restore(&mut self, slot: SlotId, saved: &Vec<u8>, n: usize) -> usize {
        self.context.cut(seq_id(slot), -1);
        if self.context.set_state(seq_id(slot), saved) {
            return self.truncate(slot, n);
        }
        self.context.cut(seq_id(slot), -1);
        0
    }
}

fn seq_id(slot: SlotId) -> i32 {
    i32::try_from(slot.0).expect("slots are few")
}
