//! `GET /health` and `GET /metrics`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::AppState;
use super::error::ApiError;
use crate::telemetry::metrics::METRICS;

/// 200 exactly if a request sent now would be served.
pub(super) async fn health(State(state): State<Arc<AppState>>) -> Result<Json<Value>, ApiError> {
    let engine = state.generator.engine();
    if !engine.is_alive() {
        return Err(ApiError::unavailable("The model has stopped; the server must be restarted."));
    }
    if !engine.is_ready() {
        return Err(ApiError { status: axum::http::StatusCode::SERVICE_UNAVAILABLE, ..ApiError::busy() });
    }
    Ok(Json(json!({"status": "ok", "model": state.model.id})))
}

/// All metrics in the OpenMetrics text format.
pub(super) async fn metrics() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], METRICS.render())
}
