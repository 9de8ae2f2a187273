//! Lists that templates change. A list of minijinja's cannot be changed, but the attribute of a namespace that holds it
//! can: what Python writes as `set _ = queue.ids.append(id)` becomes an assignment.
//!
//! Source: the templates of Kimi K2 (Instruct and Thinking), which count the ids of their calls so.

use std::borrow::Cow;

/// The source with assignments for `append(value)` and `pop(0)`.
pub(super) fn with_assignments(source: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let (mut n_kept, mut at) = (0, 0);
    while let Some(open) = source[at..].find("{%").map(|i| at + i) {
        let Some(close) = source[open + 2..].find("%}").map(|i| open + 2 + i + 2) else { break };
        at = close;
        if let Some(changed) = assignment(&source[open..close]) {
            out.push_str(&source[n_kept..open]);
            out.push_str(&changed);
            n_kept = close;
        }
    }
    if n_kept == 0 { Cow::Borrowed(source) } else { Cow::Owned(out + &source[n_kept..]) }
}

/// The tag as one that assigns, if it changes a list. Each is made a list at once: sums and slices of minijinja's are not
/// made before they are looked at, and many in each other would be looked through again and again.
fn assignment(tag: &str) -> Option<String> {
    let inside = &tag[2..tag.len() - 2];
    let sign = |c: Option<char>| c.filter(|c| matches!(c, '-' | '+')).map(String::from).unwrap_or_default();
    let (before, behind) = (sign(inside.chars().next()), sign(inside.chars().next_back()));
    let statement = inside.strip_prefix(&before)?.strip_suffix(&behind)?.trim();
    let (variable, call) = statement.strip_prefix("set ")?.split_once('=')?;
    let (variable, call) = (variable.trim(), call.trim());
    let (path, argument) = call.strip_suffix(')')?.split_once('(')?;
    let (list, method) = path.rsplit_once('.')?;
    let is_path = |text: &str| text.contains('.') && text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.');
    if !is_path(list) {
        return None;
    }
    match (method, argument.trim()) {
        ("append", value) => Some(format!("{{%{before} set {list} = ({list} + [{value}])|list {behind}%}}")),
        ("pop", "0") => {
            Some(format!("{{%{before} set {variable} = {list}[0] -%}}{{%- set {list} = {list}[1:]|list {behind}%}}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_become_assignments() {
        for (source, expected) in [
            ("a{%- set _ = q.ids.append(f(1)) -%}b", "a{%- set q.ids = (q.ids + [f(1)])|list -%}b"),
            ("{% set x = q.ids.pop(0) %}", "{% set x = q.ids[0] -%}{%- set q.ids = q.ids[1:]|list %}"),
            ("{% set x = ids.append(1) %}{{ q.ids.append(1) }}", "{% set x = ids.append(1) %}{{ q.ids.append(1) }}"),
            ("{% set x = q.ids.pop() %}{% if a %}", "{% set x = q.ids.pop() %}{% if a %}"),
            ("{%}{%-%}{%-", "{%}{%-%}{%-"),
        ] {
            assert_eq!(with_assignments(source), expected);
        }
    }
}
