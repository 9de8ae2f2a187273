//! The engine step by step, on the fake device: cancellation, prefix reuse, batching, forced tokens.

use std::sync::Arc;
use std::time::{Duration, Instant};

use drawplate::engine::{
    Effort, Engine, EngineError, Event, FakeBackend, FakeMode, FinishReason, Job, Limits, Tuning, fake_vocab,
};
use drawplate::grammar::{Compiled, TokenId, Verdict, Vocab};
use serde_json::{Value, json};
use tokio::sync::mpsc::Receiver;

use crate::support::{grammar, job};

fn engine(vocab: &Arc<Vocab>, mode: FakeMode, n_slots: usize, n_batch: usize) -> Engine<FakeBackend> {
    let limits = Limits { n_slots, n_batch, n_ctx: 1024 };
    let backend = FakeBackend::new(limits, mode, Arc::clone(vocab), Duration::ZERO);
    Engine::new(backend, Arc::clone(vocab), Tuning::default())
}

fn submit(
    engine: &mut Engine<FakeBackend>,
    prompt: Vec<TokenId>,
    grammar: Option<Arc<Compiled>>,
    max_tokens: usize,
) -> Receiver<Event> {
    let (job, receiver) = job(prompt, grammar, max_tokens);
    engine.submit(job);
    receiver
}

fn run(engine: &mut Engine<FakeBackend>) -> usize {
    (0..)
        .take_while(|n_steps| {
            assert!(*n_steps < 100_000, "it does not end");
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
            Event::Started { n_cached, .. } => cached = n_cached,
            Event::Token { token, forced, .. } => {
                tokens.push(token);
                n_forced += usize::from(forced);
            }
            Event::Finished(reason, _) => end = Some(reason),
            Event::Failed(error) => panic!("{error}"),
        }
    }
    (tokens, n_forced, cached, end)
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
fn of_a_repeated_prompt_only_the_last_token_is_computed() {
    let vocab = Arc::new(fake_vocab().unwrap());
    let mut engine = engine(&vocab, FakeMode::Scripted("x".repeat(50)), 2, 64);
    let prompt: Vec<TokenId> = (0..300).map(|i| i % 200).collect();
    for (i, expected) in [0, 299].into_iter().enumerate() {
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

const SCHEMAS: [&str; 3] = [
    r#"{"type": "object", "required": ["id", "tags"], "additionalProperties": false, "properties": {
        "id": {"type": "integer"}, "tags": {"type": "array", "items": {"type": "string", "maxLength": 8}, "maxItems": 4}}}"#,
    r#"{"type": "array", "items": {"enum": ["alpha", "beta", "gamma"]}, "uniqueItems": true, "minItems": 2}"#,
    r#"{"type": "array", "minItems": 3, "maxItems": 5, "items": {"type": "object", "required": ["name", "value"],
        "additionalProperties": false, "properties": {"name": {"const": "the"}, "value": {"type": "boolean"}}}}"#,
];

/// An answer's tokens, and how it ended.
type Ended = (Vec<TokenId>, Option<(FinishReason, Effort)>);

/// The answers to several prompts and schemas at once, with what they took.
fn answers(mut engine: Engine<FakeBackend>, vocab: &Vocab) -> Vec<Ended> {
    let mut receivers = Vec::new();
    for i in 0..12u32 {
        let prompt: Vec<TokenId> = (0..20 + i).map(|t| t * (i + 3) % 250).collect();
        let schema = SCHEMAS.get(i as usize % 4).map(|text| grammar(vocab, serde_json::from_str(text).unwrap()));
        receivers.push(submit(&mut engine, prompt, schema, 80));
    }
    run(&mut engine);
    let mut all = Vec::new();
    for mut receiver in receivers {
        let (mut tokens, mut end) = (Vec::new(), None);
        while let Ok(event) = receiver.try_recv() {
            match event {
                Event::Token { token, .. } => tokens.push(token),
                Event::Finished(reason, effort) => end = Some((reason, effort)),
                Event::Started { .. } => {}
                Event::Failed(error) => panic!("{error}"),
            }
        }
        all.push((tokens, end));
    }
    all
}

fn tuned(vocab: &Arc<Vocab>, speculates: bool, slips_every: Option<usize>) -> Engine<FakeBackend> {
    let limits = Limits { n_slots: 5, n_batch: 64, n_ctx: 1024 };
    let backend = FakeBackend::new(limits, FakeMode::Random, Arc::clone(vocab), Duration::ZERO);
    let backend = match slips_every {
        Some(every) => backend.drawing(every),
        None => backend,
    };
    Engine::new(backend, Arc::clone(vocab), Tuning { speculates, ..Tuning::default() })
}

