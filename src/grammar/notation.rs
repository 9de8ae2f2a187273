//! Arguments in a notation beside JSON: the grammar of one tool's arguments.

use std::sync::Arc;

use super::elements::{Written, alternatives, loosen, outermost};
use super::emit::emit_in;
use super::lark::{NO_FORCING, write};
use super::shape::{Shape, ShapeId, Shapes};
use super::words::{bare_key, may_be_over_unseen};
use crate::guard::{Encoding, Notation};
use crate::schema::pattern::Lang;
use crate::schema::{ErrorKind, Pointer, SchemaError};

/// Prepares shapes to be written so: keys may come in any order, strings have one spelling.
///
/// # Errors
/// If a declared key cannot be written.
pub(super) fn prepare(shapes: &mut Shapes, notation: &Notation) -> Result<(), SchemaError> {
    shapes.spell_plainly();
    loosen(shapes);
    for id in alternatives(shapes) {
        let Shape::Object(object) = shapes.get(id) else { continue };
        let mut names = object.names().filter(|name| !notation.bare_keys && !Notation::takes_bare(name));
        if let Some(name) = names.next() {
            let why = "a parameter's name cannot hold marks or spaces in the format of this model's tool calls";
            let at = Pointer::default().child("properties").child(name);
            return Err(SchemaError::at(at, ErrorKind::Other(why.to_owned())));
        }
    }
    if !notation.quotes_keys(true) {
        bare_keys_alone(shapes);
    }
    Ok(())
}

/// Leaves the outermost objects no keys that would need quotes, so that endings are not looked for with them. Where those
/// objects stand inside of others too, the grammar alone sees to that.
fn bare_keys_alone(shapes: &mut Shapes) {
    let outermost = outermost(shapes);
    let is_inside = |id: ShapeId| {
        let holds = |inner: &ShapeId| outermost.contains(inner);
        match shapes.get(id) {
            Shape::Object(object) => {
                object.declared.iter().any(|property| holds(&property.shape))
                    || object.open.iter().any(|open| holds(&open.shape))
            }
            Shape::Array(array) => {
                array.prefix.iter().any(holds)
                    || holds(&array.items)
                    || array.contains.is_some_and(|(id, _)| holds(&id))
            }
            Shape::AnyOf(branches) => !outermost.contains(&id) && branches.iter().any(holds),
            _ => false,
        }
    };
    if shapes.ids().any(is_inside) {
        return;
    }
    for id in outermost {
        if let Shape::Object(object) = shapes.get_mut(id) {
            for open in object.open.iter_mut().filter(|open| open.name.is_none()) {
                open.keys = Lang::and(vec![open.keys.clone(), bare_key()]);
            }
        }
    }
}

/// The grammar of arguments of these shapes; `None` if there are none at all.
pub(super) fn emit(shapes: &Shapes, notation: &Arc<Notation>) -> Option<Written> {
    let rules = emit_in(notation, shapes, &alternatives(shapes))?;
    let options = if rules.terminals().iter().any(may_be_over_unseen) { NO_FORCING } else { "" };
    let lark = format!("{options}{}", write(&rules, notation.spaces));
    Some(Written { encoding: Arc::new(Encoding::Notation(Arc::clone(notation))), lark, values: Vec::new() })
}
