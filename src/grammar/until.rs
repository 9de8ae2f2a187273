//! Texts up to the first place where another text stands, as expressions that masks are quick with.
//!
//! llguidance knows at once that most tokens are harmless where an expression repeats a choice of characters. So such a
//! text is written as runs that come back to where they began, not as what a complement leaves.

use std::fmt::Write as _;

use llguidance::derivre::RegexAst;

/// `text` and then `close`, which stands there for the first time. `is_all`: whether `text` is any text.
pub(super) fn up_to(text: RegexAst, is_all: bool, close: &str) -> RegexAst {
    let until = until(close).map(RegexAst::Regex);
    match until {
        Some(until) if is_all => until,
        Some(until) => RegexAst::And(vec![RegexAst::Concat(vec![text, RegexAst::Literal(close.to_owned())]), until]),
        None => {
            let literal = || RegexAst::Literal(close.to_owned());
            let regex = |regex: &str| RegexAst::Regex(regex.to_owned());
            let goes_on = RegexAst::Concat(vec![regex("(?s:.*)"), literal(), regex("(?s:.+)")]);
            RegexAst::And(vec![RegexAst::Concat(vec![text, literal()]), RegexAst::Not(Box::new(goes_on))])
        }
    }
}

/// Any text up to the first `close`, and that. `None` where a part of `close` is its beginning, but for the first
/// character.
fn until(close: &str) -> Option<String> {
    let chars: Vec<char> = close.chars().collect();
    let (first, rest) = chars.split_first()?;
    // Where a text goes on as `close` does not, it may have begun anew, with one character at most.
    let overlaps = |n: usize| (2..n).any(|k| chars[..k] == chars[n - k..n]);
    if (3..chars.len()).any(overlaps) || rest.iter().enumerate().any(|(i, c)| c == first && i + 2 < chars.len()) {
        return None;
    }
    let literal: String = rest.iter().map(|c| escaped(*c)).collect();
    // From behind: what leads back to where one character of `close` is there, and to where none is. Nested, since each
    // beginning of `close` written down would be a square of its length.
    let (mut again, mut away) = (String::new(), String::new());
    for next in rest.iter().rev() {
        let (c, is_first) = (escaped(*next), next == first);
        let later = |text: &str| if text.is_empty() { String::new() } else { format!("|{c}(?:{text})") };
        let other = if is_first { String::new() } else { escaped(*first) };
        away = format!("[^{c}{other}]{}", later(&away));
        again = if is_first { String::new() } else { format!("{other}{}", later(&again)) };
    }
    let first = escaped(*first);
    let runs = if again.is_empty() { String::new() } else { format!("(?:{again})*") };
    let back = if away.is_empty() { String::new() } else { format!("|{first}{runs}(?:{away})") };
    Some(format!("(?:[^{first}]{back})*{first}{runs}{literal}"))
}

fn escaped(c: char) -> String {
    let mut out = String::new();
    let _ = write!(out, r"\x{{{:X}}}", u32::from(c));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use llguidance::derivre::{Regex, RegexBuilder};

    fn regex(ast: &RegexAst) -> Regex {
        let mut builder = RegexBuilder::new();
        let expr = builder.mk(ast).expect("a regex");
        builder.into_regex(expr)
    }

    #[test]
    fn texts_end_at_the_first_close() {
        for close in ["\n</a>\n", "</a>", "a", "ab", "aab", "abab", "\n\n", "é</é>"] {
            let mut all = regex(&up_to(RegexAst::Regex("(?s:.*)".into()), true, close));
            let mut some = regex(&up_to(RegexAst::Regex("(?s:.{0,3})".into()), false, close));
            let alphabet: Vec<char> = "ab<\n/>é".chars().collect();
            let parts: Vec<String> = alphabet.iter().map(char::to_string).chain([close.to_owned()]).collect();
            for n in 0..parts.len().pow(4) {
                let text: String = (0..4).map(|i| parts[n / parts.len().pow(i) % parts.len()].as_str()).collect();
                let is_it = text.find(close).is_some_and(|at| at + close.len() == text.len());
                assert_eq!(all.is_match(&text), is_it, "{text:?} to {close:?}");
                let is_short = is_it && text.chars().count() - close.chars().count() <= 3;
                assert_eq!(some.is_match(&text), is_short, "{text:?} to {close:?}");
            }
        }
    }
}
