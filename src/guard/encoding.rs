//! How arguments are written where they are not written as JSON: as elements, one per parameter
//! (`<parameter=KEY>\nVALUE\n</parameter>\n`), or in another notation (`key='text', flag=True`).
//!
//! In elements, text stands as it is, everything else as JSON. Which of the two a value is, its key tells, or the format
//! itself; where a key allows both, text that reads like JSON is written as a JSON string.

use std::collections::HashMap;
use std::sync::Arc;

/// The texts of one element, as the tokens of a vocabulary have them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Elements {
    /// Before a key.
    pub open: Vec<u8>,
    /// Between a key and its value, for each kind of value; the same for all that the format does not tell apart.
    pub before: [Vec<u8>; Kind::ALL.len()],
    /// Behind a value; no text holds it.
    pub close: Vec<u8>,
    /// Behind the key, where what closes a value names it once more.
    pub close_end: Option<Vec<u8>>,
    /// What the elements of an array's items are called, where arrays and objects are written as elements, too; else they
    /// are JSON.
    pub item: Option<Vec<u8>>,
    /// Characters that no key may hold.
    pub not_in_keys: String,
}

/// The kinds of JSON values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A string.
    Text,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// `null`.
    Null,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Text, Self::Number, Self::Boolean, Self::Null, Self::Array, Self::Object];

    /// The kind of the value that JSON begins with, by its first byte.
    #[must_use]
    pub fn of(first: u8) -> Self {
        match first {
            b'"' => Self::Text,
            b't' | b'f' => Self::Boolean,
            b'n' => Self::Null,
            b'[' => Self::Array,
            b'{' => Self::Object,
            _ => Self::Number,
        }
    }

    /// What JSON Schema calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Null => "null",
            Self::Array => "array",
            Self::Object => "object",
        }
    }

    /// How such values begin in JSON.
    #[must_use]
    pub fn beginnings(self) -> &'static [&'static str] {
        match self {
            Self::Text => &["\""],
            Self::Number => &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "-"],
            Self::Boolean => &["t", "f"],
            Self::Null => &["n"],
            Self::Array => &["["],
            Self::Object => &["{"],
        }
    }
}

/// What the values of a key are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Content {
    /// Text, as it is.
    Text,
    /// JSON that is no string.
    Json,
    /// Text, or JSON.
    Either,
    /// An object as elements, or JSON that is no container and no string.
    Object(LevelId),
    /// An array as elements, or the same.
    Array(LevelId),
}

/// A notation of objects, lists and values beside JSON. The pairs of the outermost object stand without braces.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Notation {
    /// Between a key of the outermost object and its value.
    pub equals: u8,
    /// The byte that follows the outermost object.
    pub end: u8,
    /// Whether keys of inner objects stand without quotes, too.
    pub bare_keys: bool,
    /// Whether whitespace may stand between values and marks.
    pub spaces: bool,
    /// Whether words are written as in Python; JSON's are understood all the same.
    pub python_words: bool,
    /// What stands around text; the first is what endings are written with.
    pub quotes: Vec<Quote>,
}

/// What stands around text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Quote {
    /// The mark.
    pub mark: Vec<u8>,
    /// Whether text stands in it as it is; else with a backslash before the mark and what JSON has one before.
    pub is_raw: bool,
}

/// How arguments are written, before anything is known of a tool.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// One element per parameter.
    Elements(Arc<Elements>),
    /// Another notation.
    Notation(Arc<Notation>),
}

/// How the arguments of one tool are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// One element per parameter.
    Elements(Arc<Keys>),
    /// Another notation.
    Notation(Arc<Notation>),
}

/// The elements of one tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// The texts of an element.
    pub elements: Arc<Elements>,
    /// What stands in elements: first the arguments, then what is written as elements in them.
    pub levels: Vec<Level>,
}

/// Which of the levels of [`Keys`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LevelId(pub u32);

/// What the elements in one object or array are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    /// What the values of declared keys are.
    pub keys: HashMap<String, Content>,
    /// What the first items are.
    pub prefix: Vec<Content>,
    /// What the values of all other keys, or items, are.
    pub others: Content,
}

impl Elements {
    /// What stands between a key and such a value.
    #[must_use]
    pub fn before(&self, kind: Kind) -> &[u8] {
        &self.before[kind as usize]
    }

    /// Whether the format itself tells text from JSON.
    #[must_use]
    pub fn tells(&self) -> bool {
        self.before(Kind::Text) != self.before(Kind::Object)
    }

    /// Whether the format itself tells each kind from the others.
    #[must_use]
    pub fn tells_kinds(&self) -> bool {
        self.before(Kind::Array) != self.before(Kind::Object)
    }

    /// The byte that ends a key: no key holds it.
    #[must_use]
    pub fn key_end(&self) -> u8 {
        self.before(Kind::Text).first().copied().unwrap_or(b'\n')
    }

    /// What closes the value of `key`.
    #[must_use]
    pub fn closing(&self, key: &[u8]) -> Vec<u8> {
        match &self.close_end {
            None => self.close.clone(),
            Some(end) => [&self.close, key, end].concat(),
        }
    }

    /// What no key holds: what ends it, and what would have to be written otherwise in it.
    pub fn outside_keys(&self) -> impl Iterator<Item = char> {
        self.not_in_keys.chars().chain(Some(char::from(self.key_end())).filter(char::is_ascii))
    }
}

