//! What would become of a schema, without an answer: the same compilation as for a request, and a report.

use std::sync::Arc;

use serde_json::Value;

use super::{Generator, Part, PrepareError};
use crate::grammar::{GrammarError, Report, examine};
use crate::schema::{Document, SchemaError};

/// What errors call the schema.
const PART: &str = "schema";

impl Generator {
    /// Compiles `schema` as for a response format and reports on it, on a thread for blocking work, few at once.
    ///
    /// # Errors
    /// With what is wrong with the schema; [`PrepareError::Busy`] if others are being prepared for too long.
    pub async fn check_schema(self: &Arc<Self>, schema: Value) -> Result<Report, PrepareError> {
        self.off_thread("checking the schema", PART, move |this| this.examine(schema)).await
    }

    fn examine(&self, schema: Value) -> Result<Report, PrepareError> {
        let document = Document::parse_with(schema, self.options.limits, Arc::clone(&self.options.store));
        let document = Arc::new(document.map_err(refused)?);
        examine(&self.compiler, &document).map_err(refused_by)
    }
}

fn refused(error: SchemaError) -> PrepareError {
    PrepareError::Schema { part: Part::ResponseFormat(PART.to_owned()), error }
}

fn refused_by(error: GrammarError) -> PrepareError {
    match error {
        GrammarError::Schema { error, .. } => refused(error),
        GrammarError::Grammar(message) => PrepareError::Grammar(message),
    }
}
