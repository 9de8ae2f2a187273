//! What a schema's values look like as JSON text: the form between the canonical schema and the grammar.
//!
//! A shape allows at least what its schema allows. Where it allows more, the shape is marked *residual*: the guard
//! holds the finished value against the canonical schema that the shape came from.

use std::sync::Arc;

use jsonschema::canonical::CanonicalSchema;

use super::Spellings;
use super::spelling::Spelling;
use crate::guard::Supply;
use crate::schema::pattern::Lang;

/// An index into [`Shapes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ShapeId(pub(super) u32);

/// The shapes of one schema; they may refer to each other in circles.
#[derive(Debug)]
pub(super) struct Shapes {
    nodes: Vec<Node>,
    pub(super) root: ShapeId,
    spelling: Spellings,
    /// Whether no string has more spellings than serializers write.
    is_plain: bool,
}

/// A shape with what the guard needs to know of it.
#[derive(Debug)]
struct Node {
    shape: Shape,
    origin: Option<CanonicalSchema>,
    is_residual: bool,
}

/// The texts of some JSON values.
#[derive(Debug)]
pub(super) enum Shape {
    /// No text.
    Nothing,
    /// Any JSON value.
    Anything,
    /// One of these texts, each a JSON scalar.
    Literals(Vec<String>),
    /// A string.
    String(Text),
    /// A number whose text matches all these patterns.
    Number(Vec<String>),
    /// An array.
    Array(Array),
    /// An object.
    Object(Object),
    /// Whatever one of these allows.
    AnyOf(Vec<ShapeId>),
}

/// The content of a string.
#[derive(Debug)]
pub(super) struct Text {
    /// What the mask holds it to.
    pub(super) lang: Lang,
    /// Fewest and most characters, where the guard counts them.
    pub(super) length: Option<(u64, Option<u64>)>,
}

/// Characters that an automaton counts; longer strings are not walked.
const MAX_COUNTED: u32 = 20_000;

impl Text {
    /// The language with the length, as far as an automaton can count.
    pub(super) fn counted(&self) -> Option<Lang> {
        let Some((min, max)) = self.length else { return Some(self.lang.clone()) };
        let min = u32::try_from(min).ok().filter(|min| *min <= MAX_COUNTED)?;
        let max = max.and_then(|max| u32::try_from(max).ok()).filter(|max| *max <= MAX_COUNTED);
        Some(Lang::and(vec![self.lang.clone(), Lang::repeat(Lang::any_char(), min, max)]))
    }
}

/// An array: `prefix` first, then `items`.
#[derive(Debug)]
pub(super) struct Array {
    pub(super) prefix: Vec<ShapeId>,
    /// Every item after the prefix.
    pub(super) items: ShapeId,
    pub(super) min: u64,
    pub(super) max: Option<u64>,
    /// No two items are equal: the guard sees to that.
    pub(super) is_unique: bool,
    /// At least so many items must have this shape.
    pub(super) contains: Option<(ShapeId, u64)>,
    /// What there is for each place, where items must differ and some place has few values.
    pub(super) supply: Option<Arc<Supply>>,
}

/// An object: the declared keys in their order, then open ones.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) declared: Vec<Property>,
    pub(super) open: Vec<OpenKeys>,
    pub(super) min: u64,
    pub(super) max: Option<u64>,
    /// Whether the declared keys may come in any order, open ones among them; the guard counts them then.
    pub(super) any_order: bool,
}

impl Object {
    /// The keys that have a name in the schema.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let declared = self.declared.iter().map(|property| property.name.as_str());
        declared.chain(self.open.iter().filter_map(|open| open.name.as_deref()))
    }
}

/// A declared key.
#[derive(Debug)]
pub(super) struct Property {
    pub(super) name: String,
    pub(super) shape: ShapeId,
    pub(super) is_required: bool,
}

/// Keys that the schema does not name, with the shape of their values.
#[derive(Debug)]
pub(super) struct OpenKeys {
    /// The key, where there is only one.
    pub(super) name: Option<String>,
    /// What the keys must match; no declared key does.
    pub(super) keys: Lang,
    /// Keys that are declared or forbidden, in whatever spelling.
    pub(super) except: Vec<String>,
    pub(super) shape: ShapeId,
}

impl Shapes {
    /// Makes an arena whose root is not there yet.
    pub(super) fn new(spelling: Spellings) -> Self {
        Self { nodes: Vec::new(), root: ShapeId(0), spelling, is_plain: false }
    }

    /// How strings with content in `lang` are spelled: in full if the schema leaves them open, or all are to be.
    pub(super) fn spelling(&self, lang: &Lang) -> Spelling {
        if self.is_plain {
            return Spelling::Plain;
        }
        match (self.spelling, lang) {
            (Spellings::Any, _) => Spelling::Full,
            (Spellings::Plain, Lang::Repeat(inner, _, _)) if **inner == Lang::any_char() => Spelling::Full,
            (Spellings::Plain, _) => Spelling::Plain,
        }
    }

    /// How keys are spelled.
    pub(super) fn key_spelling(&self) -> Spelling {
        match self.spelling {
            Spellings::Any if !self.is_plain => Spelling::Full,
            Spellings::Any | Spellings::Plain => Spelling::Plain,
        }
    }

    /// Leaves strings no other spelling than the one that serializers write.
    pub(super) fn spell_plainly(&mut self) {
        self.is_plain = true;
    }

    /// Reserves a place, so that a shape can refer to itself.
    pub(super) fn reserve(&mut self, origin: Option<CanonicalSchema>) -> ShapeId {
        let id = u32::try_from(self.nodes.len()).expect("the lowering's budget is far below 2^32");
        // Why: not `Nothing`, which would be taken for the final word.
        self.nodes.push(Node { shape: Shape::AnyOf(Vec::new()), origin, is_residual: false });
        ShapeId(id)
    }

    /// Fills a reserved place.
    pub(super) fn set(&mut self, id: ShapeId, shape: Shape) {
        self.nodes[id.0 as usize].shape = shape;
    }

    pub(super) fn push(&mut self, shape: Shape, origin: Option<CanonicalSchema>) -> ShapeId {
        let id = self.reserve(origin);
        self.set(id, shape);
        id
    }

    pub(super) fn get(&self, id: ShapeId) -> &Shape {
        &self.nodes[id.0 as usize].shape
    }

    pub(super) fn get_mut(&mut self, id: ShapeId) -> &mut Shape {
        &mut self.nodes[id.0 as usize].shape
    }

    /// Marks a shape that allows more than its schema.
    pub(super) fn mark_residual(&mut self, id: ShapeId) {
        self.nodes[id.0 as usize].is_residual = true;
    }

    pub(super) fn is_residual(&self, id: ShapeId) -> bool {
        self.nodes[id.0 as usize].is_residual
    }

    /// The schema that a shape came from.
    pub(super) fn origin(&self, id: ShapeId) -> Option<&CanonicalSchema> {
        self.nodes[id.0 as usize].origin.as_ref()
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn ids(&self) -> impl DoubleEndedIterator<Item = ShapeId> + use<> {
        (0..u32::try_from(self.nodes.len()).expect("checked when it grew")).map(ShapeId)
    }
}
