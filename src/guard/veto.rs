//! Why a token that the mask allows is not taken.

/// Why a token is vetoed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Veto {
    /// An object would have a key twice.
    DuplicateKey,
    /// An array would have an item twice.
    DuplicateItem,
    /// An array would have too few or too many items.
    ItemCount,
    /// An object would have too few or too many keys.
    KeyCount,
    /// An object would end without a required key.
    MissingKey,
    /// A string would be too short or too long.
    Length,
    /// Values would nest too deep.
    Depth,
    /// A finished value would break its schema.
    Schema,
}

/// How deep arrays and objects of an answer may nest: parsers of JSON stop at 128.
pub const MAX_NESTING: usize = 120;

impl Veto {
    /// The word for it in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DuplicateKey => "duplicate_key",
            Self::DuplicateItem => "uniqueItems",
            Self::ItemCount => "minItems/maxItems",
            Self::KeyCount => "minProperties/maxProperties",
            Self::MissingKey => "required",
            Self::Length => "minLength/maxLength",
            Self::Depth => "depth",
            Self::Schema => "schema",
        }
    }
}
