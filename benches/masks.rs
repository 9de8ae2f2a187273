//! Compiling and masks, side by side with llguidance's own JSON Schema compiler on schemas that both support.
//!
//! `cargo bench --bench masks -- tokenizer.json [cases.jsonl]`: the vocabulary of a model (128k tokens are usual), and
//! optionally cases in MaskBench's format. Rounds alternate between the two, and medians of their ratios are printed,
//! so that what else the machine does falls on both.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use drawplate::grammar::{Budget, Compiler, Spec, Vocab, in_declared_order};
use drawplate::schema::{Document, Limits};
use llguidance::ParserFactory;
use llguidance::api::TopLevelGrammar;
use llguidance::earley::SlicedBiasComputer;
use llguidance::toktrie::{ApproximateTokEnv, InferenceCapabilities, TokEnv, TokRxInfo, TokTrie};
use serde_json::{Value, json};

const ROUNDS: usize = 9;

struct Case {
    name: String,
    schema: Value,
    value: Value,
}

/// What one round gives.
struct Round {
    compile: Duration,
    masks: Vec<Duration>,
}

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| !arg.starts_with("--"));
    let Some(tokenizer) = args.next() else {
        println!("give a tokenizer.json: cargo bench --bench masks -- tokenizer.json [cases.jsonl]");
        return;
    };
    let text = std::fs::read_to_string(&tokenizer).expect("the tokenizer can be read");
    let vocab = Vocab::from_tokenizer_json(&text).expect("a vocabulary");
    let words =
        llguidance::token_bytes_from_tokenizer_json(&serde_json::from_str(&text).expect("JSON")).expect("tokens");
    let n_tokens = u32::try_from(words.len()).expect("a vocabulary");
    let trie = TokTrie::from(&TokRxInfo::new(n_tokens, n_tokens - 1), &words);
    let env: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
    let mut factory = ParserFactory::new(&env, InferenceCapabilities::default(), &SlicedBiasComputer::json_slices())
        .expect("a factory");
    factory.quiet();
    let compiler = Compiler::new(&vocab, Budget { cache_bytes: 0, ..Budget::default() }).expect("a compiler");
    let cases = args.next().map_or_else(classes, |path| read(&path));
    println!(
        "{:<24} {:>9} {:>9} {:>7} | {:>8} {:>8} {:>7}",
        "class", "compile", "bare", "ratio", "mask", "bare", "ratio"
    );
    let (mut compile_ratios, mut mask_ratios) = (Vec::new(), Vec::new());
    for case in &cases {
        let mut rounds = Vec::new();
        for round in 0..ROUNDS {
            // Why: a schema that was compiled before comes from the cache.
            let mut schema = case.schema.clone();
            schema["$comment"] = json!(round.to_string());
            let case = Case { name: String::new(), schema, value: case.value.clone() };
            let Some(bare) = bare(&case, &factory, &vocab) else { break };
            let Some(ours) = ours(&case, &compiler, &vocab) else { break };
            rounds.push((ours, bare));
        }
        if rounds.len() < ROUNDS {
            continue;
        }
        let compile = median(rounds.iter().map(|(a, b)| ratio(a.compile, b.compile)).collect());
        let mask = median(rounds.iter().map(|(a, b)| ratio(mean(&a.masks), mean(&b.masks))).collect());
        let us = |durations: Vec<Duration>| median(durations.iter().map(|d| d.as_secs_f64() * 1e6).collect());
        println!(
            "{:<24} {:>7.0}µs {:>7.0}µs {compile:>7.2} | {:>6.1}µs {:>6.1}µs {mask:>7.2}",
            case.name.chars().take(24).collect::<String>(),
            us(rounds.iter().map(|(a, _)| a.compile).collect()),
            us(rounds.iter().map(|(_, b)| b.compile).collect()),
            us(rounds.iter().map(|(a, _)| mean(&a.masks)).collect()),
            us(rounds.iter().map(|(_, b)| mean(&b.masks)).collect()),
        );
        compile_ratios.push(compile);
        mask_ratios.push(mask);
    }
    println!(
        "{} schemas, median of the ratios: compile + first mask {:.2}, masks {:.2}",
        compile_ratios.len(),
        median(compile_ratios.clone()),
        median(mask_ratios)
    );
}

fn ours(case: &Case, compiler: &Compiler, vocab: &Vocab) -> Option<Round> {
    let started = Instant::now();
    let document = Arc::new(Document::parse(case.schema.clone(), Limits::default()).ok()?);
    let compiled = compiler.compile(&Spec::value(Arc::clone(&document))).ok()?;
    let compile = started.elapsed();
    let text = in_declared_order(&document, &case.value);
    let mut matcher = compiled.matcher();
    matcher.mask().ok()?;
    let mut masks = Vec::new();
    for token in vocab.tokenize(&text, false) {
        let started = Instant::now();
        let mask = matcher.mask().ok()?;
        masks.push(started.elapsed());
        if !mask.allows(token) {
            return None;
        }
        let _verdict = matcher.accept(token).ok()?;
    }
    // The first mask is a part of compiling.
    masks.remove(0);
    Some(Round { compile, masks })
}

