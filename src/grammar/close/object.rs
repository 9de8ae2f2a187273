//! Completes objects: the pair that is open, then the keys that must still come.

use std::collections::HashSet;

use serde_json::Value;

use super::complete::{Completion, MAX_EXTRAS};
use super::part::{Part, State};
use super::scalar::Texts;
use crate::grammar::emit::keys;
use crate::grammar::shape::{Object, Property, ShapeId};
use crate::grammar::spelling::Spelling;
use crate::schema::pattern::Lang;

/// Keys that are made up for one object: each is held against all before it.
const MAX_OWED: u64 = 500;

/// How the pair that is open can go on.
struct Start {
    text: Vec<u8>,
    /// The first declared key that may follow.
    after: usize,
    /// The key, if it was not there before.
    key: Option<String>,
}

impl Completion<'_> {
    /// Where `key` stands among the keys: the shape of its value, and the first declared key that may follow.
    fn place(&mut self, id: ShapeId, object: &Object, key: &str, next: usize) -> Option<(ShapeId, usize)> {
        let skips = |to: usize| object.declared[next..to].iter().all(|property| !property.is_required);
        if let Some(i) = object.declared.iter().position(|property| property.name == key) {
            if object.any_order {
                return Some((object.declared[i].shape, 0));
            }
            return (i >= next && skips(i)).then(|| (object.declared[i].shape, i + 1));
        }
        if !object.any_order && !skips(object.declared.len()) {
            return None;
        }
        let after = if object.any_order { 0 } else { object.declared.len() };
        let quoted = format!("{}:", Value::from(key));
        let spelling = self.shapes.key_spelling();
        object.open.iter().enumerate().find_map(|(i, open)| {
            let texts = self.texts((id, i + 1), || Texts::of_strings(&keys(open), spelling, ":"))?;
            texts.holds(quoted.as_bytes()).then_some((open.shape, after))
        })
    }

    /// Up to `n` endings of an object that has these `pairs`.
    pub(super) fn object(
        &mut self,
        id: ShapeId,
        object: &Object,
        pairs: &[(String, Part<'_>)],
        state: State<'_>,
        n: usize,
    ) -> Vec<Vec<u8>> {
        let is_last_open = matches!(state, State::InItem | State::AfterKey);
        let n_full = pairs.len() - usize::from(is_last_open);
        let mut next = 0;
        for (key, value) in &pairs[..n_full] {
            let Some((shape, after)) = self.place(id, object, key, next) else { return Vec::new() };
            if !self.fits(shape, value) {
                return Vec::new();
            }
            next = after;
        }
        let mut used: HashSet<&str> = pairs.iter().map(|(key, _)| key.as_str()).collect();
        if state == State::Complete {
            let count = pairs.len() as u64;
            let is_there = |property: &Property| !property.is_required || used.contains(property.name.as_str());
            let is_whole = object.declared[next..].iter().all(is_there)
                && count >= object.min
                && object.max.is_none_or(|max| count <= max);
            return if is_whole { vec![Vec::new()] } else { Vec::new() };
        }
        // How the pair that is open here can be completed, and the first declared key after it.
        let mut starts: Vec<Start> = Vec::new();
        match (state, pairs.last()) {
            (State::InItem | State::AfterKey, Some((key, value))) => {
                used.remove(key.as_str());
                let Some((shape, after)) = self.place(id, object, key, next) else { return Vec::new() };
                used.insert(key.as_str());
                let colon = if state == State::AfterKey { &b":"[..] } else { b"" };
                let endings = self.judged(shape, value, n);
                let start = |ending: Vec<u8>| Start { text: [colon, &ending].concat(), after, key: None };
                starts.extend(endings.into_iter().map(start));
            }
            (State::InKey(start), _) => starts = self.pairs_from(id, object, next, start, &used),
            (State::AfterComma, _) => starts = self.pairs_from(id, object, next, b"", &used),
            _ => starts.push(Start { text: Vec::new(), after: next, key: None }),
        }
        let mut found = Vec::new();
        for Start { text: start, after, key } in starts {
            let n_written = pairs.len() as u64 + u64::from(key.is_some());
            let mut used = used.clone();
            used.extend(key.as_deref());
            let is_first = n_written == 0;
            let at = (after, n_written, is_first);
            found.extend(self.rest(id, object, at, &start, &used, &[]));
            let extras = if n > 1 { after..object.declared.len() } else { 0..0 };
            let is_free =
                |i: &usize| !object.declared[*i].is_required && !used.contains(object.declared[*i].name.as_str());
            for extra in extras.filter(is_free).take(MAX_EXTRAS) {
                if let Some(value) = self.close(object.declared[extra].shape, &Part::Missing) {
                    found.extend(self.rest(id, object, at, &start, &used, &[(extra, value)]));
                }
            }
            // Why: items that must differ may differ in nothing else.
            let is_due =
                |i: &usize| object.declared[*i].is_required && !used.contains(object.declared[*i].name.as_str());
            let due: Vec<usize> = (after..object.declared.len()).filter(is_due).collect();
            let shapes: Vec<ShapeId> = due.iter().map(|i| object.declared[*i].shape).collect();
            let n_more = if n > 1 { n.saturating_sub(found.len()) } else { 0 };
            for choice in self.choices(&shapes, n_more) {
                let chosen: Vec<(usize, Vec<u8>)> = choice.into_iter().map(|(i, value)| (due[i], value)).collect();
                let ending = self.rest(id, object, at, &start, &used, &chosen);
                if !self.spend(ending.as_ref().map_or(0, Vec::len)) {
                    break;
                }
                found.extend(ending);
            }
        }
        found.sort_by_key(Vec::len);
        found.truncate(n);
        found
    }

    /// The pairs that may stand where `start` has begun a key.
    fn pairs_from(
        &mut self,
        id: ShapeId,
        object: &Object,
        next: usize,
        start: &[u8],
        used: &HashSet<&str>,
    ) -> Vec<Start> {
        let mut found = Vec::new();
        for (i, property) in object.declared.iter().enumerate().skip(next) {
            if !used.contains(property.name.as_str())
                && let Some(key) = self.rest_of_key((id, i), property, start)
                && let Some(value) = self.close(property.shape, &Part::Missing)
            {
                let text = [key, value].concat();
                let after = if object.any_order { 0 } else { i + 1 };
                found.push(Start { text, after, key: Some(property.name.clone()) });
            }
            if property.is_required && !object.any_order {
                return found;
            }
        }
        for (i, open) in object.open.iter().enumerate() {
            let Some(key) = self.fresh_key((id, i + 1), &keys(open), start, used) else { continue };
            let Some(value) = self.close(open.shape, &Part::Missing) else { continue };
            let quoted = [start, &key[..key.len() - 1]].concat();
            let Ok(name) = serde_json::from_slice(&quoted) else { continue };
            let text = [key, value].concat();
            let after = if object.any_order { 0 } else { object.declared.len() };
            found.push(Start { text, after, key: Some(name) });
        }
        found
    }

    /// What of a declared key follows `start`, with its colon.
    fn rest_of_key(&mut self, (id, i): (ShapeId, usize), property: &Property, start: &[u8]) -> Option<Vec<u8>> {
        let quoted = format!("{}:", Value::from(property.name.as_str())).into_bytes();
        if let Some(rest) = quoted.strip_prefix(start) {
            return Some(rest.to_vec());
        }
        if self.shapes.key_spelling() == Spelling::Plain {
            return None;
        }
        // Why: counted from the other end than open keys.
        let texts = self
            .texts((id, usize::MAX - i), || Texts::of_strings(&Lang::literal(&property.name), Spelling::Full, ":"))?;
        texts.endings(start, 1, |_| true).pop()
    }

    /// What must follow to the closing brace; with the declared keys that are `chosen`, and their values.
    fn rest(
        &mut self,
        id: ShapeId,
        object: &Object,
        (next, n_written, is_first): (usize, u64, bool),
        start: &[u8],
        used: &HashSet<&str>,
        chosen: &[(usize, Vec<u8>)],
    ) -> Option<Vec<u8>> {
        let is_due = |property: &Property| property.is_required && !used.contains(property.name.as_str());
        let n_required = object.declared[next..].iter().filter(|property| is_due(property)).count() as u64;
        let n_more = chosen.iter().filter(|(i, _)| !object.declared[*i].is_required).count() as u64;
        let mut n_owed = object.min.saturating_sub(n_written + n_required + n_more);
        if n_owed > MAX_OWED {
            return None;
        }
        let mut count = n_written;
        let mut ending = start.to_vec();
        let mut is_first = is_first;
        let mut add = |ending: &mut Vec<u8>, count: &mut u64, pair: &[u8]| {
            if !std::mem::take(&mut is_first) {
                ending.push(b',');
            }
            ending.extend_from_slice(pair);
            *count += 1;
        };
        for (i, property) in object.declared.iter().enumerate().skip(next) {
            let chosen = chosen.iter().find(|(chosen, _)| *chosen == i).map(|(_, value)| value.clone());
            let is_owed = is_due(property) || chosen.is_some();
            if used.contains(property.name.as_str()) || (!is_owed && n_owed == 0) {
                continue;
            }
            let Some(value) = chosen.or_else(|| self.close(property.shape, &Part::Missing)) else {
                if property.is_required {
                    return None;
                }
                continue;
            };
            n_owed -= u64::from(!is_owed);
            let quoted = format!("{}:", Value::from(property.name.as_str())).into_bytes();
            add(&mut ending, &mut count, &[quoted, value].concat());
        }
        let mut fresh: Vec<String> = Vec::new();
        while n_owed > 0 {
            let pair = object.open.iter().enumerate().find_map(|(i, open)| {
                let taken: HashSet<&str> = used.iter().copied().chain(fresh.iter().map(String::as_str)).collect();
                let key = self.fresh_key((id, i + 1), &keys(open), b"", &taken)?;
                let value = self.close(open.shape, &Part::Missing)?;
                Some((key, value))
            });
            let (key, value) = pair.filter(|_| !self.is_spent())?;
            self.n_steps += 1;
            fresh.push(serde_json::from_slice(&key[..key.len() - 1]).ok()?);
            add(&mut ending, &mut count, &[key, value].concat());
            n_owed -= 1;
        }
        if object.max.is_some_and(|max| count > max) {
            return None;
        }
        ending.push(b'}');
        Some(ending)
    }
}
