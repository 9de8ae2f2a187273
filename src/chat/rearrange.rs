//! Messages in the arrangements that strict templates ask for, and in which others leave nothing out.

use std::borrow::Cow;

use super::{Message, Role};

/// The arrangements of `messages` that keep their meaning, the one that is asked for first; each made when it is wanted.
pub(super) fn arrangements(messages: &[Message]) -> impl Iterator<Item = Cow<'_, [Message]>> {
    let has_both = messages.iter().any(says_beside_calls);
    let apart = move || has_both.then(|| apart(messages));
    let said_apart = std::iter::once_with(apart).flatten();
    let others_apart = std::iter::once_with(apart).flatten().flat_map(|messages| OTHERS.map(|other| other(&messages)));
    let others = OTHERS.into_iter().map(|other| other(messages));
    std::iter::once(Cow::Borrowed(messages)).chain(said_apart.chain(others).chain(others_apart).map(Cow::Owned))
}

type Rearrange = fn(&[Message]) -> Vec<Message>;

/// The arrangements that are tried after the messages as they are.
const OTHERS: [Rearrange; 6] = [
    |messages| merged(messages, true),
    |messages| merged(messages, false),
    with_thoughts,
    without_thoughts,
    |messages| opened(&merged(messages, true)),
    |messages| opened(&merged(messages, false)),
];

fn says_beside_calls(message: &Message) -> bool {
    !message.tool_calls.is_empty() && !message.content.trim().is_empty()
}

/// With what was said before calls in a message of its own: many templates show the calls and leave out the text.
fn apart(messages: &[Message]) -> Vec<Message> {
    let mut out = Vec::with_capacity(messages.len() + 1);
    for message in messages {
        if says_beside_calls(message) {
            // The thought led to the call.
            out.push(Message { tool_calls: Vec::new(), reasoning: None, ..message.clone() });
            out.push(Message { content: String::new(), ..message.clone() });
        } else {
            out.push(message.clone());
        }
    }
    out
}

/// Without thoughts where something was said before calls: gpt-oss and LLM-jp take one of them.
fn without_thoughts(messages: &[Message]) -> Vec<Message> {
    let one = |message: &Message| Message {
        reasoning: message.reasoning.clone().filter(|_| !says_beside_calls(message)),
        ..message.clone()
    };
    messages.iter().map(one).collect()
}

/// With one call in each message at most, and its result behind it: as models see it that call one tool at a time.
pub(super) fn one_at_a_time(messages: &[Message]) -> Cow<'_, [Message]> {
    if messages.iter().all(|message| message.tool_calls.len() < 2) {
        return Cow::Borrowed(messages);
    }
    let mut out = Vec::with_capacity(messages.len());
    let mut rest = messages;
    while let Some((message, behind)) = rest.split_first() {
        rest = behind;
        if message.tool_calls.len() < 2 {
            out.push(message.clone());
            continue;
        }
        let n_results = rest.iter().take_while(|message| message.tool_call_id.is_some()).count();
        let (results, behind) = rest.split_at(n_results);
        rest = behind;
        let mut open: Vec<&Message> = results.iter().collect();
        for (i, call) in message.tool_calls.iter().enumerate() {
            let first = if i == 0 { message.clone() } else { Message::text(message.role, "") };
            out.push(Message { tool_calls: vec![call.clone()], ..first });
            if let Some(at) = open.iter().position(|result| result.tool_call_id.as_ref() == Some(&call.id)) {
                out.push(open.remove(at).clone());
            }
        }
        out.extend(open.into_iter().cloned());
    }
    Cow::Owned(out)
}

/// With a thought, if an empty one, before each of the assistant's answers: some templates of thinking models insist.
pub(super) fn with_thoughts(messages: &[Message]) -> Vec<Message> {
    let one = |message: &Message| Message {
        reasoning: message.reasoning.clone().or_else(|| (message.role == Role::Assistant).then(String::new)),
        ..message.clone()
    };
    messages.iter().map(one).collect()
}

/// With a user's message, if an empty one, before the assistant's that stands first: some templates insist.
fn opened(messages: &[Message]) -> Vec<Message> {
    let mut out = messages.to_vec();
    let at = usize::from(out.first().is_some_and(|message| message.role == Role::System));
    if out.get(at).is_some_and(|message| message.role == Role::Assistant) {
        out.insert(at, Message::text(Role::User, ""));
    }
    out
}

/// All system messages in one at the front (or, without `keep_system`, in the first user message), and neighbours of
/// the same role in one: what the strictest templates ask for.
pub(super) fn merged(messages: &[Message], keep_system: bool) -> Vec<Message> {
    let is_system = |m: &&Message| matches!(m.role, Role::System | Role::Developer);
    let system: Vec<&str> = messages.iter().filter(is_system).map(|m| m.content.as_str()).collect();
    let mut out: Vec<Message> = Vec::new();
    if !system.is_empty() {
        out.push(Message::text(if keep_system { Role::System } else { Role::User }, system.join("\n\n")));
    }
    let is_text = |m: &Message| m.role != Role::Tool && m.tool_calls.is_empty();
    for message in messages.iter().filter(|m| !is_system(m)) {
        match out.last_mut() {
            Some(last) if last.role == message.role && is_text(last) && is_text(message) => {
                last.content.push_str("\n\n");
                last.content.push_str(&message.content);
            }
            _ => out.push(message.clone()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::ToolCall;

    #[test]
    fn calls_come_one_at_a_time_where_the_model_calls_so() {
        let call = |id: &str| ToolCall { id: id.into(), name: "f".into(), arguments: "{}".into() };
        let calls = |ids: &[&str], text: &str| Message {
            tool_calls: ids.iter().map(|id| call(id)).collect(),
            ..Message::text(Role::Assistant, text)
        };
        let result = |id: &str| Message { tool_call_id: Some(id.into()), ..Message::text(Role::Tool, id) };
        let asked = Message::text(Role::User, "q");
        let together =
            [asked.clone(), calls(&["a", "b"], "t"), result("b"), result("a"), calls(&["c"], ""), result("c")];
        let apart =
            [asked, calls(&["a"], "t"), result("a"), calls(&["b"], ""), result("b"), calls(&["c"], ""), result("c")];
        assert_eq!(*one_at_a_time(&together), apart);
        assert!(matches!(one_at_a_time(&apart), Cow::Borrowed(_)));
    }
}
