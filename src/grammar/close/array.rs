//! Completes arrays: what must still come, and what must not come twice.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::complete::{Completion, MAX_CANDIDATES, MAX_ENDING_BYTES, MAX_EXTRAS};
use super::part::{Part, State, render};
use crate::grammar::shape::{Array, ShapeId};
use crate::guard::write_plain;

/// Items that are made up for an array in which no two may be the same: each is held against all before it.
const MAX_FRESH: usize = 500;

impl Completion<'_> {
    /// Up to `n` endings of an array that has these `items`.
    pub(super) fn array(&mut self, array: &Array, items: &[Part<'_>], state: State<'_>, n: usize) -> Vec<Vec<u8>> {
        let at = |i: usize| array.prefix.get(i).copied().unwrap_or(array.items);
        let n_full = if state == State::InItem { items.len() - 1 } else { items.len() };
        let mut n_wanted = 0;
        let mut values: HashSet<String> = HashSet::new();
        for (i, item) in items[..n_full].iter().enumerate() {
            let fits = self.fits(at(i), item);
            let is_wanted = array.contains.is_some_and(|(wanted, _)| self.fits(wanted, item));
            if !fits && !is_wanted {
                return Vec::new();
            }
            n_wanted += u64::from(is_wanted);
            if let Some(value) = array.is_unique.then(|| value_of(item)).flatten()
                && !values.insert(value)
            {
                return Vec::new();
            }
        }
        let needed = array.contains.map_or(0, |(_, needed)| needed);
        let mut ending = Vec::new();
        if let (State::InItem, Some(last)) = (state, items.last()) {
            let wanted = array.contains.filter(|_| n_wanted < needed).map(|(wanted, _)| wanted);
            let n_tries = if array.is_unique { MAX_CANDIDATES + values.len().min(MAX_FRESH) } else { 1 };
            let mut start = Vec::new();
            render(last, &mut start);
            let mut is_new = |ending: &Vec<u8>| {
                let value = array.is_unique.then(|| plain(&[start.as_slice(), ending].concat())).flatten();
                value.is_none_or(|value| takes(array, &mut values, value, n_full) == Fit::Taken)
            };
            let few = array.supply.as_ref().and_then(|supply| supply.at(n_full));
            let begun = few.into_iter().flat_map(|few| few.iter());
            let begun =
                begun.filter_map(|item| item.text.as_bytes().strip_prefix(start.as_slice())).map(<[u8]>::to_vec);
            let begun: Vec<Vec<u8>> = begun.filter(|_| array.contains.is_none()).collect();
            let mut closed = |shape| {
                begun
                    .iter()
                    .find(|ending| is_new(ending))
                    .cloned()
                    .or_else(|| self.judged(shape, last, n_tries).into_iter().find(&mut is_new))
            };
            match wanted.and_then(&mut closed) {
                Some(closed) => (ending, n_wanted) = (closed, n_wanted + 1),
                None => match closed(at(n_full)) {
                    Some(closed) => ending = closed,
                    None => return Vec::new(),
                },
            }
        }
        let n_there = items.len() as u64;
        if state == State::Complete {
            let is_full = n_there >= array.min && array.max.is_none_or(|max| n_there <= max) && n_wanted >= needed;
            return if is_full { vec![Vec::new()] } else { Vec::new() };
        }
        // Why: each item takes a byte and a comma at least.
        if array.min > (MAX_ENDING_BYTES / 2) as u64 {
            return Vec::new();
        }
        let mut more = More { array, values, made: Vec::new(), n_there, n_wanted, fresh: HashMap::new() };
        let n_least = u64::from(state == State::AfterComma);
        while more.count() < array.min || more.n_wanted < needed || (more.made.len() as u64) < n_least {
            if !more.add(self) || self.is_spent() {
                return Vec::new();
            }
        }
        let is_first = n_there == 0 || state == State::AfterComma;
        let written = |made: &[(ShapeId, Vec<u8>)]| {
            let mut text = ending.clone();
            for (i, (_, item)) in made.iter().enumerate() {
                text.extend_from_slice(if i == 0 && is_first { b"" } else { b"," });
                text.extend_from_slice(item);
            }
            text.push(b']');
            text
        };
        let mut found = Vec::new();
        let n_owed = more.made.len();
        for _ in 0..n.min(MAX_EXTRAS) {
            if array.max.is_some_and(|max| more.count() > max) {
                more.made.pop();
                break;
            }
            let text = written(&more.made);
            if !self.spend(text.len()) {
                break;
            }
            found.push(text);
            if found.len() >= n || !more.add(self) {
                break;
            }
        }
        if array.is_unique {
            return found;
        }
        // Why: arrays that must differ may do so in their items alone.
        for n_made in n_owed..=more.made.len() {
            if found.len() >= n || self.is_spent() {
                break;
            }
            let mut made = more.made[..n_made].to_vec();
            let shapes: Vec<ShapeId> = made.iter().map(|(shape, _)| *shape).collect();
            for choice in self.choices(&shapes, n - found.len()) {
                for (i, value) in choice {
                    made[i].1 = value;
                }
                let text = written(&made);
                if !self.spend(text.len()) {
                    break;
                }
                found.push(text);
            }
        }
        found
    }
}

