//! What the values of shapes are, by how they are written: text, a number or word, an array or object.

use std::collections::HashSet;

use llguidance::derivre::RegexAst;

use crate::grammar::lower::any_number;
use crate::grammar::shape::{Shape, ShapeId, Shapes};
use crate::guard::{Content, Kind};
use crate::schema::pattern::Lang;

/// What the values of shapes are, by how they are written.
#[derive(Default)]
pub(super) struct Forms {
    pub(super) texts: Vec<Lang>,
    /// Texts that the schema lists.
    pub(super) listed: Vec<String>,
    /// Numbers and words.
    pub(super) scalars: Vec<(Kind, RegexAst)>,
    pub(super) containers: Vec<(Kind, ShapeId)>,
    /// Whether every array and object is one.
    pub(super) any_container: bool,
}

impl Forms {
    pub(super) fn of(shapes: &Shapes, ids: &[ShapeId], is_productive: &[bool]) -> Self {
        let mut forms = Self::default();
        let (mut seen, mut open) = (HashSet::new(), ids.to_vec());
        while let Some(id) = open.pop() {
            if !is_productive[id.0 as usize] || !seen.insert(id) {
                continue;
            }
            match shapes.get(id) {
                Shape::Nothing => {}
                Shape::Anything => {
                    forms.texts.push(Lang::all());
                    forms.scalars.extend(["true", "false", "null"].map(literal));
                    forms.scalars.push((Kind::Number, RegexAst::Regex(any_number())));
                    forms.any_container = true;
                }
                Shape::Literals(texts) => {
                    for text in texts {
                        match serde_json::from_str::<String>(text) {
                            Ok(text) => forms.listed.push(text),
                            Err(_) => forms.scalars.push(literal(text)),
                        }
                    }
                }
                Shape::String(text) => forms.texts.push(text.lang.clone()),
                Shape::Number(patterns) => {
                    let parts = patterns.iter().map(|pattern| RegexAst::Regex(pattern.clone())).collect();
                    forms.scalars.push((Kind::Number, RegexAst::And(parts)));
                }
                Shape::Array(_) => forms.containers.push((Kind::Array, id)),
                Shape::Object(_) => forms.containers.push((Kind::Object, id)),
                Shape::AnyOf(branches) => open.extend(branches.iter().rev()),
            }
        }
        forms
    }

    pub(super) fn content(&self) -> Content {
        let has_json = !self.scalars.is_empty() || !self.containers.is_empty() || self.any_container;
        match (self.texts.is_empty() && self.listed.is_empty(), has_json) {
            (false, false) => Content::Text,
            (true, _) => Content::Json,
            (false, true) => Content::Either,
        }
    }
}

/// A value in JSON that the schema lists.
fn literal(text: &str) -> (Kind, RegexAst) {
    (text.bytes().next().map_or(Kind::Null, Kind::of), RegexAst::Literal(text.to_owned()))
}
