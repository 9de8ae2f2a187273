//! Endings of answers of several parts: what is open is completed, and then the shortest way to the end is taken.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use llguidance::derivre::RegexAst;

use super::{ASSUMED_LONGEST, Arguments, scalar};
use crate::grammar::cfg;
use crate::grammar::structure::{Parts, ended};
use crate::guard::{Position, Structure, Text};

/// Finds endings for the answers of one format.
pub(in crate::grammar) struct PartsCloser {
    parts: Arc<Parts>,
    /// Where the parts stand.
    structure: Arc<Structure>,
    /// For the values of each schema, with the fewest bytes that they take in JSON.
    values: Vec<(Arguments, u64)>,
    /// The shortest way to the end from each node.
    ways: Vec<Option<Way>>,
    /// What ends texts that are not free, by the text and its stop.
    ends: Mutex<HashMap<End, Option<scalar::Texts>>>,
    /// Whole values, by their schema and the node behind them.
    whole: Mutex<HashMap<(usize, usize), Ended>>,
}

/// What ends a value, and the node that it leads to.
type Ended = Option<(Vec<u8>, usize)>;

/// The end of a text: which text, and with which of its stops.
type End = (usize, Option<usize>);

/// The first step on the shortest way from a node to the end.
#[derive(Clone, Copy, Debug)]
struct Way {
    /// Bytes of the whole way, about.
    cost: u64,
    step: Step,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    End,
    Byte(u8, usize),
    Value(usize, usize),
    /// A text, and the stop that it ends with; none where the answer ends with it.
    Text(usize, Option<usize>),
}

/// What may be put into a text that cannot end as it stands.
const FILLERS: [&str; 4] = ["", " ", "\n", "x"];
/// Bytes of what follows a value that are looked at to find its end: more than what opens an element has.
const MAX_TAIL: usize = 64;
/// How long all schemas may be looked through, before the first answer.
const MAX_LOOKED: Duration = Duration::from_millis(300);

impl PartsCloser {
    /// Finds endings for answers of `parts`, which stand as `structure` says; `values` are those of its schemas.
    pub(in crate::grammar) fn new(parts: Arc<Parts>, structure: Arc<Structure>, values: Vec<(Arguments, u64)>) -> Self {
        let ways = ways(&parts, &values);
        Self { parts, structure, values, ways, ends: Mutex::default(), whole: Mutex::default() }
    }

    /// The bytes of a short valid ending of `text`; `None` if none is known.
    pub(super) fn close(&self, text: &[u8]) -> Option<Vec<u8>> {
        let structure = &self.structure;
        let is_whole = |ending: &[u8]| {
            let whole = [text, ending].concat();
            std::str::from_utf8(&whole).is_ok() && structure.read(&whole, |_| ())
        };
        let position = structure.walk(text, |_| ())?;
        match position {
            Position::Node(node) => self.lead_on_from(text, Vec::new(), node).filter(|ending| is_whole(ending)),
            Position::Value { value, start, next } => {
                let ended = self.end_value(value, &text[start..], next);
                ended
                    .into_iter()
                    .find_map(|(ending, node)| self.lead_on_from(text, ending, node).filter(|ending| is_whole(ending)))
            }
            Position::Text { text: id, start, .. } => {
                let mut ends = self.ends_of(id);
                ends.sort_by_key(|(cost, _)| *cost);
                ends.into_iter().find_map(|(_, stop)| {
                    self.in_text(id, stop, &text[start..]).into_iter().find_map(|ending| {
                        let ending = match stop {
                            None => ending,
                            Some(k) => self.lead_on_from(text, ending, structure.texts[id].stops[k].1)?,
                        };
                        is_whole(&ending).then_some(ending)
                    })
                })
            }
        }
    }

    /// About how many tokens one more token can add to what closing takes.
    pub(super) fn longest(&self, n_tokens: impl Fn(&[u8]) -> usize) -> usize {
        let started = Instant::now();
        let dearest = (0..self.ways.len()).max_by_key(|node| self.ways[*node].map_or(0, |way| way.cost));
        let around = dearest.and_then(|node| self.lead_on_from(b"", Vec::new(), node));
        let around = around.map_or(ASSUMED_LONGEST, |ending| n_tokens(&ending));
        let value = |(arguments, _): &(Arguments, u64)| match started.elapsed() > MAX_LOOKED {
            true => ASSUMED_LONGEST,
            false => arguments.longest(&n_tokens),
        };
        let is_free = self.parts.langs.iter().all(Option::is_none);
        let text = if is_free { 0 } else { ASSUMED_LONGEST };
        self.values.iter().map(value).max().unwrap_or(0).max(text) + around
    }

