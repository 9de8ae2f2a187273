//! Sets of characters as lists of inclusive ranges.
//!
//! A list in normal form is sorted and disjoint, no range reaches across the surrogates, and ranges touch only there.

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

/// Inclusive ranges.
pub(super) type Ranges = Vec<(char, char)>;

/// Every character.
pub(super) const ANY: [(char, char); 2] = [('\0', '\u{D7FF}'), ('\u{E000}', '\u{10FFFF}')];
/// `\d`.
pub(super) const DIGIT: [(char, char); 1] = [('0', '9')];
/// `\w`.
pub(super) const WORD: [(char, char); 4] = [('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];
/// `\s`. Source: ECMA-262 2025, 12.2 (WhiteSpace) and 12.3 (LineTerminator).
pub(super) const SPACE: [(char, char); 10] = [
    ('\t', '\r'),
    (' ', ' '),
    ('\u{A0}', '\u{A0}'),
    ('\u{1680}', '\u{1680}'),
    ('\u{2000}', '\u{200A}'),
    ('\u{2028}', '\u{2029}'),
    ('\u{202F}', '\u{202F}'),
    ('\u{205F}', '\u{205F}'),
    ('\u{3000}', '\u{3000}'),
    ('\u{FEFF}', '\u{FEFF}'),
];
/// What `.` leaves out.
pub(crate) const LINE_ENDS: [(char, char); 3] = [('\n', '\n'), ('\r', '\r'), ('\u{2028}', '\u{2029}')];

/// The characters that the escape of a class means: `\d`, `\w`, `\s` and, in capitals, all others.
pub(crate) fn escaped(class: char) -> Option<Vec<(char, char)>> {
    let ranges: &[(char, char)] = match class.to_ascii_lowercase() {
        'd' => &DIGIT,
        's' => &SPACE,
        'w' => &WORD,
        _ => return None,
    };
    Some(if class.is_ascii_uppercase() { negate(ranges) } else { ranges.to_vec() })
}

/// The characters between two code points, inclusive; the surrogates among them drop out.
pub(super) fn span(low: u32, high: u32) -> Option<(char, char)> {
    let low = char::from_u32(low).unwrap_or('\u{E000}');
    let high = char::from_u32(high).unwrap_or('\u{D7FF}');
    (low <= high).then_some((low, high))
}

/// Brings ranges in any order into normal form.
pub(super) fn normal(ranges: Ranges) -> Ranges {
    let mut split = Ranges::with_capacity(ranges.len());
    for (low, high) in ranges {
        if low <= '\u{D7FF}' && high >= '\u{E000}' {
            split.extend([(low, '\u{D7FF}'), ('\u{E000}', high)]);
        } else {
            split.push((low, high));
        }
    }
    split.sort_unstable();
    let mut out = Ranges::with_capacity(split.len());
    for (low, high) in split {
        match out.last_mut() {
            Some(last) if u32::from(low) <= u32::from(last.1) + 1 => last.1 = last.1.max(high),
            _ => out.push((low, high)),
        }
    }
    out
}

/// The characters outside of `ranges`, which is in normal form.
pub(super) fn negate(ranges: &[(char, char)]) -> Ranges {
    let mut out = Ranges::with_capacity(ranges.len() + 2);
    let mut next = 0;
    for &(low, high) in ranges {
        if u32::from(low) > next {
            out.extend(span(next, u32::from(low) - 1));
        }
        next = u32::from(high) + 1;
    }
    if next <= u32::from(char::MAX) {
        out.extend(span(next, u32::from(char::MAX)));
    }
    normal(out)
}

/// The characters in both, each in normal form.
pub(super) fn intersect(left: &[(char, char)], right: &[(char, char)]) -> Ranges {
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    let mut out = Ranges::new();
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let (low, high) = (a.0.max(b.0), a.1.min(b.1));
        if low <= high {
            out.push((low, high));
        }
        if a.1 <= b.1 {
            left.next();
        } else {
            right.next();
        }
    }
    out
}

/// How many code points the ranges cover.
pub(super) fn n_chars(ranges: &[(char, char)]) -> u32 {
    ranges.iter().fold(0, |sum: u32, (low, high)| sum.saturating_add(u32::from(*high) - u32::from(*low) + 1))
}

/// Adds what differs from a member only in case, by Unicode's simple folding.
pub(super) fn fold(ranges: Ranges) -> Ranges {
    let mut class = ClassUnicode::new(ranges.into_iter().map(|(low, high)| ClassUnicodeRange::new(low, high)));
    class.try_case_fold_simple().expect("the tables of regex-syntax are compiled in");
    from_class(&class)
}

/// Looks up what stands between the braces of `\p{..}`.
pub(super) fn property(name: &str) -> Option<Ranges> {
    members(&format!(r"\p{{{name}}}"))
}

/// The characters of a set in the syntax of Rust's `regex`.
pub(super) fn members(class: &str) -> Option<Ranges> {
    let hir = regex_syntax::Parser::new().parse(class).ok()?;
    match hir.kind() {
        HirKind::Empty => Some(Ranges::default()),
        HirKind::Class(Class::Unicode(class)) => Some(from_class(class)),
        // Why: a class of one character comes back as a literal.
        HirKind::Literal(literal) => {
            let text = std::str::from_utf8(&literal.0).ok()?;
            Some(text.chars().map(|c| (c, c)).collect())
        }
        _ => None,
    }
}

fn from_class(class: &ClassUnicode) -> Ranges {
    normal(class.ranges().iter().map(|range| (range.start(), range.end())).collect())
}
