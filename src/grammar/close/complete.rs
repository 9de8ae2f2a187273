//! Completes parts along their shapes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;

use super::part::{Part, State};
use super::scalar::Texts;
use crate::grammar::emit::{keys, spelling};
use crate::grammar::lower::any_number;
use crate::grammar::shape::{Array, Object, Property, Shape, ShapeId, Shapes};
use crate::grammar::terminal::Spelling;
use crate::guard::Check;
use crate::schema::pattern::Lang;

/// What was found out about the shapes of one schema.
#[derive(Default)]
pub(super) struct Known {
    shortest: HashMap<ShapeId, Vec<u8>>,
    texts: HashMap<(ShapeId, usize), Option<Texts>>,
}

/// Completions looked at for one ending.
const MAX_STEPS: usize = 40_000;
/// Candidates shown to the guard for one value.
const MAX_CANDIDATES: usize = 96;
/// Optional keys, or more items, that are tried for the guard's sake.
const MAX_EXTRAS: usize = 12;

/// One search.
pub(super) struct Completion<'a> {
    shapes: &'a Shapes,
    checks: &'a HashMap<ShapeId, Arc<Check>>,
    known: &'a mut Known,
    /// Shapes whose shortest text is being looked for: it never holds one of them again.
    open: Vec<ShapeId>,
    n_steps: usize,
}

impl<'a> Completion<'a> {
    pub(super) fn new(shapes: &'a Shapes, checks: &'a HashMap<ShapeId, Arc<Check>>, known: &'a mut Known) -> Self {
        Self { shapes, checks, known, open: Vec::new(), n_steps: 0 }
    }

    /// The shortest known ending that makes `part` a value of the shape.
    pub(super) fn close(&mut self, id: ShapeId, part: &Part<'_>) -> Option<Vec<u8>> {
        let is_missing = *part == Part::Missing;
        if is_missing && let Some(text) = self.known.shortest.get(&id) {
            return Some(text.clone());
        }
        let ending = self.judged(id, part, 1).into_iter().next()?;
        if is_missing {
            self.known.shortest.insert(id, ending.clone());
        }
        Some(ending)
    }

    /// Up to `n` endings of which the guard would approve.
    fn judged(&mut self, id: ShapeId, part: &Part<'_>, n: usize) -> Vec<Vec<u8>> {
        self.n_steps += 1;
        let is_missing = *part == Part::Missing;
        if self.n_steps > MAX_STEPS || (is_missing && self.open.contains(&id)) {
            return Vec::new();
        }
        if is_missing {
            self.open.push(id);
        }
        let endings = match self.checks.get(&id) {
            None => self.endings(id, part, n),
            Some(check) => {
                let check = Arc::clone(check);
                let mut start = Vec::new();
                render(part, &mut start);
                let candidates = self.endings(id, part, MAX_CANDIDATES.max(n));
                let is_approved = |ending: &Vec<u8>| {
                    let text = [start.as_slice(), ending].concat();
                    std::str::from_utf8(&text).is_ok_and(|text| check.judge(text).is_ok())
                };
                candidates.into_iter().filter(is_approved).take(n).collect()
            }
        };
        if is_missing {
            self.open.pop();
        }
        endings
    }

    fn endings(&mut self, id: ShapeId, part: &Part<'_>, n: usize) -> Vec<Vec<u8>> {
        let shapes = self.shapes;
        match shapes.get(id) {
            Shape::Nothing => Vec::new(),
            Shape::Anything => self.anything(part).into_iter().collect(),
            Shape::Literals(texts) => literals(texts, part, n),
            Shape::String(lang) => {
                let (lang, spelling) = (lang.clone(), spelling(lang));
                match part {
                    Part::Missing | Part::Scalar { .. } => {
                        self.scalar((id, 0), part, n, || Texts::of_strings(&lang, spelling, ""))
                    }
                    Part::Array { .. } | Part::Object { .. } => Vec::new(),
                }
            }
            Shape::Number(patterns) => self.scalar((id, 0), part, n, || Texts::of_numbers(patterns)),
            Shape::AnyOf(branches) => {
                let mut all: Vec<Vec<u8>> = branches.iter().flat_map(|branch| self.judged(*branch, part, n)).collect();
                all.sort_by_key(Vec::len);
                all.truncate(n);
                all
            }
            Shape::Array(array) => match part {
                Part::Missing => {
                    self.array(array, &[], State::Open, n).into_iter().map(|e| prefixed(b'[', e)).collect()
                }
                Part::Array { items, state } => self.array(array, items, *state, n),
                Part::Scalar { .. } | Part::Object { .. } => Vec::new(),
            },
            Shape::Object(object) => match part {
                Part::Missing => {
                    self.object(id, object, &[], State::Open, n).into_iter().map(|e| prefixed(b'{', e)).collect()
                }
                Part::Object { pairs, state } => self.object(id, object, pairs, *state, n),
                Part::Scalar { .. } | Part::Array { .. } => Vec::new(),
            },
        }
    }

