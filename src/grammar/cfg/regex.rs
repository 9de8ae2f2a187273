//! Regular expressions in Lark, which are Python's and Rust's, as ECMA-262's.

use super::CfgError;
use super::reader::Reader;
use crate::schema::pattern::{self, Lang};

/// Reads `/expression/flags`.
pub(super) fn read_regex(text: &mut Reader) -> Result<Lang, CfgError> {
    text.expect("/")?;
    let mut raw = String::new();
    let mut in_class = false;
    loop {
        match text.peek() {
            None | Some('\n') => return Err(text.fault("the regular expression does not end")),
            Some('/') => break,
            Some('\\') => {
                let escaped = text.peek_at(1).ok_or_else(|| text.fault("the regular expression does not end"))?;
                // Why: only Lark needs that escape.
                raw.push_str(if escaped == '/' { "" } else { "\\" });
                raw.push(escaped);
                text.at += 2;
                continue;
            }
            // Why: these are sets of sets in Rust, and characters in Python.
            Some(c) if in_class && (c == '[' || (matches!(c, '&' | '~' | '-') && text.peek_at(1) == Some(c))) => {
                return Err(text.unsupported("sets inside of sets of characters are not supported here"));
            }
            Some('[') => in_class = true,
            Some(']') => in_class = false,
            Some(_) => {}
        }
        raw.extend(text.peek());
        text.at += 1;
    }
    text.at += 1;
    let flags = text.word(|c| c.is_ascii_lowercase());
    let (mut any_case, mut dot_all) = (false, false);
    for flag in flags.chars() {
        match flag {
            'i' => any_case = true,
            's' => dot_all = true,
            'u' => {}
            other => return Err(text.unsupported(&format!("the flag '{other}' is not supported here"))),
        }
    }
    let dots = with_dots(&raw, dot_all);
    let whole = if any_case { format!("(?i:{dots})") } else { dots };
    let loose = pattern::in_unicode_mode(&whole).unwrap_or(whole);
    pattern::whole(&loose).map_err(|error| text.unsupported(&format!("/{raw}/: {error}")))
}

/// A text in any case.
pub(super) fn literal_any_case(text: &str) -> Result<Lang, String> {
    let mut escaped = String::new();
    for c in text.chars() {
        // Why only these: in Unicode mode nothing else may be escaped.
        if "^$\\.*+?()[]{}|/".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    pattern::whole(&format!("(?i:{escaped})")).map_err(|error| error.to_string())
}

/// A dot is any character but a line end, or any at all with `s`; in ECMA-262 it leaves out more.
fn with_dots(raw: &str, dot_all: bool) -> String {
    // Why not where there are modifiers: they say themselves what a dot is.
    if dot_all || raw.contains("(?s") {
        return if dot_all { format!("(?s:{raw})") } else { raw.to_owned() };
    }
    let mut out = String::new();
    let mut in_class = false;
    let mut rest = raw.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => {
                out.push(c);
                out.extend(rest.next());
                continue;
            }
            '[' => in_class = true,
            ']' => in_class = false,
            '.' if !in_class => {
                out.push_str("[^\\n]");
                continue;
            }
            _ => {}
        }
        out.push(c);
    }
    out
}
