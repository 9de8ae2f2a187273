//! What judges the finished values of one request.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::json;

use super::bound::Bound;
use super::{Part, PrepareError, part_of_output};
use crate::generation::request::{Output, Request, TextRule};
use crate::grammar::Compiled;
use crate::grammar::cfg::Cfg;
use crate::grammar::structure::{Judge, PartSchema};
use crate::guard::Check;
use crate::schema::{Document, pattern};
use crate::tools::{Tool, ToolChoice};

/// The independent checks of one request.
#[derive(Clone, Debug, Default)]
pub struct Checks {
    /// For content, if it is bound.
    pub content: Option<Arc<Check>>,
    /// Whether content is judged as a text, not as JSON.
    pub is_text: bool,
    /// What derives the content, if that is bound by a grammar.
    pub derivation: Option<Arc<Cfg>>,
    /// What judges the content, if it has several parts.
    pub parts: Option<Judge>,
    /// For arguments, by tool name.
    pub tools: Vec<(String, Arc<Check>)>,
    /// For the inputs of custom tools, by tool name.
    pub inputs: Vec<(String, Arc<Cfg>)>,
    /// Whether an answer without a call is a fault.
    pub requires_call: bool,
}

pub(super) fn checks(
    request: &Request,
    tools: &[Tool],
    answer: Option<&Bound>,
    grammar: Option<&Compiled>,
) -> Result<Checks, PrepareError> {
    let check = |part: Part, document: &Document| {
        Check::of(document).map(Arc::new).map_err(|error| PrepareError::Schema { part, error: error.into() })
    };
    let content = match (&request.output, answer) {
        (_, Some(Bound::Json(document))) => Some(check(part_of_output(&request.output), document)?),
        (Output::Matching { rule, .. }, _) => check_of(rule),
        _ => None,
    };
    let derivation = match answer {
        Some(Bound::Derived(cfg)) => Some(Arc::clone(cfg)),
        _ => None,
    };
    let parts = match answer {
        Some(Bound::Parts(parts, documents)) => {
            let of =
                |(document, schema): (&Arc<Document>, &PartSchema)| check(Part::Value(schema.at.clone()), document);
            let checks = documents.iter().zip(&parts.schemas).map(of).collect::<Result<_, _>>()?;
            let encodings = grammar.map(|grammar| &grammar.encodings);
            Some(Judge::new(parts, checks, encodings.unwrap_or(&HashMap::new())))
        }
        _ => None,
    };
    let inputs = tools.iter().filter_map(|tool| Some((tool.name.clone(), Arc::clone(tool.input.as_ref()?)))).collect();
    let tools = tools
        .iter()
        .zip(&request.tools)
        .map(|(tool, asked)| Ok((tool.name.clone(), check(asked.part(), &tool.parameters)?)))
        .collect::<Result<_, PrepareError>>()?;
    let requires_call = matches!(request.tool_choice, ToolChoice::Required | ToolChoice::Named(_));
    let is_text = matches!(request.output, Output::Matching { .. });
    Ok(Checks { content, is_text, derivation, parts, tools, inputs, requires_call })
}

/// What judges a finished text; nothing does, where it is a grammar, or a pattern that the validator does not know.
fn check_of(rule: &TextRule) -> Option<Arc<Check>> {
    let schema = match rule {
        TextRule::Regex(pattern) => json!({"type": "string", "pattern": pattern::anchored(pattern)}),
        TextRule::Choice(options) => json!({"enum": options}),
        TextRule::Grammar(_) | TextRule::Parts(_) => return None,
    };
    Check::new(&schema).ok().map(Arc::new)
}
