//! OpenAI's request and response bodies as data: types, and how a body is read into them. No logic.
//!
//! Requests are read by hand instead of by serde, because a client must be told the exact path, the expected type and
//! what it sent; null is the same as absent everywhere. The types also give schemas/api/*.json.

pub mod chat_request;
pub mod chat_response;
mod constraints;
pub mod messages;
pub mod models;
pub mod read;
pub mod registry;
pub mod response_format;
mod structural_tag;
pub mod tools;

pub use read::{FieldError, Fields, Item};

/// The JSON Schemas of all bodies, by file name: what schemas/api/ holds.
#[must_use]
pub fn schemas() -> Vec<(&'static str, schemars::Schema)> {
    vec![
        ("chat_request", schemars::schema_for!(chat_request::ChatRequest)),
        ("chat_completion", schemars::schema_for!(chat_response::ChatCompletion)),
        ("chat_chunk", schemars::schema_for!(chat_response::ChatChunk<'static>)),
        ("registry_entry", schemars::schema_for!(registry::RegistryEntry)),
        ("registry_list", schemars::schema_for!(registry::RegistryList)),
        ("model_list", schemars::schema_for!(models::ModelList)),
    ]
}
