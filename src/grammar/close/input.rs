//! Endings of a custom tool's arguments, whose input a grammar derives.

use std::sync::Arc;

use crate::grammar::cfg::Cfg;

/// Finds endings of `{"key": text}`.
#[derive(Debug)]
pub(in crate::grammar) struct InputCloser {
    /// What stands before the text, without spaces.
    opening: Vec<u8>,
    cfg: Arc<Cfg>,
}

/// What stands behind it.
const CLOSE: &[u8] = b"\"}";

impl InputCloser {
    pub(super) fn new(key: &str, cfg: Arc<Cfg>) -> Self {
        let key = serde_json::Value::from(key).to_string();
        Self { opening: format!("{{{key}:\"").into_bytes(), cfg }
    }

    pub(super) fn close(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut rest = text;
        for (i, byte) in self.opening.iter().enumerate() {
            // Why not in the key: its quotes hold what is there.
            rest = if *byte == b'{' || *byte == b':' || rest.first() != Some(byte) {
                rest.trim_ascii_start()
            } else {
                rest
            };
            match rest.split_first() {
                None => return Some([&self.opening[i..], &self.cfg.ending_in_string(b"")?, CLOSE].concat()),
                Some((first, behind)) if first == byte => rest = behind,
                Some(_) => return None,
            }
        }
        let Some(n_content) = end_of_string(rest) else {
            return Some([self.cfg.ending_in_string(rest)?.as_slice(), CLOSE].concat());
        };
        match rest[n_content + 1..].trim_ascii() {
            b"" => Some(b"}".to_vec()),
            b"}" => Some(Vec::new()),
            _ => None,
        }
    }
}

/// Where the quote stands that closes a string, whose content `text` begins with.
fn end_of_string(text: &[u8]) -> Option<usize> {
    let mut is_escaped = false;
    text.iter().position(|byte| {
        let closes = !is_escaped && *byte == b'"';
        is_escaped = !is_escaped && *byte == b'\\';
        closes
    })
}
