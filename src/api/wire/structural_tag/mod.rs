//! XGrammar's structural tags, as SGLang and vLLM take them: a tree of formats, or the older list of tags and triggers.
//!
//! Source: <https://xgrammar.mlc.ai/docs/structural_tag/structural_tag.html>, and `xgrammar/structural_tag.py`, 0.2.

mod style;
mod tags;

use serde_json::Value;

use self::style::{is_alone, read_schema};
use self::tags::{Flags, Tag, older_tag, read_tag, read_tags, triggered};
use super::response_format::ResponseFormat;
use super::{FieldError, Fields, Item, constraints};
use crate::grammar::structure::{Format, Kind, Rule};

/// Parts of one list.
const MAX_LISTED: usize = 10_000;
/// Triggers and tags of one text.
const MAX_TAGS: usize = 1_024;
/// Repetitions of one part.
const MAX_TIMES: i64 = 10_000;

/// The formats that are understood.
const TYPES: [&str; 15] = [
    "const_string",
    "json_schema",
    "grammar",
    "regex",
    "any_text",
    "sequence",
    "or",
    "optional",
    "plus",
    "star",
    "repeat",
    "tag",
    "triggered_tags",
    "tags_with_separator",
    "dispatch",
];

/// Those that are about tokens: answers here never hold control tokens, and the others are text.
const OF_TOKENS: [&str; 5] = ["token", "exclude_token", "any_tokens", "token_triggered_tags", "token_dispatch"];

/// Reads a structural tag: an object, or its text.
pub(super) fn read_structural_tag(item: &Item<'_>) -> Result<ResponseFormat, FieldError> {
    let Value::String(text) = item.value() else { return read_object(item) };
    let parsed: Value =
        serde_json::from_str(text).map_err(|error| item.invalid(&format!("the text is no JSON: {error}.")))?;
    read_object(&item.of(&parsed))
}

fn read_object(item: &Item<'_>) -> Result<ResponseFormat, FieldError> {
    let f = item.object()?;
    if let Some(kind) = f.get("type") {
        kind.one_of(&["structural_tag"])?;
    }
    let Some(item) = f.get("format") else {
        if f.get("structures").is_none() {
            f.required("format")?;
        }
        let format = older(&f)?;
        all_known(&f)?;
        return Ok(ResponseFormat::StructuralTag { format });
    };
    all_known(&f)?;
    // Why: where one schema, pattern or grammar is all there is, more can be done with it.
    let inner = item.object()?;
    let alone = match inner.required("type")?.string()? {
        "json_schema" if is_alone(&inner)? => constraints::json(&inner.required("json_schema")?)?,
        "regex" => constraints::regex(&inner.required("pattern")?)?,
        "grammar" => constraints::grammar(&inner.required("grammar")?)?,
        _ => return Ok(ResponseFormat::StructuralTag { format: read_format(&item)? }),
    };
    all_known(&inner)?;
    Ok(alone)
}

/// The form without a `format`. Source: XGrammar until 0.1.24; SGLang's documentation shows it.
fn older(f: &Fields<'_>) -> Result<Format, FieldError> {
    let structures = f.required("structures")?;
    let tags = structures.list(MAX_TAGS)?.iter().map(older_tag).collect::<Result<Vec<_>, _>>()?;
    triggered(&structures, &texts(&f.required("triggers")?)?, tags, Flags::default())
}

