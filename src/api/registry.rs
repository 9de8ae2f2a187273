//! `/v1/tools` and `/v1/schemas`: registers, lists, shows and deletes.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;

use super::AppState;
use super::body::JsonBody;
use super::chat_into::into_tool;
use super::error::ApiError;
use super::layers::from_here;
use super::wire::FieldError;
use super::wire::registry::{Registration, RegistryDeleted, RegistryEntry, RegistryLine, RegistryList};
use super::wire::tools::ChatTool;
use crate::generation::{Checked, Examples, PrepareError, Subject, aside};
use crate::registry::{Definition, Entry, Kind, Source};

/// Characters of a description in a list.
const MAX_SHOWN: usize = 400;

type Shared = State<Arc<AppState>>;

/// The routes of both kinds.
pub(super) fn routes() -> Router<Arc<AppState>> {
    of_kind(Kind::Tool).merge(of_kind(Kind::Schema)).layer(axum::middleware::from_fn(from_here))
}

fn of_kind(kind: Kind) -> Router<Arc<AppState>> {
    let all = get(move |state: Shared| async move { list(kind, &state) })
        .post(move |state: Shared, body: JsonBody| async move { create(kind, &state, body).await });
    let one = get(move |state: Shared, Path(name): Path<String>| async move { show(kind, &state, &name, None) })
        .delete(move |state: Shared, Path(name): Path<String>| async move { delete(kind, &state, name, None) });
    let version = get(move |state: Shared, Path((name, version)): Path<(String, String)>| async move {
        show(kind, &state, &name, Some(number(kind, &name, &version)?))
    })
    .delete(move |state: Shared, Path((name, version)): Path<(String, String)>| async move {
        let version = number(kind, &name, &version)?;
        delete(kind, &state, name, Some(version))
    });
    Router::new()
        .route(&format!("/{kind}s"), all)
        .route(&format!("/{kind}s/{{name}}"), one)
        .route(&format!("/{kind}s/{{name}}/{{version}}"), version)
}

/// A tool or a schema as it was read.
#[derive(Clone, Debug)]
pub struct Read {
    /// Its name.
    pub name: String,
    /// What is compiled.
    pub subject: Subject,
    /// Its examples, as the subject's schema has them.
    pub examples: Examples,
    definition: Definition,
}

/// Reads the definition of a tool or a schema.
///
/// # Errors
/// With the first field that is wrong.
pub fn read(kind: Kind, body: &Value) -> Result<Read, FieldError> {
    let registration = match kind {
        Kind::Tool => Registration::read_tool(body)?,
        Kind::Schema => Registration::read_schema(body)?,
    };
    let Registration { name, definition, examples, counterexamples } = registration;
    let subject = match kind {
        Kind::Tool => {
            let nested = ["function", "custom"].into_iter().find(|kind| body[*kind].is_object());
            let at = nested.map(|kind| format!("{kind}.")).unwrap_or_default();
            Subject::Tool(into_tool(0, ChatTool::read(&definition)?, &at))
        }
        Kind::Schema => Subject::Schema { name: name.clone(), schema: definition["schema"].clone() },
    };
    let all = |examples: &[Value]| examples.iter().map(|example| arguments(&definition, example)).collect();
    let read = Examples { allowed: all(&examples), refused: all(&counterexamples) };
    Ok(Read { name, subject, examples: read, definition: Definition { definition, examples, counterexamples } })
}

/// Compiles and checks a definition, and registers it: in the file, or for as long as the process runs where it has an
/// `origin`.
///
/// # Errors
/// With what is wrong with it, or why it cannot be registered.
pub async fn register(
    state: &AppState,
    kind: Kind,
    body: &Value,
    origin: Option<&str>,
) -> Result<(Arc<Entry>, Checked), ApiError> {
    let Read { name, subject, examples, definition } = read(kind, body)?;
    definition.checked()?;
    let has_examples = !examples.allowed.is_empty() || !examples.refused.is_empty();
    // Why not always: at start there may be hundreds.
    let examples = (origin.is_none() || has_examples).then_some(examples);
    let checked = state.generator.check(subject, examples).await;
    let checked = checked.map_err(|error| at_definition(kind, error))?;
    let entry = aside(|| match origin {
        None => state.registry.put(kind, &name, definition).map(|(entry, _)| entry),
        Some(origin) => state.registry.fix(kind, &name, definition, origin),
    })?;
    Ok((entry, checked))
}

