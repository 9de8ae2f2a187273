//! Compiles one schema and walks each of its values through the masks. Times are processor time of the thread.

use std::sync::Arc;

use cpu_time::ThreadTime;
use serde_json::json;

use super::cases::{Case, Test};
use crate::grammar::{
    Compiled, Compiler, GrammarError, KeyOrder, Spec, Style, Verdict, Vocab, in_declared_order, in_file_order,
};
use crate::guard::Check;
use crate::schema::{Document, ErrorKind, Limits, SchemaError};

/// What became of one case.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) refusal: Option<Refusal>,
    /// Values that were accepted, or not, against what the case says; each with where it stopped.
    pub(super) unsound: Vec<String>,
    pub(super) incomplete: Vec<String>,
    pub(super) compile_ms: f64,
    pub(super) mask_us: Vec<f64>,
    pub(super) n_tokens: usize,
    pub(super) n_forced: usize,
    pub(super) is_guarded: bool,
    /// Prefixes of valid values for which no valid ending was found.
    pub(super) unclosed: Vec<String>,
    pub(super) n_closed: usize,
    pub(super) close_us: Vec<f64>,
}

/// How cases are judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct How {
    pub(super) closes: bool,
    pub(super) style: Style,
}

#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) is_timeout: bool,
    pub(super) reason: String,
    pub(super) message: String,
}

impl Outcome {
    pub(super) fn is_passing(&self) -> bool {
        self.refusal.is_none() && self.unsound.is_empty() && self.incomplete.is_empty()
    }

    /// The line of the failures file.
    pub(super) fn failure(&self, case: &Case) -> Option<String> {
        (!self.is_passing() || !self.unclosed.is_empty()).then(|| {
            json!({
                "name": case.name,
                "refused": self.refusal.as_ref().map(|refusal| &refusal.message),
                "unsound": self.unsound,
                "incomplete": self.incomplete,
                "unclosed": self.unclosed,
                "schema": case.schema,
            })
            .to_string()
        })
    }
}

pub(super) fn judge(case: &Case, compiler: &Compiler, vocab: &Vocab, how: How) -> Outcome {
    let mut outcome = Outcome::default();
    let started = ThreadTime::now();
    let document = match Document::parse_with(case.schema.clone(), Limits::default(), Arc::clone(&case.store)) {
        Ok(document) => Arc::new(document),
        Err(error) => {
            outcome.refusal = Some(refusal(&error));
            return judge_refusal(outcome, case);
        }
    };
    let compiled = compiler.compile(&Spec { style: how.style, ..Spec::value(Arc::clone(&document)) });
    outcome.compile_ms = started.elapsed().as_secs_f64() * 1e3;
    match compiled {
        Ok(compiled) => {
            for test in &case.tests {
                let text = if test.valid && how.style.order == KeyOrder::Declared {
                    in_declared_order(&document, &test.data)
                } else if test.valid {
                    in_file_order(&test.data)
                } else {
                    test.data.to_string()
                };
                walk(test, &text, &compiled, vocab, &mut outcome);
                if how.closes && test.valid {
                    close(&text, &document, &compiled, vocab, &mut outcome);
                }
            }
        }
        Err(GrammarError::Schema { error, .. }) => outcome.refusal = Some(refusal(&error)),
        Err(error) => {
            let message = error.to_string();
            outcome.refusal = Some(Refusal { is_timeout: false, reason: "grammar".to_owned(), message });
        }
    }
    judge_refusal(outcome, case)
}

/// A schema that allows nothing is rightly refused if it has no valid value.
fn judge_refusal(mut outcome: Outcome, case: &Case) -> Outcome {
    let allows_nothing = outcome.refusal.as_ref().is_some_and(|refusal| refusal.reason == "unsatisfiable");
    if allows_nothing && !case.tests.iter().any(|test| test.valid) {
        outcome.refusal = None;
    }
    outcome
}

