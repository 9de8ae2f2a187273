//! Reads calls: what stands around arguments, and the arguments.

use std::sync::Arc;

use super::{Part, Place, Split};
use crate::chat::delta::{Delta, SplitError};
use crate::chat::scan::{Json, plain};
use crate::guard::{Bit, Encoding, Progress, Transcoder};
use crate::tools::format::Ids;

impl Split {
    /// Waits for the first call, where nothing else may follow.
    pub(super) fn before_calls(&mut self) -> Result<bool, SplitError> {
        let marker = self.options.format.as_ref().map_or(&b""[..], |format| &format.marker);
        if self.pending.starts_with(marker) {
            self.place = Place::Frame(Part::First, 0);
            return Ok(true);
        }
        let may_become = marker.starts_with(&self.pending) || self.pending.trim_ascii().is_empty();
        if may_become { Ok(false) } else { Err(self.broken()) }
    }

    /// Reads the next part of what stands around arguments.
    pub(super) fn frame(&mut self, part: Part, bit_idx: usize, deltas: &mut Vec<Delta>) -> Result<bool, SplitError> {
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
            self.place = match self.options.encodings.get(&name) {
                None => Place::Arguments(Json::default()),
                Some(encoding) => {
                    self.start_elements(&Arc::clone(encoding));
                    Place::Elements
                }
            };
            deltas.push(Delta::CallStart { index: self.n_calls, id, name });
            return Ok(true);
        };
        let n_taken = match bit {
            Bit::Bytes(bytes) if self.pending.starts_with(bytes) => bytes.len(),
            Bit::Bytes(bytes) if bytes.starts_with(&self.pending) => return Ok(false),
            Bit::Bytes(_) => return Err(self.broken()),
            Bit::Name | Bit::Id(_) | Bit::Index => match bit.n_taken(&self.pending) {
                // Why: more of it may come.
                n if n == self.pending.len() => return Ok(false),
                0 => return Err(self.broken()),
                n => n,
            },
        };
        let text = String::from_utf8_lossy(&self.pending[..n_taken]).into_owned();
        match (bit, format.family.ids) {
            (Bit::Name, _) => self.name = text,
            (Bit::Id(_), _) => self.id = Some(text),
            (Bit::Index, Ids::Functions) => self.id = Some(format!("functions.{}:{text}", self.name)),
            (Bit::Index | Bit::Bytes(_), _) => {}
        }
        self.pending.drain(..n_taken);
        self.place = Place::Frame(part, bit_idx + 1);
        Ok(true)
    }

    pub(super) fn arguments(&mut self, mut json: Json, deltas: &mut Vec<Delta>) -> bool {
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

    fn start_elements(&mut self, encoding: &Encoding) {
        self.transcoder = Some(Transcoder::new(encoding, &mut self.translated));
    }

    pub(super) fn elements(&mut self, deltas: &mut Vec<Delta>) -> Result<bool, SplitError> {
        let Some(transcoder) = &mut self.transcoder else { return Err(self.broken()) };
        let mut json = std::mem::take(&mut self.translated);
        for byte in std::mem::take(&mut self.pending) {
            transcoder.push(byte, &mut json);
        }
        let progress = transcoder.progress();
        if progress == Progress::Broken {
            self.pending = transcoder.held().to_vec();
            return Err(self.broken());
        }
        let is_over = progress == Progress::Over;
        if is_over {
            self.pending = transcoder.held().to_vec();
            self.transcoder = None;
        }
        if !json.is_empty() {
            let fragment = String::from_utf8_lossy(&json).into_owned();
            deltas.push(Delta::CallArguments { index: self.n_calls, fragment });
        }
        if is_over {
            self.place = Place::Frame(Part::Tail, 0);
            self.n_calls += 1;
        }
        Ok(is_over)
    }

    /// Finds out whether another call follows.
    pub(super) fn after_call(&mut self) -> Result<bool, SplitError> {
        let (Some(format), Some(frames)) = (&self.options.format, &self.frames) else { return Ok(false) };
        let (end, next) = (format.end.start(), frames.next.start());
        if !end.is_empty() && self.pending.starts_with(end) {
            self.pending.drain(..end.len());
            self.place = Place::Over;
            return Ok(true);
        }
        let may_become = |what: &[u8]| what.starts_with(&self.pending);
        // Why first: what ends all calls may begin as what stands between two.
        if may_become(end) {
            return Ok(false);
        }
        if self.pending.starts_with(next) {
            self.place = Place::Frame(Part::Next, 0);
            return Ok(true);
        }
        if may_become(next) { Ok(false) } else { Err(self.broken()) }
    }
}
