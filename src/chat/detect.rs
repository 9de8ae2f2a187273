//! Whether a template knows tools, found out by rendering a conversation with calls and looking at what becomes of them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::arrange::{ArgumentsAs, CallsIn, Wants};
use super::infer::infer;
use super::{Message, Role, Wrapper};
use crate::tools::ToolCall;
use crate::tools::format::{Family, Ids};

/// How a model is told of tools, and how it calls them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolSupport {
    /// The format of its calls.
    pub family: Arc<Family>,
    /// How that was found.
    pub found: Found,
    /// Whether the template shows the tools that there are. Where it does not, the first system message describes them.
    pub shows_tools: bool,
    /// Whether it shows calls. Where it does not, they are put into the text of the message.
    pub shows_calls: bool,
    /// What the template wants of calls.
    pub(super) wants: Wants,
}

/// How a model's format of calls was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The template writes calls as a known family does.
    Known,
    /// The template writes calls in a way that could be read off it.
    Inferred,
    /// It was not: the model is taught one by its prompt.
    Prompt,
}

impl ToolSupport {
    /// Whether the template itself shows calls and results.
    #[must_use]
    pub fn is_native(&self) -> bool {
        self.found != Found::Prompt
    }

    /// The generic format, described in the prompt.
    #[must_use]
    pub fn by_prompt() -> Self {
        Self::taught(Family::generic())
    }

    /// A family's format, described in the prompt.
    #[must_use]
    pub fn taught(family: Arc<Family>) -> Self {
        Self { family, found: Found::Prompt, shows_tools: false, shows_calls: false, wants: Wants::default() }
    }
}

/// Texts that no template holds by itself.
const NAME: &str = "fn_alpha";
const SYSTEM: &str = "system_alpha";
pub(super) const QUESTION: &str = "question_alpha";
const ANSWER: &str = "answer_alpha";
pub(super) const DESCRIPTION: &str = "desc_alpha";
const KEY: &str = "key_alpha";
const RESULT: &str = "result_alpha";
const NEXT: &str = "next_alpha";

/// Finds the format that `render` writes calls in, and what else it wants of them.
pub(super) fn detect(source: &str, render: impl Fn(&[Message], &[Value], Wants) -> Option<String>) -> ToolSupport {
    let mut support = look(source, &render);
    if support.is_native() {
        let calls = calls(if support.family.parallel { 2 } else { 1 }, support.family.ids);
        let called = called(&calls);
        let rendered = |wants: Wants| render(&called, &tools(true), wants).filter(|text| text.contains(RESULT));
        let nulled = Wants { null_content: true, ..support.wants };
        // Why the shorter: what is left out is an empty message beside the calls.
        if let (Some(empty), Some(null)) = (rendered(support.wants), rendered(nulled))
            && null.len() < empty.len()
            && calls.iter().all(|call| is_written(&support.family, call, &null))
        {
            support.wants = nulled;
        }
        support.wants.descriptions = render(&called, &tools(false), support.wants).is_none();
    }
    support
}

/// A tool, with descriptions everywhere or without any.
pub(super) fn tools(has_descriptions: bool) -> [Value; 1] {
    let key = |kind: &str| match has_descriptions {
        true => json!({"type": kind, "description": "what the key is for"}),
        false => json!({"type": kind}),
    };
    let parameters = json!({"type": "object", "properties": {
        "key_one": key("string"), "key_two": key("integer"), KEY: key("boolean")}});
    let function = match has_descriptions {
        true => json!({"name": NAME, "description": DESCRIPTION, "parameters": parameters}),
        false => json!({"name": NAME, "parameters": parameters}),
    };
    [json!({"type": "function", "function": function})]
}

/// Whether `text` holds the call's arguments as the family writes them, however they are laid out.
fn is_written(family: &Family, call: &ToolCall, text: &str) -> bool {
    let squeezed = |text: &str| text.split_ascii_whitespace().collect::<String>();
    squeezed(text).contains(&squeezed(&family.render_arguments(&call.arguments)))
}

