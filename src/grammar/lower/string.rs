//! Strings: length, patterns, formats and barred values are one language.

use jsonschema::canonical::{CanonicalSchema, StringView};

use super::Lowering;
use super::afford::{Length, afford, is_empty};
use super::array::count;
use crate::grammar::shape::{Shape, ShapeId, Text};
use crate::schema::formats;
use crate::schema::pattern::{self, Lang};

/// A language, and whether it is all that the schema says.
pub(super) struct Strings {
    pub(super) lang: Lang,
    /// The length, where the guard counts.
    pub(super) counted: Option<Length>,
    pub(super) is_exact: bool,
}

impl Lowering<'_> {
    pub(super) fn string(&mut self, view: &StringView, schema: &CanonicalSchema) -> ShapeId {
        let Strings { lang, counted, is_exact } = strings(view, self.thrift.free_states());
        if is_empty(&lang) || counted.is_some_and(|length| !fits(&lang, length)) {
            return self.shapes.push(Shape::Nothing, Some(schema.clone()));
        }
        let id = self.shapes.push(Shape::String(Text { lang, length: counted }), Some(schema.clone()));
        if is_exact { id } else { self.residual(id, schema) }
    }
}

/// Whether `lang` may have strings of this length.
fn fits(lang: &Lang, (min, max): Length) -> bool {
    let is_long_enough = lang.max_chars().is_none_or(|most| most as u64 >= min);
    is_long_enough && max.is_none_or(|max| lang.min_chars() as u64 <= max)
}

/// The strings that `view` allows, or a few more.
pub(super) fn strings(view: &StringView, free_states: u64) -> Strings {
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
    let afforded = afford(all, (min, max), free_states);
    Strings { lang: afforded.lang, counted: afforded.counted, is_exact: is_exact && afforded.is_exact }
}

const BASE64: &str = "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?";
