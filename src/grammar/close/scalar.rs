//! Shortest endings of strings and numbers, by walking the automaton of their text.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};

use llguidance::derivre::{Regex, RegexAst, RegexBuilder, StateID};

use crate::grammar::spelling::Spelling;
use crate::grammar::terminal::string;
use crate::schema::pattern::Lang;

/// Steps of one search: enough for strings of some thousand characters.
const MAX_STEPS: usize = 60_000;
/// How much longer than the shortest the other endings may be.
const MAX_LONGER: usize = 6;
/// Texts that are looked at because they are like others.
const MAX_ALIKE: usize = 2000;
/// Bytes of a token; longer ones are runs of one character.
const MAX_TOKEN_BYTES: usize = 32;
/// What building an automaton may cost.
const MAX_FUEL: u64 = 4_000_000;

/// The texts of one shape.
#[derive(Clone)]
pub(in crate::grammar) struct Texts {
    regex: Regex,
    /// One byte of each class that the automaton tells apart, those that read best first.
    alphabet: Vec<u8>,
    /// By such a byte, its class.
    classes: HashMap<u8, Vec<u8>>,
    /// Steps taken since somebody asked.
    n_steps: usize,
}

impl Texts {
    /// JSON strings with content in `lang`, and `after` behind the closing quote.
    pub(super) fn of_strings(lang: &Lang, spelling: Spelling, after: &str) -> Option<Self> {
        Self::of(&string(lang, spelling, after))
    }

    /// Texts that match `ast`.
    pub(super) fn of(ast: &RegexAst) -> Option<Self> {
        let mut builder = RegexBuilder::new();
        let expr = builder.mk(ast).ok()?;
        Some(Self::new(builder.into_regex_limited(expr, MAX_FUEL).ok()?))
    }

    /// Numbers that match all `patterns`.
    pub(super) fn of_numbers(patterns: &[String]) -> Option<Self> {
        let mut builder = RegexBuilder::new();
        let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
        let expr = builder.mk_regex_and(&patterns).ok()?;
        Some(Self::new(builder.into_regex_limited(expr, MAX_FUEL).ok()?))
    }

    fn new(regex: Regex) -> Self {
        let mut first_of = HashMap::new();
        let mut classes: HashMap<u8, Vec<u8>> = HashMap::new();
        // Why 0 last of the digits, and capitals first: there is a year 0000 in RFC 3339, and a small z for UTC, but not
        // in every client's library.
        let plain = b"\"1234567890ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz@.-/:_";
        let mut alphabet = Vec::new();
        let mut seen = HashSet::new();
        for byte in plain.iter().copied().chain(0x20..=0xFF).chain(0..0x20).filter(|byte| seen.insert(*byte)) {
            let first = *first_of.entry(regex.alpha().map(byte)).or_insert(byte);
            if first == byte {
                alphabet.push(byte);
            }
            classes.entry(first).or_default().push(byte);
        }
        Self { regex, alphabet, classes, n_steps: 0 }
    }

    /// How many steps were taken since this was asked.
    pub(super) fn take_steps(&mut self) -> usize {
        std::mem::take(&mut self.n_steps)
    }

    /// Whether `text` is one of them.
    pub(super) fn holds(&mut self, text: &[u8]) -> bool {
        self.regex.is_match_bytes(text)
    }

    /// Whether it has been found out that there is none.
    pub(super) fn is_surely_empty(&mut self) -> bool {
        let mut open = vec![self.regex.initial_state()];
        let mut seen: HashSet<StateID> = open.iter().copied().collect();
        let mut n_steps = 0;
        while let Some(state) = open.pop() {
            if self.regex.is_accepting(state) {
                return false;
            }
            for byte in &self.alphabet {
                n_steps += 1;
                let next = self.regex.transition(state, *byte);
                if n_steps > MAX_STEPS {
                    return false;
                }
                if !next.is_dead() && seen.insert(next) {
                    open.push(next);
                }
            }
        }
        true
    }

    /// Endings that make `start` one of them, shortest first, at most `n`, for which `is_wanted` holds.
    pub(super) fn endings(&mut self, start: &[u8], n: usize, mut is_wanted: impl FnMut(&[u8]) -> bool) -> Vec<Vec<u8>> {
        let initial = self.regex.initial_state();
        let state = self.regex.transition_bytes(initial, start);
        let steps = self.explore(state, n > 1);
        let (mut found, mut others) = (Vec::new(), Vec::new());
        // Ordered by the length of the whole ending, then by when it was met, so that plain bytes come first.
        let mut queue = BinaryHeap::new();
        let mut met: Vec<(StateID, Vec<u8>)> = vec![(state, Vec::new())];
        if let Some(way) = steps.get(&state) {
            queue.push(Reverse((way.distance, usize::MAX, 0)));
        }
        while let Some(Reverse((_, _, i))) = queue.pop() {
            let (state, ending) = met[i].clone();
            let Some(way) = steps.get(&state) else { continue };
            if way.is_accepting {
                if is_wanted(&ending) {
                    found.push(ending.clone());
                }
                others.push(ending.clone());
            }
            if found.len() >= n || met.len() > MAX_STEPS {
                break;
            }
            for (byte, next) in &way.edges {
                let Some(distance) = steps.get(next).map(|way| way.distance) else { continue };
                // Why: of many equally long endings the one nearest to its end goes first, or none would get there.
                queue.push(Reverse((ending.len() + 1 + distance, distance, met.len())));
                met.push((*next, [ending.as_slice(), &[*byte]].concat()));
            }
        }
        self.n_steps += met.len();
        let mut n_tries = 0;
        for ending in others {
            for other in self.alike(&ending).take(MAX_ALIKE - n_tries) {
                if found.len() >= n {
                    break;
                }
                n_tries += 1;
                if is_wanted(&other) {
                    found.push(other);
                }
            }
        }
        self.n_steps += n_tries;
        found
    }

