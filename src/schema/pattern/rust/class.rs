//! Sets of characters, as they stand between brackets.

use std::fmt::Write as _;

use regex_syntax::ast::{
    ClassAscii, ClassAsciiKind, ClassPerl, ClassPerlKind, ClassSet, ClassSetItem, ClassUnicode, ClassUnicodeKind,
    ClassUnicodeOpKind,
};

/// What a word's character is. Source: UTS 18, Annex C.
pub(super) const WORD: &str = r"\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}";

/// A set of what `text` says, or of all else.
pub(super) fn in_brackets(text: &str, is_negated: bool) -> String {
    match (text, is_negated) {
        ("", false) => r"[^\s\S]".to_owned(),
        ("", true) => r"[\s\S]".to_owned(),
        (text, false) => format!("[{text}]"),
        (text, true) => format!("[^{text}]"),
    }
}

/// Adds the members of a set to those between brackets; `false` if they cannot just be added up.
pub(super) fn add(item: &ClassSetItem, text: &mut String) -> bool {
    match item {
        ClassSetItem::Empty(_) => {}
        ClassSetItem::Literal(literal) => push_range(literal.c, literal.c, text),
        ClassSetItem::Range(range) => push_range(range.start.c, range.end.c, text),
        ClassSetItem::Ascii(ClassAscii { kind, negated: false, .. }) => text.push_str(ascii(kind)),
        ClassSetItem::Unicode(class) => text.push_str(&unicode(class)),
        ClassSetItem::Perl(class) => {
            if class.negated && matches!(class.kind, ClassPerlKind::Word) {
                return false;
            }
            text.push_str(&perl(class));
        }
        ClassSetItem::Bracketed(class) => {
            return match &class.kind {
                ClassSet::Item(item) if !class.negated => add(item, text),
                _ => false,
            };
        }
        ClassSetItem::Union(union) => return union.items.iter().all(|item| add(item, text)),
        ClassSetItem::Ascii(_) => return false,
    }
    true
}

/// A class that has a letter; that of words as the members of a set, negated or not.
pub(super) fn perl(class: &ClassPerl) -> String {
    match (&class.kind, class.negated) {
        (ClassPerlKind::Digit, false) => r"\p{Nd}".to_owned(),
        (ClassPerlKind::Digit, true) => r"\P{Nd}".to_owned(),
        (ClassPerlKind::Space, false) => r"\p{White_Space}".to_owned(),
        (ClassPerlKind::Space, true) => r"\P{White_Space}".to_owned(),
        (ClassPerlKind::Word, _) => WORD.to_owned(),
    }
}

/// A class of Unicode.
pub(super) fn unicode(class: &ClassUnicode) -> String {
    let mut is_negated = class.negated;
    let name = match &class.kind {
        ClassUnicodeKind::OneLetter(letter) => letter.to_string(),
        ClassUnicodeKind::Named(name) => name.clone(),
        ClassUnicodeKind::NamedValue { op, name, value } => {
            is_negated ^= *op == ClassUnicodeOpKind::NotEqual;
            format!("{name}={value}")
        }
    };
    format!(r"\{}{{{name}}}", if is_negated { 'P' } else { 'p' })
}

fn ascii(kind: &ClassAsciiKind) -> &'static str {
    match kind {
        ClassAsciiKind::Alnum => "0-9A-Za-z",
        ClassAsciiKind::Alpha => "A-Za-z",
        ClassAsciiKind::Ascii => r"\u{0}-\u{7F}",
        ClassAsciiKind::Blank => r"\t\u{20}",
        ClassAsciiKind::Cntrl => r"\u{0}-\u{1F}\u{7F}",
        ClassAsciiKind::Digit => "0-9",
        ClassAsciiKind::Graph => "!-~",
        ClassAsciiKind::Lower => "a-z",
        ClassAsciiKind::Print => r"\u{20}-~",
        ClassAsciiKind::Punct => r"!-\/:-@\[-`\{-~",
        ClassAsciiKind::Space => r"\t-\r\u{20}",
        ClassAsciiKind::Upper => "A-Z",
        ClassAsciiKind::Word => "0-9A-Za-z_",
        ClassAsciiKind::Xdigit => "0-9A-Fa-f",
    }
}

/// Adds the characters from one to another to a set.
pub(super) fn push_range(low: char, high: char, out: &mut String) {
    for (i, c) in [low, high].into_iter().enumerate().filter(|(i, c)| *i == 0 || *c != low) {
        out.push_str(if i > 0 { "-" } else { "" });
        if c == '-' { out.push_str("\\-") } else { push_char(c, out) }
    }
}

/// Adds a character as a pattern has it.
pub(super) fn push_char(c: char, out: &mut String) {
    match c {
        '\n' => out.push_str("\\n"),
        '\t' => out.push_str("\\t"),
        '\r' => out.push_str("\\r"),
        // Why only these: in Unicode mode nothing else may be escaped.
        c if "^$\\.*+?()[]{}|/".contains(c) => out.extend(['\\', c]),
        c if c.is_control() || c == '\u{2028}' || c == '\u{2029}' => drop(write!(out, "\\u{{{:X}}}", u32::from(c))),
        c => out.push(c),
    }
}
