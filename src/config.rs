//! Arguments as typed become a checked configuration. The only reader of the environment.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::engine::{DrawOn, GpuLayers, KvCells};
use crate::telemetry::LogFormat;
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

/// Arguments of `tools` and `schemas`.
#[derive(Clone, Debug, Args)]
pub struct RegistryArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: RegistryCommand,
}

/// What to do with a registry.
#[derive(Clone, Debug, Subcommand)]
pub enum RegistryCommand {
    /// Compile definitions and put their examples to the test, without a server. Exits with 1 if one is refused.
    Check {
        /// Files with a definition, or a list of them, in JSON; or folders of such files.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Whose vocabulary is used: a GGUF file, a tokenizer.json, or fake.
        #[arg(short, long, default_value = "fake")]
        model: String,
        /// Print a JSON object for each.
        #[arg(long)]
        json: bool,
        /// A folder of JSON Schemas that these may refer to by their $id. Nothing is ever fetched.
        #[arg(long, value_name = "DIR")]
        schemas: Option<PathBuf>,
    },
    /// Register definitions with a running server: a new version where one differs from the newest.
    Add {
        /// Files with a definition, or a list of them, in JSON; or folders of such files.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Where it runs.
        #[command(flatten)]
        server: ServerUrl,
    },
    /// List what is registered.
    List {
        /// Where it runs.
        #[command(flatten)]
        server: ServerUrl,
    },
    /// Print one definition, as JSON.
    Show {
        /// Its name.
        name: String,
        /// The newest by default.
        #[arg(long, value_name = "N")]
        version: Option<u32>,
        /// Where it runs.
        #[command(flatten)]
        server: ServerUrl,
    },
    /// Delete one with all its versions, or one older version.
    Remove {
        /// Its name.
        name: String,
        /// All by default.
        #[arg(long, value_name = "N")]
        version: Option<u32>,
        /// Where it runs.
        #[command(flatten)]
        server: ServerUrl,
    },
}

