//! Every file of grammars/ compiles with stand-ins for what code fills in, and has its header.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use drawplate::engine::fake_vocab;
use drawplate::grammar::{Budget, Compiler, GrammarError, Spec};
use drawplate::schema::{Document, ErrorKind, Limits};
use drawplate::telemetry::metrics::METRICS;
use drawplate::tools::format::{Family, Otherwise, ToolFormat};
use drawplate::tools::{Tool, ToolChoice};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

fn tool(name: &str) -> Tool {
    let document = Document::parse(json!({"type": "object"}), Limits::default()).unwrap();
    Tool { name: name.into(), description: None, parameters: Arc::new(document), input: None }
}

#[test]
fn a_tool_that_stays_is_not_compiled_again() {
    let vocab = fake_vocab().unwrap();
    let compiler = Compiler::new(&vocab, Budget::default()).unwrap();
    let spec = |names: &[&str]| {
        let tools: Vec<Tool> = names.iter().map(|name| schema_of(name)).collect();
        let format = ToolFormat::new(Family::generic(), &vocab);
        format.spec(&tools, &ToolChoice::Auto, true, &Otherwise::Prose, None)
    };
    compiler.compile(&spec(&["one", "two", "three"])).unwrap();
    let before = METRICS.grammar_piece_hits.get();
    compiler.compile(&spec(&["one", "two", "four"])).unwrap();
    assert!(METRICS.grammar_piece_hits.get() >= before + 2);
}

fn schema_of(name: &str) -> Tool {
    let schema = json!({"type": "object", "properties": {"x": {"const": name}}, "required": ["x"]});
    Tool { parameters: Arc::new(Document::parse(schema, Limits::default()).unwrap()), ..tool(name) }
}

#[test]
fn a_compilation_ends_with_its_time() {
    let vocab = fake_vocab().unwrap();
    let compiler = Compiler::new(&vocab, Budget { time: Duration::ZERO, ..Budget::default() }).unwrap();
    let document = Arc::new(Document::parse(json!({"type": "object"}), Limits::default()).unwrap());
    match compiler.compile(&Spec::value(document)) {
        Err(GrammarError::Schema { error, .. }) => assert_eq!(error.kind, ErrorKind::OutOfTime(Duration::ZERO)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_matcher_that_failed_is_not_complete() {
    let vocab = fake_vocab().unwrap();
    let compiler = Compiler::new(&vocab, Budget::default()).unwrap();
    let document = Document::parse(json!({"type": "boolean"}), Limits::default()).unwrap();
    let spec = Spec::value(Arc::new(document));
    let mut matcher = compiler.compile(&spec).unwrap().matcher();
    assert!(matcher.accept(u32::from(b'x')).is_err());
    assert!(!matcher.is_stopped() && matcher.mask().is_err());
}

#[test]
fn what_others_have_met_changes_no_mask() {
    let vocab = fake_vocab().unwrap();
    let schema = json!({"type": "object", "additionalProperties": false, "required": ["when", "code", "tags"], "properties": {
        "when": {"type": "string", "format": "date-time"}, "code": {"type": "string", "pattern": "^[A-Z]{3}-[0-9]{2,6}$"},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 12}, "minItems": 2, "maxItems": 6}}});
    let compile = || {
        let document = Document::parse(schema.clone(), Limits::default()).unwrap();
        Compiler::new(&vocab, Budget::default()).unwrap().compile(&Spec::value(Arc::new(document))).unwrap()
    };
    let (used, new) = (compile(), compile());
    let mut n_met = Vec::new();
    for round in 0..12 {
        let mut rng = ChaCha8Rng::seed_from_u64(round as u64);
        let (mut one, mut other) = (used.matcher(), new.matcher());
        let mut n_tokens = 0;
        // Some leave in mid-answer, as clients do.
        while !one.is_stopped() && n_tokens < 40 * (round + 1) {
            let (mask, expected) = (one.mask().unwrap(), other.mask().unwrap());
            let mut allowed = Vec::new();
            mask.for_each(|token| allowed.push(token));
            let mut allowed_by_new = Vec::new();
            expected.for_each(|token| allowed_by_new.push(token));
            assert_eq!(allowed, allowed_by_new, "round {round}, token {n_tokens}");
            assert_eq!(one.forced(), other.forced());
            let token = allowed[rng.random_range(0..allowed.len())];
            assert_eq!(one.accept(token).unwrap(), other.accept(token).unwrap());
            n_tokens += 1;
        }
        n_met.push(one.work());
        used.give_back(one);
    }
    assert!(n_met[0] > 0 && n_met[11] < n_met[0] * 12, "each sequence met everything anew: {n_met:?}");
}

#[test]
fn no_file_is_orphaned_and_each_has_its_header() {
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("grammars")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(include_str!("../../src/tools/format/grammar.rs").contains(&name), "{name} belongs to no code");
        for word in ["// Families:", "// Template source:", "// Special tokens needed:", "// Filled in by code:"] {
            assert!(text.contains(word), "{} lacks '{word}'", path.display());
        }
    }
}
