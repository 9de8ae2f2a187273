//! Writes the end of arguments in a notation, from the JSON that ends them.

use super::notation::{Reader, Spot, WORDS};
use super::take_string;
use crate::guard::encoding::Notation;
use crate::guard::escape::escape;

/// One way to understand what breaks off.
#[derive(Debug)]
pub(super) struct Reading {
    /// What it has in JSON beyond what was given.
    pub(super) json: Vec<u8>,
    spot: Spot,
    /// What is missing of a mark.
    missing: Vec<u8>,
}

impl Reader {
    pub(super) fn readings(&self) -> Vec<Reading> {
        let (spot, held) = (self.spot(), self.held());
        let reading =
            |json: &[u8], spot: Spot, missing: &[u8]| Reading { json: json.to_vec(), spot, missing: missing.to_vec() };
        match spot {
            Spot::Over | Spot::Broken => Vec::new(),
            Spot::Text { escaped: true, .. } => vec![reading(b"\\", spot, b"")],
            Spot::Text { quote, is_key, .. } if !held.is_empty() => {
                let behind = if is_key { Spot::AfterKey } else { Spot::AfterValue };
                let mut text = Vec::new();
                held.iter().for_each(|byte| escape(*byte, &mut text));
                let missing = &self.notation().quotes[quote].mark[held.len()..];
                vec![reading(b"\"", behind, missing), reading(&text, spot, b"")]
            }
            Spot::BeforeKey | Spot::BeforeValue if !held.is_empty() => {
                let quotes = self.notation().quotes.iter().enumerate();
                let begun = quotes.filter_map(|(i, quote)| Some((i, quote.mark.strip_prefix(held)?)));
                let is_key = spot == Spot::BeforeKey;
                let open = |(quote, missing): (usize, &[u8])| {
                    reading(b"\"", Spot::Text { quote, is_key, escaped: false }, missing)
                };
                begun.map(open).collect()
            }
            _ => vec![reading(b"", spot, b"")],
        }
    }

    pub(super) fn write(&self, reading: &Reading, ending: &[u8], tail: &[u8]) -> Option<Vec<u8>> {
        let mut writer = Writer {
            notation: self.notation(),
            open: self.open().to_vec(),
            out: reading.missing.clone(),
            rest: ending,
        };
        writer.end(reading.spot)?;
        writer.out.extend_from_slice(tail);
        Some(writer.out)
    }
}

struct Writer<'a> {
    notation: &'a Notation,
    open: Vec<bool>,
    out: Vec<u8>,
    rest: &'a [u8],
}

impl Writer<'_> {
    /// Writes all that is left from `spot` on, but for the last brace.
    fn end(&mut self, mut spot: Spot) -> Option<()> {
        loop {
            if !matches!(spot, Spot::Text { .. } | Spot::BareKey | Spot::Number | Spot::Word { .. }) {
                self.rest = self.rest.trim_ascii_start();
            }
            if self.rest == b"}"
                && self.open.is_empty()
                && matches!(spot, Spot::BeforeKey | Spot::AfterValue | Spot::Number)
            {
                return Some(());
            }
            spot = match spot {
                Spot::Text { quote, is_key, escaped } => {
                    self.text(quote, escaped)?;
                    if is_key { Spot::AfterKey } else { Spot::AfterValue }
                }
                Spot::BareKey => {
                    let key = self.string()?;
                    self.out.extend_from_slice(&key);
                    Spot::AfterKey
                }
                Spot::AfterKey => {
                    self.rest = self.rest.strip_prefix(b":")?;
                    self.out.push(if self.open.is_empty() { self.notation.equals } else { b':' });
                    Spot::BeforeValue
                }
                Spot::Word { word, n, is_python } => {
                    let (_, json, python) = WORDS[word];
                    self.rest = self.rest.strip_prefix(&json[n..])?;
                    self.out.extend_from_slice(if is_python { &python[n..] } else { &json[n..] });
                    Spot::AfterValue
                }
                Spot::Number => {
                    let n =
                        self.rest.iter().take_while(|byte| byte.is_ascii_digit() || b"+-.eE".contains(byte)).count();
                    self.out.extend_from_slice(&self.rest[..n]);
                    self.rest = &self.rest[n..];
                    Spot::AfterValue
                }
                Spot::BeforeKey | Spot::BeforeValue | Spot::AfterValue => self.next(spot)?,
                Spot::Over | Spot::Broken => return None,
            };
        }
    }

    /// Writes what begins or ends here.
    fn next(&mut self, spot: Spot) -> Option<Spot> {
        let (first, rest) = self.rest.split_first()?;
        Some(match (spot, first) {
            (Spot::BeforeKey, b'"') => {
                self.rest = rest;
                let key = self.string()?;
                let is_bare = self.open.is_empty() || self.notation.bare_keys;
                match is_bare && std::str::from_utf8(&key).is_ok_and(Notation::takes_bare) {
                    true => self.out.extend_from_slice(&key),
                    false if self.notation.quotes_keys(self.open.is_empty()) => self.quoted(&key),
                    false => return None,
                }
                Spot::AfterKey
            }
            (Spot::AfterValue, b',') => {
                self.rest = rest;
                self.out.extend_from_slice(if self.notation.spaces { b", " } else { b"," });
                if self.open.last() == Some(&false) { Spot::BeforeValue } else { Spot::BeforeKey }
            }
            (_, b'}' | b']') => {
                self.rest = rest;
                self.open.pop()?;
                self.out.push(*first);
                Spot::AfterValue
            }
            (Spot::BeforeValue, b'[' | b'{') => {
                self.rest = rest;
                self.out.push(*first);
                self.open.push(*first == b'{');
                if *first == b'{' { Spot::BeforeKey } else { Spot::BeforeValue }
            }
            (Spot::BeforeValue, b'"') => {
                self.rest = rest;
                let text = self.string()?;
                self.quoted(&text);
                Spot::AfterValue
            }
            (Spot::BeforeValue, b't' | b'f' | b'n') => {
                let word = WORDS.iter().position(|(letters, ..)| letters.contains(first))?;
                Spot::Word { word, n: 0, is_python: self.notation.python_words }
            }
            (Spot::BeforeValue, _) => Spot::Number,
            _ => return None,
        })
    }

    /// The rest of a JSON string.
    fn string(&mut self) -> Option<Vec<u8>> {
        let (text, rest) = take_string(self.rest)?;
        self.rest = rest;
        Some(text)
    }

    /// Writes the rest of a string in quotes of this kind.
    fn text(&mut self, quote: usize, escaped: bool) -> Option<()> {
        let quote = &self.notation.quotes[quote];
        if escaped {
            // What the backslash stands before is the same in JSON.
            let (first, rest) = self.rest.split_first()?;
            self.out.push(*first);
            self.rest = rest;
        }
        let text = self.string()?;
        write_inside(&text, quote, &mut self.out);
        self.out.extend_from_slice(&quote.mark);
        Some(())
    }

    fn quoted(&mut self, text: &[u8]) {
        let quote = &self.notation.quotes[0];
        self.out.extend_from_slice(&quote.mark);
        write_inside(text, quote, &mut self.out);
        self.out.extend_from_slice(&quote.mark);
    }
}

fn write_inside(text: &[u8], quote: &crate::guard::encoding::Quote, out: &mut Vec<u8>) {
    for byte in text {
        match byte {
            _ if quote.is_raw => out.push(*byte),
            b'"' if quote.mark != b"\"" => out.push(*byte),
            b'\'' if quote.mark == b"'" => out.extend_from_slice(b"\\'"),
            _ => escape(*byte, out),
        }
    }
}
