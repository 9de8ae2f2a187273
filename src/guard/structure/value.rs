//! Values in an answer of several parts: how they are written, and where they end.

use std::sync::Arc;

use super::Structure;
use crate::guard::encoding::Encoding;
use crate::guard::transcode::{Progress, Transcoder};

impl Structure {
    /// How the values of the schema with this index are written, where they are not written as JSON.
    #[must_use]
    pub fn encoding(&self, value: usize) -> Option<&Arc<Encoding>> {
        self.encodings.get(value)?.as_ref()
    }

    /// The value that may be empty at this node, with the node behind it.
    #[must_use]
    pub fn may_be_empty(&self, node: usize) -> Option<(usize, usize)> {
        self.nodes[node].value.filter(|(value, _)| self.encoding(*value).is_some())
    }

    /// The node that `bytes` lead to from `node`, as literals.
    #[must_use]
    pub fn behind(&self, node: usize, bytes: &[u8]) -> Option<usize> {
        bytes.iter().try_fold(node, |node, byte| {
            self.nodes[node].edges.iter().find(|(edge, _)| edge == byte).map(|(_, next)| *next)
        })
    }

    /// The JSON of a whole value of the schema with this index; nothing if `text` breaks off.
    #[must_use]
    pub fn json(&self, value: usize, text: &[u8]) -> Option<Vec<u8>> {
        let Some(encoding) = self.encoding(value) else { return Some(text.to_vec()) };
        let mut json = Vec::new();
        let mut transcoder = Transcoder::new(encoding, &mut json);
        text.iter().for_each(|byte| transcoder.push(*byte, &mut json));
        transcoder.finish(&mut json).then_some(json)
    }

    /// The length of the value that `text` begins with; nothing if it may go on at the end of `text`.
    pub(super) fn value_len(&self, value: usize, text: &[u8]) -> Option<usize> {
        let Some(encoding) = self.encoding(value) else { return json_len(text) };
        let mut json = Vec::new();
        let mut transcoder = Transcoder::new(encoding, &mut json);
        let n_read = 1 + text.iter().position(|byte| {
            transcoder.push(*byte, &mut json);
            transcoder.progress() == Progress::Over
        })?;
        Some(n_read - transcoder.held().len())
    }
}

/// Whether JSON may begin with `byte`.
#[must_use]
pub fn begins_json(byte: u8) -> bool {
    matches!(byte, b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n')
}

/// Whether the number or literal `word` may go on with `byte`.
#[must_use]
pub(in crate::guard) fn goes_on(word: &[u8], byte: u8) -> bool {
    match word.first() {
        Some(b't' | b'n') => word.len() < 4,
        Some(b'f') => word.len() < 5,
        _ => continues_number(byte),
    }
}

/// Whether a number may go on with `byte`.
#[must_use]
pub fn continues_number(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')
}

/// The length of the JSON that `text` begins with; nothing if it may go on at the end of `text`.
fn json_len(text: &[u8]) -> Option<usize> {
    let first = *text.first()?;
    if !matches!(first, b'{' | b'[' | b'"') {
        return (1..text.len()).find(|n| !goes_on(&text[..*n], text[*n]));
    }
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    for (i, byte) in text.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && !in_string {
            return Some(i + 1);
        }
    }
    None
}
