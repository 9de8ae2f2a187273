//! Reads arguments in a notation beside JSON: `key='text', flag=True`.

use std::sync::Arc;

use super::Progress;
use crate::guard::encoding::Notation;
use crate::guard::escape::escape;

/// JSON's words, and Python's, letter by letter as long.
pub(super) const WORDS: [(&[u8; 2], &[u8], &[u8]); 3] =
    [(b"tT", b"true", b"True"), (b"fF", b"false", b"False"), (b"nN", b"null", b"None")];

/// Where in the arguments the text ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    /// Before a key, or the end of an object.
    BeforeKey,
    /// In a key without quotes.
    BareKey,
    /// Behind a key with quotes.
    AfterKey,
    BeforeValue,
    /// Between quotes of this kind.
    Text {
        quote: usize,
        is_key: bool,
        escaped: bool,
    },
    /// In a word, so many letters of it.
    Word {
        word: usize,
        n: usize,
        is_python: bool,
    },
    Number,
    AfterValue,
    Over,
    Broken,
}

/// Reads the arguments of one call.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    notation: Arc<Notation>,
    spot: Spot,
    /// The inner arrays and objects that are open: whether each is an object.
    open: Vec<bool>,
    /// The beginning of a mark; behind the arguments, what follows.
    held: Vec<u8>,
}

impl Reader {
    pub(super) fn new(notation: Arc<Notation>) -> Self {
        Self { notation, spot: Spot::BeforeKey, open: Vec::new(), held: Vec::new() }
    }

    pub(super) fn notation(&self) -> &Notation {
        &self.notation
    }

    pub(super) fn spot(&self) -> Spot {
        self.spot
    }

    pub(super) fn open(&self) -> &[bool] {
        &self.open
    }

    pub(super) fn held(&self) -> &[u8] {
        &self.held
    }

    pub(super) fn progress(&self) -> Progress {
        match self.spot {
            Spot::Over => Progress::Over,
            Spot::Broken => Progress::Broken,
            _ => Progress::Inside,
        }
    }

    pub(super) fn push(&mut self, byte: u8, out: &mut Vec<u8>) {
        match self.spot {
            Spot::BeforeKey | Spot::BeforeValue if !self.held.is_empty() => self.mark(byte, out),
            Spot::Over | Spot::Broken => self.held.push(byte),
            Spot::Text { quote, is_key, escaped } => self.text(byte, (quote, is_key, escaped), out),
            Spot::Word { word, n, is_python } => {
                out.push(WORDS[word].1[n]);
                let is_whole = n + 1 == WORDS[word].1.len();
                self.spot = if is_whole { Spot::AfterValue } else { Spot::Word { word, n: n + 1, is_python } };
            }
            Spot::Number if byte.is_ascii_digit() || b"+-.eE".contains(&byte) => out.push(byte),
            Spot::Number => {
                self.spot = Spot::AfterValue;
                self.push(byte, out);
            }
            Spot::BareKey if byte == self.colon() => self.colon_follows(b"\": ", out),
            Spot::BareKey => escape(byte, out),
            Spot::BeforeKey | Spot::AfterKey | Spot::BeforeValue | Spot::AfterValue if byte.is_ascii_whitespace() => {
                out.push(byte);
            }
            Spot::AfterKey if byte == self.colon() => self.colon_follows(b": ", out),
            Spot::AfterKey => self.spot = Spot::Broken,
            Spot::BeforeKey => self.before_key(byte, out),
            Spot::BeforeValue => self.before_value(byte, out),
            Spot::AfterValue => self.after_value(byte, out),
        }
    }

    /// What stands between a key and its value here.
    fn colon(&self) -> u8 {
        if self.open.is_empty() { self.notation.equals } else { b':' }
    }

    fn colon_follows(&mut self, json: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(json);
        self.spot = Spot::BeforeValue;
    }

    fn begins_mark(&self, byte: u8) -> bool {
        self.notation.quotes.iter().any(|quote| quote.mark.first() == Some(&byte))
    }

