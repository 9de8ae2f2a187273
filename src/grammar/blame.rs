//! Finds the keywords that are left to the guard: by leaving them out, and looking whether it is still needed.

use std::time::Duration;

use serde_json::Value;

use super::summarize;
use crate::schema::{Deadline, Document, Fate, KeywordFate, Pointer, formats};

/// How often the schema is looked at again.
const MAX_TRIALS: usize = 200;
/// For how much processor time.
const MAX_TIME: Duration = Duration::from_millis(500);

/// The keywords that masks cannot always say.
const SUSPECTS: [&str; 19] = [
    "not",
    "oneOf",
    "allOf",
    "if",
    "contains",
    "minContains",
    "maxContains",
    "unevaluatedItems",
    "unevaluatedProperties",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "patternProperties",
    "propertyNames",
    "format",
    "pattern",
    "multipleOf",
    "$dynamicRef",
    "$recursiveRef",
];
/// The keywords that masks can say, unless the counts are large or stand beside others.
const COUNTS: [&str; 8] = [
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "minProperties",
    "maxProperties",
    "contentEncoding",
    "contentMediaType",
];

const WIDE: &str = "the mask allows a little more; each string is judged";
const NOT_LOOKED_AT: &str = "not looked at one by one";

/// Marks the keywords in `keywords` that the guard sees to, in a schema that needs one.
pub(super) fn blame(document: &Document, keywords: &mut [KeywordFate], deadline: &Deadline) {
    let certain = mark_certain(document, keywords);
    let is_among = |index: &usize, names: &[&str]| names.contains(&keywords[*index].keyword.as_str());
    let open: Vec<usize> = (0..keywords.len()).filter(|index| keywords[*index].fate == Fate::Mask).collect();
    let hard: Vec<usize> =
        open.iter().copied().filter(|index| is_among(index, &SUSPECTS) || is_among(index, &COUNTS)).collect();
    let places = keywords.iter().map(|keyword| Pointer::parse(&keyword.pointer)).collect();
    let mut trials = Trials {
        document,
        places,
        base: certain,
        n_left: MAX_TRIALS,
        deadline: Deadline::after(MAX_TIME.min(deadline.left())),
    };
    let found = trials.search(&hard, &open);
    for index in found.culprits {
        keywords[index].fate = Fate::Guard;
    }
    for index in found.undecided {
        let keyword = &mut keywords[index];
        if SUSPECTS.contains(&keyword.keyword.as_str()) {
            keyword.fate = Fate::Guard;
            keyword.note = Some(NOT_LOOKED_AT.to_owned());
        }
    }
}

/// Marks what the guard sees to wherever it stands.
fn mark_certain(document: &Document, keywords: &mut [KeywordFate]) -> Vec<usize> {
    let mut certain = Vec::new();
    for (index, keyword) in keywords.iter_mut().enumerate().filter(|(_, keyword)| keyword.fate == Fate::Mask) {
        let is_asked = |names: &[&str]| names.contains(&keyword.keyword.as_str());
        let value =
            if is_asked(&["uniqueItems", "format"]) { document.value().pointer(&keyword.pointer) } else { None };
        let note = match (keyword.keyword.as_str(), value) {
            ("uniqueItems", Some(Value::Bool(true))) => None,
            ("format", Some(Value::String(name))) if formats::lookup(name).is_some_and(formats::Format::is_wide) => {
                Some(WIDE.to_owned())
            }
            _ => continue,
        };
        keyword.fate = Fate::Guard;
        keyword.note = note;
        certain.push(index);
    }
    certain
}

/// What leaving out has shown; indices of keywords.
#[derive(Default)]
struct Found {
    culprits: Vec<usize>,
    undecided: Vec<usize>,
}

struct Trials<'a> {
    document: &'a Document,
    places: Vec<Pointer>,
    /// Left out of every trial: what is known to be the guard's.
    base: Vec<usize>,
    n_left: usize,
    deadline: Deadline,
}

