//! What stands behind the mask: vetoes while an answer grows, and the independent check of every finished bound value.
//!
//! Both read JSON only: arguments in other forms (`encoding`) are `transcode`d as they come.
//!
//! The check shares no code with the grammar, so that one cannot hide the other's faults.

mod check;
mod ecma;
mod encoding;
mod escape;
mod follow;
mod frame;
mod looks;
mod plain;
mod structure;
mod supply;
mod transcode;
mod veto;
mod watch;

pub use check::{Check, CheckError, STACK_BYTES, Violation, parse};
pub use encoding::{Content, Elements, Encoding, Form, Keys, Kind, Level, LevelId, Notation, Quote};
pub use follow::{Follower, Opening, Places, Structured};
pub use frame::{Bit, Fill, Frame, IdForm, Preamble, Stage, behind_thought, find};
pub(crate) use plain::write_plain;
pub use structure::{Node, Part, Position, Step, Structure, Text, begins_json, continues_number};
pub use supply::{Few, Item, Supply};
pub use transcode::{Progress, Reading, Transcoder};
pub use veto::{MAX_NESTING, Veto};
pub use watch::{Length, Watch, WatchId, Watches};
