//! Takes an answer apart as it grows: bytes in, deltas out.
//!
//! Held back: partial characters, text that may be the beginning of a marker or of a stop string, whitespace around
//! thinking and before what may be a call; nothing else. The deltas of an answer, put together, do not depend on where its bytes were cut.

mod calls;

use super::delta::{Delta, SplitError, SplitOptions};
use super::scan::{Json, longest_beginning, plain};
use super::wrapper::Unwrap;
use crate::grammar::Prose;
use crate::guard::{Frame, Preamble, Stage, Transcoder, behind_thought, find};

/// Bytes of whitespace between text and calls that are left out.
const MAX_PARTING: usize = 64;

/// Where in the answer we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Where the model may have begun to think.
    Start,
    Thinking,
    Content,
    /// Where nothing but calls may follow.
    BeforeCalls,
    /// Before a part of a call's frame.
    Frame(Part, usize),
    Arguments(Json),
    /// In arguments that are not written as JSON.
    Elements,
    /// After a call.
    AfterCall,
    /// After the last call.
    Over,
    /// After a stop string.
    Stopped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    First,
    Next,
    Tail,
}

/// The frames of a format, as they are read one after the other.
#[derive(Debug)]
struct Frames {
    first: Frame,
    next: Frame,
}

/// The parser of one answer.
#[derive(Debug)]
pub struct Split {
    options: SplitOptions,
    frames: Option<Frames>,
    place: Place,
    /// Bytes that are not yet whole characters.
    partial: Vec<u8>,
    /// What was not yet understood: whole characters, and control tokens as 0xFF and their id in brackets.
    pending: Vec<u8>,
    n_calls: usize,
    /// Whether the answer has begun with something other than a call.
    is_text: bool,
    /// Whether whitespace is left out before what follows.
    trims: bool,
    /// Whether its end is where tokens ran out.
    is_cut: bool,
    name: String,
    id: Option<String>,
    /// Reads arguments that are not written as JSON.
    transcoder: Option<Transcoder>,
    /// JSON of theirs that nobody was told of yet.
    translated: Vec<u8>,
    /// Leaves out the tags around content.
    unwrap: Option<Unwrap>,
}

impl Split {
    /// Starts an answer.
    #[must_use]
    pub fn new(options: SplitOptions) -> Self {
        let frames = options.format.as_ref().map(|f| Frames { first: f.opening(), next: f.between.then(&f.head) });
        let place = match &options.preamble {
            None => Place::Content,
            Some(Preamble { open: None, .. }) => Place::Thinking,
            Some(Preamble { open: Some(_), .. }) => Place::Start,
        };
        Self {
            frames,
            place,
            partial: Vec::new(),
            pending: Vec::new(),
            n_calls: 0,
            is_text: false,
            trims: place == Place::Thinking,
            is_cut: false,
            name: String::new(),
            id: None,
            transcoder: None,
            translated: Vec::new(),
            unwrap: options.wrapper.filter(|_| options.is_behind_thought).map(Unwrap::new),
            options,
        }
    }

