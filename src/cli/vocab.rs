//! The vocabulary that a command works with: of a GGUF file, of a tokenizer.json, or of the fake model.

use std::path::Path;
use std::sync::Arc;

use super::UsageError;
use crate::engine::fake_vocab;
use crate::grammar::Vocab;

/// Loads the vocabulary that `--model` names.
pub(super) fn load_vocab(model: &str) -> anyhow::Result<Arc<Vocab>> {
    if model == "fake" {
        return Ok(Arc::new(fake_vocab()?));
    }
    let path = Path::new(model);
    if path.extension().is_some_and(|extension| extension == "json") {
        let text = std::fs::read_to_string(path).map_err(|e| UsageError(format!("--model {model}: {e}")))?;
        return Ok(Arc::new(
            Vocab::from_tokenizer_json(&text).map_err(|e| UsageError(format!("--model {model}: {e}")))?,
        ));
    }
    load_gguf(path)
}

#[cfg(feature = "llama")]
fn load_gguf(path: &Path) -> anyhow::Result<Arc<Vocab>> {
    let mut file = crate::engine::llama::LlamaFile::load(path, &crate::engine::Placement::default(), |_| {})
        .map_err(|e| UsageError(e.to_string()))?;
    Ok(Arc::new(file.take_vocab()))
}

#[cfg(not(feature = "llama"))]
fn load_gguf(path: &Path) -> anyhow::Result<Arc<Vocab>> {
    Err(UsageError(format!("--model {}: this build has no llama.cpp; give a tokenizer.json", path.display())).into())
}
