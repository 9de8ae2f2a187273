//! How often a validator looks at one value: it follows every way that leads to a schema, and ways multiply.
//!
//! `{"allOf": [{"$ref": "#/$defs/b"}, {"$ref": "#/$defs/b"}]}` looks twice by `b`; forty such definitions in a row look a
//! billion times a thousand. Where they recur one level further down, it is the value's nesting that multiplies.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{ErrorKind, Pointer, SchemaError, Targets};

/// Looks at what is on one way into a value.
const MAX_VISITS: u64 = 1_000_000;
/// Nobody nests deeper than this.
const MAX_NESTING: usize = 130;
/// Levels without faster growth after which there will be none.
const STEADY: usize = 40;

/// One schema by the indices of others.
struct Node {
    in_place: Vec<usize>,
    /// Those of each key or item.
    inner: Vec<Vec<usize>>,
}

/// Whether a value that an answer can hold could be looked at too often, if no way is cut short.
///
/// # Errors
/// If already a scalar is.
pub(super) fn is_costly(root: &Value, targets: &Targets<'_>) -> Result<bool, SchemaError> {
    let nodes = nodes(root, targets);
    let order = order(&nodes);
    let mut below = vec![0_u64; nodes.len()];
    let (mut growth, mut n_steady) = (0, 0);
    for depth in 0..=MAX_NESTING {
        let mut here = vec![0_u64; nodes.len()];
        for index in &order {
            let node = &nodes[*index];
            let in_place = node.in_place.iter().fold(1, |sum: u64, next| sum.saturating_add(here[*next]));
            let looks = |all: &Vec<usize>| all.iter().fold(0, |sum: u64, next| sum.saturating_add(below[*next]));
            here[*index] = in_place.saturating_add(node.inner.iter().map(looks).max().unwrap_or(0));
        }
        let most = here.iter().copied().max().unwrap_or(0);
        if most > MAX_VISITS {
            return match depth {
                0 => {
                    let why = format!("more than {MAX_VISITS} ways lead to schemas of one value");
                    Err(SchemaError::at(Pointer::default(), ErrorKind::TooComplex(why)))
                }
                _ => Ok(true),
            };
        }
        let grown = most - below.iter().copied().max().unwrap_or(0);
        n_steady = if grown > growth { 0 } else { n_steady + 1 };
        growth = growth.max(grown);
        if n_steady > STEADY || here == below {
            break;
        }
        below = here;
    }
    Ok(false)
}

/// The schemas that can be reached.
fn nodes<'a>(root: &'a Value, targets: &Targets<'a>) -> Vec<Node> {
    let mut indices: HashMap<*const Value, usize> = HashMap::from([(std::ptr::from_ref(root), 0)]);
    let mut schemas = vec![root];
    let mut nodes = Vec::new();
    while let Some(schema) = schemas.get(nodes.len()).copied() {
        let mut index = |schema: &'a Value| {
            *indices.entry(std::ptr::from_ref(schema)).or_insert_with(|| {
                schemas.push(schema);
                schemas.len() - 1
            })
        };
        let in_place = targets.in_place(schema).into_iter().map(&mut index).collect();
        let inner = match schema {
            Value::Object(map) => inner(map).into_iter().map(|all| all.into_iter().map(&mut index).collect()).collect(),
            _ => Vec::new(),
        };
        nodes.push(Node { in_place, inner });
    }
    nodes
}

/// The schemas of each key and of the items.
fn inner(map: &Map<String, Value>) -> Vec<Vec<&Value>> {
    let one = |keyword: &str| map.get(keyword).filter(|schema| schema.is_object());
    let all = |keyword: &str| map.get(keyword).and_then(Value::as_object).into_iter().flat_map(Map::values);
    let any: Vec<&Value> = all("patternProperties").collect();
    let mut others = any.clone();
    others.extend(["additionalProperties", "unevaluatedProperties"].into_iter().filter_map(one));
    let mut inner: Vec<Vec<&Value>> = all("properties").map(|schema| [&[schema], any.as_slice()].concat()).collect();
    inner.push(others);
    let items: Vec<&Value> =
        ["items", "additionalItems", "contains", "unevaluatedItems"].into_iter().filter_map(one).collect();
    for list in ["prefixItems", "items"].into_iter().filter_map(|keyword| map.get(keyword)?.as_array()) {
        inner.extend(list.iter().map(|item| [&[item], items.as_slice()].concat()));
    }
    inner.push(items);
    inner
}

/// Every node after those that speak of the same value further on; circles are cut.
fn order(nodes: &[Node]) -> Vec<usize> {
    let mut order = Vec::with_capacity(nodes.len());
    let mut is_known = vec![false; nodes.len()];
    for start in 0..nodes.len() {
        let mut open = vec![(start, 0)];
        if std::mem::replace(&mut is_known[start], true) {
            continue;
        }
        while let Some((index, n_done)) = open.last_mut() {
            let next = nodes[*index].in_place.get(*n_done).copied();
            *n_done += 1;
            match next {
                Some(next) if !std::mem::replace(&mut is_known[next], true) => open.push((next, 0)),
                Some(_) => {}
                None => {
                    order.push(*index);
                    open.pop();
                }
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ways_that_multiply_are_seen() {
        let both = |next: Value| json!({"allOf": [next, next]});
        let chain = |n: usize| {
            let link = |i: usize| (format!("d{i}"), both(json!({"$ref": format!("#/$defs/d{}", i + 1)})));
            let mut definitions: Map<String, Value> = (0..n).map(link).collect();
            definitions.insert(format!("d{n}"), json!({"type": "integer"}));
            json!({"$defs": definitions, "$ref": "#/$defs/d0"})
        };
        let twice = json!({"allOf": [{"properties": {"x": {"$ref": "#"}}}, {"properties": {"x": {"$ref": "#"}}}]});
        let once =
            json!({"properties": {"x": {"$ref": "#"}, "y": {"items": {"$ref": "#"}}}, "allOf": [{"minItems": 1}]});
        for (schema, expected) in
            [(chain(10), Some(false)), (chain(40), None), (twice, Some(true)), (once, Some(false))]
        {
            assert_eq!(is_costly(&schema, &Targets::new(&schema)).ok(), expected, "{schema}");
        }
    }
}
