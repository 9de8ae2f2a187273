//! Conversations: messages in, prompt text out; answer text in, deltas out.
//!
//! `message` is the conversation, `prompt` puts into it what its template cannot show, `template` renders it with the
//! model's own chat template (`jinja` is their dialect, `arrange` gives them what they ask for, `detect` finds out whether
//! they know tools), `split` takes the answer apart again. Not here: grammars, HTTP.

mod arrange;
mod detect;
mod jinja;
mod message;
mod prompt;
mod split;
mod template;

pub use detect::ToolSupport;
pub use message::{Message, Role};
pub use prompt::{Instructions, instruct};
pub use split::{Delta, Split, SplitError, SplitOptions};
pub use template::{ChatTemplate, Segment, TemplateError};
