//! Canonical schemas to shapes: one exhaustive match over the views of `jsonschema::canonical`.
//!
//! What no shape can say leaves a residual for the guard; nothing is dropped.

mod afford;
mod array;
mod combine;
mod decimal;
mod few;
mod number;
mod numeric;
mod object;
mod order;
mod string;

use std::collections::HashMap;

use jsonschema::canonical::{CanonicalSchema, CanonicalView};
use serde_json::Value;

use self::few::Census;
use self::order::{Order, Sources};
pub use self::order::{in_declared_order, in_file_order};
use super::shape::{Shape, ShapeId, Shapes};
use super::{KeyOrder, Spellings, Style};
use crate::schema::canonical::{Analysis, analyze};
use crate::schema::{Deadline, Document, ErrorKind, Pointer, SchemaError};

/// Shapes of one schema: more than the largest schema of MaskBench needs, little enough to be answered in time.
const MAX_SHAPES: usize = 200_000;
/// Orders of keys in which one definition is written.
const MAX_ORDERS: usize = 4;
/// How deep canonical schemas may nest, what they refer to included.
const MAX_DEPTH: usize = 10_000;

/// How much of each string the mask may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Thrift {
    /// What is usual.
    Ordinary,
    /// A little: the usual was too much.
    Strict,
}

impl Thrift {
    /// States of an automaton that are taken without a closer look.
    fn free_states(self) -> u64 {
        match self {
            Self::Ordinary => 20_000,
            Self::Strict => 300,
        }
    }
}

/// Finds the shape of `document`'s values.
///
/// # Errors
/// If the document is at fault, or too large, or the time is over.
pub(super) fn lower(
    document: &Document,
    style: Style,
    thrift: Thrift,
    deadline: &Deadline,
) -> Result<(Shapes, Analysis), SchemaError> {
    let analysis = analyze(document, deadline)?;
    let order = Order::new(document.value());
    let mut lowering = Lowering {
        shapes: Shapes::new(style.spelling),
        by_reference: HashMap::new(),
        order,
        any_order: style.order == KeyOrder::Any,
        any_spelling: style.spelling == Spellings::Any,
        depth: 0,
        census: Census::new(document.is_costly()),
        thrift,
        deadline,
    };
    let sources = lowering.order.root();
    let root = lowering.lower(&analysis.canonical, &sources)?;
    lowering.shapes.root = root;
    Ok((lowering.shapes, analysis))
}

/// The texts of any number.
pub(super) fn any_number() -> String {
    number::pattern(&number::Numbers::default()).expect("there are numbers")
}

/// The texts of any integer.
pub(super) fn any_integer() -> String {
    let integers = number::Numbers { integers: true, ..number::Numbers::default() };
    number::pattern(&integers).expect("there are integers")
}

struct Lowering<'a> {
    shapes: Shapes,
    /// The shapes of what is referred to, each with the schemas that order its keys.
    by_reference: HashMap<String, Vec<(Vec<*const Value>, ShapeId)>>,
    order: Order<'a>,
    any_order: bool,
    any_spelling: bool,
    depth: usize,
    census: Census,
    thrift: Thrift,
    deadline: &'a Deadline,
}

impl<'a> Lowering<'a> {
    /// Finds the shape of `schema`, which the author wrote in `sources`.
    fn lower(&mut self, schema: &CanonicalSchema, sources: &Sources<'a>) -> Result<ShapeId, SchemaError> {
        if self.shapes.len() > MAX_SHAPES || self.depth > MAX_DEPTH {
            let kind = ErrorKind::TooComplex("its normal form has too many parts".to_owned());
            return Err(SchemaError::at(Pointer::default(), kind));
        }
        self.deadline.check()?;
        self.depth += 1;
        let id = self.lower_view(schema, sources);
        self.depth -= 1;
        id
    }

    fn lower_view(&mut self, schema: &CanonicalSchema, sources: &Sources<'a>) -> Result<ShapeId, SchemaError> {
        let origin = || Some(schema.clone());
        Ok(match schema.view() {
            CanonicalView::True => self.shapes.push(Shape::Anything, origin()),
            CanonicalView::False => self.shapes.push(Shape::Nothing, origin()),
            CanonicalView::MultiType(types) => self.types(types, schema),
            CanonicalView::TypedGroup(group) => self.typed_group(&group, schema, sources)?,
            CanonicalView::String(view) => self.string(&view, schema),
            CanonicalView::Integer(view) => self.integer(&view, schema),
            CanonicalView::Number(view) => self.number(&view, schema),
            CanonicalView::Array(view) => self.array(&view, schema, sources)?,
            CanonicalView::Object(view) => self.object(&view, schema, sources)?,
            CanonicalView::Const(value) => self.values(&[value], schema),
            CanonicalView::Enum(values) => self.values(&values, schema),
            CanonicalView::AnyOf(branches) => self.any_of(&branches, schema, sources)?,
            CanonicalView::OneOf(branches) => {
                let id = self.any_of(&branches, schema, sources)?;
                self.residual(id, schema)
            }
            CanonicalView::AllOf(branches) => self.all_of(&branches, schema, sources)?,
            CanonicalView::Not(_) | CanonicalView::Raw(_) => {
                let id = self.shapes.push(Shape::Anything, origin());
                self.residual(id, schema)
            }
            CanonicalView::Reference(uri) => self.reference(&uri, schema, sources)?,
        })
    }

    /// Marks `id` as residual of `schema`; a shape that came from another schema is wrapped first.
    fn residual(&mut self, id: ShapeId, schema: &CanonicalSchema) -> ShapeId {
        let is_own = self.shapes.origin(id).is_some_and(|origin| origin == schema);
        let id = if is_own { id } else { self.shapes.push(Shape::AnyOf(vec![id]), Some(schema.clone())) };
        self.shapes.mark_residual(id);
        id
    }

    fn reference(
        &mut self,
        uri: &str,
        schema: &CanonicalSchema,
        sources: &Sources<'a>,
    ) -> Result<ShapeId, SchemaError> {
        // Why: what else applies to the value has a say in the order of its keys. Mostly nothing else does.
        let known = self.by_reference.entry(uri.to_owned()).or_default();
        let ordering = Order::ordering(sources);
        let same = known.iter().find(|(other, _)| *other == ordering);
        if let Some((_, id)) = same.or_else(|| known.first().filter(|_| known.len() >= MAX_ORDERS)) {
            return Ok(*id);
        }
        let Some(target) = schema.definition(uri) else {
            let id = self.shapes.push(Shape::Anything, Some(schema.clone()));
            return Ok(self.residual(id, schema));
        };
        let id = self.shapes.reserve(Some(target.clone()));
        self.by_reference.entry(uri.to_owned()).or_default().push((ordering, id));
        let inner = self.lower(&target, sources)?;
        self.shapes.set(id, Shape::AnyOf(vec![inner]));
        Ok(id)
    }
}
