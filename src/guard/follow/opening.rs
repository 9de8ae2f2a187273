//! Where JSON begins in an answer, and bytes that are not JSON on their way to it.

use std::sync::Arc;

use super::undo::Undo;
use super::{Follower, State};
use crate::guard::encoding::Encoding;
use crate::guard::frame::{Fill, Frame, Preamble, Stage};
use crate::guard::structure::{Position, Step, Structure};
use crate::guard::transcode::{Progress, Transcoder};
use crate::guard::veto::Veto;
use crate::guard::watch::Watches;

/// Where the JSON of an answer begins.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// What may stand before all that; no JSON of the answer is in it.
    pub preamble: Option<Preamble>,
    /// The answer is JSON from its first byte, unless it begins with one of the texts of `after`.
    pub start: Option<Arc<Watches>>,
    /// JSON begins after these texts.
    pub after: Vec<Opening>,
    /// Whether the first of them stands before all text, with whitespace or this before it at most.
    pub only_first: Option<Vec<u8>>,
    /// JSON begins where this says; then nothing of the above.
    pub structure: Option<Structured>,
}

/// An answer of several parts.
#[derive(Clone, Debug)]
pub struct Structured {
    /// Where they stand.
    pub structure: Arc<Structure>,
    /// What is looked at in the JSON of each of its schemas.
    pub watches: Vec<Arc<Watches>>,
    /// The bytes before it that belong to no part.
    pub n_before: usize,
}

/// A text after which JSON begins.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The text.
    pub head: Frame,
    /// The same for the first that begins, with what only stands before that: text before it may hold the like of a
    /// head.
    pub first: Frame,
    /// What is looked at in the JSON.
    pub watches: Arc<Watches>,
    /// How the JSON is written, where it is not written as such.
    pub encoding: Option<Arc<Encoding>>,
}

/// Bytes of a control token: 0xFF and its number in brackets.
const MAX_CONTROL_BYTES: usize = 13;

/// Whitespace that a head may begin with.
const MAX_GAP: usize = 8;

impl Places {
    /// Whether there is nothing to guard anywhere.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let of_structure = self.structure.iter().flat_map(|structured| &structured.watches);
        let of_calls = self.after.iter().map(|opening| &opening.watches);
        let mut texts = self.structure.iter().flat_map(|structured| &structured.structure.texts);
        self.start.iter().chain(of_calls).chain(of_structure).all(|watches| watches.is_idle())
            && texts.all(|text| text.max_chars.is_none())
    }
}

/// Whether `head` is all of `text`, but for whitespace before it, and `lead`.
fn is_all(head: &Frame, lead: &[u8], text: &[u8]) -> bool {
    let text = text.strip_prefix(lead).unwrap_or(text);
    let n_gap = text.len() - text.trim_ascii_start().len();
    // Why several: a head may begin with whitespace itself.
    (n_gap.saturating_sub(MAX_GAP)..=n_gap).any(|at| head.fill(&text[at..]) == Fill::Whole(text.len() - at))
}

impl Follower {
    /// Takes a byte of a token: of the answer's text, or of arguments in another form.
    pub(super) fn wire_byte(&mut self, byte: u8) -> Result<(), Veto> {
        self.n_wire += 1;
        self.transcode(byte)
    }

    fn transcode(&mut self, byte: u8) -> Result<(), Veto> {
        let Some(transcoder) = &mut self.transcoder else { return self.byte(byte) };
        let mut json = Vec::new();
        transcoder.push(byte, &mut json);
        if transcoder.progress() == Progress::Broken {
            // The mask lets nothing of that pass but an element that is closed by another name.
            return Err(Veto::Schema);
        }
        let behind = if transcoder.progress() == Progress::Over { transcoder.held().to_vec() } else { Vec::new() };
        let is_over = !behind.is_empty();
        json.into_iter().try_for_each(|byte| self.byte(byte))?;
        if is_over {
            self.transcoder = None;
            if self.places.structure.is_some() {
                return behind.into_iter().try_for_each(|byte| self.transcode(byte));
            }
            self.text.extend_from_slice(&behind);
        }
        Ok(())
    }

    /// Reads what comes as `encoding` has it.
    fn read_as(&mut self, encoding: &Encoding) -> Result<(), Veto> {
        let mut json = Vec::new();
        self.log.push(Undo::Transcoder(self.transcoder.take()));
        self.transcoder = Some(Box::new(Transcoder::new(encoding, &mut json)));
        json.into_iter().try_for_each(|byte| self.byte(byte))
    }

    /// Ends a value of a part that is not written as JSON, and may have nothing behind it.
    pub(super) fn end_in_part(&mut self) -> Result<(), Veto> {
        let places = Arc::clone(&self.places);
        let Some(Structured { structure, watches, .. }) = &places.structure else { return Ok(()) };
        if self.transcoder.is_some() {
            self.log.push(Undo::Transcoder(self.transcoder.clone()));
        } else if let Some((_, _, Position::Node(node))) = self.in_parts()
            && let Some((value, next)) = structure.may_be_empty(node)
            && let Some(encoding) = structure.encoding(value)
        {
            self.position = Position::Node(next);
            self.begin(&watches[value]);
            self.read_as(encoding)?;
        }
        let Some(transcoder) = &mut self.transcoder else { return Ok(()) };
        let mut json = Vec::new();
        if !transcoder.finish(&mut json) {
            return Err(Veto::Schema);
        }
        json.into_iter().try_for_each(|byte| self.byte(byte))
    }

