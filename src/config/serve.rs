//! Arguments of the server, and where it finds its files.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;

use super::parse_seconds;
use crate::engine::{DrawOn, GpuLayers, KvCells};
use crate::telemetry::LogFormat;

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
    /// A chat template in place of the model's: a file with Jinja text, for models whose own is missing or broken.
    #[arg(long, value_name = "FILE")]
    pub chat_template: Option<PathBuf>,
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
}
