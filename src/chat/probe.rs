//! What a template takes beside calls, found out by rendering short conversations when it is loaded.

use serde_json::Value;

use super::arrange::{Takes, Wants};
use super::detect::{DESCRIPTION, QUESTION, tools};
use super::rearrange::{merged, with_thoughts};
use super::template::{ChatTemplate, TemplateError, Variables, Way};
use super::{Message, Role, Thinking};
use crate::tools::format::Ids;

/// Texts that no template holds by itself.
const DEVELOPER: &str = "developer_alpha";
const THOUGHT: &str = "thought_alpha";

/// What the model writes first, whatever it says: the prompt has it already.
#[derive(Debug)]
pub(super) struct Gap {
    /// What the prompt ends in.
    pub(super) behind: String,
    pub(super) text: String,
}

impl ChatTemplate {
    /// Renders `messages` in the first arrangement that the template takes.
    pub(super) fn probe(&self, messages: &[Message], tools: &[Value], wants: Wants, takes: Takes) -> Option<String> {
        let way = Way { wants, takes, ids: Ids::Free };
        let once = |messages: &[Message]| self.render_once(messages, tools, way, &Variables::default()).ok();
        once(messages).or_else(|| once(&with_thoughts(messages))).or_else(|| once(&merged(messages, false)))
    }

    /// Whether it takes a conversation at all.
    ///
    /// # Errors
    /// With what the template says of a user's message.
    pub(super) fn try_out(&self) -> Result<(), TemplateError> {
        let asked = vec![Message::text(Role::User, QUESTION)];
        let told = vec![Message::text(Role::System, DEVELOPER), asked[0].clone()];
        let takes = |messages: &[Message], tools: &[Value]| self.probe(messages, tools, Wants::default(), self.takes);
        let takes = |messages: &Vec<Message>| takes(messages, &[]).or_else(|| takes(messages, &tools(true))).is_some();
        if [&asked, &told].into_iter().any(takes) {
            return Ok(());
        }
        let way = Way { wants: Wants::default(), takes: self.takes, ids: Ids::Free };
        match self.render_once(&asked, &[], way, &Variables::default()) {
            Err(TemplateError::Refused(why)) => Err(TemplateError::Useless(why)),
            other => other.map(|_| ()),
        }
    }

    /// Finds out what it takes, how the model thinks, and what stands before that.
    pub(super) fn probed(&self, source: &str) -> (Takes, Option<Thinking>, Option<Gap>) {
        let asked = [Message::text(Role::User, QUESTION)];
        let render = |messages: &[Message], takes| self.probe(messages, &[], Wants::default(), takes);
        let shows_question = |takes| render(&asked, takes).is_some_and(|text| text.contains(QUESTION));
        let parts = Takes { parts: true, ..Takes::default() };
        let mut takes =
            if !shows_question(Takes::default()) && shows_question(parts) { parts } else { Takes::default() };
        let null = Takes { null_tools: true, ..takes };
        let prompt = match (render(&asked, takes), render(&asked, null)) {
            // Why the shorter: the other shows the heading of a list that there is not.
            (absent, Some(with_null)) if absent.as_ref().is_none_or(|absent| with_null.len() < absent.len()) => {
                takes = null;
                Some(with_null)
            }
            (absent, _) => absent,
        };
        let developed = [Message::text(Role::Developer, DEVELOPER), asked[0].clone()];
        let way = Way { wants: Wants::default(), takes, ids: Ids::Free };
        takes.developer = source.contains("developer")
            && self.render_once(&developed, &[], way, &Variables::default()).is_ok_and(|text| text.contains(DEVELOPER));
        let shows_tools = |takes| {
            let shown = self.probe(&asked, &tools(true), Wants::default(), takes);
            shown.is_some_and(|text| text.contains(DESCRIPTION))
        };
        let in_system = Takes { tools_in_system: true, ..takes };
        takes = if !shows_tools(takes) && shows_tools(in_system) { in_system } else { takes };
        // Why: some templates put together what opens a thought.
        let thinking = self.thinking.clone().or_else(|| Thinking::of(prompt.as_deref()?));
        let thought = Message { reasoning: Some(THOUGHT.to_owned()), ..Message::text(Role::Assistant, "text") };
        let thought = [asked[0].clone(), thought];
        let mut said = render(&thought, takes);
        if let Some(thinking) = thinking.as_ref().filter(|_| said.as_ref().is_none_or(|said| !said.contains(THOUGHT))) {
            let as_part = Takes { thoughts_in_parts: true, ..takes };
            let shown = render(&thought, as_part);
            // Why with its tags: a template that knows no parts may write the whole list down.
            let is_read = shown.as_ref().and_then(|shown| shown.split_once(THOUGHT)).is_some_and(|(before, after)| {
                before.trim_end().ends_with(thinking.open()) && after.trim_start().starts_with(thinking.close())
            });
            if is_read {
                (takes, said) = (as_part, shown);
            }
        }
        let gap = thinking.as_ref().and_then(|thinking| {
            let (_, behind) = prompt.as_deref()?.split_once(QUESTION)?;
            let (text, _) =
                said.as_deref()?.split_once(QUESTION)?.1.strip_prefix(behind)?.split_once(thinking.open())?;
            let behind = behind.trim_start();
            let is_gap = !text.is_empty() && text.trim().is_empty() && !behind.is_empty();
            is_gap.then(|| Gap { behind: behind.to_owned(), text: text.to_owned() })
        });
        (takes, thinking, gap)
    }
}
