//! Types, values, and what joins schemas: any of them, all of them.

use jsonschema::canonical::{CanonicalSchema, CanonicalView, TypedGroupView};
use jsonschema::types::{JsonType, JsonTypeSet};
use serde_json::Value;

use super::any_number;
use super::number::Numbers;
use super::order::Sources;
use super::{Lowering, number};
use crate::grammar::shape::{Array, Object, Property, Shape, ShapeId, Text};
use crate::schema::SchemaError;
use crate::schema::pattern::Lang;

impl<'a> Lowering<'a> {
    pub(super) fn types(&mut self, types: JsonTypeSet, schema: &CanonicalSchema) -> ShapeId {
        let mut branches = Vec::new();
        let mut literals = Vec::new();
        for ty in types.iter() {
            match ty {
                JsonType::Null => literals.push("null".to_owned()),
                JsonType::Boolean => literals.extend(["true".to_owned(), "false".to_owned()]),
                // Why: every integer is a number.
                JsonType::Integer if types.contains(JsonType::Number) => {}
                JsonType::Integer | JsonType::Number | JsonType::String | JsonType::Array | JsonType::Object => {
                    let id = self.any_of_type(ty);
                    branches.push(id);
                }
            }
        }
        if !literals.is_empty() {
            branches.push(self.shapes.push(Shape::Literals(literals), None));
        }
        let id = match branches.as_slice() {
            [only] => *only,
            _ => self.shapes.push(Shape::AnyOf(branches), Some(schema.clone())),
        };
        let wants_integers = types.contains(JsonType::Integer) && !types.contains(JsonType::Number);
        if self.any_spelling && wants_integers { self.residual(id, schema) } else { id }
    }

    fn any_of_type(&mut self, ty: JsonType) -> ShapeId {
        let shape = match ty {
            JsonType::Null => Shape::Literals(vec!["null".to_owned()]),
            JsonType::Boolean => Shape::Literals(vec!["true".to_owned(), "false".to_owned()]),
            JsonType::Integer if self.any_spelling => Shape::Number(vec![any_number()]),
            JsonType::Integer => {
                Shape::Number(number::pattern(&Numbers { integers: true, ..Numbers::default() }).into_iter().collect())
            }
            JsonType::Number => Shape::Number(number::pattern(&Numbers::default()).into_iter().collect()),
            JsonType::String => Shape::String(Text { lang: Lang::all(), length: None }),
            JsonType::Array => {
                let items = self.shapes.push(Shape::Anything, None);
                Shape::Array(Array {
                    prefix: Vec::new(),
                    items,
                    min: 0,
                    max: None,
                    is_unique: false,
                    contains: None,
                    supply: None,
                })
            }
            JsonType::Object => {
                let shape = self.shapes.push(Shape::Anything, None);
                let open = super::super::shape::OpenKeys { name: None, keys: Lang::all(), except: Vec::new(), shape };
                Shape::Object(Object { declared: Vec::new(), open: vec![open], min: 0, max: None, any_order: false })
            }
        };
        self.shapes.push(shape, None)
    }

    pub(super) fn typed_group(
        &mut self,
        group: &TypedGroupView,
        schema: &CanonicalSchema,
        sources: &Sources<'a>,
    ) -> Result<ShapeId, SchemaError> {
        let is_of_type = match group.body.view() {
            CanonicalView::String(_) => group.ty == JsonType::String,
            CanonicalView::Integer(_) => group.ty == JsonType::Integer,
            CanonicalView::Number(_) => group.ty == JsonType::Number,
            CanonicalView::Array(_) => group.ty == JsonType::Array,
            CanonicalView::Object(_) => group.ty == JsonType::Object,
            _ => false,
        };
        if is_of_type {
            return self.lower(&group.body, sources);
        }
        let id = self.any_of_type(group.ty);
        Ok(self.residual(id, schema))
    }

