//! `drawplate conformance`: how many schemas of a suite are enforced exactly, and how fast.

mod cases;
mod judge;
mod report;

use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;

use super::UsageError;
use crate::config::ConformanceArgs;
use crate::engine::fake_vocab;
use crate::grammar::{Budget, Compiler, Vocab};

/// Runs the suite and prints the result.
pub(super) fn conformance(args: &ConformanceArgs) -> anyhow::Result<()> {
    let vocab = load_vocab(&args.model)?;
    let mut cases = cases::read(args.format, &args.path).map_err(|e| UsageError(format!("{e:#}")))?;
    if let Some(every) = args.every {
        cases = cases.into_iter().step_by(every.max(1)).collect();
    }
    // Why: each case is compiled once; a cache would only take memory.
    let budget = Budget { cache_bytes: 0, ..Budget::default() };
    let compiler = Compiler::new(&vocab, budget)?;
    let bar = if args.json { ProgressBar::hidden() } else { ProgressBar::new(cases.len() as u64) };
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} {eta}").context("a fixed template")?);
    let failures = args.failures.as_deref().map(open).transpose()?.map(Mutex::new);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(args.threads.unwrap_or(0)).build()?;
    let outcomes: Vec<judge::Outcome> = pool.install(|| {
        cases
            .par_iter()
            .map(|case| {
                let outcome = judge::judge(case, &compiler, &vocab);
                bar.inc(1);
                if let (Some(file), Some(line)) = (&failures, outcome.failure(case)) {
                    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                    let _ = writeln!(file, "{line}");
                }
                outcome
            })
            .collect()
    });
    bar.finish_and_clear();
    let report = report::Report::of(&outcomes);
    let text = if args.json { serde_json::to_string(&report)? } else { report.to_string() };
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}

fn open(path: &Path) -> anyhow::Result<std::fs::File> {
    std::fs::File::create(path).map_err(|e| UsageError(format!("--failures {}: {e}", path.display())).into())
}

fn load_vocab(model: &str) -> anyhow::Result<Arc<Vocab>> {
    if model == "fake" {
        return Ok(Arc::new(fake_vocab()?));
    }
    let path = Path::new(model);
    if path.extension().is_some_and(|extension| extension == "json") {
        let text = std::fs::read_to_string(path).map_err(|e| UsageError(format!("--model {model}: {e}")))?;
        return Ok(Arc::new(
            Vocab::from_tokenizer_json(&text).map_err(|e| UsageError(format!("--model {model}: {e}")))?,
        ));
    }
    load_gguf(path)
}

#[cfg(feature = "llama")]
fn load_gguf(path: &Path) -> anyhow::Result<Arc<Vocab>> {
    let mut file = crate::engine::LlamaFile::load(path, |_| {}).map_err(|e| UsageError(e.to_string()))?;
    Ok(Arc::new(file.take_vocab()))
}

#[cfg(not(feature = "llama"))]
fn load_gguf(path: &Path) -> anyhow::Result<Arc<Vocab>> {
    Err(UsageError(format!("--model {}: this build has no llama.cpp; give a tokenizer.json", path.display())).into())
}
