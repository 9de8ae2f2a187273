//! What is registered.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{MAX_DEFINITION_BYTES, RegistryError};

/// What an entry defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A tool that models call.
    Tool,
    /// The schema of an answer.
    Schema,
}

impl Kind {
    /// Its name in words, in the file and in routes.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Schema => "schema",
        }
    }

    /// The kind of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Tool, Self::Schema].into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A definition with what shows its meaning.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// A tool as a request has it, or the `json_schema` of a response format.
    pub definition: Value,
    /// Arguments, or answers, that it allows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<Value>,
    /// Ones that it does not allow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counterexamples: Vec<Value>,
}

impl Definition {
    /// As JSON, if it can be kept.
    ///
    /// # Errors
    /// If it is too large, or nests too deep to be read again.
    pub fn checked(&self) -> Result<String, RegistryError> {
        let text = self.to_json();
        if text.len() > MAX_DEFINITION_BYTES {
            return Err(RegistryError::TooLarge { n_bytes: text.len(), max: MAX_DEFINITION_BYTES });
        }
        // Why: it stands deeper here than in the request that it came with.
        serde_json::from_str::<Self>(&text).map(|_| text).map_err(|_| RegistryError::TooDeep)
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a definition is JSON")
    }
}

/// Where an entry comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Registered over HTTP, and kept in the file.
    Kept,
    /// Given by the operator: a file's path, or an MCP server's address.
    Fixed(String),
}

/// One version of a tool or a schema.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Which of the two.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Counted from 1.
    pub version: u32,
    /// When it was registered, in Unix seconds.
    pub created: u64,
    /// Where it comes from.
    pub source: Source,
    /// What it says.
    pub definition: Definition,
    /// The bytes of that as JSON.
    pub n_bytes: usize,
}

pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
