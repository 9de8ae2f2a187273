//! The chat templates of a model, or what the arguments say in their place.

use std::sync::Arc;

use anyhow::Context as _;

use super::UsageError;
use crate::chat::{ChatTemplate, Templates, ToolSupport};
use crate::config::ServeArgs;
use crate::grammar::Vocab;
use crate::tools::format::Family;

/// Bytes that a chat template may have.
const MAX_BYTES: u64 = 4 << 20;

/// What a model's file says of its prompts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Own<'a> {
    /// The chat template.
    pub(super) usual: Option<&'a str>,
    /// The one for conversations with tools.
    pub(super) with_tools: Option<&'a str>,
    /// Texts of the tokens that begin and end a sequence.
    pub(super) ends: (&'a str, &'a str),
    /// Whether prompts begin with the first even if the template does not write it.
    pub(super) adds_bos: bool,
}

/// Compiles the templates, and finds out what they know of tools.
pub(super) fn templates(args: &ServeArgs, own: Own<'_>, vocab: &Vocab) -> anyhow::Result<Templates> {
    let compiled = |source: Option<&str>| ChatTemplate::new(source, own.ends, own.adds_bos, vocab.control_names());
    let taught = args.tool_format.as_deref().map(family).transpose()?.map(ToolSupport::taught);
    let usual = match &args.chat_template {
        Some(path) => {
            let complain = |why: String| UsageError(format!("--chat-template {}: {why}", path.display()));
            let length = std::fs::metadata(path).map_err(|e| complain(e.to_string()))?.len();
            if length > MAX_BYTES {
                return Err(complain(format!("it has {length} bytes; at most {MAX_BYTES} are read")).into());
            }
            let source = std::fs::read_to_string(path).map_err(|e| complain(e.to_string()))?;
            compiled(Some(&source)).map_err(|e| complain(e.to_string()))?
        }
        None => compiled(own.usual).context("another template can be given by --chat-template FILE")?,
    };
    if let Some(taught) = taught {
        return Ok(Templates::new(usual.with_tools(taught), None, vocab));
    }
    let with_tools = own.with_tools.filter(|_| args.chat_template.is_none()).and_then(|source| {
        let refused = |error| tracing::warn!("the template for tools is not used: {error}");
        compiled(Some(source)).map_err(refused).ok()
    });
    Ok(Templates::new(usual, with_tools, vocab))
}

/// The family of this name.
fn family(name: &str) -> Result<Arc<Family>, UsageError> {
    let found = Family::all().iter().find(|family| family.name == name).cloned();
    found.ok_or_else(|| {
        let known: Vec<&str> = Family::all().iter().map(|family| family.name.as_str()).collect();
        UsageError(format!("no tool format is called '{name}'; known are: {}", known.join(", ")))
    })
}
