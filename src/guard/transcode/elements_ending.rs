//! Writes the end of arguments as elements, from the JSON that ends them.

use super::elements::{Reader, Spot};
use super::{Nesting, take_string};
use crate::guard::encoding::{Content, Keys, closed_scalar, split_scalar};
use crate::guard::escape::escape;

/// One way to understand arguments that break off: bytes that were held back may be several things.
#[derive(Debug)]
pub(super) struct Reading {
    /// What they have in JSON beyond what was given.
    pub(super) json: Vec<u8>,
    at: At,
}

/// Where the JSON of a reading breaks off.
#[derive(Debug)]
enum At {
    /// Before a key or the end; with the bytes that are there of what comes.
    Boundary(Vec<u8>),
    /// In a key, behind these bytes of what stands before it.
    Key {
        missing: Vec<u8>,
    },
    /// Before a value, with the bytes that are there of what stands before it.
    Value(Vec<u8>),
    Text,
    Json(Nesting),
    /// Behind a value, before these bytes of what closes it.
    Closing(Vec<u8>),
}

impl Reader {
    /// How the text so far can be read. `tail` follows the arguments.
    pub(super) fn readings(&self, tail: &[u8]) -> Vec<Reading> {
        let elements = &self.keys().elements;
        let (held, close) = (self.held(), elements.close.as_slice());
        let reading = |json: &[u8], at: At| Reading { json: json.to_vec(), at };
        let closing = |json: &[u8], held: &[u8]| reading(json, At::Closing(close[held.len()..].to_vec()));
        let escaped = |start: &[u8], text: &[u8]| {
            let mut json = start.to_vec();
            text.iter().for_each(|byte| escape(*byte, &mut json));
            reading(&json, At::Text)
        };
        match self.spot() {
            Spot::Boundary => {
                let mut all = Vec::new();
                all.extend(tail.starts_with(held).then(|| reading(b"", At::Boundary(held.to_vec()))));
                let missing = elements.open[held.len()..].to_vec();
                let key = if self.has_pairs() { &b", \""[..] } else { b"\"" };
                all.extend((!held.is_empty()).then(|| reading(key, At::Key { missing })));
                all
            }
            Spot::Key => vec![reading(b"", At::Key { missing: Vec::new() })],
            Spot::BeforeValue => vec![reading(b"", At::Value(held.to_vec()))],
            Spot::Text if held.is_empty() => vec![reading(b"", At::Text)],
            Spot::Text => vec![closing(b"\"", held), escaped(b"", held)],
            Spot::Json(nesting) if held.is_empty() => vec![reading(b"", At::Json(nesting))],
            // The space ends a number, which could go on otherwise.
            Spot::Json(nesting) => vec![closing(b" ", held), reading(b"", At::Json(nesting))],
            Spot::Unclear => {
                let (scalar, rest) = split_scalar(held.trim_ascii_start());
                if scalar.is_empty() && rest.is_empty() {
                    let all = [&elements.before_json, held].concat();
                    return vec![reading(b"", At::Value(all)), escaped(b"\"", held)];
                }
                let closed = closed_scalar(held.trim_ascii_start(), close);
                let ended = closed.map(|(scalar, begun)| closing(&[scalar, b" "].concat(), begun));
                let open = reading(scalar, At::Json(Nesting::default()));
                ended.into_iter().chain([escaped(b"\"", held), open]).collect()
            }
            Spot::Over | Spot::Broken => Vec::new(),
        }
    }

    /// The bytes that end the arguments, and `tail`, if in JSON `ending` ends what `reading` has.
    pub(super) fn write(&self, reading: &Reading, ending: &[u8], tail: &[u8]) -> Option<Vec<u8>> {
        let keys = self.keys();
        let elements = &keys.elements;
        let mut out = Vec::new();
        let mut rest = ending;
        match &reading.at {
            At::Boundary(held) => {
                write_pairs(keys, rest, &mut out)?;
                out.extend_from_slice(tail);
                return Some(out.strip_prefix(held.as_slice())?.to_vec());
            }
            At::Key { missing } => {
                out.extend_from_slice(missing);
                let (more, after) = take_string(rest)?;
                out.extend_from_slice(&more);
                let begun = if missing.is_empty() { self.key() } else { b"" };
                rest = write_value(keys, &[begun, &more].concat(), after.strip_prefix(b":")?, &mut out)?;
            }
            At::Value(held) => {
                rest = write_value(keys, self.key(), rest, &mut out)?;
                out = out.strip_prefix(held.as_slice())?.to_vec();
            }
            At::Text => {
                let (more, after) = take_string(rest)?;
                out.extend_from_slice(&more);
                out.extend_from_slice(&elements.close);
                rest = after;
            }
            At::Json(nesting) => {
                let n = value_len(*nesting, rest);
                out.extend_from_slice(&rest[..n]);
                out.extend_from_slice(&elements.close);
                rest = &rest[n..];
            }
            At::Closing(missing) => out.extend_from_slice(missing),
        }
        write_pairs(keys, rest, &mut out)?;
        out.extend_from_slice(tail);
        Some(out)
    }
}

/// Writes the pairs that are left, down to the closing brace.
fn write_pairs(keys: &Keys, mut rest: &[u8], out: &mut Vec<u8>) -> Option<()> {
    loop {
        rest = rest.trim_ascii_start();
        rest = rest.strip_prefix(b",").unwrap_or(rest).trim_ascii_start();
        if rest == b"}" {
            return Some(());
        }
        let (key, after) = take_string(rest.strip_prefix(b"\"")?)?;
        out.extend_from_slice(&keys.elements.open);
        out.extend_from_slice(&key);
        rest = write_value(keys, &key, after.strip_prefix(b":")?, out)?;
    }
}

/// Writes the value that `rest` begins with, what stands before it and what closes it. Gives what is left.
fn write_value<'r>(keys: &Keys, key: &[u8], rest: &'r [u8], out: &mut Vec<u8>) -> Option<&'r [u8]> {
    let elements = &keys.elements;
    let (json, rest) = rest.split_at(value_len(Nesting::default(), rest));
    let json = json.trim_ascii();
    let text = match json.strip_prefix(b"\"") {
        Some(inside) => Some(take_string(inside)?.0),
        None => None,
    };
    let can_be_plain = |text: &Vec<u8>| match keys.content(key) {
        Content::Text => true,
        Content::Json => false,
        Content::Either => elements.tells() || Keys::reads_as_text(text),
    };
    match text.filter(can_be_plain) {
        Some(text) => {
            out.extend_from_slice(&elements.before_text);
            out.extend_from_slice(&text);
        }
        None => {
            out.extend_from_slice(&elements.before_json);
            out.extend_from_slice(json);
        }
    }
    out.extend_from_slice(&elements.close);
    Some(rest)
}

/// How many bytes of `text` belong to the value that it is in.
fn value_len(mut nesting: Nesting, text: &[u8]) -> usize {
    let is_end = |byte: &u8| {
        let ends = nesting.is_outside() && matches!(byte, b',' | b'}');
        nesting.take(*byte);
        ends
    };
    text.iter().position(is_end).unwrap_or(text.len())
}
