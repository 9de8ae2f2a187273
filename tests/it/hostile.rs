//! The promise's first line: a model that wants what the mask forbids still gives valid answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use drawplate::engine::{
    Engine, EngineError, Event, FakeBackend, FakeMode, FinishReason, Job, Limits, Sampling, Tuning, fake_vocab,
};
use drawplate::grammar::{Budget, Compiler, GrammarError, Spec, Vocab};
use drawplate::guard::Check;
use drawplate::schema::{Document, Limits as SchemaLimits};

use serde_json::{Map, Value, json};
use tokio::sync::mpsc::Receiver;

use crate::support::schemas::sample;
use crate::support::{grammar, job};

const N_SCHEMAS: usize = 300;
const N_CTX: usize = 2048;

/// What a job was told: the text, and how it ended.
fn read(receiver: &mut Receiver<Event>, vocab: &Vocab) -> (Vec<u8>, Option<Result<FinishReason, EngineError>>) {
    let (mut text, mut end) = (Vec::new(), None);
    while let Ok(event) = receiver.try_recv() {
        match event {
            Event::Started { .. } => {}
            Event::Token { token, .. } => text.extend_from_slice(vocab.bytes(token)),
            Event::Finished(reason, _) => end = Some(Ok(reason)),
            Event::Failed(error) => end = Some(Err(error)),
        }
    }
    (text, end)
}

/// Keys of which one must be there, but not together with all of another set: what was written may leave no way on, and
/// no ending from there, while there is one from before the object.
#[test]
fn an_answer_without_a_way_on_is_ended_from_further_back() {
    let text = json!({"type": "string", "minLength": 1});
    let names = ["image", "build_directory", "build_args", "dockerfile", "build_target", "build_ssh"];
    let properties: Map<String, Value> = names.iter().map(|name| ((*name).to_owned(), text.clone())).collect();
    let schema = json!({
        "type": "object", "additionalProperties": {
            "type": "object", "properties": properties, "additionalProperties": false,
            "oneOf": [
                {"required": ["image"], "not": {"required": ["build_args", "dockerfile", "build_target", "build_ssh"]}},
                {"required": ["build_directory"]}
            ]
        }
    });
    let vocab = Arc::new(fake_vocab().unwrap());
    let (check, grammar) = (Check::new(&schema).unwrap(), grammar(&vocab, schema));
    let limits = Limits { n_slots: 8, n_batch: 256, n_ctx: N_CTX };
    let backend = FakeBackend::new(limits, FakeMode::Hostile, Arc::clone(&vocab), Duration::ZERO);
    let mut engine = Engine::new(backend, Arc::clone(&vocab), Tuning::default());
    let mut receivers = Vec::new();
    for seed in 0..300 {
        let max_tokens = if seed % 2 == 0 { 1000 } else { 90 };
        let (job, receiver) = job(vocab.tokenize("Hello.", false), Some(Arc::clone(&grammar)), max_tokens);
        let sampling = Sampling { seed, temperature: 1.5, ..Sampling::default() };
        engine.submit(Job { sampling, closes: true, ..job });
        receivers.push(receiver);
    }
    while !engine.is_idle() {
        engine.step(Instant::now());
    }
    for (seed, mut receiver) in receivers.into_iter().enumerate() {
        let (text, end) = read(&mut receiver, &vocab);
        let text = String::from_utf8(text).unwrap();
        let is_whole = matches!(end, Some(Ok(FinishReason::Stop | FinishReason::Closed)));
        assert!(is_whole && check.judge(&text).is_ok(), "seed {seed}: {end:?}\n{text}");
    }
}

#[test]
fn random_tokens_give_valid_answers() {
    let vocab = Arc::new(fake_vocab().unwrap());
    let compiler = Compiler::new(&vocab, Budget { time: Duration::from_secs(60), ..Budget::default() }).unwrap();
    let limits = Limits { n_slots: 8, n_batch: 256, n_ctx: N_CTX };
    let backend = FakeBackend::new(limits, FakeMode::Hostile, Arc::clone(&vocab), Duration::ZERO);
    let mut engine = Engine::new(backend, Arc::clone(&vocab), Tuning::default());
    let (mut running, mut n_refused) = (Vec::new(), 0);
    let cases = sample(N_SCHEMAS, 11);
    let n_cases = cases.len();
    for (i, (name, schema)) in cases.into_iter().enumerate() {
        let Ok(document) = Document::parse(schema.clone(), SchemaLimits::default()) else {
            n_refused += 1;
            continue;
        };
        let document = Arc::new(document);
        let spec = Spec::value(Arc::clone(&document));
        let grammar = match compiler.compile(&spec) {
            Ok(grammar) => grammar,
            Err(GrammarError::Schema { .. }) => {
                n_refused += 1;
                continue;
            }
            Err(other) => panic!("{name}: {other}"),
        };
        // Why: with few tokens about half of the answers have to be brought to an end.
        let max_tokens = if i % 2 == 0 { N_CTX } else { 60 };
        let (job, receiver) = job(vocab.tokenize(&name, false), Some(grammar), max_tokens);
        let sampling = Sampling { seed: i as u64, temperature: 1.5, ..Sampling::default() };
        engine.submit(Job { sampling, closes: true, ..job });
        running.push((name, Check::of(&document).unwrap(), receiver));
    }
    while !engine.is_idle() {
        engine.step(Instant::now());
    }
    let (mut n_valid, mut n_closed, mut n_cut, mut n_failed) = (0, 0, 0, 0);
    for (name, check, mut receiver) in running {
        let (text, end) = read(&mut receiver, &vocab);
        match end.unwrap_or_else(|| panic!("{name}: no end")) {
            Ok(FinishReason::Length) => n_cut += 1,
            Ok(reason @ (FinishReason::Stop | FinishReason::Closed)) => {
                let text = std::str::from_utf8(&text).unwrap_or_else(|_| panic!("{name}: not UTF-8"));
                check.judge(text).unwrap_or_else(|e| panic!("{name}: {e}\n{text}"));
                n_valid += 1;
                n_closed += usize::from(reason == FinishReason::Closed);
            }
            Err(error) => {
                eprintln!("{name}: {error}");
                n_failed += 1;
            }
        }
    }
    eprintln!(
        "{n_cases} schemas: {n_valid} finished and valid, {n_closed} of them brought to an end, {n_cut} cut off, {n_refused} refused, {n_failed} failed"
    );
    assert!(n_failed * 50 <= n_cases, "{n_failed} answers failed in the grammar engine");
    // What is cut off had less room than its shortest value, which the server refuses beforehand.
    assert!(n_cut * 4 <= n_cases, "{n_cut} answers were cut off");
    assert!(n_valid * 2 >= n_cases - n_refused, "hardly any answer finished; the test shows little");
}
