//! One schema as grammar, before it is joined with others: what is kept of each tool when another tool changes.

use std::sync::Arc;

use super::Style;
use super::close::Closer;
use super::emit::emit;
use super::least::{Least, least};
use super::lower::{Thrift, lower};
use super::rules::Rules;
use super::watching::watch;
use crate::guard::{Check, MAX_NESTING, Watches};
use crate::schema::{Deadline, Document, ErrorKind, Pointer, SchemaError};

/// A schema as grammar, and what the guard has to watch in its values.
pub(super) struct Piece {
    pub(super) rules: Rules,
    pub(super) watches: Arc<Watches>,
    pub(super) closer: Arc<Closer>,
    /// The fewest bytes that a value can have.
    pub(super) least_bytes: u64,
}

impl Piece {
    /// Analyzes and lowers `document`.
    ///
    /// # Errors
    /// If the schema is refused, or takes too long.
    pub(super) fn of(
        document: &Document,
        style: Style,
        thrift: Thrift,
        deadline: &Deadline,
    ) -> Result<Self, SchemaError> {
        let (shapes, analysis) = lower(document, style, thrift, deadline)?;
        let refused = |kind| SchemaError::at(Pointer::default(), kind);
        let Some(rules) = emit(&shapes) else {
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
        Ok(Self { rules, watches, closer: Arc::new(Closer::new(shapes, whole, document.is_costly())), least_bytes })
    }
}
