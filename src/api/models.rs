//! `GET /v1/models` and `GET /v1/models/{id}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};

use super::AppState;
use super::error::ApiError;
use super::wire::models::{Capabilities, ModelCard, ModelList, ToolFormatFrom};

/// The loaded model, as a list.
pub(super) async fn list(State(state): State<Arc<AppState>>) -> Json<ModelList> {
    Json(ModelList { object: "list", data: vec![card(&state)] })
}

/// The loaded model by id; ids may hold slashes.
pub(super) async fn retrieve(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
) -> Result<Json<ModelCard>, ApiError> {
    if !state.serves(&id) {
        return Err(ApiError::unknown_model(&id, &state.model.id));
    }
    Ok(Json(card(&state)))
}

fn card(state: &AppState) -> ModelCard {
    let support = state.generator.tools();
    ModelCard {
        id: state.model.id.clone(),
        object: "model",
        created: state.model.created,
        owned_by: "drawplate",
        context_length: state.generator.engine().limits().n_ctx,
        capabilities: Capabilities {
            tools: true,
            parallel_tool_calls: true,
            tool_format: support.format.name,
            tool_format_from: if support.is_native { ToolFormatFrom::Template } else { ToolFormatFrom::Prompt },
        },
    }
}
