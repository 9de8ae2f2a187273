//! HTTP: routes, headers, errors. Handlers only translate between wire types and `generation`.

mod body;
mod chat;
mod chat_into;
mod chat_stream;
pub mod error;
mod health;
mod history;
mod layers;
mod models;
mod registry;
mod resolve;
mod schemas;
mod state;
pub mod wire;

pub use registry::{Read, read, register};
pub use state::{ApiOptions, AppState, ModelInfo};

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, Method};
use axum::routing::{get, post};
use tower_http::cors::{AllowHeaders, Any, CorsLayer};

use error::ApiError;

/// Bodies larger than this are refused: base64 images of OpenAI's clients fit.
const MAX_BODY_BYTES: usize = 32 << 20;

/// Makes the server's routes.
pub fn router(state: Arc<AppState>) -> Router {
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::DELETE, Method::GET, Method::OPTIONS, Method::POST])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(Any)
        .max_age(std::time::Duration::from_secs(86_400));
    let v1 = Router::new()
        .route("/chat/completions", post(chat::create))
        .route("/models", get(models::list))
        .route("/models/{*id}", get(models::retrieve))
        .route("/schemas/check", post(schemas::check))
        .merge(registry::routes());
    Router::new()
        .nest("/v1", v1)
        .route("/health", get(health::health))
        .route("/v1/health", get(health::health))
        .route("/metrics", get(health::metrics))
        .fallback(|| async { ApiError::unknown_route() })
        .method_not_allowed_fallback(|| async { ApiError::unknown_route() })
        .layer(axum::middleware::from_fn(layers::answer_headers))
        .layer(cors)
        .with_state(state)
}

/// A header value that is text; characters that headers cannot carry become `?`.
fn header_value(text: &str) -> HeaderValue {
    let safe: String =
        text.chars().take(1000).map(|c| if c.is_ascii() && !c.is_ascii_control() { c } else { '?' }).collect();
    HeaderValue::from_str(&safe).unwrap_or_else(|_| HeaderValue::from_static("?"))
}