    fn texts(&mut self, key: (ShapeId, usize), make: impl FnOnce() -> Option<Texts>) -> Option<&mut Texts> {
        self.known.texts.entry(key).or_insert_with(make).as_mut()
    }

    fn scalar(
        &mut self,
        key: (ShapeId, usize),
        part: &Part<'_>,
        n: usize,
        make: impl FnOnce() -> Option<Texts>,
    ) -> Vec<Vec<u8>> {
        let Some(texts) = self.texts(key, make) else { return Vec::new() };
        match part {
            Part::Missing => texts.endings(b"", n, |_| true),
            Part::Scalar { text, is_complete: true } => {
                if texts.holds(text) {
                    vec![Vec::new()]
                } else {
                    Vec::new()
                }
            }
            Part::Scalar { text, is_complete: false } => texts.endings(text, n, |_| true),
            Part::Array { .. } | Part::Object { .. } => Vec::new(),
        }
    }

    /// Any JSON value, closed as soon as can be.
    fn anything(&mut self, part: &Part<'_>) -> Option<Vec<u8>> {
        let own = |i: usize| (ShapeId(u32::MAX), i);
        Some(match part {
            Part::Missing => b"0".to_vec(),
            Part::Scalar { is_complete: true, .. } => Vec::new(),
            Part::Scalar { text: [b'"', ..], .. } => {
                self.scalar(own(0), part, 1, || Texts::of_strings(&Lang::all(), Spelling::Full, "")).pop()?
            }
            Part::Scalar { text: [b'-' | b'0'..=b'9', ..], .. } => {
                self.scalar(own(1), part, 1, || Texts::of_numbers(&[any_number()])).pop()?
            }
            Part::Scalar { .. } => {
                let words = ["true".to_owned(), "false".to_owned(), "null".to_owned()];
                literals(&words, part, 1).pop()?
            }
            Part::Array { state: State::Complete, .. } | Part::Object { state: State::Complete, .. } => Vec::new(),
            Part::Array { items, state } => {
                let mut ending = match (state, items.last()) {
                    (State::InItem, Some(last)) => self.anything(last)?,
                    (State::AfterComma, _) => b"0".to_vec(),
                    _ => Vec::new(),
                };
                ending.push(b']');
                ending
            }
            Part::Object { pairs, state } => {
                let used: HashSet<&str> = pairs.iter().map(|(key, _)| key.as_str()).collect();
                let mut ending = match (state, pairs.last()) {
                    (State::InItem, Some((_, last))) => self.anything(last)?,
                    (State::AfterKey, _) => b":0".to_vec(),
                    (State::InKey(start), _) => self.fresh_key(own(2), &Lang::all(), start, &used)?,
                    (State::AfterComma, _) => self.fresh_key(own(2), &Lang::all(), b"", &used)?,
                    _ => Vec::new(),
                };
                if matches!(state, State::InKey(_) | State::AfterComma) {
                    ending.push(b'0');
                }
                ending.push(b'}');
                ending
            }
        })
    }

    /// The rest of a key in `lang` that begins with `start` and is not `used`, with its colon.
    fn fresh_key(&mut self, key: (ShapeId, usize), lang: &Lang, start: &[u8], used: &HashSet<&str>) -> Option<Vec<u8>> {
        let texts = self.texts(key, || Texts::of_strings(lang, Spelling::Plain, ":"))?;
        let is_fresh = |ending: &[u8]| {
            let text = [start, ending].concat();
            let quoted = &text[..text.len().saturating_sub(1)];
            serde_json::from_slice::<String>(quoted).is_ok_and(|key| !used.contains(key.as_str()))
        };
        // Why: several are asked for, so that states are met more than once and other keys are found.
        texts.endings(start, 2, is_fresh).into_iter().next()
    }

