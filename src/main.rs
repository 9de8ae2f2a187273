//! Parses arguments, runs the command, turns the result into an exit code.

use std::process::ExitCode;
use std::thread;

use clap::Parser as _;
use drawplate::grammar::STACK_BYTES;

fn main() -> ExitCode {
    let cli = drawplate::config::Cli::parse();
    // Why: a schema may need more stack than the main thread has.
    let command = thread::Builder::new().name("command".to_owned()).stack_size(STACK_BYTES);
    let ended = command.spawn(move || drawplate::cli::run(cli)).map(thread::JoinHandle::join);
    match ended {
        Ok(Ok(Ok(()))) => ExitCode::SUCCESS,
        Ok(Ok(Err(error))) => {
            eprintln!("drawplate: {error:#}");
            ExitCode::from(if error.is::<drawplate::cli::UsageError>() { 2 } else { 1 })
        }
        // The panic has been told already.
        Ok(Err(_panic)) => ExitCode::from(101),
        Err(error) => {
            eprintln!("drawplate: no thread can be started: {error}");
            ExitCode::FAILURE
        }
    }
}
