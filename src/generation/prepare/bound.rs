//! What binds an answer, read as far as no tools and no template are needed for it.

use std::sync::Arc;

use serde_json::json;

use super::{Model, Part, PrepareError};
use crate::generation::request::{Output, TextRule};
use crate::grammar::cfg::{Cfg, CfgError};
use crate::grammar::structure::{Format, FormatError, PartSchema, Parts};
use crate::schema::Document;
use crate::schema::pattern::{self, Lang};

/// What binds an answer.
pub(super) enum Bound {
    Json(Arc<Document>),
    /// The texts of a language.
    Text(Lang),
    /// What a grammar derives.
    Derived(Arc<Cfg>),
    /// Several parts, and the schemas of their JSON.
    Parts(Arc<Parts>, Vec<Arc<Document>>),
    /// The same as by a grammar, where only llguidance knows what the grammar says: no endings are known, and nothing judges the text.
    Lark(String),
}

pub(super) fn read_output(output: &Output, model: &Model<'_>) -> Result<Option<Bound>, PrepareError> {
    let (name, schema) = match output {
        Output::Text => return Ok(None),
        Output::JsonObject => ("json_object", json!({"type": "object"})),
        Output::JsonSchema { name, schema, .. } => (name.as_str(), schema.clone()),
        Output::Matching { rule: TextRule::Parts(format), .. } => return read_parts(format, model).map(Some),
        Output::Matching { param, rule } => {
            let bound = read_rule(rule);
            return bound.map(Some).map_err(|message| PrepareError::Constraint { param: param.clone(), message });
        }
    };
    let document = Document::parse_with(schema, model.limits, Arc::clone(model.store))
        .map_err(|error| PrepareError::Schema { part: Part::ResponseFormat(name.to_owned()), error })?;
    Ok(Some(Bound::Json(Arc::new(document))))
}

/// Reads the parts of an answer.
fn read_parts(format: &Format, model: &Model<'_>) -> Result<Bound, PrepareError> {
    let parts =
        Parts::of(format).map_err(|FormatError { at, message }| PrepareError::Constraint { param: at, message })?;
    let document = |PartSchema { at, schema, .. }: &PartSchema| {
        Document::parse_with(schema.clone(), model.limits, Arc::clone(model.store))
            .map(Arc::new)
            .map_err(|error| PrepareError::Schema { part: Part::Value(at.clone()), error })
    };
    let documents = parts.schemas.iter().map(document).collect::<Result<_, _>>()?;
    Ok(Bound::Parts(Arc::new(parts), documents))
}

/// Reads what a text must be.
fn read_rule(rule: &TextRule) -> Result<Bound, String> {
    match rule {
        TextRule::Parts(_) => unreachable!("parts are read before"),
        TextRule::Choice(options) => {
            Ok(Bound::Text(Lang::or(options.iter().map(|text| Lang::literal(text)).collect())))
        }
        TextRule::Regex(pattern) => pattern::whole(pattern).map(Bound::Text).map_err(|error| error.to_string()),
        // Why: that would be enforced by other rules than ours.
        TextRule::Grammar(text) if text.contains("%json") => {
            Err("'%json' is not supported in a grammar; a schema goes into 'response_format'".to_owned())
        }
        TextRule::Grammar(text) => match Cfg::read(text) {
            Ok(cfg) => Ok(Bound::Derived(Arc::new(cfg))),
            Err(CfgError::Unsupported(_)) => Ok(Bound::Lark(text.clone())),
            Err(CfgError::Invalid(message)) => Err(message),
        },
    }
}
