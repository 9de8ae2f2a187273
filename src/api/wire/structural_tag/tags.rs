//! Tags: what stands between two texts, alone or in a text.

use serde_json::Value;

use super::style::schema_of;
use super::{MAX_TAGS, all_known, of_tokens, read_format};
use crate::api::wire::{FieldError, Item};
use crate::grammar::structure::{Format, Kind, Rule};

/// A tag of the form without a `format`.
pub(super) fn older_tag(item: &Item<'_>) -> Result<Tag, FieldError> {
    let f = item.object()?;
    let schema = f.required("schema")?;
    let kind = Kind::Schema { schema: schema_of(&schema)?, any_order: false, form: None };
    let end = f.required("end")?;
    let ends = Format { at: end.path().to_owned(), kind: Kind::Literal(end.string()?.to_owned()) };
    let content = Format { at: schema.path().to_owned(), kind };
    let tag = Tag { begin: f.required("begin")?.string()?.to_owned(), at: item.path().to_owned(), content, ends };
    all_known(&f)?;
    Ok(tag)
}

/// What stands between two texts.
pub(super) struct Tag {
    at: String,
    begin: String,
    content: Format,
    ends: Format,
}

impl Tag {
    /// The whole of it.
    pub(super) fn whole(self) -> Format {
        let begin = Format { at: self.at.clone(), kind: Kind::Literal(self.begin) };
        Format { at: self.at, kind: Kind::Sequence(vec![begin, self.content, self.ends]) }
    }

    /// What stands behind its begin.
    fn behind_begin(self) -> Format {
        Format { at: self.at, kind: Kind::Sequence(vec![self.content, self.ends]) }
    }
}

/// Reads a list of tags; it has at least one.
pub(super) fn read_tags(item: &Item<'_>) -> Result<Vec<Tag>, FieldError> {
    let tags = item.list(MAX_TAGS)?;
    if tags.is_empty() {
        return Err(item.invalid("there must be at least one tag."));
    }
    tags.iter().map(read_tag).collect()
}

/// Reads a tag.
pub(super) fn read_tag(item: &Item<'_>) -> Result<Tag, FieldError> {
    let f = item.object()?;
    if let Some(kind) = f.get("type") {
        kind.one_of(&["tag"])?;
    }
    let begin = edge(&f.required("begin")?)?;
    let end = f.required("end")?;
    let literal = |text: String, at: &str| Format { at: at.to_owned(), kind: Kind::Literal(text) };
    let kind = match end.value() {
        Value::Array(_) => {
            let ends = end.list(MAX_TAGS)?;
            if ends.is_empty() {
                return Err(end.invalid("there must be at least one."));
            }
            Kind::Or(ends.iter().map(|one| Ok(literal(edge(one)?, one.path()))).collect::<Result<_, FieldError>>()?)
        }
        _ => Kind::Literal(edge(&end)?),
    };
    let ends = Format { at: end.path().to_owned(), kind };
    let content = read_format(&f.required("content")?)?;
    all_known(&f)?;
    Ok(Tag { at: item.path().to_owned(), begin, content, ends })
}

/// What a tag begins or ends with.
fn edge(item: &Item<'_>) -> Result<String, FieldError> {
    match item.value() {
        Value::Object(_) => Err(of_tokens(item)),
        _ => Ok(item.string()?.to_owned()),
    }
}

/// How tags stand in a text.
#[derive(Default)]
pub(super) struct Flags {
    /// What the text must not hold.
    pub(super) excluded: Vec<String>,
    /// Whether it begins with a tag.
    pub(super) must: bool,
    /// Whether it ends behind the first.
    pub(super) is_one: bool,
}

/// Text in which tags stand. Each must begin with a trigger.
pub(super) fn triggered(
    item: &Item<'_>,
    triggers: &[String],
    tags: Vec<Tag>,
    Flags { excluded, must, is_one }: Flags,
) -> Result<Format, FieldError> {
    let rule = |tag: Tag| {
        let trigger = triggers.iter().filter(|trigger| tag.begin.starts_with(trigger.as_str())).min_by_key(|t| t.len());
        let Some(trigger) = trigger else {
            let message = format!("Invalid '{}': its begin '{}' begins with none of the triggers.", tag.at, tag.begin);
            return Err(FieldError::new(&tag.at, "invalid_value", message));
        };
        let rest = tag.begin[trigger.len()..].to_owned();
        Ok(Rule { trigger: trigger.clone(), rest, content: tag.behind_begin() })
    };
    let rules = tags.into_iter().map(rule).collect::<Result<Vec<Rule>, _>>()?;
    if let Some(idle) = triggers.iter().find(|trigger| rules.iter().all(|rule| rule.trigger != **trigger)) {
        let why = format!("no tag begins with the trigger '{idle}', or a shorter trigger stands before it.");
        return Err(item.invalid(&why));
    }
    let kind = Kind::Dispatch { rules, excluded, must, goes_on: !is_one };
    Ok(Format { at: item.path().to_owned(), kind })
}