fn read_format(item: &Item<'_>) -> Result<Format, FieldError> {
    let f = item.object()?;
    let name = f.required("type")?;
    if OF_TOKENS.contains(&name.string()?) {
        return Err(of_tokens(&name));
    }
    let mut at = item.path().to_owned();
    // The field at fault, where it is the only one that can be.
    let mut only = |name: &'static str| {
        let item = f.required(name)?;
        item.path().clone_into(&mut at);
        Ok::<_, FieldError>(item)
    };
    let kind = match name.one_of(&TYPES)? {
        "const_string" => Kind::Literal(only("value")?.string()?.to_owned()),
        "json_schema" => read_schema(&f, &only("json_schema")?)?,
        "grammar" => Kind::Grammar(only("grammar")?.string()?.to_owned()),
        "regex" => Kind::Regex(only("pattern")?.string()?.to_owned()),
        "any_text" => {
            if let Some(limit) = f.get("max_tokens") {
                return Err(unsupported(
                    &limit,
                    "a text is bounded by 'max_chars' here, and the answer by 'max_tokens'",
                ));
            }
            let max_chars = f.get("max_chars").map(|n| n.integer(0, i64::from(i32::MAX))).transpose()?;
            let max_chars = max_chars.map(|n| u32::try_from(n).unwrap_or(u32::MAX));
            Kind::Text { excluded: excluded(&f)?, max_chars }
        }
        "sequence" => Kind::Sequence(formats(&f.required("elements")?)?),
        "or" => {
            let elements = f.required("elements")?;
            let ways = formats(&elements)?;
            if ways.is_empty() {
                return Err(elements.invalid("there must be at least one."));
            }
            Kind::Or(ways)
        }
        "optional" => repeated(&f, 0, Some(1))?,
        "plus" => repeated(&f, 1, None)?,
        "star" => repeated(&f, 0, None)?,
        "repeat" => {
            let count = |n: i64| u32::try_from(n).unwrap_or(0);
            let min = count(f.required("min")?.integer(0, MAX_TIMES)?);
            let max = f.required("max")?;
            match max.integer(-1, MAX_TIMES)? {
                -1 => repeated(&f, min, None)?,
                n if count(n) < min => return Err(max.invalid("it must not be smaller than 'min'.")),
                n => repeated(&f, min, Some(count(n)))?,
            }
        }
        "tag" => return Ok(read_tag(item)?.whole()),
        "triggered_tags" => {
            let tags = read_tags(&f.required("tags")?)?;
            let flags = Flags {
                excluded: excluded(&f)?,
                must: flag(&f, "at_least_one")?,
                is_one: flag(&f, "stop_after_first")?,
            };
            triggered(item, &texts(&f.required("triggers")?)?, tags, flags)?.kind
        }
        "tags_with_separator" => {
            let tags = read_tags(&f.required("tags")?)?;
            let kind = Kind::Or(tags.into_iter().map(Tag::whole).collect());
            let content = Box::new(Format { at: item.path().to_owned(), kind });
            let separator = f.required("separator")?.string()?.to_owned();
            let min = u32::from(flag(&f, "at_least_one")?);
            let max = flag(&f, "stop_after_first")?.then_some(1);
            Kind::Repeat { content, separator, min, max }
        }
        _ => {
            let rules = f.required("rules")?.list(MAX_TAGS)?.iter().map(rule).collect::<Result<_, _>>()?;
            let goes_on = f.get("loop").map_or(Ok(true), |goes_on| goes_on.boolean())?;
            Kind::Dispatch { rules, excluded: excluded(&f)?, must: false, goes_on }
        }
    };
    all_known(&f)?;
    Ok(Format { at, kind })
}

fn formats(item: &Item<'_>) -> Result<Vec<Format>, FieldError> {
    item.list(MAX_LISTED)?.iter().map(read_format).collect()
}

fn repeated(f: &Fields<'_>, min: u32, max: Option<u32>) -> Result<Kind, FieldError> {
    let content = Box::new(read_format(&f.required("content")?)?);
    Ok(Kind::Repeat { content, separator: String::new(), min, max })
}

/// A pair of a word and what follows it.
fn rule(item: &Item<'_>) -> Result<Rule, FieldError> {
    match item.list(2)?.as_slice() {
        [word, content] => {
            let trigger = some_text(word)?;
            Ok(Rule { trigger, rest: String::new(), content: read_format(content)? })
        }
        _ => Err(item.wrong_type("a pair of a text and a format")),
    }
}

fn excluded(f: &Fields<'_>) -> Result<Vec<String>, FieldError> {
    f.get("excludes").map_or(Ok(Vec::new()), |item| texts(&item))
}

fn texts(item: &Item<'_>) -> Result<Vec<String>, FieldError> {
    item.list(MAX_TAGS)?.iter().map(some_text).collect()
}

fn some_text(item: &Item<'_>) -> Result<String, FieldError> {
    match item.string()? {
        "" => Err(item.invalid("the text must not be empty.")),
        text => Ok(text.to_owned()),
    }
}

fn flag(f: &Fields<'_>, name: &'static str) -> Result<bool, FieldError> {
    f.get(name).map_or(Ok(false), |item| item.boolean())
}

/// A field that would have to be left out is refused.
fn all_known(f: &Fields<'_>) -> Result<(), FieldError> {
    match f.unknown().first() {
        None => Ok(()),
        Some(path) => Err(FieldError::new(
            path,
            "unknown_parameter",
            format!("Unknown parameter: '{path}', which would not be enforced."),
        )),
    }
}

fn of_tokens(item: &Item<'_>) -> FieldError {
    unsupported(item, "answers hold no control tokens here; write what stands there as text, or send 'tools'")
}

fn unsupported(item: &Item<'_>, why: &str) -> FieldError {
    let message = format!("Unsupported parameter: '{}' is not supported: {why}.", item.path());
    FieldError::new(item.path(), "unsupported_parameter", message)
}
