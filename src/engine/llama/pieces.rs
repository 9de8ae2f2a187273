//! Text in pieces that llama.cpp can cut into tokens.
//!
//! Source: `unicode_regex_split_stl` in llama.cpp: for many vocabularies words are found by `std::regex`, which takes a
//! frame of the stack for each of their characters (llama.cpp issue 27783). What a word is differs from vocabulary to
//! vocabulary, and a word may be as long as a stranger likes.

use aho_corasick::{AhoCorasick, MatchKind};

/// Bytes of one piece: a tenth of what a thread's stack has room for.
const MAX_BYTES: usize = 1 << 16;

/// Names of tokens that are looked for before words are.
pub(super) struct Names {
    finder: Option<AhoCorasick>,
    longest: usize,
}

impl Names {
    pub(super) fn new(names: &[Vec<u8>]) -> Self {
        let names: Vec<&Vec<u8>> = names.iter().filter(|name| !name.is_empty()).collect();
        let longest = names.iter().map(|name| name.len()).max().unwrap_or(0);
        let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&names).ok();
        Self { finder: finder.filter(|_| longest > 0), longest }
    }

    /// `at`, or a place nearby where no name of `text` is cut in two.
    fn spare(&self, text: &[u8], at: usize) -> usize {
        let Some(finder) = &self.finder else { return at };
        let start = at.saturating_sub(self.longest);
        let near = &text[start..text.len().min(at + self.longest)];
        let cut = finder.find_iter(near).find(|name| start + name.start() < at && at < start + name.end());
        match cut.map(|name| (start + name.start(), start + name.end())) {
            None => at,
            Some((0, end)) => end,
            Some((begin, _)) => begin,
        }
    }
}

/// `text` in pieces. Long text is cut where lines end, which makes hardly a difference to its tokens; else before a word, and
/// only within words that are too long themselves wherever it must be. What is no UTF-8 stays whole.
pub(super) fn pieces<'t>(text: &'t [u8], names: &Names) -> Vec<&'t [u8]> {
    let mut pieces = Vec::new();
    if text.len() > MAX_BYTES && std::str::from_utf8(text).is_err() {
        return vec![text];
    }
    let mut rest = text;
    while rest.len() > MAX_BYTES {
        let begins = |n: &usize| rest[*n] & 0xC0 != 0x80;
        let n = (1..=MAX_BYTES).rev().find(begins).unwrap_or(MAX_BYTES);
        let (piece, behind) = rest.split_at(names.spare(rest, place(&rest[..n])));
        pieces.push(piece);
        rest = behind;
    }
    pieces.push(rest);
    pieces
}

/// Where `text` is best cut.
fn place(text: &[u8]) -> usize {
    let last = |is_place: &dyn Fn(u8, u8) -> bool| text.windows(2).rposition(|pair| is_place(pair[0], pair[1]));
    let begins_line = |a: u8, b: u8| a == b'\n' && !b.is_ascii_whitespace();
    let begins_word = |a: u8, b: u8| !a.is_ascii_whitespace() && b == b' ';
    let differs = |a: u8, b: u8| a.is_ascii() && b.is_ascii() && class(a) != class(b);
    let found = last(&begins_line).or_else(|| last(&begins_word)).or_else(|| last(&differs));
    found.map_or(text.len(), |at| at + 1)
}

fn class(byte: u8) -> u8 {
    match byte {
        _ if byte.is_ascii_whitespace() => 0,
        _ if byte.is_ascii_alphabetic() => 1,
        _ if byte.is_ascii_digit() => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_where_it_does_least_harm() {
        let names = Names::new(&[b"<|im_end|>".to_vec(), Vec::new()]);
        let n = MAX_BYTES;
        for (text, ends) in [
            ("a\nb \n".repeat(n), b'\n'),
            ("ab cd ".repeat(n), b'b'),
            ("ab  ".repeat(n), b'b'),
            ("漢字。 ".repeat(n), 0x82),
            ("a1".repeat(n), b'a'),
            ("a".repeat(3 * n + 1), b'a'),
            (" ".repeat(2 * n + 1), b' '),
            ("漢".repeat(n), 0xA2),
            (format!("{}<|im_end|>{}", "!".repeat(n - 1), "!".repeat(n)), b'!'),
            (format!("{}<|im_end|>{}", "!".repeat(n - 9), "!".repeat(n)), b'!'),
        ] {
            let pieces = pieces(text.as_bytes(), &names);
            assert!(pieces.len() > 1);
            assert_eq!(pieces.concat(), text.as_bytes());
            let shown: String = text.chars().take(5).collect();
            for piece in &pieces {
                assert!(piece.len() <= n && std::str::from_utf8(piece).is_ok(), "{shown}");
                assert!(piece.len() < n || !piece.ends_with(b"<"), "{shown}");
            }
            assert_eq!(pieces[0].last().map(|last| last & 0xFE), Some(ends & 0xFE), "{shown}");
            assert_eq!(text.contains("im_end"), pieces.iter().any(|p| p.starts_with(b"<|im_end|>")), "{shown}");
        }
        for text in [String::new(), "a".repeat(n), "é".repeat(n / 2)] {
            assert_eq!(pieces(text.as_bytes(), &names), [text.as_bytes()]);
        }
    }
}
