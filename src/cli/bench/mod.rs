//! `drawplate bench`: load on any server that speaks OpenAI's API; speed, latency, and whether answers are valid.

mod client;
mod load;
mod plot;
mod report;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value};

use super::UsageError;
use crate::config::BenchArgs;
use crate::guard::Check;
use client::Client;
use load::{Load, Measured};
use report::Report;

/// What is asked for.
pub(super) struct Case {
    /// The schema's file name, or `free`.
    pub(super) name: String,
    pub(super) schema: Option<Value>,
    /// Judges answers: as a server's own check, it takes numbers beyond what a double holds, too.
    pub(super) check: Option<Check>,
}

/// Measures and prints.
pub(super) fn bench(args: &BenchArgs) -> anyhow::Result<()> {
    let cases = cases(args)?;
    let prompts = prompts(args.prompts.as_deref())?;
    let extra = match &args.extra {
        Some(text) => serde_json::from_str::<Map<String, Value>>(text)
            .map_err(|e| UsageError(format!("--extra: expected a JSON object: {e}")))?,
        None => Map::new(),
    };
    let clients: Vec<Client> = std::iter::once(&args.url)
        .chain(&args.compare)
        .map(|url| Client::new(url, Duration::from_secs_f64(args.timeout)))
        .collect();
    for client in &clients {
        client.reach().map_err(|e| UsageError(format!("no server answers at {}: {e}", client.url())))?;
    }
    let load = Load { args, prompts: &prompts, extra: &extra };
    let n_all = cases.len() * args.streams.len() * clients.len() * usize::from(args.rounds + 1);
    let bar = ProgressBar::new(n_all as u64);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} {msg} {eta}").context("a fixed template")?);
    let mut measured: Vec<Measured> = Vec::new();
    for round in 0..=args.rounds {
        for n_streams in &args.streams {
            for case in &cases {
                // Why: who comes first is changed every round, so that what drifts on the machine hits both.
                let mut order: Vec<usize> = (0..clients.len()).collect();
                order.rotate_left(usize::from(round) % clients.len());
                for server in order {
                    bar.set_message(format!("{} x{n_streams}", case.name));
                    let one = load.measure(&clients[server], case, usize::from(*n_streams), round);
                    bar.inc(1);
                    if round > 0 {
                        measured.push(Measured { server, ..one });
                    }
                }
            }
        }
    }
    bar.finish_and_clear();
    let urls = clients.iter().map(|client| client.url().to_owned()).collect();
    let report = Report::of(urls, measured);
    report.print(&mut std::io::stdout())?;
    if let Some(path) = &args.json {
        write(path, &serde_json::to_string_pretty(&report)?)?;
    }
    if let Some(path) = &args.svg {
        write(path, &plot::svg(&report)?)?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).map_err(|e| UsageError(format!("cannot write '{}': {e}", path.display())).into())
}

fn cases(args: &BenchArgs) -> anyhow::Result<Vec<Case>> {
    let mut cases = Vec::new();
    if !args.no_free {
        cases.push(Case { name: "free".into(), schema: None, check: None });
    }
    for path in files(&args.schemas)? {
        let unusable = |e: String| UsageError(format!("cannot use the schema '{}': {e}", path.display()));
        let text = std::fs::read_to_string(&path).map_err(|e| unusable(e.to_string()))?;
        let schema = serde_json::from_str(&text).map_err(|e| unusable(e.to_string()))?;
        let check = Check::new(&schema).map_err(|e| unusable(e.to_string()))?;
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        cases.push(Case { name, schema: Some(schema), check: Some(check) });
    }
    if cases.is_empty() {
        return Err(UsageError("there is nothing to measure: --no-free needs --schemas".into()).into());
    }
    Ok(cases)
}

/// Files as they are, folders as the JSON files in them, in order.
fn files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let unreadable = |e: std::io::Error| UsageError(format!("cannot read the folder '{}': {e}", path.display()));
        let mut inside: Vec<PathBuf> = std::fs::read_dir(path)
            .and_then(|entries| entries.map(|entry| entry.map(|e| e.path())).collect())
            .map_err(unreadable)?;
        inside.retain(|path| path.extension().is_some_and(|e| e == "json"));
        inside.sort();
        files.extend(inside);
    }
    Ok(files)
}

fn prompts(path: Option<&Path>) -> anyhow::Result<Vec<String>> {
    let Some(path) = path else { return Ok(Vec::new()) };
    let text = std::fs::read_to_string(path)
        .map_err(|e| UsageError(format!("cannot read the prompts in '{}': {e}", path.display())))?;
    let prompts: Vec<String> = text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
    if prompts.is_empty() {
        return Err(UsageError(format!("'{}' has no prompts", path.display())).into());
    }
    Ok(prompts)
}
