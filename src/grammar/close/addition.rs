//! What one token more can add to an ending at most.
//!
//! What is required is part of the ending from the start. A token adds to it where it begins something that was not
//! required, or settles for the longer of several alternatives.

use std::collections::HashSet;

use super::complete::Completion;
use super::part::Part;
use crate::grammar::shape::{Shape, ShapeId, Shapes};

/// The longest of the texts that a token can add. Nothing, if the search is too long.
pub(super) fn longest(shapes: &Shapes, completion: &mut Completion<'_>) -> Option<Vec<u8>> {
    let optional = optional(shapes);
    let mut longest = Vec::new();
    for id in shapes.ids() {
        let text = match shapes.get(id) {
            Shape::Literals(texts) => texts.iter().max_by_key(|text| text.len()).map(|text| text.clone().into_bytes()),
            Shape::Array(_) | Shape::Object(_) if !optional.contains(&id) => None,
            Shape::Nothing
            | Shape::Anything
            | Shape::String(_)
            | Shape::Number(_)
            | Shape::Array(_)
            | Shape::Object(_)
            | Shape::AnyOf(_) => completion.close(id, &Part::Missing),
        };
        if completion.is_spent() {
            return None;
        }
        if let Some(text) = text.filter(|text| text.len() > longest.len()) {
            longest = text;
        }
    }
    Some(longest)
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
