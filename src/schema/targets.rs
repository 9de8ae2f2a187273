//! Where the references of a document lead, as far as they stay inside it.

use std::collections::HashMap;

use serde_json::Value;

/// Keywords whose subschemas speak of the very value of their parent.
pub(super) const IN_PLACE: [&str; 9] =
    ["allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "dependencies"];

/// A document and its anchors.
pub(crate) struct Targets<'a> {
    root: &'a Value,
    anchors: HashMap<&'a str, &'a Value>,
}

impl<'a> Targets<'a> {
    pub(crate) fn new(root: &'a Value) -> Self {
        let mut anchors = HashMap::new();
        find_anchors(root, &mut anchors);
        Self { root, anchors }
    }

    pub(crate) fn root(&self) -> &'a Value {
        self.root
    }

    /// What `reference` names; nothing if that is another document, or not there.
    pub(crate) fn resolve(&self, reference: &str) -> Option<&'a Value> {
        match reference.split_once('#') {
            Some(("", "")) => Some(self.root),
            Some(("", pointer)) if pointer.starts_with('/') => {
                self.root.pointer(&super::document::percent_decode(pointer))
            }
            Some((_, anchor)) if !anchor.is_empty() => self.anchors.get(anchor).copied(),
            Some((id, _)) => self.anchors.get(id).copied(),
            None => self.anchors.get(reference).copied(),
        }
    }

    /// The schemas that speak of the same value as `schema`, one step from it.
    pub(super) fn in_place(&self, schema: &'a Value) -> Vec<&'a Value> {
        let Value::Object(map) = schema else { return Vec::new() };
        let mut next: Vec<&'a Value> = self.of(schema).collect();
        for (keyword, value) in IN_PLACE.iter().filter_map(|keyword| Some((*keyword, map.get(*keyword)?))) {
            match value {
                Value::Array(members) => next.extend(members),
                Value::Object(members) if keyword.starts_with("dependen") => next.extend(members.values()),
                other => next.push(other),
            }
        }
        next
    }

    /// What the references of one schema lead to.
    pub(crate) fn of(&self, schema: &'a Value) -> impl Iterator<Item = &'a Value> {
        let references = ["$ref", "$dynamicRef"].into_iter().filter_map(|key| schema.get(key)?.as_str());
        let recursive = schema.get("$recursiveRef").map(|_| self.root);
        references.filter_map(|reference| self.resolve(reference)).chain(recursive)
    }
}

fn find_anchors<'a>(value: &'a Value, anchors: &mut HashMap<&'a str, &'a Value>) {
    match value {
        Value::Object(map) => {
            for key in ["$anchor", "$dynamicAnchor", "$id", "id"] {
                if let Some(Value::String(name)) = map.get(key) {
                    anchors.entry(name.trim_start_matches('#')).or_insert(value);
                }
            }
            map.values().for_each(|inner| find_anchors(inner, anchors));
        }
        Value::Array(items) => items.iter().for_each(|inner| find_anchors(inner, anchors)),
        _ => {}
    }
}
