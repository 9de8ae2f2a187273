//! What users of other servers send to bind an answer, read with the meaning that it has there.
//!
//! Source: vLLM (`guided_*`, `structured_outputs`), llama-server (`grammar`, `json_schema`), SGLang (`regex`, `ebnf`,
//! `structural_tag`), Ollama (`format`), TGI (`response_format` of type `json` and `regex`).

use serde_json::Value;

use super::response_format::{ResponseFormat, read_response_format};
use super::structural_tag::read_structural_tag;
use super::{FieldError, Fields, Item};

/// Fields that say how something is done, which changes nothing about what is allowed.
const WITHOUT_EFFECT: [&str; 2] = ["guided_decoding_backend", "structured_outputs_backend"];
/// The same inside `structured_outputs`.
const WITHOUT_EFFECT_INSIDE: [&str; 3] = ["disable_fallback", "_backend", "_backend_was_auto"];
/// Options of one constraint.
const MAX_CHOICES: usize = 10_000;

/// What binds the answer: `response_format`, or what stands for it elsewhere; with the path of the field that said so.
pub(super) fn read_constraint(f: &Fields<'_>) -> Result<Option<(String, ResponseFormat)>, FieldError> {
    f.accept(&WITHOUT_EFFECT);
    let mut found: Vec<(String, ResponseFormat)> = Vec::new();
    let mut note = |item: &Item<'_>, format: ResponseFormat| {
        // What binds nothing contradicts nothing.
        if !matches!(format, ResponseFormat::Text) {
            found.push((item.path().to_owned(), format));
        }
    };
    if let Some(item) = f.get("response_format") {
        note(&item, read_response_format(&item)?);
    }
    for name in ["guided_json", "json_schema"] {
        if let Some(item) = f.get(name) {
            note(&item, json(&item)?);
        }
    }
    for name in ["guided_regex", "regex"] {
        if let Some(item) = f.get(name) {
            note(&item, regex(&item)?);
        }
    }
    for name in ["guided_grammar", "grammar", "ebnf"] {
        if let Some(item) = f.get(name).filter(|item| item.value().as_str() != Some("")) {
            note(&item, grammar(&item)?);
        }
    }
    if let Some(item) = f.get("guided_choice") {
        note(&item, choice(&item)?);
    }
    if let Some(item) = f.get("format") {
        let format = match item.value() {
            Value::String(text) if text == "json" => ResponseFormat::JsonObject,
            Value::String(text) if text.is_empty() => ResponseFormat::Text,
            Value::Object(_) => json(&item)?,
            _ => return Err(item.wrong_type("'json' or a JSON Schema")),
        };
        note(&item, format);
    }
    if let Some(item) = f.get("structured_outputs") {
        let inner = item.object()?;
        for (name, read) in [
            ("json", json as fn(&Item<'_>) -> Result<ResponseFormat, FieldError>),
            ("regex", regex),
            ("choice", choice),
            ("grammar", grammar),
            ("structural_tag", read_structural_tag),
        ] {
            if let Some(item) = inner.get(name) {
                note(&item, read(&item)?);
            }
        }
        if let Some(item) = inner.get("json_object")
            && item.boolean()?
        {
            note(&item, ResponseFormat::JsonObject);
        }
        inner.accept(&WITHOUT_EFFECT_INSIDE);
        for name in ["disable_any_whitespace", "disable_additional_properties"] {
            if let Some(item) = inner.get(name)
                && item.boolean()?
            {
                return Err(unenforced(item.path()));
            }
        }
        if let Some(path) = inner.unknown().first() {
            return Err(unenforced(path));
        }
    }
    if let Some(item) = f.get("structural_tag") {
        note(&item, read_structural_tag(&item)?);
    }
    refuse(f, &["guided_whitespace_pattern"])?;
    match found.as_slice() {
        [(first, _), (second, _), ..] => Err(FieldError::new(
            second,
            "invalid_value",
            format!("Only one of '{first}' and '{second}' may bind the answer."),
        )),
        _ => Ok(found.pop()),
    }
}

/// What would have to be left out is refused.
fn refuse(f: &Fields<'_>, names: &[&'static str]) -> Result<(), FieldError> {
    match names.iter().find_map(|name| f.get(name)) {
        None => Ok(()),
        Some(item) => Err(unenforced(item.path())),
    }
}

fn unenforced(path: &str) -> FieldError {
    let message = format!("Unsupported parameter: '{path}' is not supported, and would not be enforced.");
    FieldError::new(path, "unsupported_parameter", message)
}

/// A schema as an object, or as text.
pub(super) fn json(item: &Item<'_>) -> Result<ResponseFormat, FieldError> {
    let schema = match item.value() {
        Value::Object(_) | Value::Bool(_) => item.value().clone(),
        Value::String(text) => serde_json::from_str::<Value>(text)
            .ok()
            .filter(Value::is_object)
            .ok_or_else(|| item.invalid("the text is no JSON Schema."))?,
        _ => return Err(item.wrong_type("a JSON Schema")),
    };
    Ok(ResponseFormat::JsonSchema {
        name: "answer".to_owned(),
        description: None,
        schema: Some(schema),
        strict: None,
        version: None,
    })
}

/// A regular expression that the whole answer matches.
pub(super) fn regex(item: &Item<'_>) -> Result<ResponseFormat, FieldError> {
    Ok(ResponseFormat::Regex { pattern: item.string()?.to_owned() })
}

/// A grammar, as GBNF or as Lark.
pub(super) fn grammar(item: &Item<'_>) -> Result<ResponseFormat, FieldError> {
    Ok(ResponseFormat::Grammar { grammar: item.string()?.to_owned() })
}

/// One of these texts.
fn choice(item: &Item<'_>) -> Result<ResponseFormat, FieldError> {
    let options: Vec<String> =
        item.list(MAX_CHOICES)?.iter().map(|option| option.string().map(str::to_owned)).collect::<Result<_, _>>()?;
    if options.is_empty() {
        return Err(item.invalid("there must be at least one choice."));
    }
    Ok(ResponseFormat::Choice { options })
}