    /// Looks for a text after which JSON begins.
    pub(super) fn outside(&mut self) -> Result<(), Veto> {
        let places = Arc::clone(&self.places);
        let known = self.answer_at;
        let Some(answer_at) = known.or_else(|| self.look_for_answer(&places)) else { return Ok(()) };
        if let Some(structured) = &places.structure {
            if known.is_some() {
                return self.in_structure(structured, answer_at);
            }
            // Why: what looked like a preamble and is none has not been followed.
            let behind = self.text.split_off(answer_at);
            self.log.push(Undo::Text(answer_at, behind.clone()));
            return behind.iter().try_for_each(|byte| self.transcode(*byte));
        }
        if let Some(start) = &places.start
            && let text = self.text[answer_at..].trim_ascii_start()
            && let Some(first) = text.first().copied()
            && self.log.iter().all(|undo| matches!(undo, Undo::AnswerAt))
        {
            // Why: no marker of calls that may stand in place of JSON begins as JSON does.
            let is_marker = places.after.iter().any(|opening| opening.head.start().first() == Some(&first));
            if !is_marker && text.len() == 1 {
                let at = self.text.len() - 1;
                self.begin(start);
                return self.before(first, at);
            }
        }
        let answer = &self.text[answer_at..];
        let (before, last) = answer.split_at(answer.len().saturating_sub(1));
        let has_begun = self.has_begun;
        let ends = |opening: &&Opening| {
            let head = if has_begun { &opening.head } else { &opening.first };
            let is_it = |text: &[u8]| match &places.only_first {
                // Why: what looks like a call in an answer that is text is text.
                Some(lead) if !has_begun => is_all(head, lead, text),
                _ => head.ends(text),
            };
            match head.ends_in_name() {
                false => is_it(answer),
                // Why: the name may go on, and be another tool's.
                true => Frame::ends_name(last) && is_it(before),
            }
        };
        let Some(opening) = places.after.iter().find(ends) else { return Ok(()) };
        let goes_on = if opening.head.ends_in_name() { self.text.pop() } else { None };
        self.begin(&opening.watches);
        if let Some(encoding) = &opening.encoding {
            self.read_as(encoding)?;
        }
        goes_on.map_or(Ok(()), |byte| self.transcode(byte))
    }

    /// Goes on in an answer of several parts, which begins at `answer_at`, with the last byte.
    fn in_structure(&mut self, structured: &Structured, answer_at: usize) -> Result<(), Veto> {
        let Structured { structure, watches, n_before } = structured;
        let at = self.text.len() - 1;
        if at < answer_at + n_before {
            return Ok(());
        }
        // A control token: what ends the text, or the answer.
        let is_control =
            self.text[answer_at + n_before..].iter().rev().take(MAX_CONTROL_BYTES).any(|byte| *byte == 0xFF);
        // Why not at an empty value: it ends there, and may not be allowed to.
        if is_control && !matches!(self.position, Position::Node(node) if structure.may_be_empty(node).is_some()) {
            return Ok(());
        }
        match structure.step(self.position, &self.text[answer_at + n_before..]) {
            Step::To(position) => self.position = position,
            Step::Ends { next, .. } => self.position = Position::Node(next),
            Step::Value { value, next } => {
                self.position = Position::Node(next);
                self.begin(&watches[value]);
                let byte = self.text[at];
                let Some(encoding) = structure.encoding(value) else { return self.before(byte, at) };
                self.text.pop();
                self.read_as(encoding)?;
                return self.transcode(byte);
            }
            // The mask lets nothing pass that is not too long.
            Step::Not => return Err(Veto::Length),
        }
        Ok(())
    }

    /// The answer of several parts, as far as it is there, and where in it that ends; nothing in JSON.
    pub(super) fn in_parts(&self) -> Option<(&Structure, &[u8], Position)> {
        let Structured { structure, n_before, .. } = self.places.structure.as_ref()?;
        if self.state != State::Outside {
            return None;
        }
        if let Some(answer_at) = self.answer_at {
            return Some((structure, self.text.get(answer_at + n_before..)?, self.position));
        }
        // What may yet become a preamble may also be the answer.
        let open = self.places.preamble.as_ref()?.open.as_ref()?;
        let answer = self.text.get(*n_before..).filter(|_| open.starts_with(&self.text))?;
        Some((structure, answer, structure.walk(answer, |_| ())?))
    }

    /// How many characters the text of a part may still get, if it has a bound.
    pub(super) fn room_in_part(&self) -> Option<usize> {
        let (structure, answer, position) = self.in_parts()?;
        let (id, start) = structure.text_at(position, answer.len())?;
        structure.texts[id].room(&answer[start..])
    }

    /// Whether the preamble has ended, or turned out to be none.
    fn look_for_answer(&mut self, places: &Places) -> Option<usize> {
        let preamble = places.preamble.as_ref()?;
        let may_end = self.text.ends_with(&preamble.close);
        let may_be_none = preamble.open.as_ref().is_some_and(|open| self.text.len() <= open.len());
        if !may_end && !may_be_none {
            return None;
        }
        let Stage::Answer(at) = preamble.stage(&self.text) else { return None };
        self.answer_at = Some(at);
        self.log.push(Undo::AnswerAt);
        Some(at)
    }

    fn begin(&mut self, watches: &Arc<Watches>) {
        self.watches = Some(Arc::clone(watches));
        self.log.push(Undo::Began { is_first: !self.has_begun });
        self.has_begun = true;
        self.state = State::BeforeValue;
    }
}
