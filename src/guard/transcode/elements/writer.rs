//! Writes JSON as elements.

use super::Open;
use crate::guard::encoding::{Content, Keys, Kind, LevelId};
use crate::guard::transcode::{Nesting, take_string};

/// Writes the JSON that is left of arguments.
pub(super) struct Writer<'a> {
    keys: &'a Keys,
    pub(super) out: Vec<u8>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(keys: &'a Keys) -> Self {
        Self { keys, out: Vec::new() }
    }

    /// Writes what is left in everything that is open, down to the last brace.
    pub(super) fn end(&mut self, mut open: Open, mut rest: &[u8]) -> Option<()> {
        loop {
            rest = rest.trim_ascii_start();
            rest = rest.strip_prefix(b",").unwrap_or(rest).trim_ascii_start();
            if matches!(rest.first(), Some(b'}' | b']')) {
                let Some(outer) = open.outer.take() else { return (rest.len() == 1).then_some(()) };
                self.out.extend_from_slice(&self.keys.elements.closing(&open.key));
                open = (*outer).clone();
                rest = &rest[1..];
                continue;
            }
            rest = self.element((open.level, open.is_array), open.n, rest)?;
            open.n += 1;
        }
    }

    /// Writes the pair or item that `rest` begins with. Gives what is left.
    fn element<'r>(&mut self, (level, is_array): (LevelId, bool), n: usize, rest: &'r [u8]) -> Option<&'r [u8]> {
        self.out.extend_from_slice(&self.keys.elements.open);
        if is_array {
            let item = self.keys.elements.item.clone()?;
            self.out.extend_from_slice(&item);
            return self.value(self.keys.item(level, n), &item, rest);
        }
        let (key, after) = take_string(rest.strip_prefix(b"\"")?)?;
        self.out.extend_from_slice(&key);
        self.value(self.keys.content(level, &key), &key, after.strip_prefix(b":")?)
    }

    /// Writes the value that `rest` begins with, what stands before it and what closes it. Gives what is left.
    pub(super) fn value<'r>(&mut self, content: Content, key: &[u8], rest: &'r [u8]) -> Option<&'r [u8]> {
        let elements = &self.keys.elements;
        let (json, rest) = rest.split_at(value_len(Nesting::default(), rest));
        let json = json.trim_ascii();
        let text = match json.strip_prefix(b"\"") {
            Some(inside) => Some(take_string(inside)?.0),
            None => None,
        };
        let can_be_plain = |text: &Vec<u8>| match content {
            Content::Text => true,
            Content::Json | Content::Object(_) | Content::Array(_) => false,
            Content::Either => elements.tells() || Keys::reads_as_text(text),
        };
        // Where a string is written as JSON, the format does not tell kinds.
        let kind = json.first().map_or(Kind::Null, |first| Kind::of(*first));
        let before_json = elements.before(if kind == Kind::Text { Kind::Object } else { kind });
        match (text.filter(can_be_plain), content) {
            (Some(text), _) => {
                self.out.extend_from_slice(elements.before(Kind::Text));
                self.out.extend_from_slice(&text);
            }
            (None, Content::Object(level)) if kind == Kind::Object => {
                self.out.extend_from_slice(before_json);
                self.inside((level, false), json)?;
            }
            (None, Content::Array(level)) if kind == Kind::Array => {
                self.out.extend_from_slice(before_json);
                self.inside((level, true), json)?;
            }
            (None, _) => {
                self.out.extend_from_slice(before_json);
                self.out.extend_from_slice(json);
            }
        }
        self.out.extend_from_slice(&elements.closing(key));
        Some(rest)
    }

    /// Writes what is in an object or array.
    fn inside(&mut self, level: (LevelId, bool), json: &[u8]) -> Option<()> {
        let mut rest = json.get(1..json.len().checked_sub(1)?)?.trim_ascii();
        let mut n = 0;
        while !rest.is_empty() {
            rest = self.element(level, n, rest)?.trim_ascii_start();
            rest = rest.strip_prefix(b",").unwrap_or(rest).trim_ascii_start();
            n += 1;
        }
        Some(())
    }
}

/// How many bytes of `text` belong to the value that it is in.
pub(super) fn value_len(mut nesting: Nesting, text: &[u8]) -> usize {
    let is_end = |byte: &u8| {
        let ends = nesting.is_outside() && matches!(byte, b',' | b'}' | b']');
        nesting.take(*byte);
        ends
    };
    text.iter().position(is_end).unwrap_or(text.len())
}
