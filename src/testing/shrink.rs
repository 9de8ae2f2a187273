//! Ways to make a value simpler: what is left of a failing value says why it fails.
//!
//! Each way leads to fewer parts, shorter texts or smaller numbers, so that going on ends.

use std::ops::Range;

use serde_json::{Number, Value};

use super::{nodes, number};
use crate::schema::Pointer;

/// One way to make one value simpler.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    at: Pointer,
    change: Change,
}

#[derive(Clone, Debug)]
enum Change {
    /// Replaces what is there.
    Put(Value),
    /// Takes out these items, entries or characters.
    Cut(Range<usize>),
}

/// More ways than this are not looked at; the first ones take most away.
const MAX_EDITS: usize = 20_000;
/// Into so many pieces a list or text is divided; shorter ones down to single items.
const MAX_PIECES: usize = 64;
/// From here on floats are whole anyway, and integers of that size mean nothing to anyone.
const HUGE: f64 = 1e15;

impl Edit {
    /// Replaces the whole value.
    pub(super) fn put(value: Value) -> Self {
        Self { at: Pointer::default(), change: Change::Put(value) }
    }

    /// The simpler value; `None` if `value` is not the one that this was made for.
    pub(super) fn apply(&self, value: &Value) -> Option<Value> {
        let mut simpler = value.clone();
        let place = self.at.resolve_mut(&mut simpler)?;
        match &self.change {
            Change::Put(new) => *place = new.clone(),
            Change::Cut(range) => cut(place, range),
        }
        Some(simpler)
    }
}

/// The ways to make `value` simpler, those that take most away first.
pub(super) fn edits(value: &Value) -> Vec<Edit> {
    let mut edits = Vec::new();
    for (at, node) in nodes(value) {
        let puts = replacements(node).into_iter().map(Change::Put);
        let cuts = ranges(n_parts(node)).into_iter().map(Change::Cut);
        edits.extend(cuts.chain(puts).map(|change| Edit { at: at.clone(), change }));
        if edits.len() >= MAX_EDITS {
            break;
        }
    }
    edits
}

fn n_parts(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.len(),
        Value::Object(map) => map.len(),
        Value::String(text) => text.chars().count(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// All of `n` parts, then halves, quarters and so on.
fn ranges(n: usize) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut size = n;
    while size > 0 && n / size <= MAX_PIECES {
        ranges.extend((0..n).step_by(size).map(|start| start..(start + size).min(n)));
        size /= 2;
    }
    ranges
}

fn cut(place: &mut Value, range: &Range<usize>) {
    match place {
        Value::Array(items) => *items = kept(std::mem::take(items), range).collect(),
        Value::Object(map) => *map = kept(std::mem::take(map), range).collect(),
        Value::String(text) => *text = kept(text.chars().collect::<Vec<char>>(), range).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn kept<T>(parts: impl IntoIterator<Item = T>, range: &Range<usize>) -> impl Iterator<Item = T> {
    parts.into_iter().enumerate().filter(move |(i, _)| !range.contains(i)).map(|(_, part)| part)
}

fn replacements(value: &Value) -> Vec<Value> {
    match value {
        Value::Null | Value::Bool(false) => Vec::new(),
        Value::Bool(true) => vec![Value::Bool(false)],
        Value::Number(number) => smaller(number),
        Value::String(text) => {
            let plain = "a".repeat(text.chars().count());
            if plain == *text { Vec::new() } else { vec![Value::String(plain)] }
        }
        Value::Array(_) | Value::Object(_) => inner(value),
    }
}

/// Arrays and objects inside `value` that may stand in its place: a tree's branches are trees.
fn inner(value: &Value) -> Vec<Value> {
    nodes(value)
        .into_iter()
        .filter(|(at, node)| matches!(at.parts().len(), 1 | 2) && (node.is_array() || node.is_object()))
        .map(|(_, node)| node.clone())
        .collect()
}

/// Zero, then ever closer to `old`.
fn smaller(old: &Number) -> Vec<Value> {
    let mut found = Vec::new();
    if let Some(n) = old.as_i64() {
        let mut step = n;
        while step != 0 {
            found.push(Value::from(n - step));
            step /= 2;
        }
        if n < 0 {
            found.extend(n.checked_neg().map(Value::from));
        }
    } else if let Some(n) = old.as_u64() {
        let mut step = n;
        while step != 0 {
            found.push(Value::from(n - step));
            step /= 2;
        }
    } else {
        let x = old.as_f64().unwrap_or(0.0);
        found.push(Value::from(0));
        if x.abs() < HUGE {
            found.push(number(x.trunc()));
            found.push(number((x * 10.0).trunc() / 10.0));
        } else {
            found.push(number(x / 1000.0));
        }
        if x < 0.0 {
            found.push(number(-x));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Goes on with the first simpler value that `fails`, as often as there is one.
    fn shrunk(mut value: Value, fails: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..10_000 {
            let simpler = edits(&value).iter().find_map(|edit| edit.apply(&value).filter(|v| *v != value && fails(v)));
            match simpler {
                Some(simpler) => value = simpler,
                None => return value,
            }
        }
        panic!("shrinking does not end");
    }

    #[test]
    fn shrinking_ends_at_what_matters() {
        let value = json!({"a": [1, "xyz", {"deep": [true, null, 700.25]}], "b": {"c": -5}, "d": "hello"});
        let text = |value: &Value| value.to_string();
        assert_eq!(shrunk(value.clone(), |_| true), json!({}));
        assert_eq!(shrunk(value.clone(), |v| text(v).contains('z')), json!(["z"]));
        assert_eq!(shrunk(value.clone(), |v| text(v).contains("true")), json!([true]));
        assert_eq!(shrunk(value, |v| v["b"]["c"].is_number()), json!({"b": {"c": 0}}));
        assert_eq!(shrunk(json!(999_999), |v| v.as_i64().is_some_and(|n| n > 500_000)), json!(500_001));
        assert_eq!(shrunk(json!(-1e300), |v| v.as_f64().is_some_and(|n| n != 0.0)), json!(1));
    }

    #[test]
    fn all_of_it_is_cut_before_its_parts() {
        assert_eq!(ranges(4), [0..4, 0..2, 2..4, 0..1, 1..2, 2..3, 3..4]);
        assert!(ranges(0).is_empty());
    }
}
