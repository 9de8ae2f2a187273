//! How JSON spells the characters of a string, as regular expressions.
//!
//! A character has several spellings in JSON. *Plain* spelling is what serializers write: the character itself, or the
//! escape that it must have. *Full* spelling is all that JSON allows. A complement is taken within one spelling, so that
//! an escape never passes for another character.

use std::fmt::Write as _;

use crate::schema::pattern::Lang;

/// Which spellings of a character are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Spelling {
    /// As serializers write it.
    Plain,
    /// As JSON allows it.
    Full,
    /// As Python writes it between single quotes.
    Single,
    /// Outside JSON: the character itself, and no quotes around the string.
    Raw,
}

impl Spelling {
    /// What stands around a string.
    fn quote(self) -> char {
        if self == Self::Single { '\'' } else { '"' }
    }

    /// The same as text; none around text that stands as it is.
    pub(super) fn quotes(self) -> &'static str {
        match self {
            Self::Plain | Self::Full => "\"",
            Self::Single => "'",
            Self::Raw => "",
        }
    }
}

/// The regex of a language without intersections and complements. It never holds a `/`.
pub(super) fn regex(lang: &Lang, spelling: Spelling) -> Option<String> {
    Some(match lang {
        Lang::Empty => String::new(),
        Lang::Class(ranges) => class(ranges, spelling),
        Lang::Concat(parts) => parts.iter().map(|part| regex(part, spelling)).collect::<Option<Vec<_>>>()?.concat(),
        Lang::Or(parts) => {
            let parts: Vec<String> = parts.iter().map(|part| regex(part, spelling)).collect::<Option<_>>()?;
            format!("(?:{})", parts.join("|"))
        }
        Lang::Repeat(inner, min, max) => {
            let inner = regex(inner, spelling)?;
            format!("(?:{inner}){}", times(*min, *max))
        }
        Lang::Nothing | Lang::And(_) | Lang::Not(_) => return None,
    })
}

/// How often something comes, as regexes and Lark write it behind it.
pub(super) fn times(min: u32, max: Option<u32>) -> String {
    match (min, max) {
        (0, None) => "*".to_owned(),
        (1, None) => "+".to_owned(),
        (0, Some(1)) => "?".to_owned(),
        (min, None) => format!("{{{min},}}"),
        (min, Some(max)) => format!("{{{min},{max}}}"),
    }
}

/// Any character: not a lone surrogate, which no text can hold.
pub(super) fn any_char(spelling: Spelling) -> &'static str {
    match spelling {
        Spelling::Plain => r#"(?:[^"\\\x00-\x1F]|\\(?:["\\bfnrt]|u00[01][0-9a-fA-F]))"#,
        Spelling::Single => r"(?:[^'\\\x00-\x1F]|\\(?:['\\bfnrt]|u00[01][0-9a-fA-F]))",
        Spelling::Raw => r"(?s:.)",
        Spelling::Full => concat!(
            r#"(?:[^"\\\x00-\x1F]|\\(?:["\\\x2Fbfnrt]|u(?:[0-9a-cA-CefEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}"#,
            r"|[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})))"
        ),
    }
}

/// The spellings of one character out of `ranges`.
fn class(ranges: &[(char, char)], spelling: Spelling) -> String {
    let is_any = ranges == [('\0', '\u{D7FF}'), ('\u{E000}', char::MAX)] || ranges == [('\0', char::MAX)];
    if is_any {
        return any_char(spelling).to_owned();
    }
    if spelling == Spelling::Raw {
        let mut raw = String::new();
        ranges.iter().for_each(|(first, last)| push_range(&mut raw, *first, *last));
        return format!("[{raw}]");
    }
    let mut raw = String::new();
    for (first, last) in ranges {
        let (before, behind) = if spelling == Spelling::Single { ('&', '(') } else { ('!', '#') };
        for (low, high) in [(' ', before), (behind, '['), (']', char::MAX)] {
            let (first, last) = ((*first).max(low), (*last).min(high));
            if first <= last {
                push_range(&mut raw, first, last);
            }
        }
    }
    let has = |c: char| ranges.iter().any(|(first, last)| (*first..=*last).contains(&c));
    let mut alternatives = Vec::new();
    if !raw.is_empty() {
        alternatives.push(format!("[{raw}]"));
    }
    let quote = spelling.quote();
    for (c, escape) in
        [(quote, quote), ('\\', '\\'), ('\u{8}', 'b'), ('\u{C}', 'f'), ('\n', 'n'), ('\r', 'r'), ('\t', 't')]
    {
        if has(c) {
            alternatives.push(if escape.is_alphabetic() { format!(r"\\{escape}") } else { format!(r"\\\{escape}") });
        }
    }
    if spelling == Spelling::Full && has('/') {
        alternatives.push(r"\\\x2F".to_owned());
    }
    let limit = if spelling == Spelling::Full { char::MAX } else { '\u{1F}' };
    for (first, last) in ranges.iter().filter(|(first, _)| *first <= limit) {
        push_escapes(&mut alternatives, u32::from(*first), u32::from((*last).min(limit)));
    }
    match alternatives.as_slice() {
        [only] => only.clone(),
        _ => format!("(?:{})", alternatives.join("|")),
    }
}

