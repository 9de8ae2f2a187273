//! `POST /v1/schemas/check`: what would become of a schema, without an answer.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;

use super::AppState;
use super::body::JsonBody;
use super::error::ApiError;
use super::wire::{FieldError, Fields};
use crate::generation::{PrepareError, Subject};
use crate::grammar::Report;
use crate::schema::SchemaError;

/// The answer: a refusal is a finding here, not a fault of the request.
#[derive(Debug, Serialize)]
pub(super) struct SchemaCheck {
    object: &'static str,
    enforced: bool,
    error: Option<Refusal>,
    report: Option<Report>,
}

#[derive(Debug, Serialize)]
struct Refusal {
    pointer: String,
    keyword: Option<String>,
    message: String,
}

/// Checks a schema.
pub(super) async fn check(State(state): State<Arc<AppState>>, body: JsonBody) -> Result<Json<SchemaCheck>, ApiError> {
    let (schema, room) = body.read(|value| read(value).map_err(ApiError::from))?;
    let result = state.generator.check(Subject::Schema { name: "schema".to_owned(), schema }, None).await;
    drop(room);
    let (error, report) = match result {
        Ok(checked) => (None, Some(checked.enforcement)),
        Err(PrepareError::Schema { error, .. }) => (Some(Refusal::from(error)), None),
        Err(other) => return Err(other.into()),
    };
    Ok(Json(SchemaCheck { object: "schema.check", enforced: report.is_some(), error, report }))
}

/// Reads the body: a schema, or a `json_schema` as in a request's response format.
fn read(value: &Value) -> Result<Value, FieldError> {
    let fields = Fields::root(value)?;
    fields.get("name").map(|name| name.string()).transpose()?;
    let schema = fields.required("schema")?;
    match schema.value() {
        Value::Object(_) | Value::Bool(_) => Ok(schema.value().clone()),
        Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) => Err(schema.wrong_type("an object")),
    }
}

impl From<SchemaError> for Refusal {
    fn from(error: SchemaError) -> Self {
        Self { pointer: error.pointer.to_string(), keyword: error.keyword, message: error.kind.to_string() }
    }
}
