//! Follows the JSON in a growing answer, and vetoes the token that would complete a value that must not be.
//!
//! The mask has already seen to the syntax. Every step can be taken back: what a token changed is written to a log.

mod json;
mod opening;
mod room;
mod undo;
mod unsettled;

use std::collections::HashSet;
use std::sync::Arc;

use super::escape::Escape;
use super::structure::Position;
use super::transcode::Transcoder;
use super::veto::Veto;
use super::watch::{WatchId, Watches};
pub use opening::{Opening, Places, Structured};
use undo::Undo;

/// Follows one answer.
#[derive(Clone, Debug)]
pub struct Follower {
    places: Arc<Places>,
    watches: Option<Arc<Watches>>,
    /// Reads arguments that are not written as JSON.
    transcoder: Option<Box<Transcoder>>,
    /// The answer so far, with JSON for what is not written as such.
    text: Vec<u8>,
    frames: Vec<Container>,
    state: State,
    /// Where the answer begins, once that is known.
    answer_at: Option<usize>,
    /// Whether JSON has begun anywhere.
    has_begun: bool,
    /// Where in the structure, if there is one; in JSON, the node behind it.
    position: Position,
    log: Vec<Undo>,
    steps: Vec<Step>,
    /// How many bytes were taken, as the tokens have them.
    n_wire: usize,
}

/// An open array or object.
#[derive(Clone, Debug)]
struct Container {
    is_object: bool,
    watch: Option<WatchId>,
    start: usize,
    n_items: u64,
    /// Keys of an object; finished items of an array whose items must differ.
    seen: HashSet<String>,
    /// Of the value whose key was just read.
    value_watch: Option<WatchId>,
}

/// Between which bytes the text ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before any JSON.
    Outside,
    /// Before a value.
    BeforeValue,
    /// Inside a string of which `n_chars` are complete.
    InString { start: usize, is_key: bool, n_chars: u64, escape: Escape },
    /// Inside a number or a literal.
    InWord { start: usize },
    /// After a value or a key.
    Between,
    /// Before a key or the end of an object.
    BeforeKey,
}

/// The state before a token.
#[derive(Clone, Copy, Debug)]
struct Step {
    n_text: usize,
    n_wire: usize,
    n_log: usize,
    state: State,
    position: Position,
}

impl Follower {
    /// Makes a follower at the beginning of an answer.
    #[must_use]
    pub fn new(places: Arc<Places>) -> Self {
        let watches = places.start.clone().filter(|_| places.after.is_empty() && places.preamble.is_none());
        let state = if watches.is_some() { State::BeforeValue } else { State::Outside };
        let answer_at = places.preamble.is_none().then_some(0);
        Self {
            places,
            watches,
            transcoder: None,
            text: Vec::new(),
            frames: Vec::new(),
            state,
            answer_at,
            has_begun: false,
            position: Position::START,
            log: Vec::new(),
            steps: Vec::new(),
            n_wire: 0,
        }
    }

    /// Takes the bytes of one token.
    ///
    /// # Errors
    /// With the veto; then nothing has changed.
    pub fn accept(&mut self, bytes: &[u8]) -> Result<(), Veto> {
        self.step();
        let at = self.log.len();
        if self.transcoder.is_some() {
            self.log.push(Undo::Transcoder(self.transcoder.clone()));
        }
        for byte in bytes {
            if let Err(veto) = self.wire_byte(*byte) {
                self.rollback(1);
                return Err(veto);
            }
        }
        // Why: a copy for each token of a long key or number would take a square of its length.
        let is_same = self.log.iter().skip(at + 1).all(|undo| !matches!(undo, Undo::Transcoder(_)));
        if let (Some(Undo::Transcoder(Some(before))), Some(now), true) = (self.log.get(at), &self.transcoder, is_same)
            && let Some(grown) = now.only_grown_since(before)
        {
            self.log[at] = Undo::Grown(grown);
        }
        Ok(())
    }

    /// Whether the answer may end here: a number at its very end is only finished by that.
    ///
    /// # Errors
    /// With the veto; nothing changes.
    pub fn end(&mut self) -> Result<(), Veto> {
        if let Some((structure, answer, position)) = self.in_parts()
            && !answer.contains(&0xFF)
            && !structure.keeps_bounds(position, answer)
        {
            return Err(Veto::Length);
        }
        self.step();
        let result = match self.state {
            State::InWord { start } if self.transcoder.is_none() || self.places.structure.is_none() => {
                self.finish_value(start)
            }
            _ => self.end_in_part(),
        };
        self.rollback(1);
        result
    }

    /// Notes where a token begins.
    fn step(&mut self) {
        let Self { state, position, n_wire, .. } = *self;
        self.steps.push(Step { n_text: self.text.len(), n_wire, n_log: self.log.len(), state, position });
    }

    /// Takes the last `n_tokens` tokens back.
    pub fn rollback(&mut self, n_tokens: usize) {
        for _ in 0..n_tokens {
            let Some(step) = self.steps.pop() else { return };
            while self.log.len() > step.n_log {
                let undo = self.log.pop().expect("the log is longer than that");
                self.undo(undo);
            }
            self.text.truncate(step.n_text);
            (self.state, self.position, self.n_wire) = (step.state, step.position, step.n_wire);
        }
    }
}