    /// The texts that the automaton does not tell from this one, their last bytes changing first.
    fn alike<'t>(&'t self, text: &'t [u8]) -> impl Iterator<Item = Vec<u8>> + 't {
        let class = |byte: &u8| self.classes.get(byte).map_or(&[][..], Vec::as_slice);
        let n = text.iter().fold(1_usize, |n, byte| n.saturating_mul(class(byte).len().max(1)));
        (1..n).map(move |number| {
            let mut rest = number;
            let mut other = text.to_vec();
            for byte in other.iter_mut().rev() {
                let class = class(byte);
                if rest > 0 && class.len() > 1 {
                    (*byte, rest) = (class[rest % class.len()], rest / class.len());
                }
            }
            other
        })
    }

    /// What the shortest ending is behind the turn that makes it longest, of those that a token can take; nothing if there
    /// are too many states to look at.
    pub(super) fn dearest_turn(&mut self) -> Option<Vec<u8>> {
        let n_steps_before = self.n_steps;
        let start = self.regex.initial_state();
        let ways = self.explore_to(start, usize::MAX);
        if self.n_steps - n_steps_before > MAX_STEPS {
            return None;
        }
        // For each state the longest distance to an end that a token may lead to, and where.
        let mut furthest: HashMap<StateID, (usize, StateID)> =
            ways.iter().map(|(state, way)| (*state, (way.distance, *state))).collect();
        for _ in 0..MAX_TOKEN_BYTES {
            let mut changes = Vec::new();
            for (state, way) in &ways {
                let best = way.edges.iter().filter_map(|(_, next)| furthest.get(next)).max_by_key(|(far, _)| *far);
                changes.extend(best.filter(|best| best.0 > furthest[state].0).map(|best| (*state, *best)));
            }
            self.n_steps += ways.len();
            if changes.is_empty() {
                break;
            }
            furthest.extend(changes);
        }
        let rise = |(state, (far, _)): &(&StateID, &(usize, StateID))| far - ways[state].distance;
        let Some((_, (far, turn))) = furthest.iter().max_by_key(rise).filter(|most| rise(most) > 0) else {
            return Some(Vec::new());
        };
        let (mut state, mut text) = (*turn, Vec::with_capacity(*far));
        while let Some(way) = ways.get(&state).filter(|way| way.distance > 0) {
            let is_nearer = |(_, next): &&(u8, StateID)| ways.get(next).is_some_and(|it| it.distance < way.distance);
            let (byte, next) = way.edges.iter().find(is_nearer)?;
            text.push(*byte);
            state = *next;
        }
        Some(text)
    }

    /// The states within reach, each with how far it is to an end. With `all`, goes on behind the nearest end.
    fn explore(&mut self, start: StateID, all: bool) -> HashMap<StateID, Way> {
        // Why: endings a little longer than the shortest are enough to choose from.
        self.explore_to(start, if all { MAX_LONGER } else { 0 })
    }

    /// The same, up to so many bytes behind the nearest end.
    fn explore_to(&mut self, start: StateID, n_longer: usize) -> HashMap<StateID, Way> {
        let mut ways: HashMap<StateID, Way> = HashMap::new();
        let mut backwards: HashMap<StateID, Vec<StateID>> = HashMap::new();
        let mut ends = VecDeque::new();
        let mut queue = VecDeque::from([(start, 0_usize)]);
        let mut max_depth = usize::MAX;
        let mut n_steps = 0;
        while let Some((state, depth)) = queue.pop_front() {
            if state.is_dead() || ways.contains_key(&state) || depth > max_depth || n_steps > MAX_STEPS {
                continue;
            }
            let is_accepting = self.regex.is_accepting(state);
            if is_accepting {
                ends.push_back(state);
                max_depth = max_depth.min(depth.saturating_add(n_longer));
            }
            let mut edges = Vec::new();
            for byte in &self.alphabet {
                n_steps += 1;
                let next = self.regex.transition(state, *byte);
                if !next.is_dead() {
                    edges.push((*byte, next));
                    backwards.entry(next).or_default().push(state);
                    queue.push_back((next, depth + 1));
                }
            }
            ways.insert(state, Way { is_accepting, distance: if is_accepting { 0 } else { usize::MAX }, edges });
        }
        self.n_steps += n_steps;
        while let Some(state) = ends.pop_front() {
            let distance = ways.get(&state).map_or(0, |way| way.distance);
            for before in backwards.get(&state).into_iter().flatten() {
                if let Some(way) = ways.get_mut(before)
                    && way.distance == usize::MAX
                {
                    way.distance = distance + 1;
                    ends.push_back(*before);
                }
            }
        }
        ways.retain(|_, way| way.distance != usize::MAX);
        ways
    }
}

/// What is known of a state.
struct Way {
    is_accepting: bool,
    /// Bytes to the nearest end.
    distance: usize,
    edges: Vec<(u8, StateID)>,
}
