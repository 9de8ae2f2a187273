//! A smaller model that proposes tokens, with a lane for each slot of the large one.

use super::context::{Batch, Context, ContextOptions};
use super::load::{LlamaFile, Model};
use crate::engine::draft::MAX_DRAFTS;
use crate::engine::{BackendError, Drafter, Limits, SlotId};
use crate::grammar::TokenId;

/// The model and what its lanes hold.
pub struct LlamaDrafter {
    context: Context,
    batch: Batch,
    /// By slot: the tokens that have cells.
    cached: Vec<Vec<TokenId>>,
    limits: Limits,
}

/// One sequence while drafts are made for it.
struct Lane<'a> {
    slot: usize,
    tokens: &'a [TokenId],
    drafts: Vec<TokenId>,
    n_wanted: usize,
    /// The last row of the batch in progress that belongs to it.
    row: Option<usize>,
}

impl LlamaFile {
    /// Makes what builds a drafter on the engine's thread, for a device with `limits`.
    pub fn drafter(
        &self,
        limits: Limits,
        n_threads: usize,
    ) -> impl FnOnce() -> Result<LlamaDrafter, BackendError> + Send + use<> {
        let (model, is_on_gpu) = (self.model, self.is_on_gpu);
        move || LlamaDrafter::new(model, is_on_gpu, limits, n_threads)
    }
}

impl LlamaDrafter {
    fn new(model: Model, is_on_gpu: bool, limits: Limits, n_threads: usize) -> Result<Self, BackendError> {
        let small = |n: usize| u32::try_from(n).map_err(|_| BackendError(format!("too large for drafts: {n}")));
        if model.is_recurrent() || model.is_hybrid() {
            return Err(BackendError("a recurrent model cannot draft: it cannot take tokens back".into()));
        }
        let context = Context::new(
            model,
            ContextOptions {
                n_ctx: small(limits.n_ctx + MAX_DRAFTS)?,
                n_seqs: small(limits.n_slots)?,
                n_batch: small(limits.n_batch)?,
                n_outputs: small(limits.n_slots)?,
                n_outputs_per_seq: 1,
                keeps_logits: false,
                shares_cells: is_on_gpu,
                n_threads: i32::try_from(n_threads).map_err(|_| BackendError("too many threads".into()))?,
            },
        );
        let context = context.ok_or_else(|| BackendError("no context for the draft model".into()))?;
        Ok(Self { context, batch: Batch::default(), cached: vec![Vec::new(); limits.n_slots], limits })
    }

    /// Brings the lanes to where the sequences are: forgets what is no longer so, and feeds what is missing but for the
    /// last token. Returns whether it could.
    fn catch_up(&mut self, lanes: &[Lane<'_>]) -> bool {
        for lane in lanes {
            let cached = &mut self.cached[lane.slot];
            let known = lane.tokens.len() - 1;
            let n_common = cached.iter().zip(&lane.tokens[..known]).take_while(|(a, b)| a == b).count();
            cached.truncate(n_common);
            self.context.cut(id(lane.slot), small(n_common));
            while self.cached[lane.slot].len() < known {
                let from = self.cached[lane.slot].len();
                let to = known.min(from + self.limits.n_batch);
                self.batch.clear();
                for (pos, token) in (from..to).zip(&lane.tokens[from..to]) {
                    self.batch.push(small(*token as usize), small(pos), id(lane.slot), false);
                }
                if self.context.decode(&mut self.batch).is_err() {
                    self.forget();
                    return false;
                }
                self.cached[lane.slot].extend_from_slice(&lane.tokens[from..to]);
            }
        }
        true
    }

    /// Adds the likeliest next token to every lane that still wants one. Returns whether any did.
    fn grow(&mut self, lanes: &mut [Lane<'_>]) -> bool {
        self.batch.clear();
        let mut n_rows = 0;
        for lane in lanes.iter_mut() {
            lane.row = None;
            let pos = lane.tokens.len() - 1 + lane.drafts.len();
            let last = lane.drafts.last().or(lane.tokens.last()).copied();
            if let (Some(token), true) = (last, lane.drafts.len() < lane.n_wanted && n_rows < self.limits.n_batch) {
                self.batch.push(small(token as usize), small(pos), id(lane.slot), true);
                self.cached[lane.slot].push(token);
                lane.row = Some(n_rows);
                n_rows += 1;
            }
        }
        if n_rows == 0 {
            return false;
        }
        if self.context.decode(&mut self.batch).is_err() {
            self.forget();
            return false;
        }
        self.context.synchronize();
        for lane in lanes {
            let Some(logits) = lane.row.and_then(|row| self.context.logits(row)) else { continue };
            let likeliest = (0..).zip(logits).max_by(|a, b| a.1.total_cmp(b.1)).map(|(token, _)| token);
            match likeliest {
                Some(token) => lane.drafts.push(token),
                None => lane.n_wanted = 0,
            }
        }
        true
    }

    /// Starts anew after a failure: drafts are never needed, only useful.
    fn forget(&mut self) {
        tracing::warn!("the draft model cannot compute a batch; it starts anew");
        for (slot, cached) in self.cached.iter_mut().enumerate() {
            self.context.cut(id(slot), -1);
            cached.clear();
        }
    }
}

impl Drafter for LlamaDrafter {
    fn draft(&mut self, wants: &[(SlotId, &[TokenId], usize)]) -> Vec<Vec<TokenId>> {
        let mut lanes: Vec<Lane<'_>> = wants
            .iter()
            .map(|(slot, tokens, n)| Lane { slot: slot.0, tokens, drafts: Vec::new(), n_wanted: *n, row: None })
            .collect();
        if self.catch_up(&lanes) {
            while self.grow(&mut lanes) {}
        }
        lanes.into_iter().map(|lane| lane.drafts).collect()
    }
}

fn id(slot: usize) -> i32 {
    small(slot)
}

fn small(n: usize) -> i32 {
    i32::try_from(n).expect("slots, positions and tokens are below two thousand million")
}
