//! Takes an answer apart as it grows: bytes in, deltas out.
//!
//! Held back: partial characters, and text that may be the beginning of a marker or of a stop string; nothing else. The
//! deltas of an answer, put together, do not depend on where its bytes were cut.

use crate::tools::format::ToolFormat;

/// What of an answer became known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delta {
    /// Text for the user.
    Content(String),
    /// A tool call begins.
    CallStart {
        /// Which call of the answer, from 0.
        index: usize,
        /// The tool's name.
        name: String,
    },
    /// A piece of a call's arguments, as JSON text.
    CallArguments {
        /// Which call of the answer, from 0.
        index: usize,
        /// The piece.
        fragment: String,
    },
}

/// How an answer is taken apart.
#[derive(Clone, Debug, Default)]
pub struct SplitOptions {
    /// The format of tool calls; without it, all is content.
    pub format: Option<ToolFormat>,
    /// Whether calls may follow text. Where they may not, an answer that does not begin with a call is content to its
    /// end, even if it holds the marker of one: a string in JSON may.
    pub calls_follow_text: bool,
    /// Texts at which content ends; never part of it.
    pub stop: Vec<String>,
}

/// An answer that breaks its own format: the grammar was not applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer breaks the format '{format}' at {at:?}")]
pub struct SplitError {
    /// The format's name.
    pub format: &'static str,
    /// The text from the fault on.
    pub at: String,
}

/// Where in the answer we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Content,
    /// After the marker, before the name.
    Head,
    Name,
    Arguments(Json),
    /// After the arguments, within the call or between two.
    Tail,
    /// After a stop string.
    Stopped,
}

/// How far a JSON value has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Json {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

/// The parser of one answer.
#[derive(Debug)]
pub struct Split {
    options: SplitOptions,
    place: Place,
    /// Bytes that are not yet whole characters.
    partial: Vec<u8>,
    /// Text that was not yet understood.
    pending: String,
    n_calls: usize,
    /// Whether the answer has begun with something other than a call.
    is_text: bool,
}

impl Split {
    /// Starts an answer.
    #[must_use]
    pub fn new(options: SplitOptions) -> Self {
        Self { options, place: Place::Content, partial: Vec::new(), pending: String::new(), n_calls: 0, is_text: false }
    }

    /// Whether a stop string ended the answer.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.place == Place::Stopped
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

    /// Ends the answer: what was held back is content after all.
    ///
    /// # Errors
    /// If the answer breaks the format of tool calls.
    pub fn finish(&mut self) -> Result<Vec<Delta>, SplitError> {
        self.take_characters(true);
        self.drain(true)
    }

    /// Moves whole characters from `partial` to `pending`; bytes that can be none become U+FFFD.
    fn take_characters(&mut self, is_end: bool) {
        loop {
            match std::str::from_utf8(&self.partial) {
                Ok(text) => {
                    self.pending.push_str(text);
                    return self.partial.clear();
                }
                Err(error) => {
                    let n_valid = error.valid_up_to();
                    self.pending.push_str(&String::from_utf8_lossy(&self.partial[..n_valid]));
                    let n_broken = match error.error_len() {
                        Some(n) => n,
                        None if is_end => self.partial.len() - n_valid,
                        None => {
                            self.partial.drain(..n_valid);
                            return;
                        }
                    };
                    self.pending.push('\u{FFFD}');
                    self.partial.drain(..n_valid + n_broken);
                }
            }
        }
    }

