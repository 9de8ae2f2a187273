//! What the values of a shape are, by how they are written: text, a number or word, an array or object.

use llguidance::derivre::RegexAst;

use crate::grammar::lower::any_number;
use crate::grammar::shape::{Shape, ShapeId, Shapes};
use crate::guard::Content;
use crate::schema::pattern::Lang;

/// What the values of a shape are, by how they are written.
#[derive(Default)]
pub(super) struct Forms {
    pub(super) texts: Vec<Lang>,
    /// Texts that the schema lists.
    pub(super) listed: Vec<String>,
    /// Numbers and words.
    pub(super) scalars: Vec<RegexAst>,
    pub(super) containers: Vec<ShapeId>,
    /// Whether every array and object is one.
    pub(super) any_container: bool,
}

impl Forms {
    pub(super) fn of(shapes: &Shapes, id: ShapeId, is_productive: &[bool]) -> Self {
        let mut forms = Self::default();
        let (mut seen, mut open) = (Vec::new(), vec![id]);
        while let Some(id) = open.pop() {
            if seen.contains(&id) || !is_productive[id.0 as usize] {
                continue;
            }
            seen.push(id);
            match shapes.get(id) {
                Shape::Nothing => {}
                Shape::Anything => {
                    forms.texts.push(Lang::all());
                    forms.scalars.extend(["true", "false", "null"].map(|word| RegexAst::Literal(word.to_owned())));
                    forms.scalars.push(RegexAst::Regex(any_number()));
                    forms.any_container = true;
                }
                Shape::Literals(texts) => {
                    for text in texts {
                        match serde_json::from_str::<String>(text) {
                            Ok(text) => forms.listed.push(text),
                            Err(_) => forms.scalars.push(RegexAst::Literal(text.clone())),
                        }
                    }
                }
                Shape::String(text) => forms.texts.push(text.lang.clone()),
                Shape::Number(patterns) => {
                    let parts = patterns.iter().map(|pattern| RegexAst::Regex(pattern.clone())).collect();
                    forms.scalars.push(RegexAst::And(parts));
                }
                Shape::Array(_) | Shape::Object(_) => forms.containers.push(id),
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
