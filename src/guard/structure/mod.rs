//! Where text and JSON stand in an answer that is made of parts: an automaton over the bytes of the text, in which each
//! value is one step.
//!
//! Source: the structural tags of XGrammar; `grammar::structure` makes one of a format.

mod text;
mod value;

use std::sync::Arc;

pub use text::Text;
use text::n_chars;
pub(super) use value::goes_on;
pub use value::{begins_json, continues_number};

use super::encoding::Encoding;

/// The automaton.
#[derive(Clone, Debug, Default)]
pub struct Structure {
    /// Places between bytes that are not inside free text. The first is where the answer begins.
    pub nodes: Vec<Node>,
    /// The texts that may stand somewhere.
    pub texts: Vec<Text>,
    /// How the values of each schema are written, where they are not written as JSON; known once they have grammars.
    pub encodings: Vec<Option<Arc<Encoding>>>,
}

/// A place in the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// The node that each byte leads to. What they spell goes before text that could begin so.
    pub edges: Vec<(u8, usize)>,
    /// A value that may begin here: its schema's index, and the node behind it. No edge begins as JSON does. What is not
    /// written as JSON may be empty, and stands alone at its node.
    pub value: Option<(usize, usize)>,
    /// Text that has begun so many bytes ago, if none of the edges is taken.
    pub text: Option<(usize, usize)>,
    /// Whether the answer may end here.
    pub may_end: bool,
}

/// How far an answer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// At a node.
    Node(usize),
    /// In a text that began at this byte.
    Text {
        /// Which text.
        text: usize,
        /// Where it began.
        start: usize,
        /// Its characters so far.
        n_chars: usize,
    },
    /// In JSON that began at this byte. Only what is read at once stands here: the follower has its own state for it.
    Value {
        /// Which schema's.
        value: usize,
        /// Where it began.
        start: usize,
        /// The node behind it.
        next: usize,
    },
}

/// What a byte does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It leads on.
    To(Position),
    /// It ends a text.
    Ends {
        /// Which text.
        text: usize,
        /// The bytes of the text itself, without its stop.
        content: (usize, usize),
        /// The node behind the stop.
        next: usize,
    },
    /// It is the first of a value, or the first behind one that is empty.
    Value {
        /// The schema's index.
        value: usize,
        /// The node behind it.
        next: usize,
    },
    /// It cannot stand here.
    Not,
}

