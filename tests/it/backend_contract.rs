//! What every device must do; on the fake always, on llama.cpp with a real model.

use std::sync::Arc;
use std::time::Duration;

use drawplate::engine::sampling::Sampler;
use drawplate::engine::{
    Backend, Counts, Draw, FakeBackend, FakeMode, Limits, Outputs as _, Row, Sampling, SlotId, fake_vocab,
};
use drawplate::grammar::{TokenId, Vocab};

use crate::support::model_path;

const LIMITS: Limits = Limits { n_slots: 2, n_batch: 64, n_ctx: 256 };

/// Feeds `tokens` from `pos` on and returns the greedy token after the last.
fn feed(backend: &mut impl Backend, slot: usize, pos: usize, tokens: &[TokenId]) -> TokenId {
    let (sampling, counts) = (Sampling { temperature: 0.0, ..Sampling::default() }, Counts::new());
    let draw = Draw { mask: None, sampling: &sampling, counts: &counts, uniform: 0.0, logprobs: None };
    let rows: Vec<Row> = tokens
        .iter()
        .enumerate()
        .map(|(i, token)| Row { slot: SlotId(slot), pos: pos + i, token: *token, has_output: i + 1 == tokens.len() })
        .collect();
    backend.start(&rows).unwrap();
    let outputs = backend.finish().unwrap();
    outputs.draw(rows.len() - 1, &draw, &mut Sampler::default()).unwrap().token
}

fn contract(backend: &mut impl Backend, vocab: &Vocab) {
    assert_eq!(backend.limits(), LIMITS);
    let prompt: Vec<TokenId> = vocab.tokenize("The capital of France is Paris. The capital of Italy is", false);
    let (head, tail) = prompt.split_at(prompt.len() / 2);
    let whole = feed(backend, 0, 0, &prompt);
    // Forgetting everything and starting again gives the same token; so does starting in the middle.
    assert_eq!(backend.truncate(SlotId(0), 0), 0);
    assert_eq!(feed(backend, 0, 0, &prompt), whole);
    let kept = backend.truncate(SlotId(0), head.len());
    assert!(kept == head.len() || kept == 0);
    assert_eq!(feed(backend, 0, kept, &prompt[kept..]), whole);
    // A copied prefix goes on like its own.
    let copied = backend.copy_prefix(SlotId(0), SlotId(1), head.len());
    assert!(copied == head.len() || copied == 0);
    assert_eq!(feed(backend, 1, copied, &prompt[copied..]), whole);
    // So do cells that were on the host in between.
    let saved = backend.save(SlotId(0)).unwrap();
    backend.truncate(SlotId(1), 0);
    let restored = backend.restore(SlotId(1), &saved, head.len());
    assert!(restored == head.len() || restored == 0);
    assert_eq!(feed(backend, 1, restored, &prompt[restored..]), whole);
    // Slots do not see each other.
    backend.truncate(SlotId(0), 0);
    backend.truncate(SlotId(1), 0);
    let other = feed(backend, 1, 0, tail);
    assert_eq!(feed(backend, 0, 0, &prompt), whole);
    backend.truncate(SlotId(1), 0);
    assert_eq!(feed(backend, 1, 0, tail), other);
}

#[test]
fn holds_for_the_fake() {
    let vocab = Arc::new(fake_vocab().unwrap());
    contract(&mut FakeBackend::new(LIMITS, FakeMode::Random, Arc::clone(&vocab), Duration::ZERO), &vocab);
}

#[cfg(feature = "llama")]
#[test]
fn holds_for_llama_cpp() {
    use drawplate::engine::llama::{LlamaFile, LlamaOptions};
    use drawplate::engine::{KvCells, Placement};
    let Some(path) = model_path() else { return };
    let mut file = LlamaFile::load(path.as_ref(), &Placement::default(), |_| ()).unwrap();
    let vocab = file.take_vocab();
    for kv_cells in [KvCells::Own, KvCells::Shared] {
        let mut device = file.device(LlamaOptions { kv_cells, ..LlamaOptions::new(LIMITS, 2) })().unwrap();
        contract(&mut device, &vocab);
    }
}
