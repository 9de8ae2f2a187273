//! The figures of a run.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::judge::Outcome;

#[derive(Debug, Serialize)]
pub(super) struct Report {
    cases: usize,
    passing: usize,
    passing_share: f64,
    refused: usize,
    unsound: usize,
    incomplete: usize,
    timeouts: usize,
    guarded: usize,
    closed: usize,
    unclosed: usize,
    close_us: Quantiles,
    compile_ms: Quantiles,
    mask_us: Quantiles,
    forced_share: f64,
    by_reason: BTreeMap<String, usize>,
}

#[derive(Debug, Serialize)]
struct Quantiles {
    p50: f64,
    p90: f64,
    p99: f64,
    max: f64,
}

impl Quantiles {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
        #[expect(clippy::cast_precision_loss, reason = "an index")]
        let at = |q: f64| {
            let value = values.get(((values.len().saturating_sub(1)) as f64 * q).round() as usize);
            (value.copied().unwrap_or(0.0) * 1000.0).round() / 1000.0
        };
        Self { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1.0) }
    }
}

impl Report {
    pub(super) fn of(outcomes: &[Outcome]) -> Self {
        let count = |test: &dyn Fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| test(outcome)).count();
        let mut by_reason = BTreeMap::new();
        for refusal in outcomes.iter().filter_map(|outcome| outcome.refusal.as_ref()) {
            *by_reason.entry(refusal.reason.clone()).or_insert(0) += 1;
        }
        let n_tokens: usize = outcomes.iter().map(|outcome| outcome.n_tokens).sum();
        let n_forced: usize = outcomes.iter().map(|outcome| outcome.n_forced).sum();
        let passing = count(&Outcome::is_passing);
        #[expect(clippy::cast_precision_loss, reason = "shares")]
        let share = |part: usize, of: usize| (part as f64 / (of.max(1)) as f64 * 1e4).round() / 1e4;
        Self {
            cases: outcomes.len(),
            passing,
            passing_share: share(passing, outcomes.len()),
            refused: count(&|outcome| outcome.refusal.as_ref().is_some_and(|refusal| !refusal.is_timeout)),
            unsound: count(&|outcome| !outcome.unsound.is_empty()),
            incomplete: count(&|outcome| !outcome.incomplete.is_empty()),
            timeouts: count(&|outcome| outcome.refusal.as_ref().is_some_and(|refusal| refusal.is_timeout)),
            closed: outcomes.iter().map(|outcome| outcome.n_closed).sum(),
            unclosed: outcomes.iter().map(|outcome| outcome.unclosed.len()).sum(),
            close_us: Quantiles::of(outcomes.iter().flat_map(|outcome| outcome.close_us.iter().copied()).collect()),
            guarded: count(&|outcome| outcome.is_guarded),
            compile_ms: Quantiles::of(
                outcomes.iter().map(|outcome| outcome.compile_ms).filter(|ms| *ms > 0.0).collect(),
            ),
            mask_us: Quantiles::of(outcomes.iter().flat_map(|outcome| outcome.mask_us.iter().copied()).collect()),
            forced_share: share(n_forced, n_tokens),
            by_reason,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} of {} cases pass ({:.2} %)", self.passing, self.cases, self.passing_share * 100.0)?;
        writeln!(
            f,
            "refused {}, accepting an invalid value {}, rejecting a valid one {}, out of time {}; guarded {}",
            self.refused, self.unsound, self.incomplete, self.timeouts, self.guarded
        )?;
        let Quantiles { p50, p90, p99, max } = &self.compile_ms;
        writeln!(f, "compile, ms: p50 {p50}, p90 {p90}, p99 {p99}, max {max}")?;
        let Quantiles { p50, p90, p99, max } = &self.mask_us;
        writeln!(f, "mask, µs: p50 {p50}, p90 {p90}, p99 {p99}, max {max}")?;
        if self.closed + self.unclosed > 0 {
            let Quantiles { p50, p90, p99, max } = &self.close_us;
            writeln!(f, "broken off and closed: {} of {}", self.closed, self.closed + self.unclosed)?;
            writeln!(f, "closing, µs: p50 {p50}, p90 {p90}, p99 {p99}, max {max}")?;
        }
        write!(f, "forced tokens: {:.1} %", self.forced_share * 100.0)?;
        self.by_reason.iter().try_for_each(|(reason, n)| write!(f, "\nrefused for {reason}: {n}"))
    }
}
