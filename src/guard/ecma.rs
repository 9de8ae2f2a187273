//! Patterns with lookaround, and a few others, for the crate `jsonschema`, which gives them to its regex engine as they are: what ECMA-262
//! means by a dot and by classes, written out.

use std::borrow::Cow;

use serde_json::Value;

use crate::schema::pattern;
use crate::schema::walk::rewrite;

/// `schema` with all of its patterns so.
pub(super) fn written_out(schema: &Value) -> Cow<'_, Value> {
    // Why first: hardly any schema has one.
    if !holds_other(schema) {
        return Cow::Borrowed(schema);
    }
    let mut schema = schema.clone();
    rewrite(&mut schema, &mut |schema| {
        if let Some(Value::String(pattern)) = schema.get_mut("pattern")
            && let Some(written) = in_rust(pattern)
        {
            *pattern = written;
        }
        if let Some(Value::Object(entries)) = schema.get_mut("patternProperties") {
            let renamed = std::mem::take(entries).into_iter().map(|(pattern, entry)| {
                let written = in_rust(&pattern);
                (written.unwrap_or(pattern), entry)
            });
            *entries = renamed.collect();
        }
    });
    Cow::Owned(schema)
}

fn holds_other(value: &Value) -> bool {
    match value {
        Value::String(text) => is_other(text),
        Value::Array(items) => items.iter().any(holds_other),
        Value::Object(map) => map.iter().any(|(key, item)| is_other(key) || holds_other(item)),
        _ => false,
    }
}

/// Whether a pattern looks around, or has a brace where Rust's syntax has boundaries of its own (`\b{start}`).
fn is_other(pattern: &str) -> bool {
    ["(?=", "(?!", "(?<=", "(?<!", "\\b{", "\\B{"].iter().any(|open| pattern.contains(open))
}

/// The pattern, if it is such, with a dot and classes written out; nothing if there is nothing to change.
fn in_rust(written: &str) -> Option<String> {
    if !is_other(written) {
        return None;
    }
    let mut out = String::with_capacity(written.len() + 16);
    let mut in_class = false;
    let mut chars = written.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                let escaped = chars.next();
                match escaped.and_then(pattern::escaped) {
                    None => {
                        out.push(c);
                        out.extend(escaped);
                        if !in_class && matches!(escaped, Some('b' | 'B')) && chars.as_str().starts_with('{') {
                            out.push('\\');
                        }
                    }
                    Some(inside) if in_class => {
                        // A dash beside a class is itself, and would make a range of what is written out.
                        if out.ends_with('-') && !out.ends_with("[-") && !out.ends_with("[^-") && !out.ends_with("\\-")
                        {
                            out.insert(out.len() - 1, '\\');
                        }
                        write(&inside, &mut out);
                        if chars.as_str().starts_with('-') {
                            chars.next();
                            out.push_str("\\-");
                        }
                    }
                    Some(inside) => {
                        out.push('[');
                        write(&inside, &mut out);
                        out.push(']');
                    }
                }
            }
            '.' if !in_class => {
                out.push_str("[^");
                write(&pattern::LINE_ENDS, &mut out);
                out.push(']');
            }
            _ => {
                in_class = (in_class || c == '[') && c != ']';
                out.push(c);
            }
        }
    }
    (out != written).then_some(out)
}

/// Writes what stands in a class of these characters.
fn write(ranges: &[(char, char)], out: &mut String) {
    let escape = |c: char, out: &mut String| {
        if matches!(c, '\\' | '[' | ']' | '^' | '-') {
            out.push('\\');
        }
        out.push(c);
    };
    for (low, high) in ranges {
        escape(*low, out);
        if low < high {
            out.push('-');
            escape(*high, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::guard::Check;

    #[test]
    fn patterns_that_look_around_mean_what_ecma_says() {
        for (pattern, text, is_valid) in [
            ("^(?=.*a)", "xa", true),
            ("^(?=.*a)", "\ra", false),
            ("^(?=.*a)", "\u{2028}a", false),
            (r"^(?!\d)", "\u{663}", true),
            (r"^(?!\d)", "3", false),
            (r"^(?=\w+$)", "é", false),
            (r"^(?=[\s]+$)", "\u{FEFF} \u{2003}", true),
            (r"^(?=\S$)", "\u{FEFF}", false),
            (r"^(?=\W$)", "é", true),
            (r"^(?=\.)", "a", false),
            (r"^(?=[.\]])", ".", true),
            (r"^(?=[.\]])", "a", false),
            (r"^(?!admin$)[\w\W]{3,}$", "élan", true),
            (r"^(?!x)[\s\S]$", "\u{85}", true),
            (r"^(?!x)[\d\D]$", "\u{663}", true),
            (r"^(?!x)[\W]$", "[", true),
            (r"^(?!x)[^\W]$", "^", false),
            (r"^(?!x)[\w\-~]+$", "a-b", true),
            (r"^(?!x)[\w\-~]+$", "{", false),
            (r"^(?!x)[-\d]+$", "-3", true),
            (r"^(?!x)[\d-]+$", "-3", true),
            (r"^(?!x)[\d-]+$", ".", false),
        ] {
            let value = json!({(text): text}).to_string();
            let as_value = Check::new(&json!({"additionalProperties": {"pattern": pattern}})).expect("compiles");
            assert_eq!(as_value.judge(&value).is_ok(), is_valid, "{pattern} {text:?}");
            let schema = json!({"patternProperties": {(pattern): true}, "additionalProperties": false});
            let as_key = Check::new(&schema).expect("compiles");
            assert_eq!(as_key.judge(&value).is_ok(), is_valid, "{pattern} {text:?} as a key");
        }
    }
}
