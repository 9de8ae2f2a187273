//! The messages of a request become a conversation: each result finds its call, and each call its result.

use std::collections::{HashMap, HashSet};

use super::error::ApiError;
use super::wire::messages::ChatMessage;
use crate::chat::{Message, Role};
use crate::tools::ToolCall;

/// Translates `wire`. Calls without an id get one that no other has; a result without one answers the first open call,
/// of its name if it has a name.
///
/// # Errors
/// With the message at fault.
pub(super) fn into_messages(wire: Vec<ChatMessage>) -> Result<Vec<Message>, ApiError> {
    let given = wire.iter().flat_map(|message| &message.tool_calls).filter_map(|call| call.id.clone());
    let mut ids = Ids { taken: given.collect(), n_made: 0 };
    let mut open = Open::default();
    let mut messages = Vec::with_capacity(wire.len());
    for (i, message) in wire.into_iter().enumerate() {
        let role = match message.role.as_str() {
            "system" => Role::System,
            "developer" => Role::Developer,
            "assistant" => Role::Assistant,
            "tool" | "function" => Role::Tool,
            _ => Role::User,
        };
        let answered = match role {
            Role::Tool => Some(open.answer(&message).ok_or_else(|| no_call(i, &message))?),
            Role::System | Role::Developer | Role::User | Role::Assistant => {
                open.close()?;
                None
            }
        };
        let mut tool_calls = Vec::with_capacity(message.tool_calls.len());
        for call in message.tool_calls {
            let id = call.id.unwrap_or_else(|| ids.make());
            open.add(&id, &call.name, call.is_legacy);
            open.message = i;
            tool_calls.push(ToolCall { id, name: call.name, arguments: call.arguments });
        }
        messages.push(Message {
            role,
            content: message.content.unwrap_or_default(),
            tool_calls,
            reasoning: message.reasoning,
            tool_call_id: answered,
        });
    }
    open.close()?;
    order_results(&mut messages);
    Ok(messages)
}

/// Puts results into the order of their calls: many templates show no ids, and clients answer as tools are done.
fn order_results(messages: &mut [Message]) {
    let mut rest = messages;
    while let Some(at) = rest.iter().position(|message| message.tool_calls.len() > 1) {
        let (before, behind) = rest.split_at_mut(at + 1);
        let calls = &before[at].tool_calls;
        let order: HashMap<&str, usize> =
            calls.iter().enumerate().rev().map(|(i, call)| (call.id.as_str(), i)).collect();
        let n_results = behind.iter().take_while(|message| message.tool_call_id.is_some()).count();
        let place = |result: &Message| result.tool_call_id.as_deref().and_then(|id| order.get(id).copied());
        behind[..n_results].sort_by_key(place);
        rest = behind;
    }
}

/// Ids of calls.
struct Ids {
    taken: HashSet<String>,
    n_made: usize,
}

impl Ids {
    fn make(&mut self) -> String {
        loop {
            let id = format!("call_{}", self.n_made);
            self.n_made += 1;
            if self.taken.insert(id.clone()) {
                return id;
            }
        }
    }
}

/// Calls that have no result yet, in their order.
#[derive(Default)]
struct Open {
    /// The message of the last of them.
    message: usize,
    calls: Vec<Option<Call>>,
    /// Where calls of an id stand, the first last.
    by_id: HashMap<String, Vec<usize>>,
    /// The first that has no result.
    first: usize,
    /// How many results there are, by the id of their calls.
    answered: HashMap<String, usize>,
}

struct Call {
    id: String,
    name: String,
    /// OpenAI's older calls need no result.
    is_legacy: bool,
}

impl Open {
    fn add(&mut self, id: &str, name: &str, is_legacy: bool) {
        self.by_id.entry(id.to_owned()).or_default().insert(0, self.calls.len());
        self.calls.push(Some(Call { id: id.to_owned(), name: name.to_owned(), is_legacy }));
    }

    /// The id of the call that `result` answers, which is no longer open then.
    fn answer(&mut self, result: &ChatMessage) -> Option<String> {
        let at = match &result.tool_call_id {
            Some(id) => self.by_id.get_mut(id)?.pop()?,
            None => {
                let open = || {
                    (self.first..).zip(&self.calls[self.first..]).filter_map(|(at, call)| Some((at, call.as_ref()?)))
                };
                let is_named = |call: &Call| result.name.as_ref().is_none_or(|name| *name == call.name);
                let named = open().find(|(_, call)| is_named(call));
                // Some clients name a function otherwise than its call does; there is one such call at a time.
                named.or_else(|| open().find(|(_, call)| call.is_legacy && result.role == "function"))?.0
            }
        };
        let call = self.calls[at].take()?;
        *self.answered.entry(call.id.clone()).or_default() += 1;
        if result.tool_call_id.is_none() {
            self.by_id.get_mut(&call.id)?.retain(|other| *other != at);
        }
        self.first += self.calls[self.first..].iter().take_while(|call| call.is_none()).count();
        Some(call.id)
    }

    /// Nothing else may stand before the results.
    fn close(&mut self) -> Result<(), ApiError> {
        // One result answers all calls of its id; of several, each answers one.
        let is_open = |call: &&Call| !call.is_legacy && self.answered.get(&call.id) != Some(&1);
        let open: Vec<&str> = self.calls.iter().flatten().filter(is_open).map(|call| call.id.as_str()).collect();
        if open.is_empty() {
            *self = Self::default();
            return Ok(());
        }
        let shown = open.iter().take(MAX_SHOWN).copied().collect::<Vec<_>>().join(", ");
        let more =
            if open.len() > MAX_SHOWN { format!(", and {} more", open.len() - MAX_SHOWN) } else { String::new() };
        let message = format!(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: {shown}{more} (messages[{}])",
            self.message
        );
        Err(ApiError::bad_request(Some("messages"), None, message))
    }
}

