//! llama.cpp as a device. `load` reads the model file, `vocab` its vocabulary, `device` runs batches in a `context`. Where
//! tokens are drawn on a GPU, a `probe` keeps the logits there, and `row_sampler` draws from them (`draw_graph` has the
//! operations, `mask_table` spreads the bits of masks).
//!
//! The only module that names llama.cpp, and the only one with unsafe code.

mod context;
mod device;
mod drafter;
mod draw_graph;
mod load;
#[cfg(feature = "dynamic-backends")]
mod loadable;
mod logits;
mod mask_table;
mod pieces;
mod place;
mod probe;
mod row_sampler;
mod vocab;

pub use device::{LlamaDevice, LlamaOptions};
pub use drafter::LlamaDrafter;
pub use load::{LlamaFile, LoadError, Model};
pub use place::devices;
