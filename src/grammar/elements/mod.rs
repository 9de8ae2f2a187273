//! Arguments as elements: the grammar of one tool's arguments, and what the values of its keys are.
//!
//! No whitespace is skipped here, since text stands as it is; JSON in elements has grammars of its own (`forms` tells what
//! is which). A key, its value and what stands around them are one terminal as far as no control token cuts them
//! (`write`): a text that may hold anything but what closes it must not be told from its surroundings by the lexer's
//! greed.

mod forms;
mod write;

use std::collections::HashMap;
use std::sync::Arc;

use self::forms::Forms;
use self::write::{Emitter, Key};
use super::emit::{keys, productive};
use super::lark::NO_FORCING;
use super::shape::{Object, OpenKeys, Shape, ShapeId, Shapes};
use crate::guard::{Content, Elements, Encoding, Keys};
use crate::schema::pattern::Lang;
use crate::schema::{ErrorKind, Pointer, SchemaError};

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
    let end = char::from(elements.key_end());
    let any = || Lang::repeat(Lang::any_char(), 0, None);
    let holds_end = Lang::concat(vec![any(), Lang::literal(&end.to_string()), any()]);
    loosen(shapes);
    for id in alternatives(shapes) {
        let Shape::Object(object) = shapes.get_mut(id) else { continue };
        if let Some(name) = object.names().find(|name| !elements.takes_key(name)) {
            let why = format!("a parameter's name cannot hold '{end}' in the format of this model's tool calls");
            return Err(SchemaError::at(Pointer::default().child("properties").child(name), ErrorKind::Other(why)));
        }
        if end.is_ascii() {
            let restrict = |keys: Lang| Lang::and(vec![keys, Lang::complement(holds_end.clone())]);
            object
                .open
                .iter_mut()
                .filter(|open| open.name.is_none())
                .for_each(|open| open.keys = restrict(open.keys.clone()));
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
    let (mut found, mut seen, mut open) = (Vec::new(), Vec::new(), vec![shapes.root]);
    while let Some(id) = open.pop() {
        if seen.contains(&id) {
            continue;
        }
        seen.push(id);
        match shapes.get(id) {
            Shape::AnyOf(branches) => open.extend(branches.iter().rev()),
            _ => found.push(id),
        }
    }
    found
}

/// The grammar of arguments of these shapes; `None` if there are none at all.
pub(in crate::grammar) fn emit(shapes: &Shapes, elements: &Arc<Elements>) -> Option<Written> {
    let is_productive = productive(shapes);
    let has_text = |id: ShapeId| is_productive[id.0 as usize];
    let objects: Vec<&Object> = alternatives(shapes)
        .into_iter()
        .filter(|id| has_text(*id))
        .filter_map(|id| if let Shape::Object(object) = shapes.get(id) { Some(object) } else { None })
        .collect();
    let forms = |id: ShapeId| Forms::of(shapes, id, &is_productive);
    let keys_of_tool = Arc::new(keys_of(elements, &objects, |id| has_text(id).then(|| forms(id).content())));
    let mut emitter = Emitter::new(shapes, Arc::clone(&keys_of_tool));
    let mut alternatives = Vec::new();
    for object in &objects {
        let mut pairs = Vec::new();
        for property in object.declared.iter().filter(|property| has_text(property.shape)) {
            let key = Key { text: Some(&property.name), lang: Lang::literal(&property.name) };
            pairs.extend(emitter.element(&key, &forms(property.shape)));
        }
        for open in object.open.iter().filter(|open| has_text(open.shape)) {
            let key = Key { text: open.name.as_ref(), lang: keys(open) };
            pairs.extend(emitter.element(&key, &forms(open.shape)));
        }
        alternatives.push(if pairs.is_empty() { "\"\"".to_owned() } else { format!("({})*", pairs.join("\n  | ")) });
    }
    let options = if emitter.no_forcing { NO_FORCING } else { "" };
    let lark = format!("{options}start: {}\n{}", alternatives.join("\n  | "), emitter.out.text);
    (!alternatives.is_empty()).then(|| Written {
        encoding: Arc::new(Encoding::Elements(keys_of_tool)),
        lark,
        values: emitter.values.into_iter().collect(),
    })
}

/// What the values of each key are.
fn keys_of(elements: &Arc<Elements>, objects: &[&Object], content: impl Fn(ShapeId) -> Option<Content>) -> Keys {
    let join = |a: Option<Content>, b: Content| if a.is_none_or(|a| a == b) { b } else { Content::Either };
    let mut keys: HashMap<String, Content> = HashMap::new();
    let mut others = None;
    for object in objects {
        let declared = object.declared.iter().map(|property| (Some(&property.name), property.shape));
        for (name, shape) in declared.chain(object.open.iter().map(|open| (open.name.as_ref(), open.shape))) {
            let Some(content) = content(shape) else { continue };
            match name {
                Some(name) => {
                    let content = join(keys.get(name).copied(), content);
                    keys.insert(name.clone(), content);
                }
                None => others = Some(join(others, content)),
            }
        }
    }
    if objects.len() > 1 {
        // Why: what one alternative declares, another may leave open, and nobody knows yet which of them it is.
        let all = keys.values().copied().chain(others).fold(None, |all, one| Some(join(all, one)));
        keys.values_mut().for_each(|content| *content = all.unwrap_or(Content::Either));
        others = all;
    }
    Keys { elements: Arc::clone(elements), keys, others: others.unwrap_or(Content::Either) }
}