impl Notation {
    /// Python's calls, with what may stand around text.
    #[must_use]
    pub fn python(quotes: [Vec<u8>; 2]) -> Self {
        let quotes = quotes.into_iter().map(|mark| Quote { mark, is_raw: false }).collect();
        Self { equals: b'=', end: b')', bare_keys: false, spaces: true, python_words: true, quotes }
    }

    /// Gemma's, with what stands around text.
    #[must_use]
    pub fn gemma(mark: Vec<u8>) -> Self {
        let quotes = vec![Quote { mark, is_raw: true }];
        Self { equals: b':', end: b'}', bare_keys: true, spaces: false, python_words: false, quotes }
    }

    /// What stands between a key and its value.
    #[must_use]
    pub fn colon(&self, is_outermost: bool) -> &'static str {
        if is_outermost && self.equals == b'=' { "=" } else { ":" }
    }

    /// Whether keys may stand in quotes.
    #[must_use]
    pub fn quotes_keys(&self, is_outermost: bool) -> bool {
        self.bare_keys || !is_outermost
    }

    /// Whether `key` can stand without quotes.
    #[must_use]
    pub fn takes_bare(key: &str) -> bool {
        !key.is_empty() && !key.bytes().any(Self::ends_bare)
    }

    /// Whether a byte is no part of a key without quotes.
    #[must_use]
    pub fn ends_bare(byte: u8) -> bool {
        byte.is_ascii_whitespace() || byte == 0xFF || b"=:,(){}[]<>|\"'\\".contains(&byte)
    }
}

impl Keys {
    /// The level of the arguments themselves.
    pub const ROOT: LevelId = LevelId(0);

    /// What the values of `key` are.
    #[must_use]
    pub fn content(&self, level: LevelId, key: &[u8]) -> Content {
        let level = &self.levels[level.0 as usize];
        std::str::from_utf8(key).ok().and_then(|key| level.keys.get(key)).copied().unwrap_or(level.others)
    }

    /// What the item number `index` is.
    #[must_use]
    pub fn item(&self, level: LevelId, index: usize) -> Content {
        let level = &self.levels[level.0 as usize];
        level.prefix.get(index).copied().unwrap_or(level.others)
    }

    /// Whether `text` can stand as it is where JSON may stand, too.
    #[must_use]
    pub fn reads_as_text(text: &[u8]) -> bool {
        let trimmed = text.trim_ascii();
        !matches!(trimmed.first(), Some(b'{' | b'[' | b'"')) && !is_scalar(trimmed)
    }
}

/// Whether `text` is a JSON number or one of its words.
fn is_scalar(text: &[u8]) -> bool {
    matches!(text, b"true" | b"false" | b"null") || is_number(text)
}

/// Whether `text` may become a number or a word.
pub(super) fn may_become_scalar(text: &[u8]) -> bool {
    let begins = |word: &[u8]| word.starts_with(text);
    let is_digits = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
    let is_number = matches!(text.first(), Some(b'-' | b'0'..=b'9')) && text.iter().all(is_digits);
    is_number || begins(b"true") || begins(b"false") || begins(b"null")
}

/// What of `text` may be a number or word, and the rest.
pub(super) fn split_scalar(text: &[u8]) -> (&[u8], &[u8]) {
    let n = text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)).count();
    text.split_at(n)
}

/// The number or word that `text` begins with, and how much of `close` is there behind it. Whitespace between them is no
/// part of it, unless it is part of what closes it.
pub(super) fn closed_scalar<'t>(text: &'t [u8], close: &[u8]) -> Option<(&'t [u8], &'t [u8])> {
    let (scalar, rest) = split_scalar(text);
    let end = (0..=rest.len()).find(|n| rest[..*n].trim_ascii().is_empty() && close.starts_with(&rest[*n..]))?;
    is_scalar(scalar).then_some((scalar, &rest[end..]))
}

fn is_number(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let n = digits(text);
    if n == 0 || (n > 1 && text[0] == b'0') {
        return false;
    }
    let mut rest = &text[n..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let n = digits(fraction);
        if n == 0 {
            return false;
        }
        rest = &fraction[n..];
    }
    let Some(exponent) = rest.strip_prefix(b"e").or_else(|| rest.strip_prefix(b"E")) else { return rest.is_empty() };
    let exponent = exponent.strip_prefix(b"-").or_else(|| exponent.strip_prefix(b"+")).unwrap_or(exponent);
    !exponent.is_empty() && digits(exponent) == exponent.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_words_are_told_from_text() {
        for (text, is_it) in [
            ("0", true),
            ("-12.5e+3", true),
            ("1E9", true),
            ("null", true),
            ("01", false),
            ("1.", false),
            ("1e", false),
            ("-", false),
            ("2024-01-01", false),
            ("nullable", false),
            ("", false),
        ] {
            assert_eq!(is_scalar(text.as_bytes()), is_it, "{text}");
        }
        for text in ["", " \n", "abc", "12 Main Street", "2024-01-01", "a{"] {
            assert!(Keys::reads_as_text(text.as_bytes()), "{text}");
        }
        for text in ["{x", " [", "\"", " 42\n", "true"] {
            assert!(!Keys::reads_as_text(text.as_bytes()), "{text}");
        }
    }
}
