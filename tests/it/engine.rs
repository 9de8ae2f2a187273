//! The engine step by step, on the fake device: cancellation, prefix reuse, batching, forced tokens.

use std::sync::Arc;
use std::time::{Duration, Instant};

use drawplate::engine::{Engine, Event, FakeBackend, FakeMode, FinishReason, Job, Limits, Sampling, fake_vocab};
use drawplate::grammar::{Budget, Compiled, Compiler, Spec, TokenId, Vocab};
use drawplate::schema::Document;
use serde_json::{Value, json};
use tokio::sync::mpsc::{self, Receiver};

fn engine(vocab: &Arc<Vocab>, mode: FakeMode, n_slots: usize, n_batch: usize) -> Engine<FakeBackend> {
    let limits = Limits { n_slots, n_batch, n_ctx: 1024 };
    Engine::new(FakeBackend::new(limits, mode, Arc::clone(vocab), Duration::ZERO), Arc::clone(vocab))
}

fn submit(
    engine: &mut Engine<FakeBackend>,
    prompt: Vec<TokenId>,
    grammar: Option<Arc<Compiled>>,
    max_tokens: usize,
) -> Receiver<Event> {
    let (events, receiver) = mpsc::channel(2000);
    let sampling = Sampling { seed: prompt.len() as u64, ..Sampling::default() };
    engine.submit(Job {
        prompt,
        grammar,
        sampling,
        max_tokens,
        closes: false,
        logprobs: None,
        events,
        submitted: Instant::now(),
        permit: None,
    });
    receiver
}

fn run(engine: &mut Engine<FakeBackend>) -> usize {
    (0..)
        .take_while(|_| {
            let works = !engine.is_idle();
            engine.step(Instant::now());
            works
        })
        .count()
}

/// Tokens, how many of them were forced, cached prompt tokens, and the end.
fn read(receiver: &mut Receiver<Event>) -> (Vec<TokenId>, usize, usize, Option<FinishReason>) {
    let (mut tokens, mut n_forced, mut cached, mut end) = (Vec::new(), 0, 0, None);
    while let Ok(event) = receiver.try_recv() {
        match event {
            Event::Started { n_cached } => cached = n_cached,
            Event::Token { token, forced, .. } => {
                tokens.push(token);
                n_forced += usize::from(forced);
            }
            Event::Finished(reason) => end = Some(reason),
            Event::Failed(error) => panic!("{error}"),
        }
    }
    (tokens, n_forced, cached, end)
}

fn grammar(vocab: &Vocab, schema: Value) -> Arc<Compiled> {
    let document = Document::parse(schema, drawplate::schema::Limits::default()).unwrap();
    let spec = Spec::value(Arc::new(document));
    Compiler::new(vocab, Budget::default()).unwrap().compile(&spec).unwrap()
}

#[test]
fn dropping_the_receiver_frees_the_slot_within_one_step() {
    let vocab = Arc::new(fake_vocab().unwrap());
    let mut engine = engine(&vocab, FakeMode::Scripted("x".repeat(900)), 1, 64);
    let first = submit(&mut engine, vec![1, 2, 3], None, 900);
    let mut second = submit(&mut engine, vec![4, 5], None, 3);
    for _ in 0..5 {
        engine.step(Instant::now());
    }
    assert!(second.try_recv().is_err(), "the only slot is taken");
    drop(first);
    engine.step(Instant::now());
    assert!(matches!(second.try_recv(), Ok(Event::Started { .. })));
}

#[test]
fn a_repeated_prompt_is_mostly_reused() {
    let vocab = Arc::new(fake_vocab().unwrap());
    let mut engine = engine(&vocab, FakeMode::Scripted("x".repeat(50)), 2, 64);
    let prompt: Vec<TokenId> = (0..300).map(|i| i % 200).collect();
    for (i, expected) in [0, 256].into_iter().enumerate() {
        let mut receiver = submit(&mut engine, prompt.clone(), None, 5);
        run(&mut engine);
        let (tokens, _, cached, _) = read(&mut receiver);
        assert_eq!((tokens.len(), cached), (5, expected), "turn {i}");
    }
}

#[test]
fn neither_batch_size_nor_company_changes_the_text() {
    let vocab = Arc::new(fake_vocab().unwrap());
    let prompts: Vec<Vec<TokenId>> = (1..9u32).map(|n| (0..n * 30).map(|i| (i * n) % 250).collect()).collect();
    let mut texts = Vec::new();
    for (n_slots, n_batch) in [(1, 32), (3, 64), (8, 512)] {
        let mut engine = engine(&vocab, FakeMode::Random, n_slots, n_batch);
        let mut receivers: Vec<_> = prompts.iter().map(|p| submit(&mut engine, p.clone(), None, 40)).collect();
        run(&mut engine);
        texts.push(receivers.iter_mut().map(|r| read(r).0).collect::<Vec<_>>());
    }
    assert_eq!(texts[0], texts[1]);
    assert_eq!(texts[0], texts[2]);
}

#[test]
fn forced_tokens_cost_no_steps_of_their_own() {
    let vocab = Arc::new(fake_vocab().unwrap());
    let schema =
        json!({"const": {"a_rather_long_name_of_a_property": [true, false, null], "another": "and a long text too"}});
    let mut engine = engine(&vocab, FakeMode::Random, 1, 256);
    let mut receiver = submit(&mut engine, vec![1], Some(grammar(&vocab, schema.clone())), 900);
    let n_steps = run(&mut engine);
    let (tokens, n_forced, _, end) = read(&mut receiver);
    let text: Vec<u8> = tokens.iter().flat_map(|t| vocab.bytes(*t)).copied().collect();
    assert_eq!(serde_json::from_slice::<Value>(&text).unwrap(), schema["const"]);
    assert_eq!(end, Some(FinishReason::Stop));
    assert!(
        n_forced > tokens.len() / 2 && n_steps < tokens.len(),
        "{n_forced} of {} forced, {n_steps} steps",
        tokens.len()
    );
}

#[test]
fn limits_end_a_sequence() {
    let vocab = Arc::new(fake_vocab().unwrap());
    let mut engine = engine(&vocab, FakeMode::Scripted("x".repeat(2000)), 1, 256);
    let mut short = submit(&mut engine, vec![1], None, 7);
    let mut full = submit(&mut engine, vec![2; 1000], None, 500);
    run(&mut engine);
    let ((tokens, _, _, end), (rest, _, _, full_end)) = (read(&mut short), read(&mut full));
    assert_eq!((tokens.len(), end), (7, Some(FinishReason::Length)));
    assert_eq!((rest.len(), full_end), (24, Some(FinishReason::Length)));
}
