//! How long one piece of work may take, in processor time of its thread: other load on the machine does not count.

use std::cell::Cell;
use std::time::Duration;

use cpu_time::ThreadTime;

use super::{ErrorKind, Pointer, SchemaError};

/// Looks at the clock are this many calls apart.
const CALLS_PER_LOOK: u32 = 64;

/// The end of the time that compiling one grammar may take. Stays on its thread.
#[derive(Debug)]
pub struct Deadline {
    started: ThreadTime,
    time: Duration,
    n_calls: Cell<u32>,
}

impl Deadline {
    /// Ends after `time` from now.
    #[must_use]
    pub fn after(time: Duration) -> Self {
        Self { started: ThreadTime::now(), time, n_calls: Cell::new(0) }
    }

    /// Looks at the clock now and then.
    ///
    /// # Errors
    /// If the time is over.
    pub fn check(&self) -> Result<(), SchemaError> {
        let n_calls = self.n_calls.get().wrapping_add(1);
        self.n_calls.set(n_calls);
        if n_calls.is_multiple_of(CALLS_PER_LOOK) { self.look() } else { Ok(()) }
    }

    /// Looks at the clock.
    ///
    /// # Errors
    /// If the time is over.
    pub fn look(&self) -> Result<(), SchemaError> {
        if self.started.elapsed() <= self.time {
            return Ok(());
        }
        Err(SchemaError::at(Pointer::default(), ErrorKind::OutOfTime(self.time)))
    }

    /// Whether it is time to be content with less.
    #[must_use]
    pub fn is_half_over(&self) -> bool {
        self.left() < self.time / 2
    }

    /// What is left.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.time.saturating_sub(self.started.elapsed())
    }
}
