//! What would become of a schema or a tool, without an answer: the same compilation as for a request, a report, and
//! examples put to the test.

use std::sync::Arc;

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use serde_json::Value;

use super::prepare::read_tool;
use super::{Generator, GeneratorOptions, Part, PrepareError, RequestTool};
use crate::grammar::cfg::{Cfg, Judgement};
use crate::grammar::{Compiler, GrammarError, INPUT, Report, examine};
use crate::schema::{Document, ErrorKind, Limits, Pointer, SchemaError, Store};
use crate::testing::{ExampleError, Options, Sampler, TestingError, Trial};
use crate::tools::format::Otherwise;
use crate::tools::{Tool, ToolChoice};

/// What errors call the schema.
const PART: &str = "schema";

/// Values that show what a schema means.
#[derive(Clone, Debug, Default)]
pub struct Examples {
    /// Ones that it must allow.
    pub allowed: Vec<Value>,
    /// Ones that it must not.
    pub refused: Vec<Value>,
}

/// What a check showed.
#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    /// What becomes of each keyword.
    pub enforcement: Report,
    /// What the examples showed, if they were put to the test.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trial: Option<Trial>,
}

/// What is checked.
#[derive(Clone, Debug)]
pub enum Subject {
    /// The arguments of a tool.
    Tool(RequestTool),
    /// The schema of an answer.
    Schema {
        /// What errors call it.
        name: String,
        /// The schema.
        schema: Value,
    },
}

impl Generator {
    /// Checks `subject` as [`Subject::check`] does, on a thread for blocking work, few at once; a tool is also compiled
    /// as the model's calls of it are.
    ///
    /// # Errors
    /// As [`Subject::check`]; [`PrepareError::Busy`] if others are being prepared for too long.
    pub async fn check(
        self: &Arc<Self>,
        subject: Subject,
        examples: Option<Examples>,
    ) -> Result<Checked, PrepareError> {
        let work = move |this: &Self| {
            let GeneratorOptions { limits, store, .. } = &this.options;
            if let Subject::Tool(tool) = &subject {
                let read = read_tool(tool, *limits, store)?;
                let model = this.model();
                let native = &model.templates.with_tools().format;
                // As in a request: a grammar is written in JSON alone.
                let is_own = read.input.is_none() || native.family.writes_json();
                let format = if is_own { native } else { model.generic };
                let spec = format.spec(&[read], &ToolChoice::Required, false, &Otherwise::Prose, None);
                this.compiler.compile(&spec).map_err(|error| refused_by(error, &subject.part()))?;
            }
            subject.check(&this.compiler, *limits, store, examples.as_ref())
        };
        let late = |time| {
            let error = SchemaError::at(Pointer::default(), ErrorKind::OutOfTime(time));
            PrepareError::Schema { part: Part::ResponseFormat(PART.to_owned()), error }
        };
        self.off_thread("checking the schema", late, work).await
    }
}

impl Subject {
    /// Compiles it, reports on it, and puts `examples` to the test, if there are any. Blocks for up to seconds.
    ///
    /// # Errors
    /// With what is wrong with it, or with the examples.
    pub fn check(
        &self,
        compiler: &Compiler,
        limits: Limits,
        store: &Arc<Store>,
        examples: Option<&Examples>,
    ) -> Result<Checked, PrepareError> {
        let document = match self {
            Self::Tool(tool) => {
                let Tool { parameters, input, .. } = read_tool(tool, limits, store)?;
                if let Some(cfg) = input {
                    examples.map(|examples| judge_inputs(&cfg, examples)).transpose()?;
                    return check_document(compiler, &parameters, None, &self.part());
                }
                parameters
            }
            Self::Schema { schema, .. } => Document::parse_with(schema.clone(), limits, Arc::clone(store))
                .map(Arc::new)
                .map_err(|error| PrepareError::Schema { part: self.part(), error })?,
        };
        check_document(compiler, &document, examples, &self.part())
    }

    fn part(&self) -> Part {
        match self {
            Self::Tool(tool) => tool.part(),
            Self::Schema { name, .. } => Part::ResponseFormat(name.clone()),
        }
    }
}

fn check_document(
    compiler: &Compiler,
    document: &Arc<Document>,
    examples: Option<&Examples>,
    part: &Part,
) -> Result<Checked, PrepareError> {
    let enforcement = examine(compiler, document).map_err(|error| refused_by(error, part))?;
    let Some(examples) = examples else { return Ok(Checked { enforcement, trial: None }) };
    let refused = |error: SchemaError| PrepareError::Schema { part: part.clone(), error };
    let sampler = match Sampler::of(Arc::clone(document), Options::default()) {
        Ok(sampler) => sampler,
        Err(TestingError::Schema(error)) => return Err(refused(error)),
        Err(TestingError::Grammar(error)) => return Err(refused_by(error, part)),
        Err(TestingError::Check(error)) => return Err(refused(error.into())),
        // Why: enforced all the same; only chance finds no value of it.
        Err(TestingError::NoInstance) => return Ok(Checked { enforcement, trial: None }),
    };
    let trial = sampler.try_out(&examples.allowed, &examples.refused, &mut ChaCha8Rng::seed_from_u64(0));
    let trial = trial.map_err(|error| {
        let param = match error {
            ExampleError::NotAllowed { index, .. } => format!("examples[{index}]"),
            ExampleError::Allowed { index } => format!("counterexamples[{index}]"),
        };
        PrepareError::Example { param, message: error.to_string() }
    })?;
    if !trial.disagreements.is_empty() {
        // Why not a fault of the client's: answers are judged at their end, so nothing invalid gets out.
        tracing::error!(disagreements = ?trial.disagreements, "masks and validator disagree on a schema");
    }
    Ok(Checked { enforcement, trial: Some(trial) })
}

/// Holds the inputs of a custom tool against its grammar.
fn judge_inputs(cfg: &Cfg, Examples { allowed, refused }: &Examples) -> Result<(), PrepareError> {
    let judge = |example: &Value| match example.get(INPUT).and_then(Value::as_str) {
        Some(input) => cfg.judge(input),
        None => Judgement::NotDerived,
    };
    let wrong = |list: &[Value], is_wrong: Judgement| list.iter().position(|example| judge(example) == is_wrong);
    let example = |param: String, message: &str| PrepareError::Example { param, message: message.to_owned() };
    if let Some(i) = wrong(allowed, Judgement::NotDerived) {
        return Err(example(format!("examples[{i}]"), "the grammar does not derive this example"));
    }
    match wrong(refused, Judgement::Derived) {
        Some(i) => Err(example(format!("counterexamples[{i}]"), "the grammar derives this counterexample")),
        None => Ok(()),
    }
}

fn refused_by(error: GrammarError, part: &Part) -> PrepareError {
    match error {
        GrammarError::Schema { error, .. } => PrepareError::Schema { part: part.clone(), error },
        GrammarError::Grammar(message) => PrepareError::Grammar(message),
    }
}