    fn array(&mut self, array: &Array, items: &[Part<'_>], state: State<'_>, n: usize) -> Vec<Vec<u8>> {
        let at = |i: usize| array.prefix.get(i).copied().unwrap_or(array.items);
        let n_full = if state == State::InItem { items.len() - 1 } else { items.len() };
        let mut n_wanted = 0;
        let mut values: Vec<Value> = Vec::new();
        for (i, item) in items[..n_full].iter().enumerate() {
            let fits = self.fits(at(i), item);
            let is_wanted = array.contains.is_some_and(|(wanted, _)| self.fits(wanted, item));
            if !fits && !is_wanted {
                return Vec::new();
            }
            n_wanted += u64::from(is_wanted);
            if let Some(value) = array.is_unique.then(|| value_of(item)).flatten() {
                if values.contains(&value) {
                    return Vec::new();
                }
                values.push(value);
            }
        }
        let needed = array.contains.map_or(0, |(_, needed)| needed);
        let mut ending = Vec::new();
        if let (State::InItem, Some(last)) = (state, items.last()) {
            let wanted = array.contains.filter(|_| n_wanted < needed).and_then(|(wanted, _)| self.close(wanted, last));
            n_wanted += u64::from(wanted.is_some());
            let n_tries = if array.is_unique { MAX_CANDIDATES } else { 1 };
            let closed = wanted.or_else(|| {
                let endings = self.judged(at(n_full), last, n_tries);
                let mut start = Vec::new();
                render(last, &mut start);
                endings.into_iter().find(|ending| {
                    let value = serde_json::from_slice::<Value>(&[start.as_slice(), ending].concat()).ok();
                    let is_new = value.as_ref().is_none_or(|value| !values.contains(value));
                    values.extend(value.filter(|_| is_new));
                    is_new
                })
            });
            match closed {
                Some(closed) => ending = closed,
                None => return Vec::new(),
            }
        }
        let mut count = items.len() as u64;
        if state == State::Complete {
            let is_full = count >= array.min && array.max.is_none_or(|max| count <= max) && n_wanted >= needed;
            return if is_full { vec![Vec::new()] } else { Vec::new() };
        }
        let mut owes_item = state == State::AfterComma;
        let mut more = |this: &mut Self, ending: &mut Vec<u8>, count: &mut u64, n_wanted: &mut u64, owes: &mut bool| {
            let wanted = array.contains.filter(|_| *n_wanted < needed);
            let shape = wanted.map_or_else(|| at(usize::try_from(*count).unwrap_or(usize::MAX)), |(wanted, _)| wanted);
            let item = if array.is_unique {
                let candidates = this.judged(shape, &Part::Missing, MAX_CANDIDATES + values.len());
                candidates.into_iter().find(|text| {
                    serde_json::from_slice::<Value>(text).is_ok_and(|value| {
                        let is_new = !values.contains(&value);
                        values.extend(is_new.then_some(value));
                        is_new
                    })
                })
            } else {
                this.close(shape, &Part::Missing)
            };
            let Some(item) = item else { return false };
            if *count > 0 && !*owes {
                ending.push(b',');
            }
            ending.extend_from_slice(&item);
            *owes = false;
            *count += 1;
            *n_wanted += u64::from(wanted.is_some());
            true
        };
        while count < array.min || n_wanted < needed || owes_item {
            if !more(self, &mut ending, &mut count, &mut n_wanted, &mut owes_item) || self.n_steps > MAX_STEPS {
                return Vec::new();
            }
        }
        let mut found = Vec::new();
        for _ in 0..n.min(MAX_EXTRAS) {
            if array.max.is_some_and(|max| count > max) {
                break;
            }
            let mut closed = ending.clone();
            closed.push(b']');
            found.push(closed);
            if found.len() >= n || !more(self, &mut ending, &mut count, &mut n_wanted, &mut owes_item) {
                break;
            }
        }
        found
    }

    /// Whether a complete part is a value of the shape.
    fn fits(&mut self, id: ShapeId, part: &Part<'_>) -> bool {
        self.judged(id, part, 1).first().is_some_and(Vec::is_empty)
    }

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
        object.open.iter().enumerate().find_map(|(i, open)| {
            let texts = self.texts((id, i + 1), || Texts::of_strings(&keys(open), Spelling::Plain, ":"))?;
            texts.holds(quoted.as_bytes()).then_some((open.shape, after))
        })
    }