    fn drain(&mut self, is_end: bool) -> Result<Vec<Delta>, SplitError> {
        let mut deltas = Vec::new();
        while !self.pending.is_empty() {
            let more = match self.place {
                Place::Content => self.content(is_end, &mut deltas),
                Place::Head => self.literal(|f| f.before_name, Place::Name)?,
                Place::Name => self.name(&mut deltas),
                Place::Arguments(json) => self.arguments(json, &mut deltas),
                Place::Tail => self.tail()?,
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

    /// Emits content up to a marker, a stop string, or what may become one.
    fn content(&mut self, is_end: bool, deltas: &mut Vec<Delta>) -> bool {
        let mut open = self.options.format.map(|f| f.open);
        if !self.options.calls_follow_text
            && let Some(marker) = open.take()
            && !self.is_text
        {
            if let Some(rest) = self.pending.strip_prefix(marker) {
                self.pending = rest.to_owned();
                self.place = Place::Head;
                return true;
            }
            if marker.starts_with(&self.pending) && !is_end {
                return false;
            }
            self.is_text = true;
        }
        let stops = self.options.stop.iter().map(|s| (s.as_str(), Place::Stopped));
        let marks: Vec<(&str, Place)> = stops.chain(open.map(|o| (o, Place::Head))).collect();
        let found = marks
            .iter()
            .filter_map(|(mark, place)| self.pending.find(mark).map(|at| (at, mark.len(), *place)))
            .min_by_key(|(at, _, _)| *at);
        let (n_content, n_mark, place) = match found {
            Some(found) => found,
            None if is_end => (self.pending.len(), 0, Place::Content),
            None => {
                (self.pending.len() - longest_beginning(&self.pending, marks.iter().map(|m| m.0)), 0, Place::Content)
            }
        };
        let rest = self.pending.split_off(n_content + n_mark);
        let mut content = std::mem::replace(&mut self.pending, rest);
        content.truncate(n_content);
        if !content.is_empty() {
            deltas.push(Delta::Content(content));
        }
        self.place = place;
        found.is_some()
    }

    /// Skips a text that must come next.
    fn literal(&mut self, of: fn(&ToolFormat) -> &'static str, then: Place) -> Result<bool, SplitError> {
        let literal = self.options.format.as_ref().map(of).unwrap_or_default();
        if let Some(rest) = self.pending.strip_prefix(literal) {
            self.pending = rest.to_owned();
            self.place = then;
            return Ok(true);
        }
        if literal.starts_with(&self.pending) {
            return Ok(false);
        }
        Err(self.broken())
    }

    fn name(&mut self, deltas: &mut Vec<Delta>) -> bool {
        let after = self.options.format.map(|f| f.after_name).unwrap_or_default();
        let Some(at) = self.pending.find(after) else { return false };
        let name = self.pending[..at].to_owned();
        self.pending.drain(..at + after.len());
        deltas.push(Delta::CallStart { index: self.n_calls, name });
        self.place = Place::Arguments(Json::default());
        true
    }

    fn arguments(&mut self, mut json: Json, deltas: &mut Vec<Delta>) -> bool {
        let end = self.pending.char_indices().find_map(|(at, c)| json.takes(c).then_some(at + c.len_utf8()));
        let rest = self.pending.split_off(end.unwrap_or(self.pending.len()));
        let fragment = std::mem::replace(&mut self.pending, rest);
        deltas.push(Delta::CallArguments { index: self.n_calls, fragment });
        self.place = if end.is_some() { Place::Tail } else { Place::Arguments(json) };
        if end.is_some() {
            self.n_calls += 1;
        }
        end.is_some()
    }

    /// Skips the end of the call, and what leads to the next.
    fn tail(&mut self) -> Result<bool, SplitError> {
        let Some(format) = self.options.format else { return Ok(false) };
        let whole = format!("{}{}{}", format.close, format.separator, format.open);
        if let Some(rest) = self.pending.strip_prefix(&whole) {
            self.pending = rest.to_owned();
            self.place = Place::Head;
            return Ok(true);
        }
        if whole.starts_with(&self.pending) { Ok(false) } else { Err(self.broken()) }
    }

    fn broken(&self) -> SplitError {
        let format = self.options.format.map_or("text", |f| f.name);
        SplitError { format, at: self.pending.chars().take(80).collect() }
    }
}

impl Json {
    /// Takes a character of an object; true if it is the last.
    fn takes(&mut self, c: char) -> bool {
        if self.in_string {
            self.in_string = self.escaped || c != '"';
            self.escaped = !self.escaped && c == '\\';
            return false;
        }
        match c {
            '"' => self.in_string = true,
            '{' | '[' => self.depth += 1,
            '}' | ']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        matches!(c, '}' | ']') && self.depth == 0
    }
}

/// The length of the longest end of `text` that begins one of `marks`.
fn longest_beginning<'a>(text: &str, marks: impl Iterator<Item = &'a str>) -> usize {
    marks
        .flat_map(|mark| mark.char_indices().map(move |(n, _)| &mark[..n]))
        .filter(|beginning| text.ends_with(beginning))
        .map(str::len)
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::format::HERMES;
    use proptest::prelude::*;

    fn split(chunks: &[&[u8]], stop: &[&str]) -> (String, Vec<(String, String)>, bool) {
        let options = SplitOptions {
            format: Some(HERMES),
            calls_follow_text: true,
            stop: stop.iter().map(|s| (*s).to_owned()).collect(),
        };
        let mut split = Split::new(options);
        let mut deltas = Vec::new();
        for chunk in chunks {
            deltas.extend(split.push(chunk).expect("well formed"));
        }
        deltas.extend(split.finish().expect("well formed"));
        let (mut content, mut calls) = (String::new(), Vec::<(String, String)>::new());
        for delta in deltas {
            match delta {
                Delta::Content(text) => content.push_str(&text),
                Delta::CallStart { index, name } => {
                    assert_eq!(index, calls.len());
                    calls.push((name, String::new()));
                }
                Delta::CallArguments { index, fragment } => calls[index].1.push_str(&fragment),
            }
        }
        (content, calls, split.is_stopped())
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
        let options = SplitOptions { format: Some(HERMES), ..SplitOptions::default() };
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
        let mut split = Split::new(SplitOptions { format: Some(HERMES), calls_follow_text: true, stop: vec![] });
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