/// Names the field of the definition: what answers a request with a registered schema stands elsewhere.
fn at_definition(kind: Kind, error: PrepareError) -> ApiError {
    let is_schema = kind == Kind::Schema && matches!(error, PrepareError::Schema { .. });
    let error = ApiError::from(error);
    if is_schema { ApiError { param: Some("schema".to_owned()), ..error } } else { error }
}

/// An example as the schema has it: the input of a custom tool is a text in it.
fn arguments(definition: &Value, example: &Value) -> Value {
    match example {
        Value::String(input) if definition["type"] == "custom" => {
            serde_json::from_str(&crate::chat::input_arguments(input)).unwrap_or_default()
        }
        other => other.clone(),
    }
}

async fn create(kind: Kind, state: &AppState, body: JsonBody) -> Result<Json<RegistryEntry>, ApiError> {
    let (body, room) = body.read(|value| Ok(value.clone()))?;
    let (entry, checked) = register(state, kind, &body, None).await?;
    drop(room);
    let check = serde_json::to_value(checked).map_err(|error| ApiError::internal(error.to_string()))?;
    render(state, &entry, Some(check)).map(Json)
}

fn list(kind: Kind, state: &AppState) -> Result<Json<RegistryList>, ApiError> {
    let line = |entry: &Arc<Entry>| {
        let definition = &entry.definition.definition;
        let inner = definition.get("function").or_else(|| definition.get("custom")).unwrap_or(definition);
        RegistryLine {
            object: kind.as_str(),
            name: entry.name.clone(),
            version: entry.version,
            created: entry.created,
            source: source(entry),
            description: inner.get("description").and_then(Value::as_str).map(|d| d.chars().take(MAX_SHOWN).collect()),
        }
    };
    Ok(Json(RegistryList { object: "list", data: state.registry.list(kind)?.iter().map(line).collect() }))
}

fn show(kind: Kind, state: &AppState, name: &str, version: Option<u32>) -> Result<Json<RegistryEntry>, ApiError> {
    let entry = state.registry.get(kind, name, version)?;
    let entry = entry.ok_or_else(|| ApiError::unknown_entry("name", kind, name, version))?;
    render(state, &entry, None).map(Json)
}

fn delete(kind: Kind, state: &AppState, name: String, version: Option<u32>) -> Result<Json<RegistryDeleted>, ApiError> {
    if !aside(|| state.registry.delete(kind, &name, version))? {
        return Err(ApiError::unknown_entry("name", kind, &name, version));
    }
    let object = match kind {
        Kind::Tool => "tool.deleted",
        Kind::Schema => "schema.deleted",
    };
    Ok(Json(RegistryDeleted { object, name, version, deleted: true }))
}

fn number(kind: Kind, name: &str, version: &str) -> Result<u32, ApiError> {
    version.parse().map_err(|_| {
        let version: String = version.chars().take(40).collect();
        let message = format!("'{version}' is no version of the {kind} '{name}'; versions are numbers from 1.");
        ApiError::bad_request(Some("version"), Some("invalid_value"), message)
    })
}

fn render(state: &AppState, entry: &Entry, check: Option<Value>) -> Result<RegistryEntry, ApiError> {
    let Definition { definition, examples, counterexamples } = entry.definition.clone();
    let (tool, json_schema) = match entry.kind {
        Kind::Tool => (Some(definition), None),
        Kind::Schema => (None, Some(definition)),
    };
    Ok(RegistryEntry {
        object: entry.kind.as_str(),
        name: entry.name.clone(),
        version: entry.version,
        versions: state.registry.versions(entry.kind, &entry.name)?,
        created: entry.created,
        source: source(entry),
        tool,
        json_schema,
        examples,
        counterexamples,
        check,
    })
}

fn source(entry: &Entry) -> String {
    match &entry.source {
        Source::Kept => "registered".to_owned(),
        Source::Fixed(origin) => origin.clone(),
    }
}