    /// Any of `values`: scalars as one set of literals, the others part by part.
    pub(super) fn values(&mut self, values: &[Value], schema: &CanonicalSchema) -> ShapeId {
        let (composite, scalars): (Vec<&Value>, Vec<&Value>) =
            values.iter().partition(|value| value.is_array() || value.is_object());
        let has_numbers = scalars.iter().any(|value| value.is_number()) || !composite.is_empty();
        let mut branches: Vec<ShapeId> = composite.into_iter().map(|value| self.value(value)).collect();
        if self.any_spelling {
            branches.extend(scalars.iter().map(|value| self.value(value)));
            let id = self.shapes.push(Shape::AnyOf(branches), Some(schema.clone()));
            // Why: which texts are one number, no automaton can say.
            return if has_numbers { self.residual(id, schema) } else { id };
        }
        if !scalars.is_empty() {
            let texts = scalars.into_iter().map(scalar_text).collect();
            branches.push(self.shapes.push(Shape::Literals(texts), Some(schema.clone())));
        }
        match branches.as_slice() {
            [only] => *only,
            _ => self.shapes.push(Shape::AnyOf(branches), Some(schema.clone())),
        }
    }

    /// Exactly `value`, with ordinary spacing.
    fn value(&mut self, value: &Value) -> ShapeId {
        let shape = match value {
            Value::Array(items) => {
                let prefix: Vec<ShapeId> = items.iter().map(|item| self.value(item)).collect();
                let n = prefix.len() as u64;
                let items = self.shapes.push(Shape::Nothing, None);
                Shape::Array(Array {
                    prefix,
                    items,
                    min: n,
                    max: Some(n),
                    is_unique: false,
                    contains: None,
                    supply: None,
                })
            }
            Value::Object(map) => {
                let declared = map
                    .iter()
                    .map(|(name, value)| Property { name: name.clone(), shape: self.value(value), is_required: true })
                    .collect();
                Shape::Object(Object { declared, open: Vec::new(), min: 0, max: None, any_order: self.any_order })
            }
            Value::String(text) if self.any_spelling => Shape::String(Text { lang: Lang::literal(text), length: None }),
            Value::Number(_) if self.any_spelling => {
                let plain = self.shapes.push(Shape::Literals(vec![scalar_text(value)]), None);
                let open = self.shapes.push(Shape::Number(vec![any_number()]), None);
                Shape::AnyOf(vec![plain, open])
            }
            scalar => Shape::Literals(vec![scalar_text(scalar)]),
        };
        self.shapes.push(shape, None)
    }

    pub(super) fn any_of(
        &mut self,
        branches: &[CanonicalSchema],
        schema: &CanonicalSchema,
        sources: &Sources<'a>,
    ) -> Result<ShapeId, SchemaError> {
        let ids: Vec<ShapeId> = branches.iter().map(|branch| self.lower(branch, sources)).collect::<Result<_, _>>()?;
        Ok(self.shapes.push(Shape::AnyOf(ids), Some(schema.clone())))
    }

    /// One branch allows at least what all of them allow; the guard looks at the others.
    pub(super) fn all_of(
        &mut self,
        branches: &[CanonicalSchema],
        schema: &CanonicalSchema,
        sources: &Sources<'a>,
    ) -> Result<ShapeId, SchemaError> {
        // Why: the branch that says most leaves the fewest dead ends.
        let best = branches.iter().min_by_key(|branch| match branch.view() {
            CanonicalView::Const(_) | CanonicalView::Enum(_) => 0,
            CanonicalView::Object(_) | CanonicalView::Array(_) => 1,
            CanonicalView::String(_) | CanonicalView::Integer(_) | CanonicalView::Number(_) => 2,
            CanonicalView::Reference(_) => 3,
            CanonicalView::OneOf(_) | CanonicalView::AnyOf(_) | CanonicalView::AllOf(_) => 4,
            CanonicalView::TypedGroup(_) => 5,
            CanonicalView::MultiType(_) => 6,
            CanonicalView::Not(_) | CanonicalView::Raw(_) | CanonicalView::True | CanonicalView::False => 7,
        });
        let id = match best {
            Some(best) => self.lower(best, sources)?,
            None => self.shapes.push(Shape::Anything, None),
        };
        Ok(self.residual(id, schema))
    }
}

/// A scalar in its plainest spelling: whole numbers without a fraction.
pub(super) fn scalar_text(value: &Value) -> String {
    if let Value::Number(number) = value
        && !number.is_i64()
        && !number.is_u64()
        && let Some(float) = number.as_f64()
        && float.fract() == 0.0
        && float.abs() < 1e21
    {
        return if float == 0.0 { "0".to_owned() } else { format!("{float:.0}") };
    }
    value.to_string()
}
