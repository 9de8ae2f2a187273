//! Parses arguments, runs the command, turns the result into an exit code.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = drawplate::config::Cli::parse();
    match drawplate::cli::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("drawplate: {error:#}");
            ExitCode::from(if error.is::<drawplate::cli::UsageError>() { 2 } else { 1 })
        }
    }
}
