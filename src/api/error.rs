//! Every error that a client can see, in OpenAI's envelope: `{"error": {"message", "type", "param", "code"}}`.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::wire::FieldError;
use crate::engine::EngineError;
use crate::generation::{AnswerError, Part, PrepareError, StartError};
use crate::registry::{Kind, RegistryError};
use crate::schema::SchemaError;

/// An error as the client sees it. `detail` is only for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// The HTTP status; SDKs choose their exception by it.
    pub status: StatusCode,
    /// OpenAI's `type`.
    pub kind: &'static str,
    /// OpenAI's `code`.
    pub code: Option<&'static str>,
    /// The path of the field at fault.
    pub param: Option<String>,
    /// The sentence for the client.
    pub message: String,
    /// After how many seconds another try makes sense.
    pub retry_after: Option<u32>,
    /// What really happened, if the client is not told.
    pub detail: Option<String>,
}

impl ApiError {
    /// Makes a fault of the client's.
    #[must_use]
    pub fn bad_request(param: Option<&str>, code: Option<&'static str>, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            kind: "invalid_request_error",
            code,
            param: param.map(str::to_owned),
            message: message.into(),
            retry_after: None,
            detail: None,
        }
    }

    /// No such route or method.
    #[must_use]
    pub fn unknown_route() -> Self {
        let message = "Unknown request URL or method. Served are POST /v1/chat/completions, GET, POST and DELETE /v1/tools and /v1/schemas, POST /v1/schemas/check, GET /v1/models, GET /v1/models/{id}, GET /health and GET /metrics.";
        Self { status: StatusCode::NOT_FOUND, ..Self::bad_request(None, Some("unknown_url"), message) }
    }

    /// No such model.
    #[must_use]
    pub fn unknown_model(name: &str, served: &str) -> Self {
        let name: String = name.chars().take(200).collect();
        let message = format!(
            "The model `{name}` does not exist or you do not have access to it. This server serves `{served}`."
        );
        Self { status: StatusCode::NOT_FOUND, ..Self::bad_request(Some("model"), Some("model_not_found"), message) }
    }

    /// No such entry of the registry.
    #[must_use]
    pub fn unknown_entry(param: &str, kind: Kind, name: &str, version: Option<u32>) -> Self {
        let name: String = name.chars().take(200).collect();
        let version = version.map(|version| format!(" of version {version}")).unwrap_or_default();
        let message = format!("No {kind} '{name}'{version} is registered. GET /v1/{kind}s lists those that are.");
        Self { status: StatusCode::NOT_FOUND, ..Self::bad_request(Some(param), Some("not_found"), message) }
    }

    /// A page of another site asks for a change.
    #[must_use]
    pub fn foreign_origin(origin: &str) -> Self {
        let origin: String = origin.chars().take(200).collect();
        let message = format!("Pages of '{origin}' may not change what is registered here.");
        Self { status: StatusCode::FORBIDDEN, ..Self::bad_request(None, Some("foreign_origin"), message) }
    }

    /// The body is larger than the server reads.
    #[must_use]
    pub fn body_too_large(limit: usize) -> Self {
        let message = format!("The request body is larger than {limit} bytes.");
        Self { status: StatusCode::PAYLOAD_TOO_LARGE, ..Self::bad_request(None, Some("request_too_large"), message) }
    }

    /// The queue is full.
    #[must_use]
    pub fn busy() -> Self {
        Self {
            status: StatusCode::TOO_MANY_REQUESTS,
            kind: "rate_limit_error",
            code: Some("rate_limit_exceeded"),
            param: None,
            message: "The server's queue is full. Try again in a moment.".into(),
            retry_after: Some(1),
            detail: None,
        }
    }

    /// A fault of ours.
    #[must_use]
    pub fn internal(detail: impl Into<String>) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            kind: "server_error",
            code: None,
            param: None,
            message: "The server had an error while processing your request.".into(),
            retry_after: None,
            detail: Some(detail.into()),
        }
    }

    /// Not now.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            kind: "service_unavailable_error",
            code: Some("server_is_overloaded"),
            message: message.into(),
            ..Self::internal("")
        }
    }

    /// The envelope.
    #[must_use]
    pub fn body(&self) -> Value {
        json!({"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}})
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if self.status.is_server_error() {
            tracing::error!(
                status = self.status.as_u16(),
                detail = self.detail.as_deref().unwrap_or_default(),
                "{}",
                self.message
            );
        } else {
            tracing::info!(
                status = self.status.as_u16(),
                param = self.param.as_deref().unwrap_or_default(),
                "{}",
                self.message
            );
        }
        let mut response = (self.status, axum::Json(self.body())).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        // Why: SDKs try server errors again; ours would only fail again.
        if self.status == StatusCode::INTERNAL_SERVER_ERROR {
            response.headers_mut().insert(HeaderName::from_static("x-should-retry"), HeaderValue::from_static("false"));
        }
        response
    }
}

impl From<FieldError> for ApiError {
    fn from(error: FieldError) -> Self {
        Self::bad_request(error.param.as_deref(), error.code, error.message)
    }
}

impl From<PrepareError> for ApiError {
    fn from(error: PrepareError) -> Self {
        match error {
            PrepareError::Schema { part, error } => schema_error(&part, &error),
            PrepareError::TooFewTokens { n_needed, n_allowed } => Self::bad_request(
                Some("max_tokens"),
                Some("max_tokens_too_small"),
                format!(
                    "The shortest answer that satisfies this request (its schema, or the call that it demands) takes {n_needed} tokens, but only {n_allowed} can be generated. Allow at least {n_needed}, or start the server with --no-close to have answers cut off."
                ),
            ),
            PrepareError::NoRoom { n_prompt, n_needed, n_ctx } => Self::bad_request(
                Some("messages"),
                Some("context_length_exceeded"),
                format!(
                    "This model's maximum context length is {n_ctx} tokens. However, your messages resulted in {n_prompt} tokens, and the shortest answer that satisfies this request (its schema, or the call that it demands) takes {n_needed}. Please reduce the length of the messages, or start the server with --no-close to have answers cut off."
                ),
            ),
            PrepareError::TooLong { n_prompt, n_ctx } => Self::bad_request(
                Some("messages"),
                Some("context_length_exceeded"),
                format!(
                    "This model's maximum context length is {n_ctx} tokens. However, your messages resulted in {n_prompt} tokens. Please reduce the length of the messages."
                ),
            ),
            PrepareError::Constraint { param, message } => {
                Self::bad_request(Some(&param), Some("invalid_value"), format!("Invalid '{param}': {message}."))
            }
            PrepareError::Example { param, message } => {
                Self::bad_request(Some(&param), Some("invalid_value"), format!("Invalid '{param}': {message}."))
            }
            PrepareError::Template(error) => {
                Self::bad_request(Some("messages"), Some("invalid_value"), format!("Invalid 'messages': {error}."))
            }
            error @ PrepareError::TooSlow(_) => Self::bad_request(None, Some("too_complex"), format!("{error}.")),
            PrepareError::Busy => Self::busy(),
            PrepareError::Grammar(detail) => Self::internal(detail),
        }
    }
}

/// OpenAI's sentence with its context, and the JSON pointer, which OpenAI's lacks.
fn schema_error(part: &Part, error: &SchemaError) -> ApiError {
    let keyword_at_end = error.keyword.is_some();
    let parts = error.pointer.parts();
    let place = if keyword_at_end { &parts[..parts.len().saturating_sub(1)] } else { parts };
    let quoted: Vec<String> = place.iter().map(|p| format!("'{p}'")).collect();
    let context = match quoted.as_slice() {
        [one] => format!("({one},)"),
        many => format!("({})", many.join(", ")),
    };
    let what = match part {
        Part::ResponseFormat(name) => format!("response_format '{name}'"),
        Part::Tool { name, .. } => format!("function '{name}'"),
        Part::Value(param) => format!("'{param}'"),
    };
    let message = format!("Invalid schema for {what}: In context={context}, {error}.");
    match part {
        Part::ResponseFormat(_) => ApiError::bad_request(Some("response_format"), Some("invalid_json_schema"), message),
        Part::Value(param) => ApiError::bad_request(Some(param), Some("invalid_json_schema"), message),
        Part::Tool { param, .. } => ApiError::bad_request(Some(param), Some("invalid_function_parameters"), message),
    }
}

impl From<RegistryError> for ApiError {
    fn from(error: RegistryError) -> Self {
        let message = format!("The registry refuses this: {error}.");
        let conflict = |code| Self { status: StatusCode::CONFLICT, ..Self::bad_request(None, Some(code), &message) };
        match error {
            RegistryError::Fixed { .. } => conflict("read_only"),
            RegistryError::IsNewest { .. } => conflict("newest_version"),
            RegistryError::TooLarge { .. } => Self {
                status: StatusCode::PAYLOAD_TOO_LARGE,
                ..Self::bad_request(None, Some("request_too_large"), message)
            },
            RegistryError::Full => Self {
                status: StatusCode::INSUFFICIENT_STORAGE,
                code: Some("registry_full"),
                message,
                ..Self::internal("the registry is full")
            },
            RegistryError::Sqlite(_) | RegistryError::Io(_) | RegistryError::Foreign | RegistryError::Newer(_) => {
                Self::internal(error.to_string())
            }
            RegistryError::TooDeep => Self::bad_request(None, Some("invalid_value"), message),
        }
    }
}

impl From<StartError> for ApiError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Busy(_) => Self::busy(),
            StartError::TooManyChoices { capacity, .. } => {
                let message = format!("Invalid 'n': {error}. Expected a value <= {capacity}.");
                Self::bad_request(Some("n"), Some("integer_above_max_value"), message)
            }
            StartError::Stopped => Self::unavailable("The model has stopped; the server must be restarted."),
        }
    }
}