/// A running server.
#[derive(Clone, Debug, Args)]
pub struct ServerUrl {
    /// The server's base URL, as clients get it.
    #[arg(long, value_name = "URL", env = "DRAWPLATE_URL", default_value = "http://127.0.0.1:1234/v1")]
    pub url: String,
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

/// Arguments of `serve`.
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// The model: a path to a GGUF file, hf:owner/repo/file.gguf (fetched once, checksum verified), or fake.
    ///
    /// Without it, the default model that `make serve` and scripts/get-model put into the cache is used. "fake" needs
    /// no model: it says random things in the right shape, for trying clients.
    #[arg(short, long, env = "DRAWPLATE_MODEL")]
    pub model: Option<String>,
    /// The address to listen on; 0.0.0.0 for all.
    #[arg(long, env = "DRAWPLATE_HOST", default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// The port to listen on; 0 for any free one. The default is LM Studio's.
    #[arg(short, long, env = "DRAWPLATE_PORT", default_value_t = 1234)]
    pub port: u16,
    /// The model's name for clients [default: the file's name]. "default" always works too.
    #[arg(long, value_name = "NAME")]
    pub alias: Option<String>,
    /// Serve requests for any model name with this model, instead of answering 404.
    #[arg(long)]
    pub any_model_name: bool,
    /// Requests generated at once.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub slots: u16,
    /// Tokens of context per request, prompt and answer together [default: the model's own, at most 4096].
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u32).range(16..=4_194_304))]
    pub ctx: Option<u32>,
    /// Tokens per step of the model at most.
    #[arg(long, value_name = "TOKENS", default_value_t = 512, value_parser = clap::value_parser!(u32).range(32..=8192))]
    pub batch: u32,
    /// Requests that may wait for a slot; more are answered 429.
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub queue: u16,
    /// Layers of the model that go to GPUs: auto (as many as fit), all, or a number.
    #[arg(long, value_name = "N", default_value = "auto")]
    pub gpu_layers: GpuLayers,
    /// GPUs to use, by the names that --log llama-cpp-2=info shows; all by default.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub devices: Vec<String>,
    /// Shares of the layers, one per GPU; by free memory by default.
    #[arg(long, value_name = "SHARE,…", value_delimiter = ',')]
    pub tensor_split: Vec<f32>,
    /// Let CUDA record graphs: 5 to 10 % faster, but on an H200 llama.cpp's were seen to end the process with "an illegal
    /// instruction was encountered" when steps changed their size.
    #[arg(long)]
    pub cuda_graphs: bool,
    /// Where tokens are drawn: on the device, where the logits are, or on the host.
    #[arg(long, value_enum, default_value_t)]
    pub draw_on: DrawOn,
    /// How slots hold their KV cells: a lane each (own), or in one buffer (shared), which a GPU computes in fewer runs.
    #[arg(long, value_enum, default_value_t)]
    pub kv_cells: KvCells,
    /// Threads for the model [default: one per core].
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Seconds that an answer may take, its wait for a slot included. A bound one is then brought to a valid end.
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub deadline: Option<f64>,
    /// Do not propose tokens that the conversation makes likely. Proposals never change an answer, only its speed.
    #[arg(long)]
    pub no_speculation: bool,
    /// Draw every token, those without a choice too: slower, for comparing.
    #[arg(long)]
    pub no_forced_tokens: bool,
    /// A smaller model of the same vocabulary that proposes tokens: a GGUF file.
    #[arg(long, value_name = "FILE")]
    pub draft: Option<PathBuf>,
    /// Memory for the KV cells of earlier prompts that no slot holds any more; 0 keeps none.
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    pub prefix_cache_mib: usize,
    /// Largest schema accepted, in bytes of JSON.
    #[arg(long, value_name = "BYTES", default_value_t = 2 << 20)]
    pub max_schema_bytes: usize,
    /// Seconds of processor time that compiling a schema may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, value_parser = parse_seconds)]
    pub schema_time: f64,
    /// A folder of JSON Schemas that requests may refer to by their $id. Nothing is ever fetched.
    #[arg(long, value_name = "DIR")]
    pub schemas: Option<PathBuf>,
    /// Where tools and schemas that are registered over HTTP are kept: an SQLite file, or "none" to forget them at the
    /// end [default: drawplate/registry.db in the user's data folder].
    #[arg(long, value_name = "FILE", env = "DRAWPLATE_REGISTRY")]
    pub registry: Option<PathBuf>,
    /// A folder of tools that requests may refer to by name: JSON files with a definition each, or a list of them.
    #[arg(long, value_name = "DIR")]
    pub tools: Option<PathBuf>,
    /// An MCP server whose tools requests may refer to by name. They are listed once, at start.
    #[arg(long, value_name = "URL")]
    pub mcp: Vec<String>,
    /// Cut bound answers off when their tokens run out, as OpenAI does, instead of bringing them to a valid end.
    #[arg(long)]
    pub no_close: bool,
    /// Do not put the response schema into the prompt.
    #[arg(long)]
    pub no_schema_in_prompt: bool,
    /// The format in which the model is taught to write calls, by its prompt: a name of families/, such as hermes. Without
    /// it, the format is found in the chat template.
    #[arg(long)]
    pub tool_format: Option<String>,
    /// Answer 400 to unknown request fields, instead of naming them in the header x-drawplate-ignored-fields.
    #[arg(long)]
    pub reject_unknown_fields: bool,
    /// Report finish_reason "tool_calls" also where tool_choice named the function; OpenAI reports "stop".
    #[arg(long)]
    pub named_call_finishes_as_tool_calls: bool,
    /// What is logged, in the syntax of RUST_LOG.
    #[arg(long, env = "RUST_LOG", default_value = "warn,drawplate=info,llama-cpp-2=error", value_name = "FILTER")]
    pub log: String,
    /// How log lines look.
    #[arg(long, value_enum, default_value_t)]
    pub log_format: LogFormat,
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse::<f64>().ok().filter(|s| *s > 0.0 && *s <= 1e6);
    seconds.ok_or_else(|| "expected a number above 0, at most a million".to_owned())
}

