//! Random values of a schema, valid and invalid, for property tests of the code that reads a model's answers.
//!
//! Valid values are walks through the very masks that bind a model, so every construct that can be enforced can be
//! sampled: references, patterns, `uniqueItems`, `if`. They shrink, and stay valid while they do.
//!
//! ```
//! use drawplate::testing;
//! use proptest::prelude::*;
//! use serde_json::{Value, json};
//!
//! /// What your program does with an answer.
//! fn label(person: &Value) -> &str {
//!     person["nick"].as_str().or_else(|| person["name"].as_str()).expect("everyone has a name")
//! }
//!
//! let schema = json!({
//!     "type": "object",
//!     "properties": {
//!         "name": {"type": "string", "minLength": 1},
//!         "nick": {"type": ["string", "null"], "minLength": 1}
//!     },
//!     "required": ["name"],
//!     "additionalProperties": false
//! });
//! proptest!(ProptestConfig::with_cases(32), |(person in testing::instances(&schema))| {
//!     prop_assert!(!label(&person).is_empty());
//! });
//! ```
//!
//! [`mutants()`] are the opposite: values that miss the schema by one small change. Whatever your own checks let
//! through of them is a hole. Not here: the masks (`grammar`), the check (`guard`).

mod mutants;
mod place;
mod sampler;
mod shrink;
mod strategy;
mod trial;
mod walk;

use serde_json::Value;

pub use sampler::{Options, Sampler, TestingError};
pub use strategy::{Instances, Mutants, Shrinking, instances, instances_with, mutants};
pub use trial::{ExampleError, Trial};

use crate::schema::Pointer;

/// `value` and everything in it, parents first.
fn nodes(value: &Value) -> Vec<(Pointer, &Value)> {
    fn go<'v>(at: Pointer, value: &'v Value, found: &mut Vec<(Pointer, &'v Value)>) {
        found.push((at.clone(), value));
        match value {
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(i, item)| go(at.child(i.to_string()), item, found));
            }
            Value::Object(map) => map.iter().for_each(|(key, value)| go(at.child(key.as_str()), value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut found = Vec::new();
    go(Pointer::default(), value, &mut found);
    found
}

/// The JSON number of `float`: an integer where it is whole.
fn number(float: f64) -> Value {
    // Why: `Display` writes neither exponents nor the fraction of whole numbers, so that the parser sees integers.
    serde_json::from_str(&float.to_string()).unwrap_or(Value::Null)
}
