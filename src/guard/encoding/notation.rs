//! Notations of arguments beside JSON (`key='text', flag=True`).

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