    fn object(
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
            found.extend(self.rest(id, object, (after, n_written, is_first), &start, &used, None));
            let extras = if n > 1 { after..object.declared.len() } else { 0..0 };
            let is_free =
                |i: &usize| !object.declared[*i].is_required && !used.contains(object.declared[*i].name.as_str());
            for extra in extras.filter(is_free).take(MAX_EXTRAS) {
                found.extend(self.rest(id, object, (after, n_written, is_first), &start, &used, Some(extra)));
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
            let quoted = format!("{}:", Value::from(property.name.as_str())).into_bytes();
            if quoted.starts_with(start)
                && !used.contains(property.name.as_str())
                && let Some(value) = self.close(property.shape, &Part::Missing)
            {
                let text = [&quoted[start.len()..], &value].concat();
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

    /// What must follow, with `extra` if it is given, to the closing brace.
    fn rest(
        &mut self,
        id: ShapeId,
        object: &Object,
        (next, n_written, is_first): (usize, u64, bool),
        start: &[u8],
        used: &HashSet<&str>,
        extra: Option<usize>,
    ) -> Option<Vec<u8>> {
        let is_due = |property: &Property| property.is_required && !used.contains(property.name.as_str());
        let n_required = object.declared[next..].iter().filter(|property| is_due(property)).count() as u64;
        let mut n_owed = object.min.saturating_sub(n_written + n_required + u64::from(extra.is_some()));
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
            let is_owed = is_due(property) || extra == Some(i);
            if used.contains(property.name.as_str()) || (!is_owed && n_owed == 0) {
                continue;
            }
            let Some(value) = self.close(property.shape, &Part::Missing) else {
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
            let (key, value) = pair.filter(|_| self.n_steps < MAX_STEPS)?;
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

/// How the pair that is open can go on.
struct Start {
    text: Vec<u8>,
    /// The first declared key that may follow.
    after: usize,
    /// The key, if it was not there before.
    key: Option<String>,
}

fn prefixed(byte: u8, ending: Vec<u8>) -> Vec<u8> {
    [&[byte], ending.as_slice()].concat()
}

fn literals(texts: &[String], part: &Part<'_>, n: usize) -> Vec<Vec<u8>> {
    let mut endings: Vec<Vec<u8>> = match part {
        Part::Missing => texts.iter().map(|text| text.clone().into_bytes()).collect(),
        Part::Scalar { text, is_complete } => texts
            .iter()
            .filter_map(|literal| literal.as_bytes().strip_prefix(*text))
            .filter(|rest| !is_complete || rest.is_empty())
            .map(<[u8]>::to_vec)
            .collect(),
        Part::Array { .. } | Part::Object { .. } => Vec::new(),
    };
    endings.sort_by_key(Vec::len);
    endings.truncate(n);
    endings
}

fn value_of(part: &Part<'_>) -> Option<Value> {
    let mut text = Vec::new();
    render(part, &mut text);
    serde_json::from_slice(&text).ok()
}

/// Writes a part again, without spaces, up to where it breaks off.
fn render(part: &Part<'_>, out: &mut Vec<u8>) {
    match part {
        Part::Missing => {}
        Part::Scalar { text, .. } => out.extend_from_slice(text),
        Part::Array { items, state } => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                out.extend_from_slice(if i == 0 { b"" } else { b"," });
                render(item, out);
            }
            match state {
                State::Complete => out.push(b']'),
                State::AfterComma => out.push(b','),
                State::Open | State::AfterItem | State::InItem | State::InKey(_) | State::AfterKey => {}
            }
        }
        Part::Object { pairs, state } => {
            out.push(b'{');
            for (i, (key, value)) in pairs.iter().enumerate() {
                out.extend_from_slice(if i == 0 { b"" } else { b"," });
                out.extend_from_slice(Value::from(key.as_str()).to_string().as_bytes());
                if *state != State::AfterKey || i + 1 < pairs.len() {
                    out.push(b':');
                }
                render(value, out);
            }
            match state {
                State::Complete => out.push(b'}'),
                State::AfterComma => out.push(b','),
                State::InKey(start) => {
                    out.extend_from_slice(if pairs.is_empty() { b"" } else { b"," });
                    out.extend_from_slice(start);
                }
                State::Open | State::AfterItem | State::InItem | State::AfterKey => {}
            }
        }
    }
}
