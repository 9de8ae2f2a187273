//! A user's schema after the checks that need no grammar: size, depth, metaschema, references, patterns.

use std::sync::Arc;

use jsonschema::Draft;
use serde_json::Value;

use super::links::check_links;
use super::pattern::in_unicode_mode;
use super::walk::{Pointer, rewrite, try_visit};
use super::{ErrorKind, SchemaError, Store};

/// Bounds on what a stranger may send.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Size of the schema as compact JSON.
    pub max_bytes: usize,
    /// Nesting of JSON arrays and objects.
    pub max_depth: usize,
}

impl Default for Limits {
    /// 2 MiB, four times the largest schema of MaskBench (510 KB), and the depth that JSON parsers accept.
    fn default() -> Self {
        Self { max_bytes: 2 << 20, max_depth: 128 }
    }
}

/// A schema that is well formed by its draft.
#[derive(Clone, Debug)]
pub struct Document {
    value: Value,
    store: Arc<Store>,
    is_costly: bool,
}

impl Document {
    /// Checks `value` against `limits` and its metaschema. References lead into it alone.
    ///
    /// # Errors
    /// With the place of the first fault.
    pub fn parse(value: Value, limits: Limits) -> Result<Self, SchemaError> {
        Self::parse_with(value, limits, Store::empty())
    }

    /// As [`Document::parse`]; references may also lead into the documents of `store`.
    ///
    /// # Errors
    /// With the place of the first fault.
    pub fn parse_with(value: Value, limits: Limits, store: Arc<Store>) -> Result<Self, SchemaError> {
        let got = match &value {
            Value::Object(_) | Value::Bool(_) => None,
            Value::Null => Some("null"),
            Value::Number(_) => Some("a number"),
            Value::String(_) => Some("a string"),
            Value::Array(_) => Some("an array"),
        };
        if let Some(got) = got {
            return Err(SchemaError::at(Pointer::default(), ErrorKind::NotASchema { got }));
        }
        let n_bytes = serde_json::to_string(&value).map_or(usize::MAX, |text| text.len());
        if n_bytes > limits.max_bytes {
            let kind = ErrorKind::TooLarge { n_bytes, limit: limits.max_bytes };
            return Err(SchemaError::at(Pointer::default(), kind));
        }
        if !is_shallow(&value, limits.max_depth) {
            return Err(SchemaError::at(Pointer::default(), ErrorKind::TooDeep { limit: limits.max_depth }));
        }
        let value = with_patterns_in_unicode_mode(value);
        check_metaschema(&value, &store)?;
        check_references(&value, &store)?;
        let is_costly = check_links(&value)?;
        Ok(Self { value, store, is_costly })
    }

    /// The schema as the user wrote it; only its patterns may be spelled more strictly.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Whether judging a value could take without end, because ways to its schemas multiply.
    #[must_use]
    pub(crate) fn is_costly(&self) -> bool {
        self.is_costly
    }

    /// The documents that it may refer to.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The draft whose rules it follows.
    #[must_use]
    pub(crate) fn draft(&self) -> Draft {
        match self.store.draft().detect(&self.value) {
            Draft::Unknown => Draft::default(),
            known => known,
        }
    }

    /// Checks a part of this schema as this one was checked, with the same documents around it.
    pub(crate) fn with_value(&self, value: Value) -> Result<Self, SchemaError> {
        // Why: a part of what was small enough is.
        let limits = Limits { max_bytes: usize::MAX, max_depth: usize::MAX };
        Self::parse_with(value, limits, Arc::clone(&self.store))
    }

    /// The draft that was decided from outside, where the schema names none.
    #[must_use]
    pub(crate) fn forced_draft(&self) -> Option<Draft> {
        (self.value.get("$schema").is_none()).then(|| self.store.draft())
    }
}

/// Why: other validators take these patterns as well, and to the same effect.
fn with_patterns_in_unicode_mode(mut value: Value) -> Value {
    rewrite(&mut value, &mut |schema| {
        if let Some(Value::String(pattern)) = schema.get_mut("pattern")
            && let Some(strict) = in_unicode_mode(pattern)
        {
            *pattern = strict;
        }
    });
    value
}

