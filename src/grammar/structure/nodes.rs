//! States as an automaton: each node is all that may come at one place. What one byte could mean twice is refused.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use llguidance::derivre::RegexAst;

use super::number::{self, may_be_number};
use super::plan::{Plan, State};
use super::write::{beginning, ended, up_to_stop};
use super::{FormatError, Parts};
use crate::grammar::close::is_satisfiable;
use crate::guard::{Node, Structure, Text, begins_json};
use crate::schema::pattern::Lang;

/// Nodes of one automaton.
const MAX_NODES: usize = 20_000;
/// States that are looked at.
const MAX_LOOKS: usize = 5_000_000;
/// Automata that are made to find out whether patterns meet what stands beside them.
const MAX_AUTOMATA: usize = 200;
/// Bytes of what ends a text, or must not be in it.
const MAX_STOP_BYTES: usize = 1_024;
/// What may end one text: each is followed beside all others.
const MAX_STOPS: usize = 256;
/// Literals at all nodes together.
const MAX_LITERALS: usize = 1_000_000;

/// All that may come at one place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Place {
    /// Literals, each with the bytes of it that are there already.
    literals: Vec<(usize, usize)>,
    value: Option<usize>,
    /// A text, by its state, and the bytes of it that are there already.
    text: Option<(usize, usize)>,
    is_end: bool,
}

/// Makes the automaton of `plan`.
pub(super) fn build(plan: Plan) -> Result<Parts, FormatError> {
    let mut builder = Builder {
        plan: &plan,
        structure: Structure::default(),
        langs: Vec::new(),
        known: HashMap::new(),
        texts: HashMap::new(),
        open: Vec::new(),
        open_texts: Vec::new(),
        n_literals: 0,
        n_looks: Cell::new(0),
        n_automata: Cell::new(0),
    };
    let start = builder.closure(&[plan.start], Vec::new())?;
    builder.node(start)?;
    loop {
        if let Some((id, place)) = builder.open.pop() {
            builder.lead_on(id, &place)?;
        } else if let Some((id, state)) = builder.open_texts.pop() {
            builder.end_text(id, state)?;
        } else {
            break;
        }
    }
    let Builder { structure, langs, .. } = builder;
    Ok(Parts { structure: Arc::new(structure), schemas: plan.schemas, any_order: plan.any_order, langs })
}

struct Builder<'p> {
    plan: &'p Plan,
    structure: Structure,
    langs: Vec<Option<Lang>>,
    known: HashMap<Place, usize>,
    /// Texts by their state.
    texts: HashMap<usize, usize>,
    open: Vec<(usize, Place)>,
    open_texts: Vec<(usize, usize)>,
    n_literals: usize,
    /// States that were looked at, and automata that were made.
    n_looks: Cell<usize>,
    n_automata: Cell<usize>,
}

