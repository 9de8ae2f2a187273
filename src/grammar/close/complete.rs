//! Completes parts along their shapes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::numeral;
use super::part::{Part, State, render};
use super::scalar::Texts;
use crate::grammar::lower::any_number;
use crate::grammar::shape::{Shape, ShapeId, Shapes};
use crate::grammar::spelling::Spelling;
use crate::guard::Check;
use crate::schema::pattern::Lang;

/// What was found out about the shapes of one schema.
#[derive(Clone, Default)]
pub(super) struct Known {
    shortest: HashMap<ShapeId, Vec<u8>>,
    texts: HashMap<(ShapeId, usize), Option<Texts>>,
}

/// Completions looked at for one ending.
pub(super) const MAX_STEPS: usize = 40_000;
/// Steps through the automaton of a text that count as one.
const STEPS_OF_A_TEXT: usize = 100;
/// Bytes of one ending: more than any context holds.
pub(super) const MAX_ENDING_BYTES: usize = 256 << 10;
/// Bytes of all endings that are written down in one search.
const MAX_BYTES: usize = 16 << 20;
/// Candidates shown to the guard for one value.
pub(super) const MAX_CANDIDATES: usize = 96;
/// Optional keys, or more items, that are tried for the guard's sake.
pub(super) const MAX_EXTRAS: usize = 12;

/// Where the texts of any number are known by.
const ANY_NUMBER: (ShapeId, usize) = (ShapeId(u32::MAX), 1);

/// One search.
pub(super) struct Completion<'a> {
    pub(super) shapes: &'a Shapes,
    checks: &'a HashMap<ShapeId, Arc<Check>>,
    known: &'a mut Known,
    /// Shapes whose shortest text is being looked for: it never holds one of them again.
    open: Vec<ShapeId>,
    pub(super) n_steps: usize,
    n_bytes: usize,
}

impl<'a> Completion<'a> {
    pub(super) fn new(shapes: &'a Shapes, checks: &'a HashMap<ShapeId, Arc<Check>>, known: &'a mut Known) -> Self {
        Self { shapes, checks, known, open: Vec::new(), n_steps: 0, n_bytes: 0 }
    }

    /// The shortest known ending that makes `part` a value of the shape.
    pub(super) fn close(&mut self, id: ShapeId, part: &Part<'_>) -> Option<Vec<u8>> {
        let is_missing = *part == Part::Missing;
        if is_missing && let Some(text) = self.known.shortest.get(&id) {
            self.n_bytes += text.len();
            return Some(text.clone()).filter(|_| !self.is_spent());
        }
        let ending = self.judged(id, part, 1).into_iter().next().filter(|ending| ending.len() <= MAX_ENDING_BYTES)?;
        if is_missing {
            self.known.shortest.insert(id, ending.clone());
        }
        Some(ending)
    }