    fn before_key(&mut self, byte: u8, out: &mut Vec<u8>) {
        match byte {
            b'}' if !self.open.is_empty() => self.close(byte, out),
            _ if self.open.is_empty() && byte == self.notation.end => self.end(byte, out),
            _ if self.begins_mark(byte) && self.notation.quotes_keys(self.open.is_empty()) => self.mark(byte, out),
            _ if Notation::ends_bare(byte) => self.spot = Spot::Broken,
            _ => {
                out.push(b'"');
                escape(byte, out);
                self.spot = Spot::BareKey;
            }
        }
    }

    fn before_value(&mut self, byte: u8, out: &mut Vec<u8>) {
        match byte {
            b'[' | b'{' => {
                out.push(byte);
                self.open.push(byte == b'{');
                self.spot = if byte == b'{' { Spot::BeforeKey } else { Spot::BeforeValue };
            }
            b']' if self.open.last() == Some(&false) => self.close(byte, out),
            b'-' | b'0'..=b'9' => {
                out.push(byte);
                self.spot = Spot::Number;
            }
            _ if self.begins_mark(byte) => self.mark(byte, out),
            _ => match WORDS.iter().position(|(first, ..)| first.contains(&byte)) {
                Some(word) => {
                    out.push(WORDS[word].1[0]);
                    self.spot = Spot::Word { word, n: 1, is_python: byte.is_ascii_uppercase() };
                }
                None => self.spot = Spot::Broken,
            },
        }
    }

    fn after_value(&mut self, byte: u8, out: &mut Vec<u8>) {
        match byte {
            b',' => {
                out.push(byte);
                self.spot = if self.open.last() == Some(&false) { Spot::BeforeValue } else { Spot::BeforeKey };
            }
            b']' | b'}' if self.open.last() == Some(&(byte == b'}')) => self.close(byte, out),
            _ if self.open.is_empty() && byte == self.notation.end => self.end(byte, out),
            _ => self.spot = Spot::Broken,
        }
    }

    fn close(&mut self, byte: u8, out: &mut Vec<u8>) {
        out.push(byte);
        self.open.pop();
        self.spot = Spot::AfterValue;
    }

    fn end(&mut self, byte: u8, out: &mut Vec<u8>) {
        out.push(b'}');
        self.held.push(byte);
        self.spot = Spot::Over;
    }

    /// Takes a byte of a mark that opens text.
    fn mark(&mut self, byte: u8, out: &mut Vec<u8>) {
        self.held.push(byte);
        let quotes = &self.notation.quotes;
        if let Some(quote) = quotes.iter().position(|quote| quote.mark == self.held) {
            out.push(b'"');
            self.held.clear();
            self.spot = Spot::Text { quote, is_key: self.spot == Spot::BeforeKey, escaped: false };
        } else if !quotes.iter().any(|quote| quote.mark.starts_with(&self.held)) {
            self.spot = Spot::Broken;
        }
    }

    fn text(&mut self, byte: u8, (quote, is_key, escaped): (usize, bool, bool), out: &mut Vec<u8>) {
        let notation = Arc::clone(&self.notation);
        let mark = notation.quotes[quote].mark.as_slice();
        if !notation.quotes[quote].is_raw {
            match byte {
                // Only JSON has no escape for it.
                b'\'' if escaped => out.push(byte),
                _ if escaped => out.extend_from_slice(&[b'\\', byte]),
                b'\\' => {}
                _ if mark == [byte] => return self.end_text(is_key, out),
                b'"' => out.extend_from_slice(b"\\\""),
                _ => out.push(byte),
            }
            self.spot = Spot::Text { quote, is_key, escaped: !escaped && byte == b'\\' };
            return;
        }
        self.held.push(byte);
        while !mark.starts_with(&self.held) {
            escape(self.held.remove(0), out);
        }
        if self.held == mark {
            self.held.clear();
            self.end_text(is_key, out);
        }
    }

    fn end_text(&mut self, is_key: bool, out: &mut Vec<u8>) {
        out.push(b'"');
        self.spot = if is_key { Spot::AfterKey } else { Spot::AfterValue };
    }
}
