//! Spreads the work of a step over the cores, when there is enough of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rayon::prelude::*;

/// Less work than this is done faster by one thread than handed to others: waking them, and their looking for more
/// until they sleep again, costs tens of microseconds of processor time each.
const WORTH_WAKING: Duration = Duration::from_micros(200);
/// The same where the cores compute the model: then those who are woken take them from its threads, which wait for one
/// another.
const WORTH_DISTURBING: Duration = Duration::from_millis(2);

/// What one item of some kind of work takes, as seen so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    nanos: u64,
    worth_spreading: Duration,
}

impl Cost {
    /// Of a kind of work that nothing is known about, beside a device that is `apart` from the processor or not.
    pub(super) fn unknown(is_apart: bool) -> Self {
        Self { nanos: 0, worth_spreading: if is_apart { WORTH_WAKING } else { WORTH_DISTURBING } }
    }

    /// Runs `work` on each item, in parallel if that pays, and keeps the order.
    pub(super) fn each<T: Send, R: Send>(&mut self, items: Vec<T>, work: impl Fn(T) -> R + Sync + Send) -> Vec<R> {
        let n_items = items.len() as u64;
        if n_items < 2 || u128::from(self.nanos * n_items) < self.worth_spreading.as_nanos() {
            let started = Instant::now();
            let done = items.into_iter().map(work).collect();
            self.note(nanos(started), n_items);
            return done;
        }
        let spent = AtomicU64::new(0);
        let one = |item| {
            let started = Instant::now();
            let done = work(item);
            spent.fetch_add(nanos(started), Ordering::Relaxed);
            done
        };
        let done = items.into_par_iter().map(one).collect();
        self.note(spent.into_inner(), n_items);
        done
    }

    fn note(&mut self, nanos: u64, n_items: u64) {
        if let Some(each) = nanos.checked_div(n_items) {
            self.nanos = (self.nanos * 7 + each) / 8;
        }
    }
}

fn nanos(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX / 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_work_wakes_others_and_order_is_kept() {
        let mut cost = Cost::unknown(true);
        let here = std::thread::current().id();
        let short = cost.each((0..50).collect(), |i: i32| (i, std::thread::current().id() == here));
        assert!(short.iter().all(|(_, is_here)| *is_here));
        for _ in 0..2 {
            let long = cost.each((0..8).collect(), |i: i32| {
                std::thread::sleep(Duration::from_millis(2));
                (i, std::thread::current().id() == here)
            });
            assert!(long.iter().map(|(i, _)| *i).eq(0..8));
        }
        let spread = cost.each((0..8).collect(), |_: i32| std::thread::current().id() == here);
        // Work handed to the pool does not run on the thread that waits for it.
        assert!(spread.iter().all(|is_here| !is_here));
    }
}
