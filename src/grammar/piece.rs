//! One schema as grammar, before it is joined with others: what is kept of each tool when another tool changes.

use std::sync::Arc;

use super::Style;
use super::cfg::Cfg;
use super::close::Closer;
use super::elements::{self, Written};
use super::emit::emit;
use super::least::{Least, least};
use super::lower::{Thrift, lower};
use super::rules::Rules;
use super::shape::Shape;
use super::watching::watch;
use super::{lark, notation};
use crate::guard::{Check, Encoding, Form, MAX_NESTING, Watches};
use crate::schema::{Deadline, Document, ErrorKind, Pointer, SchemaError};

/// The key of a custom tool's input in its arguments.
pub const INPUT: &str = "input";

/// A schema as grammar, and what the guard has to watch in its values.
pub(super) struct Piece {
    pub(super) grammar: Grammar,
    pub(super) watches: Arc<Watches>,
    pub(super) closer: Arc<Closer>,
    /// The fewest bytes that a value can have.
    pub(super) least_bytes: u64,
}

/// What a schema's values look like.
pub(super) enum Grammar {
    /// JSON.
    Json(Rules),
    /// An object in another form.
    Other(Written),
    /// An object whose only string a grammar derives, as Lark.
    Input(String),
}

impl Grammar {
    /// Symbols in the rules of JSON.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Json(rules) => rules.size(),
            Self::Other(_) | Self::Input(_) => 0,
        }
    }

    /// The grammar as text, with those that it names.
    pub(super) fn lark(&self) -> (String, &[(String, String)]) {
        match self {
            Self::Json(rules) => (lark::write(rules, true), &[]),
            Self::Other(written) => (written.lark.clone(), &written.values),
            Self::Input(lark) => (lark.clone(), &[]),
        }
    }

    /// How values are written, where they are not written as JSON.
    pub(super) fn encoding(&self) -> Option<&Arc<Encoding>> {
        match self {
            Self::Json(_) | Self::Input(_) => None,
            Self::Other(written) => Some(&written.encoding),
        }
    }
}

impl Piece {
    /// Analyzes and lowers `document`; with a form, its values are written in it.
    ///
    /// # Errors
    /// If the schema is refused, or takes too long.
    pub(super) fn of(
        document: &Document,
        (style, form): (Style, Option<&Form>),
        thrift: Thrift,
        deadline: &Deadline,
    ) -> Result<Self, SchemaError> {
        let (mut shapes, analysis) = lower(document, style, thrift, deadline)?;
        let refused = |kind| SchemaError::at(Pointer::default(), kind);
        let grammar = match form {
            None => emit(&shapes).map(Grammar::Json),
            Some(Form::Notation(notation)) => {
                notation::prepare(&mut shapes, notation)?;
                notation::emit(&shapes, notation).map(Grammar::Other)
            }
            Some(Form::Elements(elements)) => {
                elements::prepare(&mut shapes, elements)?;
                elements::emit(&shapes, elements, deadline)?.map(Grammar::Other)
            }
        };
        let Some(grammar) = grammar else {
            let is_object = |id| matches!(shapes.get(id), Shape::Object(_));
            let why = match form.is_some() && !elements::alternatives(&shapes).into_iter().any(is_object) {
                true => "only objects can be written in this format, and the schema allows none",
                false => "every value would have to hold another without end",
            };
            return Err(refused(ErrorKind::Unsatisfiable(why.to_owned())));
        };
        let Least { n_bytes: least_bytes, depth } = least(&shapes);
        if depth > MAX_NESTING as u64 {
            let why =
                format!("its values nest {depth} levels deep, and at most {MAX_NESTING} can be read by all clients");
            return Err(refused(ErrorKind::TooComplex(why)));
        }
        deadline.look()?;
        let watches = Arc::new(watch(&shapes, document, analysis.is_exact)?);
        let whole = if watches.root.is_some() { Check::of(document).ok().map(Arc::new) } else { None };
        deadline.look()?;
        let closer = Arc::new(Closer::value(shapes, whole, document.is_costly()));
        Ok(Self { grammar, watches, closer, least_bytes })
    }

    /// The same object, but its input is what `cfg` derives.
    pub(super) fn with_input(&self, cfg: &Arc<Cfg>) -> Self {
        Self {
            grammar: Grammar::Input(cfg.to_lark_in_json(INPUT)),
            watches: Arc::clone(&self.watches),
            closer: Arc::new(Closer::input(INPUT, Arc::clone(cfg))),
            least_bytes: self.least_bytes,
        }
    }
}
