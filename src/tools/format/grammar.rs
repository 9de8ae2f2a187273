//! The grammar of an answer with tools: thinking, free text, calls, a value by schema.

use std::fmt::Write as _;
use std::sync::Arc;

use super::{ToolFormat, schema_name};
use crate::grammar::cfg::Cfg;
use crate::grammar::structure::{PartSchema, Parts};
use crate::grammar::{
    Call, Calls, KeyOrder, NO_FORCING, NamedSchema, Prose, Spec, Style, Texts, quote, text_terminal, wire_parts,
};
use crate::guard::{Bit, Frame, IdForm, Preamble};
use crate::schema::Document;
use crate::schema::pattern::Lang;
use crate::tools::{Tool, ToolChoice};

/// The shape of every answer with tools.
const SHAPE: &str = include_str!("../../../grammars/calls.lark");

/// What every grammar with thinking has.
const PREAMBLE: &str = "preamble: think_open thought\nGAP: /\\n{1,3}/\n";

/// What an answer with tools may be besides calls.
#[derive(Clone, Debug)]
pub enum Otherwise {
    /// Free text.
    Prose,
    /// JSON by this schema.
    Schema(Arc<Document>),
}

impl ToolFormat {
    /// Makes the grammar of an answer. Sub-grammar `tool_i` is the i-th tool's arguments, `answer` the schema's.
    #[must_use]
    pub fn spec(
        &self,
        tools: &[Tool],
        choice: &ToolChoice,
        parallel: bool,
        otherwise: &Otherwise,
        preamble: Option<&Preamble>,
    ) -> Spec {
        let named = |(i, tool): (usize, &Tool)| {
            let (name, document) = (schema_name(i), Arc::clone(&tool.parameters));
            NamedSchema { name, document, form: self.form.clone() }
        };
        // Why not all: of five hundred tools, one is named, and the others' grammars would be made for nothing.
        let is_called = |tool: &Tool| !matches!(choice, ToolChoice::Named(name) if tool.name != *name);
        let called: Vec<(usize, &Tool)> = tools.iter().enumerate().filter(|(_, tool)| is_called(tool)).collect();
        let mut schemas: Vec<NamedSchema> = called.iter().copied().map(named).collect();
        // Source: OpenAI's function calling guide: a named function is called exactly once.
        let is_one = !parallel || !self.family.parallel || matches!(choice, ToolChoice::Named(_));
        let (calls, after_prose) =
            if is_one { ("one_call", "one_call_after_prose") } else { ("calls", "calls_after_prose") };
        let must = matches!(choice, ToolChoice::Required | ToolChoice::Named(_));
        let prose = match otherwise {
            Otherwise::Prose if !must => self.family.prose(),
            Otherwise::Prose | Otherwise::Schema(_) => Prose::Never,
        };
        let body = |first: &str| match (prose, otherwise) {
            (Prose::Before, _) => format!("{first}prose | {calls} | {first}{after_prose}"),
            (Prose::Instead, _) => format!("{first}prose | {calls}"),
            (Prose::Never, Otherwise::Schema(_)) if !must => format!("{calls} | text_open @answer text_close"),
            (Prose::Never, _) => calls.to_owned(),
        };
        let input = |(i, tool): (usize, &Tool)| Some((schema_name(i), Arc::clone(tool.input.as_ref()?)));
        let inputs = called.iter().copied().filter_map(input).collect();
        if let (Otherwise::Schema(document), false) = (otherwise, must) {
            schemas.push(NamedSchema::answer(Arc::clone(document)));
        }
        let mut lark = start(&body("first_"), &body(""), self.before(prose), self.split_at(preamble));
        lark.push_str(SHAPE);
        // Why not beside a value: what stands around that may begin as the lead does.
        let lead = if matches!(otherwise, Otherwise::Schema(_)) && !must { &[][..] } else { self.lead.as_slice() };
        self.write_prose(prose, lead, preamble, &mut lark);
        lark.push_str(&self.around_rules());
        let is_in_call = self.begin.is_empty();
        let opening = if is_in_call { Frame::default() } else { self.begin.without(&self.marker) };
        let next =
            if is_in_call { self.between.then(&Frame::bytes(self.marker.as_slice())) } else { self.between.clone() };
        // Why: the lexer does not go back to where a next call parts from the end.
        let n_alike = n_alike(next.start(), self.end.start());
        for (name, frame, n) in [("opening", &opening, 0), ("next", &next, n_alike), ("end", &self.end, n_alike)] {
            let first = &frame.start()[..n];
            let _ = writeln!(lark, "{name}: {} {}", wire_parts(first), elements(&frame.without(first)));
        }
        let mut each = Vec::new();
        let mut alternatives = Vec::new();
        for (i, tool) in called {
            let head = self.head.named(&tool.name);
            let behind_marker = if is_in_call { head.without(&self.marker) } else { head.clone() };
            alternatives.push(format!("{} @{} {}", elements(&behind_marker), schema_name(i), elements(&self.tail)));
            each.push(Call { head, schema: schema_name(i), tail: self.tail.clone() });
        }
        let _ = writeln!(lark, "gen_call: {}", alternatives.join(" | "));
        let calls = Calls {
            lead: lead.to_vec(),
            marker: self.marker.clone(),
            begin: self.begin.clone(),
            between: self.between.clone(),
            end: self.end.clone(),
            prose,
            each,
        };
        Spec {
            schemas,
            inputs,
            calls: Some(calls),
            around: self.text.clone(),
            preamble: preamble.cloned(),
            ..Spec::lark(lark)
        }
    }

