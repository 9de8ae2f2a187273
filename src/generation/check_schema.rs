//! What would become of a schema, without an answer: the same compilation as for a request, and a report.

use std::sync::Arc;

use serde_json::Value;

use super::{Generator, Part, PrepareError};
use crate::grammar::{GrammarError, Report, examine};
use crate::schema::{Document, ErrorKind, Pointer, SchemaError};

impl Generator {
    /// Compiles `schema` as for a response format and reports on it, on a thread for blocking work, few at once.
    ///
    /// # Errors
    /// With what is wrong with the schema; [`PrepareError::Busy`] if others are being prepared for too long.
    pub async fn check_schema(self: &Arc<Self>, schema: Value) -> Result<Report, PrepareError> {
        let time = self.compiler.budget().time;
        let this = Arc::clone(self);
        let waited = tokio::time::timeout(time, Arc::clone(&self.preparing).acquire_owned()).await;
        let permit = waited.map_err(|_| PrepareError::Busy)?.expect("the semaphore is never closed");
        let work = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            this.examine(schema)
        });
        match tokio::time::timeout(time, work).await {
            Ok(Ok(report)) => report,
            Ok(Err(panicked)) => Err(PrepareError::Grammar(format!("checking the schema panicked: {panicked}"))),
            Err(_) => Err(refused_by(GrammarError::OutOfTime(time))),
        }
    }

    fn examine(&self, schema: Value) -> Result<Report, PrepareError> {
        let document = Document::parse_with(schema, self.options.limits, Arc::clone(&self.options.store));
        let document = Arc::new(document.map_err(refused)?);
        examine(&self.compiler, &document).map_err(refused_by)
    }
}

fn refused(error: SchemaError) -> PrepareError {
    PrepareError::Schema { part: Part::ResponseFormat("schema".to_owned()), error }
}

fn refused_by(error: GrammarError) -> PrepareError {
    match error {
        GrammarError::Schema { error, .. } => refused(error),
        GrammarError::Grammar(message) => PrepareError::Grammar(message),
        GrammarError::OutOfTime(_) => {
            refused(SchemaError::at(Pointer::default(), ErrorKind::TooComplex(error.to_string())))
        }
    }
}