impl Builder<'_> {
    /// All that `states` lead to without a byte, beside literals that have begun.
    fn closure(&self, states: &[usize], begun: Vec<(usize, usize)>) -> Result<Place, FormatError> {
        let mut place = Place { literals: begun, ..Place::default() };
        let mut seen = HashSet::new();
        let mut open = states.to_vec();
        let twice = |at: &str, what: &str| {
            Err(FormatError::new(at, format!("{what}: nothing tells one from the other, so neither could be enforced")))
        };
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            self.n_looks.set(self.n_looks.get() + 1);
            if self.n_looks.get() > MAX_LOOKS {
                return Err(FormatError::new(&self.plan.at, "too many parts may follow one another in any order"));
            }
            match &self.plan.states[id] {
                State::Fork(ways) => open.extend(ways),
                State::Literal(..) => place.literals.push((id, 0)),
                State::End => place.is_end = true,
                State::Text(text) if place.value.is_some() || place.text.is_some() => {
                    return twice(&text.at, "free text or a pattern may stand where other text or JSON may begin");
                }
                State::Text(_) => place.text = Some((id, 0)),
                State::Value(_, _, at) if place.value.is_some() || place.text.is_some() => {
                    return twice(at, "JSON may begin where text, or JSON by another schema, may stand");
                }
                State::Value(..) => place.value = Some(id),
            }
        }
        if let Some(value) = place.value
            && let State::Value(_, _, at) = &self.plan.states[value]
            && place.literals.iter().any(|(id, n)| begins_json(self.literal(*id).0[*n]))
        {
            return twice(at, "JSON may begin where a literal text that begins alike may stand");
        }
        place.literals.sort_unstable();
        Ok(place)
    }

    fn literal(&self, id: usize) -> (&[u8], usize) {
        match &self.plan.states[id] {
            State::Literal(bytes, next) => (bytes, *next),
            _ => unreachable!("literals are listed by their states"),
        }
    }

    fn node(&mut self, place: Place) -> Result<usize, FormatError> {
        if let Some(id) = self.known.get(&place) {
            return Ok(*id);
        }
        self.n_literals += place.literals.len();
        if self.structure.nodes.len() >= MAX_NODES || self.n_literals > MAX_LITERALS {
            return Err(FormatError::new(
                &self.plan.at,
                format!("its texts have more than {MAX_NODES} places between their bytes"),
            ));
        }
        let text = place.text.map(|(state, n_back)| (self.text(state), n_back));
        let value = place.value.map(|id| match &self.plan.states[id] {
            State::Value(index, ..) => (*index, 0),
            _ => unreachable!("values are listed by their states"),
        });
        let id = self.structure.nodes.len();
        self.structure.nodes.push(Node { edges: Vec::new(), value, text, may_end: place.is_end });
        self.known.insert(place.clone(), id);
        self.open.push((id, place));
        Ok(id)
    }

    /// Finds what each byte leads to, and what is behind the value.
    fn lead_on(&mut self, id: usize, place: &Place) -> Result<(), FormatError> {
        let mut by_byte: BTreeMap<u8, Vec<(usize, usize)>> = BTreeMap::new();
        for (literal, n) in &place.literals {
            by_byte.entry(self.literal(*literal).0[*n]).or_default().push((*literal, n + 1));
        }
        for (byte, literals) in by_byte {
            if let (Some((state, n_back)), Some((literal, n))) = (place.text, literals.first()) {
                let (bytes, _) = self.literal(*literal);
                self.tell_apart(
                    state,
                    &bytes[n - 1 - n_back..*n],
                    literals.iter().any(|(id, n)| self.literal(*id).0.len() == *n),
                )?;
            }
            let (whole, begun): (Vec<_>, Vec<_>) =
                literals.into_iter().partition(|(literal, n)| *n == self.literal(*literal).0.len());
            let behind: Vec<usize> = whole.iter().map(|(literal, _)| self.literal(*literal).1).collect();
            let mut next = self.closure(&behind, begun)?;
            if behind.is_empty() {
                next.text = place.text.map(|(state, n_back)| (state, n_back + 1));
            }
            let next = self.node(next)?;
            self.structure.nodes[id].edges.push((byte, next));
        }
        if let Some(value) = place.value
            && let State::Value(_, next, _) = &self.plan.states[value]
        {
            let behind = self.closure(&[*next], Vec::new())?;
            self.tell_numbers(value, &behind)?;
            let next = self.node(behind)?;
            if let Some((_, behind)) = &mut self.structure.nodes[id].value {
                *behind = next;
            }
        }
        Ok(())
    }

    /// A number ends where something stands that cannot belong to it.
    fn tell_numbers(&self, value: usize, behind: &Place) -> Result<(), FormatError> {
        let State::Value(schema, _, at) = &self.plan.states[value] else { return Ok(()) };
        let goes_on = |(literal, _): &(usize, usize)| number::goes_on(self.literal(*literal).0[0]);
        if behind.value.is_some() {
            return Err(FormatError::new(at, "JSON may stand directly behind this: put a text between them"));
        }
        if (behind.text.is_some() || behind.literals.iter().any(goes_on))
            && may_be_number(&self.plan.schemas[*schema].1)
        {
            let why = "this may be a number, and what follows may begin as the number goes on: put a tag between them";
            return Err(FormatError::new(at, why));
        }
        Ok(())
    }

    /// A text must not end with `begun`, which may yet become a literal in its place; nor must what matches a pattern begin
    /// so, where that `is_whole`.
    fn tell_apart(&self, state: usize, begun: &[u8], is_whole: bool) -> Result<(), FormatError> {
        let State::Text(text) = &self.plan.states[state] else { return Ok(()) };
        let stops = self.closure(&[text.next], Vec::new())?;
        let mut ends = stops.literals.iter().map(|(stop, _)| self.literal(*stop).0);
        let may_end =
            ends.any(|end| begun.ends_with(end)) || text.excluded.iter().any(|word| begun.ends_with(word.as_bytes()));
        let mut may_begin = false;
        if let (true, Some(lang)) = (is_whole, &text.lang) {
            may_begin = self.is_possible(&beginning(lang, begun), &text.at)?;
            for (stop, _) in &stops.literals {
                may_begin = may_begin
                    || self.is_possible(&beginning(&up_to_stop(lang, self.literal(*stop).0), begun), &text.at)?;
            }
        }
        if may_end || may_begin {
            let shown = String::from_utf8_lossy(begun);
            let how = if may_end { "end" } else { "begin" };
            return Err(FormatError::new(
                &text.at,
                format!("the text may {how} with '{shown}', which may also stand in its place"),
            ));
        }
        Ok(())
    }

    /// Whether a text matches `ast`, or that is not found out.
    fn is_possible(&self, ast: &RegexAst, at: &str) -> Result<bool, FormatError> {
        self.n_automata.set(self.n_automata.get() + 1);
        if self.n_automata.get() > MAX_AUTOMATA {
            return Err(FormatError::new(at, "too many literal texts stand beside patterns, or end them"));
        }
        Ok(is_satisfiable(ast))
    }

    fn text(&mut self, state: usize) -> usize {
        if let Some(id) = self.texts.get(&state) {
            return *id;
        }
        let State::Text(text) = &self.plan.states[state] else { unreachable!("texts are listed by their states") };
        let id = self.structure.texts.len();
        self.structure.texts.push(Text::default());
        self.langs.push(text.lang.clone());
        self.texts.insert(state, id);
        self.open_texts.push((id, state));
        id
    }

    /// Finds what ends a text.
    fn end_text(&mut self, id: usize, state: usize) -> Result<(), FormatError> {
        let State::Text(text) = &self.plan.states[state] else { return Ok(()) };
        let refuse = |message: String| Err(FormatError::new(&text.at, message));
        let behind = self.closure(&[text.next], Vec::new())?;
        if behind.value.is_some() || behind.text.is_some() {
            return refuse(
                "nothing tells where this text ends: what follows it must begin with a literal text, such as a tag"
                    .into(),
            );
        }
        let mut stops: BTreeMap<&[u8], Vec<usize>> = BTreeMap::new();
        for (literal, _) in &behind.literals {
            let (bytes, next) = self.literal(*literal);
            stops.entry(bytes).or_default().push(next);
        }
        if stops.len() > MAX_STOPS {
            return refuse(format!(
                "more than {MAX_STOPS} different texts may end this; let tags begin alike, and name that as the trigger"
            ));
        }
        let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        fn text_of(bytes: &[u8]) -> &str {
            std::str::from_utf8(bytes).expect("literals are text")
        }
        let holds = |a: &[u8], b: &[u8]| text_of(a).contains(text_of(b));
        let is_long = |word: &[u8]| word.len() > MAX_STOP_BYTES;
        if stops.keys().any(|stop| is_long(stop)) || text.excluded.iter().any(|word| is_long(word.as_bytes())) {
            return refuse(format!("what ends it, or must not be in it, has more than {MAX_STOP_BYTES} bytes"));
        }
        if text.excluded.len() > MAX_STOPS {
            return refuse(format!("more than {MAX_STOPS} texts are excluded"));
        }
        for stop in stops.keys() {
            if let Some(other) = stops.keys().find(|other| other != &stop && holds(stop, other)) {
                return refuse(format!("'{}' ends the text before '{}' could", shown(other), shown(stop)));
            }
        }
        let mut excluded = Vec::new();
        for word in &text.excluded {
            let word = word.as_bytes();
            match stops.keys().find(|stop| holds(stop, word) && **stop != word) {
                Some(stop) => {
                    return refuse(format!("'{}' is excluded, but '{}' must end the text", shown(word), shown(stop)));
                }
                // Why not: the text ends there.
                None if stops.keys().any(|stop| holds(word, stop)) => {}
                None => excluded.push(word.to_vec()),
            }
        }
        let stops: Vec<(Vec<u8>, Vec<usize>)> =
            stops.into_iter().map(|(bytes, nexts)| (bytes.to_vec(), nexts)).collect();
        let max_chars = text.max_chars.map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        let mut ends = Vec::new();
        for (bytes, nexts) in stops {
            let place = self.closure(&nexts, Vec::new())?;
            ends.push((bytes, self.node(place)?));
        }
        let mut made = Text { stops: ends, excluded, max_chars, may_end: behind.is_end };
        if let Some(lang) = &text.lang {
            let can_end = |stop| self.is_possible(&ended(&made, Some(lang), stop), &text.at);
            let stopping: Vec<bool> = (0..made.stops.len()).map(|k| can_end(Some(k))).collect::<Result<_, _>>()?;
            let may_end = made.may_end && (lang.is_nullable() || can_end(None)?);
            if !may_end && !stopping.contains(&true) {
                return refuse("what follows this ends it before it is whole".to_owned());
            }
            let mut stopping = stopping.into_iter();
            made.stops.retain(|_| stopping.next() == Some(true));
            made.may_end = may_end;
        }
        self.structure.texts[id] = made;
        Ok(())
    }
}
