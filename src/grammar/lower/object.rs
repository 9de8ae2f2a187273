//! Objects: which keys, in which order, with which values.

use std::collections::{BTreeMap, BTreeSet};

use jsonschema::canonical::{CanonicalSchema, CanonicalView, ObjectView};
use jsonschema::types::JsonType;
use serde_json::{Value, json};

use super::Lowering;
use super::afford::{afford, is_empty};
use super::array::count;
use super::order::{Order, Sources};
use super::string::strings;
use crate::grammar::shape::{Object, OpenKeys, Property, Shape, ShapeId};
use crate::schema::SchemaError;
use crate::schema::pattern::{self, Lang};

/// Beyond this many names in one place, those without a schema of their own lose their place in the order.
const MAX_NAMED: usize = 100;
/// More keys than this, or patterns, and those that only a pattern names have an order all the same.
const MAX_UNORDERED: usize = 16;
/// With more patterns than this, their combinations are left to the guard.
const MAX_PATTERNS: usize = 4;
/// How deep references are followed while keys are read.
const MAX_NAME_DEPTH: usize = 32;

/// The keys that `propertyNames` allows.
struct Names {
    finite: BTreeSet<String>,
    /// Those that cannot be listed.
    lang: Option<Lang>,
    is_exact: bool,
}

/// What stands in `patternProperties`.
struct Pattern {
    lang: Option<Lang>,
    schema: CanonicalSchema,
    judge: Option<jsonschema::Validator>,
}

impl Pattern {
    fn matches(&self, key: &str) -> bool {
        self.judge.as_ref().is_some_and(|judge| judge.is_valid(&json!(key)))
    }
}

impl<'a> Lowering<'a> {
    pub(super) fn object(
        &mut self,
        view: &ObjectView,
        schema: &CanonicalSchema,
        sources: &Sources<'a>,
    ) -> Result<ShapeId, SchemaError> {
        let id = self.shapes.reserve(Some(schema.clone()));
        let names = match &view.property_names {
            None => Names { finite: BTreeSet::new(), lang: Some(Lang::all()), is_exact: true },
            Some(names) => names_of(names, 0, self.thrift.free_states()),
        };
        let allows_name = view.property_names.as_ref().and_then(|names| judge(&names.to_json_schema()));
        let patterns: Vec<Pattern> =
            view.pattern_properties.iter().map(|(text, schema)| pattern(text, schema)).collect();
        let mut is_exact = names.is_exact && view.violations.is_empty();

        let candidates = candidates(view, &names, sources);
        let unordered = unordered(&candidates, &names, sources);
        let mut open = Vec::new();
        let mut declared = Vec::with_capacity(candidates.len());
        let required: BTreeSet<&str> = view.required.iter().map(String::as_str).collect();
        for name in &candidates {
            let is_required = required.contains(name.as_str());
            let is_allowed = allows_name.as_ref().is_none_or(|judge| judge.is_valid(&json!(name)));
            let value = if is_allowed { value_schema(view, &patterns, name, &mut is_exact) } else { Some(None) };
            // Why: `None` stands for anything, `Some(None)` for nothing at all.
            let shape = match value {
                None => self.shapes.push(Shape::Anything, None),
                Some(None) => self.shapes.push(Shape::Nothing, None),
                Some(Some(value)) => {
                    let sources = self.order.property(sources, name);
                    self.lower(&value, &sources)?
                }
            };
            if matches!(self.shapes.get(shape), Shape::Nothing) {
                if is_required {
                    self.shapes.set(id, Shape::Nothing);
                    return Ok(id);
                }
                continue;
            }
            if is_required || !unordered.contains(name.as_str()) {
                declared.push(Property { name: name.clone(), shape, is_required });
            } else {
                open.push(OpenKeys { name: Some(name.clone()), keys: Lang::literal(name), except: Vec::new(), shape });
            }
        }
        if let Some(lang) = names.lang {
            open.extend(self.open(&lang, view, &patterns, &candidates, sources, &mut is_exact)?);
        }
        let object = Object {
            declared,
            open,
            min: view.min_properties.as_ref().map_or(0, count),
            max: view.max_properties.as_ref().map(count),
            any_order: self.any_order,
        };
        self.shapes.set(id, Shape::Object(object));
        Ok(if is_exact { id } else { self.residual(id, schema) })
    }

