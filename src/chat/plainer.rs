//! Definitions of tools in fewer words, for templates that stumble over some: what binds an answer does not change.

use serde_json::{Map, Value, json};

/// How much is left out, a step more each time.
pub(super) const STEPS: [fn(&Value) -> Value; 3] =
    [without_defaults, |schema| flat(schema, true), |schema| flat(schema, false)];

/// `definition` with parameters that are written with one of [`STEPS`].
pub(super) fn plainer(definition: &Value, step: fn(&Value) -> Value) -> Value {
    let mut definition = definition.clone();
    if let Some(parameters) = definition.pointer_mut("/function/parameters") {
        *parameters = step(parameters);
    }
    definition
}

/// Without defaults, and with one type in each place. Source: gpt-oss adds a default to a text, whatever it is; Command
/// R+ goes round in circles over a list of types.
fn without_defaults(schema: &Value) -> Value {
    match schema {
        Value::Object(map) => {
            let keep = |(key, value): (&String, &Value)| {
                let value = match key.as_str() {
                    "default" => return None,
                    "type" => one_type(value),
                    "enum" | "const" | "examples" => value.clone(),
                    "properties" | "patternProperties" | "$defs" | "definitions" => of_each(value, without_defaults),
                    _ => without_defaults(value),
                };
                Some((key.clone(), value))
            };
            Value::Object(map.iter().filter_map(keep).collect())
        }
        Value::Array(items) => items.iter().map(without_defaults).collect(),
        other => other.clone(),
    }
}

/// Only names, types, descriptions and choices of the outermost parameters. `has_lists`: whether lists and objects have
/// a type.
fn flat(schema: &Value, has_lists: bool) -> Value {
    let parameter = |parameter: &Value| {
        let mut kept = Map::new();
        let kind = parameter.get("type").map_or_else(|| Value::from("string"), one_type);
        let is_scalar = !matches!(kind.as_str(), Some("array" | "object"));
        if is_scalar || has_lists {
            kept.insert("type".to_owned(), kind.clone());
        }
        if kind == "array" && has_lists {
            kept.insert("items".to_owned(), json!({"type": "string"}));
        }
        let description = parameter.get("description").cloned().unwrap_or_else(|| Value::from(""));
        kept.insert("description".to_owned(), description);
        let choices = parameter.get("enum").filter(|choices| is_texts(choices));
        kept.extend(choices.map(|choices| ("enum".to_owned(), choices.clone())));
        Value::Object(kept)
    };
    let properties = schema.get("properties").map_or_else(|| json!({}), |properties| of_each(properties, parameter));
    let required = schema.get("required").cloned().unwrap_or_else(|| json!([]));
    json!({"type": "object", "properties": properties, "required": required})
}

fn of_each(map: &Value, one: impl Fn(&Value) -> Value) -> Value {
    let Value::Object(map) = map else { return map.clone() };
    Value::Object(map.iter().map(|(key, value)| (key.clone(), one(value))).collect())
}

/// The first of several types that is not null.
fn one_type(kind: &Value) -> Value {
    let Value::Array(kinds) = kind else { return kind.clone() };
    kinds.iter().find(|kind| *kind != "null").or(kinds.first()).cloned().unwrap_or_else(|| Value::from("string"))
}

fn is_texts(values: &Value) -> bool {
    values.as_array().is_some_and(|values| values.iter().all(Value::is_string))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_says_less() {
        let parameters = json!({"type": "object", "required": ["a"], "properties": {
            "a": {"type": ["null", "string"], "enum": ["x", "y"], "default": "x", "description": "d"},
            "default": {"type": "array", "items": {"type": "integer", "default": 1}}, "c": {"const": {"default": 1}}}});
        let definition = json!({"type": "function", "function": {"name": "f", "parameters": parameters}});
        let a = json!({"type": "string", "enum": ["x", "y"], "description": "d"});
        for (step, expected) in STEPS.into_iter().zip([
            json!({"a": a, "default": {"type": "array", "items": {"type": "integer"}}, "c": {"const": {"default": 1}}}),
            json!({"a": a, "default": {"type": "array", "items": {"type": "string"}, "description": ""},
                "c": {"type": "string", "description": ""}}),
            json!({"a": a, "default": {"description": ""}, "c": {"type": "string", "description": ""}}),
        ]) {
            assert_eq!(plainer(&definition, step)["function"]["parameters"]["properties"], expected);
        }
    }
}
