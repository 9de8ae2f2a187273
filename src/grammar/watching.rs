//! Shapes to watches: what the guard looks at, and where.
//!
//! The guard follows values, not the grammar. Where several branches of one type could hold a value, and one of them
//! has something to look at, the whole value is judged when it is finished.

use std::collections::HashMap;
use std::sync::Arc;

use jsonschema::canonical::CanonicalSchema;

use super::emit::MAX_COUNTED_ITEMS;
use super::shape::{Array, Object, Shape, ShapeId, Shapes, Text};
use crate::guard::{Check, Length, MAX_NESTING, Watch, WatchId, Watches};
use crate::schema::{Document, SchemaError};

/// Beyond this many places, only the whole value is judged.
const MAX_CHECKS: usize = 256;

/// Finds what has to be watched in values of `shapes`. `is_exact`: whether the shapes came from all of `document`.
///
/// # Errors
/// If a part of the schema cannot be judged.
pub(super) fn watch(shapes: &Shapes, document: &Document, is_exact: bool) -> Result<Watches, SchemaError> {
    let needs = needs(shapes);
    let has_open_keys = shapes.ids().any(|id| match shapes.get(id) {
        Shape::Anything => true,
        Shape::Object(object) => !object.open.is_empty() || (object.any_order && !object.declared.is_empty()),
        _ => false,
    });
    let mut builder = Builder {
        shapes,
        needs,
        ids: HashMap::new(),
        nodes: Vec::new(),
        n_checks: 0,
        is_costly: document.is_costly(),
        whole: None,
    };
    let mut root = builder.of(shapes.root);
    let is_too_much = builder.n_checks > MAX_CHECKS;
    let mut nodes = builder.nodes;
    if is_too_much || builder.whole.is_some() {
        nodes.clear();
        root = None;
    }
    if !is_exact || is_too_much || builder.whole.is_some() {
        let check = Some(Arc::new(Check::of(document)?));
        match root {
            Some(WatchId(id)) => nodes[id as usize].check = check,
            None => {
                nodes.push(Watch { check, ..Watch::default() });
                root = u32::try_from(nodes.len() - 1).ok().map(WatchId);
            }
        }
    }
    Ok(Watches { nodes, root, has_open_keys, nests: nests(shapes) })
}

/// Whether values can nest deeper than answers may.
fn nests(shapes: &Shapes) -> bool {
    let mut height = vec![0_usize; shapes.len()];
    loop {
        let mut has_changed = false;
        for id in shapes.ids().rev() {
            let at = |id: &ShapeId| height[id.0 as usize];
            let here = match shapes.get(id) {
                Shape::Anything => MAX_NESTING + 1,
                Shape::AnyOf(branches) => branches.iter().map(at).max().unwrap_or(0),
                Shape::Array(array) => {
                    let contains = array.contains.as_ref().map(|(id, _)| id);
                    1 + array.prefix.iter().chain([&array.items]).chain(contains).map(at).max().unwrap_or(0)
                }
                Shape::Object(object) => {
                    let declared = object.declared.iter().map(|property| at(&property.shape));
                    1 + declared.chain(object.open.iter().map(|open| at(&open.shape))).max().unwrap_or(0)
                }
                Shape::Nothing | Shape::Literals(_) | Shape::String(_) | Shape::Number(_) => 0,
            };
            if here > MAX_NESTING {
                return true;
            }
            if here > height[id.0 as usize] {
                height[id.0 as usize] = here;
                has_changed = true;
            }
        }
        if !has_changed {
            return false;
        }
    }
}

/// Which shapes have something to look at, in themselves or below.
fn needs(shapes: &Shapes) -> Vec<bool> {
    let mut known: Vec<bool> = shapes.ids().map(|id| shapes.is_residual(id) || counts_parts(shapes.get(id))).collect();
    loop {
        let mut has_changed = false;
        for id in shapes.ids().rev() {
            let at = |id: &ShapeId| known[id.0 as usize];
            let is_needed = match shapes.get(id) {
                Shape::AnyOf(branches) => branches.iter().any(at),
                Shape::Array(array) => {
                    array.prefix.iter().any(at) || at(&array.items) || array.contains.is_some_and(|(id, _)| at(&id))
                }
                Shape::Object(object) => {
                    object.declared.iter().any(|property| at(&property.shape))
                        || object.open.iter().any(|open| at(&open.shape))
                }
                _ => false,
            };
            if is_needed && !known[id.0 as usize] {
                known[id.0 as usize] = true;
                has_changed = true;
            }
        }
        if !has_changed {
            return known;
        }
    }
}

