//! Elements as rules and terminals.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use llguidance::derivre::RegexAst;
use sha2::{Digest, Sha256};

use super::forms::Forms;
use crate::grammar::emit::emit_containers;
use crate::grammar::lark::{Writer, may_be_over_unseen, quote, write};
use crate::grammar::shape::{ShapeId, Shapes};
use crate::grammar::spelling::Spelling;
use crate::grammar::terminal::string;
use crate::grammar::until::up_to;
use crate::guard::{Content, Elements, Keys, Kind, LevelId};
use crate::schema::pattern::{self, Lang};
use crate::schema::{Deadline, ErrorKind, Pointer, SchemaError};

/// What text must not be where JSON may stand in its place. The transcoder reads by the same rule.
static READS_AS_JSON: LazyLock<Lang> = LazyLock::new(|| {
    let number = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?";
    let json = format!(r#"[{{\["][\s\S]*|true|false|null|{number}"#);
    pattern::whole(&json).expect("a fixed pattern")
});

/// A key, or those that the schema leaves open.
pub(super) struct Key<'a> {
    pub(super) text: Option<&'a String>,
    pub(super) lang: Lang,
}

/// More elements than this are refused.
const MAX_ELEMENTS: usize = 100_000;

/// Writes one grammar.
pub(super) struct Emitter<'a> {
    pub(super) shapes: &'a Shapes,
    pub(super) is_productive: &'a [bool],
    pub(super) keys: Arc<Keys>,
    pub(super) out: Writer,
    /// Rules of objects and arrays in elements, by their numbers.
    pub(super) inner: HashMap<(ShapeId, LevelId), usize>,
    /// Those that are named and not written yet.
    pub(super) unwritten: Vec<(ShapeId, LevelId)>,
    n_terminals: usize,
    n_elements: usize,
    /// Rules of lists whose first items differ.
    pub(super) n_steps: usize,
    deadline: &'a Deadline,
    /// Grammars of JSON, by their names.
    pub(super) values: HashMap<String, String>,
    /// The names of those of these shapes, with all there are of these kinds.
    names: HashMap<(Vec<ShapeId>, Vec<Kind>), String>,
    /// Whether forced tokens cannot be told.
    pub(super) no_forcing: bool,
}

/// A part of an element.
#[derive(Clone)]
enum Bit {
    /// Bytes of the format.
    Wire(Vec<u8>),
    /// What a key or value may be.
    Hole(RegexAst),
    /// A grammar of JSON.
    Value(String),
    /// A rule.
    Rule(String),
}

impl<'a> Emitter<'a> {
    pub(super) fn new(shapes: &'a Shapes, is_productive: &'a [bool], keys: Arc<Keys>, deadline: &'a Deadline) -> Self {
        Self {
            shapes,
            is_productive,
            keys,
            out: Writer::default(),
            inner: HashMap::new(),
            unwritten: Vec::new(),
            n_terminals: 0,
            n_elements: 0,
            n_steps: 0,
            deadline,
            values: HashMap::new(),
            names: HashMap::new(),
            no_forcing: false,
        }
    }

