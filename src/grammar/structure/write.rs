//! The automaton as Lark for llguidance: a rule per node, a terminal per literal and per way in which a text ends.
//!
//! The lexer is greedy and never goes back, and it need not: no two terminals that may stand at one place begin alike
//! without one of them ending there.

use std::collections::HashSet;
use std::fmt::Write as _;

use llguidance::derivre::RegexAst;

use super::Parts;
use crate::grammar::lark::{Writer, quote};
use crate::grammar::spelling::Spelling;
use crate::grammar::terminal::content;
use crate::grammar::until::up_to;
use crate::guard::{Node, Text};
use crate::schema::pattern::Lang;

impl Parts {
    /// The grammar of the answers, as Lark that names the schemas. `not_first`: what no text begins with that stands at
    /// the beginning of the answer.
    #[must_use]
    pub fn to_lark(&self, not_first: Option<&str>) -> String {
        let mut out = Lines {
            parts: self,
            writer: Writer::default(),
            terminals: HashSet::new(),
            open: vec![0],
            known: HashSet::new(),
        };
        out.writer.text.push_str("start: n0\n");
        while let Some(node) = out.open.pop() {
            if out.known.insert(node) {
                out.rule(node, not_first.filter(|_| node == 0));
            }
        }
        out.writer.text
    }
}

struct Lines<'a> {
    parts: &'a Parts,
    writer: Writer,
    terminals: HashSet<String>,
    open: Vec<usize>,
    known: HashSet<usize>,
}

impl Lines<'_> {
    fn rule(&mut self, id: usize, not_first: Option<&str>) {
        let node = &self.parts.structure.nodes[id];
        let mut literals = Vec::new();
        self.literals(node, node.text.is_some(), &mut Vec::new(), &mut literals);
        let mut ways: Vec<String> =
            literals.iter().map(|(text, next)| format!("{} {}", quote(text), self.node(*next))).collect();
        if let Some((value, next)) = node.value {
            ways.push(format!("@{} {}", Parts::schema_name(value), self.node(next)));
        }
        if let Some((text, _)) = node.text {
            let barred: Vec<&str> = literals.iter().map(|(text, _)| text.as_str()).chain(not_first).collect();
            let prefix = if barred.is_empty() { format!("T{text}") } else { format!("T{text}_N{id}") };
            ways.extend(self.text(text, &prefix, &barred));
        }
        if node.may_end {
            ways.push(quote(""));
        }
        let _ = writeln!(self.writer.text, "n{id}: {}", ways.join("\n  | "));
    }

    /// The name of a node's rule, which is then written.
    fn node(&mut self, id: usize) -> String {
        self.open.push(id);
        format!("n{id}")
    }

    /// The literals that may stand at `node`, each as far as there is no choice; beside a text, as far as the text is
    /// possible.
    fn literals(&self, node: &Node, by_text: bool, begun: &mut Vec<u8>, found: &mut Vec<(String, usize)>) {
        for (byte, next) in &node.edges {
            begun.push(*byte);
            let there = &self.parts.structure.nodes[*next];
            let is_over = match by_text {
                true => there.text.is_none_or(|(_, n_back)| n_back == 0),
                false => there.edges.len() != 1 || there.value.is_some() || there.text.is_some() || there.may_end,
            };
            match std::str::from_utf8(begun) {
                Ok(text) if is_over => found.push((text.to_owned(), *next)),
                _ => self.literals(there, by_text, begun, found),
            }
            begun.pop();
        }
    }

    /// The ways in which a text goes on. It begins with none of `barred`.
    fn text(&mut self, id: usize, prefix: &str, barred: &[&str]) -> Vec<String> {
        let text = &self.parts.structure.texts[id];
        let lang = self.parts.langs[id].as_ref();
        let is_new = self.terminals.insert(prefix.to_owned());
        let mut ways = Vec::new();
        for (k, (_, next)) in text.stops.iter().enumerate() {
            if is_new {
                self.writer.terminal(&format!("{prefix}_{k}"), &unlike(ended(text, lang, Some(k)), barred));
            }
            ways.push(format!("{prefix}_{k} {}", self.node(*next)));
        }
        if text.may_end {
            if is_new {
                self.writer.terminal(&format!("{prefix}_END"), &unlike(ended(text, lang, None), barred));
            }
            ways.push(format!("{prefix}_END"));
            if lang.is_none_or(Lang::is_nullable) {
                ways.push(quote(""));
            }
        }
        ways
    }
}

/// The texts that end with this stop, and with the answer where there is none; those of `lang`, if there is one.
pub(in crate::grammar) fn ended(text: &Text, lang: Option<&Lang>, stop: Option<usize>) -> RegexAst {
    let content = lang.map(|lang| content(lang, Spelling::Raw));
    let some = || RegexAst::Regex("(?s:.+)".to_owned());
    let literals = |words: &mut dyn Iterator<Item = &Vec<u8>>| -> Vec<RegexAst> {
        words.map(|word| RegexAst::Literal(String::from_utf8_lossy(word).into_owned())).collect()
    };
    let stops = || text.stops.iter().map(|(stop, _)| stop);
    let mut parts = Vec::new();
    match stop {
        Some(k) if text.stops.len() == 1 => {
            parts.push(up_to(content.unwrap_or_else(any), lang.is_none(), &String::from_utf8_lossy(&text.stops[k].0)));
        }
        Some(k) => {
            let last = RegexAst::Literal(String::from_utf8_lossy(&text.stops[k].0).into_owned());
            parts.push(RegexAst::Concat(vec![content.unwrap_or_else(any), last]));
            // Why no stop of them all: then this is the same for each of them, and known once it is looked at.
            parts.push(not(RegexAst::Concat(vec![any(), RegexAst::Or(literals(&mut stops())), some()])));
        }
        None => {
            parts.extend(content);
            if lang.is_none_or(Lang::is_nullable) {
                parts.push(some());
            }
            if !text.stops.is_empty() {
                parts.push(not(RegexAst::Concat(vec![any(), RegexAst::Or(literals(&mut stops())), any()])));
            }
        }
    }
    if !text.excluded.is_empty() {
        parts.push(not(RegexAst::Concat(vec![any(), RegexAst::Or(literals(&mut text.excluded.iter())), any()])));
    }
    if parts.len() == 1 { parts.remove(0) } else { RegexAst::And(parts) }
}

fn any() -> RegexAst {
    RegexAst::Regex("(?s:.*)".to_owned())
}

fn not(ast: RegexAst) -> RegexAst {
    RegexAst::Not(Box::new(ast))
}

/// The texts of `lang`, each with `stop` behind it.
pub(super) fn up_to_stop(lang: &Lang, stop: &[u8]) -> Lang {
    Lang::concat(vec![lang.clone(), Lang::literal(&String::from_utf8_lossy(stop))])
}

/// The texts of `lang` that begin with `begun`.
pub(super) fn beginning(lang: &Lang, begun: &[u8]) -> RegexAst {
    let begun = RegexAst::Literal(String::from_utf8_lossy(begun).into_owned());
    RegexAst::And(vec![content(lang, Spelling::Raw), RegexAst::Concat(vec![begun, any()])])
}

/// `text`, but with none of `barred` at its beginning.
fn unlike(text: RegexAst, barred: &[&str]) -> RegexAst {
    if barred.is_empty() {
        return text;
    }
    let begins = barred.iter().map(|text| RegexAst::Literal((*text).to_owned())).collect();
    RegexAst::And(vec![text, not(RegexAst::Concat(vec![RegexAst::Or(begins), any()]))])
}