/// Whether the guard counts or compares the items, or the keys, or counts the characters.
fn counts_parts(shape: &Shape) -> bool {
    match shape {
        Shape::Array(array) => array.is_unique || counts(array).is_some(),
        Shape::Object(object) => {
            object.any_order && (!object.declared.is_empty() || object.min > 0 || object.max.is_some())
        }
        Shape::String(text) => text.length.is_some(),
        _ => false,
    }
}

/// The bounds that the grammar leaves to the guard.
fn counts(array: &Array) -> Option<(u64, Option<u64>)> {
    let n_prefix = array.prefix.len() as u64;
    let is_long = array.min.saturating_sub(n_prefix) > MAX_COUNTED_ITEMS
        || array.max.is_some_and(|max| max.saturating_sub(n_prefix) > MAX_COUNTED_ITEMS);
    let with_contains = array.contains.is_some() && (array.min > 1 || array.max.is_some());
    (is_long || with_contains).then_some((array.min, array.max))
}

fn length(text: &Text) -> Option<Length> {
    text.length.map(|(min, max)| Length { min, max, is_all: text.lang.is_all() })
}

struct Builder<'a> {
    shapes: &'a Shapes,
    needs: Vec<bool>,
    ids: HashMap<ShapeId, WatchId>,
    nodes: Vec<Watch>,
    n_checks: usize,
    is_costly: bool,
    /// Set when a part has no schema of its own: then only the whole value can be judged.
    whole: Option<()>,
}

