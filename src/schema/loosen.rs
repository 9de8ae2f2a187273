//! Makes a document allow more, where its normal form could not be found otherwise.
//!
//! What is left out must never make it demand more: below `not` or `if`, for one, less is more.

use serde_json::Value;

use super::Pointer;
use super::walk::try_visit;

/// Leaves out what stands at `place`: a keyword, or a subschema. Where leaving it out would demand more, the subschema
/// around it goes. Gives what was left out.
pub(super) fn loosen(value: &mut Value, place: &Pointer) -> Pointer {
    let around = place.parent();
    let schema = positive_part(place, value);
    let is_keyword = around.resolve_mut(value).is_some_and(|around| around.is_object());
    if schema == around
        && is_keyword
        && let (Some(Value::Object(map)), Some(keyword)) = (around.resolve_mut(value), place.parts().last())
    {
        map.shift_remove(keyword);
        return place.clone();
    }
    replace(value, &schema);
    schema
}

/// Once something is loosened, less is evaluated than the author wrote, and what is not would wrongly be refused.
pub(super) fn drop_unevaluated(value: &mut Value) -> Vec<Pointer> {
    let mut found = Vec::new();
    let _: Result<(), ()> = try_visit(value, &mut |at, schema| {
        let keywords = ["unevaluatedProperties", "unevaluatedItems"].into_iter();
        found.extend(keywords.filter(|keyword| schema.get(*keyword).is_some()).map(|keyword| at.child(keyword)));
        Ok(())
    });
    found.iter().map(|place| loosen(value, place)).collect()
}

/// Whether some condition is made of others. `jsonschema` 0.61 forgets what those evaluate: it takes
/// `{"if": {"anyOf": [{"properties": {"a": {}}}, {"type": "null"}]}, "unevaluatedProperties": false}` to forbid `a`.
pub(super) fn has_combined_condition(value: &Value) -> bool {
    const COMBINE: [&str; 9] =
        ["allOf", "anyOf", "oneOf", "not", "if", "$ref", "$dynamicRef", "$recursiveRef", "dependentSchemas"];
    let found = try_visit(value, &mut |_, schema| match schema.get("if") {
        Some(condition) if COMBINE.iter().any(|keyword| condition.get(*keyword).is_some()) => Err(()),
        _ => Ok(()),
    });
    found.is_err()
}

pub(super) fn replace(value: &mut Value, place: &Pointer) {
    match place.resolve_mut(value) {
        Some(Value::Object(map)) if !place.parts().is_empty() => {
            // Why: others may refer to it, and to what it holds.
            map.retain(|keyword, _| IDENTITY.contains(&keyword.as_str()));
        }
        Some(slot) if !place.parts().is_empty() => *slot = Value::Bool(true),
        _ => *value = keep_type(value),
    }
}

/// The weakest schema that still says the type.
pub(super) fn keep_type(value: &Value) -> Value {
    match value.get("type") {
        Some(types) if value.get("$ref").is_none() => serde_json::json!({"type": types}),
        _ => Value::Bool(true),
    }
}

/// Cuts a pointer before the first keyword that does not simply add a demand: loosening below it could tighten.
pub(super) fn positive_part(pointer: &Pointer, root: &Value) -> Pointer {
    if refers_from_negative(root, false) {
        return Pointer::default();
    }
    let mut at = Pointer::default();
    let mut schema_at = Pointer::default();
    let mut is_keyword = true;
    for part in pointer.parts() {
        let Some(value) = root.pointer(&at.to_string()) else { break };
        at = at.child(part.clone());
        if !is_keyword || value.is_array() {
            is_keyword = true;
        } else {
            match part.as_str() {
                _ if POSITIVE_MAPS.contains(&part.as_str()) => is_keyword = false,
                "items" => is_keyword = !value.get("items").is_some_and(Value::is_array),
                _ if POSITIVE.contains(&part.as_str()) => {}
                _ => break,
            }
        }
        if is_keyword {
            schema_at = at.clone();
        }
    }
    schema_at
}

/// Keywords that name a schema, or hold others, and demand nothing.
const IDENTITY: [&str; 7] = ["$id", "id", "$schema", "$anchor", "$dynamicAnchor", "$defs", "definitions"];
const POSITIVE_MAPS: [&str; 8] =
    ["allOf", "anyOf", "properties", "patternProperties", "$defs", "definitions", "prefixItems", "dependentSchemas"];
const POSITIVE: [&str; 6] = ["additionalProperties", "items", "additionalItems", "propertyNames", "then", "else"];

/// Whether a reference stands below a keyword that turns "more allowed" into "less allowed".
fn refers_from_negative(value: &Value, is_negative: bool) -> bool {
    match value {
        Value::Object(map) => map.iter().any(|(key, inner)| {
            let refers = is_negative && matches!(key.as_str(), "$ref" | "$dynamicRef" | "$recursiveRef");
            let is_negative = is_negative
                || matches!(
                    key.as_str(),
                    "not" | "if" | "oneOf" | "contains" | "unevaluatedProperties" | "unevaluatedItems" | "dependencies"
                );
            refers || refers_from_negative(inner, is_negative)
        }),
        Value::Array(items) => items.iter().any(|item| refers_from_negative(item, is_negative)),
        _ => false,
    }
}
