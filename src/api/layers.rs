//! What every answer carries: an id, the time it took, a line in the log and in the metrics.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;

use super::error::ApiError;
use crate::telemetry::metrics::{METRICS, RequestLabels};

/// Adds `x-request-id` and `openai-processing-ms`; counts and logs.
pub(super) async fn answer_headers(request: Request, next: Next) -> Response {
    let id = format!("req_{:032x}", rand::random::<u128>());
    let endpoint = endpoint(request.extensions().get::<MatchedPath>().map(MatchedPath::as_str));
    let span = tracing::info_span!("request", request_id = %id, endpoint);
    let started = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let elapsed = started.elapsed();
    let status = response.status().as_u16();
    METRICS.requests.get_or_create(&RequestLabels { endpoint, status }).inc();
    span.in_scope(|| tracing::info!(status, ms = elapsed.as_millis(), "answered"));
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static("x-request-id"), super::header_value(&id));
    let ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    headers.insert(HeaderName::from_static("openai-processing-ms"), HeaderValue::from(ms));
    headers.insert(HeaderName::from_static("openai-version"), HeaderValue::from_static("2020-10-01"));
    response
}

/// Refuses changes that a page of another origin asks for: a browser on this machine would make them for any site that
/// its user visits, without asking.
pub(super) async fn from_here(request: Request, next: Next) -> Result<Response, ApiError> {
    match foreign_origin(&request) {
        Some(origin) => Err(ApiError::foreign_origin(&origin)),
        None => Ok(next.run(request).await),
    }
}

fn foreign_origin(request: &Request) -> Option<String> {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let is_change = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let origin = header(header::ORIGIN).filter(|_| is_change)?;
    // Why only an address: a name may be one of theirs that leads here.
    let is_own = host(origin).is_some_and(|host| is_address(host) && header(header::HOST) == Some(host));
    let is_foreign = !is_local(origin) && !is_own;
    is_foreign.then(|| origin.to_owned())
}

/// The host and the port in an origin.
fn host(origin: &str) -> Option<&str> {
    origin.split_once("://").map(|(_, host)| host)
}

fn is_local(origin: &str) -> bool {
    host(origin).is_some_and(|host| ["localhost", "127.0.0.1", "[::1]"].contains(&name(host)))
}

/// A host without its port.
fn name(host: &str) -> &str {
    host.rsplit_once(':').map_or(host, |(name, port)| if port.ends_with(']') { host } else { name })
}

fn is_address(host: &str) -> bool {
    name(host).trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok()
}

/// The matched route as one of a closed set.
fn endpoint(matched: Option<&str>) -> &'static str {
    match matched {
        Some("/v1/chat/completions") => "chat_completions",
        Some("/v1/models" | "/v1/models/{*id}") => "models",
        Some(path) if path.starts_with("/v1/tools") => "tools",
        Some(path) if path.starts_with("/v1/schemas") => "schemas",
        Some("/health" | "/v1/health") => "health",
        Some("/metrics") => "metrics",
        _ => "unknown",
    }
}
