//! Arguments as elements, one per parameter (`<parameter=KEY>\nVALUE\n</parameter>\n`), and what stands in those of a tool.

use std::collections::HashMap;
use std::sync::Arc;

use super::scalar::is_scalar;

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

    /// What stands before such a value, if for any it is `before`, with `$STRING` or `$TYPE` for what the value is.
    #[must_use]
    pub fn told(self, before: &str) -> String {
        before.replace("$STRING", if self == Self::Text { "true" } else { "false" }).replace("$TYPE", self.name())
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
    /// The elements of a text with `$KEY` and `$VALUE`; between them, `$STRING` or `$TYPE` may say what the value is. `wire`
    /// gives the bytes of a text, as the tokens of a vocabulary have them. Nothing if the key or the value is missing.
    #[must_use]
    pub fn of_text(text: &str, wire: impl Fn(&str) -> Vec<u8>) -> Option<Self> {
        let (open, rest) = text.split_once("$KEY")?;
        let (between, close) = rest.split_once("$VALUE")?;
        let (close, close_end) = close.split_once("$KEY").map_or((close, None), |(close, end)| (close, Some(end)));
        Some(Self {
            open: wire(open),
            before: Kind::ALL.map(|kind| wire(&kind.told(between))),
            close: wire(close),
            close_end: close_end.map(&wire),
            item: None,
            not_in_keys: String::new(),
        })
    }

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

    /// Whether `text` can stand as it is where JSON may stand, too. What begins or ends with a space is text.
    #[must_use]
    pub fn reads_as_text(text: &[u8]) -> bool {
        !matches!(text.first(), Some(b'{' | b'[' | b'"')) && !is_scalar(text)
    }
}
