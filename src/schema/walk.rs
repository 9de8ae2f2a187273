//! Where the subschemas of a schema are, and how to name the place.

use std::fmt;

use serde_json::Value;

/// An RFC 6901 pointer, kept as its unescaped parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pointer(Vec<String>);

impl Pointer {
    /// Reads the text form; the empty string is the root.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self(text.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect())
    }

    /// Extends by one part.
    #[must_use]
    pub fn child(&self, part: impl Into<String>) -> Self {
        let mut parts = self.0.clone();
        parts.push(part.into());
        Self(parts)
    }

    /// The place around it; the root is its own.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self(self.0[..self.0.len().saturating_sub(1)].to_vec())
    }

    /// The parts, unescaped.
    #[must_use]
    pub fn parts(&self) -> &[String] {
        &self.0
    }

    /// Looks the place up.
    #[must_use]
    pub fn resolve_mut<'v>(&self, root: &'v mut Value) -> Option<&'v mut Value> {
        self.0.iter().try_fold(root, |value, part| match value {
            Value::Object(map) => map.get_mut(part),
            Value::Array(items) => part.parse::<usize>().ok().and_then(|i| items.get_mut(i)),
            _ => None,
        })
    }
}

impl FromIterator<String> for Pointer {
    fn from_iter<I: IntoIterator<Item = String>>(parts: I) -> Self {
        Self(parts.into_iter().collect())
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| write!(f, "/{}", part.replace('~', "~0").replace('/', "~1")))
    }
}

/// Finds the first keyword `pattern`, or key of `patternProperties`, that `look` finds something in.
pub(super) fn find_in_patterns<T>(root: &Value, look: impl Fn(&str) -> Option<T>) -> Option<(Pointer, String, T)> {
    let mut found = None;
    let _ = try_visit(root, &mut |at, schema| {
        let pattern = schema.get("pattern").and_then(Value::as_str).map(|pattern| (at.child("pattern"), pattern));
        let keys = schema.get("patternProperties").and_then(Value::as_object).into_iter().flatten();
        let keys = keys.map(|(key, _)| (at.child("patternProperties").child(key), key.as_str()));
        found = pattern.into_iter().chain(keys).find_map(|(at, text)| Some((at, text.to_owned(), look(text)?)));
        if found.is_some() { Err(()) } else { Ok(()) }
    });
    found
}

/// Finds the keyword `pattern`, or the key of `patternProperties`, that is `pattern`.
pub(super) fn find_pattern(root: &Value, pattern: &str) -> Option<Pointer> {
    let mut found = None;
    let _ = try_visit(root, &mut |at, schema| {
        let is_pattern = schema.get("pattern").and_then(Value::as_str) == Some(pattern);
        let is_key = schema.get("patternProperties").is_some_and(|map| map.get(pattern).is_some());
        match (is_pattern, is_key) {
            (true, _) => found = Some(at.child("pattern")),
            (_, true) => found = Some(at.child("patternProperties").child(pattern)),
            _ => return Ok(()),
        }
        Err(())
    });
    found
}

/// How a keyword holds subschemas. Source: the metaschemas of drafts 4 to 2020-12.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Schema,
    SchemaOrList,
    List,
    Map,
}

const APPLICATORS: [(&str, Holds); 23] = [
    ("additionalItems", Holds::Schema),
    ("additionalProperties", Holds::Schema),
    ("allOf", Holds::List),
    ("anyOf", Holds::List),
    ("contains", Holds::Schema),
    ("contentSchema", Holds::Schema),
    ("definitions", Holds::Map),
    ("$defs", Holds::Map),
    ("dependencies", Holds::Map),
    ("dependentSchemas", Holds::Map),
    ("else", Holds::Schema),
    ("if", Holds::Schema),
    ("items", Holds::SchemaOrList),
    ("not", Holds::Schema),
    ("oneOf", Holds::List),
    ("patternProperties", Holds::Map),
    ("prefixItems", Holds::List),
    ("properties", Holds::Map),
    ("propertyNames", Holds::Schema),
    ("then", Holds::Schema),
    ("unevaluatedItems", Holds::Schema),
    ("unevaluatedProperties", Holds::Schema),
    ("extends", Holds::SchemaOrList),
];

