//! Values by a schema, in JSON or as a model writes the arguments of calls.

use std::sync::Arc;

use serde_json::Value;

use super::{flag, unsupported};
use crate::api::wire::constraints;
use crate::api::wire::response_format::ResponseFormat;
use crate::api::wire::{FieldError, Fields, Item};
use crate::grammar::structure::Kind;
use crate::guard::{Elements, Form};

/// A style with elements: its name, one element, what the elements of items are called where arrays and objects are
/// elements, too, and what no key holds.
struct Style(&'static str, &'static str, Option<&'static str>, &'static str);

/// Source: `converter_ext` of XGrammar. No whitespace stands around elements; a text has what stands in its element.
const STYLES: [Style; 7] = [
    Style("qwen_xml", "<parameter=$KEY>$VALUE</parameter>", None, ""),
    Style("minimax_xml", "<parameter name=\"$KEY\">$VALUE</parameter>", None, ""),
    Style("minimax_m3_xml", "]<]minimax[>[<$KEY>$VALUE]<]minimax[>[</$KEY>", Some("item"), "/<"),
    Style("deepseek_xml", "<｜DSML｜parameter name=\"$KEY\" string=\"$STRING\">$VALUE</｜DSML｜parameter>", None, ""),
    Style(
        "deepseek_v4_1_xml",
        "<｜DSML｜ parameter name=\"$KEY\" string=\"$STRING\">$VALUE</｜DSML｜ parameter>",
        None,
        "",
    ),
    Style("glm_xml", "<arg_key>$KEY</arg_key><arg_value>$VALUE</arg_value>", None, ""),
    Style(
        "kimi_k3_xml",
        "<|open|>argument key=\"$KEY\" type=\"$TYPE\"<|sep|>$VALUE<|close|>argument<|sep|>",
        None,
        "&",
    ),
];

/// Reads a format of type `json_schema`, whose schema stands in `schema`.
pub(super) fn read_schema(f: &Fields<'_>, schema: &Item<'_>) -> Result<Kind, FieldError> {
    has_no_bounds(f)?;
    Ok(Kind::Schema { schema: schema_of(schema)?, any_order: flag(f, "any_order")?, form: form(f)? })
}

/// Whether it is what a `response_format` of type `json_schema` is: JSON, in the declared order.
pub(super) fn is_alone(f: &Fields<'_>) -> Result<bool, FieldError> {
    has_no_bounds(f)?;
    Ok(form(f)?.is_none() && !flag(f, "any_order")?)
}

/// A schema, or its text.
pub(super) fn schema_of(item: &Item<'_>) -> Result<Value, FieldError> {
    match constraints::json(item)? {
        ResponseFormat::JsonSchema { schema: Some(schema), .. } => Ok(schema),
        _ => Err(item.wrong_type("a JSON Schema")),
    }
}

/// How the style has values; nothing where it is JSON.
fn form(f: &Fields<'_>) -> Result<Option<Form>, FieldError> {
    let Some(item) = f.get("style").filter(|style| style.value() != "json") else { return Ok(None) };
    let name = item.string()?;
    let Some(Style(_, element, array_item, not_in_keys)) = STYLES.iter().find(|style| style.0 == name) else {
        let known: Vec<String> = STYLES.iter().map(|style| format!("'{}'", style.0)).collect();
        let why = format!("the styles are 'json', {}; for other formats of calls send 'tools'", known.join(", "));
        return Err(unsupported(&item, &why));
    };
    let elements = Elements::of_text(element, |text| text.as_bytes().to_vec());
    Ok(elements.map(|elements| {
        Form::Elements(Arc::new(Elements {
            item: array_item.map(|item| item.as_bytes().to_vec()),
            not_in_keys: (*not_in_keys).to_owned(),
            ..elements
        }))
    }))
}

fn has_no_bounds(f: &Fields<'_>) -> Result<(), FieldError> {
    if let Some(count) = f.get("max_whitespace_cnt") {
        return Err(unsupported(&count, "whitespace is always bounded here, to a few characters"));
    }
    if let Some(excluded) = f.get("excludes").filter(|excluded| excluded.value() != &Value::Array(Vec::new())) {
        return Err(unsupported(&excluded, "write what no string may hold as a 'pattern' in the schema"));
    }
    Ok(())
}