/// Items that are made up.
struct More<'a> {
    array: &'a Array,
    /// All values so far, where no two may be the same.
    values: HashSet<String>,
    made: Vec<(ShapeId, Vec<u8>)>,
    n_there: u64,
    n_wanted: u64,
    /// Values of a shape that were not yet taken, the shortest last; for items that must differ.
    fresh: HashMap<ShapeId, Vec<Vec<u8>>>,
}

impl More<'_> {
    fn count(&self) -> u64 {
        self.n_there + self.made.len() as u64
    }

    /// Makes up one more item; whether there is one.
    fn add(&mut self, completion: &mut Completion<'_>) -> bool {
        let array = self.array;
        let wanted = array.contains.filter(|(_, needed)| self.n_wanted < *needed).map(|(wanted, _)| wanted);
        let at = usize::try_from(self.count()).unwrap_or(usize::MAX);
        let shape = wanted.unwrap_or_else(|| array.prefix.get(at).copied().unwrap_or(array.items));
        let item = if array.is_unique {
            let n_missing = usize::try_from(array.min.saturating_sub(self.count())).unwrap_or(usize::MAX);
            let n = MAX_CANDIDATES + self.values.len() + n_missing.min(MAX_FRESH);
            let few = array.supply.as_ref().and_then(|supply| supply.at(at)).filter(|_| wanted.is_none());
            let fresh = self.fresh.entry(shape).or_insert_with(|| {
                let mut all = match few {
                    Some(few) => few.iter().map(|item| item.text.clone().into_bytes()).collect(),
                    None => completion.judged(shape, &Part::Missing, n),
                };
                all.reverse();
                all
            });
            // Those that later places need stay for them; what is there already is of no more use.
            let mut kept = Vec::new();
            let found = loop {
                let Some(text) = fresh.pop() else { break None };
                match plain(&text).map(|value| takes(array, &mut self.values, value, at)) {
                    Some(Fit::Taken) => break Some(text),
                    Some(Fit::Needed) => kept.push(text),
                    Some(Fit::There) | None => {}
                }
            };
            fresh.extend(kept.into_iter().rev());
            found
        } else {
            completion.close(shape, &Part::Missing)
        };
        let Some(item) = item else { return false };
        self.made.push((shape, item));
        self.n_wanted += u64::from(wanted.is_some());
        true
    }
}

/// What becomes of a value that is to be an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    Taken,
    /// An equal one is there.
    There,
    /// A later place has no other.
    Needed,
}

/// Takes `value` as the item `at` of an array whose items must differ, if none is like it, and enough others are left.
fn takes(array: &Array, values: &mut HashSet<String>, value: String, at: usize) -> Fit {
    if !values.insert(value.clone()) {
        return Fit::There;
    }
    let lasts = array.supply.as_ref().is_none_or(|supply| supply.prefix.is_empty() || supply.lasts(values, at + 1, 0));
    if lasts {
        return Fit::Taken;
    }
    values.remove(&value);
    Fit::Needed
}

/// A finished item in the form in which equal values are the same.
fn value_of(part: &Part<'_>) -> Option<String> {
    let mut text = Vec::new();
    render(part, &mut text);
    plain(&text)
}

fn plain(text: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(text).ok()?;
    let mut plain = String::new();
    write_plain(&value, &mut plain);
    Some(plain)
}