fn holds(keyword: &str) -> Option<Holds> {
    APPLICATORS.iter().find(|(name, _)| *name == keyword).map(|(_, holds)| *holds)
}

/// Calls `visit` for `schema` and every subschema, parents first, with the place of each.
///
/// # Errors
/// The first error of `visit`.
pub fn try_visit<'v, E>(
    schema: &'v Value,
    visit: &mut impl FnMut(&Pointer, &'v Value) -> Result<(), E>,
) -> Result<(), E> {
    fn go<'v, E>(
        at: &Pointer,
        schema: &'v Value,
        visit: &mut impl FnMut(&Pointer, &'v Value) -> Result<(), E>,
    ) -> Result<(), E> {
        visit(at, schema)?;
        let Value::Object(map) = schema else { return Ok(()) };
        for (keyword, value) in map {
            let Some(holds) = holds(keyword) else { continue };
            let here = at.child(keyword);
            match value {
                Value::Object(_) | Value::Bool(_) if matches!(holds, Holds::Schema | Holds::SchemaOrList) => {
                    go(&here, value, visit)?;
                }
                Value::Array(items) if matches!(holds, Holds::List | Holds::SchemaOrList) => {
                    for (i, item) in items.iter().enumerate() {
                        go(&here.child(i.to_string()), item, visit)?;
                    }
                }
                Value::Object(entries) if holds == Holds::Map => {
                    for (name, entry) in entries {
                        // Why: `dependencies` also holds lists of names.
                        if !entry.is_array() {
                            go(&here.child(name), entry, visit)?;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
    go(&Pointer::default(), schema, visit)
}

/// Rebuilds `schema` bottom up: `rewrite` gets each subschema after its own subschemas were rewritten.
pub fn rewrite(schema: &mut Value, rewrite_one: &mut impl FnMut(&mut Value)) {
    if let Value::Object(map) = schema {
        for (keyword, value) in map.iter_mut() {
            let Some(holds) = holds(keyword) else { continue };
            match value {
                Value::Object(_) if matches!(holds, Holds::Schema | Holds::SchemaOrList) => rewrite(value, rewrite_one),
                Value::Array(items) if matches!(holds, Holds::List | Holds::SchemaOrList) => {
                    items.iter_mut().for_each(|item| rewrite(item, rewrite_one));
                }
                Value::Object(entries) if holds == Holds::Map => {
                    entries.values_mut().filter(|e| !e.is_array()).for_each(|entry| rewrite(entry, rewrite_one));
                }
                _ => {}
            }
        }
    }
    rewrite_one(schema);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn visits_schemas_and_nothing_that_only_looks_like_one() {
        let schema = json!({
            "properties": {"format": {"type": "string"}, "a/b": {"items": [{"const": {"not": {}}}, true]}},
            "enum": [{"properties": {"x": {}}}], "dependencies": {"a": ["b"], "c": {"minimum": 1}},
            "default": {"allOf": [{}]}
        });
        let mut seen = Vec::new();
        try_visit(&schema, &mut |at, _| {
            seen.push(at.to_string());
            Ok::<(), ()>(())
        })
        .expect("no error");
        assert_eq!(
            seen,
            [
                "",
                "/properties/format",
                "/properties/a~1b",
                "/properties/a~1b/items/0",
                "/properties/a~1b/items/1",
                "/dependencies/c"
            ]
        );
    }

    #[test]
    fn pointers_round_trip() {
        for text in ["", "/a", "/a~1b/~0/0"] {
            assert_eq!(Pointer::parse(text).to_string(), text);
        }
    }
}
