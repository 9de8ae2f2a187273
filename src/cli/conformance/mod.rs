//! `drawplate conformance`: how many schemas of a suite are enforced exactly, and how fast.

mod cases;
mod judge;
mod report;

use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;

use super::UsageError;
use super::vocab::load_vocab;
use crate::config::ConformanceArgs;
use crate::grammar::{Budget, Compiler, KeyOrder, STACK_BYTES, Spellings, Style};

/// Runs the suite and prints the result.
pub(super) fn conformance(args: &ConformanceArgs) -> anyhow::Result<()> {
    let vocab = load_vocab(&args.model)?;
    let mut cases = cases::read(args.format, &args.path).map_err(|e| UsageError(format!("{e:#}")))?;
    if let Some(every) = args.every {
        cases = cases.into_iter().step_by(every.max(1)).collect();
    }
    // Why: each case is compiled once; a cache would only take memory.
    let budget =
        Budget { cache_bytes: 0, time: std::time::Duration::from_secs_f64(args.schema_time), ..Budget::default() };
    let compiler = Compiler::new(&vocab, budget)?;
    let style = Style {
        order: if args.any_order { KeyOrder::Any } else { KeyOrder::Declared },
        spelling: if args.any_spelling { Spellings::Any } else { Spellings::Plain },
    };
    let bar = if args.json { ProgressBar::hidden() } else { ProgressBar::new(cases.len() as u64) };
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} {eta}").context("a fixed template")?);
    let failures = args.failures.as_deref().map(open).transpose()?.map(Mutex::new);
    let pool =
        rayon::ThreadPoolBuilder::new().num_threads(args.threads.unwrap_or(0)).stack_size(STACK_BYTES).build()?;
    let outcomes: Vec<judge::Outcome> = pool.install(|| {
        cases
            .par_iter()
            .map(|case| {
                let outcome = judge::judge(case, &compiler, &vocab, judge::How { closes: args.closing, style });
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
