//! What stands side by side is told apart by its bytes, or refused.

use std::collections::BTreeMap;

use llguidance::derivre::RegexAst;

use super::FormatError;
use super::nodes::{Builder, Place};
use super::number::may_be_number;
use super::plan::{State, TextState};
use super::write::{beginning, up_to_stop};
use crate::grammar::close::is_satisfiable;
use crate::guard::continues_number;

/// Automata that are made to find out whether patterns meet what stands beside them.
const MAX_AUTOMATA: usize = 200;
/// Bytes of what ends a text, or must not be in it.
const MAX_STOP_BYTES: usize = 1_024;
/// What may end one text: each is followed beside all others.
const MAX_STOPS: usize = 256;

impl Builder<'_> {
    /// A number ends where something stands that cannot belong to it, and elements where none begins.
    pub(super) fn tell_end(&self, value: usize, behind: &Place) -> Result<(), FormatError> {
        let State::Value(schema, _, at) = &self.plan.states[value] else { return Ok(()) };
        if behind.value.is_some() {
            return Err(FormatError::new(at, "another value may stand directly behind this: put a text between them"));
        }
        if let Some((_, elements)) = self.elements(value) {
            let open = elements.open.as_slice();
            let begins_alike = |(literal, _): &(usize, usize)| {
                let literal = self.literal(*literal).0;
                let is_no_key = |byte: &u8| elements.not_in_keys.as_bytes().contains(byte);
                open.starts_with(literal)
                    || literal.strip_prefix(open).is_some_and(|rest| !rest.first().is_some_and(is_no_key))
            };
            if behind.text.is_some() || behind.literals.iter().any(begins_alike) {
                let shown = String::from_utf8_lossy(open);
                let why = format!("what follows this may begin with '{shown}' or a part of it: put a tag between them");
                return Err(FormatError::new(at, why));
            }
            return Ok(());
        }
        let goes_on = |(literal, _): &(usize, usize)| continues_number(self.literal(*literal).0[0]);
        if (behind.text.is_some() || behind.literals.iter().any(goes_on))
            && may_be_number(&self.plan.schemas[*schema].schema)
        {
            let why = "this may be a number, and what follows may begin as the number goes on: put a tag between them";
            return Err(FormatError::new(at, why));
        }
        Ok(())
    }

    /// A text must not end with `begun`, which may yet become a literal in its place; nor must what matches a pattern begin
    /// so, where that `is_whole`.
    pub(super) fn tell_apart(&self, state: usize, begun: &[u8], is_whole: bool) -> Result<(), FormatError> {
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
    pub(super) fn is_possible(&self, ast: &RegexAst, at: &str) -> Result<bool, FormatError> {
        self.n_automata.set(self.n_automata.get() + 1);
        if self.n_automata.get() > MAX_AUTOMATA {
            return Err(FormatError::new(at, "too many literal texts stand beside patterns, or end them"));
        }
        Ok(is_satisfiable(ast))
    }

    /// What must not be in `text` and does not end it. None of its stops holds another, or what is excluded.
    pub(super) fn excluded(
        &self,
        text: &TextState,
        stops: &BTreeMap<&[u8], Vec<usize>>,
    ) -> Result<Vec<Vec<u8>>, FormatError> {
        let refuse = |message: String| Err(FormatError::new(&text.at, message));
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
        Ok(excluded)
    }
}
