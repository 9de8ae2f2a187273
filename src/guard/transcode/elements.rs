//! Reads arguments that are written as elements.

use std::sync::Arc;

use super::{Nesting, Progress};
use crate::guard::encoding::{Content, Elements, Keys, closed_scalar, may_become_scalar};
use crate::guard::escape::escape;

/// Where in the arguments the text ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    /// Before an element, or before what stands behind the arguments.
    Boundary,
    /// In a key.
    Key,
    /// Between a key and its value.
    BeforeValue,
    /// In text.
    Text,
    /// In a value that may yet be text or JSON.
    Unclear,
    /// In JSON.
    Json(Nesting),
    /// Behind the arguments.
    Over,
    /// In something else: the grammar was not applied.
    Broken,
}

/// Reads the arguments of one call.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    keys: Arc<Keys>,
    spot: Spot,
    /// Bytes that were not understood yet.
    held: Vec<u8>,
    key: Vec<u8>,
    n_pairs: usize,
}

impl Reader {
    /// Starts before the first element.
    pub(super) fn new(keys: Arc<Keys>) -> Self {
        Self { keys, spot: Spot::Boundary, held: Vec::new(), key: Vec::new(), n_pairs: 0 }
    }

    /// Where the text ends.
    pub(super) fn spot(&self) -> Spot {
        self.spot
    }

    pub(super) fn progress(&self) -> Progress {
        match self.spot {
            Spot::Over => Progress::Over,
            Spot::Broken => Progress::Broken,
            _ => Progress::Inside,
        }
    }

    /// Bytes that were not understood yet; behind the arguments, those that belong to what follows.
    pub(super) fn held(&self) -> &[u8] {
        &self.held
    }

    /// The key that is being read, or whose value is.
    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    /// Whether a key has begun anywhere.
    pub(super) fn has_pairs(&self) -> bool {
        self.n_pairs > 0
    }

    /// How the arguments are written.
    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Takes the next byte. Behind the arguments, nothing may be given to it.
    pub(super) fn push(&mut self, byte: u8, out: &mut Vec<u8>) {
        match self.spot {
            Spot::Boundary => self.boundary(byte, out),
            Spot::Key if byte == self.keys.elements.key_end() => {
                out.extend_from_slice(b"\": ");
                self.spot = Spot::BeforeValue;
                self.before_value(byte, out);
            }
            Spot::Key => {
                self.key.push(byte);
                escape(byte, out);
            }
            Spot::BeforeValue => self.before_value(byte, out),
            Spot::Text => self.text(byte, out),
            Spot::Unclear => self.unclear(byte, out),
            Spot::Json(nesting) => self.json(nesting, byte, out),
            Spot::Over | Spot::Broken => self.held.push(byte),
        }
    }

    fn elements(&self) -> Arc<Elements> {
        Arc::clone(&self.keys.elements)
    }

    fn boundary(&mut self, byte: u8, out: &mut Vec<u8>) {
        self.held.push(byte);
        let open = &self.keys.elements.open;
        if self.held == *open {
            out.extend_from_slice(if self.n_pairs == 0 { b"\"" } else { b", \"" });
            self.held.clear();
            self.key.clear();
            self.n_pairs += 1;
            self.spot = Spot::Key;
        } else if !open.starts_with(&self.held) {
            out.push(b'}');
            self.spot = Spot::Over;
        }
    }

    fn before_value(&mut self, byte: u8, out: &mut Vec<u8>) {
        self.held.push(byte);
        let elements = self.elements();
        let (is_text, is_json) = (self.held == elements.before_text, self.held == elements.before_json);
        let content = match (is_text, is_json) {
            (true, true) => self.keys.content(&self.key),
            (true, false) => Content::Text,
            (false, true) => Content::Json,
            (false, false) => {
                let goes_on = [&elements.before_text, &elements.before_json].iter().any(|b| b.starts_with(&self.held));
                self.spot = if goes_on { Spot::BeforeValue } else { Spot::Broken };
                return;
            }
        };
        self.held.clear();
        self.spot = match content {
            Content::Text => {
                out.push(b'"');
                Spot::Text
            }
            Content::Json => Spot::Json(Nesting::default()),
            Content::Either => Spot::Unclear,
        };
    }

    fn text(&mut self, byte: u8, out: &mut Vec<u8>) {
        let elements = self.elements();
        let close = elements.close.as_slice();
        if self.held.is_empty() && close.first() != Some(&byte) {
            return escape(byte, out);
        }
        self.held.push(byte);
        while !close.starts_with(&self.held) {
            escape(self.held.remove(0), out);
        }
        if self.held == close {
            out.push(b'"');
            self.end_value();
        }
    }

    fn json(&mut self, nesting: Nesting, byte: u8, out: &mut Vec<u8>) {
        let elements = self.elements();
        let close = elements.close.as_slice();
        if !nesting.is_outside() || (self.held.is_empty() && close.first() != Some(&byte)) {
            return self.take_json(nesting, byte, out);
        }
        self.held.push(byte);
        if self.held == close {
            self.end_value();
        } else if !close.starts_with(&self.held) {
            let held = std::mem::take(&mut self.held);
            self.take_json(nesting, held[0], out);
            // Why again: what was held may be the beginning of something else by now.
            held[1..].iter().for_each(|byte| self.push(*byte, out));
        }
    }

    fn take_json(&mut self, mut nesting: Nesting, byte: u8, out: &mut Vec<u8>) {
        nesting.take(byte);
        self.spot = Spot::Json(nesting);
        // Whitespace around a value is no part of it.
        if !nesting.is_outside() || !byte.is_ascii_whitespace() {
            out.push(byte);
        }
    }

    fn unclear(&mut self, byte: u8, out: &mut Vec<u8>) {
        self.held.push(byte);
        let begun = self.held.trim_ascii_start();
        if matches!(begun.first(), Some(b'{' | b'[' | b'"')) {
            return self.decide(Spot::Json(Nesting::default()), out);
        }
        if may_become_scalar(begun) {
            return;
        }
        let close = self.keys.elements.close.as_slice();
        match closed_scalar(begun, close) {
            None => {
                out.push(b'"');
                self.decide(Spot::Text, out);
            }
            Some((scalar, closing)) if closing == close => {
                out.extend_from_slice(scalar);
                self.end_value();
            }
            Some(_) => {}
        }
    }

    /// Reads again what was held, now that it is known what it is.
    fn decide(&mut self, spot: Spot, out: &mut Vec<u8>) {
        self.spot = spot;
        for byte in std::mem::take(&mut self.held) {
            self.push(byte, out);
        }
    }

    fn end_value(&mut self) {
        self.held.clear();
        self.spot = Spot::Boundary;
    }
}
