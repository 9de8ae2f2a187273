//! Logs and metrics, callable from every layer.
//!
//! An error is logged once, where it is answered. Prompts, outputs and schemas are only ever logged at `trace`.

pub mod metrics;

use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One readable line per event.
    #[default]
    Text,
    /// One JSON object per event.
    Json,
}

/// Installs the process-wide subscriber: events go to stderr, filtered by `filter` (the syntax of `RUST_LOG`).
///
/// A second call changes nothing, so that tests may call it too.
pub fn init(filter: &str, format: LogFormat) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(is_terminal);
    let _already_set = match format {
        LogFormat::Text => builder.compact().with_target(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}
