//! Regular expressions in Lark, which are Python's and Rust's, as ECMA-262's.
//!
//! What means something else there, and cannot be said otherwise, is left to llguidance: lazy repetitions, assertions,
//! sets of sets.

use std::collections::HashMap;
use std::time::Duration;

use super::CfgError;
use super::reader::Reader;
use crate::schema::Deadline;
use crate::schema::pattern::{self, Lang};

/// Processor time that all expressions of a grammar may take.
const MAX_TIME: Duration = Duration::from_millis(500);
/// Ranges of characters in all of them.
const MAX_RANGES: usize = 1_000_000;
/// What a word's character is, in Unicode. Source: UTS 18, Annex C.
const WORD: &str = r"\p{L}\p{M}\p{Nd}\p{Pc}";

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
        let pattern = translate(text)?;
        text.expect("/")?;
        let flags = text.word(|c| c.is_ascii_lowercase());
        if let Some(flag) = flags.chars().find(|flag| !"isu".contains(*flag)) {
            return Err(text.unsupported(&format!("the flag '{flag}' is not supported here")));
        }
        let modifiers: String = "is".chars().filter(|flag| flags.contains(*flag)).collect();
        let dots = if flags.contains('s') { pattern.replace(DOT, ".") } else { pattern.replace(DOT, "[^\\n]") };
        self.lang(text, &if modifiers.is_empty() { dots } else { format!("(?{modifiers}:{dots})") })
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
            let loose = pattern::in_unicode_mode(pattern);
            let lang = pattern::whole(loose.as_deref().unwrap_or(pattern))
                .map_err(|error| at.unsupported(&format!("/{pattern}/: {error}")))?;
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

/// Stands for a dot until the flags are known.
const DOT: &str = "\u{F8F0}";

/// The expression up to its closing slash, in ECMA-262.
fn translate(text: &mut Reader) -> Result<String, CfgError> {
    let mut out = String::new();
    let mut in_class = false;
    loop {
        let c = text.peek().filter(|c| *c != '\n');
        let c = c.ok_or_else(|| text.fault("the regular expression does not end"))?;
        let next = text.peek_at(1);
        match (c, in_class) {
            ('/', _) => return Ok(out),
            ('\\', _) => {
                let escaped = next.ok_or_else(|| text.fault("the regular expression does not end"))?;
                out.push_str(&escape(escaped, in_class).ok_or_else(|| {
                    text.unsupported(&format!("'\\{escaped}' means something else here, and is not supported"))
                })?);
                text.at += 1;
            }
            // Why: these are sets of sets in Rust, and characters in Python.
            ('[', true) => return Err(text.unsupported("sets inside of sets of characters are not supported here")),
            ('&' | '~' | '-', true) if next == Some(c) => {
                return Err(text.unsupported("sets inside of sets of characters are not supported here"));
            }
            (']', true) => {
                in_class = false;
                out.push(c);
            }
            ('[', false) => {
                in_class = true;
                out.push(c);
                if next == Some('^') {
                    out.push('^');
                    text.at += 1;
                }
                // A bracket that stands first is one of the characters.
                if text.peek_at(1) == Some(']') {
                    out.push_str("\\]");
                    text.at += 1;
                }
            }
            ('.', false) => out.push_str(DOT),
            ('^' | '$', false) => return Err(text.unsupported("assertions are not supported here")),
            ('(', false) if next == Some('?') && text.peek_at(2) != Some(':') => {
                return Err(text.unsupported("groups with '(?' are not supported here"));
            }
            ('*' | '+' | '?' | '}', false) if next == Some('?') => {
                return Err(text.unsupported("repetitions that take as little as they can are not supported here"));
            }
            ('{', false) if next == Some(',') => out.push_str("{0"),
            (c, _) => out.push(c),
        }
        text.at += 1;
    }
}

/// An escape in ECMA-262; none if it has no such thing.
fn escape(escaped: char, in_class: bool) -> Option<String> {
    Some(match (escaped, in_class) {
        // Only Lark needs that one.
        ('/', _) => "/".to_owned(),
        ('w', true) => WORD.to_owned(),
        ('w', false) => format!("[{WORD}]"),
        ('W', false) => format!("[^{WORD}]"),
        ('d', _) => r"\p{Nd}".to_owned(),
        ('D', _) => r"\P{Nd}".to_owned(),
        ('b' | 'B' | 'A' | 'Z' | 'z' | 'W' | 'h' | 'H' | 'R' | 'G' | 'K' | 'X' | '0'..='9', _) => return None,
        (c, _) if c.is_ascii_alphabetic() => format!("\\{c}"),
        (c, _) if "^$\\.*+?()[]{}|-".contains(c) && (c != '-' || in_class) => format!("\\{c}"),
        (c, _) => c.to_string(),
    })
}
