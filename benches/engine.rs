//! Prefill and decode speed of the engine with a real model, unbound and bound, without HTTP.
//!
//! `DRAWPLATE_TEST_MODEL=model.gguf cargo bench --bench engine`; prints one JSON object. Each figure is the median of
//! several runs in one process. scripts/bench-builds runs it for differently built llama.cpp libraries.

#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::sync::Arc;
use std::time::Instant;

use drawplate::engine::llama::{LlamaFile, LlamaOptions};
use drawplate::engine::{EngineHandle, EngineOptions, Event, Job, Limits, Placement, Sampling, Tuning};
use drawplate::grammar::{Budget, Compiled, Compiler, Spec, TokenId};
use drawplate::schema::Document;
use serde_json::{Value, json};

const N_SLOTS: usize = 4;
const N_PROMPT: usize = 256;
const N_DECODE: usize = 64;
const N_RUNS: usize = 3;

fn main() {
    let Ok(path) = std::env::var("DRAWPLATE_TEST_MODEL") else {
        return println!("skipped: DRAWPLATE_TEST_MODEL names no model");
    };
    let n_threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut file = LlamaFile::load(path.as_ref(), &Placement::default(), |_| ()).expect("the model loads");
    let limits = Limits { n_slots: N_SLOTS, n_batch: 512, n_ctx: 1024 };
    let vocab = Arc::new(file.take_vocab());
    let backend = file.device(LlamaOptions::new(limits, n_threads));
    let (engine, _thread) = EngineHandle::spawn(
        backend,
        Arc::clone(&vocab),
        EngineOptions { tuning: Tuning { speculates: false, ..Tuning::default() }, ..EngineOptions::default() },
    )
    .expect("starts");
    let compiler = Compiler::new(&vocab, Budget::default()).expect("a compiler");
    let schema: Value = json!({"type": "array", "minItems": 400, "items": {"type": "object", "additionalProperties": false,
        "required": ["id", "name"], "properties": {"id": {"type": "integer"}, "name": {"type": "string", "maxLength": 20}}}});
    let document = Document::parse(schema, drawplate::schema::Limits::default()).expect("a schema");
    let spec = Spec::value(Arc::new(document));
    let grammar = compiler.compile(&spec).expect("compiles");
    let text = "The quick brown fox jumps over the lazy dog while seven wizards quietly brew potions. ".repeat(60);
    let words: Vec<TokenId> = vocab.tokenize(&text, false);
    let mut rows = serde_json::Map::new();
    let mut offset = 0;
    let mut prompt = |n: usize| {
        offset += 1;
        words.iter().cycle().skip(offset).take(n).copied().collect::<Vec<_>>()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut measure = |n_streams: usize, bound: bool| {
        let mut rates: Vec<(f64, f64)> = (0..N_RUNS)
            .map(|_| {
                let grammar = bound.then_some(&grammar);
                let prompts = (0..n_streams).map(|_| prompt(if n_streams == 1 { N_PROMPT } else { 16 })).collect();
                runtime.block_on(run(&engine, prompts, grammar))
            })
            .collect();
        rates.sort_by(|a, b| a.0.total_cmp(&b.0));
        let prefill = rates[N_RUNS / 2].0;
        rates.sort_by(|a, b| a.1.total_cmp(&b.1));
        (prefill, rates[N_RUNS / 2].1)
    };
    let _warm = measure(1, false);
    for n_streams in [1, N_SLOTS] {
        let (prefill, unbound) = measure(n_streams, false);
        let (_, bound) = measure(n_streams, true);
        if n_streams == 1 {
            rows.insert("prefill_tokens_per_s".into(), json!(prefill.round()));
        }
        rows.insert(format!("decode_unbound_{n_streams}_tokens_per_s"), json!(unbound.round()));
        rows.insert(format!("decode_bound_{n_streams}_tokens_per_s"), json!(bound.round()));
    }
    rows.insert("threads".into(), json!(n_threads));
    println!("{}", Value::Object(rows));
}

/// Returns prompt tokens per second until the first token, and generated tokens per second after it.
async fn run(engine: &EngineHandle, prompts: Vec<Vec<TokenId>>, grammar: Option<&Arc<Compiled>>) -> (f64, f64) {
    let n_prompt: usize = prompts.iter().map(Vec::len).sum();
    let started = Instant::now();
    let permits = engine.reserve(prompts.len()).expect("places");
    let mut receivers = Vec::new();
    for (prompt, permit) in prompts.into_iter().zip(permits) {
        let (events, receiver) = tokio::sync::mpsc::channel(N_DECODE + 4);
        engine.submit(Job {
            prompt: prompt.into(),
            grammar: grammar.cloned(),
            free: None,
            // A bias against every end keeps the lengths equal.
            sampling: Sampling { temperature: 0.0, ..Sampling::default() },
            max_tokens: N_DECODE,
            closes: false,
            logprobs: None,
            events,
            submitted: started,
            deadline: None,
            thinking: None,
            permit: Some(permit),
        });
        receivers.push(receiver);
    }
    let (mut first, mut n_tokens) = (None, 0u32);
    for mut receiver in receivers {
        while let Some(event) = receiver.recv().await {
            if let Event::Token { .. } = event {
                first.get_or_insert_with(Instant::now);
                n_tokens += 1;
            }
        }
    }
    let first = first.unwrap_or(started);
    let seconds = |from: Instant, to: Instant| to.duration_since(from).as_secs_f64().max(1e-9);
    #[expect(clippy::cast_precision_loss, reason = "small counts")]
    let prefill = n_prompt as f64 / seconds(started, first);
    (prefill, f64::from(n_tokens.saturating_sub(1)) / seconds(first, Instant::now()))
}
