//! schemas/examples: what the masks accept and reject, and which schemas are refused, with the place.
//!
//! `accept/` and `reject/` hold texts for the grammar; the independent check must agree. Folders `err_*` hold schemas
//! that are refused, and in pointer.txt the place that the refusal names.

use std::path::Path;
use std::sync::Arc;

use drawplate::engine::fake_vocab;
use drawplate::grammar::{Budget, Compiled, Compiler, GrammarError, Spec, Verdict, Vocab};
use drawplate::guard::Check;
use drawplate::schema::{Document, Limits, SchemaError};
use serde_json::Value;

use crate::support::schemas::{examples, read_json};

fn compile(compiler: &Compiler, schema: Value) -> Result<Arc<Compiled>, SchemaError> {
    let document = Document::parse(schema, Limits::default())?;
    let spec = Spec::value(Arc::new(document));
    compiler.compile(&spec).map_err(|error| match error {
        GrammarError::Schema { error, .. } => error,
        other => panic!("{other}"),
    })
}

/// Whether the grammar accepts `text`, byte by byte and in the tokenizer's own tokens.
fn accepts(vocab: &Vocab, compiled: &Compiled, text: &str) -> bool {
    let whole = follows(compiled, &vocab.tokenize(text, false));
    let bytes: Vec<u32> = text.bytes().map(u32::from).collect();
    assert_eq!(whole, follows(compiled, &bytes), "the cut into tokens matters: {text}");
    whole
}

fn follows(compiled: &Compiled, tokens: &[u32]) -> bool {
    let mut matcher = compiled.matcher();
    tokens.iter().all(|token| {
        let allowed = !matcher.is_stopped() && matcher.allows(*token).unwrap();
        if allowed {
            // Masks and single questions must agree.
            assert!(matcher.mask().unwrap().allows(*token) || !matcher.forced().is_empty());
        }
        allowed && matcher.accept(*token).unwrap() == Verdict::Taken
    }) && matcher.is_accepting().unwrap_or(true)
}

fn texts(dir: &Path) -> Vec<(String, String)> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    entries
        .map(|e| e.unwrap().path())
        .map(|p| (p.display().to_string(), std::fs::read_to_string(&p).unwrap()))
        .collect()
}

#[test]
fn are_accepted_rejected_and_refused() {
    let vocab = fake_vocab().unwrap();
    let compiler = Compiler::new(&vocab, Budget::default()).unwrap();
    for (name, dir) in examples() {
        let schema = read_json(&dir.join("schema.json"));
        let compiled = compile(&compiler, schema.clone());
        if name.starts_with("err_") {
            let expected = std::fs::read_to_string(dir.join("pointer.txt")).unwrap();
            let error = compiled.map(drop).expect_err(&name);
            assert_eq!(error.pointer.to_string(), expected.trim(), "{name}: {error}");
            continue;
        }
        let compiled = compiled.unwrap_or_else(|e| panic!("{name}: {e}"));
        let check = Check::of(&Document::parse(schema, Limits::default()).unwrap()).unwrap();
        for (file, text) in texts(&dir.join("accept")) {
            assert!(accepts(&vocab, &compiled, &text), "the mask rejects {file}");
            assert!(check.judge(&text).is_ok(), "the check rejects {file}");
        }
        for (file, text) in texts(&dir.join("reject")) {
            assert!(!accepts(&vocab, &compiled, &text), "the mask accepts {file}");
            assert!(check.judge(&text).is_err(), "the check accepts {file}");
        }
    }
}

#[test]
fn are_complete() {
    let all = examples();
    assert!(all.iter().filter(|(name, _)| !name.starts_with("err_")).count() >= 7, "examples are missing");
    for (name, dir) in all.iter().filter(|(name, _)| !name.starts_with("err_")) {
        assert!(!texts(&dir.join("accept")).is_empty() && !texts(&dir.join("reject")).is_empty(), "{name} lacks cases");
    }
}
