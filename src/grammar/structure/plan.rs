//! A format as states: literals, texts and values, each with what comes behind it.

use std::collections::HashMap;

use serde_json::Value;

use super::regular::{MAX_PATTERN, flat, is_pattern, is_pattern_at_edge, is_regular, lang};
use super::{Format, FormatError, Kind, PartSchema, Rule};
use crate::guard::Form;
use crate::schema::pattern::Lang;

/// What can come next.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// Any of these.
    Fork(Vec<usize>),
    /// These bytes, then that.
    Literal(Vec<u8>, usize),
    /// A text.
    Text(TextState),
    /// A value of the schema with this index, then that; and the field that asks for it.
    Value(usize, usize, String),
    /// The end of the answer.
    End,
}

/// A text that stands before other states.
#[derive(Clone, Debug)]
pub(super) struct TextState {
    /// What it must be; nothing where all will do.
    pub(super) lang: Option<Lang>,
    pub(super) excluded: Vec<String>,
    pub(super) max_chars: Option<u32>,
    pub(super) next: usize,
    /// The field that asks for it.
    pub(super) at: String,
}

/// All states of a format.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) states: Vec<State>,
    pub(super) start: usize,
    /// The field that asks for all of it.
    pub(super) at: String,
    /// The schemas of its values.
    pub(super) schemas: Vec<PartSchema>,
    /// Whether keys may come in any order.
    pub(super) any_order: bool,
    /// Schemas by where they stand in the format, and by their text and how their values are written.
    known: HashMap<*const Value, usize>,
    by_text: HashMap<(String, Option<Form>), usize>,
    /// Formats that were looked at, and bytes of what is in them, as often as it is repeated.
    n_steps: usize,
    n_bytes: usize,
}

/// States of one plan: repetitions multiply.
const MAX_STATES: usize = 20_000;

/// Formats that are looked at, as often as they are repeated.
const MAX_STEPS: usize = 100_000;
/// Bytes of literals, patterns and excluded texts, as often as they are repeated.
const MAX_BYTES: usize = 2 << 20;

/// Makes the plan of `format`.
pub(super) fn plan(format: &Format) -> Result<Plan, FormatError> {
    let mut plan = Plan { at: format.at.clone(), ..Plan::default() };
    let end = plan.push(State::End, &format.at)?;
    plan.start = plan.add(format, end)?;
    Ok(plan)
}

impl Plan {
    fn push(&mut self, state: State, at: &str) -> Result<usize, FormatError> {
        if self.states.len() >= MAX_STATES {
            return Err(FormatError::new(
                at,
                format!("the format has more than {MAX_STATES} parts, repetitions included"),
            ));
        }
        self.states.push(state);
        Ok(self.states.len() - 1)
    }

    /// Adds `format` in front of `next`.
    fn add(&mut self, format: &Format, next: usize) -> Result<usize, FormatError> {
        let at = format.at.as_str();
        self.n_steps += 1;
        self.n_bytes += match &format.kind {
            Kind::Literal(text) | Kind::Regex(text) | Kind::Grammar(text) => text.len(),
            Kind::Text { excluded, .. } | Kind::Dispatch { excluded, .. } => excluded.iter().map(String::len).sum(),
            _ => 0,
        };
        if self.n_steps > MAX_STEPS || self.n_bytes > MAX_BYTES {
            return Err(FormatError::new(at, "the format is too large, repetitions included"));
        }
        match &format.kind {
            Kind::Literal(text) => self.literal(text, next, at),
            Kind::Regex(_) | Kind::Grammar(_) => self.pattern(lang(format)?, next, at),
            Kind::Text { excluded, max_chars } => {
                let (excluded, at) = (excluded.clone(), at.to_owned());
                let text = TextState { lang: None, excluded, max_chars: *max_chars, next, at };
                self.push(State::Text(text), &format.at)
            }
            Kind::Schema { schema, any_order, form } => {
                self.any_order |= any_order;
                let index = self.schema(schema, form.as_ref(), at);
                self.push(State::Value(index, next, at.to_owned()), at)
            }
            Kind::Sequence(parts) => self.sequence(&flat(parts), next),
            Kind::Or(parts) => {
                let (patterns, others): (Vec<&Format>, Vec<&Format>) = parts.iter().partition(|part| is_pattern(part));
                let mut ways = Vec::new();
                if !patterns.is_empty() {
                    let langs = patterns.iter().map(|part| lang(part)).collect::<Result<_, _>>()?;
                    ways.push(self.pattern(Lang::or(langs), next, &patterns[0].at)?);
                }
                for part in others {
                    ways.push(self.add(part, next)?);
                }
                self.push(State::Fork(ways), at)
            }
            Kind::Repeat { content, separator, min, max } => {
                if is_regular(format) && is_pattern_at_edge(content) {
                    return self.pattern(lang(format)?, next, at);
                }
                self.repeat((content, separator), (*min, *max), next, at)
            }
            Kind::Dispatch { rules, excluded, must, goes_on } => {
                let text = self.push(State::End, at)?;
                let behind = if *goes_on { text } else { next };
                let (mut ways, mut direct) = (vec![next], Vec::new());
                for Rule { trigger, rest, content } in rules {
                    let content = self.add(content, behind)?;
                    let rest = self.literal(rest, content, at)?;
                    let begun = self.literal(trigger, rest, at)?;
                    ways.push(begun);
                    direct.push(begun);
                }
                let fork = self.push(State::Fork(ways), at)?;
                let (excluded, at) = (excluded.clone(), at.to_owned());
                self.states[text] = State::Text(TextState { lang: None, excluded, max_chars: None, next: fork, at });
                if *must { self.push(State::Fork(direct), &format.at) } else { Ok(text) }
            }
        }
    }