/// A finished part of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'t> {
    /// A value of the schema with this index, as it is written.
    Value(usize, &'t [u8]),
    /// Text, with its index.
    Text(usize, &'t [u8]),
}

impl Position {
    /// Where every answer begins.
    pub const START: Self = Self::Node(0);
}

impl Structure {
    /// What the last byte of `text` does at `position`, which is where the bytes before it have led.
    #[must_use]
    pub fn step(&self, position: Position, text: &[u8]) -> Step {
        let Some((byte, before)) = text.split_last() else { return Step::Not };
        match position {
            Position::Node(node) => {
                let node = &self.nodes[node];
                if let Some((_, next)) = node.edges.iter().find(|(edge, _)| edge == byte) {
                    return Step::To(Position::Node(*next));
                }
                match (node.text, node.value) {
                    (Some((id, n_back)), _) => {
                        let start = before.len() - n_back;
                        self.in_text(id, (start, n_chars(&before[start..])), text)
                    }
                    (None, Some((value, next))) if self.encoding(value).is_some() || begins_json(*byte) => {
                        Step::Value { value, next }
                    }
                    (None, _) => Step::Not,
                }
            }
            Position::Text { text: id, start, n_chars } => self.in_text(id, (start, n_chars), text),
            Position::Value { .. } => Step::Not,
        }
    }

    /// In a text that began at `start` and had `n_before` characters before the last byte.
    fn in_text(&self, id: usize, (start, n_before): (usize, usize), text: &[u8]) -> Step {
        let rule = &self.texts[id];
        let so_far = &text[start..];
        let n = n_before + n_chars(&text[text.len() - 1..]);
        if let Some((stop, next)) = rule.stops.iter().find(|(stop, _)| so_far.ends_with(stop)) {
            let content = (start, text.len() - stop.len());
            let exceeds = rule.max_chars.is_some_and(|max| n - n_chars(stop) > max);
            return if exceeds { Step::Not } else { Step::Ends { text: id, content, next: *next } };
        }
        let is_over = rule.excluded.iter().any(|excluded| so_far.ends_with(excluded)) || rule.is_too_long(so_far, n);
        if is_over { Step::Not } else { Step::To(Position::Text { text: id, start, n_chars: n }) }
    }

    /// Reads `text` from its beginning, and calls `each` for every part that is finished in it. `None` if it cannot be
    /// the beginning of an answer.
    pub fn walk<'t>(&self, text: &'t [u8], each: impl FnMut(Part<'t>)) -> Option<Position> {
        self.walk_from((Position::START, 0), text, each)
    }

    /// The same from `at` on, where it stands at `position`.
    pub fn walk_from<'t>(
        &self,
        (mut position, mut at): (Position, usize),
        text: &'t [u8],
        mut each: impl FnMut(Part<'t>),
    ) -> Option<Position> {
        while at < text.len() {
            match self.step(position, &text[..=at]) {
                Step::Not => return None,
                Step::Value { value, next } => {
                    let Some(n) = self.value_len(value, &text[at..]) else {
                        return Some(Position::Value { value, start: at, next });
                    };
                    each(Part::Value(value, &text[at..at + n]));
                    (position, at) = (Position::Node(next), at + n);
                    continue;
                }
                Step::To(to) => position = to,
                Step::Ends { text: id, content: (start, end), next } => {
                    each(Part::Text(id, &text[start..end]));
                    position = Position::Node(next);
                }
            }
            at += 1;
        }
        Some(position)
    }

    /// Reads the whole of an answer and calls `each` for every part in it. Returns whether it may end there; whether its
    /// parts are what they must be is for `each` to see.
    pub fn read<'t>(&self, text: &'t [u8], mut each: impl FnMut(Part<'t>)) -> bool {
        let node = match self.walk(text, &mut each) {
            None => return false,
            Some(Position::Value { value, start, next }) => {
                each(Part::Value(value, &text[start..]));
                Position::Node(next)
            }
            Some(Position::Node(node)) if let Some((value, next)) = self.may_be_empty(node) => {
                each(Part::Value(value, b""));
                Position::Node(next)
            }
            Some(other) => other,
        };
        if matches!(node, Position::Node(node) if self.nodes[node].may_end) {
            return true;
        }
        let Some((id, start)) = self.text_at(node, text.len()).filter(|(id, _)| self.texts[*id].may_end) else {
            return false;
        };
        each(Part::Text(id, &text[start..]));
        !self.texts[id].exceeds(&text[start..])
    }

    /// Whether the answer may end at `position` with `text`, as far as the lengths of texts say.
    #[must_use]
    pub fn keeps_bounds(&self, position: Position, text: &[u8]) -> bool {
        match position {
            Position::Node(node) if self.nodes[node].may_end => true,
            _ => self.text_at(position, text.len()).is_none_or(|(id, start)| !self.texts[id].exceeds(&text[start..])),
        }
    }

    /// Whether `text`, which has led to `position`, may go on with `more` as far as the length of the open text says.
    #[must_use]
    pub fn fits(&self, position: Position, text: &[u8], more: &[u8]) -> bool {
        let Some((id, start)) = self.text_at(position, text.len()) else { return true };
        if let Position::Node(node) = position {
            let mut node = node;
            for byte in more {
                let Some((_, next)) = self.nodes[node].edges.iter().find(|(edge, _)| edge == byte) else {
                    return self.texts[id].fits(&text[start..], more);
                };
                node = *next;
                if self.nodes[node].text.is_none_or(|(_, n_back)| n_back == 0) {
                    return true;
                }
            }
            return true;
        }
        self.texts[id].fits(&text[start..], more)
    }

    /// The text that a position is in, or can be, before the byte `at`; and where it began.
    #[must_use]
    pub fn text_at(&self, position: Position, at: usize) -> Option<(usize, usize)> {
        match position {
            Position::Node(node) => self.nodes[node].text.map(|(id, n_back)| (id, at - n_back)),
            Position::Text { text, start, .. } => Some((text, start)),
            Position::Value { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Free text, in which `<a>` is followed by JSON and `</a>`, or by text and `;`.
    fn structure() -> Structure {
        let edge = |byte: u8, next| Node { edges: vec![(byte, next)], ..Node::default() };
        let behind = |n: usize| Node { value: Some((0, n)), ..Node::default() };
        let mut nodes = vec![Node { text: Some((0, 0)), ..Node::default() }, behind(2)];
        nodes.extend(b"</a".iter().zip(3..).map(|(byte, next)| edge(*byte, next)));
        nodes.push(edge(b'>', 0));
        let text = Text {
            stops: vec![(b"<a>".to_vec(), 1)],
            excluded: vec![b"bad".to_vec()],
            max_chars: Some(4),
            may_end: true,
        };
        Structure { nodes, texts: vec![text], encodings: Vec::new() }
    }

    #[test]
    fn parts_are_found_where_they_stand() {
        let structure = structure();
        let text = b"x <<a>{\"k\":\"}</a>\\\"\"}</a> y<a>1.5e3</a>";
        let mut parts = Vec::new();
        assert!(structure.read(text, |part| parts.push(part)));
        let expected = [
            Part::Text(0, b"x <"),
            Part::Value(0, b"{\"k\":\"}</a>\\\"\"}"),
            Part::Text(0, b" y"),
            Part::Value(0, b"1.5e3"),
            Part::Text(0, b""),
        ];
        assert_eq!(parts, expected);
        for n in 0..text.len() {
            let is_whole = structure.read(&text[..n], |_| ());
            let is_in_text = [0..5, 25..30].iter().any(|text| text.contains(&n));
            assert_eq!(is_whole, is_in_text, "{n}");
        }
        for wrong in ["bad", "x bad", "12345", "1234<x", "<a>{}</a>éééé<</", "<a>x", "<a>{} ", "<a>true1", "<a>1</b"]
        {
            assert_eq!(structure.walk(wrong.as_bytes(), |_| ()), None, "{wrong}");
        }
        assert!(structure.walk("<a>{}</a>éééé<a".as_bytes(), |_| ()).is_some());
        let more = [&b"d"[..], b"<", b"<a", b"<a>{", b"de", b"d<a>", b"<b"];
        assert_eq!(
            more.map(|more| structure.fits(Position::Text { text: 0, start: 0, n_chars: 3 }, b"abc", more)),
            [true, true, true, true, false, true, false]
        );
        assert_eq!(structure.walk(b"<a>12", |_| ()), Some(Position::Value { value: 0, start: 3, next: 2 }));
    }
}
