//! Reads the value of an element: text, JSON, or either.

use super::{Reader, Spot};
use crate::guard::encoding::{Content, Kind, closed_scalar, may_become_scalar};
use crate::guard::escape::escape;
use crate::guard::transcode::Nesting;

impl Reader {
    pub(super) fn before_value(&mut self, byte: u8, out: &mut Vec<u8>) {
        self.held.push(byte);
        let elements = self.elements();
        let json = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Text);
        let mut kinds = json.filter(|kind| self.held == elements.before(*kind));
        let (is_text, kind) = (self.held == elements.before(Kind::Text), kinds.next());
        self.told = kind.filter(|_| elements.tells_kinds());
        let content = match (is_text, kind.is_some()) {
            (true, true) => self.content(),
            (true, false) => Content::Text,
            (false, true) => Content::Json,
            (false, false) => {
                let goes_on = elements.before.iter().any(|before| before.starts_with(&self.held));
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
            Content::Object(level) => Spot::Start { level, is_array: false },
            Content::Array(level) => Spot::Start { level, is_array: true },
        };
    }

    /// What the value of the key that was read last may be.
    pub(super) fn content(&self) -> Content {
        let open = &self.open;
        match open.is_array {
            true => self.keys.item(open.level, open.n.saturating_sub(1)),
            false => self.keys.content(open.level, &self.key),
        }
    }

    pub(super) fn text(&mut self, byte: u8, out: &mut Vec<u8>) {
        let elements = self.elements();
        let close = elements.close.as_slice();
        if self.held.is_empty() && close.first() != Some(&byte) {
            return self.take_text(byte, out);
        }
        self.held.push(byte);
        while !close.starts_with(&self.held) {
            let byte = self.held.remove(0);
            self.take_text(byte, out);
        }
        if self.held == close {
            out.push(b'"');
            self.end_value();
        }
    }

    fn take_text(&mut self, byte: u8, out: &mut Vec<u8>) {
        // No text holds a control token.
        if byte == 0xFF {
            self.spot = Spot::Broken;
        }
        escape(byte, out);
    }

    pub(super) fn json(&mut self, nesting: Nesting, byte: u8, out: &mut Vec<u8>) {
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
            self.has_value = true;
            out.push(byte);
        }
    }

    pub(super) fn unclear(&mut self, byte: u8, out: &mut Vec<u8>) {
        self.held.push(byte);
        let begun = self.held.as_slice();
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
    pub(super) fn decide(&mut self, spot: Spot, out: &mut Vec<u8>) {
        self.spot = spot;
        for byte in std::mem::take(&mut self.held) {
            self.push(byte, out);
        }
    }
}
