//! Text in pieces that llama.cpp can cut into tokens.
//!
//! Source: `unicode_regex_split_stl` in llama.cpp: `std::regex` takes a frame of the stack for each character of a word,
//! and a word may be as long as a stranger likes (llama.cpp issue 27783).

/// Bytes of one word: a quarter of what a thread's stack has room for.
const MAX_WORD_BYTES: usize = 1 << 16;

/// `text` in pieces, none of which holds a longer word. What is no UTF-8 stays whole.
pub(super) fn pieces(text: &[u8]) -> Vec<&[u8]> {
    let Ok(characters) = std::str::from_utf8(text) else { return vec![text] };
    let mut pieces = Vec::new();
    let (mut start, mut word, mut class) = (0, 0, Class::Any);
    for (at, c) in characters.char_indices() {
        let own = Class::of(c);
        match class.with(own) {
            Some(both) => class = both,
            None => (word, class) = (at, own),
        }
        if at - word >= MAX_WORD_BYTES {
            pieces.push(&text[start..at]);
            (start, word, class) = (at, at, own);
        }
    }
    pieces.push(&text[start..]);
    pieces
}

/// Characters that make words together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Space,
    Letter,
    Digit,
    Other,
    /// No ASCII: part of words of any of these but the first.
    Any,
}

impl Class {
    fn of(c: char) -> Self {
        match c {
            _ if c.is_whitespace() => Self::Space,
            _ if c.is_ascii_alphabetic() => Self::Letter,
            _ if c.is_ascii_digit() => Self::Digit,
            _ if c.is_ascii() => Self::Other,
            _ => Self::Any,
        }
    }

    /// The class of a word that has both; `None` if none does.
    fn with(self, next: Self) -> Option<Self> {
        match (self, next) {
            (Self::Any, Self::Letter | Self::Digit | Self::Other) => Some(next),
            (Self::Letter | Self::Digit | Self::Other, Self::Any) => Some(self),
            _ => (self == next).then_some(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_words_are_cut() {
        let n = MAX_WORD_BYTES;
        for (text, expected) in [
            ("a b ".repeat(n), 1),
            ("a1".repeat(n), 1),
            ("漢。 ".repeat(n), 1),
            (String::new(), 1),
            ("a".repeat(n), 1),
            ("a".repeat(3 * n + 1), 4),
            (" ".repeat(2 * n), 2),
            ("漢".repeat(n), 3),
            ("é!".repeat(n), 3),
            (format!("{}{}", "x ".repeat(n), "y".repeat(n + 1)), 2),
        ] {
            let pieces = pieces(text.as_bytes());
            assert_eq!(pieces.len(), expected, "{:?}", text.chars().take(4).collect::<String>());
            assert_eq!(pieces.concat(), text.as_bytes());
            assert!(pieces.iter().all(|piece| std::str::from_utf8(piece).is_ok()));
        }
    }
}
