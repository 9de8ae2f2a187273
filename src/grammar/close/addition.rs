//! What one token more can add to an ending at most.
//!
//! What is required is part of the ending from the start. A token adds to it where it begins something that was not
//! required, or settles for the longer of several alternatives, inside of a string too.

use std::collections::HashSet;

use serde_json::Value;

use super::complete::Completion;
use super::part::Part;
use crate::grammar::emit::keys;
use crate::grammar::shape::{Shape, ShapeId, Shapes};

/// What the dearest of them costs, each as `cost` has it. Nothing, if the search is too long.
pub(super) fn dearest(
    shapes: &Shapes,
    completion: &mut Completion<'_>,
    cost: impl Fn(&[u8]) -> usize,
) -> Option<usize> {
    let optional = optional(shapes);
    let mut most = 0;
    for id in shapes.ids() {
        let mut texts: Vec<Vec<u8>> = Vec::new();
        match shapes.get(id) {
            Shape::Literals(literals) => {
                texts.extend(literals.iter().max_by_key(|text| text.len()).map(|text| text.clone().into_bytes()));
            }
            Shape::Object(object) => {
                for property in object.declared.iter().filter(|property| !property.is_required) {
                    let name = format!("{}:", Value::from(property.name.as_str()));
                    let value = completion.close(property.shape, &Part::Missing);
                    texts.extend(value.map(|value| [name.as_bytes(), &value].concat()));
                }
                for (i, open) in object.open.iter().enumerate() {
                    let (key, place) = (keys(open), (id, i + 1));
                    let turn = completion.dearest_key(place, &key)?;
                    let key = completion.fresh_key(place, &key, b"", &HashSet::new());
                    let value = completion.close(open.shape, &Part::Missing);
                    texts.extend(key.zip(value).map(|(key, value)| [key, value, turn].concat()));
                }
            }
            Shape::String(_) | Shape::Number(_) => texts.push(completion.dearest_turn(id)?),
            Shape::Nothing | Shape::Anything | Shape::Array(_) | Shape::AnyOf(_) => {}
        }
        if optional.contains(&id) || !matches!(shapes.get(id), Shape::Array(_) | Shape::Object(_)) {
            texts.extend(completion.close(id, &Part::Missing));
        }
        if completion.is_spent() {
            return None;
        }
        most = texts.iter().map(|text| cost(text)).fold(most, usize::max);
    }
    Some(most)
}

/// Shapes of which a value may be there or not: optional properties, items beyond the fewest, alternatives.
fn optional(shapes: &Shapes) -> HashSet<ShapeId> {
    let mut found = HashSet::new();
    for id in shapes.ids() {
        match shapes.get(id) {
            Shape::Object(object) => {
                found.extend(object.declared.iter().filter(|p| !p.is_required).map(|p| p.shape));
                found.extend(object.open.iter().map(|open| open.shape));
            }
            Shape::Array(array) => {
                let n_required = usize::try_from(array.min).unwrap_or(usize::MAX);
                found.extend(array.prefix.iter().skip(n_required));
                found.insert(array.items);
                found.extend(array.contains.map(|(shape, _)| shape));
            }
            Shape::AnyOf(alternatives) => found.extend(alternatives),
            Shape::Nothing | Shape::Anything | Shape::Literals(_) | Shape::String(_) | Shape::Number(_) => {}
        }
    }
    found
}
