//! JSON Schemas as documents: limits, drafts, where subschemas are, which formats exist. Pure; knows no grammar.
//!
//! Not here: what a mask can enforce (`grammar::lower`), judging values (`guard`).

pub mod canonical;
mod deadline;
mod document;
mod error;
mod fate;
pub mod formats;
mod links;
mod loosen;
pub mod pattern;
mod store;
mod strict;
mod targets;
mod visits;
pub mod walk;
mod width;

pub use deadline::Deadline;
pub use document::{Document, Limits};
pub use error::{ErrorKind, SchemaError};
pub use fate::{Fate, KeywordFate, Keywords, keywords};
pub(crate) use store::NoDocuments;
pub use store::{Store, StoreError};
pub use strict::{StrictFinding, strict};
pub(crate) use targets::Targets;
pub use walk::Pointer;
