//! Conversations: messages in, prompt text out; answer text in, deltas out.
//!
//! `message` is the conversation, `prompt` puts tools and schemas into it, `template` renders it with the model's own
//! chat template, `split` takes the answer apart again. Not here: grammars, HTTP.

mod message;
mod prompt;
mod split;
mod template;

pub use message::{Message, Role};
pub use prompt::{Instructions, instruct};
pub use split::{Delta, Split, SplitError, SplitOptions};
pub use template::{ChatTemplate, Segment, TemplateError};