impl Builder<'_> {
    fn of(&mut self, id: ShapeId) -> Option<WatchId> {
        if !self.needs[id.0 as usize] {
            return None;
        }
        if let Some(known) = self.ids.get(&id) {
            return Some(*known);
        }
        let watch_id = WatchId(u32::try_from(self.nodes.len()).expect("fewer than shapes"));
        self.ids.insert(id, watch_id);
        self.nodes.push(Watch::default());
        let mut watch = Watch::default();
        if self.is_judged(id) {
            watch.check = self.check(self.shapes.origin(id));
        }
        match self.shapes.get(id) {
            Shape::Array(array) => self.array(array, &mut watch),
            Shape::Object(object) => self.object(object, &mut watch),
            Shape::String(text) => watch.length = length(text),
            Shape::AnyOf(branches) => self.any_of(id, branches, &mut watch),
            Shape::Nothing | Shape::Anything | Shape::Literals(_) | Shape::Number(_) => {}
        }
        self.nodes[watch_id.0 as usize] = watch;
        Some(watch_id)
    }

    /// Whether the finished value is held against its schema: what the grammar takes for a demanded item, the guard
    /// cannot know, so an array whose demanded items have something to look at is judged as a whole.
    fn is_judged(&self, id: ShapeId) -> bool {
        let wants = match self.shapes.get(id) {
            Shape::Array(array) => array.contains.is_some_and(|(wanted, _)| self.needs[wanted.0 as usize]),
            _ => false,
        };
        wants || self.shapes.is_residual(id)
    }

    fn array(&mut self, array: &Array, watch: &mut Watch) {
        watch.is_unique = array.is_unique;
        watch.supply = array.supply.clone().filter(|supply| !supply.prefix.is_empty());
        watch.items_count = counts(array);
        watch.prefix = array.prefix.iter().map(|item| self.of(*item)).collect();
        watch.items = self.of(array.items);
    }

    fn object(&mut self, object: &Object, watch: &mut Watch) {
        if object.any_order {
            let required = object.declared.iter().filter(|property| property.is_required);
            watch.required = required.map(|property| property.name.clone()).collect();
            // Why: where no other key is left, the comma would lead nowhere.
            let all = object.open.is_empty().then_some(object.declared.len() as u64);
            watch.keys_count = Some((object.min, object.max.into_iter().chain(all).min()));
        }
        for property in &object.declared {
            let inner = self.of(property.shape);
            watch.properties.insert(property.name.clone(), inner);
        }
        let (named, open): (Vec<_>, Vec<_>) = object.open.iter().partition(|open| open.name.is_some());
        for (name, open) in named.into_iter().filter_map(|open| Some((open.name.clone()?, open))) {
            let inner = self.of(open.shape);
            watch.properties.insert(name, inner);
        }
        let open: Vec<Option<WatchId>> = open.into_iter().map(|open| self.of(open.shape)).collect();
        match open.as_slice() {
            [only] => watch.others = *only,
            many if many.iter().all(Option::is_none) => {}
            // Why: which pattern a key matches is not known here; then the whole answer is judged at its end.
            _ => self.whole = Some(()),
        }
    }

    /// Branches of different types do not get in each other's way; of one type, the schema itself decides.
    fn any_of(&mut self, id: ShapeId, branches: &[ShapeId], watch: &mut Watch) {
        if watch.check.is_some() && branches.len() > 1 {
            return;
        }
        let mut leaves = Vec::new();
        let mut seen = Vec::new();
        flatten(self.shapes, id, &mut leaves, &mut seen);
        let is_whole_judged = leaves.iter().any(|leaf| {
            self.needs[leaf.0 as usize]
                && leaves.iter().any(|other| other != leaf && overlaps(self.shapes.get(*leaf), self.shapes.get(*other)))
        }) || seen.iter().any(|inner| *inner != id && self.is_judged(*inner) && leaves.len() > 1);
        if is_whole_judged {
            if watch.check.is_none() {
                watch.check = self.check(self.shapes.origin(id));
            }
            return;
        }
        for leaf in leaves.iter().chain(seen.iter().filter(|inner| **inner != id)) {
            if !self.needs[leaf.0 as usize] {
                continue;
            }
            if self.is_judged(*leaf) && watch.check.is_none() {
                // Why: a value of another branch must pass too, so the schema of all of them judges.
                watch.check = self.check(self.shapes.origin(id)).or_else(|| self.check(self.shapes.origin(*leaf)));
            }
            match self.shapes.get(*leaf) {
                Shape::Array(array) => self.array(array, watch),
                Shape::Object(object) => self.object(object, watch),
                Shape::String(text) => watch.length = length(text),
                _ => {}
            }
        }
    }

    fn check(&mut self, origin: Option<&CanonicalSchema>) -> Option<Arc<Check>> {
        self.n_checks += 1;
        let check = origin
            .filter(|_| self.n_checks <= MAX_CHECKS)
            .and_then(|origin| Check::canonical(origin, self.is_costly).ok());
        if check.is_none() {
            self.whole = Some(());
        }
        check.map(Arc::new)
    }
}

/// The branches of branches; `seen` are the unions on the way.
fn flatten(shapes: &Shapes, id: ShapeId, leaves: &mut Vec<ShapeId>, seen: &mut Vec<ShapeId>) {
    match shapes.get(id) {
        Shape::AnyOf(_) if seen.contains(&id) => {}
        Shape::AnyOf(branches) => {
            seen.push(id);
            branches.iter().for_each(|branch| flatten(shapes, *branch, leaves, seen));
        }
        _ if !leaves.contains(&id) => leaves.push(id),
        _ => {}
    }
}

/// Whether one value could have both shapes, as far as types tell.
fn overlaps(a: &Shape, b: &Shape) -> bool {
    match (a, b) {
        (Shape::Nothing, _) | (_, Shape::Nothing) => false,
        (Shape::Anything, _) | (_, Shape::Anything) => true,
        (Shape::Array(_), Shape::Array(_)) | (Shape::Object(_), Shape::Object(_)) => true,
        (Shape::Array(_) | Shape::Object(_), _) | (_, Shape::Array(_) | Shape::Object(_)) => false,
        (Shape::String(_), Shape::Number(_)) | (Shape::Number(_), Shape::String(_)) => false,
        _ => true,
    }
}
