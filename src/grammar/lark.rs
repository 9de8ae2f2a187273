//! Rules to Lark text: the only form in which they join the grammars of tool formats.

use std::fmt::Write as _;

use llguidance::derivre::RegexAst;

use super::build::WHITESPACE;
use super::rules::{Alternative, Count, Rules, Symbol};
use super::spelling::Spelling;
use super::terminal::{Terminal, string};
use crate::schema::pattern::Lang;

/// Expressions longer than this get a name of their own: llguidance bounds how deep groups nest.
const MAX_INLINE: usize = 120;

/// A Lark string literal; its escapes are JSON's.
pub(crate) fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Bytes as Lark's literals; a control token, 0xFF and its id in brackets, by its id.
pub(crate) fn wire_parts(bytes: &[u8]) -> String {
    let mut parts = Vec::new();
    for (i, part) in bytes.split(|byte| *byte == 0xFF).enumerate() {
        let text = String::from_utf8_lossy(part);
        let (token, text) = match (i, text.split_once(']')) {
            (0, _) | (_, None) => (None, text.as_ref()),
            (_, Some((token, text))) => (Some(format!("<{token}]>")), text),
        };
        parts.extend(token);
        parts.extend((!text.is_empty()).then(|| quote(text)));
    }
    parts.join(" ")
}

/// The lines of a terminal `name`: the texts of `lang`.
pub(crate) fn text_terminal(name: &str, lang: &Lang) -> String {
    let mut out = Writer::default();
    out.terminal(name, &string(lang, Spelling::Raw, ""));
    out.text
}

/// For grammars in which a control token may follow a terminal that is over without looking so: llguidance takes that
/// for a forced token, and fails.
pub(crate) const NO_FORCING: &str = "%llguidance {\"no_forcing\": true}\n";

/// Whether a terminal of this may be over while its expression still has parts.
pub(super) fn may_be_over_unseen(ast: &RegexAst) -> bool {
    match ast {
        RegexAst::And(parts) => parts.len() > 1 || parts.iter().any(may_be_over_unseen),
        RegexAst::Or(parts) | RegexAst::Concat(parts) => parts.iter().any(may_be_over_unseen),
        RegexAst::Repeat(inner, ..) => may_be_over_unseen(inner),
        RegexAst::Not(_) => true,
        _ => false,
    }
}

/// The grammar of `rules`, with whitespace between terminals if that is wanted.
pub(super) fn write(rules: &Rules, spaces: bool) -> String {
    let mut out = Writer::default();
    if spaces {
        let _ = writeln!(out.text, "%llguidance {{\"ignore_once\": true}}\n%ignore /{WHITESPACE}/");
    }
    let terminals = rules.terminals();
    let sequence = |symbols: &[Symbol]| sequence(symbols, terminals);
    let _ = writeln!(out.text, "start: {}", sequence(&rules.start));
    for (i, terminal) in terminals.iter().enumerate() {
        if matches!(terminal, Terminal::Token(_)) {
            continue;
        }
        out.terminal(&format!("T{i}"), &terminal.ast());
    }
    for (i, rule) in rules.rules().iter().enumerate() {
        let alternative = |alternative| alternative_with(alternative, sequence);
        let alternatives: Vec<String> = rule.alternatives.iter().map(alternative).collect();
        let counts = if rule.is_counting { "::_" } else { "" };
        let _ = writeln!(out.text, "r{i}{counts}: {}", alternatives.join("\n  | "));
    }
    out.text
}

fn alternative_with(alternative: &Alternative, sequence: impl Fn(&[Symbol]) -> String) -> String {
    let mut text = sequence(&alternative.symbols);
    let (min, max) = alternative.counts;
    match (min, max) {
        (0, u64::MAX) => {}
        (0, max) => drop(write!(text, " %if le(_, {max})")),
        (min, u64::MAX) => drop(write!(text, " %if ge(_, {min})")),
        (min, max) => drop(write!(text, " %if and(ge(_, {min}), le(_, {max}))")),
    }
    text
}

fn sequence(symbols: &[Symbol], terminals: &[Terminal]) -> String {
    if symbols.is_empty() {
        return "\"\"".to_owned();
    }
    let symbols: Vec<String> = symbols.iter().map(|one| symbol(one, terminals)).collect();
    symbols.join(" ")
}

fn symbol(symbol: &Symbol, terminals: &[Terminal]) -> String {
    match symbol {
        Symbol::Terminal(id) => match &terminals[id.0 as usize] {
            Terminal::Token(token) => format!("<[{token}]>"),
            _ => format!("T{}", id.0),
        },
        Symbol::Rule(id) => format!("r{}", id.0),
        Symbol::Counting(id, Count::Zero) => format!("r{}::0", id.0),
        Symbol::Counting(id, Count::Same) => format!("r{}::_", id.0),
        Symbol::Counting(id, Count::Next) => format!("r{}::incr(_)", id.0),
    }
}

/// Writes terminals.
#[derive(Default)]
pub(super) struct Writer {
    pub(super) text: String,
    n_names: usize,
}

impl Writer {
    /// Adds the terminal `name`.
    pub(super) fn terminal(&mut self, name: &str, ast: &RegexAst) {
        let expression = self.expression(ast);
        let _ = writeln!(self.text, "{name}: {expression}");
    }

    /// An expression for the right side of a terminal.
    fn expression(&mut self, ast: &RegexAst) -> String {
        match ast {
            RegexAst::Literal(text) => quote(text),
            RegexAst::EmptyString => quote(""),
            RegexAst::Regex(regex) => format!("/{}/", regex.replace(r"\/", "/").replace('/', r"\x2F")),
            RegexAst::And(parts) => self.join(parts, " & "),
            RegexAst::Or(parts) => self.join(parts, " | "),
            RegexAst::Concat(parts) => self.join(parts, " "),
            RegexAst::Not(inner) => format!("~{}", self.group(inner)),
            RegexAst::Repeat(inner, min, max) => {
                let max = if *max == u32::MAX { String::new() } else { max.to_string() };
                format!("{}{{{min},{max}}}", self.group(inner))
            }
            // Why: a terminal that matches nothing cannot be written down otherwise.
            RegexAst::NoMatch => "(\"a\" & \"b\")".to_owned(),
            _ => unreachable!("terminals are made of nothing else"),
        }
    }

    fn join(&mut self, parts: &[RegexAst], with: &str) -> String {
        let parts: Vec<String> = parts.iter().map(|part| self.group(part)).collect();
        parts.join(with)
    }

    /// An expression that stands in another one.
    fn group(&mut self, ast: &RegexAst) -> String {
        let expression = self.expression(ast);
        match ast {
            RegexAst::Literal(_) | RegexAst::Regex(_) | RegexAst::EmptyString | RegexAst::NoMatch => expression,
            _ if expression.len() > MAX_INLINE => {
                let name = format!("N{}", self.n_names);
                self.n_names += 1;
                let _ = writeln!(self.text, "{name}: {expression}");
                name
            }
            _ => format!("({expression})"),
        }
    }
}
