//! Conversations: messages in, prompt text out; answer text in, deltas out.
//!
//! `message` is the conversation, `prompt` puts into it what its template cannot show, `template` renders it with the
//! model's own chat template (`jinja` is their dialect, `arrange` gives them what they ask for, `detect` and `infer` find out
//! whether they know tools), `split` takes the answer apart again. Not here: grammars, HTTP.

mod arrange;
mod detect;
mod infer;
mod jinja;
mod message;
mod prompt;
mod said;
mod split;
mod template;
mod think;

pub use detect::{Found, ToolSupport};
pub use message::{Message, Role};
pub use prompt::{Instructions, instruct};
pub use said::Said;
pub use split::{Delta, Split, SplitError, SplitOptions};
pub use template::{ChatTemplate, Segment, TemplateError, Variables};
pub use think::Thinking;
