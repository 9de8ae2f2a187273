//! Whether JSON may be a number, which does not say itself where it ends.

use serde_json::Value;

/// How deep schemas are looked into.
const MAX_DEPTH: usize = 8;

/// Schemas that are looked at.
const MAX_LOOKS: usize = 1_000;

/// Whether a value of `schema` may be a number, as far as that is easily seen.
pub(super) fn may_be_number(schema: &Value) -> bool {
    look(schema, schema, 0, &mut 0)
}

fn look(schema: &Value, root: &Value, depth: usize, n_looks: &mut usize) -> bool {
    let Value::Object(map) = schema else { return schema != &Value::Bool(false) };
    *n_looks += 1;
    if depth > MAX_DEPTH || *n_looks > MAX_LOOKS {
        return true;
    }
    let is_number = |name: &Value| matches!(name.as_str(), Some("number" | "integer"));
    let mut any = |all: &Value, wanted: bool| {
        all.as_array().is_none_or(|all| all.iter().any(|one| look(one, root, depth + 1, n_looks) == wanted) == wanted)
    };
    // Why alone: older drafts ignore what stands beside a reference.
    if let Some(reference) = map.get("$ref") {
        let at = reference.as_str().and_then(|reference| reference.strip_prefix('#'));
        // Why not all: an `$id` below changes what a reference means.
        let plain = at.filter(|at| !at.contains('%') && (at.starts_with("/$defs/") || at.starts_with("/definitions/")));
        let found = plain.and_then(|pointer| root.pointer(pointer)).filter(|found| found.get("$id").is_none());
        return map.contains_key("$id") || found.is_none_or(|found| look(found, root, depth + 1, n_looks));
    }
    map.get("type")
        .is_none_or(|named| named.as_array().map_or_else(|| is_number(named), |all| all.iter().any(is_number)))
        && map.get("const").is_none_or(Value::is_number)
        && map.get("enum").is_none_or(|all| all.as_array().is_none_or(|all| all.iter().any(Value::is_number)))
        && map.get("anyOf").is_none_or(|all| any(all, true))
        && map.get("oneOf").is_none_or(|all| any(all, true))
        && map.get("allOf").is_none_or(|all| any(all, false))
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
            (json!({"type": "string", "$ref": "#/definitions/n", "definitions": {"n": {"type": "integer"}}}), true),
            (json!({"$ref": "https://example.com/x"}), true),
            (json!({"anyOf": [{"type": "null"}, {"const": "x"}]}), false),
            (json!({"allOf": [{}, {"type": "string"}]}), false),
        ] {
            assert_eq!(may_be_number(&schema), expected, "{schema}");
        }
    }
}
