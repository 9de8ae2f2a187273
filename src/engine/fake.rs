//! A deterministic device without a model: for tests, for trying clients (`--model fake`), for measuring the server.
//!
//! Logits are a hash of the context, so only the mask shapes the text. A broken contract (a gap in the positions, too
//! large a batch) panics, so that it cannot go unnoticed.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::time::Duration;

use super::backend::{Ask, Backend, BackendError, Draw, Limits, Outputs, Row, SlotId};
use super::sampling::{Drawn, Sampler, Sampling};
use crate::grammar::{TokenId, Tokenizer, Vocab, VocabError, VocabToken};

/// What the fake model wants to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FakeMode {
    /// Anything.
    #[default]
    Random,
    /// This text, then the end of the answer; anything where the mask does not let it.
    Scripted(String),
    /// Whatever the mask forbids.
    Hostile,
}

/// The device.
pub struct FakeBackend {
    limits: Limits,
    mode: FakeMode,
    vocab: Arc<Vocab>,
    /// Tokens that close something.
    closing: Vec<TokenId>,
    slots: Vec<FakeSlot>,
    step_time: Duration,
    /// What became of the rows of the last step.
    rows: Vec<FakeRow>,
    /// If it draws itself: every so many draws, one does not heed its mask.
    slips_every: Option<usize>,
    n_draws: usize,
}

#[derive(Clone, Default)]
struct FakeSlot {
    cells: Vec<TokenId>,
    /// Where the answer begins, once a token of it was drawn.
    answer_at: Option<usize>,
}

#[derive(Clone, Copy)]
struct FakeRow {
    slot: SlotId,
    /// Cells of the slot when the row was computed, its own included.
    n_cells: usize,
    has_output: bool,
    token: Option<TokenId>,
}

impl FakeBackend {
    /// Makes a device. Each step takes at least `step_time`, as a real one would.
    #[must_use]
    pub fn new(limits: Limits, mode: FakeMode, vocab: Arc<Vocab>, step_time: Duration) -> Self {
        let slots = vec![FakeSlot::default(); limits.n_slots];
        let n_tokens = u32::try_from(vocab.n_tokens()).unwrap_or(u32::MAX);
        let closes = |token: &TokenId| matches!(vocab.bytes(*token).first(), Some(b'"' | b'}' | b']'));
        let closing = (0..n_tokens).filter(|token| closes(token) || vocab.is_end(*token)).collect();
        Self { limits, mode, vocab, closing, slots, step_time, rows: Vec::new(), slips_every: None, n_draws: 0 }
    }

    /// Lets it draw tokens itself where it may. One draw in `slips_every` does not heed the mask, as rounding on a real
    /// device can cause it; 0 never slips.
    #[must_use]
    pub fn drawing(mut self, slips_every: usize) -> Self {
        self.slips_every = Some(slips_every);
        self
    }

    fn logits(&self, row: FakeRow, draw: &Draw<'_>) -> Vec<f32> {
        let slot = &self.slots[row.slot.0];
        let cells = &slot.cells[..row.n_cells];
        let context = &cells[cells.len().saturating_sub(16)..];
        let seed = hash(&(context, cells.len()));
        let answer = &cells[slot.answer_at.unwrap_or(cells.len()).min(cells.len())..];
        let n_tokens = u32::try_from(self.vocab.n_tokens()).unwrap_or(u32::MAX);
        let mut logits: Vec<f32> = (0..n_tokens).map(|token| unit(mix(seed, token)) * 8.0).collect();
        // Why: pure noise hardly ever closes a string or an object; the longer it talks, the more it wants to end.
        #[expect(clippy::cast_precision_loss, reason = "answers are short")]
        let fatigue = (answer.len() as f32 * 0.02).min(9.0);
        self.closing.iter().for_each(|token| logits[*token as usize] += fatigue);
        match &self.mode {
            FakeMode::Scripted(script) => {
                let wanted = self.next_of_script(script, answer);
                for (token, logit) in (0..).zip(logits.iter_mut()) {
                    *logit += if wanted.map_or(self.vocab.is_end(token), |w| w == token) { 40.0 } else { 0.0 };
                }
            }
            FakeMode::Hostile => {
                for (token, logit) in (0..).zip(logits.iter_mut()) {
                    *logit += if draw.mask.is_some_and(|mask| !mask.allows(token)) { 40.0 } else { 0.0 };
                }
            }
            FakeMode::Random => {}
        }
        logits
    }