    /// `ending` and the shortest way from `node`, to which it leads behind `text`.
    fn lead_on_from(&self, text: &[u8], ending: Vec<u8>, mut node: usize) -> Option<Vec<u8>> {
        let structure = &self.structure;
        let mut whole = [text, &ending].concat();
        loop {
            let n = whole.len();
            match self.ways.get(node)?.as_ref()?.step {
                Step::End => return Some(whole.split_off(text.len())),
                Step::Byte(byte, next) => {
                    whole.push(byte);
                    node = next;
                }
                Step::Value(value, next) => {
                    let (ending, behind) = self.end_value(value, b"", next)?;
                    whole.extend(ending);
                    node = behind;
                }
                Step::Text(id, stop) => {
                    let (_, n_back) = structure.nodes[node].text?;
                    let ends = self.in_text(id, stop, &whole[n.checked_sub(n_back)?..]);
                    let found = ends.into_iter().any(|more| {
                        whole.truncate(n);
                        whole.extend(more);
                        self.has_led(&whole, (node, n), (id, stop))
                    });
                    match (found, stop) {
                        (true, None) => return Some(whole.split_off(text.len())),
                        (true, Some(k)) => node = structure.texts[id].stops[k].1,
                        (false, _) => {
                            // What stands there in place of the text.
                            whole.truncate(n);
                            let cost = |(_, next): &&(u8, usize)| self.ways[*next].map_or(u64::MAX, |way| way.cost);
                            let (byte, next) = structure.nodes[node].edges.iter().min_by_key(cost)?;
                            whole.push(*byte);
                            node = *next;
                        }
                    }
                }
            }
        }
    }

    /// The ending of a value of which `begun` is there, with the node that it leads to: to `next`, or behind some of what
    /// stands there, where only that says that the value is over.
    fn end_value(&self, value: usize, begun: &[u8], next: usize) -> Option<(Vec<u8>, usize)> {
        // Why kept: the same value may stand in an answer many times.
        let is_new = begun.is_empty();
        if let (true, Some(known)) = (is_new, self.lock_whole().get(&(value, next))) {
            return known.clone();
        }
        let (arguments, _) = self.values.get(value)?;
        let is_json = self.structure.encoding(value).is_none();
        let ended = arguments.close_before(begun, |held| {
            // What has begun as what follows need not be on the shortest way.
            let held = (held, self.structure.behind(next, held));
            let tails = [held, (&b""[..], Some(next))].into_iter().filter_map(|(tail, node)| Some((tail, node?)));
            tails
                .map(|(tail, node)| if is_json { (Vec::new(), node) } else { self.tail(tail.to_vec(), node) })
                .collect()
        });
        if is_new {
            self.lock_whole().insert((value, next), ended.clone());
        }
        ended
    }

    fn lock_whole(&self) -> MutexGuard<'_, HashMap<(usize, usize), Ended>> {
        self.whole.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What comes first on the shortest way behind `tail` and from `node` on, up to what is no literal; and the node there.
    fn tail(&self, mut tail: Vec<u8>, mut node: usize) -> (Vec<u8>, usize) {
        while tail.len() < MAX_TAIL
            && let Some(Way { step: Step::Byte(byte, next), .. }) = self.ways[node]
        {
            tail.push(byte);
            node = next;
        }
        (tail, node)
    }

    /// Whether `whole`, of which `n` bytes lead to `node`, ends this text in this way.
    fn has_led(&self, whole: &[u8], (node, n): (usize, usize), (id, stop): (usize, Option<usize>)) -> bool {
        let structure = &self.structure;
        let Some(reached) = structure.walk_from((Position::Node(node), n), whole, |_| ()) else { return false };
        match stop {
            Some(k) => reached == Position::Node(structure.texts[id].stops[k].1),
            // Why read: the end of the answer must not break off in a character.
            None => {
                let open = structure.text_at(reached, whole.len());
                let is_open =
                    open.is_some_and(|(open, start)| open == id && std::str::from_utf8(&whole[start..]).is_ok());
                is_open && structure.keeps_bounds(reached, whole)
            }
        }
    }