    /// The ways to write a key with its value, where values of that key are `content`.
    ///
    /// # Errors
    /// If there are too many, or it takes too long.
    pub(super) fn element(
        &mut self,
        key: &Key<'_>,
        content: Content,
        forms: &Forms,
    ) -> Result<Vec<String>, SchemaError> {
        self.n_elements += 1;
        if self.n_elements > MAX_ELEMENTS {
            let why = format!("more than {MAX_ELEMENTS} parameters, where arguments are written as elements");
            return Err(SchemaError::at(Pointer::default(), ErrorKind::TooComplex(why)));
        }
        self.deadline.check()?;
        let elements = Arc::clone(&self.keys.elements);
        let mut ways = Vec::new();
        let is_told = content != Content::Either || elements.tells();
        let text = |lang: &Lang| match is_told {
            true => lang.clone(),
            false => Lang::and(vec![lang.clone(), Lang::complement(READS_AS_JSON.clone())]),
        };
        let close = String::from_utf8_lossy(&elements.close);
        let stands = |text: &&String| match is_told {
            true => !text.contains(&*close),
            false => Keys::reads_as_text(text.as_bytes()),
        };
        let listed = forms.listed.iter().filter(stands).map(|text| Lang::literal(text));
        let texts: Vec<Lang> = forms.texts.iter().map(text).chain(listed).collect();
        if !texts.is_empty() {
            ways.push(self.with_text(key, &texts, &elements));
        }
        let mut scalars = forms.scalars.clone();
        if content == Content::Either && !elements.tells_kinds() {
            let quoted = |lang: &Lang| (Kind::Object, string(lang, self.shapes.spelling(lang), ""));
            scalars.extend(forms.texts.iter().map(quoted));
            scalars.extend(forms.listed.iter().map(|text| quoted(&Lang::literal(text))));
        }
        for kinds in alike(&elements) {
            let of_kinds = scalars.iter().filter(|(kind, _)| kinds.contains(kind));
            let scalars: Vec<RegexAst> = of_kinds.map(|(_, ast)| ast.clone()).collect();
            let before = elements.before(kinds[0]);
            if !scalars.is_empty() {
                let rest = [vec![Bit::Hole(any(scalars))], key.close(&elements)].concat();
                ways.push(self.sequence(key.before(&elements, before), rest));
            }
            if let Content::Object(level) | Content::Array(level) = content {
                for (_, id) in forms.containers.iter().filter(|(kind, _)| kinds.contains(kind)) {
                    let inner = Bit::Rule(self.inner(*id, level));
                    let rest = [vec![inner], key.close(&elements)].concat();
                    ways.push(self.sequence(key.before(&elements, before), rest));
                }
                continue;
            }
            let of_kinds = forms.containers.iter().filter(|(kind, _)| kinds.contains(kind));
            let containers: Vec<ShapeId> = of_kinds.map(|(_, id)| *id).collect();
            let is_container = |kind: &Kind| matches!(kind, Kind::Array | Kind::Object) && forms.any_container;
            let all: Vec<Kind> = kinds.iter().copied().filter(is_container).collect();
            if !containers.is_empty() || !all.is_empty() {
                let name = self.json(containers, all);
                let rest = [vec![Bit::Value(name)], key.close(&elements)].concat();
                ways.push(self.sequence(key.before(&elements, before), rest));
            }
        }
        Ok(ways)
    }

    /// The grammar of JSON that is one of these arrays and objects, or any of the kinds `all`.
    fn json(&mut self, containers: Vec<ShapeId>, all: Vec<Kind>) -> String {
        let (shapes, values) = (self.shapes, &mut self.values);
        let key = (containers, all);
        if let Some(name) = self.names.get(&key) {
            return name.clone();
        }
        let lark = write(&emit_containers(shapes, &key.0, &key.1), true);
        let hash: String = Sha256::digest(lark.as_bytes()).iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        let name = format!("json_{hash}");
        values.insert(name.clone(), lark);
        self.names.insert(key, name.clone());
        name
    }

    /// A way to write text, up to the first place where what closes it stands.
    fn with_text(&mut self, key: &Key<'_>, texts: &[Lang], elements: &Elements) -> String {
        let text = any(texts.iter().map(|lang| string(lang, Spelling::Raw, "")).collect());
        let before = || key.before(elements, elements.before(Kind::Text));
        let behind = &key.close(elements)[1..];
        if let Some(closed) = std::str::from_utf8(&elements.close)
            .ok()
            .map(|close| up_to(text.clone(), texts.iter().any(Lang::is_all), close))
        {
            return self.sequence(before(), [&[Bit::Hole(closed)], behind].concat());
        }
        // A control token closes it, and no text holds one.
        if !ends_in_token(elements.before(Kind::Text)) || elements.close.first() != Some(&0xFF) {
            return self.sequence(before(), [vec![Bit::Hole(text)], key.close(elements)].concat());
        }
        // Why apart: a terminal of no text at all is none for the lexer.
        let with = self.sequence(before(), [vec![Bit::Hole(not_empty(text))], key.close(elements)].concat());
        if texts.iter().any(Lang::is_nullable) {
            let without = self.sequence(before(), key.close(elements));
            return format!("{with}\n  | {without}");
        }
        with
    }