impl Trials<'_> {
    /// Looks for a smallest set of keywords without which no guard is needed: in `hard`, then in all that are `open`.
    fn search(&mut self, hard: &[usize], open: &[usize]) -> Found {
        if !self.base.is_empty() && self.suffices(&[]) == Some(true) {
            return Found::default();
        }
        if self.suffices(hard) == Some(true) {
            return self.minimize(hard);
        }
        // Why: without what is known, a schema may contradict itself, as when only formats tell branches apart.
        let base = std::mem::take(&mut self.base);
        if !base.is_empty() && self.suffices(hard) == Some(true) {
            return self.minimize(hard);
        }
        self.base = base;
        if self.suffices(open) == Some(true) {
            return self.minimize(open);
        }
        Found { culprits: Vec::new(), undecided: hard.to_vec() }
    }

    /// Puts back what need not be left out, outer keywords first: so an inner one is blamed rather than those around it.
    fn minimize(&mut self, all: &[usize]) -> Found {
        let mut left_out = all.to_vec();
        let mut chunks = vec![all];
        while let Some(chunk) = chunks.pop() {
            let ([first, ..], [.., last]) = (chunk, chunk) else { continue };
            let others: Vec<usize> =
                left_out.iter().copied().filter(|index| !(*first..=*last).contains(index)).collect();
            match self.suffices(&others) {
                Some(true) => left_out = others,
                Some(false) if chunk.len() > 1 => {
                    let (outer, inner) = chunk.split_at(chunk.len() / 2);
                    chunks.extend([inner, outer]);
                }
                Some(false) => {}
                // Why: chunks are taken in order, so what comes before this one is decided.
                None => {
                    let (culprits, undecided) = left_out.into_iter().partition(|index| index < first);
                    return Found { culprits, undecided };
                }
            }
        }
        if let [only] = left_out.as_slice() {
            left_out = self.alternatives(*only, all);
        }
        Found { culprits: left_out, undecided: Vec::new() }
    }

    /// The keywords that are at fault together with `known`: without any one of them no guard is needed.
    fn alternatives(&mut self, known: usize, all: &[usize]) -> Vec<usize> {
        let mut found = vec![known];
        for index in all {
            if *index == known || self.is_below(known, *index) {
                continue;
            }
            match self.suffices(&[*index]) {
                Some(true) => found.push(*index),
                Some(false) => {}
                None => break,
            }
        }
        let innermost = |index: &usize| !found.iter().any(|other| self.is_below(*other, *index));
        found.iter().copied().filter(innermost).collect()
    }

    /// Whether `inner` stands somewhere in the value of `outer`.
    fn is_below(&self, inner: usize, outer: usize) -> bool {
        let (inner, outer) = (self.places[inner].parts(), self.places[outer].parts());
        inner.len() > outer.len() && inner.starts_with(outer)
    }

    /// Whether no guard is needed without the keywords `left_out`; nothing once the trials are used up.
    fn suffices(&mut self, left_out: &[usize]) -> Option<bool> {
        if self.n_left == 0 || self.deadline.look().is_err() {
            return None;
        }
        self.n_left -= 1;
        let mut value = self.document.value().clone();
        for index in self.base.iter().chain(left_out) {
            remove(&mut value, &self.places[*index]);
        }
        // Why: a rest that is refused says nothing.
        let rest =
            self.document.with_value(value).and_then(|rest| summarize(&rest, &Deadline::after(self.deadline.left())));
        Some(rest.is_ok_and(|summary| !summary.needs_guard))
    }
}

fn remove(root: &mut Value, place: &Pointer) {
    let Some(keyword) = place.parts().last() else { return };
    // Why: what stood around it may be gone already.
    if let Some(Value::Object(map)) = place.parent().resolve_mut(root) {
        map.shift_remove(keyword);
    }
}
