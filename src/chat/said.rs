//! What an answer has said: its deltas, put together.

use super::Delta;
use crate::tools::ToolCall;

/// What an answer has said so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// What the model thought before it answered.
    pub reasoning: String,
    /// The text.
    pub content: String,
    /// The calls.
    pub calls: Vec<ToolCall>,
}

impl Said {
    /// Adds what became known.
    pub fn add(&mut self, delta: &Delta) {
        match delta {
            Delta::Reasoning(text) => self.reasoning.push_str(text),
            Delta::Content(text) => self.content.push_str(text),
            Delta::CallStart { id, name, .. } => {
                let id = id.clone().unwrap_or_default();
                self.calls.push(ToolCall { id, name: name.clone(), arguments: String::new() });
            }
            Delta::CallArguments { index, fragment } => {
                if let Some(call) = self.calls.get_mut(*index) {
                    call.arguments.push_str(fragment);
                }
            }
        }
    }
}

impl<'a> FromIterator<&'a Delta> for Said {
    fn from_iter<T: IntoIterator<Item = &'a Delta>>(deltas: T) -> Self {
        let mut said = Self::default();
        deltas.into_iter().for_each(|delta| said.add(delta));
        said
    }
}