    /// Whether a stop string ended the answer.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.place == Place::Stopped
    }

    /// Whether the model is thinking.
    #[must_use]
    pub fn is_thinking(&self) -> bool {
        self.place == Place::Thinking
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// If the answer breaks the format of tool calls.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Delta>, SplitError> {
        self.partial.extend_from_slice(bytes);
        self.take_characters(false);
        self.drain(false)
    }

    /// Takes a control token, as `Vocab::wire` has it.
    ///
    /// # Errors
    /// If the answer breaks the format of tool calls.
    pub fn push_control(&mut self, wire: &[u8]) -> Result<Vec<Delta>, SplitError> {
        self.take_characters(true);
        self.pending.extend_from_slice(wire);
        self.drain(false)
    }

    /// Ends the answer: what was held back is content after all; but what may have become a call is nothing where tokens
    /// ran out (`is_cut`).
    ///
    /// # Errors
    /// If the answer breaks the format of tool calls.
    pub fn finish(&mut self, is_cut: bool) -> Result<Vec<Delta>, SplitError> {
        self.is_cut = is_cut;
        // What breaks off around arguments is shown to nobody.
        let is_text = !matches!(
            self.place,
            Place::BeforeCalls | Place::Frame(..) | Place::Elements | Place::AfterCall | Place::Over
        );
        if is_text {
            self.take_characters(true);
        }
        self.drain(true)
    }

    /// Moves whole characters from `partial` to `pending`; bytes that can be none become U+FFFD.
    fn take_characters(&mut self, is_end: bool) {
        loop {
            match std::str::from_utf8(&self.partial) {
                Ok(text) => {
                    self.pending.extend_from_slice(text.as_bytes());
                    return self.partial.clear();
                }
                Err(error) => {
                    let n_valid = error.valid_up_to();
                    self.pending.extend_from_slice(&self.partial[..n_valid]);
                    let n_broken = match error.error_len() {
                        Some(n) => n,
                        None if is_end => self.partial.len() - n_valid,
                        None => {
                            self.partial.drain(..n_valid);
                            return;
                        }
                    };
                    self.pending.extend_from_slice("\u{FFFD}".as_bytes());
                    self.partial.drain(..n_valid + n_broken);
                }
            }
        }
    }

    fn drain(&mut self, is_end: bool) -> Result<Vec<Delta>, SplitError> {
        let deltas = self.drain_wrapped(is_end)?;
        let Some(unwrap) = &mut self.unwrap else { return Ok(deltas) };
        let mut unwrapped = Vec::with_capacity(deltas.len());
        let show = |text: String, unwrapped: &mut Vec<Delta>| {
            unwrapped.extend(Some(text).filter(|text| !text.is_empty()).map(Delta::Content));
        };
        for delta in deltas {
            match delta {
                Delta::Content(text) => show(unwrap.push(&text, false), &mut unwrapped),
                Delta::CallStart { .. } => {
                    show(unwrap.push("", true), &mut unwrapped);
                    unwrapped.push(delta);
                }
                Delta::Reasoning(_) | Delta::CallArguments { .. } => unwrapped.push(delta),
            }
        }
        if is_end || self.place == Place::Stopped {
            show(unwrap.push("", true), &mut unwrapped);
        }
        Ok(unwrapped)
    }

    fn drain_wrapped(&mut self, is_end: bool) -> Result<Vec<Delta>, SplitError> {
        let mut deltas = Vec::new();
        while !self.pending.is_empty() || matches!(self.place, Place::Frame(..)) {
            if std::mem::take(&mut self.trims) {
                let marker = self.options.format.as_ref().map_or(&b""[..], |format| &format.marker);
                let openings = [marker, self.options.around.0.as_slice()];
                let n_white = self.pending.len() - behind_thought(&self.pending, openings).len();
                self.pending.drain(..n_white);
                self.trims = self.pending.is_empty();
                if self.trims {
                    break;
                }
            }
            let more = match self.place {
                Place::Start => self.start(is_end),
                Place::Thinking => self.thinking(is_end, &mut deltas),
                Place::Content => self.content(is_end, &mut deltas),
                Place::BeforeCalls => self.before_calls()?,
                Place::Frame(part, bit) => self.frame(part, bit, &mut deltas)?,
                Place::Arguments(json) => self.arguments(json, &mut deltas),
                Place::Elements => self.elements(&mut deltas)?,
                Place::AfterCall => self.after_call()?,
                Place::Over if self.pending.trim_ascii().is_empty() => false,
                Place::Over => return Err(self.broken()),
                Place::Stopped => {
                    self.pending.clear();
                    false
                }
            };
            if !more {
                break;
            }
        }
        Ok(deltas)
    }

    /// Looks whether the model thinks first.
    fn start(&mut self, is_end: bool) -> bool {
        let Some(preamble) = &self.options.preamble else { return false };
        match preamble.stage(&self.pending) {
            Stage::Unclear if !is_end => return false,
            Stage::Unclear | Stage::Answer(0) => self.place = Place::Content,
            Stage::Inside | Stage::Answer(_) => {
                let is_skipped = preamble.may_skip && self.pending.starts_with(&preamble.close);
                let before = if is_skipped { Some(&preamble.close) } else { preamble.open.as_ref() };
                self.pending.drain(..before.map_or(0, Vec::len));
                self.place = if is_skipped { Place::Content } else { Place::Thinking };
                self.trims = !is_skipped || !self.options.keeps_spaces;
            }
        }
        true
    }

    fn thinking(&mut self, is_end: bool, deltas: &mut Vec<Delta>) -> bool {
        let close = self.options.preamble.as_ref().map_or(&[][..], |preamble| &preamble.close);
        let found = find(&self.pending, close);
        let n_text = found.unwrap_or(match is_end {
            true => self.pending.len(),
            false => self.pending.len() - longest_beginning(&self.pending, std::iter::once(close)),
        });
        let n_shown = self.pending[..n_text].trim_ascii_end().len();
        let reasoning = plain(&self.pending[..n_shown]);
        self.pending.drain(..found.map_or(n_shown, |at| at + close.len()));
        if !reasoning.is_empty() {
            deltas.push(Delta::Reasoning(reasoning));
        }
        if found.is_some() {
            self.place = Place::Content;
            // Why not without a thought: then the tag is the text's own.
            self.unwrap = self.options.wrapper.map(Unwrap::new);
            self.trims = !self.options.keeps_spaces;
        }
        found.is_some()
    }

    /// Emits content up to a marker, a stop string, or what may become one.
    fn content(&mut self, is_end: bool, deltas: &mut Vec<Delta>) -> bool {
        let mut open = self.options.format.as_ref().map(|f| f.marker.as_slice());
        let before = &self.options.around.0;
        let lead = self.options.format.as_ref().map(|f| f.lead.as_slice()).filter(|lead| !lead.is_empty());
        if !self.is_text && !before.is_empty() {
            // Why nothing: it breaks off in what stands before a text, a call or a thought.
            let thought = self.options.preamble.as_ref().and_then(|preamble| preamble.open.as_deref());
            let headers = [Some(before.as_slice()), open, thought, lead];
            if is_end && headers.into_iter().flatten().any(|header| header.starts_with(&self.pending)) {
                self.pending.clear();
                return false;
            }
            if self.pending.starts_with(before) {
                self.pending.drain(..before.len());
                self.is_text = true;
                return true;
            }
            if before.starts_with(&self.pending) && !is_end {
                return false;
            }
        }
        if let Some(lead) = lead.filter(|_| !self.is_text) {
            if self.pending.starts_with(lead) {
                self.pending.drain(..lead.len());
                self.place = Place::BeforeCalls;
                return true;
            }
            if lead.starts_with(&self.pending) && !is_end {
                return false;
            }
        }
        if !self.options.calls_follow_text
            && let Some(marker) = open.take()
            && !self.is_text
        {
            if self.pending.starts_with(marker) {
                self.place = Place::Frame(Part::First, 0);
                return true;
            }
            if marker.starts_with(&self.pending) && !is_end {
                return false;
            }
            self.is_text = true;
        }
        let calls = open.iter().map(|marker| (*marker, 0, Place::Frame(Part::First, 0)));
        let behind = Some(&self.options.around.1).filter(|behind| !behind.is_empty());
        let goes_on = self.options.format.as_ref().is_some_and(|format| format.family.prose() == Prose::Before);
        let next = if goes_on { Place::BeforeCalls } else { Place::Over };
        let behind = behind.map(|behind| (behind.as_slice(), behind.len(), next));
        let marks: Vec<(&[u8], usize, Place)> = calls.chain(behind).collect();
        let first = |marks: &[(&[u8], usize, Place)], text: &[u8]| {
            let found = marks.iter().filter_map(|(mark, n, place)| find(text, mark).map(|at| (at, *n, *place)));
            found.min_by_key(|(at, _, _)| *at)
        };
        let mark = first(&marks, &self.pending);
        let n_held = longest_beginning(&self.pending, marks.iter().map(|mark| mark.0));
        // Where text surely ends, or may: what ends it is no text, and no stop string is looked for there.
        let n_text = mark.map_or(self.pending.len() - n_held, |(at, _, _)| at);
        let stops: Vec<(&[u8], usize, Place)> =
            self.options.stop.iter().map(|s| (s.as_bytes(), s.len(), Place::Stopped)).collect();
        let is_all_text = is_end && !self.is_cut && mark.is_none();
        let stop = first(&stops, if is_all_text { &self.pending } else { &self.pending[..n_text] });
        let found = stop.or(mark);
        let n_all = self.pending.len();
        let n_held = n_held.max(longest_beginning(&self.pending, stops.iter().map(|stop| stop.0)));
        let (n_content, n_mark, place) = match found {
            Some(found) => found,
            // Why not shown: no text holds a token, so that is what would have closed it; and where tokens ran out in
            // what may be a call, nobody knows.
            None if is_end && (self.is_cut || self.pending[n_text..].contains(&0xFF)) => {
                (n_text, n_all - n_text, Place::Content)
            }
            None if is_end => (n_all, 0, Place::Content),
            None => (n_all - n_held, 0, Place::Content),
        };
        // Why not shown: it parts text and calls, and templates write it themselves.
        let parts = open.is_some() && if found.is_some() { matches!(place, Place::Frame(..)) } else { !is_end };
        let n_parting = if parts { parting(&self.pending[..n_content]) } else { 0 };
        let content = plain(&self.pending[..n_content - n_parting]);
        self.pending.drain(..if found.is_some() || is_end { n_content + n_mark } else { n_content - n_parting });
        if !content.is_empty() {
            deltas.push(Delta::Content(content));
        }
        self.place = place;
        found.is_some()
    }

    fn broken(&self) -> SplitError {
        let format = self.options.format.as_ref().map_or_else(|| "text".to_owned(), |f| f.family.name.clone());
        SplitError { format, at: String::from_utf8_lossy(&self.pending).chars().take(80).collect() }
    }
}

/// Whitespace at the end of `text` that is left out if a call follows.
fn parting(text: &[u8]) -> usize {
    (text.len() - text.trim_ascii_end().len()).min(MAX_PARTING)
}

#[cfg(test)]
mod tests;