    /// Up to `n` endings of which the guard would approve.
    pub(super) fn judged(&mut self, id: ShapeId, part: &Part<'_>, n: usize) -> Vec<Vec<u8>> {
        self.n_steps += 1;
        let is_missing = *part == Part::Missing;
        if self.is_spent() || (is_missing && self.open.contains(&id)) {
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
                let mut candidates = self.endings(id, part, MAX_CANDIDATES.max(n));
                if let (Part::Scalar { text, is_complete: false }, Some(origin)) = (part, self.shapes.origin(id)) {
                    let endings = numeral::endings(text, origin);
                    candidates.extend(endings.into_iter().filter(|ending| self.is_number(&[text, ending.as_slice()])));
                }
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
        self.n_bytes += endings.iter().map(Vec::len).sum::<usize>();
        endings
    }

    /// Whether the search has taken all that it may.
    pub(super) fn is_spent(&self) -> bool {
        self.n_steps > MAX_STEPS || self.n_bytes > MAX_BYTES
    }

    /// Counts one ending more of so many bytes; whether there was room for it.
    pub(super) fn spend(&mut self, n_bytes: usize) -> bool {
        self.n_steps += 1;
        self.n_bytes += n_bytes;
        !self.is_spent()
    }

    fn endings(&mut self, id: ShapeId, part: &Part<'_>, n: usize) -> Vec<Vec<u8>> {
        let shapes = self.shapes;
        match shapes.get(id) {
            Shape::Nothing => Vec::new(),
            Shape::Anything => self.anything(part).into_iter().collect(),
            Shape::Literals(texts) => literals(texts, part, n),
            Shape::String(text) => match part {
                Part::Missing | Part::Scalar { .. } => self
                    .scalar((id, 0), part, n, || Texts::of_strings(&text.counted()?, shapes.spelling(&text.lang), "")),
                Part::Array { .. } | Part::Object { .. } => Vec::new(),
            },
            Shape::Number(patterns) => self.scalar((id, 0), part, n, || Texts::of_numbers(patterns)),
            Shape::AnyOf(branches) => {
                let mut firsts: Vec<Vec<u8>> = Vec::new();
                let mut others: Vec<Vec<u8>> = Vec::new();
                for branch in branches {
                    let mut endings = self.judged(*branch, part, n).into_iter();
                    firsts.extend(endings.next());
                    others.extend(endings);
                }
                others.sort_by_key(Vec::len);
                // Why: a branch with many short endings must not hide the only one that will do.
                others.truncate(n.saturating_sub(firsts.len()));
                firsts.append(&mut others);
                firsts.sort_by_key(Vec::len);
                if n == 1 {
                    firsts.truncate(1);
                }
                firsts
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

    pub(super) fn texts(&mut self, key: (ShapeId, usize), make: impl FnOnce() -> Option<Texts>) -> Option<&mut Texts> {
        self.known.texts.entry(key).or_insert_with(make).as_mut()
    }

    /// Whether these bytes are a number in some spelling.
    fn is_number(&mut self, bytes: &[&[u8]]) -> bool {
        self.texts(ANY_NUMBER, || Texts::of_numbers(&[any_number()])).is_some_and(|texts| texts.holds(&bytes.concat()))
    }

    fn scalar(
        &mut self,
        key: (ShapeId, usize),
        part: &Part<'_>,
        n: usize,
        make: impl FnOnce() -> Option<Texts>,
    ) -> Vec<Vec<u8>> {
        let Some(texts) = self.texts(key, make) else { return Vec::new() };
        let found = match part {
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
        };
        let n_steps = texts.take_steps();
        self.n_steps += n_steps / STEPS_OF_A_TEXT;
        found
    }

    /// What is left of the text of a scalar behind the turn that adds most to it; nothing if nobody can say.
    pub(super) fn dearest_turn(&mut self, id: ShapeId) -> Option<Vec<u8>> {
        let shapes = self.shapes;
        match shapes.get(id) {
            // Why: one character is like the other, and thousands of them would be thousands of states.
            Shape::String(text) if matches!(&text.lang, Lang::Repeat(one, ..) if matches!(**one, Lang::Class(_))) => {
                return Some(Vec::new());
            }
            Shape::String(text) => {
                self.texts((id, 0), || Texts::of_strings(&text.counted()?, shapes.spelling(&text.lang), ""))?
            }
            Shape::Number(patterns) => self.texts((id, 0), || Texts::of_numbers(patterns))?,
            _ => return None,
        };
        self.turn_of((id, 0))
    }

    /// The same for a key in `lang`.
    pub(super) fn dearest_key(&mut self, key: (ShapeId, usize), lang: &Lang) -> Option<Vec<u8>> {
        if lang.is_all() {
            return Some(Vec::new());
        }
        let spelling = self.shapes.key_spelling();
        self.texts(key, || Texts::of_strings(lang, spelling, ":"))?;
        self.turn_of(key)
    }

    fn turn_of(&mut self, key: (ShapeId, usize)) -> Option<Vec<u8>> {
        let texts = self.known.texts.get_mut(&key)?.as_mut()?;
        let turn = texts.dearest_turn();
        let n_steps = texts.take_steps();
        self.n_steps += n_steps / STEPS_OF_A_TEXT;
        turn
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
                self.scalar(ANY_NUMBER, part, 1, || Texts::of_numbers(&[any_number()])).pop()?
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
    pub(super) fn fresh_key(
        &mut self,
        key: (ShapeId, usize),
        lang: &Lang,
        start: &[u8],
        used: &HashSet<&str>,
    ) -> Option<Vec<u8>> {
        let spelling = self.shapes.key_spelling();
        let texts = self.texts(key, || Texts::of_strings(lang, spelling, ":"))?;
        let is_fresh = |ending: &[u8]| {
            let text = [start, ending].concat();
            let quoted = &text[..text.len().saturating_sub(1)];
            serde_json::from_slice::<String>(quoted).is_ok_and(|key| !used.contains(key.as_str()))
        };
        // Why: several are asked for, so that states are met more than once and other keys are found.
        texts.endings(start, 2, is_fresh).into_iter().next()
    }

    /// Whether a complete part is a value of the shape.
    pub(super) fn fits(&mut self, id: ShapeId, part: &Part<'_>) -> bool {
        self.judged(id, part, 1).first().is_some_and(Vec::is_empty)
    }
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