    fn draw_itself(&mut self, row: FakeRow, draw: &Draw<'_>) -> TokenId {
        self.n_draws += 1;
        let logits = self.logits(row, draw);
        let slips = self.slips_every.is_some_and(|every| every > 0 && self.n_draws.is_multiple_of(every));
        let draw = if slips { Draw { mask: None, ..*draw } } else { *draw };
        Sampler::default().draw(&logits, &draw).map_or(0, |drawn| drawn.token)
    }

    /// The script's next token after `answer`; nothing at its end, or where the answer has left it.
    fn next_of_script(&self, script: &str, answer: &[TokenId]) -> Option<TokenId> {
        let said: Vec<u8> = answer.iter().flat_map(|token| self.vocab.bytes(*token)).copied().collect();
        let rest = script.as_bytes().strip_prefix(said.as_slice())?;
        (0..u32::try_from(self.vocab.n_tokens()).unwrap_or(u32::MAX))
            .filter(|token| !self.vocab.bytes(*token).is_empty() && rest.starts_with(self.vocab.bytes(*token)))
            .max_by_key(|token| self.vocab.bytes(*token).len())
    }
}

/// What a step of the fake gave.
pub struct FakeOutputs<'a>(&'a FakeBackend);

impl Outputs for FakeOutputs<'_> {
    fn token(&self, row_idx: usize) -> Option<TokenId> {
        self.0.rows[row_idx].token
    }

    fn draw(&self, row_idx: usize, draw: &Draw<'_>, sampler: &mut Sampler) -> Option<Drawn> {
        let row = self.0.rows[row_idx];
        assert!(row.has_output, "row {row_idx} has no output");
        sampler.draw(&self.0.logits(row, draw), draw)
    }
}

impl Backend for FakeBackend {
    type Outputs<'a> = FakeOutputs<'a>;
    type Saved = Vec<TokenId>;

    fn limits(&self) -> Limits {
        self.limits
    }

    fn can_draw(&self, _sampling: &Sampling) -> bool {
        self.slips_every.is_some()
    }

    fn start(&mut self, rows: &[Row]) -> Result<(), BackendError> {
        assert!(!rows.is_empty() && rows.len() <= self.limits.n_batch, "{} rows", rows.len());
        self.rows.clear();
        for row in rows {
            let slot = &mut self.slots[row.slot.0];
            assert_eq!(row.pos, slot.cells.len(), "a gap in slot {}", row.slot.0);
            assert!(row.pos < self.limits.n_ctx, "slot {} is full", row.slot.0);
            slot.cells.push(row.token);
            let n_cells = slot.cells.len();
            if row.has_output {
                slot.answer_at.get_or_insert(n_cells);
            }
            self.rows.push(FakeRow { slot: row.slot, n_cells, has_output: row.has_output, token: None });
        }
        Ok(())
    }

    fn ask(&mut self, asks: &[Ask<'_>]) {
        for ask in asks {
            let row = self.rows[ask.row_idx];
            assert!(row.has_output, "row {} has no output", ask.row_idx);
            self.rows[ask.row_idx].token = Some(self.draw_itself(row, &ask.draw));
        }
    }

    fn finish(&mut self) -> Result<FakeOutputs<'_>, BackendError> {
        std::thread::sleep(self.step_time);
        Ok(FakeOutputs(self))
    }

    fn truncate(&mut self, slot: SlotId, n: usize) -> usize {
        let slot = &mut self.slots[slot.0];
        assert!(n <= slot.cells.len(), "kept {n} of {} cells", slot.cells.len());
        slot.cells.truncate(n);
        slot.answer_at = None;
        n
    }