    /// Makes the grammar of free text without a call, where tools are known and must not be called.
    #[must_use]
    pub fn silence(&self, preamble: Option<&Preamble>) -> Spec {
        let mut lark = start("first_prose", "prose", self.before(self.family.prose()), self.split_at(preamble));
        lark.push_str(PREAMBLE);
        self.write_prose(self.family.prose(), b"", preamble, &mut lark);
        lark.push_str(&self.around_rules());
        Layout { preamble, around: &self.text }.spec(lark)
    }

    /// `preamble`, and where its opening parts from calls that begin alike: the lexer does not go back to there.
    fn split_at<'a>(&self, preamble: Option<&'a Preamble>) -> Option<(&'a Preamble, usize)> {
        let preamble = preamble?;
        let begins_alike = preamble.open.as_ref().is_some_and(|open| open.starts_with(&self.marker));
        Some((preamble, if begins_alike { self.marker.len() } else { 0 }))
    }

    /// Whether the tag of text begins as calls do.
    fn tag_has_marker(&self) -> bool {
        !self.marker.is_empty() && self.text.0.starts_with(&self.marker)
    }

    /// What stands first where `prose` may: a text that has a tag takes no line before it along.
    fn before(&self, prose: Prose) -> Prose {
        if prose == Prose::Before && !self.text.0.is_empty() { Prose::Instead } else { prose }
    }

    /// The rules `text_open` and `text_close`.
    fn around_rules(&self) -> String {
        let rules = around_rules(&self.text);
        if !self.tag_has_marker() {
            return rules;
        }
        // Why in two: the lexer does not go back to where a call parts from a text.
        let tag = self.text.0.strip_prefix(self.marker.as_slice()).unwrap_or_default();
        let close = rules.lines().last().unwrap_or_default();
        format!("text_open: {} {}\n{close}\n", wire_parts(&self.marker), wire_parts(tag))
    }

    /// The rules of free text. Where the model may think, text that stands first must not begin as thinking does.
    fn write_prose(&self, prose: Prose, lead: &[u8], preamble: Option<&Preamble>, lark: &mut String) {
        let marker = wire_parts(&self.marker);
        let lead = if lead.is_empty() { String::new() } else { format!("{} {marker} | ", wire_parts(lead)) };
        let _ = writeln!(lark, "open: {lead}{marker}");
        // Text in an element of its own may be none, and calls follow the element.
        let is_element = prose == Prose::Before && !self.text.1.is_empty();
        // Why: whitespace behind a thought is no part of the answer, and text that took it would take the marker, too.
        let any = if prose == Prose::Instead && preamble.is_some() { r"/(?s:\S.*)/" } else { "/(?s:.+)/" };
        let text = text_of(&self.marker);
        let mut body = any.to_owned();
        // Why not where text has a tag of its own: then nothing in it is taken for a call.
        let text = text.filter(|_| self.text.0.is_empty() || prose == Prose::Before && self.tag_has_marker());
        if let Some(text) = &text {
            let _ = writeln!(lark, "OPEN: {}", quote(text));
            let all = "/(?s:.*)/";
            let holds = if prose == Prose::Instead { format!("OPEN {all}") } else { format!("{all} OPEN {all}") };
            let _ = writeln!(lark, "HOLDS_OPEN: {holds}");
            body.push_str(" & ~HOLDS_OPEN");
        }
        if let Some((text, place)) = self.shuns.as_ref().and_then(|(marker, place)| Some((text_of(marker)?, place))) {
            let before = if *place == Prose::Before { "/(?s:.*)/ " } else { "" };
            let _ = writeln!(lark, "HOLDS_OTHER: {before}{} /(?s:.*)/", quote(&text));
            body.push_str(" & ~HOLDS_OTHER");
        }
        let n_start = self.marker.iter().position(|byte| *byte == 0xFF).unwrap_or(0);
        let (start, rest) = self.marker.split_at(n_start);
        let (start, rest) = (wire_parts(start), wire_parts(rest));
        let mut first = body.clone();
        if let Some(text) = preamble.and_then(|p| p.open.as_ref()).and_then(|open| text_of(open)) {
            let _ = writeln!(lark, "THINKS: {} /(?s:.*)/", quote(&text));
            first.push_str(" & ~THINKS");
        }
        for (prefix, body) in [("", &body), ("first_", &first)] {
            let name = format!("{}PROSE", prefix.to_uppercase());
            let inside = if is_element { format!("{name}?") } else { name.clone() };
            let _ = writeln!(lark, "{name}: {body}\n{prefix}prose: text_open {inside} text_close");
            let _ = match (&text, prose) {
                _ if is_element => {
                    writeln!(lark, "{prefix}prose_and_open: text_open {name} text_close {marker}")
                }
                (Some(_), Prose::Before) => writeln!(
                    lark,
                    "{prefix}prose_body[suffix=OPEN]: {name}\n{prefix}prose_and_open: text_open {prefix}prose_body"
                ),
                // Why in one: text takes whatever stands before a token.
                _ if !start.is_empty() => {
                    let closed = format!("({body}) & (/(?s:.+)/ {start})");
                    writeln!(
                        lark,
                        "{name}_AND_OPEN: {closed}\n{prefix}prose_and_open: text_open {name}_AND_OPEN {rest}"
                    )
                }
                _ => writeln!(lark, "{prefix}prose_and_open: text_open {name} open"),
            };
        }
    }
}

