//! Regular expressions in Lark, which are those of Rust's `regex`.
//!
//! What a terminal cannot say by itself is left to llguidance: lazy repetitions and assertions.

use std::collections::HashMap;
use std::time::Duration;

use super::CfgError;
use super::reader::Reader;
use crate::schema::Deadline;
use crate::schema::pattern::{self, Lang, from_rust};

/// Processor time that all expressions of a grammar may take.
const MAX_TIME: Duration = Duration::from_millis(500);
/// Ranges of characters in all of them.
const MAX_RANGES: usize = 1_000_000;
/// The expressions of one grammar.
pub(super) struct Regexes {
    /// By their text in ECMA-262, with the ranges in them.
    known: HashMap<String, (Lang, usize)>,
    deadline: Deadline,
    n_ranges: usize,
}

impl Default for Regexes {
    fn default() -> Self {
        Self { known: HashMap::new(), deadline: Deadline::after(MAX_TIME), n_ranges: 0 }
    }
}

impl Regexes {
    /// Reads `/expression/flags`.
    pub(super) fn read(&mut self, text: &mut Reader) -> Result<Lang, CfgError> {
        text.expect("/")?;
        let pattern = expression(text)?;
        text.expect("/")?;
        let flags = text.word(|c| c.is_ascii_lowercase());
        if let Some(flag) = flags.chars().find(|flag| !"imsux".contains(*flag)) {
            return Err(text.unsupported(&format!("the flag '{flag}' is not supported here")));
        }
        let with_flags = if flags.is_empty() { pattern.clone() } else { format!("(?{flags}){pattern}") };
        let read = from_rust(&with_flags).map_err(|error| text.unsupported(&format!("/{pattern}/: {error}")))?;
        if read.is_lazy {
            return Err(text.unsupported("repetitions that take as little as they can are not supported here"));
        }
        if read.has_assertions {
            return Err(text.unsupported("assertions are not supported here"));
        }
        self.lang(text, &read.pattern)
    }

    /// A text in any case.
    pub(super) fn literal(&mut self, at: &Reader, text: &str) -> Result<Lang, CfgError> {
        let mut escaped = String::new();
        for c in text.chars() {
            // Why only these: in Unicode mode nothing else may be escaped.
            if "^$\\.*+?()[]{}|/".contains(c) {
                escaped.push('\\');
            }
            escaped.push(c);
        }
        self.lang(at, &format!("(?i:{escaped})"))
    }

    fn lang(&mut self, at: &Reader, pattern: &str) -> Result<Lang, CfgError> {
        if !self.known.contains_key(pattern) {
            if self.deadline.look().is_err() {
                return Err(at.fault("the regular expressions take too long to read"));
            }
            let lang = pattern::whole(pattern).map_err(|error| at.unsupported(&format!("/{pattern}/: {error}")))?;
            let n_ranges = ranges(&lang);
            self.known.insert(pattern.to_owned(), (lang, n_ranges));
        }
        let (lang, n_ranges) = &self.known[pattern];
        self.n_ranges += n_ranges;
        if self.n_ranges > MAX_RANGES {
            return Err(at.fault("the sets of characters are too large together"));
        }
        Ok(lang.clone())
    }
}

/// The ranges of characters in `lang`.
fn ranges(lang: &Lang) -> usize {
    match lang {
        Lang::Empty | Lang::Nothing => 1,
        Lang::Class(ranges) => ranges.len(),
        Lang::Concat(parts) | Lang::Or(parts) | Lang::And(parts) => parts.iter().map(ranges).sum(),
        Lang::Not(inner) | Lang::Repeat(inner, ..) => ranges(inner),
    }
}

/// The expression up to its closing slash.
fn expression(text: &mut Reader) -> Result<String, CfgError> {
    let mut out = String::new();
    loop {
        let c = text.peek().filter(|c| *c != '\n');
        let c = c.ok_or_else(|| text.fault("the regular expression does not end"))?;
        if c == '/' {
            return Ok(out);
        }
        out.push(c);
        text.at += 1;
        if c == '\\' {
            out.extend(text.peek());
            text.at += 1;
        }
    }
}
