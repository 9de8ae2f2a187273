//! Strings: length, patterns, formats and barred values are one language.

use jsonschema::canonical::{CanonicalSchema, StringView};

use super::Lowering;
use super::array::count;
use crate::grammar::shape::{Shape, ShapeId};
use crate::schema::formats;
use crate::schema::pattern::{self, Lang};

/// Longer strings are counted by the guard: an automaton would have a state for each character.
const MAX_COUNTED: u64 = 20_000;

/// A language, and whether it is all that the schema says.
pub(super) struct Strings {
    pub(super) lang: Lang,
    pub(super) is_exact: bool,
}

impl Lowering<'_> {
    pub(super) fn string(&mut self, view: &StringView, schema: &CanonicalSchema) -> ShapeId {
        let strings = strings(view);
        let id = self.shapes.push(Shape::String(strings.lang), Some(schema.clone()));
        if strings.is_exact { id } else { self.residual(id, schema) }
    }
}

/// The strings that `view` allows, or a few more.
pub(super) fn strings(view: &StringView) -> Strings {
    let mut all = Vec::new();
    let mut is_exact = view.excluded_formats.is_empty() && view.content_media_types.is_empty();
    for text in &view.patterns {
        match pattern::search(text) {
            Ok(lang) => all.push(lang),
            Err(_) => is_exact = false,
        }
    }
    for text in &view.excluded_patterns {
        match pattern::search(text) {
            Ok(lang) => all.push(Lang::complement(lang)),
            Err(_) => is_exact = false,
        }
    }
    for name in &view.formats {
        // Why: a format that nobody defined is an annotation.
        let Some(format) = formats::lookup(name) else { continue };
        all.push(format.lang());
        is_exact &= !format.is_wide();
    }
    for encoding in &view.content_encodings {
        if encoding == "base64" {
            all.push(pattern::whole(BASE64).expect("a fixed pattern"));
        }
        is_exact = false;
    }
    all.extend(view.excluded.iter().map(|text| Lang::complement(Lang::literal(text))));
    let min = view.min_length.as_ref().map_or(0, count);
    let max = view.max_length.as_ref().map(count);
    if min > 0 || max.is_some() {
        is_exact &= min <= MAX_COUNTED && max.is_none_or(|max| max <= MAX_COUNTED);
        let bound = |n: u64| u32::try_from(n).ok().filter(|n| u64::from(*n) <= MAX_COUNTED);
        all.push(Lang::repeat(Lang::any_char(), bound(min).unwrap_or(0), max.and_then(bound)));
    }
    Strings { lang: Lang::and(all), is_exact }
}

const BASE64: &str = "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?";
