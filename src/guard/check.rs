//! Judges a finished value by the crate `jsonschema`, with formats asserted and no access to any other document.

use jsonschema::canonical::CanonicalSchema;
use jsonschema::{Draft, Validator};
use serde_json::Value;

use super::ecma;
use super::looks::{self, Look};
use crate::schema::{Document, ErrorKind, NoDocuments, Pointer, SchemaError, Store};

/// A schema made ready to judge values.
#[derive(Debug)]
pub struct Check {
    validator: Validator,
    /// Whether looks are counted.
    is_costly: bool,
}

/// Why a schema cannot be used to judge values.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct CheckError {
    /// RFC 6901 pointer into the schema.
    pub pointer: String,
    /// The validator's words.
    pub message: String,
}

/// What is wrong with a finished value.
#[derive(Debug, thiserror::Error)]
pub enum Violation {
    /// The text is no JSON.
    #[error("not JSON: {0}")]
    NotJson(String),
    /// The value breaks the schema.
    #[error("at '{instance}' against '{schema}': {message}")]
    Invalid {
        /// Pointer into the value.
        instance: String,
        /// Pointer into the schema.
        schema: String,
        /// The validator's words.
        message: String,
    },
    /// The schema looks at the value from so many sides that it cannot be judged in time.
    #[error("judging the value takes too long")]
    TooCostly,
}

impl From<CheckError> for SchemaError {
    fn from(error: CheckError) -> Self {
        Self::at(Pointer::parse(&error.pointer), ErrorKind::Malformed(error.message))
    }
}

/// The stack that judging by a schema from a stranger may take: each level of a value may go through a chain of schemas.
pub const STACK_BYTES: usize = 64 << 20;

impl Check {
    /// Compiles `schema`. Drafts 4 to 2020-12 by `$schema`, 2020-12 without it.
    ///
    /// # Errors
    /// If the schema breaks its metaschema, or refers to something that is not there.
    pub fn new(schema: &Value) -> Result<Self, CheckError> {
        Self::build(schema, &Store::empty(), None, false)
    }

    /// Compiles a document, with the documents that it may refer to.
    ///
    /// # Errors
    /// As [`Check::new`].
    pub fn of(document: &Document) -> Result<Self, CheckError> {
        Self::build(document.value(), document.store(), document.forced_draft(), document.is_costly())
    }

    /// Compiles a part of a document in its normal form, which carries what it refers to. `is_costly`: whether looks
    /// are to be counted.
    ///
    /// # Errors
    /// As [`Check::new`].
    pub fn canonical(schema: &CanonicalSchema, is_costly: bool) -> Result<Self, CheckError> {
        Self::build(&schema.to_json_schema(), &Store::empty(), Some(schema.draft()), is_costly)
    }

    fn build(schema: &Value, store: &Store, draft: Option<Draft>, is_costly: bool) -> Result<Self, CheckError> {
        let mut options = jsonschema::options()
            .should_validate_formats(true)
            .should_ignore_unknown_formats(true)
            .with_registry(store.registry())
            .with_retriever(NoDocuments);
        if let Some(draft) = draft {
            options = options.with_draft(draft);
        }
        let schema = ecma::written_out(schema);
        let counted;
        let mut schema = schema.as_ref();
        if is_costly {
            options = options.with_keyword(looks::KEYWORD, |_, _, _| Ok(Box::new(Look)));
            counted = looks::counted(schema.clone());
            schema = &counted;
        }
        let validator = options.build(schema).map_err(|error| CheckError {
            pointer: error.instance_path().as_str().to_owned(),
            message: error.to_string(),
        })?;
        Ok(Self { validator, is_costly })
    }

    /// Parses `text` and judges it.
    ///
    /// # Errors
    /// The first violation found.
    pub fn judge(&self, text: &str) -> Result<Value, Violation> {
        let value = parse(text)?;
        let validate = || match self.validator.validate(&value) {
            Ok(()) => Ok(()),
            Err(error) => Err(Violation::Invalid {
                instance: error.instance_path().as_str().to_owned(),
                schema: error.schema_path().as_str().to_owned(),
                message: error.masked().to_string(),
            }),
        };
        let judged = if self.is_costly {
            looks::within_limit(validate).unwrap_or(Err(Violation::TooCostly))
        } else {
            validate()
        };
        judged.map(|()| value)
    }
}

/// Parses JSON, reading numbers beyond the range of f64 as the largest f64 of their sign.
///
/// JSON has no range for numbers, and an unbounded `number` allows `1e999`, which the parser refuses.
///
/// # Errors
/// If it is no JSON.
pub fn parse(text: &str) -> Result<Value, Violation> {
    match serde_json::from_str(text) {
        Ok(value) => Ok(value),
        Err(error) if error.to_string().contains("number out of range") => {
            serde_json::from_str(&clamp_numbers(text)).map_err(|e| Violation::NotJson(e.to_string()))
        }
        Err(error) => Err(Violation::NotJson(error.to_string())),
    }
}

/// Replaces number literals that overflow f64; everything else stays byte for byte.
fn clamp_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.char_indices().peekable();
    let (mut in_string, mut escaped) = (false, false);
    while let Some((start, c)) = chars.next() {
        if in_string {
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
            out.push(c);
        } else if c == '-' || c.is_ascii_digit() {
            let mut end = start + 1;
            while let Some(&(at, d)) = chars.peek() {
                if !matches!(d, '0'..='9' | '.' | 'e' | 'E' | '+' | '-') {
                    break;
                }
                end = at + 1;
                chars.next();
            }
            let literal = &text[start..end];
            match literal.parse::<f64>() {
                Ok(number) if number.is_infinite() => {
                    out.push_str(if number > 0.0 { "1.7976931348623157e308" } else { "-1.7976931348623157e308" });
                }
                _ => out.push_str(literal),
            }
        } else {
            in_string = c == '"';
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn judges_values_formats_and_overflowing_numbers() {
        let check =
            Check::new(&json!({"type": "object", "properties": {"d": {"format": "date"}, "n": {"type": "number"}}}))
                .expect("a valid schema");
        for (text, ok) in [
            (r#"{"d": "2024-02-29"}"#, true),
            (r#"{"d": "2023-02-29"}"#, false),
            (r#"{"n": 1e999, "s": "1e999\" 1e999"}"#, true),
            (r#"{"n": -1E+400}"#, true),
            (r#"{"n": "1"}"#, false),
            (r#"{"n": 1"#, false),
            ("[]", false),
        ] {
            assert_eq!(check.judge(text).is_ok(), ok, "{text}");
        }
    }

    #[test]
    fn ends_where_ways_multiply() {
        let inner = json!({"properties": {"x": {"$ref": "#"}}});
        let recursive = json!({"type": "object", "allOf": [inner, inner]});
        let nested = |n: usize| format!("{}{{}}{}", r#"{"x":"#.repeat(n), "}".repeat(n));
        for (text, is_judged) in [(nested(10), true), (nested(60), false)] {
            let document =
                Document::parse(recursive.clone(), crate::schema::Limits::default()).expect("a valid schema");
            let judged = Check::of(&document).expect("a check").judge(&text);
            assert_eq!(!matches!(judged, Err(Violation::TooCostly)), is_judged, "{text}");
        }
    }

    #[test]
    fn fetches_nothing() {
        let error = Check::new(&json!({"$ref": "http://127.0.0.1:9/x.json"})).expect_err("nothing is fetched");
        assert!(error.message.contains("http://127.0.0.1:9/x.json"), "{error}");
    }
}
