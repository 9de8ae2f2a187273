//! Writes the end of arguments as elements, from the JSON that ends them.

use super::writer::{Writer, value_len};
use super::{Reader, Spot};
use crate::guard::encoding::{Kind, closed_scalar, split_scalar};
use crate::guard::escape::escape;
use crate::guard::transcode::{Nesting, take_string};

/// One way to understand arguments that break off: bytes that were held back may be several things.
#[derive(Debug)]
pub(in crate::guard::transcode) struct Reading {
    /// What they have in JSON beyond what was given.
    pub(in crate::guard::transcode) json: Vec<u8>,
    at: At,
}

/// Where the JSON of a reading breaks off.
#[derive(Debug)]
enum At {
    /// Before an element or what stands behind the last; with the bytes that are there of what comes.
    Boundary(Vec<u8>),
    /// In a key, behind these bytes of what stands before it.
    Key {
        missing: Vec<u8>,
    },
    /// In the element of an item, before these bytes and its value, which begins so in JSON.
    Item {
        missing: Vec<u8>,
        begun: &'static str,
    },
    /// Before a value, with the bytes that are there of what stands before it, and how it begins in JSON.
    Value {
        held: Vec<u8>,
        begun: &'static str,
    },
    Text,
    /// In JSON, before these bytes, which are part of the reading and not there yet.
    Json {
        nesting: Nesting,
        begun: &'static str,
    },
    /// Behind a value, before these bytes of what closes it.
    Closing(Vec<u8>),
}

impl Reader {
    /// How the text so far can be read. `tail` follows the arguments.
    pub(in crate::guard::transcode) fn readings(&self, tail: &[u8]) -> Vec<Reading> {
        let elements = &self.keys().elements;
        let (held, close) = (self.held(), elements.close.as_slice());
        let reading = |json: &[u8], at: At| Reading { json: json.to_vec(), at };
        let closing =
            |json: &[u8], n_held: usize| reading(json, At::Closing(elements.closing(self.key())[n_held..].to_vec()));
        let escaped = |start: &[u8], text: &[u8]| {
            let mut json = start.to_vec();
            text.iter().for_each(|byte| escape(*byte, &mut json));
            reading(&json, At::Text)
        };
        let (in_array, n) = (self.open().is_array, self.open().n);
        let item = elements.item.as_deref().unwrap_or_default();
        match self.spot() {
            Spot::Boundary => {
                let mut all = Vec::new();
                let behind = if self.open().outer.is_some() { close } else { tail };
                all.extend(behind.starts_with(held).then(|| reading(b"", At::Boundary(held.to_vec()))));
                let missing = elements.open[held.len().min(elements.open.len())..].to_vec();
                let next = match (n > 0, in_array) {
                    (_, true) => reading(b", ", At::Item { missing: [&missing, item].concat(), begun: "" }),
                    (true, false) => reading(b", \"", At::Key { missing }),
                    (false, false) => reading(b"\"", At::Key { missing }),
                };
                all.extend((!held.is_empty() && elements.open.starts_with(held)).then_some(next));
                all
            }
            Spot::Key if in_array => {
                let Some(missing) = item.strip_prefix(self.key()) else { return Vec::new() };
                let at = |begun| At::Item { missing: missing.to_vec(), begun };
                self.beginnings().into_iter().map(|begun| reading(begun.as_bytes(), at(begun))).collect()
            }
            Spot::Key => vec![reading(b"", At::Key { missing: Vec::new() })],
            Spot::BeforeValue => {
                let value = |begun: &'static str| reading(begun.as_bytes(), At::Value { held: held.to_vec(), begun });
                // What is there may say already what the value is.
                let kinds = Kind::ALL.into_iter().filter(|kind| elements.before(*kind).starts_with(held));
                let told = kinds.filter(|_| elements.tells() && !held.is_empty());
                self.beginnings().into_iter().chain(told.flat_map(Kind::beginnings).copied()).map(value).collect()
            }
            Spot::Start { is_array, .. } => {
                let begun = match (held.is_empty(), is_array) {
                    (true, _) => self.beginnings(),
                    (false, true) => vec!["["],
                    (false, false) => vec!["{"],
                };
                let held = [elements.before(Kind::Object), held].concat();
                let at = |begun| At::Value { held: held.clone(), begun };
                begun.into_iter().map(|begun| reading(begun.as_bytes(), at(begun))).collect()
            }
            Spot::Text if held.is_empty() => vec![reading(b"", At::Text)],
            Spot::Text => vec![closing(b"\"", held.len()), escaped(b"", held)],
            Spot::Json(nesting) if held.is_empty() => {
                let at = |begun| At::Json { nesting, begun };
                self.beginnings().into_iter().map(|begun| reading(begun.as_bytes(), at(begun))).collect()
            }
            // The space ends a number, which could go on otherwise.
            Spot::Json(nesting) => vec![closing(b" ", held.len()), reading(b"", At::Json { nesting, begun: "" })],
            Spot::Unclear => {
                let (scalar, rest) = split_scalar(held);
                if scalar.is_empty() && rest.is_empty() {
                    let whole = [elements.before(Kind::Object), held].concat();
                    let at = |begun| At::Value { held: whole.clone(), begun };
                    let values = self.beginnings().into_iter().map(|begun| reading(begun.as_bytes(), at(begun)));
                    return values.chain([escaped(b"\"", held)]).collect();
                }
                let closed = closed_scalar(held, close);
                let ended = closed.map(|(scalar, begun)| closing(&[scalar, b" "].concat(), begun.len()));
                let open = reading(scalar, At::Json { nesting: Nesting::default(), begun: "" });
                ended.into_iter().chain([escaped(b"\"", held), open]).collect()
            }
            Spot::Closing => vec![closing(b"", close.len() + held.len())],
            Spot::Over | Spot::Broken => Vec::new(),
        }
    }

