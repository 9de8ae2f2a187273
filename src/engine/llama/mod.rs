//! llama.cpp as a device. `load` reads the model file, `vocab` its vocabulary, `device` runs batches.
//!
//! The only module that names llama.cpp. Everything goes through the safe API of llama-cpp-2.

mod device;
mod load;
mod vocab;

pub use device::{LlamaDevice, LlamaOptions};
pub use load::{LlamaFile, LoadError, Model};
