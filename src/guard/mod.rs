//! What stands behind the mask: vetoes while an answer grows, and the independent check of every finished bound value.
//!
//! The check shares no code with the grammar, so that one cannot hide the other's faults.

mod check;
mod escape;
mod follow;
mod frame;
mod looks;
mod plain;
mod veto;
mod watch;

pub use check::{Check, CheckError, STACK_BYTES, Violation};
pub use follow::{Follower, Places};
pub use frame::{Bit, Fill, Frame, Preamble, Stage, find};
pub use veto::{MAX_NESTING, Veto};
pub use watch::{Length, Watch, WatchId, Watches};