    /// Writes bits as terminals, each as long as can be, and control tokens by their ids.
    fn sequence(&mut self, before: Vec<Bit>, rest: Vec<Bit>) -> String {
        let mut elements = Vec::new();
        let mut run: Vec<RegexAst> = Vec::new();
        for bit in before.into_iter().chain(rest) {
            match bit {
                Bit::Hole(ast) => run.push(ast),
                Bit::Value(name) => {
                    self.end_run(&mut run, &mut elements);
                    elements.push(format!("@{name}"));
                }
                Bit::Rule(name) => {
                    self.end_run(&mut run, &mut elements);
                    elements.push(name);
                }
                Bit::Wire(bytes) => {
                    for (i, part) in bytes.split(|byte| *byte == 0xFF).enumerate() {
                        let text = String::from_utf8_lossy(part);
                        let text = match (i, text.split_once(']')) {
                            (0, _) | (_, None) => text.as_ref(),
                            (_, Some((token, text))) => {
                                self.no_forcing |= run.iter().any(may_be_over_unseen);
                                self.end_run(&mut run, &mut elements);
                                elements.push(format!("<{token}]>"));
                                text
                            }
                        };
                        run.extend((!text.is_empty()).then(|| RegexAst::Literal(text.to_owned())));
                    }
                }
            }
        }
        self.end_run(&mut run, &mut elements);
        elements.join(" ")
    }

    fn end_run(&mut self, run: &mut Vec<RegexAst>, elements: &mut Vec<String>) {
        let parts = std::mem::take(run);
        let texts: Option<Vec<&str>> = parts
            .iter()
            .map(|part| if let RegexAst::Literal(text) = part { Some(text.as_str()) } else { None })
            .collect();
        match texts {
            Some(texts) if texts.is_empty() => {}
            Some(texts) => elements.push(quote(&texts.concat())),
            None => {
                let name = format!("E{}", self.n_terminals);
                self.n_terminals += 1;
                self.out.terminal(&name, &RegexAst::Concat(parts));
                elements.push(name);
            }
        }
    }
}

impl Key<'_> {
    /// What stands before the value; `between` it and the key.
    fn before(&self, elements: &Elements, between: &[u8]) -> Vec<Bit> {
        vec![Bit::Wire(elements.open.clone()), self.bit(elements), Bit::Wire(between.to_vec())]
    }

    /// What closes the value. Where that names a key that the schema leaves open, the guard sees to it that it is the same.
    fn close(&self, elements: &Elements) -> Vec<Bit> {
        let close = Bit::Wire(elements.close.clone());
        match &elements.close_end {
            None => vec![close],
            Some(end) => vec![close, self.bit(elements), Bit::Wire(end.clone())],
        }
    }

    fn bit(&self, elements: &Elements) -> Bit {
        match self.text {
            Some(text) => Bit::Wire(text.clone().into_bytes()),
            None if ends_in_token(&elements.open) && elements.key_end() == 0xFF => {
                Bit::Hole(not_empty(string(&self.lang, Spelling::Raw, "")))
            }
            None => Bit::Hole(string(&self.lang, Spelling::Raw, "")),
        }
    }
}

/// The kinds of values beside text, those together that the format does not tell apart.
fn alike(elements: &Elements) -> Vec<Vec<Kind>> {
    let mut groups: Vec<Vec<Kind>> = Vec::new();
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Text) {
        match groups.iter_mut().find(|group| elements.before(group[0]) == elements.before(kind)) {
            Some(group) => group.push(kind),
            None => groups.push(vec![kind]),
        }
    }
    groups
}

fn any(mut parts: Vec<RegexAst>) -> RegexAst {
    if parts.len() == 1 { parts.remove(0) } else { RegexAst::Or(parts) }
}

fn not_empty(text: RegexAst) -> RegexAst {
    RegexAst::And(vec![text, RegexAst::Regex("(?s:.+)".to_owned())])
}

/// Whether the last of these bytes are a control token.
fn ends_in_token(bytes: &[u8]) -> bool {
    let last = bytes.iter().rposition(|byte| *byte == 0xFF).map(|at| &bytes[at..]);
    last.is_some_and(|token| token.iter().position(|byte| *byte == b']') == Some(token.len() - 1))
}