    /// The bytes that end the arguments, and `tail`, if in JSON `ending` ends what `reading` has.
    pub(in crate::guard::transcode) fn write(&self, reading: &Reading, ending: &[u8], tail: &[u8]) -> Option<Vec<u8>> {
        let elements = &self.keys().elements;
        let mut writer = Writer::new(self.keys());
        let begun = match &reading.at {
            At::Item { begun, .. } | At::Value { begun, .. } | At::Json { begun, .. } => begun,
            At::Boundary(_) | At::Key { .. } | At::Text | At::Closing(_) => "",
        };
        let ending = [begun.as_bytes(), ending].concat();
        let mut rest = ending.as_slice();
        let mut open = self.open().clone();
        let (level, n) = (open.level, open.n);
        let content = self.content();
        match &reading.at {
            At::Boundary(held) => {
                writer.end(open, rest)?;
                writer.out.extend_from_slice(tail);
                return Some(writer.out.strip_prefix(held.as_slice())?.to_vec());
            }
            At::Key { missing } => {
                writer.out.extend_from_slice(missing);
                let (more, after) = take_string(rest)?;
                writer.out.extend_from_slice(&more);
                let is_next = self.spot() == Spot::Boundary;
                let key = [if is_next { b"" } else { self.key() }, &more].concat();
                rest = writer.value(self.keys().content(level, &key), &key, after.strip_prefix(b":")?)?;
            }
            At::Item { missing, .. } => {
                writer.out.extend_from_slice(missing);
                let is_next = self.spot() == Spot::Boundary;
                let content = if is_next { self.keys().item(level, n) } else { content };
                rest = writer.value(content, elements.item.as_deref()?, rest)?;
                open.n += usize::from(is_next);
            }
            At::Value { held, .. } => {
                rest = writer.value(content, self.key(), rest)?;
                writer.out = writer.out.strip_prefix(held.as_slice())?.to_vec();
            }
            At::Text => {
                let (more, after) = take_string(rest)?;
                writer.out.extend_from_slice(&more);
                writer.out.extend_from_slice(&elements.closing(self.key()));
                rest = after;
            }
            At::Json { nesting, .. } => {
                let n = value_len(*nesting, rest);
                writer.out.extend_from_slice(&rest[..n]);
                writer.out.extend_from_slice(&elements.closing(self.key()));
                rest = &rest[n..];
            }
            At::Closing(missing) => writer.out.extend_from_slice(missing),
        }
        writer.end(open, rest)?;
        writer.out.extend_from_slice(tail);
        Some(writer.out)
    }
}
