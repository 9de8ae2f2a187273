//! One schema as grammar, before it is joined with others: what is kept of each tool when another tool changes.

use std::sync::Arc;

use super::Style;
use super::close::Closer;
use super::elements::{self, Written};
use super::emit::emit;
use super::least::{Least, least};
use super::lower::{Thrift, lower};
use super::rules::Rules;
use super::watching::watch;
use super::{lark, notation};
use crate::guard::{Check, Encoding, Form, MAX_NESTING, Watches};
use crate::schema::{Deadline, Document, ErrorKind, Pointer, SchemaError};

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
}

impl Grammar {
    /// Symbols in the rules of JSON.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Json(rules) => rules.size(),
            Self::Other(_) => 0,
        }
    }

    /// The grammar as text, with those that it names.
    pub(super) fn lark(&self) -> (String, &[(String, String)]) {
        match self {
            Self::Json(rules) => (lark::write(rules, true), &[]),
            Self::Other(written) => (written.lark.clone(), &written.values),
        }
    }

    /// How values are written, where they are not written as JSON.
    pub(super) fn encoding(&self) -> Option<&Arc<Encoding>> {
        match self {
            Self::Json(_) => None,
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
                elements::emit(&shapes, elements).map(Grammar::Other)
            }
        };
        let Some(grammar) = grammar else {
            let why = "every value would have to hold another without end".to_owned();
            return Err(refused(ErrorKind::Unsatisfiable(why)));
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
        Ok(Self { grammar, watches, closer: Arc::new(Closer::new(shapes, whole, document.is_costly())), least_bytes })
    }
}
