//! Relations between masks, guard, report and the independent check.

use std::sync::{Arc, OnceLock};

use drawplate::grammar::{Budget, Compiled, Compiler, Fate, GrammarError, Spec, Verdict, examine, in_declared_order};
use drawplate::guard::Check;
use drawplate::schema::{Document, ErrorKind, Limits};
use serde_json::Value;

use crate::bytes::Bytes;
use crate::vocab;

fn compiler() -> &'static Compiler {
    static COMPILER: OnceLock<Compiler> = OnceLock::new();
    COMPILER.get_or_init(|| Compiler::new(vocab(), Budget { cache_bytes: 0, ..Budget::default() }).expect("a compiler"))
}

/// Masks and guard accept a value exactly if the independent check does; what is said to allow nothing allows nothing.
pub fn guard(data: &[u8]) {
    let mut bytes = Bytes(data);
    let schema = bytes.schema(3);
    let values: Vec<Value> = (0..4).map(|_| bytes.value(3)).collect();
    let Ok(document) = Document::parse(schema.clone(), Limits::default()) else { return };
    let document = Arc::new(document);
    let Ok(check) = Check::of(&document) else { return };
    let compiled = match compiler().compile(&Spec::value(Arc::clone(&document))) {
        Ok(compiled) => Some(compiled),
        Err(GrammarError::Schema { error, .. }) if matches!(error.kind, ErrorKind::Unsatisfiable(_)) => None,
        Err(GrammarError::Schema { error, .. })
            if matches!(error.kind, ErrorKind::TooComplex(_) | ErrorKind::OutOfTime(_)) =>
        {
            return;
        }
        Err(error) => panic!("{schema} is refused: {error}"),
    };
    for value in values {
        let text = in_declared_order(&document, &value);
        let is_accepted = compiled.as_ref().is_some_and(|compiled| accepts(compiled, &text));
        assert_eq!(is_accepted, check.judge(&text).is_ok(), "{schema} and {text}");
    }
}

fn accepts(compiled: &Compiled, text: &str) -> bool {
    let mut matcher = compiled.matcher();
    for token in vocab().tokenize(text, false) {
        let is_allowed = !matcher.is_stopped() && matcher.allows(token).expect("the engine works");
        if !is_allowed || matcher.accept(token).expect("the mask allowed it") != Verdict::Taken {
            return false;
        }
    }
    matcher.is_stopped() || matcher.is_accepting().expect("the engine works")
}

/// Any text that is given to `drawplate check` is refused with a place that exists, or reported on: every place of the
/// report exists, the guard is needed exactly if a keyword is left to it, and the shortest answer is valid.
pub fn check(data: &[u8]) {
    let Ok(schema) = serde_json::from_slice::<Value>(data) else { return };
    let is_there = |pointer: &str| {
        let around = pointer.rsplit_once('/').map_or("", |(around, _)| around);
        schema.pointer(pointer).is_some() || schema.pointer(around).is_some()
    };
    let limits = Limits { max_bytes: 4096, max_depth: 32 };
    let document = match Document::parse(schema.clone(), limits) {
        Ok(document) => Arc::new(document),
        Err(error) => {
            assert!(is_there(&error.pointer.to_string()), "{schema}: {error}");
            return;
        }
    };
    let report = match examine(compiler(), &document) {
        Ok(report) => report,
        Err(GrammarError::Schema { error, .. }) => {
            assert!(is_there(&error.pointer.to_string()), "{schema}: {error}");
            return;
        }
        Err(error) => panic!("{schema}: {error}"),
    };
    for keyword in &report.keywords {
        assert!(schema.pointer(&keyword.pointer).is_some(), "{schema}: {} is not there", keyword.pointer);
    }
    let is_guarded = report.keywords.iter().any(|keyword| keyword.fate == Fate::Guard);
    assert!(report.needs_guard || !is_guarded, "{schema}: no guard is needed, but a keyword is left to it");
    if let Some(n_announced) = report.cheapest_tokens {
        let compiled = compiler().compile(&Spec::value(Arc::clone(&document))).expect("it was compiled before");
        let ending = compiled.matcher().closing().expect("it is known");
        let text = String::from_utf8(ending).expect("text");
        Check::of(&document)
            .expect("it was made before")
            .judge(&text)
            .unwrap_or_else(|e| panic!("{schema}: {text}: {e}"));
        assert_eq!(vocab().tokenize(&text, false).len(), n_announced, "{schema}: {text}");
    }
}
