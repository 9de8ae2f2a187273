//! The endpoint-neutral middle: a [`Request`] becomes [`Prepared`], then an [`Answer`] that grows, then a
//! [`Completion`]. Chat and other endpoints meet here. Not here: HTTP, wire formats.

mod aside;
mod call_ids;
mod check;
mod generator;
mod output;
mod prepare;
mod render;
mod request;
mod update;

pub(crate) use aside::aside;
pub use check::{Checked, Examples, Subject};
pub use generator::{Generator, GeneratorOptions, StartError};
pub(crate) use output::new_id;
pub use output::{Answer, AnswerError};
pub use prepare::{Part, PrepareError, Prepared, Reports};
pub use request::{Output, Request, RequestTool, TextRule, Thinking, ToolInput};
pub use update::{Choice, Completion, Finish, LogprobEntry, Update, Usage};
