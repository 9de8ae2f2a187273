//! Small changes to a value, of the kind that often breaks a schema.
//!
//! Whether one does is not known here; the caller tries.

use rand::seq::IndexedRandom as _;
use rand::{Rng, RngExt as _};
use serde_json::{Map, Value, json};

use super::{nodes, number};
use crate::schema::walk;

/// What a schema mentions: values just beyond it break it more often than random ones.
#[derive(Debug, Default)]
pub(super) struct Hints {
    bounds: Vec<f64>,
    counts: Vec<usize>,
    keys: Vec<String>,
    values: Vec<Value>,
}

/// Longer texts and lists than this are not built, whatever a bound says.
const MAX_COUNT: usize = 2000;

impl Hints {
    /// Collects what `schema` and its subschemas mention.
    pub(super) fn of(schema: &Value) -> Self {
        let mut hints = Self::default();
        let _: Result<(), ()> = walk::try_visit(schema, &mut |_, schema| {
            hints.add(schema);
            Ok(())
        });
        hints
    }

    fn add(&mut self, schema: &Value) {
        let Value::Object(map) = schema else { return };
        for (keyword, value) in map {
            match (keyword.as_str(), value) {
                (
                    "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf",
                    Value::Number(bound),
                ) => self.bounds.extend(bound.as_f64()),
                (
                    "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties",
                    Value::Number(count),
                ) => self.counts.extend(count.as_u64().and_then(|n| usize::try_from(n).ok())),
                ("properties", Value::Object(properties)) => self.keys.extend(properties.keys().cloned()),
                ("enum", Value::Array(values)) => self.values.extend(values.iter().cloned()),
                ("const", value) => self.values.push(value.clone()),
                _ => {}
            }
        }
    }

    /// A count just off one that the schema mentions.
    fn count(&self, rng: &mut impl Rng) -> usize {
        let count = self.counts.choose(rng).copied().unwrap_or(1);
        let count = if rng.random() { count.saturating_add(1) } else { count.saturating_sub(1) };
        count.min(MAX_COUNT)
    }
}

/// Changes one place of `value`.
pub(super) fn mutate(value: &Value, hints: &Hints, rng: &mut impl Rng) -> Value {
    let mut mutant = value.clone();
    let all = nodes(value);
    if let Some((at, _)) = all.choose(rng)
        && let Some(place) = at.resolve_mut(&mut mutant)
    {
        *place = changed(std::mem::take(place), hints, rng);
    }
    mutant
}

fn changed(value: Value, hints: &Hints, rng: &mut impl Rng) -> Value {
    if rng.random_ratio(1, 4) {
        return another(hints, rng);
    }
    match value {
        Value::Object(map) => Value::Object(changed_object(map, hints, rng)),
        Value::Array(items) => Value::Array(changed_array(items, hints, rng)),
        Value::String(text) => Value::String(changed_text(text, hints, rng)),
        Value::Number(old) => changed_number(old.as_f64().unwrap_or(0.0), hints, rng),
        Value::Bool(flag) => Value::Bool(!flag),
        Value::Null => another(hints, rng),
    }
}

/// A value that need not have anything to do with what stood there.
fn another(hints: &Hints, rng: &mut impl Rng) -> Value {
    if rng.random_ratio(1, 4)
        && let Some(value) = hints.values.choose(rng)
    {
        return value.clone();
    }
    let all = [json!(null), json!(true), json!(0), json!(-1), json!(1.5), json!(""), json!("a"), json!([]), json!({})];
    all.choose(rng).cloned().unwrap_or_default()
}

fn changed_object(mut map: Map<String, Value>, hints: &Hints, rng: &mut impl Rng) -> Map<String, Value> {
    let keys: Vec<String> = map.keys().cloned().collect();
    let chosen = keys.choose(rng);
    match (rng.random_range(0..4), chosen) {
        (0 | 1, Some(chosen)) => map.retain(|key, _| key != chosen),
        (2, Some(chosen)) => {
            let renamed = |key: String| if key == *chosen { format!("{key}_") } else { key };
            map = map.into_iter().map(|(key, value)| (renamed(key), value)).collect();
        }
        _ => {
            let key = hints.keys.choose(rng).filter(|key| !map.contains_key(*key)).cloned();
            map.insert(key.unwrap_or_else(|| "extra".to_owned()), another(hints, rng));
        }
    }
    map
}

fn changed_array(mut items: Vec<Value>, hints: &Hints, rng: &mut impl Rng) -> Vec<Value> {
    let Some(chosen) = items.choose(rng).cloned() else { return vec![another(hints, rng)] };
    match rng.random_range(0..5) {
        0 => items.push(chosen),
        1 => items.resize(hints.count(rng), chosen),
        2 => items.push(another(hints, rng)),
        3 => items.reverse(),
        _ => {
            let gone = rng.random_range(0..items.len());
            items.remove(gone);
        }
    }
    items
}

fn changed_text(text: String, hints: &Hints, rng: &mut impl Rng) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    match rng.random_range(0..6) {
        0 => chars.clear(),
        1 => chars.resize(hints.count(rng), 'x'),
        2 => chars.push('~'),
        3 => {
            chars.pop();
        }
        4 => {
            let swapped =
                |c: char| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
            chars.iter_mut().for_each(|c| *c = swapped(*c));
        }
        _ if chars.is_empty() => chars.push(' '),
        _ => {
            let at = rng.random_range(0..chars.len());
            chars[at] = '\u{7}';
        }
    }
    chars.into_iter().collect()
}

fn changed_number(old: f64, hints: &Hints, rng: &mut impl Rng) -> Value {
    let bound = hints.bounds.choose(rng).copied().unwrap_or(0.0);
    let all = [old + 1.0, old - 1.0, old + 0.5, -old, bound, bound + 1.0, bound - 1.0, bound + 0.01, 1e300, -1e300];
    number(all.choose(rng).copied().unwrap_or_default())
}
