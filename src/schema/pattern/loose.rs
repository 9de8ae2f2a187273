//! Patterns as they are written for JavaScript without its flag `u`, where a bracket that closes nothing stands for
//! itself (ECMA-262, Annex B). JSON Schema asks for Unicode mode, in which that is an error.

/// Writes `pattern` in Unicode mode; nothing if there is nothing to change.
#[must_use]
pub fn in_unicode_mode(pattern: &str) -> Option<String> {
    let mut out = String::with_capacity(pattern.len() + 4);
    let mut rest = pattern.chars();
    let (mut in_class, mut has_changed) = (false, false);
    while let Some(c) = rest.next() {
        match c {
            '\\' => {
                out.push(c);
                let Some(escaped) = rest.next() else { break };
                out.push(escaped);
                // Names and numbers in braces belong to the escape.
                if matches!(escaped, 'u' | 'p' | 'P' | 'k' | 'x')
                    && let Some((braced, after)) = rest.as_str().split_once('}')
                    && braced.starts_with('{')
                {
                    out.push_str(braced);
                    out.push('}');
                    rest = after.chars();
                }
            }
            '[' if !in_class => {
                in_class = true;
                out.push(c);
                // A bracket right after the opening one closes an empty class in ECMA-262.
            }
            ']' if in_class => {
                in_class = false;
                out.push(c);
            }
            '{' if !in_class => match quantifier(rest.as_str()) {
                Some((braces, after)) => {
                    out.push('{');
                    out.push_str(braces);
                    rest = after.chars();
                }
                None => {
                    out.push_str("\\{");
                    has_changed = true;
                }
            },
            ']' | '}' if !in_class => {
                out.push('\\');
                out.push(c);
                has_changed = true;
            }
            other => out.push(other),
        }
    }
    has_changed.then_some(out)
}

/// The rest of a quantifier with its brace, and what follows.
fn quantifier(text: &str) -> Option<(&str, &str)> {
    let end = text.find('}')?;
    let (low, high) = text[..end].split_once(',').unwrap_or((&text[..end], ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (!low.is_empty() && is_number(low) && is_number(high)).then(|| text.split_at(end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_brackets_that_close_nothing_change() {
        for (pattern, expected) in [
            (r".*\{\{.+}}.*", Some(r".*\{\{.+\}\}.*")),
            (r"^a]$", Some(r"^a\]$")),
            (r"\[\*]|[0-9]+]", Some(r"\[\*\]|[0-9]+\]")),
            (r"{a}", Some(r"\{a\}")),
            (r"^[a-z{}]{2,3}\p{L}\u{1F600}(?<n>x)\k<n>{4}$", None),
            (r"[\]}]a{1,}", None),
        ] {
            assert_eq!(in_unicode_mode(pattern).as_deref(), expected, "{pattern}");
        }
    }
}