    /// The keys that are not declared, by the set of patterns that they match.
    fn open(
        &mut self,
        names: &Lang,
        view: &ObjectView,
        patterns: &[Pattern],
        except: &[String],
        sources: &Sources<'a>,
        is_exact: &mut bool,
    ) -> Result<Vec<OpenKeys>, SchemaError> {
        let languages: Option<Vec<&Lang>> = patterns.iter().map(|pattern| pattern.lang.as_ref()).collect();
        let sources = self.order.property(sources, "");
        let Some(languages) = languages.filter(|languages| languages.len() <= MAX_PATTERNS) else {
            *is_exact = false;
            let shape = self.shapes.push(Shape::Anything, None);
            return Ok(vec![OpenKeys { name: None, keys: names.clone(), except: except.to_vec(), shape }]);
        };
        let mut open = Vec::new();
        for chosen in 0..1_usize << patterns.len() {
            let mut keys = vec![names.clone()];
            let mut schemas = Vec::new();
            for (i, (pattern, lang)) in patterns.iter().zip(&languages).enumerate() {
                if chosen & (1 << i) == 0 {
                    keys.push(Lang::complement((*lang).clone()));
                } else {
                    keys.push((*lang).clone());
                    schemas.push(&pattern.schema);
                }
            }
            if chosen == 0 {
                schemas.extend(view.additional_properties.as_ref());
            }
            let shape = match intersect(&schemas, is_exact) {
                None => self.shapes.push(Shape::Anything, None),
                Some(schema) => self.lower(&schema, &sources)?,
            };
            if !matches!(self.shapes.get(shape), Shape::Nothing) {
                let keys = afford(keys, (0, None), self.thrift.free_states());
                *is_exact &= keys.is_exact;
                if !is_empty(&keys.lang) {
                    open.push(OpenKeys { name: None, keys: keys.lang, except: except.to_vec(), shape });
                }
            }
        }
        Ok(open)
    }
}

/// Every key that the schema names, in the author's order where there is one.
fn candidates(view: &ObjectView, names: &Names, sources: &Sources<'_>) -> Vec<String> {
    let mut rank: BTreeMap<&str, usize> = BTreeMap::new();
    for key in Order::keys(sources) {
        let next = rank.len();
        rank.entry(key).or_insert(next);
    }
    let mut all: Vec<&str> =
        view.properties.keys().chain(&view.required).chain(&names.finite).map(String::as_str).collect();
    // Why: a key whose value may be anything is not in the canonical form, and yet has its place in the order.
    if names.lang.is_some() && rank.len() <= MAX_NAMED {
        all.extend(rank.keys());
    }
    all.sort_unstable();
    all.dedup();
    all.sort_by_key(|name| rank.get(name).copied().unwrap_or(usize::MAX));
    all.into_iter().map(str::to_owned).collect()
}

/// Those of the `candidates` that the author named by a pattern only, which allows just a few: they come in any order
/// among the open keys.
fn unordered<'c>(candidates: &'c [String], names: &Names, sources: &Sources<'_>) -> BTreeSet<&'c str> {
    let ordered: BTreeSet<&str> = Order::keys(sources).into_iter().collect();
    let patterns = sources.iter().filter_map(|source| source.get("patternProperties")?.as_object());
    let patterns: Vec<_> = patterns.flat_map(serde_json::Map::keys).take(MAX_UNORDERED).collect();
    if names.lang.is_none() || patterns.is_empty() {
        return BTreeSet::new();
    }
    let judges: Vec<_> = patterns.into_iter().filter_map(|pattern| judge(&json!({"pattern": pattern}))).collect();
    let by_pattern = |name: &str| judges.iter().any(|judge| judge.is_valid(&json!(name)));
    let names = candidates.iter().map(String::as_str);
    let unordered: BTreeSet<&str> = names.filter(|name| !ordered.contains(name) && by_pattern(name)).collect();
    // Why: where there are many of them, an order keeps the grammar small.
    if unordered.len() > MAX_UNORDERED { BTreeSet::new() } else { unordered }
}

