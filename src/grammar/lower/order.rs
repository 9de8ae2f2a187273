//! The order in which the author declared keys, which the canonical form does not keep.
//!
//! Lowering walks the canonical schema and, beside it, the places of the document that speak of the same value.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::schema::{Document, Targets};

/// The schemas in the document that apply to one value.
pub(super) type Sources<'a> = Vec<&'a Value>;

/// Enough for real schemas; beyond it only the order of keys suffers.
const MAX_SOURCES: usize = 256;

/// Keywords that name keys, or hold schemas of other values.
const ORDERING: [&str; 16] = [
    "properties",
    "patternProperties",
    "additionalProperties",
    "unevaluatedProperties",
    "propertyNames",
    "required",
    "dependentRequired",
    "dependentSchemas",
    "dependencies",
    "const",
    "enum",
    "items",
    "prefixItems",
    "additionalItems",
    "unevaluatedItems",
    "contains",
];

/// The document.
pub(super) struct Order<'a>(Targets<'a>);

impl<'a> Order<'a> {
    pub(super) fn new(root: &'a Value) -> Self {
        Self(Targets::new(root))
    }

    pub(super) fn root(&self) -> Sources<'a> {
        self.expand(&[self.0.root()])
    }

    /// Those of `sources` that have a say in the order of keys, here or further down.
    pub(super) fn ordering(sources: &Sources<'a>) -> Vec<*const Value> {
        let has_say = |source: &&&Value| ORDERING.iter().any(|keyword| source.get(*keyword).is_some());
        sources.iter().filter(has_say).map(|source| std::ptr::from_ref(*source)).collect()
    }

    /// The keys that `sources` name, in their order.
    pub(super) fn keys(sources: &Sources<'a>) -> Vec<&'a str> {
        let mut keys = Vec::new();
        for map in sources.iter().filter_map(|source| source.as_object()) {
            for (keyword, value) in map {
                match (keyword.as_str(), value) {
                    ("properties", Value::Object(properties)) => keys.extend(properties.keys().map(String::as_str)),
                    ("required", Value::Array(names)) => keys.extend(names.iter().filter_map(Value::as_str)),
                    ("propertyNames", Value::Object(names)) => {
                        let listed = names.get("enum").and_then(Value::as_array);
                        keys.extend(listed.into_iter().flatten().filter_map(Value::as_str));
                    }
                    ("dependentRequired" | "dependentSchemas" | "dependencies", Value::Object(lists)) => {
                        for (key, list) in lists {
                            keys.push(key.as_str());
                            keys.extend(list.as_array().into_iter().flatten().filter_map(Value::as_str));
                        }
                    }
                    ("const", Value::Object(value)) => keys.extend(value.keys().map(String::as_str)),
                    ("enum", Value::Array(values)) => {
                        keys.extend(values.iter().filter_map(Value::as_object).flat_map(Map::keys).map(String::as_str));
                    }
                    _ => {}
                }
            }
        }
        keys
    }

    /// What applies to the value of `key`.
    pub(super) fn property(&self, sources: &Sources<'a>, key: &str) -> Sources<'a> {
        self.children(sources, |map| {
            let mut found: Vec<&'a Value> = Vec::new();
            found.extend(map.get("properties").and_then(|properties| properties.get(key)));
            if let Some(Value::Object(patterns)) = map.get("patternProperties") {
                found.extend(patterns.values());
            }
            found.extend(map.get("additionalProperties"));
            found.extend(map.get("unevaluatedProperties"));
            found
        })
    }

    /// What applies to item `index`, or to those after the last prefix.
    pub(super) fn item(&self, sources: &Sources<'a>, index: Option<usize>) -> Sources<'a> {
        self.children(sources, |map| {
            let mut found: Vec<&'a Value> = Vec::new();
            for keyword in ["prefixItems", "items"] {
                if let (Some(Value::Array(items)), Some(index)) = (map.get(keyword), index) {
                    found.extend(items.get(index));
                }
            }
            found.extend(map.get("items").filter(|items| !items.is_array()));
            for keyword in ["additionalItems", "contains", "unevaluatedItems"] {
                found.extend(map.get(keyword));
            }
            found
        })
    }

    fn children(&self, sources: &Sources<'a>, of: impl Fn(&'a Map<String, Value>) -> Vec<&'a Value>) -> Sources<'a> {
        let direct: Vec<&'a Value> =
            sources.iter().filter_map(|source| source.as_object()).flat_map(of).take(MAX_SOURCES).collect();
        self.expand(&direct)
    }

    /// Adds what stands in the same place: references, and the branches of applicators.
    fn expand(&self, direct: &[&'a Value]) -> Sources<'a> {
        let mut found: Sources<'a> = Vec::new();
        for source in direct {
            self.expand_one(source, &mut found);
        }
        found
    }

    fn expand_one(&self, source: &'a Value, found: &mut Sources<'a>) {
        let Value::Object(map) = source else { return };
        if found.len() >= MAX_SOURCES || found.iter().any(|seen| std::ptr::eq(*seen, source)) {
            return;
        }
        found.push(source);
        for (keyword, value) in map {
            match (keyword.as_str(), value) {
                ("$ref" | "$dynamicRef", Value::String(reference)) => {
                    if let Some(target) = self.0.resolve(reference) {
                        self.expand_one(target, found);
                    }
                }
                ("$recursiveRef", _) => self.expand_one(self.0.root(), found),
                ("allOf" | "anyOf" | "oneOf", Value::Array(branches)) => {
                    branches.iter().for_each(|branch| self.expand_one(branch, found));
                }
                ("if" | "then" | "else" | "not", _) => self.expand_one(value, found),
                ("dependentSchemas" | "dependencies", Value::Object(schemas)) => {
                    schemas.values().for_each(|schema| self.expand_one(schema, found));
                }
                _ => {}
            }
        }
    }
}

/// Writes `value` as compact JSON with its keys in the order that `document` declares, numbers in plain spelling.
#[must_use]
pub fn in_declared_order(document: &Document, value: &Value) -> String {
    let order = Order::new(document.value());
    let mut out = String::new();
    write(Some((&order, &order.root())), value, &mut out);
    out
}

/// Writes `value` as compact JSON with its keys as they stand, numbers in plain spelling.
#[must_use]
pub fn in_file_order(value: &Value) -> String {
    let mut out = String::new();
    write(None, value, &mut out);
    out
}

/// Writes a value to which the sources `at` apply; without them, keys stay where they are.
fn write<'a>(at: Option<(&Order<'a>, &Sources<'a>)>, value: &Value, out: &mut String) {
    // Why: inside of what is listed, keys stand as they are listed.
    if (value.is_object() || value.is_array())
        && let Some((_, sources)) = at
        && let Some(listed) = listed(sources, value)
    {
        return write(None, listed, out);
    }
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            if let Some((_, sources)) = at {
                sort_as_declared(sources, &mut entries);
            }
            out.push('{');
            for (i, (key, value)) in entries.into_iter().enumerate() {
                out.push_str(if i == 0 { "" } else { "," });
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                let inner = at.map(|(order, sources)| (order, order.property(sources, key)));
                write(inner.as_ref().map(|(order, sources)| (*order, sources)), value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { "," });
                let inner = at.map(|(order, sources)| (order, order.item(sources, Some(i))));
                write(inner.as_ref().map(|(order, sources)| (*order, sources)), item, out);
            }
            out.push(']');
        }
        scalar => out.push_str(&super::combine::scalar_text(scalar)),
    }
}

/// The value that equals `value` in a list of the `sources`.
fn listed<'a>(sources: &Sources<'a>, value: &Value) -> Option<&'a Value> {
    let of = |source: &&'a Value| {
        let listed = source.get("enum").and_then(Value::as_array).into_iter().flatten();
        source.get("const").into_iter().chain(listed).find(|listed| *listed == value)
    };
    sources.iter().find_map(of)
}

fn sort_as_declared(sources: &Sources<'_>, entries: &mut [(&String, &Value)]) {
    let rank: HashMap<&str, usize> =
        Order::keys(sources).into_iter().enumerate().rev().map(|(i, key)| (key, i)).collect();
    entries.sort_by_key(|(key, _)| (rank.get(key.as_str()).copied().unwrap_or(usize::MAX), key.as_str()));
}