    /// The index of a schema; the same for all that read alike.
    fn schema(&mut self, schema: &Value, form: Option<&Form>, at: &str) -> usize {
        if let Some(index) = self.known.get(&std::ptr::from_ref(schema)) {
            return *index;
        }
        let next = self.schemas.len();
        let index = *self.by_text.entry((schema.to_string(), form.cloned())).or_insert(next);
        if index == next {
            self.schemas.push(PartSchema { at: at.to_owned(), schema: schema.clone(), form: form.cloned() });
        }
        self.known.insert(schema, index);
        index
    }

    fn literal(&mut self, text: &str, next: usize, at: &str) -> Result<usize, FormatError> {
        if text.is_empty() { Ok(next) } else { self.push(State::Literal(text.as_bytes().to_vec(), next), at) }
    }

    fn pattern(&mut self, lang: Lang, next: usize, at: &str) -> Result<usize, FormatError> {
        if lang == Lang::Nothing {
            return Err(FormatError::new(at, "no text matches this"));
        }
        if lang.size() > MAX_PATTERN {
            return Err(FormatError::new(at, "the pattern is too large, with the patterns that stand beside it"));
        }
        let text = TextState { lang: Some(lang), excluded: Vec::new(), max_chars: None, next, at: at.to_owned() };
        self.push(State::Text(text), at)
    }

    /// One part after the other. Patterns that stand side by side are one: nothing tells where the first of them ends.
    fn sequence(&mut self, parts: &[&Format], mut next: usize) -> Result<usize, FormatError> {
        let mut n = parts.len();
        while let Some(last) = parts[..n].last() {
            let n_patterns =
                parts[..n].iter().rev().take_while(|part| is_regular(part) && is_pattern_at_edge(part)).count();
            if n_patterns > 1 {
                let first = n - n_patterns;
                let langs = parts[first..n].iter().map(|part| lang(part)).collect::<Result<_, _>>()?;
                next = self.pattern(Lang::concat(langs), next, &parts[first].at)?;
                n = first;
            } else {
                next = self.add(last, next)?;
                n -= 1;
            }
        }
        Ok(next)
    }

    fn repeat(
        &mut self,
        (content, separator): (&Format, &str),
        (min, max): (u32, Option<u32>),
        next: usize,
        at: &str,
    ) -> Result<usize, FormatError> {
        // How often it comes beside the first time; each but the first behind a separator.
        let one = |plan: &mut Self, next: usize, is_first: bool| {
            let content = plan.add(content, next)?;
            if is_first { Ok(content) } else { plan.literal(separator, content, at) }
        };
        let n_first = min.max(1);
        let mut behind = match max {
            Some(0) => return Ok(next),
            None => {
                let fork = self.push(State::End, at)?;
                let again = one(self, fork, false)?;
                self.states[fork] = State::Fork(vec![again, next]);
                // Why no copy: where nothing stands between, the first is like the others.
                if separator.is_empty() && min <= 1 {
                    return Ok(if min == 0 { fork } else { again });
                }
                fork
            }
            Some(max) => {
                let mut behind = next;
                for _ in n_first..max {
                    let again = one(self, behind, false)?;
                    behind = self.push(State::Fork(vec![again, next]), at)?;
                }
                behind
            }
        };
        for i in (0..n_first).rev() {
            behind = one(self, behind, i == 0)?;
        }
        if min == 0 { self.push(State::Fork(vec![behind, next]), at) } else { Ok(behind) }
    }
}