fn is_shallow(value: &Value, depth_left: usize) -> bool {
    match value {
        Value::Array(items) => depth_left > 0 && items.iter().all(|v| is_shallow(v, depth_left - 1)),
        Value::Object(map) => depth_left > 0 && map.values().all(|v| is_shallow(v, depth_left - 1)),
        _ => true,
    }
}

fn check_metaschema(value: &Value, store: &Store) -> Result<(), SchemaError> {
    // Why: an unknown `$schema` makes the validator look for that metaschema; its own keywords cannot be known.
    if let Some(uri) = value.get("$schema").and_then(Value::as_str)
        && Draft::default().detect(value) == Draft::Unknown
        && !store.holds(uri)
    {
        let kind = ErrorKind::Unsupported {
            keyword: "$schema".into(),
            why: format!("'{uri}' names no JSON Schema draft; drafts 4, 6, 7, 2019-09 and 2020-12 are known"),
        };
        return Err(SchemaError::at_keyword(&Pointer::default(), "$schema", kind));
    }
    let with_draft;
    let value = match value {
        // Why: the metaschema is chosen by `$schema`; a draft that is decided from outside has to be written there.
        Value::Object(map) if !map.contains_key("$schema") && store.draft() != Draft::default() => {
            let mut map = map.clone();
            map.insert("$schema".to_owned(), metaschema_uri(store.draft()).into());
            with_draft = Value::Object(map);
            &with_draft
        }
        _ => value,
    };
    let Some(Fault { at: pointer, mut message }) = fault(value, store) else { return Ok(()) };
    let keyword = pointer.parts().iter().rev().find(|part| part.parse::<usize>().is_err()).cloned();
    if keyword.as_deref() == Some("items") && value.get("$schema").is_none() {
        message.push_str(
            "; a list of schemas in 'items' is draft 7's spelling: name the draft in \"$schema\", or use 'prefixItems'",
        );
    }
    Err(SchemaError { pointer, keyword, kind: ErrorKind::Malformed(message) })
}

/// What the metaschema says against a schema.
struct Fault {
    at: Pointer,
    message: String,
}

/// Finds the innermost fault. Where a keyword takes a schema or something else, the metaschema only says that it is
/// neither; then the schema that stands there is looked at by itself.
fn fault(value: &Value, store: &Store) -> Option<Fault> {
    let error = jsonschema::meta::options().with_registry(store.registry()).validate(value).err()?;
    let at = Pointer::parse(error.instance_path().as_str());
    if let Some(Value::Object(inner)) = value.pointer(&at.to_string())
        && !at.parts().is_empty()
    {
        let mut inner = inner.clone();
        if let Some(draft) = value.get("$schema") {
            inner.insert("$schema".to_owned(), draft.clone());
        }
        if let Some(Fault { at: below, message }) = fault(&Value::Object(inner), store) {
            return Some(Fault { at: at.parts().iter().chain(below.parts()).cloned().collect(), message });
        }
    }
    let mut message = error.to_string();
    if message.len() > 300 {
        message = format!("{}…", message.chars().take(300).collect::<String>());
    }
    Some(Fault { at, message })
}

fn metaschema_uri(draft: Draft) -> &'static str {
    match draft {
        Draft::Draft4 => "http://json-schema.org/draft-04/schema#",
        Draft::Draft6 => "http://json-schema.org/draft-06/schema#",
        Draft::Draft7 => "http://json-schema.org/draft-07/schema#",
        Draft::Draft201909 => "https://json-schema.org/draft/2019-09/schema",
        _ => "https://json-schema.org/draft/2020-12/schema",
    }
}