/// What stands before the answer proper, and around it.
#[derive(Clone, Copy, Debug)]
pub struct Layout<'a> {
    /// What the model may think first.
    pub preamble: Option<&'a Preamble>,
    /// Around the answer's text.
    pub around: &'a (Vec<u8>, Vec<u8>),
}

impl Layout<'_> {
    /// Whether the answer is nothing but itself.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.preamble.is_none() && self.around.0.is_empty()
    }

    /// The grammar of an answer by schema.
    #[must_use]
    pub fn value(&self, document: Arc<Document>, style: Style) -> Spec {
        if self.is_plain() {
            return Spec { style, ..Spec::value(document) };
        }
        let lark = self.around_element("@answer", "", Prose::Never);
        Spec { style, schemas: Spec::value(document).schemas, ..self.spec(lark) }
    }

    /// The grammar of an answer that is a text in `lang`.
    #[must_use]
    pub fn text_in(&self, lang: Lang) -> Spec {
        let lark = self.unforced() + &self.around_element("TEXT", &text_terminal("TEXT", &lang), Prose::Before);
        Spec { text: Some(Texts::In(lang)), ..self.spec(lark) }
    }

    /// The grammar of an answer that `cfg` derives.
    #[must_use]
    pub fn derived(&self, cfg: &Arc<Cfg>) -> Spec {
        Spec { text: Some(Texts::Derived(Arc::clone(cfg))), ..self.written(cfg.to_lark()) }
    }

    /// The grammar of an answer of several parts; `documents` are their schemas.
    #[must_use]
    pub fn parts(&self, parts: &Arc<Parts>, documents: &[Arc<Document>], style: Style) -> Spec {
        // Why: text that begins as thinking does would have two readings.
        let thinks = self.preamble.and_then(|p| p.open.as_ref()).and_then(|open| text_of(open));
        let named = |(i, (document, schema)): (usize, (&Arc<Document>, &PartSchema))| NamedSchema {
            name: Parts::schema_name(i),
            document: Arc::clone(document),
            form: schema.form.clone(),
        };
        let schemas = documents.iter().zip(&parts.schemas).enumerate().map(named).collect();
        let text = Some(Texts::Parts(Arc::clone(parts)));
        let order = if parts.any_order { KeyOrder::Any } else { style.order };
        let style = Style { order, ..style };
        Spec { style, schemas, text, ..self.written(parts.to_lark(thinks.as_deref())) }
    }

    /// The grammar of an answer that `lark`, a grammar from a stranger, derives. No endings are known of it.
    #[must_use]
    pub fn written(&self, lark: String) -> Spec {
        if self.is_plain() {
            return Spec::lark(lark);
        }
        let around = self.unforced() + &self.around_element("@derived", "", Prose::Before);
        Spec { grammars: vec![("derived".to_owned(), lark)], ..self.spec(around) }
    }

    /// What a grammar from a stranger needs before a control token.
    fn unforced(&self) -> String {
        if self.around.1.is_empty() { String::new() } else { NO_FORCING.to_owned() }
    }

    /// The grammar of free text. Where the model may think, text that stands first must not begin as thinking does.
    #[must_use]
    pub fn free(&self) -> Spec {
        let thinks = self.preamble.and_then(|p| p.open.as_ref()).and_then(|open| text_of(open));
        let first = if thinks.is_some() { "PROSE & ~THINKS" } else { "PROSE" };
        let thinks = thinks.map(|text| format!("THINKS: {} /(?s:.*)/\n", quote(&text))).unwrap_or_default();
        let mut lark = start("text_open FIRST text_close", "text_open PROSE text_close", Prose::Before, self.unsplit());
        let _ =
            write!(lark, "{PREAMBLE}{}PROSE: /(?s:\\s*\\S.*)/\nFIRST: {first}\n{thinks}", around_rules(self.around));
        self.spec(lark)
    }

    fn unsplit(&self) -> Option<(&Preamble, usize)> {
        self.preamble.map(|preamble| (preamble, 0))
    }

    /// With `Prose::Before` the element takes along what space stands behind a thought.
    fn around_element(&self, element: &str, rules: &str, prose: Prose) -> String {
        let element = format!("text_open {element} text_close");
        let start = start(&element, &element, prose, self.unsplit());
        format!("{start}{PREAMBLE}{}{rules}", around_rules(self.around))
    }

    fn spec(&self, lark: String) -> Spec {
        Spec { around: self.around.clone(), preamble: self.preamble.cloned(), ..Spec::lark(lark) }
    }
}

