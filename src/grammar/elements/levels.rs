//! What stands in the elements of one tool: for each object and array that is written as elements, what its values are.

use std::collections::HashMap;

use super::alternatives;
use super::forms::Forms;
use crate::grammar::emit::productive;
use crate::grammar::shape::{Object, Shape, ShapeId, Shapes};
use crate::guard::{Content, Elements, Kind, Level, LevelId};
use crate::schema::{ErrorKind, Pointer, SchemaError};

/// A schema with more levels than this is refused.
const MAX_LEVELS: usize = 2000;

/// The levels of arguments, and the objects that these may be.
///
/// # Errors
/// If there are too many levels.
pub(super) fn of(
    shapes: &Shapes,
    is_productive: &[bool],
    elements: &Elements,
) -> Result<(Vec<Level>, Vec<ShapeId>), SchemaError> {
    let is_object = |id: &ShapeId| is_productive[id.0 as usize] && matches!(shapes.get(*id), Shape::Object(_));
    let objects: Vec<ShapeId> = alternatives(shapes).into_iter().filter(is_object).collect();
    Ok((Builder::of(shapes, is_productive, elements, objects.clone())?.levels, objects))
}

/// The arrays and objects that are written as elements.
///
/// # Errors
/// If there are too many levels.
pub(super) fn members(shapes: &Shapes, elements: &Elements) -> Result<Vec<ShapeId>, SchemaError> {
    let mut members = alternatives(shapes);
    if elements.item.is_some() {
        let is_productive = productive(shapes);
        let builder = Builder::of(shapes, &is_productive, elements, members.clone())?;
        members.extend(builder.ids.into_keys().flatten());
        members.sort_unstable();
        members.dedup();
    }
    Ok(members)
}

/// The first character of `name` that no key may hold.
pub(super) fn unwritable(name: &str, elements: &Elements) -> Option<char> {
    elements.outside_keys().find(|end| name.contains(*end))
}

struct Builder<'a> {
    shapes: &'a Shapes,
    is_productive: &'a [bool],
    elements: &'a Elements,
    /// By the shapes that may stand there.
    ids: HashMap<Vec<ShapeId>, LevelId>,
    levels: Vec<Level>,
    /// Those that are still to be looked at.
    open: Vec<(LevelId, Vec<ShapeId>)>,
}

impl<'a> Builder<'a> {
    fn of(
        shapes: &'a Shapes,
        is_productive: &'a [bool],
        elements: &'a Elements,
        root: Vec<ShapeId>,
    ) -> Result<Self, SchemaError> {
        let (ids, levels, open) = (HashMap::new(), Vec::new(), Vec::new());
        let mut builder = Self { shapes, is_productive, elements, ids, levels, open };
        builder.level(root);
        while let Some((id, members)) = builder.open.pop() {
            if builder.levels.len() > MAX_LEVELS {
                let why = "too many different objects and arrays to be written as elements".to_owned();
                return Err(SchemaError::at(Pointer::default(), ErrorKind::TooComplex(why)));
            }
            builder.levels[id.0 as usize] = builder.look(&members);
        }
        Ok(builder)
    }

    fn level(&mut self, mut members: Vec<ShapeId>) -> LevelId {
        members.sort_unstable();
        members.dedup();
        if let Some(id) = self.ids.get(&members) {
            return *id;
        }
        let id = LevelId(u32::try_from(self.levels.len()).unwrap_or(u32::MAX));
        self.levels.push(Level { keys: HashMap::new(), prefix: Vec::new(), others: Content::Either });
        self.ids.insert(members.clone(), id);
        self.open.push((id, members));
        id
    }

    fn look(&mut self, members: &[ShapeId]) -> Level {
        let mut level = Level { keys: HashMap::new(), prefix: Vec::new(), others: Content::Either };
        let shapes = self.shapes;
        let mut all = Vec::new();
        for member in members {
            match shapes.get(*member) {
                Shape::Object(object) => all.extend(values(object).map(|(_, id)| id)),
                Shape::Array(array) => {
                    all.extend(array.prefix.iter().copied().chain([array.items]));
                    all.extend(array.contains.map(|(id, _)| id));
                }
                _ => {}
            }
        }
        let [one] = members else {
            // Why one for all: what one alternative declares, another may leave open, and nobody knows yet which it is.
            level.others = self.content(all).unwrap_or(Content::Either);
            return level;
        };
        match shapes.get(*one) {
            Shape::Object(object) => {
                for (name, id) in values(object) {
                    if let (Some(name), Some(content)) = (name, self.content(vec![id])) {
                        level.keys.insert(name.clone(), content);
                    }
                }
                let others = values(object).filter(|(name, _)| name.is_none()).map(|(_, id)| id).collect();
                level.others = self.content(others).unwrap_or(Content::Either);
            }
            // Why one for all: which item is the one that must be there, nobody knows yet.
            Shape::Array(array) if array.contains.is_some() => {
                level.others = self.content(all).unwrap_or(Content::Either);
            }
            Shape::Array(array) => {
                for item in &array.prefix {
                    level.prefix.push(self.content(vec![*item]).unwrap_or(Content::Either));
                }
                level.others = self.content(vec![array.items]).unwrap_or(Content::Either);
            }
            _ => {}
        }
        level
    }

    /// What values of any of these shapes are; `None` if there are none.
    fn content(&mut self, mut ids: Vec<ShapeId>) -> Option<Content> {
        ids.retain(|id| self.is_productive[id.0 as usize]);
        if ids.is_empty() {
            return None;
        }
        let forms = Forms::of(self.shapes, &ids, self.is_productive);
        let containers: Vec<ShapeId> = forms.containers.iter().map(|(_, id)| *id).collect();
        let kind = forms.containers.first().map(|(kind, _)| *kind);
        // Why not with a name that cannot be written: JSON in the element can hold it.
        let can_be = |(other, id): &(Kind, ShapeId)| Some(*other) == kind && self.is_writable(*id);
        let nests = self.elements.item.is_some() && !forms.any_container;
        let is_one_kind = nests && forms.containers.iter().all(can_be);
        Some(match (forms.content(), kind) {
            (Content::Json, Some(Kind::Array)) if is_one_kind => Content::Array(self.level(containers)),
            (Content::Json, Some(Kind::Object)) if is_one_kind => Content::Object(self.level(containers)),
            (content, _) => content,
        })
    }

    fn is_writable(&self, id: ShapeId) -> bool {
        match self.shapes.get(id) {
            Shape::Object(object) => object.names().all(|name| unwritable(name, self.elements).is_none()),
            _ => true,
        }
    }
}

/// The values of an object's keys, with the keys that have a name.
fn values(object: &Object) -> impl Iterator<Item = (Option<&String>, ShapeId)> {
    let declared = object.declared.iter().map(|property| (Some(&property.name), property.shape));
    declared.chain(object.open.iter().map(|open| (open.name.as_ref(), open.shape)))
}
