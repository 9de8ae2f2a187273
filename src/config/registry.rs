//! Arguments of the commands that speak to a registry.

use std::path::PathBuf;

use clap::{Args, Subcommand};

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