fn refusal(error: &SchemaError) -> Refusal {
    let reason = match &error.kind {
        ErrorKind::Unsupported { keyword, .. } => keyword.clone(),
        ErrorKind::Unsatisfiable(_) => "unsatisfiable".to_owned(),
        ErrorKind::TooComplex(_) => "too complex".to_owned(),
        ErrorKind::OutOfTime(_) => "time".to_owned(),
        ErrorKind::TooLarge { .. } | ErrorKind::TooDeep { .. } => "too large".to_owned(),
        ErrorKind::Pattern { .. } => "pattern".to_owned(),
        ErrorKind::Unresolvable(_) => "$ref".to_owned(),
        ErrorKind::NotASchema { .. } | ErrorKind::Malformed(_) => "malformed".to_owned(),
        ErrorKind::Other(_) => "other".to_owned(),
    };
    Refusal { is_timeout: matches!(error.kind, ErrorKind::OutOfTime(_)), reason, message: error.to_string() }
}

/// Breaks a valid value off at several places, and ends it there.
fn close(text: &str, document: &Document, compiled: &Compiled, vocab: &Vocab, outcome: &mut Outcome) {
    let Ok(check) = Check::of(document) else { return };
    let tokens = vocab.tokenize_inside(text);
    let places = [0, 1, tokens.len() / 4, tokens.len() / 2, tokens.len() * 3 / 4, tokens.len().saturating_sub(1)];
    let mut matcher = compiled.matcher();
    let mut before = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        if places.contains(&i) {
            let started = ThreadTime::now();
            let ending = matcher.closing();
            outcome.close_us.push(started.elapsed().as_secs_f64() * 1e6);
            let whole = ending.as_ref().map(|ending| [before.as_slice(), ending].concat());
            let is_valid = whole
                .as_ref()
                .and_then(|whole| std::str::from_utf8(whole).ok())
                .is_some_and(|t| check.judge(t).is_ok());
            let mut fork = matcher.fork();
            let is_allowed = matcher.closing_tokens().is_some_and(|tokens| {
                tokens.iter().all(|token| matches!(fork.accept(*token), Ok(Verdict::Taken)))
                    && (fork.is_stopped() || fork.is_accepting().unwrap_or(false))
            });
            if is_valid && is_allowed {
                outcome.n_closed += 1;
            } else {
                let shown = whole.map(|whole| String::from_utf8_lossy(&whole[before.len()..]).into_owned());
                let before = String::from_utf8_lossy(&before).chars().rev().take(200).collect::<Vec<_>>();
                let before: String = before.into_iter().rev().collect();
                outcome.unclosed.push(format!("{before} ⟨{is_valid} {is_allowed}⟩ {shown:?}"));
            }
        }
        if !matches!(matcher.accept(*token), Ok(Verdict::Taken)) {
            return;
        }
        before.extend_from_slice(vocab.bytes(*token));
    }
}

fn walk(test: &Test, text: &str, compiled: &Compiled, vocab: &Vocab, outcome: &mut Outcome) {
    let mut matcher = compiled.matcher();
    outcome.is_guarded |= matcher.is_guarded();
    let mut n_bytes = 0;
    let mut stopped = None;
    for token in vocab.tokenize_inside(text) {
        let started = ThreadTime::now();
        let mask = match matcher.mask() {
            Ok(mask) => mask,
            Err(error) => {
                stopped = Some(error.to_string());
                break;
            }
        };
        outcome.mask_us.push(started.elapsed().as_secs_f64() * 1e6);
        outcome.n_tokens += 1;
        outcome.n_forced += usize::from(mask.n_allowed() == 1);
        if !mask.allows(token) {
            stopped = Some("the mask forbids it".to_owned());
            break;
        }
        match matcher.accept(token) {
            Ok(Verdict::Taken) => {}
            Ok(Verdict::Vetoed(veto)) => {
                stopped = Some(format!("the guard vetoes it: {}", veto.as_str()));
                break;
            }
            Err(error) => {
                stopped = Some(error.to_string());
                break;
            }
        }
        n_bytes += vocab.bytes(token).len();
    }
    let is_accepted = stopped.is_none() && (matcher.is_stopped() || matcher.is_accepting().unwrap_or(false));
    if is_accepted == test.valid {
        return;
    }
    let why = stopped.unwrap_or_else(|| "it may not end here".to_owned());
    let (before, after) = text.split_at((0..=n_bytes).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0));
    let clip = |text: &str, n: usize| text.chars().take(n).collect::<String>();
    let before: String = before.chars().rev().take(80).collect::<Vec<_>>().into_iter().rev().collect();
    let place = format!("{}: {before} ⟨{why}⟩ {}", test.description, clip(after, 40));
    if test.valid { outcome.incomplete.push(place) } else { outcome.unsound.push(clip(text, 300)) }
}