    /// The ends of a text, each with what it costs.
    fn ends_of(&self, id: usize) -> Vec<(u64, Option<usize>)> {
        let text = &self.parts.structure.texts[id];
        let stopped =
            text.stops.iter().enumerate().filter_map(|(k, (stop, next))| {
                Some((self.ways[*next]?.cost.saturating_add(stop.len() as u64), Some(k)))
            });
        stopped.chain(text.may_end.then_some((0, None))).collect()
    }

    /// Endings of a text of which `begun` is there, with the stop.
    fn in_text(&self, id: usize, stop: Option<usize>, begun: &[u8]) -> Vec<Vec<u8>> {
        let text = &self.parts.structure.texts[id];
        let stop_bytes = stop.map_or(&b""[..], |k| &text.stops[k].0);
        let Some(lang) = &self.parts.langs[id] else {
            let n_begun = Text::begun(begun, stop_bytes);
            let missing = rest_of_char(begun);
            let rest = (missing.is_empty() || n_begun > 0).then(|| stop_bytes[n_begun..].to_vec());
            let filled = |filler: &&str| [missing.as_slice(), filler.as_bytes(), stop_bytes].concat();
            return rest.into_iter().chain(FILLERS.iter().map(filled)).collect();
        };
        if stop.is_none() && begun.is_empty() && lang.is_nullable() {
            return vec![Vec::new()];
        }
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        let texts = ends.entry((id, stop)).or_insert_with(|| scalar::Texts::of(&ended(text, Some(lang), stop)));
        texts.as_mut().map(|texts| texts.endings(begun, 1, |_| true)).unwrap_or_default()
    }
}

/// Bytes that make a character of the one that `text` breaks off in.
fn rest_of_char(text: &[u8]) -> Vec<u8> {
    // Why three: no character that breaks off has more.
    let tail = &text[text.len().saturating_sub(3)..];
    let broken = tail.utf8_chunks().last().map_or(&b""[..], |chunk| chunk.invalid());
    if broken.is_empty() {
        return Vec::new();
    }
    let (first, _) = cfg::range_of(broken);
    first.to_string().as_bytes().get(broken.len()..).unwrap_or_default().to_vec()
}

/// Whether there is a text that matches `ast`, as far as that can be found out.
pub(in crate::grammar) fn is_satisfiable(ast: &RegexAst) -> bool {
    scalar::Texts::of(ast).is_none_or(|mut texts| !texts.is_surely_empty())
}

/// The shortest way to the end from each node. Source: Dijkstra's algorithm, from the end.
fn ways(parts: &Parts, values: &[(Arguments, u64)]) -> Vec<Option<Way>> {
    let structure = &parts.structure;
    let mut ways: Vec<Option<Way>> = vec![None; structure.nodes.len()];
    let mut before: Vec<Vec<(usize, u64, Step)>> = vec![Vec::new(); structure.nodes.len()];
    let mut open = BinaryHeap::new();
    for (id, node) in structure.nodes.iter().enumerate() {
        for (byte, next) in &node.edges {
            before[*next].push((id, 1, Step::Byte(*byte, *next)));
        }
        if let Some((value, next)) = node.value {
            before[next].push((id, values.get(value).map_or(1, |(_, least)| *least), Step::Value(value, next)));
        }
        // Why not each: what has begun as a literal need not be the beginning of a text by a pattern.
        if let Some((text, _)) = node.text.filter(|(text, n_back)| *n_back == 0 || parts.langs[*text].is_none()) {
            let least = parts.langs[text].as_ref().map_or(0, |lang| lang.min_chars() as u64);
            for (k, (stop, next)) in structure.texts[text].stops.iter().enumerate() {
                before[*next].push((id, least.saturating_add(stop.len() as u64), Step::Text(text, Some(k))));
            }
            if structure.texts[text].may_end {
                open.push(Reverse((least, id)));
                ways[id] = Some(Way { cost: least, step: Step::Text(text, None) });
            }
        }
        if node.may_end {
            open.push(Reverse((0, id)));
            ways[id] = Some(Way { cost: 0, step: Step::End });
        }
    }
    while let Some(Reverse((cost, id))) = open.pop() {
        if ways[id].is_some_and(|way| way.cost < cost) {
            continue;
        }
        for (from, more, step) in &before[id] {
            let cost = cost.saturating_add(*more);
            if ways[*from].is_none_or(|way| cost < way.cost) {
                ways[*from] = Some(Way { cost, step: *step });
                open.push(Reverse((cost, *from)));
            }
        }
    }
    ways
}

impl std::fmt::Debug for PartsCloser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PartsCloser").finish_non_exhaustive()
    }
}
