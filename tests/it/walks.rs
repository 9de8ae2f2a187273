//! Random tools, a random family, a random model: what the mask takes, the parser reads, and it is what was asked for.

use std::sync::Arc;

use drawplate::grammar::{Budget, Compiler, GrammarError, Verdict, Vocab};
use drawplate::guard::Check;
use drawplate::schema::{Document, Limits};
use drawplate::tools::format::{Otherwise, Place, ToolFormat};
use drawplate::tools::{Tool, ToolChoice};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use drawplate::chat::SplitOptions;

use crate::support::formats::{encodings, formats, inferred_formats, take_apart, take_apart_by, wander};
use crate::support::schemas::sample;
use crate::support::strategies::{object, schema};

const N_CASES: u32 = 400;

/// A random model that may or must call, where `schema` may bind the answer instead.
fn walk(
    (format, vocab): &(ToolFormat, Vocab),
    schemas: &[Value],
    (mode, parallel, seed): (usize, bool, u64),
) -> Result<(), TestCaseError> {
    let mut tools = Vec::new();
    for (i, schema) in schemas.iter().enumerate() {
        let Ok(document) = Document::parse(schema.clone(), Limits::default()) else { return Ok(()) };
        let name = ["note", "note_all"][i].to_owned();
        tools.push(Tool { name, description: None, parameters: Arc::new(document), input: None });
    }
    let checks: Result<Vec<Check>, _> = tools.iter().map(|tool| Check::of(&tool.parameters)).collect();
    let Ok(checks) = checks else { return Ok(()) };
    let ok = json!({"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"], "additionalProperties": false});
    let (choice, otherwise) = match mode {
        0 => (ToolChoice::Auto, Otherwise::Prose),
        1 => (ToolChoice::Required, Otherwise::Prose),
        2 => (ToolChoice::Named("note_all".into()), Otherwise::Prose),
        _ if format.family.is_bare_json() => return Ok(()),
        _ => {
            let document = Document::parse(ok.clone(), Limits::default()).expect("a schema");
            (ToolChoice::Auto, Otherwise::Schema(Arc::new(document)))
        }
    };
    let compiler = Compiler::new(vocab, Budget { cache_bytes: 0, ..Budget::default() }).expect("a vocabulary");
    let compiled = match compiler.compile(&format.spec(&tools, &choice, parallel, &otherwise, None)) {
        Ok(compiled) => compiled,
        Err(GrammarError::Schema { .. }) => return Ok(()),
        Err(error) => return Err(TestCaseError::fail(error.to_string())),
    };
    let is_prose = choice == ToolChoice::Auto && matches!(otherwise, Otherwise::Prose);
    let options = SplitOptions {
        format: Some(Arc::new(format.clone())),
        encodings: encodings(&tools, &compiled),
        calls_follow_text: is_prose && format.family.prose == Place::Before,
        around: format.text.clone(),
        ..SplitOptions::default()
    };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut matcher = compiled.matcher();
    let mut tokens = wander(&mut matcher, vocab, rng.random_range(0..200), &mut rng);
    let Some(ending) = matcher.closing_tokens() else { return Ok(()) };
    // What is taken back and taken again leaves nothing behind.
    let n_back = rng.random_range(0..=tokens.len());
    if !matcher.is_stopped() {
        matcher.rollback(n_back).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let (kept, again) = tokens.split_at(tokens.len() - n_back);
        let mut other = compiled.matcher();
        for token in kept {
            prop_assert_eq!(other.accept(*token).map_err(|error| error.to_string()), Ok(Verdict::Taken));
        }
        prop_assert_eq!(matcher.closing_tokens(), other.closing_tokens(), "{} tokens taken back", n_back);
        for token in again {
            prop_assert_eq!(matcher.accept(*token).map_err(|error| error.to_string()), Ok(Verdict::Taken));
        }
        prop_assert_eq!(matcher.closing_tokens(), Some(ending.clone()));
    }
    tokens.extend(ending);
    let said = take_apart(&tokens, vocab, &options);
    let wire: Vec<u8> = tokens.iter().flat_map(|token| vocab.wire(*token).into_owned()).collect();
    let what = || format!("{choice:?}: {said:?}: {}", String::from_utf8_lossy(&wire));
    for call in &said.calls {
        let i = tools.iter().position(|tool| tool.name == call.name);
        let judged = i.map(|i| checks[i].judge(&call.arguments));
        prop_assert!(judged.is_some_and(|judged| judged.is_ok()), "{}", what());
    }
    let n_calls = said.calls.len();
    prop_assert!(n_calls < 2 || (parallel && format.family.parallel && mode != 2), "{}", what());
    match (&choice, &otherwise) {
        (ToolChoice::Auto, Otherwise::Prose) => {}
        (ToolChoice::Auto, Otherwise::Schema(_)) => {
            let is_answer =
                || serde_json::from_str(&said.content).is_ok_and(|value: Value| jsonschema::is_valid(&ok, &value));
            prop_assert!(if n_calls > 0 { said.content.is_empty() } else { is_answer() }, "{}", what());
        }
        _ => prop_assert!(n_calls > 0 && said.content.is_empty(), "{}", what()),
    }
    for n in [2, 5, usize::MAX] {
        prop_assert_eq!(&take_apart_by(n, &tokens, vocab, &options), &said, "{} bytes at a time: {}", n, what());
    }
    Ok(())
}

