//! A grammar as Lark for llguidance: as it stands, or as the only string of a JSON object.

use std::fmt::Write as _;

use super::{Cfg, Symbol};
use crate::grammar::build::WHITESPACE;
use crate::grammar::lark::Writer;
use crate::grammar::spelling::{Spelling, times};
use crate::grammar::terminal::{content, string};

impl Cfg {
    /// The grammar of its texts.
    #[must_use]
    pub fn to_lark(&self) -> String {
        let mut out = Writer::default();
        out.text.push_str("start: r0\n");
        self.write(Spelling::Raw, &mut out);
        out.text
    }

    /// The grammar of the objects `{"key": text}` with its texts.
    #[must_use]
    pub(in crate::grammar) fn to_lark_in_json(&self, key: &str) -> String {
        let mut out = Writer::default();
        let gap = format!("(?:{WHITESPACE})?");
        let key = serde_json::Value::from(key).to_string();
        let _ = writeln!(out.text, "start: OBJECT r0 END");
        let _ = writeln!(out.text, r#"OBJECT: /\{{{gap}{key}:{gap}"/"#);
        let _ = writeln!(out.text, r#"END: /"{gap}\}}/"#);
        self.write(Spelling::Plain, &mut out);
        out.text
    }

    fn write(&self, spelling: Spelling, out: &mut Writer) {
        for (i, lang) in self.terminals.iter().enumerate() {
            let ast = if spelling == Spelling::Raw { string(lang, spelling, "") } else { content(lang, spelling) };
            out.terminal(&format!("T{i}"), &ast);
        }
        for (i, alternatives) in self.rules.iter().enumerate() {
            let alternatives: Vec<String> = alternatives.iter().map(|symbols| sequence(symbols)).collect();
            let _ = writeln!(out.text, "r{i}: {}", alternatives.join("\n  | "));
        }
    }
}

fn sequence(symbols: &[Symbol]) -> String {
    if symbols.is_empty() {
        return "\"\"".to_owned();
    }
    symbols.iter().map(symbol).collect::<Vec<_>>().join(" ")
}

fn symbol(one: &Symbol) -> String {
    match one {
        Symbol::Rule(id) => format!("r{id}"),
        Symbol::Terminal(id) => format!("T{id}"),
        Symbol::Repeat(inner, min, max) => format!("({}){}", symbol(inner), times(*min, *max)),
    }
}
