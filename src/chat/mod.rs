//! Conversations: messages in, prompt text out; answer text in, deltas out.
//!
//! `message` is the conversation, `prompt` puts into it what its template cannot show, `template` renders it with the
//! model's own chat template (`templates` has those of one model, `jinja` is their dialect, `arrange` and `rearrange` give
//! them what they ask for, `probe` finds out what that is, `detect` and `infer` whether they know tools), `think` knows what
//! may stand before an answer and `wrapper` what around it, `split` takes the answer apart again (`delta`, `scan`), `said`
//! puts its deltas together. Not here: grammars, HTTP.

mod arrange;
mod controls;
mod delta;
mod detect;
mod infer;
mod input;
mod jinja;
mod lists;
mod message;
mod plainer;
mod probe;
mod prompt;
mod protect;
mod rearrange;
mod said;
mod scan;
mod split;
mod template;
mod templates;
mod think;
mod wrapper;

pub use delta::{Delta, SplitError, SplitOptions};
pub use detect::{Found, ToolSupport};
pub use input::{InputText, input_arguments, input_schema};
pub use message::{Message, Role};
pub use prompt::{Instructions, instruct};
pub use said::Said;
pub use split::Split;
pub use template::{ChatTemplate, Segment, TemplateError, Variables};
pub use templates::{Fitted, Templates};
pub use think::Thinking;
pub use wrapper::Wrapper;