/// Local references must lead somewhere; what leads out of the document is refused unless the document carries it.
fn check_references(root: &Value, store: &Store) -> Result<(), SchemaError> {
    let mut ids = Vec::new();
    let mut anchors = Vec::new();
    try_visit(root, &mut |_, schema| {
        for key in ["$id", "id"] {
            ids.extend(schema.get(key).and_then(Value::as_str).map(str::to_owned));
        }
        for key in ["$anchor", "$dynamicAnchor"] {
            anchors.extend(schema.get(key).and_then(Value::as_str).map(str::to_owned));
        }
        Ok::<(), SchemaError>(())
    })?;
    try_visit(root, &mut |at, schema| {
        let Some(reference) = schema.get("$ref").and_then(Value::as_str) else { return Ok(()) };
        let leads_somewhere = match reference.strip_prefix('#') {
            Some("") => true,
            // Why: below an embedded `$id` the root is another; then the validator decides.
            Some(fragment) if fragment.starts_with('/') => {
                root.pointer(&percent_decode(fragment)).is_some() || !ids.is_empty()
            }
            Some(name) => anchors.iter().any(|a| a == name) || ids.iter().any(|id| id == reference),
            None => !ids.is_empty() || store.holds(reference) || is_metaschema(reference),
        };
        if leads_somewhere {
            return Ok(());
        }
        Err(SchemaError::at_keyword(at, "$ref", ErrorKind::Unresolvable(reference.to_owned())))
    })
}

/// The drafts' own metaschemas need no registration.
fn is_metaschema(reference: &str) -> bool {
    ["http://json-schema.org/draft-", "https://json-schema.org/draft/"].iter().any(|base| reference.starts_with(base))
}

pub(super) fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex =
            (bytes[i] == b'%').then(|| text.get(i + 1..i + 3).and_then(|h| u8::from_str_radix(h, 16).ok())).flatten();
        out.push(hex.unwrap_or(bytes[i]));
        i += if hex.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusal(value: Value) -> (String, Option<String>) {
        let error = Document::parse(value, Limits { max_bytes: 1000, max_depth: 8 }).expect_err("refused");
        (error.pointer.to_string(), error.keyword)
    }

    #[test]
    fn refusals_name_the_place() {
        let deep = (0..10).fold(json!({}), |inner, _| json!({"not": inner}));
        for (schema, pointer, keyword) in [
            (json!("hello"), "", None),
            (json!({"type": "objekt"}), "/type", Some("type")),
            (json!({"properties": ["a"]}), "/properties", Some("properties")),
            (json!({"items": [{}]}), "/items", Some("items")),
            (
                json!({"$schema": "http://json-schema.org/draft-04/schema#", "items": {"properties": {"a": {"required": true}}}}),
                "/items/properties/a/required",
                Some("required"),
            ),
            (json!({"properties": {"a": {"minLength": -1}}}), "/properties/a/minLength", Some("minLength")),
            (json!({"$ref": "#/$defs/none"}), "/$ref", Some("$ref")),
            (json!({"$ref": "http://127.0.0.1:9/x.json"}), "/$ref", Some("$ref")),
            (json!({"$schema": "https://example.org/mine"}), "/$schema", Some("$schema")),
            (json!({"enum": ["x".repeat(1000)]}), "", None),
            (deep, "", None),
        ] {
            assert_eq!(refusal(schema), (pointer.to_owned(), keyword.map(str::to_owned)));
        }
    }

    #[test]
    fn accepts_every_draft_and_booleans() {
        for schema in [
            json!(true),
            json!({"$schema": "http://json-schema.org/draft-07/schema#", "items": [{}], "additionalItems": false}),
            json!({"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 1, "exclusiveMinimum": true}),
            json!({"properties": {"a": {"pattern": "^{{.+}}$"}}}),
            json!({"$defs": {"a/b": {"$anchor": "x"}}, "anyOf": [{"$ref": "#/$defs/a~1b"}, {"$ref": "#x"}, {"$ref": "#"}]}),
        ] {
            Document::parse(schema.clone(), Limits::default()).unwrap_or_else(|e| panic!("{schema}: {e}"));
        }
    }
}