/// Where the model comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelSource {
    /// A file.
    Path(PathBuf),
    /// A file of a Hugging Face repository.
    Hub {
        /// `owner/repo`.
        repo: String,
        /// The file in it.
        file: String,
    },
    /// No model.
    Fake,
}

/// File name of the default model.
pub const DEFAULT_MODEL: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";

/// Arguments that make no sense.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not `hf:owner/repo/file.gguf`.
    #[error("--model {0}: expected hf:owner/repo/file.gguf")]
    HubSyntax(String),
    /// No home.
    #[error(
        "the user's data folder is not known (HOME is not set); say where tools and schemas are kept with --registry FILE, or --registry none"
    )]
    NoDataFolder,
    /// No `--model`, and no default model in the cache.
    #[error("no --model was given, and the default model is not at '{}'; get it with scripts/get-model", .0.display())]
    NoDefaultModel(PathBuf),
}

impl ServeArgs {
    /// The registry's file; none if nothing is to be kept.
    ///
    /// # Errors
    /// If it is not said and there is no data folder.
    pub fn registry_file(&self) -> Result<Option<PathBuf>, ConfigError> {
        match &self.registry {
            Some(path) if path.as_os_str() == "none" => Ok(None),
            Some(path) => Ok(Some(path.clone())),
            None => {
                data_folder().map(|folder| Some(folder.join("drawplate/registry.db"))).ok_or(ConfigError::NoDataFolder)
            }
        }
    }

    /// Where the model comes from.
    ///
    /// # Errors
    /// If the name has the wrong form, or there is no default model.
    pub fn model_source(&self) -> Result<ModelSource, ConfigError> {
        match self.model.as_deref() {
            Some("fake") => Ok(ModelSource::Fake),
            Some(name) => match name.strip_prefix("hf:") {
                Some(rest) => parse_hub(rest).ok_or_else(|| ConfigError::HubSyntax(name.to_owned())),
                None => Ok(ModelSource::Path(PathBuf::from(name))),
            },
            None => {
                let path = cache_dir().join("models").join(DEFAULT_MODEL);
                if path.exists() { Ok(ModelSource::Path(path)) } else { Err(ConfigError::NoDefaultModel(path)) }
            }
        }
    }
}

fn parse_hub(text: &str) -> Option<ModelSource> {
    let mut parts = text.splitn(3, '/');
    let (owner, repo, file) = (parts.next()?, parts.next()?, parts.next()?);
    let is_plain = |s: &str| !s.is_empty() && !s.split('/').any(|p| p.is_empty() || p == "." || p == "..");
    (is_plain(owner) && is_plain(repo) && is_plain(file))
        .then(|| ModelSource::Hub { repo: format!("{owner}/{repo}"), file: file.to_owned() })
}

/// Where the user's programs keep what lasts. Source: the XDG base directory specification 0.8.
fn data_folder() -> Option<PathBuf> {
    let from = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    from("XDG_DATA_HOME").or_else(|| from("HOME").map(|dir| dir.join(".local/share")))
}

/// drawplate's own folder in the user's cache; the same as in scripts/env.
#[must_use]
pub fn cache_dir() -> PathBuf {
    let from = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    from("DRAWPLATE_CACHE")
        .or_else(|| from("XDG_CACHE_HOME").map(|dir| dir.join("drawplate")))
        .or_else(|| from("HOME").map(|dir| dir.join(".cache/drawplate")))
        .unwrap_or_else(|| PathBuf::from(".cache/drawplate"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hub_names() {
        let hub = |repo: &str, file: &str| Some(ModelSource::Hub { repo: repo.into(), file: file.into() });
        assert_eq!(parse_hub("a/b/c.gguf"), hub("a/b", "c.gguf"));
        assert_eq!(parse_hub("a/b/sub/c.gguf"), hub("a/b", "sub/c.gguf"));
        for wrong in ["", "a", "a/b", "a/b/", "a//c", "a/b/../c"] {
            assert_eq!(parse_hub(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn arguments_are_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }
}
