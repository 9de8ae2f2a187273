//! A text in an answer of several parts: what ends it, what it must not hold, and how long it may be.

/// A text that ends where one of its stops stands for the first time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// What ends it, and the node behind that. None holds another.
    pub stops: Vec<(Vec<u8>, usize)>,
    /// What it must not hold.
    pub excluded: Vec<Vec<u8>>,
    /// How many characters it has at most.
    pub max_chars: Option<usize>,
    /// Whether the answer may end with it.
    pub may_end: bool,
}

impl Text {
    /// How many of the last bytes of `text` are the beginning of `stop`.
    #[must_use]
    pub fn begun(text: &[u8], stop: &[u8]) -> usize {
        let tail = &text[text.len() - text.len().min(stop.len().saturating_sub(1))..];
        let begins = |at: &usize| stop.first() == Some(&tail[*at]) && stop.starts_with(&tail[*at..]);
        (0..tail.len()).find(begins).map_or(0, |at| tail.len() - at)
    }

    /// Whether it has too many characters.
    pub(super) fn exceeds(&self, text: &[u8]) -> bool {
        self.max_chars.is_some_and(|max| text.len() > max && n_chars(text) > max)
    }

    /// The same of a text with `n` characters, even if its end turns out to be the beginning of a stop.
    pub(super) fn is_too_long(&self, text: &[u8], n: usize) -> bool {
        self.max_chars.is_some_and(|max| {
            let begun = |(stop, _): &(Vec<u8>, usize)| n_chars(&stop[..Self::begun(text, stop)]);
            n > max && n - self.stops.iter().map(begun).max().unwrap_or(0) > max
        })
    }

    /// How many characters `text`, which is one so far, may still get.
    #[must_use]
    pub fn room(&self, text: &[u8]) -> Option<usize> {
        Some(self.max_chars?.saturating_sub(n_chars(text)))
    }

    /// Whether `text` may go on with `more`.
    pub(super) fn fits(&self, text: &[u8], more: &[u8]) -> bool {
        // Why no more of it: it is asked for many tokens.
        let longest = self.stops.iter().map(|(stop, _)| stop.len()).max().unwrap_or(0);
        let mut tail = text[text.len() - longest.min(text.len())..].to_vec();
        let mut n = n_chars(text);
        for byte in more {
            tail.push(*byte);
            n += n_chars(&[*byte]);
            if self.stops.iter().any(|(stop, _)| tail.ends_with(stop)) {
                return true;
            }
            if self.is_too_long(&tail, n) {
                return false;
            }
        }
        true
    }
}

pub(super) fn n_chars(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte & 0xC0 != 0x80).count()
}
