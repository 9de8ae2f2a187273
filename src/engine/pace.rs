//! How long steps take, as seen so far: what bounds a step with prompts in it, and when a draft pays.

use std::time::Duration;

use super::prefix::WORTH_COPYING;

/// Prompt rows that a step may always have; a multiple of what chunks are cut at.
const MIN_PREFILL: usize = 64;
/// While others decode, a step's prompt rows may take about this long.
const PROMPT_TIME: Duration = Duration::from_millis(100);
/// Weight of what was seen before, per step.
const MEMORY: f64 = 0.98;
/// Steps with at most so many rows tell what a row more costs a decoding step.
const SMALL: usize = 32;

/// Measured times vary: what is to be faster should be so by this factor.
const SURELY: f64 = 2.0;

/// Sums of a fading linear fit `seconds = fixed + per_row * rows`, and the speed of prompts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    weight: f64,
    rows: f64,
    seconds: f64,
    rows_squared: f64,
    rows_seconds: f64,
    prompt_seconds_per_row: Option<f64>,
    /// To bring the cells of one token to the host, or back.
    copy_seconds: Option<f64>,
}

impl Pace {
    /// Notes a step of `n_rows` that took the device `time`.
    pub(super) fn note(&mut self, n_rows: usize, time: Duration) {
        #[expect(clippy::cast_precision_loss, reason = "a batch has few rows")]
        let (rows, seconds) = (n_rows as f64, time.as_secs_f64());
        if n_rows >= MIN_PREFILL {
            let last = seconds / rows;
            self.prompt_seconds_per_row = Some(self.prompt_seconds_per_row.map_or(last, |s| s + 0.2 * (last - s)));
        }
        if n_rows <= SMALL {
            for (sum, value) in [
                (&mut self.weight, 1.0),
                (&mut self.rows, rows),
                (&mut self.seconds, seconds),
                (&mut self.rows_squared, rows * rows),
                (&mut self.rows_seconds, rows * seconds),
            ] {
                *sum = *sum * MEMORY + value;
            }
        }
    }

    /// Notes that bringing the cells of `n_tokens` to the host, or back, took `time`.
    pub(super) fn note_copy(&mut self, n_tokens: usize, time: Duration) {
        #[expect(clippy::cast_precision_loss, reason = "a context is not that long")]
        let last = time.as_secs_f64() / n_tokens.max(1) as f64;
        self.copy_seconds = Some(last);
    }

    /// Whether cells are copied to the host and back in less time than it takes to compute them again.
    ///
    /// On a GPU, where the cells of sequences lie mixed in one buffer, they often are not. What it took the last time
    /// counts less each time that it was too much, so that it is tried again.
    pub(super) fn saving_pays(&mut self) -> bool {
        let (Some(copy), Some(prompt)) = (&mut self.copy_seconds, self.prompt_seconds_per_row) else { return true };
        let pays = 2.0 * *copy < prompt;
        if !pays {
            *copy *= 0.99;
        }
        pays
    }

    /// How many cells must be gained, at least, by bringing `n_saved` back from the host.
    pub(super) fn worth_restoring(&self, n_saved: usize) -> usize {
        let (Some(copy), Some(prompt)) = (self.copy_seconds, self.prompt_seconds_per_row) else { return WORTH_COPYING };
        #[expect(clippy::cast_precision_loss, reason = "a context is not that long")]
        let in_rows = SURELY * copy * n_saved as f64 / prompt.max(1e-9);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturates, which is never reached"
        )]
        let n_cells = in_rows.ceil() as usize;
        n_cells.max(1)
    }

    /// Prompt rows that a step may have while others decode: a multiple of `MIN_PREFILL`, at least one.
    pub(super) fn n_prefill(&self, n_batch: usize) -> usize {
        let Some(seconds) = self.prompt_seconds_per_row.filter(|s| *s > 0.0) else { return n_batch };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped by what follows")]
        let n_rows = (PROMPT_TIME.as_secs_f64() / seconds) as usize;
        (n_rows / MIN_PREFILL * MIN_PREFILL).clamp(MIN_PREFILL, n_batch.max(MIN_PREFILL))
    }

    /// From which probability of being right a draft saves time, with `n_running` sequences decoding.
    ///
    /// A sequence that is alone gets a fixed answer: what was measured differs from time to time, then so would batches,
    /// and with them, by floating-point order, the text of the same request. In company batches differ anyway. A step of `n` rows takes `fixed + n * per_row`, so a token costs `fixed / n + per_row`, and a draft `per_row`.
    pub(super) fn break_even(&self, n_running: usize) -> f32 {
        const UNKNOWN: f32 = 0.6;
        const ALONE: f32 = 0.5;
        if n_running <= 1 {
            return ALONE;
        }
        let spread = self.weight * self.rows_squared - self.rows * self.rows;
        if self.weight < 4.0 || spread < 1e-3 * self.rows_squared.max(1.0) {
            return UNKNOWN;
        }
        let per_row = (self.weight * self.rows_seconds - self.rows * self.seconds) / spread;
        let fixed = (self.seconds - per_row * self.rows) / self.weight;
        #[expect(clippy::cast_precision_loss, reason = "slots are few")]
        let per_token = fixed.max(0.0) / n_running.max(1) as f64 + per_row;
        if per_row <= 0.0 || per_token <= 0.0 {
            return 0.1;
        }
        #[expect(clippy::cast_possible_truncation, reason = "a share")]
        let share = (per_row / per_token) as f32;
        share.clamp(0.1, 0.95)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_kept_where_that_is_faster_than_computing_them() {
        let mut pace = Pace::default();
        assert!(pace.saving_pays(), "nothing is known");
        pace.note(256, Duration::from_millis(256));
        assert_eq!(pace.worth_restoring(1000), WORTH_COPYING, "nothing is known");
        pace.note_copy(1000, Duration::from_millis(400));
        assert!(pace.saving_pays());
        assert_eq!(pace.worth_restoring(100), 80, "40 ms, twice for safety, in which 80 tokens are computed");
        pace.note_copy(1000, Duration::from_secs(2));
        assert!(!pace.saving_pays());
        assert!((0..200).any(|_| pace.saving_pays()), "it is never tried again");
    }

    #[test]
    fn learns_what_rows_cost() {
        let mut pace = Pace::default();
        assert_eq!(pace.n_prefill(512), 512);
        for n_rows in [1usize, 2, 5, 1, 3, 8, 1, 1] {
            pace.note(n_rows, Duration::from_millis(10 + 5 * n_rows as u64));
        }
        // 5 ms for a draft; a token costs 5 + 10/2 ms among two, and 5 + 10/8 ms among eight.
        assert!((pace.break_even(2) - 5.0 / 10.0).abs() < 0.01, "{}", pace.break_even(2));
        assert!((pace.break_even(8) - 5.0 / 6.25).abs() < 0.01, "{}", pace.break_even(8));
        pace.note(256, Duration::from_millis(256));
        assert_eq!(pace.n_prefill(512), 64);
        let mut fast = Pace::default();
        fast.note(256, Duration::from_millis(10));
        assert_eq!(fast.n_prefill(512), 512);
    }
}