fn bare(case: &Case, factory: &ParserFactory, vocab: &Vocab) -> Option<Round> {
    let document = Document::parse(case.schema.clone(), Limits::default()).ok()?;
    let started = Instant::now();
    let parser = factory.create_parser(TopLevelGrammar::from_json_schema(case.schema.clone()));
    let mut matcher = llguidance::Matcher::new(parser);
    matcher.compute_mask().ok()?;
    let compile = started.elapsed();
    let mut masks = Vec::new();
    for token in vocab.tokenize(&in_declared_order(&document, &case.value), false) {
        let started = Instant::now();
        let mask = matcher.compute_mask().ok()?;
        masks.push(started.elapsed());
        if !mask.is_allowed(token) {
            return None;
        }
        matcher.consume_token(token).ok()?;
    }
    // The first mask is a part of compiling.
    masks.remove(0);
    Some(Round { compile, masks })
}

fn mean(durations: &[Duration]) -> Duration {
    durations.iter().sum::<Duration>() / u32::try_from(durations.len().max(1)).unwrap_or(u32::MAX)
}

fn ratio(a: Duration, b: Duration) -> f64 {
    a.as_secs_f64() / b.as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn read(path: &str) -> Vec<Case> {
    let text = std::fs::read_to_string(path).expect("the cases can be read");
    let cases = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    cases
        .filter_map(|case| {
            let test = case["tests"].as_array()?.iter().find(|test| test["valid"] == json!(true))?;
            Some(Case {
                name: case["name"].as_str()?.to_owned(),
                schema: case["schema"].clone(),
                value: test["data"].clone(),
            })
        })
        .collect()
}

fn classes() -> Vec<Case> {
    let text = "The quick brown fox jumps over the lazy dog, then rests";
    let case = |name: &str, schema: Value, value: Value| Case { name: name.to_owned(), schema, value };
    let fields = |n: usize| {
        (0..n).map(|i| (format!("field_{i}"), json!({"type": "integer"}))).collect::<serde_json::Map<_, _>>()
    };
    let values = |n: usize| (0..n).map(|i| (format!("field_{i}"), json!(i * 37))).collect::<serde_json::Map<_, _>>();
    vec![
        case("string", json!({"type": "string"}), json!(text)),
        case(
            "plain object",
            json!({"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}, "ok": {"type": "boolean"}}, "required": ["name", "age", "ok"], "additionalProperties": false}),
            json!({"name": text, "age": 42, "ok": true}),
        ),
        case(
            "open object",
            json!({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}),
            json!({"name": text, "other": 1}),
        ),
        case(
            "30 required",
            json!({"type": "object", "properties": fields(30), "required": (0..30).map(|i| format!("field_{i}")).collect::<Vec<_>>(), "additionalProperties": false}),
            json!(values(30)),
        ),
        case(
            "30 optional",
            json!({"type": "object", "properties": fields(30), "additionalProperties": false}),
            json!(values(30)),
        ),
        case(
            "array of objects",
            json!({"type": "array", "items": {"type": "object", "properties": {"id": {"type": "integer"}, "tag": {"enum": ["red", "green", "blue"]}}, "required": ["id", "tag"], "additionalProperties": false}}),
            json!([{"id": 1, "tag": "red"}, {"id": 22, "tag": "blue"}, {"id": 333, "tag": "green"}]),
        ),
        case(
            "map",
            json!({"type": "object", "additionalProperties": {"type": "number"}}),
            json!({"alpha": 1.5, "beta": 22.25, "gamma": 3}),
        ),
        case("pattern", json!({"type": "string", "pattern": "^[a-z]{2,10}-[0-9]{4}$"}), json!("abcdef-2024")),
        case("length", json!({"type": "string", "maxLength": 200}), json!(text)),
        case(
            "range",
            json!({"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 65535}}),
            json!([0, 17, 4096, 65535]),
        ),
        case(
            "enum of 500",
            json!({"enum": (0..500).map(|i| format!("value number {i}")).collect::<Vec<_>>()}),
            json!("value number 321"),
        ),
        case(
            "recursive",
            json!({"$ref": "#/$defs/t", "$defs": {"t": {"type": "object", "properties": {"v": {"type": "integer"}, "c": {"type": "array", "items": {"$ref": "#/$defs/t"}}}, "required": ["v", "c"], "additionalProperties": false}}}),
            json!({"v": 1, "c": [{"v": 2, "c": []}, {"v": 3, "c": []}]}),
        ),
        case(
            "anyOf",
            json!({"anyOf": [{"type": "object", "properties": {"kind": {"const": "a"}, "x": {"type": "integer"}}, "required": ["kind", "x"], "additionalProperties": false}, {"type": "object", "properties": {"kind": {"const": "b"}, "y": {"type": "string"}}, "required": ["kind", "y"], "additionalProperties": false}]}),
            json!({"kind": "b", "y": text}),
        ),
    ]
}