impl From<AnswerError> for ApiError {
    fn from(error: AnswerError) -> Self {
        match error {
            AnswerError::Stopped => Self::unavailable("The model has stopped; the server must be restarted."),
            AnswerError::Engine(EngineError::Matcher(detail)) => Self {
                code: Some("grammar_too_complex"),
                message: "The grammar of your schema went over its budget in mid-answer. Simplify the schema: fewer alternatives that begin alike, shorter patterns.".into(),
                ..Self::internal(detail)
            },
            AnswerError::Engine(EngineError::DeadEnd(detail)) => Self {
                code: Some("no_valid_continuation"),
                message: "No valid way to go on with this answer was found. Ask again, or simplify the part of the schema that the mask cannot see ahead: oneOf with overlapping branches, not, uniqueItems.".into(),
                ..Self::internal(detail.to_owned())
            },
            AnswerError::Engine(EngineError::Deadline) => Self {
                code: Some("deadline_exceeded"),
                ..Self::unavailable("The time for this answer was over before its first token; the server is busy.")
            },
            AnswerError::Engine(EngineError::Backend(_)) | AnswerError::Split(_) | AnswerError::Check(_) | AnswerError::NotDerived | AnswerError::NoCall => {
                Self::internal(error.to_string())
            }
        }
    }
}
