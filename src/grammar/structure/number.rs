//! Whether JSON may be a number, which does not say itself where it ends.

use serde_json::Value;

/// How deep schemas are looked into.
const MAX_DEPTH: usize = 8;

/// Whether a value of `schema` may be a number, as far as that is easily seen.
pub(super) fn may_be_number(schema: &Value) -> bool {
    look(schema, schema, 0)
}

/// Whether a number may go on with `byte`.
pub(super) fn goes_on(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')
}

fn look(schema: &Value, root: &Value, depth: usize) -> bool {
    let Value::Object(map) = schema else { return schema != &Value::Bool(false) };
    if depth > MAX_DEPTH {
        return true;
    }
    let is_number = |name: &Value| matches!(name.as_str(), Some("number" | "integer"));
    let inner = |schema: &Value| look(schema, root, depth + 1);
    let by = |keyword: &str, may: &dyn Fn(&Value) -> bool| map.get(keyword).is_none_or(may);
    by("type", &|named| named.as_array().map_or_else(|| is_number(named), |all| all.iter().any(is_number)))
        && by("const", &Value::is_number)
        && by("enum", &|all| all.as_array().is_none_or(|all| all.iter().any(Value::is_number)))
        && by("anyOf", &|all| all.as_array().is_none_or(|all| all.iter().any(inner)))
        && by("oneOf", &|all| all.as_array().is_none_or(|all| all.iter().any(inner)))
        && by("allOf", &|all| all.as_array().is_none_or(|all| all.iter().all(inner)))
        && by("$ref", &|reference| {
            let at = reference.as_str().and_then(|reference| reference.strip_prefix('#'));
            at.and_then(|pointer| root.pointer(pointer)).is_none_or(inner)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_no_number_is_known() {
        for (schema, expected) in [
            (json!({}), true),
            (json!(true), true),
            (json!({"type": "object"}), false),
            (json!({"type": ["string", "integer"]}), true),
            (json!({"enum": ["a", null]}), false),
            (json!({"enum": ["a", 1]}), true),
            (json!({"$ref": "#/$defs/a", "$defs": {"a": {"type": "array"}}}), false),
            (json!({"$ref": "#"}), true),
            (json!({"$ref": "https://example.com/x"}), true),
            (json!({"anyOf": [{"type": "null"}, {"const": "x"}]}), false),
            (json!({"allOf": [{}, {"type": "string"}]}), false),
        ] {
            assert_eq!(may_be_number(&schema), expected, "{schema}");
        }
    }
}