/// Ids that one complaint names.
const MAX_SHOWN: usize = 16;

fn no_call(i: usize, result: &ChatMessage) -> ApiError {
    let (param, message) = match (&result.tool_call_id, result.role.as_str()) {
        (Some(id), _) => {
            let param = format!("messages[{i}].tool_call_id");
            let why = format!(
                "messages with role 'tool' must answer a call of the assistant message before them; '{id}' is none"
            );
            (param, why)
        }
        (None, role) => {
            let name = result.name.as_ref().map(|name| format!(" of '{name}'")).unwrap_or_default();
            let field = if role == "function" { "function_call" } else { "tool_calls" };
            let why = format!(
                "messages with role '{role}' must follow an assistant message with '{field}'; there is no call{name} without a result"
            );
            (format!("messages[{i}]"), why)
        }
    };
    ApiError::bad_request(Some(&param), Some("invalid_value"), format!("Invalid '{param}': {message}."))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::wire::chat_request::ChatRequest;

    /// The ids of the calls, and of what the results answer.
    fn ids(messages: &Value) -> Result<(Vec<String>, Vec<String>), ApiError> {
        let body = json!({"model": "m", "messages": messages});
        let (request, _) = ChatRequest::read(&body)?;
        let messages = into_messages(request.messages)?;
        let calls = messages.iter().flat_map(|message| &message.tool_calls).map(|call| call.id.clone()).collect();
        Ok((calls, messages.into_iter().filter_map(|message| message.tool_call_id).collect()))
    }

    fn calls(calls: &[(Option<&str>, &str)]) -> Value {
        let call = |(id, name): &(Option<&str>, &str)| json!({"id": id, "type": "function", "function": {"name": name, "arguments": "{}"}});
        json!({"role": "assistant", "content": null, "tool_calls": calls.iter().map(call).collect::<Vec<_>>()})
    }

    fn result(id: Option<&str>, name: Option<&str>) -> Value {
        json!({"role": "tool", "tool_call_id": id, "name": name, "content": "x"})
    }

    #[test]
    fn each_result_finds_its_call() {
        let older = json!({"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{}"}});
        let said = json!({"role": "user", "content": "x"});
        for (messages, expected) in [
            (json!([calls(&[(Some("a"), "f")]), result(Some("a"), None)]), (vec!["a"], vec!["a"])),
            (json!([calls(&[(None, "f")]), result(None, None)]), (vec!["call_0"], vec!["call_0"])),
            (json!([calls(&[(Some(""), "f")]), result(Some(""), None)]), (vec!["call_0"], vec!["call_0"])),
            (
                json!([
                    calls(&[(None, "f"), (Some("call_0"), "g"), (None, "h")]),
                    result(None, Some("h")),
                    result(None, None),
                    result(None, None)
                ]),
                (vec!["call_1", "call_0", "call_2"], vec!["call_1", "call_0", "call_2"]),
            ),
            (
                json!([calls(&[(Some("a"), "f"), (Some("a"), "g")]), result(Some("a"), None), result(Some("a"), None)]),
                (vec!["a", "a"], vec!["a", "a"]),
            ),
            (json!([older, {"role": "function", "name": "f", "content": "x"}]), (vec!["call_0"], vec!["call_0"])),
            (json!([older, said, older]), (vec!["call_0", "call_1"], vec![])),
            (json!([older, {"role": "function", "name": "g", "content": "x"}]), (vec!["call_0"], vec!["call_0"])),
            (
                json!([calls(&[(Some("a"), "f"), (Some("a"), "g")]), result(Some("a"), None), said]),
                (vec!["a", "a"], vec!["a"]),
            ),
            (json!([calls(&[(None, "f")]), result(None, Some(""))]), (vec!["call_0"], vec!["call_0"])),
        ] {
            let (made, answered) = ids(&messages).expect("a history");
            assert_eq!(
                (made.iter().map(String::as_str).collect(), answered.iter().map(String::as_str).collect()),
                expected,
                "{messages}"
            );
        }
    }

    #[test]
    fn what_fits_no_call_is_named() {
        let said = json!({"role": "user", "content": "x"});
        for (messages, param, part) in [
            (json!([result(None, None)]), "messages[0]", "there is no call without a result"),
            (json!([calls(&[(None, "f")]), result(None, Some("g"))]), "messages[1]", "no call of 'g'"),
            (json!([calls(&[(Some("a"), "f")]), result(Some("b"), None)]), "messages[1].tool_call_id", "'b' is none"),
            (
                json!([calls(&[(Some("a"), "f")]), result(Some("a"), None), result(Some("a"), None)]),
                "messages[2].tool_call_id",
                "'a' is none",
            ),
            (json!([said, {"role": "function", "name": "f", "content": "x"}]), "messages[1]", "with 'function_call'"),
            (
                json!([calls(&[(Some("a"), "f"), (None, "g")]), result(None, Some("g")), said]),
                "messages",
                "response messages: a",
            ),
            (json!([calls(&[(Some(&"a".repeat(513)), "f")])]), "messages[0].tool_calls[0].id", "maximum length 512"),
        ] {
            let error = ids(&messages).expect_err("no history");
            assert_eq!(error.param.as_deref(), Some(param), "{messages}");
            assert!(error.message.contains(part), "{messages}: {}", error.message);
        }
    }
}
