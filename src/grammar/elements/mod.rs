//! Arguments as elements: the grammar of one tool's arguments, and what the values of its keys are.
//!
//! No whitespace is skipped here, since text stands as it is; JSON in elements has grammars of its own (`forms` tells what
//! is which), unless the format writes arrays and objects as elements in elements (`levels`, `inner`). A key, its value and what stands around them are one terminal as far as no control token cuts them
//! (`write`): a text that may hold anything but what closes it must not be told from its surroundings by the lexer's
//! greed.

mod forms;
mod inner;
mod levels;
mod write;

use std::sync::Arc;

use self::write::Emitter;
use super::emit::productive;
use super::lark::NO_FORCING;
use super::shape::{Object, OpenKeys, Shape, ShapeId, Shapes};
use crate::guard::{Elements, Encoding, Keys};
use crate::schema::pattern::Lang;
use crate::schema::{Deadline, ErrorKind, Pointer, SchemaError};

/// A grammar of arguments, with those that it names.
#[derive(Debug)]
pub(in crate::grammar) struct Written {
    pub(in crate::grammar) encoding: Arc<Encoding>,
    pub(in crate::grammar) lark: String,
    /// Grammars of JSON values, named by what they are.
    pub(in crate::grammar) values: Vec<(String, String)>,
}

/// Prepares shapes to be written as elements: keys may come in any order, as the models write them, and hold nothing
/// that ends a key.
///
/// # Errors
/// If a declared key cannot be written.
pub(in crate::grammar) fn prepare(shapes: &mut Shapes, elements: &Elements) -> Result<(), SchemaError> {
    loosen(shapes);
    for id in alternatives(shapes) {
        let Shape::Object(object) = shapes.get(id) else { continue };
        if let Some((name, end)) = object.names().find_map(|name| Some((name, levels::unwritable(name, elements)?))) {
            let why = format!("a parameter's name cannot hold '{end}' where arguments are written as elements");
            return Err(SchemaError::at(Pointer::default().child("properties").child(name), ErrorKind::Other(why)));
        }
    }
    let any = || Lang::repeat(Lang::any_char(), 0, None);
    let holds = |end: char| Lang::concat(vec![any(), Lang::literal(&end.to_string()), any()]);
    let without: Vec<Lang> = elements.outside_keys().map(|end| Lang::complement(holds(end))).collect();
    for id in levels::members(shapes, elements)? {
        let Shape::Object(object) = shapes.get_mut(id) else { continue };
        object.any_order = true;
        for open in object.open.iter_mut().filter(|open| open.name.is_none()) {
            open.keys = Lang::and(std::iter::once(open.keys.clone()).chain(without.iter().cloned()).collect());
        }
    }
    Ok(())
}

/// Lets keys of the whole value come in any order, as models write them.
pub(in crate::grammar) fn loosen(shapes: &mut Shapes) {
    if let Some(anything) = alternatives(shapes).into_iter().find(|id| matches!(shapes.get(*id), Shape::Anything)) {
        // Why: where the guard decides what the object is, the shape says nothing of it.
        let open = vec![OpenKeys { name: None, keys: Lang::all(), except: Vec::new(), shape: anything }];
        let object = Object { declared: Vec::new(), open, min: 0, max: None, any_order: true };
        let (object, root) = (shapes.push(Shape::Object(object), None), shapes.root);
        shapes.root = shapes.push(Shape::AnyOf(vec![root, object]), shapes.origin(root).cloned());
    }
    for id in alternatives(shapes) {
        if let Shape::Object(object) = shapes.get_mut(id) {
            object.any_order = true;
        }
    }
}

/// What the whole value may be.
pub(in crate::grammar) fn alternatives(shapes: &Shapes) -> Vec<ShapeId> {
    outermost(shapes).into_iter().filter(|id| !matches!(shapes.get(*id), Shape::AnyOf(_))).collect()
}

/// The shapes of the whole value, unions among them.
pub(in crate::grammar) fn outermost(shapes: &Shapes) -> Vec<ShapeId> {
    let (mut seen, mut open) = (Vec::new(), vec![shapes.root]);
    while let Some(id) = open.pop() {
        if seen.contains(&id) {
            continue;
        }
        seen.push(id);
        if let Shape::AnyOf(branches) = shapes.get(id) {
            open.extend(branches.iter().rev());
        }
    }
    seen
}

/// The grammar of arguments of these shapes; `None` if there are none at all.
///
/// # Errors
/// If there is too much that differs in them, or it takes too long.
pub(in crate::grammar) fn emit(
    shapes: &Shapes,
    elements: &Arc<Elements>,
    deadline: &Deadline,
) -> Result<Option<Written>, SchemaError> {
    let is_productive = productive(shapes);
    let (levels, objects) = levels::of(shapes, &is_productive, elements)?;
    let keys = Arc::new(Keys { elements: Arc::clone(elements), levels });
    let mut emitter = Emitter::new(shapes, &is_productive, Arc::clone(&keys), deadline);
    let mut alternatives = Vec::with_capacity(objects.len());
    for id in objects {
        alternatives.push(emitter.container(id, Keys::ROOT)?);
    }
    emitter.write_inner()?;
    let options = if emitter.no_forcing { NO_FORCING } else { "" };
    let lark = format!("{options}start: {}\n{}", alternatives.join("\n  | "), emitter.out.text);
    Ok((!alternatives.is_empty()).then(|| Written {
        encoding: Arc::new(Encoding::Elements(keys)),
        lark,
        values: emitter.values.into_iter().collect(),
    }))
}
