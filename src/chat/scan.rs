//! Looks through the bytes of an answer: for marks, for the end of a JSON object, for what is text.

/// What a control token begins with.
const CONTROL: u8 = 0xFF;

/// How far a JSON value has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Json {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Json {
    /// Takes a byte of an object; true if it is the last.
    pub(super) fn takes(&mut self, byte: u8) -> bool {
        if self.in_string {
            self.in_string = self.escaped || byte != b'"';
            self.escaped = !self.escaped && byte == b'\\';
            return false;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        matches!(byte, b'}' | b']') && self.depth == 0
    }
}

/// The text of `bytes`, without control tokens.
pub(super) fn plain(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (i, part) in bytes.split(|byte| *byte == CONTROL).enumerate() {
        let part = String::from_utf8_lossy(part);
        text.push_str(if i == 0 { &part } else { part.split_once(']').map_or("", |(_, text)| text) });
    }
    text
}

/// The length of the longest end of `text` that begins one of `marks`.
pub(super) fn longest_beginning<'a>(text: &[u8], marks: impl Iterator<Item = &'a [u8]>) -> usize {
    marks
        .filter_map(|mark| (1..mark.len().min(text.len() + 1)).rev().find(|n| text.ends_with(&mark[..*n])))
        .max()
        .unwrap_or(0)
}
