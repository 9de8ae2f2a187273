//! A deterministic device without a model: for tests, for trying clients (`--model fake`), for measuring the server.
//!
//! Logits are a hash of the context, so only the mask shapes the text. A broken contract (a gap in the positions, too
//! large a batch) panics, so that it cannot go unnoticed.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::time::Duration;

use super::backend::{Backend, BackendError, Limits, Row, SlotId, Want};
use super::sampling::{Drawn, Sampler};
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
    slots: Vec<FakeSlot>,
    sampler: Sampler,
    step_time: Duration,
}

#[derive(Clone, Default)]
struct FakeSlot {
    cells: Vec<TokenId>,
    /// Where the answer begins, once a token of it was drawn.
    answer_at: Option<usize>,
}

impl FakeBackend {
    /// Makes a device. Each step takes at least `step_time`, as a real one would.
    #[must_use]
    pub fn new(limits: Limits, mode: FakeMode, vocab: Arc<Vocab>, step_time: Duration) -> Self {
        let slots = vec![FakeSlot::default(); limits.n_slots];
        Self { limits, mode, vocab, slots, sampler: Sampler::default(), step_time }
    }

    fn logits(&self, slot: &FakeSlot, row: &Row<'_>) -> Vec<f32> {
        let context = &slot.cells[slot.cells.len().saturating_sub(16)..];
        let seed = hash(&(context, slot.cells.len()));
        let answer = &slot.cells[slot.answer_at.unwrap_or(slot.cells.len())..];
        let n_tokens = u32::try_from(self.vocab.n_tokens()).unwrap_or(u32::MAX);
        let mut logits: Vec<f32> = (0..n_tokens).map(|token| unit(hash(&(seed, token))) * 8.0).collect();
        // Why: pure noise hardly ever closes a string or an object; the longer it talks, the more it wants to end.
        #[expect(clippy::cast_precision_loss, reason = "answers are short")]
        let fatigue = (answer.len() as f32 * 0.02).min(9.0);
        for (token, logit) in (0..).zip(logits.iter_mut()) {
            let closes = matches!(self.vocab.bytes(token).first(), Some(b'"' | b'}' | b']'));
            *logit += if closes || self.vocab.is_end(token) { fatigue } else { 0.0 };
        }
        match (&self.mode, &row.want) {
            (FakeMode::Scripted(script), _) => {
                let wanted = self.next_of_script(script, answer);
                for (token, logit) in (0..).zip(logits.iter_mut()) {
                    *logit += if wanted.map_or(self.vocab.is_end(token), |w| w == token) { 40.0 } else { 0.0 };
                }
            }
            (FakeMode::Hostile, Want::Token(draw)) => {
                for (token, logit) in (0..).zip(logits.iter_mut()) {
                    *logit += if draw.mask.is_some_and(|mask| !mask.allows(token)) { 40.0 } else { 0.0 };
                }
            }
            (FakeMode::Random | FakeMode::Hostile, _) => {}
        }
        logits
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

impl Backend for FakeBackend {
    fn limits(&self) -> Limits {
        self.limits
    }

    fn step(&mut self, rows: &[Row<'_>]) -> Result<Vec<Drawn>, BackendError> {
        assert!(!rows.is_empty() && rows.len() <= self.limits.n_batch, "{} rows", rows.len());
        std::thread::sleep(self.step_time);
        let mut drawn = Vec::new();
        for row in rows {
            let slot = &mut self.slots[row.slot.0];
            assert_eq!(row.pos, slot.cells.len(), "a gap in slot {}", row.slot.0);
            assert!(row.pos < self.limits.n_ctx, "slot {} is full", row.slot.0);
            slot.cells.push(row.token);
            if let Want::Token(draw) = &row.want {
                slot.answer_at.get_or_insert(slot.cells.len());
                let logits = self.logits(&self.slots[row.slot.0], row);
                let token = self.sampler.draw(&logits, draw);
                drawn.push(token.ok_or_else(|| BackendError("the mask allows nothing".into()))?);
            }
        }
        Ok(drawn)
    }

    fn redraw(&mut self, _row_idx: usize, row: &Row<'_>) -> Result<Drawn, BackendError> {
        let Want::Token(draw) = &row.want else { return Err(BackendError("the row wants no token".into())) };
        assert_eq!(self.slots[row.slot.0].cells.get(row.pos), Some(&row.token), "not a row of the last step");
        let logits = self.logits(&self.slots[row.slot.0], row);
        self.sampler.draw(&logits, draw).ok_or_else(|| BackendError("the mask allows nothing".into()))
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
}

fn hash(value: &impl std::hash::Hash) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(value)
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
