//! What became of the keywords of a request's schemas, where it asks for that.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::bound::Bound;
use super::{Part, PrepareError, part_of_output};
use crate::generation::request::Request;
use crate::grammar::{self, Compiled, Report};
use crate::schema::{Deadline, Document};
use crate::tools::{Tool, ToolChoice};

/// What became of the keywords of a request's schemas.
#[derive(Clone, Debug, Serialize)]
pub struct Reports {
    /// Of the answer's, if it has one.
    pub enforcement: Option<Report>,
    /// Of the arguments of the tools that may be called, by name, as far as there was time for it.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub tools: Map<String, Value>,
}

/// Processor time of the reports on tools, of which there may be hundreds.
const MAX_REPORT_TIME: Duration = Duration::from_secs(2);

pub(super) fn reports(
    request: &Request,
    tools: &[Tool],
    answer: Option<&Bound>,
    grammar: &Compiled,
) -> Result<Reports, PrepareError> {
    let compile_ms = grammar.compile_time.as_secs_f64() * 1e3;
    let of = |part: Part, document: &Document, cheapest_tokens| {
        grammar::report(document, compile_ms, cheapest_tokens).map_err(|error| PrepareError::Schema { part, error })
    };
    let enforcement = match answer {
        Some(Bound::Json(document)) => {
            let cheapest = grammar.cheapest_tokens().filter(|_| tools.is_empty());
            Some(of(part_of_output(&request.output), document, cheapest)?)
        }
        _ => None,
    };
    let deadline = Deadline::after(MAX_REPORT_TIME);
    let mut on_tools = Map::new();
    for (tool, asked) in tools.iter().zip(&request.tools) {
        if deadline.left().is_zero() {
            break;
        }
        if matches!(&request.tool_choice, ToolChoice::Named(name) if *name != tool.name) {
            continue;
        }
        let report = of(asked.part(), &tool.parameters, None)?;
        on_tools.insert(tool.name.clone(), json!(report));
    }
    Ok(Reports { enforcement, tools: on_tools })
}
