//! Follows the JSON in a growing answer, and vetoes the token that would complete a value that must not be.
//!
//! The mask has already seen to the syntax. Every step can be taken back: what a token changed is written to a log.

mod opening;

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;

use super::escape::Escape;
use super::plain::write_plain;
use super::structure::{Position, goes_on};
use super::transcode::{Grown, Progress, Transcoder};
use super::veto::{MAX_NESTING, Veto};
use super::watch::{Length, WatchId, Watches};
pub use opening::{Opening, Places, Structured};

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

/// What takes one change back.
#[derive(Clone, Debug)]
enum Undo {
    Pushed,
    Popped(Container),
    Seen(String),
    Counted,
    Began { is_first: bool },
    AnswerAt,
    ValueWatch(Option<WatchId>),
    Ended(Option<Arc<Watches>>),
    Transcoder(Option<Box<Transcoder>>),
    Grown(Grown),
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

    /// How many of the last tokens hold text that a veto may yet take back.
    #[must_use]
    pub fn n_unsettled(&self) -> usize {
        let settled = self.settled();
        let n_of_text = self.steps.iter().rev().take_while(|step| step.n_text >= settled).count()
            + usize::from(self.steps.iter().rev().find(|step| step.n_text < settled).is_some_and(|_| {
                // A token that reaches over the border is not settled either.
                let after = self.steps.iter().find(|step| step.n_text >= settled).map_or(self.text.len(), |s| s.n_text);
                after > settled
            }));
        n_of_text.max(self.n_not_understood())
    }

    /// How many of the last tokens hold bytes that may yet be one thing or another: a token may close a value and begin
    /// what turns out to be one key too many.
    fn n_not_understood(&self) -> usize {
        let is_inside = |transcoder: &&Transcoder| transcoder.progress() == Progress::Inside;
        let n_held = self.transcoder.as_deref().filter(is_inside).map_or(0, |transcoder| transcoder.held().len());
        let understood = self.n_wire - n_held;
        let mut end = self.n_wire;
        let holds = |step: &&Step| std::mem::replace(&mut end, step.n_wire) > understood;
        self.steps.iter().rev().take_while(holds).count()
    }

    /// Up to here no veto reaches.
    fn settled(&self) -> usize {
        let mut settled = self.text.len();
        for (i, frame) in self.frames.iter().enumerate() {
            let watch = self.watch_of(frame.watch);
            if watch.is_some_and(|watch| watch.check.is_some()) {
                return settled.min(frame.start);
            }
            let is_last = i + 1 == self.frames.len();
            if watch.is_some_and(|watch| watch.is_unique) && !is_last {
                // The item that is open here must differ from the others when it is finished.
                return settled.min(self.frames[i + 1].start);
            }
        }
        match self.state {
            State::InString { start, is_key: true, .. } => settled = settled.min(start),
            State::InString { start, is_key: false, .. } | State::InWord { start } if self.is_judged_at_end() => {
                settled = settled.min(start);
            }
            _ => {}
        }
        settled
    }

    /// Whether the value that is open now is judged when it is finished.
    fn is_judged_at_end(&self) -> bool {
        let is_item_of_unique = self
            .frames
            .last()
            .is_some_and(|frame| !frame.is_object && self.watch_of(frame.watch).is_some_and(|watch| watch.is_unique));
        let watch = self.watch_of(self.next_watch());
        // Why: a string that is too short, or grew too long, may have to take another way.
        is_item_of_unique
            || watch.is_some_and(|watch| watch.check.is_some() || watch.length.is_some_and(|length| !length.is_all))
    }

    fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::Pushed => {
                self.frames.pop();
            }
            Undo::Popped(frame) => self.frames.push(frame),
            Undo::Began { is_first } => {
                self.watches = None;
                self.has_begun = !is_first;
            }
            Undo::AnswerAt => self.answer_at = None,
            Undo::Ended(watches) => self.watches = watches,
            Undo::Transcoder(transcoder) => self.transcoder = transcoder,
            Undo::Grown(grown) => self.transcoder.iter_mut().for_each(|transcoder| transcoder.shrink(grown)),
            Undo::Seen(_) | Undo::Counted | Undo::ValueWatch(_) => {
                let frame = self.frames.last_mut().expect("it was there when this was logged");
                match undo {
                    Undo::Seen(text) => {
                        frame.seen.remove(&text);
                    }
                    Undo::Counted => frame.n_items -= 1,
                    Undo::ValueWatch(watch) => frame.value_watch = watch,
                    _ => unreachable!("matched above"),
                }
            }
        }
    }

    fn byte(&mut self, byte: u8) -> Result<(), Veto> {
        self.text.push(byte);
        let at = self.text.len() - 1;
        match self.state {
            State::Outside => return self.outside(),
            State::InString { start, is_key, n_chars, escape } => {
                if escape == Escape::No && byte == b'"' {
                    self.state = State::Between;
                    return if is_key {
                        self.finish_key(start)
                    } else {
                        self.judge_length(|length| n_chars < length.min)?;
                        self.finish_value(start)
                    };
                }
                let (escape, is_char) = escape.next(byte);
                let n_chars = n_chars + u64::from(is_char);
                self.state = State::InString { start, is_key, n_chars, escape };
                if is_char && !is_key {
                    return self.judge_length(|length| length.max.is_some_and(|max| n_chars > max));
                }
            }
            State::InWord { start } => {
                let is_over = match (&self.places.structure, self.frames.is_empty()) {
                    (Some(_), true) => !goes_on(&self.text[start..at], byte),
                    _ => matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r' | b'<') || !byte.is_ascii(),
                };
                if is_over {
                    self.text.pop();
                    self.state = State::Between;
                    self.finish_value(start)?;
                    if self.state == State::Outside {
                        return self.byte(byte);
                    }
                    self.text.push(byte);
                    return self.between(byte);
                }
            }
            State::BeforeValue | State::BeforeKey => return self.before(byte, at),
            State::Between => return self.between(byte),
        }
        Ok(())
    }

    fn before(&mut self, byte: u8, at: usize) -> Result<(), Veto> {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => {}
            b'"' => {
                let is_key = self.state == State::BeforeKey;
                self.state = State::InString { start: at, is_key, n_chars: 0, escape: Escape::No };
            }
            b'{' | b'[' if self.frames.len() >= MAX_NESTING => return Err(Veto::Depth),
            b'{' | b'[' => self.open(byte == b'{', at),
            b'}' | b']' => return self.close(),
            _ => self.state = State::InWord { start: at },
        }
        Ok(())
    }

    fn between(&mut self, byte: u8) -> Result<(), Veto> {
        match byte {
            b',' => {
                let Some(frame) = self.frames.last() else { return Ok(()) };
                let (is_object, n_items, watch) = (frame.is_object, frame.n_items, frame.watch);
                let bounds = self.watch_of(watch).and_then(|watch| watch.bounds(is_object));
                if bounds.and_then(|(_, max)| max).is_some_and(|max| n_items >= max) {
                    return Err(if is_object { Veto::KeyCount } else { Veto::ItemCount });
                }
                self.state = if is_object { State::BeforeKey } else { State::BeforeValue };
            }
            b':' => self.state = State::BeforeValue,
            b'}' | b']' => return self.close(),
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, is_object: bool, start: usize) {
        let frame = Container {
            is_object,
            watch: self.next_watch(),
            start,
            n_items: 0,
            seen: HashSet::new(),
            value_watch: None,
        };
        self.frames.push(frame);
        self.log.push(Undo::Pushed);
        self.state = if is_object { State::BeforeKey } else { State::BeforeValue };
    }

    fn close(&mut self) -> Result<(), Veto> {
        let Some(frame) = self.frames.last() else { return Ok(()) };
        let (start, n_items, is_object) = (frame.start, frame.n_items, frame.is_object);
        let watch = self.watch_of(frame.watch);
        let bounds = watch.and_then(|watch| watch.bounds(is_object));
        if bounds.is_some_and(|(min, max)| n_items < min || max.is_some_and(|max| n_items > max)) {
            return Err(if is_object { Veto::KeyCount } else { Veto::ItemCount });
        }
        if is_object && watch.is_some_and(|watch| watch.required.iter().any(|key| !frame.seen.contains(key))) {
            return Err(Veto::MissingKey);
        }
        let frame = self.frames.pop().expect("it was just looked at");
        self.log.push(Undo::Popped(frame));
        self.state = State::Between;
        self.finish_value(start)
    }

    fn watch_of(&self, id: Option<WatchId>) -> Option<&super::watch::Watch> {
        self.watches.as_ref()?.get(id)
    }

    /// The watch of the value that begins here.
    fn next_watch(&self) -> Option<WatchId> {
        let watches = self.watches.as_ref()?;
        let Some(frame) = self.frames.last() else { return watches.root };
        if frame.is_object {
            return frame.value_watch;
        }
        let watch = watches.get(frame.watch)?;
        let index = usize::try_from(frame.n_items).unwrap_or(usize::MAX);
        watch.prefix.get(index).copied().unwrap_or(watch.items)
    }

    fn judge_length(&self, is_wrong: impl Fn(Length) -> bool) -> Result<(), Veto> {
        // Why: most strings have no watch at all.
        let bounds = self.watch_of(self.next_watch()).and_then(|watch| watch.length);
        if bounds.is_some_and(is_wrong) { Err(Veto::Length) } else { Ok(()) }
    }

    /// How many characters the string or text that is open here may still get, where that is the guard's to say.
    #[must_use]
    pub fn room(&self) -> Option<u64> {
        if let Some(room) = self.room_in_part() {
            return Some(room as u64);
        }
        let State::InString { is_key: false, n_chars, .. } = self.state else { return None };
        let max = self.watch_of(self.next_watch())?.length?.max?;
        Some(max.saturating_sub(n_chars))
    }

    /// Whether `bytes` keep the open string or text within its length.
    #[must_use]
    pub fn fits(&self, bytes: &[u8]) -> bool {
        if let Some((structure, answer, position)) = self.in_parts() {
            return structure.fits(position, answer, bytes);
        }
        let mut json = Vec::new();
        let bytes = match self.transcoder.clone() {
            None => bytes,
            Some(mut transcoder) => {
                bytes.iter().for_each(|byte| transcoder.push(*byte, &mut json));
                &json
            }
        };
        let (State::InString { mut escape, .. }, Some(mut room)) = (self.state, self.room()) else {
            return true;
        };
        for byte in bytes {
            if escape == Escape::No && *byte == b'"' {
                return true;
            }
            let (next, is_char) = escape.next(*byte);
            escape = next;
            match room.checked_sub(u64::from(is_char)) {
                Some(left) => room = left,
                None => return false,
            }
        }
        true
    }

    fn finish_key(&mut self, start: usize) -> Result<(), Veto> {
        let key = match serde_json::from_slice::<String>(&self.text[start..]) {
            Ok(key) => key,
            // Why: the mask lets nothing else pass; the bytes themselves still tell keys apart.
            Err(_) => String::from_utf8_lossy(&self.text[start..]).into_owned(),
        };
        let Some(frame) = self.frames.last() else { return Ok(()) };
        if frame.seen.contains(&key) {
            return Err(Veto::DuplicateKey);
        }
        let watch = self.watch_of(frame.watch);
        let next = watch.and_then(|watch| watch.properties.get(&key).copied().unwrap_or(watch.others));
        let frame = self.frames.last_mut().expect("it was just looked at");
        self.log.push(Undo::ValueWatch(frame.value_watch));
        frame.value_watch = next;
        frame.seen.insert(key.clone());
        self.log.push(Undo::Seen(key));
        Ok(())
    }

    fn finish_value(&mut self, start: usize) -> Result<(), Veto> {
        let watch = self.next_watch();
        let (check, is_unique) = (
            self.watch_of(watch).and_then(|watch| watch.check.clone()),
            self.frames.last().is_some_and(|frame| {
                !frame.is_object && self.watch_of(frame.watch).is_some_and(|watch| watch.is_unique)
            }),
        );
        if check.is_some() || is_unique {
            let text = String::from_utf8_lossy(&self.text[start..]).into_owned();
            match check.map(|check| check.judge(&text)) {
                Some(Err(_)) => return Err(Veto::Schema),
                Some(Ok(value)) if is_unique => self.distinct(&value)?,
                None => {
                    let value = super::check::parse(&text).unwrap_or(Value::String(text));
                    self.distinct(&value)?;
                }
                Some(Ok(_)) => {}
            }
        }
        match self.frames.last_mut() {
            Some(frame) => {
                frame.n_items += 1;
                self.log.push(Undo::Counted);
            }
            None => {
                let ended = self.watches.take();
                self.log.push(Undo::Ended(ended));
                self.state = State::Outside;
            }
        }
        Ok(())
    }

    fn distinct(&mut self, value: &Value) -> Result<(), Veto> {
        let mut text = String::new();
        write_plain(value, &mut text);
        let frame = self.frames.last_mut().expect("items stand in an array");
        if !frame.seen.insert(text.clone()) {
            return Err(Veto::DuplicateItem);
        }
        self.log.push(Undo::Seen(text));
        Ok(())
    }
}