#[test]
fn speculation_and_drawing_on_the_device_change_no_token() {
    let vocab = Arc::new(fake_vocab().unwrap());
    let texts = |answers: &[(Vec<TokenId>, _)]| answers.iter().map(|a| a.0.clone()).collect::<Vec<_>>();
    let plain = answers(tuned(&vocab, false, None), &vocab);
    assert!(plain.iter().all(|(_, end)| end.unwrap().1.n_drafted == 0));
    let speculated = answers(tuned(&vocab, true, None), &vocab);
    assert_eq!(texts(&plain), texts(&speculated));
    let drawn = answers(tuned(&vocab, false, Some(0)), &vocab);
    assert_eq!(texts(&plain), texts(&drawn));
    let drafts = |field: fn(&Effort) -> usize| speculated.iter().map(|(_, end)| field(&end.unwrap().1)).sum::<usize>();
    assert!(drafts(|effort| effort.n_accepted) > 0, "no draft of {} was right", drafts(|effort| effort.n_drafted));
}

#[test]
fn what_the_device_draws_against_the_mask_is_never_taken() {
    let vocab = Arc::new(fake_vocab().unwrap());
    let some = answers(tuned(&vocab, true, Some(3)), &vocab);
    // One that never heeds its mask is never believed: the host draws from the same logits.
    let all = answers(tuned(&vocab, true, Some(1)), &vocab);
    for (i, (tokens, end)) in some.into_iter().enumerate().chain(all.into_iter().enumerate()) {
        let Some(schema) = SCHEMAS.get(i % 4) else { continue };
        let mut matcher = grammar(&vocab, serde_json::from_str(schema).unwrap()).matcher();
        for token in tokens {
            assert!(matcher.mask().unwrap().allows(token), "schema {i}");
            assert_eq!(matcher.accept(token).unwrap(), Verdict::Taken);
        }
        assert!(end.is_some());
    }
}

#[test]
fn cells_outlive_their_slot_on_the_host() {
    let vocab = Arc::new(fake_vocab().unwrap());
    let limits = Limits { n_slots: 1, n_batch: 512, n_ctx: 1024 };
    // Cells come back where that is faster than computing them, so computing takes its time here.
    let backend = FakeBackend::new(limits, FakeMode::Random, Arc::clone(&vocab), Duration::from_millis(10));
    let mut engine = Engine::new(backend, Arc::clone(&vocab), Tuning::default());
    let long: Vec<TokenId> = (0..600).map(|i| i % 200).collect();
    let other: Vec<TokenId> = (0..600).map(|i| (i * 7 + 3) % 200).collect();
    let mut ask = |prompt: &[TokenId]| {
        let mut receiver = submit(&mut engine, prompt.to_vec(), None, 5);
        run(&mut engine);
        let (tokens, _, cached, _) = read(&mut receiver);
        (tokens, cached)
    };
    let (first, cached) = ask(&long);
    assert_eq!(cached, 0);
    assert_eq!(ask(&other).1, 0);
    assert_eq!(ask(&long), (first, 599), "the same answer from cells that were put by");
    assert_eq!(ask(&other).1, 599);
}

#[test]
fn choices_of_one_request_share_their_prompt() {
    let vocab = Arc::new(fake_vocab().unwrap());
    let mut engine = engine(&vocab, FakeMode::Random, 4, 64);
    let prompt: Vec<TokenId> = (0..500).map(|i| i % 200).collect();
    let mut receivers: Vec<_> = (0..4).map(|_| submit(&mut engine, prompt.clone(), None, 5)).collect();
    run(&mut engine);
    let cached: Vec<usize> = receivers.iter_mut().map(|receiver| read(receiver).2).collect();
    assert_eq!(cached, [0, 448, 448, 448]);
}

#[test]
fn a_deadline_ends_what_waits_and_closes_what_runs() {
    let vocab = Arc::new(fake_vocab().unwrap());
    let mut engine = engine(&vocab, FakeMode::Scripted(format!("\"{}", "x".repeat(900))), 1, 64);
    let now = Instant::now();
    let string = grammar(&vocab, json!({"type": "string", "minLength": 3}));
    let mut submit_until = |grammar, seconds| {
        let (job, receiver) = job(vec![1, 2, 3], grammar, 900);
        engine.submit(Job { deadline: Some(now + Duration::from_secs(seconds)), closes: true, ..job });
        receiver
    };
    let (mut bound, mut late) = (submit_until(Some(string), 10), submit_until(None, 5));
    for _ in 0..8 {
        engine.step(now);
    }
    engine.step(now + Duration::from_secs(6));
    assert!(matches!(late.try_recv(), Ok(Event::Failed(EngineError::Deadline))));
    engine.step(now + Duration::from_secs(11));
    assert!(engine.is_idle());
    let (tokens, _, _, end) = read(&mut bound);
    let text: Vec<u8> = tokens.iter().flat_map(|t| vocab.bytes(*t)).copied().collect();
    let value: String = serde_json::from_slice(&text).unwrap();
    assert!(value.len() >= 3 && value.chars().all(|c| c == 'x'), "{value:?}");
    assert_eq!(end, Some(FinishReason::Closed));
}
