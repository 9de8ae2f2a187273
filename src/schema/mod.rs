//! JSON Schemas as documents: limits, drafts, where subschemas are, which formats exist. Pure; knows no grammar.
//!
//! Not here: what a mask can enforce (`grammar::lower`), judging values (`guard`).

pub mod canonical;
mod document;
mod error;
pub mod formats;
pub mod pattern;
mod store;
pub mod walk;

pub use document::{Document, Limits};
pub use error::{ErrorKind, SchemaError};
pub(crate) use store::NoDocuments;
pub use store::{Store, StoreError};
pub use walk::Pointer;
