//! Schemas from files, and folders of schemas that they may refer to, as several commands take them.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::UsageError;
use crate::schema::Store;

/// A schema as it was read.
pub(super) struct SchemaFile<'a> {
    /// What messages call it.
    pub(super) name: &'a str,
    pub(super) text: String,
    pub(super) value: Value,
}

/// Reads a file, or standard input for `-`.
pub(super) fn read_schema(path: &str) -> Result<SchemaFile<'_>, UsageError> {
    let name = if path == "-" { "standard input" } else { path };
    let read = if path == "-" { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(path) };
    let text = read.map_err(|e| UsageError(format!("{name}: {e}")))?;
    let value = serde_json::from_str(&text).map_err(|e| UsageError(format!("{name} is no JSON: {e}")))?;
    Ok(SchemaFile { name, text, value })
}

/// Registers what `--schemas` names.
pub(super) fn load_store(dir: Option<&Path>) -> Result<Arc<Store>, UsageError> {
    match dir {
        Some(dir) => Store::load(dir).map(Arc::new).map_err(|e| UsageError(format!("--schemas: {e}"))),
        None => Ok(Store::empty()),
    }
}
