//! How small a schema's values can be, without looking for one: a lower bound of their bytes and of their nesting.
//!
//! A chain of forty definitions that each hold the next one twice has a smallest value of a terabyte. That is known here
//! from sums alone, before anybody tries to write it down.

use super::shape::{Array, Object, Shape, ShapeId, Shapes};

/// Lower bounds for the values of one shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Least {
    /// Bytes of its shortest text.
    pub(super) n_bytes: u64,
    /// Arrays and objects inside each other.
    pub(super) depth: u64,
}

const NONE: Least = Least { n_bytes: u64::MAX, depth: u64::MAX };

impl Least {
    fn scalar(n_bytes: usize) -> Self {
        Self { n_bytes: n_bytes as u64, depth: 0 }
    }

    fn min(self, other: Self) -> Self {
        Self { n_bytes: self.n_bytes.min(other.n_bytes), depth: self.depth.min(other.depth) }
    }
}

/// The smallest values of `shapes`.
pub(super) fn least(shapes: &Shapes) -> Least {
    let mut known = vec![NONE; shapes.len()];
    loop {
        let mut has_changed = false;
        // Why: parts mostly come after what they are part of.
        for id in shapes.ids().rev() {
            let at = |id: ShapeId| known[id.0 as usize];
            let here = match shapes.get(id) {
                Shape::Nothing => NONE,
                Shape::Anything | Shape::Number(_) => Least::scalar(1),
                Shape::Literals(texts) => texts.iter().map(|text| Least::scalar(text.len())).fold(NONE, Least::min),
                Shape::String(text) => {
                    let counted = text.length.map_or(0, |(min, _)| usize::try_from(min).unwrap_or(usize::MAX));
                    Least::scalar(text.lang.min_chars().max(counted).saturating_add(2))
                }
                Shape::AnyOf(branches) => branches.iter().map(|branch| at(*branch)).fold(NONE, Least::min),
                Shape::Array(array) => array_of(array, at),
                Shape::Object(object) => object_of(object, at),
            };
            let here = here.min(at(id));
            if here != at(id) {
                known[id.0 as usize] = here;
                has_changed = true;
            }
        }
        if !has_changed {
            return known[shapes.root.0 as usize];
        }
    }
}

/// What is in brackets, with its commas.
fn around(parts: impl Iterator<Item = (u64, Least)>) -> Least {
    let (mut n_bytes, mut n_parts, mut depth) = (0_u64, 0_u64, 0);
    for (times, part) in parts.filter(|(times, _)| *times > 0) {
        n_bytes = n_bytes.saturating_add(part.n_bytes.saturating_mul(times));
        n_parts = n_parts.saturating_add(times);
        depth = depth.max(part.depth);
    }
    if n_bytes == u64::MAX {
        return NONE;
    }
    Least {
        n_bytes: n_bytes.saturating_add(2).saturating_add(n_parts.saturating_sub(1)),
        depth: depth.saturating_add(1),
    }
}

fn array_of(array: &Array, at: impl Fn(ShapeId) -> Least) -> Least {
    let n_prefix = array.prefix.len() as u64;
    let wanted = array.contains.map_or((0, NONE), |(id, n)| (n, at(id)));
    let n_more = array.min.saturating_sub(n_prefix).saturating_sub(wanted.0);
    let n_first = usize::try_from(array.min.min(n_prefix)).unwrap_or(usize::MAX);
    let prefix = array.prefix.iter().take(n_first).map(|item| (1, at(*item)));
    around(prefix.chain([wanted, (n_more, at(array.items))]))
}

fn object_of(object: &Object, at: impl Fn(ShapeId) -> Least) -> Least {
    let pair = |key: usize, value: Least| Least { n_bytes: value.n_bytes.saturating_add(key as u64 + 3), ..value };
    let required = object.declared.iter().filter(|property| property.is_required);
    let n_more = object.min.saturating_sub(required.clone().count() as u64);
    let declared = object.declared.iter().filter(|property| !property.is_required);
    let other = declared.map(|property| at(property.shape)).chain(object.open.iter().map(|open| at(open.shape)));
    let other = pair(0, other.fold(NONE, Least::min));
    around(required.map(|property| (1, pair(property.name.len(), at(property.shape)))).chain([(n_more, other)]))
}
