//! `GET /v1/models` and `GET /v1/models/{id}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};

use super::AppState;
use super::error::ApiError;
use super::wire::models::{Capabilities, ModelCard, ModelList, ToolFormatFrom};
use crate::chat::Found;

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
    let template = &state.generator.templates().with_tools().template;
    let support = template.tools();
    ModelCard {
        id: state.model.id.clone(),
        object: "model",
        created: state.model.created,
        owned_by: "drawplate",
        context_length: state.generator.engine().limits().n_ctx,
        capabilities: Capabilities {
            tools: true,
            parallel_tool_calls: support.family.parallel,
            reasoning: template.thinking().is_some(),
            vision: false,
            tool_format: support.family.name.clone(),
            tool_format_from: match support.found {
                Found::Known | Found::Inferred => ToolFormatFrom::Template,
                Found::Prompt => ToolFormatFrom::Prompt,
            },
            tools_shown_by_template: support.shows_tools,
        },
    }
}