/// What the value of `name` must satisfy: `None` for anything, `Some(None)` for nothing.
#[expect(clippy::option_option, reason = "anything, nothing, or a schema")]
fn value_schema(
    view: &ObjectView,
    patterns: &[Pattern],
    name: &str,
    is_exact: &mut bool,
) -> Option<Option<CanonicalSchema>> {
    let mut schemas: Vec<&CanonicalSchema> = view.properties.get(name).into_iter().collect();
    schemas.extend(patterns.iter().filter(|pattern| pattern.matches(name)).map(|pattern| &pattern.schema));
    let is_named = view.properties.contains_key(name) || patterns.iter().any(|pattern| pattern.matches(name));
    if !is_named {
        schemas.extend(view.additional_properties.as_ref());
    }
    let schema = intersect(&schemas, is_exact)?;
    Some((!matches!(schema.view(), CanonicalView::False)).then_some(schema))
}

/// The schema of what satisfies all of `schemas`; a part of them where the algebra has no words for it.
fn intersect(schemas: &[&CanonicalSchema], is_exact: &mut bool) -> Option<CanonicalSchema> {
    let (first, rest) = schemas.split_first()?;
    let mut all = (*first).clone();
    for schema in rest {
        match all.intersect(schema) {
            Ok(both) => all = both,
            Err(_) => *is_exact = false,
        }
    }
    Some(all)
}

fn pattern(text: &str, schema: &CanonicalSchema) -> Pattern {
    Pattern { lang: pattern::search(text).ok(), schema: schema.clone(), judge: judge(&json!({"pattern": text})) }
}

fn judge(schema: &Value) -> Option<jsonschema::Validator> {
    jsonschema::options().should_validate_formats(true).offline().build(schema).ok()
}

fn names_of(schema: &CanonicalSchema, depth: usize, free_states: u64) -> Names {
    let none = || Names { finite: BTreeSet::new(), lang: None, is_exact: true };
    let any = |is_exact| Names { finite: BTreeSet::new(), lang: Some(Lang::all()), is_exact };
    let listed = |values: Vec<Value>| Names {
        finite: values.into_iter().filter_map(|value| value.as_str().map(str::to_owned)).collect(),
        lang: None,
        is_exact: true,
    };
    match schema.view() {
        CanonicalView::True => any(true),
        CanonicalView::MultiType(types) if types.contains(JsonType::String) => any(true),
        CanonicalView::False
        | CanonicalView::MultiType(_)
        | CanonicalView::Integer(_)
        | CanonicalView::Number(_)
        | CanonicalView::Array(_)
        | CanonicalView::Object(_) => none(),
        CanonicalView::Const(value) => listed(vec![value]),
        CanonicalView::Enum(values) => listed(values),
        CanonicalView::String(view) => {
            let strings = strings(&view, free_states);
            // Why: nobody counts the characters of keys; the whole object is judged instead.
            let is_exact = strings.is_exact && strings.counted.is_none();
            Names { finite: BTreeSet::new(), lang: Some(strings.lang), is_exact }
        }
        CanonicalView::TypedGroup(group) if group.ty == JsonType::String => {
            names_of(&group.body, depth + 1, free_states)
        }
        CanonicalView::TypedGroup(_) => none(),
        CanonicalView::AnyOf(branches) => branches.iter().fold(none(), |mut all, branch| {
            let names = names_of(branch, depth + 1, free_states);
            all.finite.extend(names.finite);
            all.lang = match (all.lang, names.lang) {
                (Some(a), Some(b)) => Some(Lang::or(vec![a, b])),
                (a, b) => a.or(b),
            };
            all.is_exact &= names.is_exact;
            all
        }),
        CanonicalView::Reference(uri) if depth < MAX_NAME_DEPTH => {
            schema.definition(&uri).map_or_else(|| any(false), |target| names_of(&target, depth + 1, free_states))
        }
        CanonicalView::Reference(_)
        | CanonicalView::Not(_)
        | CanonicalView::AllOf(_)
        | CanonicalView::OneOf(_)
        | CanonicalView::Raw(_) => any(false),
    }
}
