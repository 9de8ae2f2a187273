//! The dialect of chat templates: Python's Jinja with transformers' additions, rebuilt on minijinja.

use std::borrow::Cow;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Value as Jinja};
use minijinja::{Environment, ErrorKind};
use serde_json::Value;

use super::lists::with_assignments;

/// Bounds the work of one rendering: templates come with models from strangers.
const FUEL: u64 = 50_000_000;

/// How deep macros may call each other, each call counted several times: some templates write schemas by macros that call
/// themselves. The most that the crate allows.
const RECURSION: usize = 500;

/// The name of the only template of an environment.
pub(super) const CHAT: &str = "chat";

/// Compiles `source` as the template [`CHAT`].
///
/// # Errors
/// If it is no Jinja template.
pub(super) fn environment(source: &str) -> Result<Environment<'static>, minijinja::Error> {
    let mut env = Environment::new();
    // Source: transformers compiles chat templates with trim_blocks and lstrip_blocks.
    env.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    env.set_fuel(Some(FUEL));
    env.set_recursion_limit(RECURSION);
    env.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    env.add_filter("tojson", to_json);
    env.add_function("raise_exception", |message: String| -> Result<String, minijinja::Error> {
        Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
    });
    env.add_function("strftime_now", |format: String| -> Result<String, minijinja::Error> {
        jiff::fmt::strtime::format(&format, &jiff::Zoned::now())
            .map_err(|e| minijinja::Error::new(ErrorKind::InvalidOperation, e.to_string()))
    });
    // Source: FireFunction's template, which says of what day its knowledge of time is.
    env.add_global("datetime", jiff::Zoned::now().date().to_string());
    env.add_template_owned(CHAT, with_assignments(&without_generation_tags(source)).into_owned())?;
    Ok(env)
}

/// The source without the tags that mark the assistant's words for training; they print nothing.
///
/// Source: transformers, `apply_chat_template(return_assistant_tokens_mask=True)`: `{% generation %}`, `{% endgeneration %}`.
fn without_generation_tags(source: &str) -> Cow<'_, str> {
    let mut kept = String::new();
    let (mut n_kept, mut at) = (0, 0);
    while let Some(open) = source[at..].find("{%").map(|i| at + i) {
        // Why: what is commented out stays so.
        if let Some(comment) = source[at..open].find("{#").map(|i| at + i) {
            let Some(end) = source[comment..].find("#}") else { break };
            at = comment + end + 2;
            continue;
        }
        let inside_at = open + 2;
        let Some(close) = source[inside_at..].find("%}").map(|i| inside_at + i) else { break };
        at = close + 2;
        let inside = &source[inside_at..close];
        let name = inside.trim_start_matches(['-', '+']).trim_end_matches(['-', '+']).trim();
        if matches!(name, "generation" | "endgeneration") {
            // Why a comment: it trims whitespace around it as the tag would have.
            let trims = |c: Option<char>| c.filter(|c| matches!(c, '-' | '+')).map(String::from).unwrap_or_default();
            let (before, behind) = (trims(inside.chars().next()), trims(inside.chars().next_back()));
            kept.push_str(&source[n_kept..open]);
            kept.push_str(&format!("{{#{before} {behind}#}}"));
            n_kept = at;
        }
    }
    if n_kept == 0 { Cow::Borrowed(source) } else { Cow::Owned(kept + &source[n_kept..]) }
}