/// The rules `text_open` and `text_close`.
fn around_rules((open, close): &(Vec<u8>, Vec<u8>)) -> String {
    let element = |bytes: &Vec<u8>| elements(&Frame::bytes(bytes.as_slice()));
    format!("text_open: {}\ntext_close: {}\n", element(open), element(close))
}

/// The rules `start`, `think_open` and `thought`. `first` is the answer where no thinking is before it.
fn start(first: &str, after: &str, prose: Prose, preamble: Option<(&Preamble, usize)>) -> String {
    let Some((preamble, split_at)) = preamble else {
        // Rules that no start leads to are not looked at, but for what they name.
        return format!("start: {first}\nthink_open: \"\"\nthought: \"\"\n");
    };
    // Why: text takes the lines before it along.
    let gap = if prose == Prose::Before { "" } else { "GAP? " };
    let body = format!("preamble {gap}after_thought");
    let start = if preamble.open.is_some() { format!("{first} | {body}") } else { body };
    let close = wire_parts(&preamble.close);
    let start = if preamble.may_skip { format!("{start} | {close} {gap}after_thought") } else { start };
    let parts = preamble.open.as_ref().map(|open| open.split_at(split_at));
    let open = parts.map_or_else(|| quote(""), |(first, rest)| format!("{} {}", wire_parts(first), wire_parts(rest)));
    let thought = match text_of(&preamble.close) {
        Some(text) => format!("thought[suffix=CLOSE]: /(?s:.*)/\nCLOSE: {}\n", quote(&text)),
        None => {
            format!("thought: THOUGHT? {}\nTHOUGHT: /(?s:.+)/\n", elements(&Frame::bytes(preamble.close.as_slice())))
        }
    };
    format!("start: {start}\nafter_thought: {after}\nthink_open: {open}\n{thought}")
}

/// How many of the first bytes are the same text in both.
fn n_alike(a: &[u8], b: &[u8]) -> usize {
    let n = a.iter().zip(b).take_while(|(a, b)| a == b && **a != 0xFF).count();
    (0..=n).rev().find(|n| std::str::from_utf8(&a[..*n]).is_ok()).unwrap_or(0)
}

/// The text of bytes without control tokens.
fn text_of(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

/// A frame as Lark's.
fn elements(frame: &Frame) -> String {
    let one = |bit: &Bit| match bit {
        Bit::Bytes(bytes) => wire_parts(bytes),
        Bit::Id(IdForm::Nine) => "CALL_ID".to_owned(),
        Bit::Id(IdForm::Ten) => "CALL_ID_OF_TEN".to_owned(),
        Bit::Index => "CALL_INDEX".to_owned(),
        Bit::Name => unreachable!("names are filled in"),
    };
    if frame.is_empty() { "\"\"".to_owned() } else { frame.0.iter().map(one).collect::<Vec<_>>().join(" ") }
}
