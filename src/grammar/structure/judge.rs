//! The independent check of a finished answer of several parts.

use std::collections::HashMap;
use std::sync::Arc;

use super::Parts;
use crate::grammar::cfg::{Cfg, Judgement};
use crate::guard::{Check, Encoding, Part, Structure};

/// Judges finished answers.
#[derive(Clone, Debug)]
pub struct Judge {
    structure: Arc<Structure>,
    checks: Vec<Arc<Check>>,
    /// What derives each text, where not all will do.
    texts: Arc<Vec<Option<Cfg>>>,
}

impl Judge {
    /// For answers of `parts`. `checks` judge the values of its schemas, `encodings` say how they are written, by the
    /// schema's name, where they are not written as JSON.
    #[must_use]
    pub fn new(parts: &Parts, checks: Vec<Arc<Check>>, encodings: &HashMap<String, Arc<Encoding>>) -> Self {
        let texts = parts.langs.iter().map(|lang| lang.as_ref().map(Cfg::of_language)).collect();
        Self { structure: parts.encoded(|name| encodings.get(name)), checks, texts: Arc::new(texts) }
    }

    /// Whether `answer` is one: all its parts are there, and each is what it must be.
    #[must_use]
    pub fn holds(&self, answer: &str) -> bool {
        let text = |bytes| std::str::from_utf8(bytes).ok();
        let mut is_right = true;
        let is_whole = self.structure.read(answer.as_bytes(), |part| {
            is_right = is_right
                && match part {
                    Part::Value(schema, bytes) => {
                        let json = self.structure.json(schema, bytes).and_then(|json| String::from_utf8(json).ok());
                        json.is_some_and(|json| self.checks[schema].judge(&json).is_ok())
                    }
                    Part::Text(id, bytes) => match (&self.texts[id], text(bytes)) {
                        (_, None) => false,
                        (None, Some(_)) => true,
                        (Some(cfg), Some(text)) => cfg.judge(text) != Judgement::NotDerived,
                    },
                };
        });
        is_whole && is_right
    }
}