fn look(source: &str, render: impl Fn(&[Message], &[Value], Wants) -> Option<String>) -> ToolSupport {
    let tools = tools(true);
    let wrapper = Wrapper::of(source);
    let answered = answered();
    let (mut silent, mut rough) = (None, None);
    // Why text first: what the model wrote is copied, and found in its cache again; an object is written anew.
    let ways = [false, true].into_iter().flat_map(|null_content| {
        let wants = move |arguments| Wants { arguments, null_content, ..Wants::default() };
        [ArgumentsAs::Text, ArgumentsAs::Object].map(wants)
    });
    let as_messages = Wants { calls_in: CallsIn::Messages, arguments: ArgumentsAs::Text, ..Wants::default() };
    for wants in ways.chain([as_messages]) {
        for (n_calls, ids) in [(2, Ids::Nine), (2, Ids::Functions), (1, Ids::Nine)] {
            let calls = calls(n_calls, ids);
            let Some(text) = render(&called(&calls), &tools, wants) else { continue };
            if [SYSTEM, RESULT].iter().any(|shown| !text.contains(shown)) {
                continue;
            }
            // Where calls and text go on from the prompt's end alike, it is there.
            let has_end = |family: &Family| family.text.0 == family.prompt_end || text.ends_with(&family.prompt_end);
            let is_of = |family: &&Arc<Family>| {
                !family.source.is_empty()
                    && family.source.iter().all(|part| source.contains(part.as_str()))
                    && has_end(family)
            };
            let shows_tools = [DESCRIPTION, KEY].iter().all(|shown| text.contains(shown));
            let known = Family::all().iter().find(is_of);
            if wants.calls_in == CallsIn::Messages {
                // Why whole: many templates show a message's content, and nothing else of such a call.
                let is_whole =
                    |f: &&Arc<Family>| calls.iter().all(|c| text.contains(&f.render_calls(std::slice::from_ref(c))));
                if let Some(family) = known.filter(is_whole) {
                    let family = Arc::clone(family);
                    return ToolSupport { family, found: Found::Known, shows_tools, shows_calls: true, wants };
                }
                continue;
            }
            if let Some(family) = known {
                let is_written = |call: &ToolCall| is_written(family, call, &text);
                let is_shown = |call: &ToolCall| text.contains(&call.arguments) || is_written(call);
                let shows_calls = calls.iter().all(is_shown);
                let support =
                    ToolSupport { family: Arc::clone(family), found: Found::Known, shows_tools, shows_calls, wants };
                if calls.iter().all(is_written) {
                    return support;
                }
                // It may yet turn out to show them as the model writes them, or in a way of its own.
                if shows_calls {
                    rough = rough.or(Some(support));
                    continue;
                }
                silent = silent.or(Some(support).filter(|support| support.shows_tools));
            }
            let Some(plain) = render(&answered, &tools, wants) else { continue };
            let (Some(before), Some(after)) = (between(&plain, QUESTION, ANSWER), between(&plain, ANSWER, NEXT)) else {
                continue;
            };
            let (before, after) =
                wrapper.map_or((before, after), |wrapper| (wrapper.before(before), wrapper.after(after)));
            // A template that puts more around calls than around an answer has another format.
            let is_bare = |family: &&Arc<Family>| {
                let written = family.render_calls(&calls);
                (family.ids == Ids::Functions) == (ids == Ids::Functions)
                    && family.parallel == (n_calls > 1)
                    && between(&text, QUESTION, &written).is_some_and(|b| b.trim_end() == before.trim_end())
            };
            // A template that takes text as it comes may write objects in a way of its own.
            let writes_json = || {
                let other = render(&called(&calls), &tools, Wants { arguments: ArgumentsAs::Object, ..wants });
                other.is_none_or(|text| calls.iter().all(|call| text.contains(&call.arguments)))
            };
            let support = |family, found| ToolSupport { family, found, shows_tools, shows_calls: true, wants };
            // Why the longest: what one family writes may begin what another does.
            let len = |family: &&Arc<Family>| family.render_calls(&calls).len();
            if let Some(family) = Family::all().iter().filter(is_bare).rev().max_by_key(len)
                && (!family.writes_json() || writes_json())
            {
                return support(Arc::clone(family), Found::Known);
            }
            let answer = text.split_once(QUESTION).map(|(_, rest)| rest).unwrap_or_default();
            if let ([first, second], Ids::Nine) = (calls.as_slice(), ids)
                && let Some(family) = infer(answer, (before, after), first, second)
                && (!family.writes_json() || writes_json())
            {
                return support(Arc::new(family), Found::Inferred);
            }
        }
    }
    rough.or(silent).unwrap_or_else(ToolSupport::by_prompt)
}

/// What stands between the first `a` of `text` and the `b` that follows it.
fn between<'t>(text: &'t str, a: &str, b: &str) -> Option<&'t str> {
    let rest = &text[text.find(a)? + a.len()..];
    Some(&rest[..rest.find(b)?])
}

/// Calls with differing ids and arguments.
fn calls(n: usize, ids: Ids) -> Vec<ToolCall> {
    let one = |i: usize| ToolCall {
        // Source: Mistral's templates take ids of nine letters and digits only.
        id: if ids == Ids::Functions { format!("functions.{NAME}:{i}") } else { format!("callid00{}", i + 1) },
        name: NAME.to_owned(),
        arguments: format!("{{\"key_one\": \"val {i}\", \"key_two\": {i}}}"),
    };
    (0..n).map(one).collect()
}

/// Calls in one turn, their results, and a next question.
fn called(calls: &[ToolCall]) -> Vec<Message> {
    let result = |call: &ToolCall| Message { tool_call_id: Some(call.id.clone()), ..Message::text(Role::Tool, RESULT) };
    let mut messages = vec![
        Message::text(Role::System, SYSTEM),
        Message::text(Role::User, QUESTION),
        Message { tool_calls: calls.to_vec(), ..Message::text(Role::Assistant, "") },
    ];
    messages.extend(calls.iter().map(result));
    messages.extend([Message::text(Role::Assistant, "text"), Message::text(Role::User, NEXT)]);
    messages
}

/// A plain answer, and a next question.
fn answered() -> Vec<Message> {
    vec![
        Message::text(Role::System, SYSTEM),
        Message::text(Role::User, QUESTION),
        Message::text(Role::Assistant, ANSWER),
        Message::text(Role::User, NEXT),
    ]
}
