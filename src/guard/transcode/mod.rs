//! Reads arguments that are not written as JSON, byte by byte, and gives them as JSON; and the way back, for endings.
//!
//! What has been given never changes: every prefix is the prefix of a JSON object, and the rest of the parser, the guard
//! and the endings see JSON only.

mod elements;
mod notation;
mod notation_ending;

use std::sync::Arc;

use super::encoding::Encoding;
use super::escape::unescape;

/// How deep in a JSON value a text ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Nesting {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Nesting {
    /// Whether the text ends outside of everything that has a closing mark.
    fn is_outside(self) -> bool {
        self.depth == 0 && !self.in_string
    }

    /// Takes a byte of a value.
    fn take(&mut self, byte: u8) {
        if self.in_string {
            self.in_string = self.escaped || byte != b'"';
            self.escaped = !self.escaped && byte == b'\\';
            return;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }
}

/// Reads the arguments of one call.
#[derive(Clone, Debug)]
pub struct Transcoder {
    kind: Kind,
    /// How often anything but growing bytes has changed.
    n_turns: u64,
}

/// How long what grows byte by byte is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grown {
    held: usize,
    key: usize,
}

#[derive(Clone, Debug)]
enum Kind {
    Elements(elements::Reader),
    Notation(notation::Reader),
}

/// Where a text ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// In the arguments.
    Inside,
    /// Behind them.
    Over,
    /// In something else: the grammar was not applied.
    Broken,
}

/// One way to understand arguments that break off: bytes that were held back may be several things.
#[derive(Debug)]
pub struct Reading {
    /// What they have in JSON beyond what the transcoder gave.
    pub json: Vec<u8>,
    at: At,
}

#[derive(Debug)]
enum At {
    Elements(elements::Reading),
    Notation(notation_ending::Reading),
}

impl Transcoder {
    /// Starts before the first argument. `out` gets the beginning of the object.
    #[must_use]
    pub fn new(encoding: &Encoding, out: &mut Vec<u8>) -> Self {
        out.push(b'{');
        let kind = match encoding {
            Encoding::Elements(keys) => Kind::Elements(elements::Reader::new(Arc::clone(keys))),
            Encoding::Notation(notation) => Kind::Notation(notation::Reader::new(Arc::clone(notation))),
        };
        Self { kind, n_turns: 0 }
    }

    /// Takes the next byte.
    pub fn push(&mut self, byte: u8, out: &mut Vec<u8>) {
        let before = self.growing();
        match &mut self.kind {
            Kind::Elements(reader) => reader.push(byte, out),
            Kind::Notation(reader) => reader.push(byte, out),
        }
        self.n_turns += u64::from(before.is_none() || before != self.growing());
    }

    /// Where the text ends, if the next byte will most likely be put down and change nothing else.
    fn growing(&self) -> Option<elements::Spot> {
        match &self.kind {
            Kind::Elements(reader) => Some(reader.spot()).filter(|spot| spot.grows()),
            Kind::Notation(_) => None,
        }
    }

    /// What `earlier`, from which this has come, was shorter by, if that is all that has changed.
    #[must_use]
    pub fn only_grown_since(&self, earlier: &Self) -> Option<Grown> {
        match &earlier.kind {
            Kind::Elements(reader) if self.growing().is_some() && self.n_turns == earlier.n_turns => {
                Some(Grown { held: reader.held().len(), key: reader.key().len() })
            }
            _ => None,
        }
    }

    /// Takes back what has only grown.
    pub fn shrink(&mut self, to: Grown) {
        if let Kind::Elements(reader) = &mut self.kind {
            reader.shrink(to.held, to.key);
        }
    }

    /// Where the text ends.
    #[must_use]
    pub fn progress(&self) -> Progress {
        match &self.kind {
            Kind::Elements(reader) => reader.progress(),
            Kind::Notation(reader) => reader.progress(),
        }
    }

    /// Bytes that were not understood yet; behind the arguments, those that belong to what follows.
    #[must_use]
    pub fn held(&self) -> &[u8] {
        match &self.kind {
            Kind::Elements(reader) => reader.held(),
            Kind::Notation(reader) => reader.held(),
        }
    }

    /// Ends the arguments where the text ends. Returns whether they may end there.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> bool {
        match &mut self.kind {
            Kind::Elements(reader) => reader.finish(out),
            // Why never: what closes its outermost object is not there.
            Kind::Notation(_) => false,
        }
    }

    /// How the text so far can be read. `tail` follows the arguments.
    #[must_use]
    pub fn readings(&self, tail: &[u8]) -> Vec<Reading> {
        match &self.kind {
            Kind::Elements(reader) => {
                let one =
                    |reading: elements::Reading| Reading { json: reading.json.clone(), at: At::Elements(reading) };
                reader.readings(tail).into_iter().map(one).collect()
            }
            Kind::Notation(reader) => {
                let one = |reading: notation_ending::Reading| Reading {
                    json: reading.json.clone(),
                    at: At::Notation(reading),
                };
                reader.readings().into_iter().map(one).collect()
            }
        }
    }

    /// The bytes that end the arguments, and `tail`, if in JSON `ending` ends what `reading` has.
    #[must_use]
    pub fn write(&self, reading: &Reading, ending: &[u8], tail: &[u8]) -> Option<Vec<u8>> {
        match (&self.kind, &reading.at) {
            (Kind::Elements(reader), At::Elements(reading)) => reader.write(reading, ending, tail),
            (Kind::Notation(reader), At::Notation(reading)) => reader.write(reading, ending, tail),
            (Kind::Elements(_), At::Notation(_)) | (Kind::Notation(_), At::Elements(_)) => None,
        }
    }
}

/// The text up to the quote that ends it, and what stands behind that.
fn take_string(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut is_escaped = false;
    let n = text.iter().position(|byte| {
        let ends = !is_escaped && *byte == b'"';
        is_escaped = !is_escaped && *byte == b'\\';
        ends
    })?;
    Some((unescape(&text[..n])?, &text[n + 1..]))
}

#[cfg(test)]
mod tests;
