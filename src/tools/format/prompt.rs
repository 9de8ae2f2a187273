//! What a model is told of tools and of its format, where its template does not.

use super::Family;
use crate::tools::{Tool, ToolCall, ToolChoice};

const INSTRUCTIONS: &str = "You can call functions to answer the user. These are the functions, one per line, each with the \
    JSON Schema of its arguments:\n<tools>\n{tools}\n</tools>\n\nTo call a function, write its name and its arguments{form} \
    between these tags, and nothing after them:\n{call}";
const AS_JSON: &str = " as a JSON object";
const AS_ELEMENTS: &str = ", text as it is and all else as JSON,";
const RESULTS: &str = "\nThe result then comes back between {open} tags.";
const DEMAND: &str = "Answer this time with a function call.";

impl Family {
    /// What the model is told: the tools, and how to call them.
    #[must_use]
    pub fn describe(&self, tools: &[Tool]) -> String {
        let lines: Vec<String> = tools.iter().map(|tool| tool.definition().to_string()).collect();
        let (form, arguments) = match (&self.parameter, &self.notation) {
            (None, None) => (AS_JSON, "{…}"),
            (None, Some(_)) => ("", r#"{"argument_name": "value"}"#),
            (Some(_), _) => (AS_ELEMENTS, r#"{"argument name": "value"}"#),
        };
        let call = ToolCall { id: "abc123xyz".into(), name: "function name".into(), arguments: arguments.into() };
        let results = match self.result.0.trim() {
            "" => String::new(),
            open => RESULTS.replace("{open}", open),
        };
        // Why last: definitions come from strangers, and may hold what stands for a call.
        let instructions =
            format!("{INSTRUCTIONS}{results}").replace("{form}", form).replace("{call}", &self.render_calls(&[call]));
        instructions.replace("{tools}", &lines.join("\n"))
    }

    /// What the model is told besides, if it must call a tool.
    #[must_use]
    pub fn demand(choice: &ToolChoice) -> Option<String> {
        match choice {
            ToolChoice::Required => Some(DEMAND.to_owned()),
            ToolChoice::Named(name) => Some(format!("{DEMAND} The function is: {name}.")),
            ToolChoice::None | ToolChoice::Auto => None,
        }
    }
}
