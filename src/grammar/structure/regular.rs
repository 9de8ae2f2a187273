//! Formats of nothing but literals and patterns, and their languages.

use super::{Format, FormatError, Kind};
use crate::grammar::cfg::Cfg;
use crate::schema::pattern::{self, Lang};

/// Parts of one pattern.
pub(super) const MAX_PATTERN: usize = 10_000;

/// The parts of a sequence, those of inner sequences among them.
pub(super) fn flat<'a>(parts: &'a [Format]) -> Vec<&'a Format> {
    let inner = |part: &'a Format| match part {
        Format { kind: Kind::Sequence(inner), .. } => flat(inner),
        other => vec![other],
    };
    parts.iter().flat_map(inner).collect()
}

/// Whether it is a pattern, or the choice between some.
pub(super) fn is_pattern(format: &Format) -> bool {
    match &format.kind {
        Kind::Regex(_) | Kind::Grammar(_) => true,
        Kind::Or(parts) => !parts.is_empty() && parts.iter().all(is_pattern),
        _ => false,
    }
}

/// Whether nothing but literals and patterns is in it.
pub(super) fn is_regular(format: &Format) -> bool {
    match &format.kind {
        Kind::Literal(_) | Kind::Regex(_) | Kind::Grammar(_) => true,
        Kind::Sequence(parts) | Kind::Or(parts) => parts.iter().all(is_regular),
        Kind::Repeat { content, separator, .. } => separator.is_empty() && is_regular(content),
        Kind::Schema { .. } | Kind::Text { .. } | Kind::Dispatch { .. } => false,
    }
}

/// Whether a pattern stands first or last in it: then nothing tells where it begins or ends but itself.
pub(super) fn is_pattern_at_edge(format: &Format) -> bool {
    match &format.kind {
        Kind::Regex(_) | Kind::Grammar(_) => true,
        Kind::Sequence(parts) => match flat(parts).as_slice() {
            [] => false,
            [one] => is_pattern_at_edge(one),
            [first, .., last] => is_pattern_at_edge(first) || is_pattern_at_edge(last),
        },
        Kind::Or(parts) => parts.iter().any(is_pattern_at_edge),
        Kind::Repeat { content, .. } => is_pattern_at_edge(content),
        Kind::Literal(_) | Kind::Schema { .. } | Kind::Text { .. } | Kind::Dispatch { .. } => false,
    }
}

/// The language of what [`is_regular`].
pub(super) fn lang(format: &Format) -> Result<Lang, FormatError> {
    let lang = unbounded(format)?;
    if lang.size() > MAX_PATTERN {
        return Err(FormatError::new(&format.at, "the pattern is too large, repetitions included"));
    }
    Ok(lang)
}

fn unbounded(format: &Format) -> Result<Lang, FormatError> {
    let at = format.at.as_str();
    match &format.kind {
        Kind::Literal(text) => Ok(Lang::literal(text)),
        Kind::Regex(pattern) => pattern::whole(pattern).map_err(|error| FormatError::new(at, error.to_string())),
        Kind::Grammar(text) => {
            let cfg = Cfg::read(text).map_err(|error| FormatError::new(at, error.to_string()))?;
            let recursive = "as part of an answer, a grammar must not lead back to itself, nor be too large; as the whole \
                             answer it may";
            cfg.language().ok_or_else(|| FormatError::new(at, recursive))
        }
        Kind::Sequence(parts) => Ok(Lang::concat(parts.iter().map(lang).collect::<Result<_, _>>()?)),
        Kind::Or(parts) => Ok(Lang::or(parts.iter().map(lang).collect::<Result<_, _>>()?)),
        Kind::Repeat { content, separator, min, max } if separator.is_empty() => {
            Ok(Lang::repeat(lang(content)?, *min, *max))
        }
        Kind::Repeat { .. } | Kind::Schema { .. } | Kind::Text { .. } | Kind::Dispatch { .. } => {
            unreachable!("only what is regular has a language")
        }
    }
}
