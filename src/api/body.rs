//! Reads request bodies: JSON or a 4xx that says why not.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_LENGTH;
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use super::error::ApiError;
use super::{AppState, MAX_BODY_BYTES};

/// Clients that announce a body and do not send it lose their room.
const READ_TIME: Duration = Duration::from_secs(60);

/// A request's body as JSON, whatever its content type.
pub(super) struct JsonBody {
    pub(super) value: Value,
    /// The body's share of memory, given back when what was made of it is gone.
    pub(super) room: Option<OwnedSemaphorePermit>,
}

impl FromRequest<Arc<AppState>> for JsonBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &Arc<AppState>) -> Result<Self, ApiError> {
        let length = request.headers().get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
        let room = state.room_for_body(length.unwrap_or(MAX_BODY_BYTES).min(MAX_BODY_BYTES)).await;
        let read = tokio::time::timeout(READ_TIME, Bytes::from_request(request, state)).await;
        let read = read.map_err(|_| ApiError::bad_request(None, None, "The request body did not arrive in time."))?;
        let bytes = read.map_err(|rejection: BytesRejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                ApiError::body_too_large(MAX_BODY_BYTES)
            } else {
                ApiError::bad_request(None, None, "The request body could not be read to its end.")
            }
        })?;
        Ok(Self { value: parse(&bytes)?, room })
    }
}

fn parse(bytes: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let why = if error.to_string().contains("recursion limit") {
            "it nests deeper than 128 levels".to_owned()
        } else {
            error.to_string()
        };
        let message =
            format!("We could not parse the JSON body of your request: {why}. The API expects a JSON payload.");
        ApiError::bad_request(None, None, message)
    })
}
