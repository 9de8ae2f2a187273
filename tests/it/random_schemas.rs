//! Any schema, any value: the mask with its guard accepts exactly what the independent check accepts.
//!
//! `DRAWPLATE_RANDOM_SCHEMAS=100000` makes a long run of it (scripts/long-run).

use std::sync::Arc;

use drawplate::engine::fake_vocab;
use drawplate::grammar::{Budget, Compiled, Compiler, Spec, Verdict, Vocab, in_declared_order};
use drawplate::guard::Check;
use drawplate::schema::{Document, ErrorKind, Limits};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::Value;

use crate::support::strategies::{schema, value};

/// Whether the mask and the guard let `text` pass to its end; closings are looked at on the way.
fn accepts(vocab: &Vocab, compiled: &Compiled, check: &Check, text: &str) -> Result<bool, TestCaseError> {
    let mut matcher = compiled.matcher();
    let mut before = Vec::new();
    for (i, token) in vocab.tokenize(text, false).into_iter().enumerate() {
        if i % 3 == 0
            && let Some(ending) = matcher.closing()
        {
            let whole = String::from_utf8([before.as_slice(), &ending].concat());
            let is_valid = whole.as_ref().is_ok_and(|whole| check.judge(whole).is_ok());
            prop_assert!(is_valid, "closed to {whole:?}, which is invalid");
        }
        let allowed = !matcher.is_stopped() && matcher.allows(token).map_err(|e| TestCaseError::fail(e.to_string()))?;
        if !allowed || matcher.accept(token).map_err(|e| TestCaseError::fail(e.to_string()))? != Verdict::Taken {
            return Ok(false);
        }
        before.extend_from_slice(vocab.bytes(token));
    }
    Ok(matcher.is_stopped() || matcher.is_accepting().unwrap_or(false))
}

fn holds(vocab: &Vocab, compiler: &Compiler, schema: &Value, values: &[Value]) -> Result<(), TestCaseError> {
    let Ok(document) = Document::parse(schema.clone(), Limits::default()) else { return Ok(()) };
    let document = Arc::new(document);
    let Ok(check) = Check::of(&document) else { return Ok(()) };
    let mut spec = Spec::value(Arc::clone(&document));
    // Why: the same rules are written as Lark where a schema is not alone.
    if schema.to_string().len().is_multiple_of(4) {
        spec.lark.push('\n');
    }
    let compiled = match compiler.compile(&spec) {
        Ok(compiled) => compiled,
        Err(drawplate::grammar::GrammarError::Schema { error, .. }) => {
            let is_empty = matches!(error.kind, ErrorKind::Unsatisfiable(_));
            prop_assert!(is_empty || matches!(error.kind, ErrorKind::TooComplex(_)), "refused: {error}");
            for value in values.iter().filter(|_| is_empty) {
                prop_assert!(check.judge(&value.to_string()).is_err(), "said to allow nothing, but allows {value}");
            }
            return Ok(());
        }
        Err(error) => return Err(TestCaseError::fail(error.to_string())),
    };
    for value in values {
        let is_valid = check.judge(&value.to_string()).is_ok();
        let plain = in_declared_order(&document, value);
        let is_accepted = accepts(vocab, &compiled, &check, &plain)?;
        prop_assert_eq!(is_accepted, is_valid, "{}", plain);
    }
    Ok(())
}

#[test]
fn are_enforced_exactly() {
    let vocab = fake_vocab().unwrap();
    let compiler = Compiler::new(&vocab, Budget { cache_bytes: 0, ..Budget::default() }).unwrap();
    let asked = std::env::var("DRAWPLATE_RANDOM_SCHEMAS").ok().and_then(|n| n.parse().ok());
    let cases = asked.unwrap_or(600);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 2000, ..Config::default() };
    let strategy = (schema(), proptest::collection::vec(value(), 8));
    // Why: a long run is to find something new, an ordinary one to say the same each time.
    let mut runner = match asked {
        Some(_) => TestRunner::new(config),
        None => TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
    };
    runner.run(&strategy, |(schema, values)| holds(&vocab, &compiler, &schema, &values)).unwrap();
}
