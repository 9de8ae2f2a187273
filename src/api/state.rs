//! What all handlers share.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::generation::Generator;
use crate::registry::Registry;

/// The model as clients see it.
#[derive(Clone, Debug)]
pub struct ModelInfo {
    /// Its id.
    pub id: String,
    /// When its file was made, in Unix seconds.
    pub created: u64,
    /// Names by which requests may also ask for it.
    pub aliases: Vec<String>,
}

/// Choices of the operator's that change answers.
#[derive(Clone, Copy, Debug, Default)]
pub struct ApiOptions {
    /// Unknown fields of a body are an error instead of a header.
    pub reject_unknown_fields: bool,
    /// `tool_calls` instead of OpenAI's `stop` where a function was named.
    pub named_call_finishes_as_tool_calls: bool,
    /// Any model name is served by the loaded model.
    pub any_model_name: bool,
}

/// What all handlers share.
#[derive(Debug)]
pub struct AppState {
    /// Makes answers.
    pub generator: Arc<Generator>,
    /// The loaded model.
    pub model: ModelInfo,
    /// The operator's choices.
    pub options: ApiOptions,
    /// Tools and schemas that requests refer to by name.
    pub registry: Registry,
    /// Memory for bodies that are being read and prepared, in units of 64 KiB.
    body_budget: Arc<Semaphore>,
}

/// Bodies in memory at once, together. A parsed body takes several times its text.
const BODY_BUDGET_BYTES: usize = 48 << 20;
/// Bodies up to here do not count: no flood of large ones shall hold up the small.
const SMALL_BODY_BYTES: usize = 256 << 10;
/// The unit of the budget.
const BODY_UNIT_BYTES: usize = 64 << 10;

impl AppState {
    /// Joins the parts.
    #[must_use]
    pub fn new(generator: Arc<Generator>, model: ModelInfo, options: ApiOptions, registry: Registry) -> Self {
        let body_budget = Arc::new(Semaphore::new(BODY_BUDGET_BYTES / BODY_UNIT_BYTES));
        Self { generator, model, options, registry, body_budget }
    }

    /// Waits until a body of `n_bytes` fits beside those that are being read. Small bodies never wait.
    pub(super) async fn room_for_body(&self, n_bytes: usize) -> Option<OwnedSemaphorePermit> {
        if n_bytes <= SMALL_BODY_BYTES {
            return None;
        }
        let n_units = n_bytes.div_ceil(BODY_UNIT_BYTES).clamp(1, BODY_BUDGET_BYTES / BODY_UNIT_BYTES);
        let n_units = u32::try_from(n_units).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.body_budget).acquire_many_owned(n_units).await;
        Some(room.expect("the semaphore is never closed"))
    }

    /// Whether a request for `name` means the loaded model.
    #[must_use]
    pub fn serves(&self, name: &str) -> bool {
        self.options.any_model_name || name == self.model.id || self.model.aliases.iter().any(|alias| alias == name)
    }
}