#[test]
fn what_the_mask_takes_the_parser_reads() {
    let formats: Vec<(ToolFormat, Vocab)> = formats().into_iter().chain(inferred_formats()).collect();
    let asked = std::env::var("DRAWPLATE_RANDOM_SCHEMAS").ok().and_then(|n| n.parse().ok());
    let config = Config {
        cases: asked.unwrap_or(N_CASES),
        failure_persistence: None,
        max_shrink_iters: 400,
        ..Config::default()
    };
    let mut runner = match asked {
        Some(_) => TestRunner::new(config),
        None => TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
    };
    let schemas = proptest::collection::vec(schema().prop_map(object), 2);
    let strategy = (0..formats.len(), schemas, (0..4_usize, any::<bool>(), any::<u64>()));
    let walk = |(i, schemas, mode): (usize, Vec<Value>, _)| {
        walk(&formats[i], &schemas, mode).map_err(|error| match error {
            TestCaseError::Fail(why) => TestCaseError::fail(format!("{}: {why}", formats[i].0.family.name)),
            other => other,
        })
    };
    runner.run(&strategy, walk).unwrap();
}

/// The tools that function calling is measured with (BFCL's, where MaskBench lies beside the checkout), all in one list, and
/// each made to be called: its arguments are valid.
#[test]
fn every_tool_of_bfcl_is_called_with_valid_arguments() {
    let read = |(name, schema): (String, Value)| {
        let document = Document::parse(schema, Limits::default()).ok().filter(|_| name.contains("BFCL"))?;
        Some((name, Arc::new(document)))
    };
    let all: Vec<(String, Arc<Document>)> = sample(usize::MAX, 1).into_iter().filter_map(read).collect();
    if all.is_empty() {
        eprintln!("skipped: MaskBench is not beside the checkout");
        return;
    }
    let tool = |(i, (_, document)): (usize, &(String, Arc<Document>))| Tool {
        name: format!("tool_{i}"),
        description: None,
        parameters: Arc::clone(document),
        input: None,
    };
    let tools: Vec<Tool> = all.iter().enumerate().map(tool).collect();
    assert!(tools.len() >= 500, "only {} tools", tools.len());
    let (format, vocab) = formats().into_iter().next().expect("the generic format");
    let compiler = Compiler::new(&vocab, Budget::default()).expect("a vocabulary");
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for (tool, (name, document)) in tools.iter().zip(&all) {
        let choice = ToolChoice::Named(tool.name.clone());
        let spec = format.spec(&tools, &choice, false, &Otherwise::Prose, None);
        let compiled = compiler.compile(&spec).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut matcher = compiled.matcher();
        let n_tokens = rng.random_range(0..200);
        let mut tokens = wander(&mut matcher, &vocab, n_tokens, &mut rng);
        tokens.extend(matcher.closing_tokens().unwrap_or_else(|| panic!("{name}: no ending")));
        let options = SplitOptions { format: Some(Arc::new(format.clone())), ..SplitOptions::default() };
        let said = take_apart(&tokens, &vocab, &options);
        let [call] = said.calls.as_slice() else { panic!("{name}: {said:?}") };
        let judged = Check::of(document).expect("a schema").judge(&call.arguments);
        assert!(call.name == tool.name && judged.is_ok(), "{name}: {judged:?}: {said:?}");
    }
}
