//! Reads request bodies: JSON or a 4xx that says why not.

use std::sync::Arc;
use std::time::Duration;

use axum::body::BodyDataStream;
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_LENGTH;
use futures_util::StreamExt as _;
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use super::error::ApiError;
use super::{AppState, MAX_BODY_BYTES};
use crate::generation::aside;

/// Clients that announce a body and do not send it lose their room.
const READ_TIME: Duration = Duration::from_secs(60);
/// Bytes of JSON that are read in the time of a few tokens.
const LARGE: usize = 64 << 10;
/// So much of a body that is too large is read and thrown away, for so long at most, before it is refused.
const MAX_DRAINED_BYTES: usize = 256 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(10);

/// A request's body as JSON, whatever its content type.
pub(super) struct JsonBody {
    value: Value,
    /// Whether going through it takes longer than other connections should wait.
    is_large: bool,
    /// The body's share of memory, given back when what was made of it is gone.
    room: Option<OwnedSemaphorePermit>,
}

impl JsonBody {
    /// Makes a request of it. Returns the body's share of memory too.
    pub(super) fn read<T>(
        self,
        read: impl FnOnce(&Value) -> Result<T, ApiError>,
    ) -> Result<(T, Option<OwnedSemaphorePermit>), ApiError> {
        let Self { value, is_large, room } = self;
        let all = move || read(&value);
        Ok((if is_large { aside(all) } else { all() }?, room))
    }
}

impl FromRequest<Arc<AppState>> for JsonBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &Arc<AppState>) -> Result<Self, ApiError> {
        let length = request.headers().get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
        let length = length.unwrap_or(MAX_BODY_BYTES);
        let room = state.room_for_body(length.min(MAX_BODY_BYTES)).await;
        let mut body = request.into_body().into_data_stream();
        let read = tokio::time::timeout(READ_TIME, read(&mut body, length)).await;
        let read = read.map_err(|_| ApiError::bad_request(None, None, "The request body did not arrive in time."))?;
        if let Err(ReadError::TooLarge) = read {
            // Whatever comes of it, the answer is the same.
            let _drained = tokio::time::timeout(DRAIN_TIME, drain(&mut body)).await;
        }
        let bytes = read?;
        let is_large = bytes.len() > LARGE;
        let value = if is_large { aside(|| parse(&bytes)) } else { parse(&bytes) }?;
        Ok(Self { value, is_large, room })
    }
}

enum ReadError {
    TooLarge,
    Broken,
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::TooLarge => Self::body_too_large(MAX_BODY_BYTES),
            ReadError::Broken => Self::bad_request(None, None, "The request body could not be read to its end."),
        }
    }
}

async fn read(body: &mut BodyDataStream, length: usize) -> Result<Vec<u8>, ReadError> {
    if length > MAX_BODY_BYTES {
        return Err(ReadError::TooLarge);
    }
    let mut bytes = Vec::new();
    while let Some(part) = body.next().await {
        let part = part.map_err(|_| ReadError::Broken)?;
        if bytes.len() + part.len() > MAX_BODY_BYTES {
            return Err(ReadError::TooLarge);
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes)
}

/// Reads on and throws away: a connection closed under a client that still writes is reset, and the client sees a
/// broken pipe in place of the answer that tells it why.
async fn drain(body: &mut BodyDataStream) {
    let mut n_bytes = 0;
    while let Some(Ok(part)) = body.next().await {
        n_bytes += part.len();
        if n_bytes > MAX_DRAINED_BYTES {
            return;
        }
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
