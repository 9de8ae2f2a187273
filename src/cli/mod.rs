//! One command per file. Only here and in main.rs are errors `anyhow`.

mod bench;
mod chat_template;
mod check;
mod conformance;
mod definitions;
mod hub;
mod lines;
mod mcp;
mod registry;
mod sample;
mod schema_file;
mod serve;
mod vocab;

use crate::config::{Cli, Command};
use crate::registry::Kind;

/// A failure that is the caller's to mend: exit code 2 instead of 1.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Runs the command.
///
/// # Errors
/// With one line for the user; a [`UsageError`] if the arguments or the model file are at fault.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Serve(args) => serve::serve(&args),
        Command::Conformance(args) => conformance::conformance(&args),
        Command::Bench(args) => bench::bench(&args),
        Command::Check(args) => check::check(&args),
        Command::Sample(args) => sample::sample(&args),
        Command::Tools(args) => registry::run(Kind::Tool, &args.command),
        Command::Schemas(args) => registry::run(Kind::Schema, &args.command),
    }
}
