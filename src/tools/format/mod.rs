//! Tool formats as data. A family is one [`ToolFormat`]; the shape of its answers is a file in grammars/.

mod tagged;

pub use tagged::HERMES;

use std::fmt::Write as _;
use std::sync::Arc;

use super::{Tool, ToolCall, ToolChoice};
use crate::grammar::{Call, Calls, Spec, Style, quote};
use crate::schema::Document;

/// How a family of models writes tool calls: `OPEN BEFORE_NAME name AFTER_NAME arguments CLOSE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToolFormat {
    /// The family's name.
    pub name: &'static str,
    /// The shape of an answer: Lark text that this description completes.
    pub shape: &'static str,
    /// The marker that begins a call; free text never holds it.
    pub open: &'static str,
    /// Between the marker and the name.
    pub before_name: &'static str,
    /// Between the name and the arguments.
    pub after_name: &'static str,
    /// After the arguments, to the end of the call.
    pub close: &'static str,
    /// Between two calls.
    pub separator: &'static str,
    /// Around a tool's result.
    pub result: (&'static str, &'static str),
    /// What the model is told about tools and the format; `{tools}` stands for one JSON object per line, `{call}` for a
    /// call as it is written.
    pub instructions: &'static str,
    /// Added if it must call a tool.
    pub instructions_required: &'static str,
}

/// Every family.
pub const FORMATS: [&ToolFormat; 5] =
    [&HERMES, &tagged::REKA, &tagged::EXAONE, &tagged::LONGCAT, &tagged::FUNCTIONARY_3_1];

/// What an answer with tools may be besides calls.
#[derive(Clone, Debug)]
pub enum Otherwise {
    /// Free text.
    Prose,
    /// JSON by this schema.
    Schema(Arc<Document>),
}

impl ToolFormat {
    /// Makes the grammar of an answer. Sub-grammar `tool_i` is the i-th tool's arguments, `answer` the schema's.
    #[must_use]
    pub fn spec(&self, tools: &[Tool], choice: &ToolChoice, parallel: bool, otherwise: &Otherwise) -> Spec {
        let mut schemas: Vec<(String, Arc<Document>)> =
            tools.iter().enumerate().map(|(i, tool)| (format!("tool_{i}"), Arc::clone(&tool.parameters))).collect();
        // Source: OpenAI's function calling guide: a named function is called exactly once.
        let (calls, after_prose) = if parallel && !matches!(choice, ToolChoice::Named(_)) {
            ("calls", "calls_after_prose")
        } else {
            ("one_call", "one_call_after_prose")
        };
        let start = match (choice, otherwise) {
            (ToolChoice::Required | ToolChoice::Named(_), _) => calls.to_owned(),
            (ToolChoice::Auto | ToolChoice::None, Otherwise::Prose) => format!("prose | {calls} | {after_prose}"),
            (ToolChoice::Auto | ToolChoice::None, Otherwise::Schema(document)) => {
                schemas.push(("answer".to_owned(), Arc::clone(document)));
                format!("{calls} | @answer")
            }
        };
        let mut lark = format!("start: {start}\n{}\n", self.shape);
        let next = format!("{}{}", self.separator, self.open);
        let _ = writeln!(lark, "OPEN: {}\nNEXT: {}", quote(self.open), quote(&next));
        let callable = tools.iter().enumerate().filter(|(_, tool)| match choice {
            ToolChoice::Named(name) => tool.name == *name,
            ToolChoice::None | ToolChoice::Auto | ToolChoice::Required => true,
        });
        let mut each = Vec::new();
        let alternatives: Vec<String> = callable
            .map(|(i, tool)| {
                let head = format!("{}{}{}", self.before_name, tool.name, self.after_name);
                let (whole, schema) = (format!("{}{head}", self.open), format!("tool_{i}"));
                each.push(Call { head: whole, schema, tail: self.close.to_owned() });
                format!("{} @tool_{i} {}", quote(&head), quote(self.close))
            })
            .collect();
        let _ = writeln!(lark, "gen_call: {}", alternatives.join(" | "));
        let calls = Calls {
            open: self.open.to_owned(),
            separator: self.separator.to_owned(),
            follow_prose: matches!(choice, ToolChoice::Auto | ToolChoice::None)
                && matches!(otherwise, Otherwise::Prose),
            each,
        };
        Spec { lark, schemas, calls: Some(calls), style: Style::default() }
    }

    /// What the model is told: the tools, and how to call them.
    #[must_use]
    pub fn describe(&self, tools: &[Tool]) -> String {
        let lines: Vec<String> = tools.iter().map(|tool| tool.definition().to_string()).collect();
        let call = ToolCall { id: String::new(), name: "function name".into(), arguments: "{…}".into() };
        // Why last: definitions come from strangers, and may hold what stands for a call.
        self.instructions.replace("{call}", &self.render_call(&call)).replace("{tools}", &lines.join("\n"))
    }

    /// What the model is told besides, if it must call a tool.
    #[must_use]
    pub fn demand(&self, choice: &ToolChoice) -> Option<String> {
        match choice {
            ToolChoice::Required => Some(self.instructions_required.to_owned()),
            ToolChoice::Named(name) => Some(format!("{} The function is: {name}.", self.instructions_required)),
            ToolChoice::None | ToolChoice::Auto => None,
        }
    }

    /// Whether `text` is part of a marker.
    #[must_use]
    pub fn holds(&self, text: &str) -> bool {
        [self.open, self.before_name, self.after_name, self.close].iter().any(|marker| marker.contains(text))
    }

    /// Writes a call of the history as the model would have.
    #[must_use]
    pub fn render_call(&self, call: &ToolCall) -> String {
        let arguments = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
        format!("{}{}{}{}{}{}", self.open, self.before_name, call.name, self.after_name, arguments, self.close)
    }

    /// Writes a tool's result.
    #[must_use]
    pub fn render_result(&self, content: &str) -> String {
        format!("{}{content}{}", self.result.0, self.result.1)
    }
}
