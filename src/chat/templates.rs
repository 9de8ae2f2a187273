//! A model's chat templates: some models have one of their own for conversations with tools.

use std::sync::Arc;

use super::{ChatTemplate, ToolSupport};
use crate::grammar::Vocab;
use crate::tools::format::ToolFormat;

/// The templates of one model, with the formats of calls that they show.
#[derive(Debug)]
pub struct Templates {
    usual: Fitted,
    with_tools: Option<Fitted>,
}

/// A template, and how its calls are written in a vocabulary's tokens.
#[derive(Debug)]
pub struct Fitted {
    /// The template.
    pub template: ChatTemplate,
    /// The format of its calls.
    pub format: Arc<ToolFormat>,
}

impl Templates {
    /// The model's template, and the one that it has for conversations with tools (`tokenizer.chat_template.tool_use` of
    /// a GGUF), for answers of `vocab`'s tokens.
    #[must_use]
    pub fn new(usual: ChatTemplate, with_tools: Option<ChatTemplate>, vocab: &Vocab) -> Self {
        let with_tools = with_tools.map(|template| Fitted::new(template, vocab));
        Self {
            usual: Fitted::new(usual, vocab),
            // Why: a template that does not show calls as the model writes them is worth no more than the usual one.
            with_tools: with_tools.filter(|fitted| fitted.template.tools().is_native()),
        }
    }

    /// The one for conversations without tools.
    #[must_use]
    pub fn usual(&self) -> &Fitted {
        &self.usual
    }

    /// The one that shows tools and calls.
    #[must_use]
    pub fn with_tools(&self) -> &Fitted {
        self.with_tools.as_ref().unwrap_or(&self.usual)
    }
}

impl Fitted {
    /// Calls as they can be written in answers of `vocab`'s tokens: a token that ends answers stands in none.
    fn new(template: ChatTemplate, vocab: &Vocab) -> Self {
        let format = ToolFormat::new(Arc::clone(&template.tools().family), vocab);
        if format.is_writable(vocab) {
            let tools = ToolSupport { family: Arc::clone(&format.family), ..template.tools().clone() };
            return Self { template: template.with_tools(tools), format: Arc::new(format) };
        }
        let name = &format.family.name;
        tracing::warn!(
            format = name,
            "calls in the model's own format hold a token that ends answers; it is taught another"
        );
        let taught = ToolSupport::by_prompt();
        let format = Arc::new(ToolFormat::new(Arc::clone(&taught.family), vocab));
        Self { template: template.with_tools(taught), format }
    }
}
