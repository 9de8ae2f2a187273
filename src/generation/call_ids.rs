//! Ids of the calls in an answer: the model's own, where it writes any, and in any case unlike all others.

use std::collections::HashSet;
use std::sync::Arc;

use super::new_id;
use crate::chat::Message;
use crate::tools::format::Ids;

/// Gives the calls of one choice their ids.
#[derive(Clone, Debug, Default)]
pub(super) struct CallIds {
    form: Ids,
    /// Ids of the conversation so far.
    known: Arc<HashSet<String>>,
    given: HashSet<String>,
}

impl CallIds {
    /// Ids of this form that no call of `messages` has.
    pub(super) fn new(form: Ids, messages: &[Message]) -> Self {
        let calls = messages.iter().flat_map(|message| &message.tool_calls);
        Self { form, known: Arc::new(calls.map(|call| call.id.clone()).collect()), given: HashSet::new() }
    }

    /// The id of the next call, which is of the tool `name`. What the model wrote is kept, unless another call has it:
    /// results name their calls by it.
    pub(super) fn give(&mut self, written: Option<String>, name: &str) -> String {
        let first = self.known.len() + self.given.len();
        let made = (first..).map(|n| match self.form {
            Ids::Free => new_id("call_", 24),
            Ids::Nine => new_id("", 9),
            Ids::Ten => new_id("", 10).to_ascii_lowercase(),
            Ids::Functions => format!("functions.{name}:{n}"),
        });
        let is_new = |id: &String| !self.known.contains(id) && !self.given.contains(id);
        let id = written.into_iter().chain(made).find(is_new).expect("there is no end of ids");
        self.given.insert(id.clone());
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Role;
    use crate::tools::ToolCall;

    #[test]
    fn no_two_calls_have_the_same_id() {
        let call = |id: &str| ToolCall { id: id.into(), name: "f".into(), arguments: "{}".into() };
        let history = Message { tool_calls: vec![call("functions.f:0")], ..Message::text(Role::Assistant, "") };
        let mut ids = CallIds::new(Ids::Functions, &[history]);
        let written = ["functions.f:0", "functions.f:1", "functions.f:1", "functions.f:7"];
        let given = written.map(|id| ids.give(Some(id.into()), "f"));
        assert_eq!(given, ["functions.f:1", "functions.f:2", "functions.f:3", "functions.f:7"]);
        let mut ids = CallIds::new(Ids::Ten, &[]);
        let given = [Some("a1b2c3d4e5"), Some("a1b2c3d4e5"), None].map(|id| ids.give(id.map(str::to_owned), "f"));
        assert_eq!(given[0], "a1b2c3d4e5");
        assert_eq!(given.iter().collect::<HashSet<_>>().len(), 3);
        assert!(given.iter().all(|id| id.len() == 10 && id.bytes().all(|byte| Ids::Ten.form().takes(byte))));
    }
}