fn push_range(out: &mut String, first: char, last: char) {
    let mut push = |c: char| {
        if c.is_ascii_alphanumeric() || c == '_' {
            out.push(c);
        } else {
            let _ = write!(out, r"\x{{{:X}}}", u32::from(c));
        }
    };
    push(first);
    if first < last {
        out.push('-');
        let mut end = String::new();
        let _ = write!(end, r"\x{{{:X}}}", u32::from(last));
        out.push_str(&end);
    }
}

/// `\uXXXX` for the code points of a range; pairs of surrogates beyond the basic plane.
fn push_escapes(alternatives: &mut Vec<String>, first: u32, last: u32) {
    if first <= 0xFFFF {
        for pattern in hex_ranges(first, last.min(0xFFFF)) {
            alternatives.push(format!(r"\\u{pattern}"));
        }
    }
    if last > 0xFFFF {
        let (first, last) = (first.max(0x1_0000) - 0x1_0000, last - 0x1_0000);
        let (high_first, low_first) = (0xD800 + (first >> 10), 0xDC00 + (first & 0x3FF));
        let (high_last, low_last) = (0xD800 + (last >> 10), 0xDC00 + (last & 0x3FF));
        let mut pairs = |high: (u32, u32), low: (u32, u32)| {
            let join = |range: (u32, u32)| format!("(?:{})", hex_ranges(range.0, range.1).join("|"));
            alternatives.push(format!(r"\\u{}\\u{}", join(high), join(low)));
        };
        if high_first == high_last {
            pairs((high_first, high_first), (low_first, low_last));
        } else {
            pairs((high_first, high_first), (low_first, 0xDFFF));
            if high_first + 1 < high_last {
                pairs((high_first + 1, high_last - 1), (0xDC00, 0xDFFF));
            }
            pairs((high_last, high_last), (0xDC00, low_last));
        }
    }
}

/// Four hexadecimal digits of the numbers in a range.
fn hex_ranges(first: u32, last: u32) -> Vec<String> {
    let mut out = Vec::new();
    let mut at = first;
    while at <= last {
        // The largest block 16^k that begins here and does not go beyond the end; then as many such blocks as fit.
        let k =
            (0..4).rev().find(|k| at.is_multiple_of(16_u32.pow(*k)) && at + (16_u32.pow(*k) - 1) <= last).unwrap_or(0);
        let size = 16_u32.pow(k);
        let digit = at / size % 16;
        let n = ((last + 1 - at) / size).min(16 - digit).max(1);
        let mut text = String::new();
        for place in (k + 1..4).rev() {
            text.push_str(&hex_digit(at / 16_u32.pow(place) % 16, at / 16_u32.pow(place) % 16));
        }
        text.push_str(&hex_digit(digit, digit + n - 1));
        for _ in 0..k {
            text.push_str("[0-9a-fA-F]");
        }
        out.push(text);
        at += size * n;
    }
    out
}

/// One digit out of a range, in either case.
fn hex_digit(first: u32, last: u32) -> String {
    let digits: String = (first..=last)
        .filter_map(|digit| char::from_digit(digit, 16))
        .flat_map(|c| if c.is_ascii_alphabetic() { vec![c, c.to_ascii_uppercase()] } else { vec![c] })
        .collect();
    if digits.len() == 1 { digits } else { format!("[{digits}]") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_ranges_are_exact() {
        for (first, last) in [(0, 0x1F), (0x61, 0x7A), (0, 0xFFFF), (0x12F, 0x1F03), (0xFFFE, 0xFFFF)] {
            let pattern = hex_ranges(first, last).join("|");
            let mut regex = llguidance::derivre::Regex::new(&pattern).expect("a regex");
            for n in (0..=0xFFFF_u32).step_by(7).chain([first, last, first.saturating_sub(1), (last + 1).min(0xFFFF)]) {
                let is_in = (first..=last).contains(&n);
                assert_eq!(regex.is_match(&format!("{n:04x}")), is_in, "{n:04x} in {pattern}");
                assert_eq!(regex.is_match(&format!("{n:04X}")), is_in, "{n:04X} in {pattern}");
            }
        }
    }

    #[test]
    fn a_class_has_its_spellings() {
        let ranges = [('"', '"'), ('a', 'a'), ('\n', '\n'), ('\u{1F600}', '\u{1F601}')];
        for (spelling, text, is_match) in [
            (Spelling::Plain, "a", true),
            (Spelling::Plain, r"\u0061", false),
            (Spelling::Full, r"\u0061", true),
            (Spelling::Plain, r"\n", true),
            (Spelling::Plain, r"\u000A", true),
            (Spelling::Plain, "\n", false),
            (Spelling::Plain, r#"\""#, true),
            (Spelling::Plain, "\u{1F600}", true),
            (Spelling::Full, r"\uD83D\uDE01", true),
            (Spelling::Full, r"\ud83d\ude02", false),
            (Spelling::Full, r"\ud83d", false),
        ] {
            let mut regex = llguidance::derivre::Regex::new(&class(&ranges, spelling)).expect("a regex");
            assert_eq!(regex.is_match(text), is_match, "{text} as {spelling:?}");
        }
    }
}
