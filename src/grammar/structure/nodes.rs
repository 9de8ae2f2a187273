//! States as an automaton: each node is all that may come at one place. What one byte could mean twice is refused.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::plan::{Plan, State};
use super::write::ended;
use super::{FormatError, Parts};
use crate::guard::{Elements, Form, Node, Structure, Text, begins_json};
use crate::schema::pattern::Lang;

/// Nodes of one automaton.
const MAX_NODES: usize = 20_000;
/// States that are looked at.
const MAX_LOOKS: usize = 5_000_000;
/// Literals at all nodes together.
const MAX_LITERALS: usize = 1_000_000;

/// All that may come at one place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// Literals, each with the bytes of it that are there already.
    pub(super) literals: Vec<(usize, usize)>,
    pub(super) value: Option<usize>,
    /// A text, by its state, and the bytes of it that are there already.
    pub(super) text: Option<(usize, usize)>,
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

pub(super) struct Builder<'p> {
    pub(super) plan: &'p Plan,
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
    pub(super) n_automata: Cell<usize>,
}

impl Builder<'_> {
    /// All that `states` lead to without a byte, beside literals that have begun.
    pub(super) fn closure(&self, states: &[usize], begun: Vec<(usize, usize)>) -> Result<Place, FormatError> {
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
            && self.elements(value).is_none()
            && let State::Value(_, _, at) = &self.plan.states[value]
            && place.literals.iter().any(|(id, n)| begins_json(self.literal(*id).0[*n]))
        {
            return twice(at, "JSON may begin where a literal text that begins alike may stand");
        }
        if let Some((at, _)) = place.value.and_then(|value| self.elements(value))
            && (!place.literals.is_empty() || place.is_end)
        {
            return twice(
                at,
                "a value in this style may be empty, and something else may stand in its place (a tag around it would tell)",
            );
        }
        place.literals.sort_unstable();
        Ok(place)
    }

    /// How a value is written, and the field that asks for it, where it is written as elements.
    pub(super) fn elements(&self, value: usize) -> Option<(&str, &Elements)> {
        let State::Value(schema, _, at) = &self.plan.states[value] else { return None };
        match &self.plan.schemas[*schema].form {
            Some(Form::Elements(elements)) => Some((at, elements)),
            _ => None,
        }
    }

    pub(super) fn literal(&self, id: usize) -> (&[u8], usize) {
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
            self.tell_end(value, &behind)?;
            let next = self.node(behind)?;
            if let Some((_, behind)) = &mut self.structure.nodes[id].value {
                *behind = next;
            }
        }
        Ok(())
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
        let excluded = self.excluded(text, &stops)?;
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
