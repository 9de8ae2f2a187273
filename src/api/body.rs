//! Reads request bodies: JSON or a 4xx that says why not.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use serde_json::Value;

use super::MAX_BODY_BYTES;
use super::error::ApiError;

/// A request's body as JSON, whatever its content type.
pub(super) struct JsonBody(pub(super) Value);

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection: BytesRejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                ApiError::body_too_large(MAX_BODY_BYTES)
            } else {
                ApiError::bad_request(None, None, "The request body could not be read to its end.")
            }
        })?;
        parse(&bytes).map(Self)
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
