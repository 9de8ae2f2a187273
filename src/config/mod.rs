//! Arguments as typed become a checked configuration. The only reader of the environment.

mod registry;
mod serve;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use self::registry::{RegistryArgs, RegistryCommand, ServerUrl};
pub use self::serve::{ConfigError, DEFAULT_MODEL, ModelSource, ServeArgs, cache_dir};
use crate::testing;

/// A server for GGUF models whose answers always have the shape of your JSON Schema or tool definition.
///
/// It speaks OpenAI's chat completions API: change the base URL, keep your code. A schema in `response_format` or in a
/// tool is compiled into token masks before the first token is drawn, so a small model cannot break it. What cannot be
/// enforced exactly is refused with a JSON pointer; nothing is dropped silently.
#[derive(Debug, Parser)]
#[command(name = "drawplate", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Load a model and serve it over HTTP until Ctrl-C.
    ///
    /// Example: drawplate serve --model hf:bartowski/Qwen2.5-7B-Instruct-GGUF/Qwen2.5-7B-Instruct-Q4_K_M.gguf
    Serve(ServeArgs),
    /// Count how many schemas of a suite are enforced exactly, and measure compiling and masks.
    ///
    /// Example: drawplate conformance --format maskbench --model tokenizer.json cases.jsonl.xz
    Conformance(ConformanceArgs),
    /// Say what becomes of each keyword of a schema: enforced by the mask, by the guard, or an annotation.
    ///
    /// Exits with 1 and names the place if the schema is refused. Example: drawplate check schema.json
    Check(CheckArgs),
    /// Put load on a server that speaks OpenAI's API, this one or another, and measure speed and validity.
    ///
    /// With --compare it asks two servers in turn and prints ratios. Example: drawplate bench http://127.0.0.1:1234/v1
    /// --compare http://127.0.0.1:8080/v1 --schemas benches/schemas --streams 1,4,8
    Bench(BenchArgs),
    /// Print random values of a schema, a line of JSON each: valid ones, or with --invalid ones that miss it narrowly.
    ///
    /// The same seed gives the same values. Example: drawplate sample schema.json -n 100 --seed 7
    Sample(SampleArgs),
    /// Check tools, or add, list, show and remove those that a running server knows by name.
    ///
    /// Example: drawplate tools add weather.json; requests then say {"type": "registered", "name": "weather"}.
    Tools(RegistryArgs),
    /// The same for the schemas of answers.
    ///
    /// Example: drawplate schemas add person.json; requests then say json_schema: {"name": "person"}.
    Schemas(RegistryArgs),
}

/// Arguments of `bench`.
#[derive(Clone, Debug, Args)]
pub struct BenchArgs {
    /// The server's base URL, as clients get it: http://127.0.0.1:1234/v1.
    pub url: String,
    /// A second server, asked in turn with the first; ratios are first to second.
    #[arg(long, value_name = "URL")]
    pub compare: Option<String>,
    /// The model's name in requests.
    #[arg(short, long, default_value = "default")]
    pub model: String,
    /// Requests at once, one measurement each.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,4,8", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub streams: Vec<u16>,
    /// JSON Schemas to bind answers to: files, or folders of them.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub schemas: Vec<PathBuf>,
    /// A file with one prompt per line, used in turn; a short request by default.
    #[arg(long, value_name = "FILE")]
    pub prompts: Option<PathBuf>,
    /// Measure only bound answers; otherwise free text is measured beside them.
    #[arg(long)]
    pub no_free: bool,
    /// Tokens per answer at most.
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub tokens: u32,
    /// Temperature of every request.
    #[arg(long, default_value_t = 0.0)]
    pub temperature: f32,
    /// Times everything is measured, after one round that is thrown away; figures are medians.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub rounds: u16,
    /// Requests of one stream per measurement.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub requests: u16,
    /// Open loop: start so many requests per second at random times, however long answers take.
    #[arg(long, value_name = "PER_SECOND", value_parser = parse_seconds)]
    pub rate: Option<f64>,
    /// Seconds after which a request counts as failed.
    #[arg(long, value_name = "SECONDS", default_value_t = 300.0, value_parser = parse_seconds)]
    pub timeout: f64,
    /// Fields added to every request, a JSON object.
    #[arg(long, value_name = "JSON")]
    pub extra: Option<String>,
    /// Write everything measured to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write a plot of tokens per second to this file, as SVG.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

/// Arguments of `sample`.
#[derive(Clone, Debug, Args)]
pub struct SampleArgs {
    /// The schema's file, or - for standard input.
    pub schema: String,
    /// How many values.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    pub count: usize,
    /// Decides which values.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// From this length on a value comes to its end as soon as the schema lets it; most are much shorter.
    #[arg(long, value_name = "BYTES", default_value_t = testing::Options::default().max_bytes)]
    pub max_bytes: usize,
    /// Arrays and objects inside each other, where the schema allows something else.
    #[arg(long, value_name = "N", default_value_t = testing::Options::default().max_depth)]
    pub max_depth: usize,
    /// Print values that break the schema by one small change.
    #[arg(long)]
    pub invalid: bool,
    /// A folder of JSON Schemas that this one may refer to by their $id. Nothing is ever fetched.
    #[arg(long, value_name = "DIR")]
    pub schemas: Option<PathBuf>,
}

/// Arguments of `check`.
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// The schema's file, or - for standard input.
    pub schema: String,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    /// Whose vocabulary is used: a GGUF file, a tokenizer.json, or fake.
    #[arg(short, long, default_value = "fake")]
    pub model: String,
    /// Exit with 1 also where OpenAI's strict mode would refuse the schema.
    #[arg(long)]
    pub strict: bool,
    /// A folder of JSON Schemas that this one may refer to by their $id. Nothing is ever fetched.
    #[arg(long, value_name = "DIR")]
    pub schemas: Option<PathBuf>,
}

/// Arguments of `conformance`.
#[derive(Clone, Debug, Args)]
pub struct ConformanceArgs {
    /// How the cases are written.
    #[arg(long, value_enum)]
    pub format: SuiteFormat,
    /// Whose vocabulary is used: a GGUF file, a tokenizer.json, or fake.
    #[arg(short, long, default_value = "fake")]
    pub model: String,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    /// Seconds of processor time that compiling a schema may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, value_parser = parse_seconds)]
    pub schema_time: f64,
    /// Write each failing case to this file, a JSON object per line.
    #[arg(long, value_name = "FILE")]
    pub failures: Option<PathBuf>,
    /// Also break valid values off at several places, and see whether a valid ending is found.
    #[arg(long)]
    pub closing: bool,
    /// Let keys come in any order: values are then written as they stand in the file.
    #[arg(long)]
    pub any_order: bool,
    /// Allow every spelling of keys, strings and numbers.
    #[arg(long)]
    pub any_spelling: bool,
    /// Only every N-th case.
    #[arg(long, value_name = "N")]
    pub every: Option<usize>,
    /// Threads [default: one per core].
    #[arg(short, long, value_name = "N")]
    pub threads: Option<usize>,
    /// The file or folder.
    pub path: PathBuf,
}

/// How cases are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum SuiteFormat {
    /// JSON lines of {name, schema, tests: [{valid, data}]}, optionally compressed as .xz.
    Maskbench,
    /// The folder of the official JSON Schema Test Suite, with tests/ and remotes/.
    JsonSchemaTestSuite,
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse::<f64>().ok().filter(|s| *s > 0.0 && *s <= 1e6);
    seconds.ok_or_else(|| "expected a number above 0, at most a million".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }
}