/// `tojson` as transformers has it: Python's spacing, no escapes for HTML or for letters beyond ASCII.
fn to_json(value: &Jinja, kwargs: Kwargs) -> Result<String, minijinja::Error> {
    let indent: Option<usize> = kwargs.get("indent")?;
    let separators: Option<Vec<String>> = kwargs.get("separators")?;
    let sort_keys: Option<bool> = kwargs.get("sort_keys")?;
    let _ensure_ascii: Option<bool> = kwargs.get("ensure_ascii")?;
    kwargs.assert_all_used()?;
    let mut value =
        serde_json::to_value(value).map_err(|e| minijinja::Error::new(ErrorKind::BadSerialization, e.to_string()))?;
    if sort_keys == Some(true) {
        value.sort_all_objects();
    }
    let style = match separators.as_deref() {
        Some([item, key]) => Style { indent, item, key },
        // Source: Python's json, whose items have no space behind them where each has a line.
        _ => Style { indent, item: if indent.is_some() { "," } else { ", " }, key: ": " },
    };
    let mut out = String::new();
    style.write(&value, 0, &mut out);
    Ok(out)
}

/// What stands between the parts of JSON.
struct Style<'a> {
    /// Spaces for each level, where each part has a line.
    indent: Option<usize>,
    item: &'a str,
    key: &'a str,
}

impl Style<'_> {
    fn write(&self, value: &Value, depth: usize, out: &mut String) {
        match value {
            Value::Array(items) if !items.is_empty() => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    self.begin_part(i, depth, out);
                    self.write(item, depth + 1, out);
                }
                self.new_line(depth, out);
                out.push(']');
            }
            Value::Object(map) if !map.is_empty() => {
                out.push('{');
                for (i, (key, item)) in map.iter().enumerate() {
                    self.begin_part(i, depth, out);
                    out.push_str(&Value::from(key.as_str()).to_string());
                    out.push_str(self.key);
                    self.write(item, depth + 1, out);
                }
                self.new_line(depth, out);
                out.push('}');
            }
            other => out.push_str(&other.to_string()),
        }
    }

    fn begin_part(&self, i: usize, depth: usize, out: &mut String) {
        if i > 0 {
            out.push_str(self.item);
        }
        self.new_line(depth + 1, out);
    }

    fn new_line(&self, depth: usize, out: &mut String) {
        if let Some(n) = self.indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', n.min(16) * depth));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use minijinja::value::Serde;

    #[test]
    fn reads_pythons_dialect() {
        let value: Value = serde_json::from_str(r#"{"role": " hi é ", "x": [1, "<"]}"#).expect("JSON");
        for (source, expected) in [
            ("{{ v.role.strip().upper() }}", "HI É"),
            ("{{ v | tojson }}", r#"{"role": " hi é ", "x": [1, "<"]}"#),
            ("{{ v.x | tojson(indent=2) }}", "[\n  1,\n  \"<\"\n]"),
            ("{{ v | tojson(separators=(',', ':')) }}", r#"{"role":" hi é ","x":[1,"<"]}"#),
            ("{{ {'b': 1, 'a': {'d': 2, 'c': 3}} | tojson(sort_keys=true) }}", r#"{"a": {"c": 3, "d": 2}, "b": 1}"#),
            ("{%- for m in [1, 2] %}\n  {%- if loop.first %}{% continue %}{% endif %}\n{%- endfor %}ok", "ok"),
            ("{{ strftime_now('%Y')[:2] }}", "20"),
            ("{# {% generation %} #}{%- if true -%} x {%- endif -%}{{ '{%}' }}", "x{%}"),
            ("a {% generation %}b{%- endgeneration -%} c{% if true %}d{% endif %}", "a bcd"),
            ("{{ v.x[::-1] | join(',') }}{{ 'a b'.split(' ')[-1] }}{{ v.items() | list | length }}", "<,1b2"),
        ] {
            let env = environment(source).expect(source);
            let rendered = env.get_template(CHAT).expect("is there").render(minijinja::context! { v => Serde(&value) });
            assert_eq!(rendered.expect(source), expected, "{source}");
        }
    }

    #[test]
    fn endless_templates_end() {
        let endless = "{% for a in range(10000) %}{% for b in range(10000) %}{% for c in range(10000) %}x{% endfor %}{% endfor %}{% endfor %}";
        let env = environment(endless).expect("compiles");
        assert!(env.get_template(CHAT).expect("is there").render(()).is_err());
    }
}
