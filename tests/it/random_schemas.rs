//! Any schema, any value: the mask with its guard accepts exactly what the independent check accepts. Random walks
//! through the masks end valid, the shortest answer is as short as announced, and the report is true.
//!
//! `DRAWPLATE_RANDOM_SCHEMAS=100000` makes a long run of it (scripts/long-run).

use std::sync::Arc;

use drawplate::engine::fake_vocab;
use drawplate::grammar::{
    Budget, Compiled, Compiler, Fate, Report, Spec, Spellings, Style, Verdict, Vocab, in_declared_order, report,
};
use drawplate::guard::{Check, Veto};
use drawplate::schema::{Document, ErrorKind, Limits, Pointer};
use drawplate::testing::{Options, Sampler};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::support::strategies::{schema, value};

/// Whether the mask and the guard let `text` pass to its end; closings are looked at on the way. Where no guard is
/// needed, only keys written twice and endless nesting may be vetoed.
fn accepts(
    vocab: &Vocab,
    compiled: &Compiled,
    check: &Check,
    guarded: bool,
    text: &str,
) -> Result<bool, TestCaseError> {
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
        if !allowed {
            return Ok(false);
        }
        match matcher.accept(token).map_err(|e| TestCaseError::fail(e.to_string()))? {
            Verdict::Taken => {}
            Verdict::Vetoed(veto) => {
                let is_usual = matches!(veto, Veto::DuplicateKey | Veto::Depth);
                prop_assert!(guarded || is_usual, "vetoed for {}, but no guard is needed", veto.as_str());
                return Ok(false);
            }
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
            prop_assert!(
                is_empty || matches!(error.kind, ErrorKind::TooComplex(_) | ErrorKind::OutOfTime(_)),
                "refused: {error}"
            );
            for value in values.iter().filter(|_| is_empty) {
                prop_assert!(check.judge(&value.to_string()).is_err(), "said to allow nothing, but allows {value}");
            }
            return Ok(());
        }
        Err(error) => return Err(TestCaseError::fail(error.to_string())),
    };
    free_spelling_is_free(vocab, compiler, &document, &check, values)?;
    let report = report(&document, 0.0, compiled.cheapest_tokens()).map_err(|e| TestCaseError::fail(e.to_string()))?;
    for value in values {
        let is_valid = check.judge(&value.to_string()).is_ok();
        let plain = in_declared_order(&document, value);
        let is_accepted = accepts(vocab, &compiled, &check, report.needs_guard, &plain)?;
        prop_assert_eq!(is_accepted, is_valid, "{}", plain);
    }
    shortest_is_as_announced(&compiled, &report)?;
    annotations_say_nothing(&document, &check, &report, values)?;
    walks_end_valid(&document, &check)
}

/// Where every spelling is allowed, the same values are accepted however they are written.
fn free_spelling_is_free(
    vocab: &Vocab,
    compiler: &Compiler,
    document: &Arc<Document>,
    check: &Check,
    values: &[Value],
) -> Result<(), TestCaseError> {
    let style = Style { spelling: Spellings::Any, ..Style::default() };
    let Ok(compiled) = compiler.compile(&Spec { style, ..Spec::value(Arc::clone(document)) }) else { return Ok(()) };
    for value in values.iter().take(3) {
        let text = respelled(&in_declared_order(document, value));
        let is_valid = check.judge(&text).is_ok();
        let is_accepted = accepts(vocab, &compiled, check, true, &text)?;
        prop_assert_eq!(is_accepted, is_valid, "{}", text);
    }
    Ok(())
}

/// The same JSON, every character of a string as an escape, every whole number with a fraction or an exponent.
fn respelled(text: &str) -> String {
    let mut out = String::new();
    let (mut rest, mut n_numbers) = (text, 0);
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            let bytes = rest.as_bytes();
            let end = 1 + (1..bytes.len()).find(|at| bytes[*at] == b'"' && ends_string(&bytes[..*at])).unwrap();
            let content: String = serde_json::from_str(&rest[..end]).unwrap();
            let escapes: Vec<String> = content.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            out.push_str(&format!("\"{}\"", escapes.concat()));
            rest = &rest[end..];
        } else if first == '-' || first.is_ascii_digit() {
            let end = rest.find(|c: char| !"+-.eE0123456789".contains(c)).unwrap_or(rest.len());
            let number = &rest[..end];
            n_numbers += 1;
            out.push_str(number);
            if number.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit()) {
                out.push_str(if n_numbers % 2 == 0 { "e+0" } else { ".0" });
            }
            rest = &rest[end..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

/// Whether a quote behind `text` is no escaped one.
fn ends_string(text: &[u8]) -> bool {
    text.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 0
}

fn shortest_is_as_announced(compiled: &Compiled, report: &Report) -> Result<(), TestCaseError> {
    let Some(n_announced) = report.cheapest_tokens else { return Ok(()) };
    prop_assert!(
        n_announced >= compiled.least_tokens(),
        "{n_announced} tokens, but {} at least",
        compiled.least_tokens()
    );
    let mut matcher = compiled.matcher();
    let ending = matcher.closing_tokens();
    prop_assert_eq!(ending.as_ref().map(Vec::len), Some(n_announced));
    for token in ending.into_iter().flatten() {
        let verdict = matcher.accept(token).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert_eq!(verdict, Verdict::Taken, "the shortest answer is vetoed");
    }
    prop_assert!(matcher.is_stopped() || matcher.is_accepting().unwrap_or(false), "the shortest answer may not end");
    Ok(())
}

/// What the report calls an annotation can be left out.
fn annotations_say_nothing(
    document: &Document,
    check: &Check,
    report: &Report,
    values: &[Value],
) -> Result<(), TestCaseError> {
    let mut without = document.value().clone();
    for keyword in report.keywords.iter().filter(|keyword| keyword.fate == Fate::Annotation) {
        let pointer = Pointer::parse(&keyword.pointer);
        if let (Some(Value::Object(map)), Some(name)) =
            (pointer.parent().resolve_mut(&mut without), pointer.parts().last())
        {
            map.shift_remove(name);
        }
    }
    let Ok(without) = Check::new(&without) else { return Ok(()) };
    for value in values.iter().map(Value::to_string) {
        prop_assert_eq!(check.judge(&value).is_ok(), without.judge(&value).is_ok(), "annotations decide {}", value);
    }
    Ok(())
}

fn walks_end_valid(document: &Arc<Document>, check: &Check) -> Result<(), TestCaseError> {
    let Ok(sampler) = Sampler::of(Arc::clone(document), Options { max_bytes: 60, max_depth: 4 }) else { return Ok(()) };
    let mut rng = ChaCha8Rng::seed_from_u64(document.value().to_string().len() as u64);
    for _ in 0..2 {
        let text = sampler.text(&mut rng);
        prop_assert!(check.judge(&text).is_ok(), "a walk ended at {}", text);
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
