//! Takes an answer apart as it grows: bytes in, deltas out.
//!
//! Held back: partial characters, text that may be the beginning of a marker or of a stop string, whitespace around
//! thinking; nothing else. The deltas of an answer, put together, do not depend on where its bytes were cut.

use super::delta::{Delta, SplitError, SplitOptions};
use super::scan::{Json, longest_beginning, plain};
use crate::guard::{Bit, Frame, Preamble, Stage, find};
use crate::tools::format::Ids;

/// Where in the answer we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Where the model may have begun to think.
    Start,
    Thinking,
    Content,
    /// Before a part of a call's frame.
    Frame(Part, usize),
    Arguments(Json),
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
    name: String,
    id: Option<String>,
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
            options,
            frames,
            place,
            partial: Vec::new(),
            pending: Vec::new(),
            n_calls: 0,
            is_text: false,
            trims: place == Place::Thinking,
            name: String::new(),
            id: None,
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

    /// Ends the answer: what was held back is content after all.
    ///
    /// # Errors
    /// If the answer breaks the format of tool calls.
    pub fn finish(&mut self) -> Result<Vec<Delta>, SplitError> {
        // What breaks off around arguments is shown to nobody.
        let is_text = !matches!(self.place, Place::Frame(..) | Place::AfterCall | Place::Over);
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
        let mut deltas = Vec::new();
        while !self.pending.is_empty() || matches!(self.place, Place::Frame(..)) {
            if std::mem::take(&mut self.trims) {
                let n_white = self.pending.len() - self.pending.trim_ascii_start().len();
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
                Place::Frame(part, bit) => self.frame(part, bit, &mut deltas)?,
                Place::Arguments(json) => self.arguments(json, &mut deltas),
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
                let n_open = preamble.open.as_ref().map_or(0, Vec::len);
                self.pending.drain(..n_open);
                self.place = Place::Thinking;
                self.trims = true;
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
            self.trims = true;
        }
        found.is_some()
    }

    /// Emits content up to a marker, a stop string, or what may become one.
    fn content(&mut self, is_end: bool, deltas: &mut Vec<Delta>) -> bool {
        let mut open = self.options.format.as_ref().map(|f| f.marker.as_slice());
        let before = &self.options.around.0;
        if !self.is_text && !before.is_empty() {
            if self.pending.starts_with(before) {
                self.pending.drain(..before.len());
                self.is_text = true;
                return true;
            }
            if before.starts_with(&self.pending) && !is_end {
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
        let stops = self.options.stop.iter().map(|s| (s.as_bytes(), s.len(), Place::Stopped));
        let calls = open.iter().map(|marker| (*marker, 0, Place::Frame(Part::First, 0)));
        let behind = Some(&self.options.around.1).filter(|behind| !behind.is_empty());
        let behind = behind.map(|behind| (behind.as_slice(), behind.len(), Place::Over));
        let marks: Vec<(&[u8], usize, Place)> = stops.chain(calls).chain(behind).collect();
        let found = marks
            .iter()
            .filter_map(|(mark, n, place)| find(&self.pending, mark).map(|at| (at, *n, *place)))
            .min_by_key(|(at, _, _)| *at);
        let (n_content, n_mark, place) = match found {
            Some(found) => found,
            None if is_end => (self.pending.len(), 0, Place::Content),
            None => {
                (self.pending.len() - longest_beginning(&self.pending, marks.iter().map(|m| m.0)), 0, Place::Content)
            }
        };
        let content = plain(&self.pending[..n_content]);
        self.pending.drain(..n_content + n_mark);
        if !content.is_empty() {
            deltas.push(Delta::Content(content));
        }
        self.place = place;
        found.is_some()
    }

    /// Reads the next part of what stands around arguments.
    fn frame(&mut self, part: Part, bit_idx: usize, deltas: &mut Vec<Delta>) -> Result<bool, SplitError> {
        let (Some(format), Some(frames)) = (&self.options.format, &self.frames) else { return Ok(false) };
        let frame = match part {
            Part::First => &frames.first,
            Part::Next => &frames.next,
            Part::Tail => &format.tail,
        };
        let Some(bit) = frame.0.get(bit_idx) else {
            if part == Part::Tail {
                self.place = Place::AfterCall;
                return Ok(true);
            }
            let (name, id) = (std::mem::take(&mut self.name), self.id.take());
            deltas.push(Delta::CallStart { index: self.n_calls, id, name });
            self.place = Place::Arguments(Json::default());
            return Ok(true);
        };
        let n_taken = match bit {
            Bit::Bytes(bytes) if self.pending.starts_with(bytes) => bytes.len(),
            Bit::Bytes(bytes) if bytes.starts_with(&self.pending) => return Ok(false),
            Bit::Bytes(_) => return Err(self.broken()),
            Bit::Name | Bit::Id | Bit::Index => match bit.n_taken(&self.pending) {
                // Why: more of it may come.
                n if n == self.pending.len() => return Ok(false),
                0 => return Err(self.broken()),
                n => n,
            },
        };
        let text = String::from_utf8_lossy(&self.pending[..n_taken]).into_owned();
        match (bit, format.family.ids) {
            (Bit::Name, _) => self.name = text,
            (Bit::Id, _) => self.id = Some(text),
            (Bit::Index, Ids::Functions) => self.id = Some(format!("functions.{}:{text}", self.name)),
            (Bit::Index | Bit::Bytes(_), _) => {}
        }
        self.pending.drain(..n_taken);
        self.place = Place::Frame(part, bit_idx + 1);
        Ok(true)
    }

    fn arguments(&mut self, mut json: Json, deltas: &mut Vec<Delta>) -> bool {
        let end = self.pending.iter().position(|byte| json.takes(*byte)).map(|at| at + 1);
        let rest = self.pending.split_off(end.unwrap_or(self.pending.len()));
        let fragment = plain(&std::mem::replace(&mut self.pending, rest));
        deltas.push(Delta::CallArguments { index: self.n_calls, fragment });
        self.place = if end.is_some() { Place::Frame(Part::Tail, 0) } else { Place::Arguments(json) };
        if end.is_some() {
            self.n_calls += 1;
        }
        end.is_some()
    }

    /// Finds out whether another call follows.
    fn after_call(&mut self) -> Result<bool, SplitError> {
        let (Some(format), Some(frames)) = (&self.options.format, &self.frames) else { return Ok(false) };
        let (end, next) = (format.end.start(), frames.next.start());
        if !end.is_empty() && self.pending.starts_with(end) {
            self.pending.drain(..end.len());
            self.place = Place::Over;
            return Ok(true);
        }
        if self.pending.starts_with(next) {
            self.place = Place::Frame(Part::Next, 0);
            return Ok(true);
        }
        let may_become = |what: &[u8]| what.starts_with(&self.pending);
        if may_become(end) || may_become(next) { Ok(false) } else { Err(self.broken()) }
    }

    fn broken(&self) -> SplitError {
        let format = self.options.format.as_ref().map_or_else(|| "text".to_owned(), |f| f.family.name.clone());
        SplitError { format, at: String::from_utf8_lossy(&self.pending).chars().take(80).collect() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::chat::Said;
    use crate::tools::format::{Family, ToolFormat};
    use proptest::prelude::*;

    fn hermes() -> Option<Arc<ToolFormat>> {
        let vocab = crate::engine::fake_vocab().expect("a vocabulary");
        Some(Arc::new(ToolFormat::new(Family::generic(), &vocab)))
    }

    fn whole(options: SplitOptions, chunks: &[&[u8]]) -> (Said, bool) {
        let mut split = Split::new(options);
        let mut deltas = Vec::new();
        for chunk in chunks {
            deltas.extend(split.push(chunk).expect("well formed"));
        }
        deltas.extend(split.finish().expect("well formed"));
        (deltas.iter().collect(), split.is_stopped())
    }

    fn split(chunks: &[&[u8]], stop: &[&str]) -> (String, Vec<(String, String)>, bool) {
        let stop = stop.iter().map(|s| (*s).to_owned()).collect();
        let options = SplitOptions { format: hermes(), calls_follow_text: true, stop, ..SplitOptions::default() };
        let (said, is_stopped) = whole(options, chunks);
        (said.content, said.calls.into_iter().map(|call| (call.name, call.arguments)).collect(), is_stopped)
    }

    const TEXT: &str = "É <tool <tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"}\\\"{\", \"b\": [{}]}}\n</tool_call>\n<tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call>";

    #[test]
    fn finds_content_and_calls() {
        let (content, calls, stopped) = split(&[TEXT.as_bytes()], &[]);
        assert_eq!(content, "É <tool ");
        let expected = [("f", "{\"a\": \"}\\\"{\", \"b\": [{}]}"), ("g", "{}")];
        assert_eq!(calls, expected.map(|(n, a)| (n.to_owned(), a.to_owned())));
        assert!(!stopped);
    }

    #[test]
    fn stops_before_the_stop_string() {
        assert_eq!(split(&[b"one tw", b"o three"], &["two", "three"]), ("one ".into(), vec![], true));
        assert_eq!(split(&[b"one tw"], &["two"]), ("one tw".into(), vec![], false));
    }

    #[test]
    fn text_that_no_call_may_follow_may_hold_the_marker() {
        let options = SplitOptions { format: hermes(), ..SplitOptions::default() };
        for (chunks, content, n_calls) in [
            (&["{\"a\": \"<tool", "_call>w\"}"][..], "{\"a\": \"<tool_call>w\"}", 0),
            (&["<tool", "_call>\n{\"name\": \"f\", \"arguments\": {}", "}\n</tool_call>"], "", 1),
            (&["<too", "l"], "<tool", 0),
        ] {
            let mut split = Split::new(options.clone());
            let mut deltas: Vec<Delta> = Vec::new();
            chunks.iter().for_each(|chunk| deltas.extend(split.push(chunk.as_bytes()).expect("well formed")));
            deltas.extend(split.finish().expect("well formed"));
            let text: String = deltas
                .iter()
                .filter_map(|d| if let Delta::Content(text) = d { Some(text.as_str()) } else { None })
                .collect();
            let started = deltas.iter().filter(|d| matches!(d, Delta::CallStart { .. })).count();
            assert_eq!((text.as_str(), started), (content, n_calls), "{chunks:?}");
        }
    }

    #[test]
    fn broken_formats_are_errors() {
        let mut split =
            Split::new(SplitOptions { format: hermes(), calls_follow_text: true, ..SplitOptions::default() });
        assert!(split.push(b"<tool_call>{\"nome\"").is_err());
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(text in prop_oneof![Just(TEXT.as_bytes().to_vec()), prop::collection::vec(any::<u8>(), 0..40), "(a|b|ab|é){0,20}".prop_map(String::into_bytes)],
                              cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12)) {
            prop_assume!(text.as_slice() == TEXT.as_bytes() || !text.windows(11).any(|w| w == b"<tool_call>"));
            let mut at: Vec<usize> = cuts.iter().map(|c| c.index(text.len() + 1)).collect();
            at.extend([0, text.len()]);
            at.sort_unstable();
            let chunks: Vec<&[u8]> = at.windows(2).map(|w| &text[w[0]..w[1]]).collect();
            prop_assert_eq!(split(&chunks, &["bab"]), split(&[text.as_slice()], &["bab"]));
        }
    }
}