    fn rewind(&mut self, slot: SlotId, n: usize) -> usize {
        let answer_at = self.slots[slot.0].answer_at;
        let n = self.truncate(slot, n);
        self.slots[slot.0].answer_at = answer_at;
        n
    }

    fn copy_prefix(&mut self, from: SlotId, to: SlotId, n: usize) -> usize {
        assert_ne!(from, to);
        self.slots[to.0] = FakeSlot { cells: self.slots[from.0].cells[..n].to_vec(), answer_at: None };
        n
    }

    fn saved_bytes(&self, slot: SlotId) -> usize {
        self.slots[slot.0].cells.len() * size_of::<TokenId>()
    }

    fn save(&mut self, slot: SlotId) -> Option<Vec<TokenId>> {
        Some(self.slots[slot.0].cells.clone())
    }

    fn restore(&mut self, slot: SlotId, saved: &Vec<TokenId>, n: usize) -> usize {
        self.slots[slot.0] = FakeSlot { cells: saved[..n].to_vec(), answer_at: None };
        n
    }
}

fn hash(value: &impl std::hash::Hash) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(value)
}

/// A hash of both, in a few instructions (the finalizer of SplitMix64): the fake's own time must not hide the server's.
fn mix(seed: u64, token: TokenId) -> u64 {
    let mut z = seed ^ u64::from(token).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A hash as a number in [0, 1).
fn unit(hash: u64) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "24 bits fit")]
    let bits = (hash >> 40) as f32;
    bits / 16_777_216.0
}

/// Tokens longer than a byte: what real vocabularies have across the borders of JSON.
const MERGES: [&str; 40] = [
    "{\"",
    "\":",
    "\": ",
    "\": \"",
    "\",",
    "\", \"",
    "\"}",
    "\"]",
    "},",
    "}}",
    "]}",
    "[{",
    "[\"",
    "[]",
    "{}",
    ": {",
    ", ",
    "\n  ",
    "  ",
    "\n",
    "true",
    "false",
    "null",
    "name",
    "id",
    "value",
    "the",
    "and",
    " a",
    " of",
    "ing",
    "tion",
    "er",
    "10",
    "20",
    "00",
    "<tool_call>",
    "tool",
    "call",
    "é",
];
const CONTROLS: [&str; 3] = ["<|im_start|>", "<|im_end|>", "<|endoftext|>"];

struct FakeTokenizer {
    texts: Vec<Vec<u8>>,
}

impl Tokenizer for FakeTokenizer {
    /// Cuts greedily, the longest token first.
    fn tokenize(&self, text: &[u8], special: bool) -> Vec<TokenId> {
        let mut tokens = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let control = (0..).zip(CONTROLS).find(|(_, name)| special && rest.starts_with(name.as_bytes()));
            let (token, n_bytes) = match control {
                Some((i, name)) => (self.texts.len() + i, name.len()),
                None => (0..)
                    .zip(&self.texts)
                    .filter(|(_, bytes)| rest.starts_with(bytes))
                    .map(|(token, bytes)| (token, bytes.len()))
                    .max_by_key(|(_, n_bytes)| *n_bytes)
                    .expect("every byte is a token"),
            };
            tokens.push(TokenId::try_from(token).expect("a small vocabulary"));
            rest = &rest[n_bytes..];
        }
        tokens
    }
}

/// The fake's vocabulary: all bytes, some longer tokens, three control tokens.
///
/// # Errors
/// Never: the vocabulary is fixed.
pub fn fake_vocab() -> Result<Vocab, VocabError> {
    let mut texts: Vec<Vec<u8>> = (0..=u8::MAX).map(|byte| vec![byte]).collect();
    texts.extend(MERGES.iter().map(|text| text.as_bytes().to_vec()));
    let mut tokens: Vec<VocabToken> = texts.iter().cloned().map(VocabToken::Text).collect();
    tokens.extend(CONTROLS.iter().map(|name| VocabToken::Control((*name).to_owned())));
    let n_tokens = TokenId::try_from(tokens.len()).unwrap_or(TokenId::MAX);
    Vocab::new(tokens, vec![n_tokens - 2, n_tokens - 1], Arc::new(FakeTokenizer { texts }))
}
