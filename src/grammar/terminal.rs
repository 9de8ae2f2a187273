//! Terminals of the grammar as expressions of derivre: JSON strings by the language of their content, numbers, literals.

use llguidance::derivre::RegexAst;

use super::spelling::{Spelling, any_char, regex};
use super::until::up_to;
use crate::schema::pattern::Lang;

/// What a terminal stands for; equal ones are one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Terminal {
    /// This text.
    Text(String),
    /// One of these texts.
    Texts(Vec<String>),
    /// A JSON string whose content is in the language, with a text behind the closing quote.
    String(Lang, Spelling, &'static str),
    /// A number whose text matches all these patterns.
    Number(Vec<String>),
    /// Text in the language, between two of these marks.
    Marked(Lang, String),
    /// A control token, by its id.
    Token(String),
}

impl Terminal {
    /// What it matches.
    pub(super) fn ast(&self) -> RegexAst {
        match self {
            Self::Text(text) => RegexAst::Literal(text.clone()),
            Self::Texts(texts) => RegexAst::Or(texts.iter().map(|text| RegexAst::Literal(text.clone())).collect()),
            Self::String(lang, spelling, after) => string(lang, *spelling, after),
            Self::Marked(lang, mark) => {
                let text = up_to(string(lang, Spelling::Raw, ""), lang.is_all(), mark);
                RegexAst::Concat(vec![RegexAst::Literal(mark.clone()), text])
            }
            Self::Token(_) => unreachable!("it is no text"),
            Self::Number(patterns) => all(patterns.iter().map(|pattern| RegexAst::Regex(pattern.clone())).collect()),
        }
    }
}

/// The JSON strings with content in `lang`; `after` stands behind the closing quote.
pub(super) fn string(lang: &Lang, spelling: Spelling, after: &str) -> RegexAst {
    let q = spelling.quotes();
    if let Some(content) = regex(lang, spelling) {
        // Why: llguidance's Lark has no pattern of no text.
        if q.is_empty() && content.is_empty() && after.is_empty() {
            return RegexAst::EmptyString;
        }
        return RegexAst::Regex(format!("{q}{content}{q}{after}"));
    }
    let (Lang::And(_) | Lang::Not(_)) = lang else {
        let quote = |text: &str| RegexAst::Literal(text.to_owned());
        return RegexAst::Concat(vec![quote(q), content(lang, spelling), quote(&format!("{q}{after}"))]);
    };
    // Why: llguidance knows most tokens to be harmless inside `"characters" & ~("words")`, in that shape.
    let parts = if let Lang::And(parts) = lang { parts.as_slice() } else { std::slice::from_ref(lang) };
    let (mut wanted, mut barred) = (Vec::new(), Vec::new());
    for part in parts {
        match part {
            Lang::Not(inner) => barred.push(string(inner, spelling, after)),
            other => wanted.push(string(other, spelling, after)),
        }
    }
    if wanted.is_empty() {
        wanted.push(RegexAst::Regex(format!("{q}{}*{q}{after}", any_char(spelling))));
    }
    if !barred.is_empty() {
        wanted.push(RegexAst::Not(Box::new(any(barred))));
    }
    all(wanted)
}

/// The contents of such strings.
pub(super) fn content(lang: &Lang, spelling: Spelling) -> RegexAst {
    if let Some(regex) = regex(lang, spelling) {
        return if regex.is_empty() { RegexAst::EmptyString } else { RegexAst::Regex(regex) };
    }
    let each = |parts: &[Lang]| parts.iter().map(|part| content(part, spelling)).collect();
    match lang {
        Lang::Concat(parts) => RegexAst::Concat(concat(parts, spelling)),
        Lang::Or(parts) => RegexAst::Or(each(parts)),
        Lang::And(parts) => RegexAst::And(each(parts)),
        Lang::Not(inner) => RegexAst::And(vec![
            RegexAst::Regex(format!("{}*", any_char(spelling))),
            RegexAst::Not(Box::new(content(inner, spelling))),
        ]),
        Lang::Repeat(inner, min, max) => {
            RegexAst::Repeat(Box::new(content(inner, spelling)), *min, max.unwrap_or(u32::MAX))
        }
        Lang::Nothing => RegexAst::NoMatch,
        Lang::Empty | Lang::Class(_) => unreachable!("these are regexes"),
    }
}

/// Neighbours that are regexes become one.
fn concat(parts: &[Lang], spelling: Spelling) -> Vec<RegexAst> {
    let mut out = Vec::new();
    let mut run = String::new();
    for part in parts {
        if let Some(regex) = regex(part, spelling) {
            run.push_str(&regex);
            continue;
        }
        if !run.is_empty() {
            out.push(RegexAst::Regex(std::mem::take(&mut run)));
        }
        out.push(content(part, spelling));
    }
    if !run.is_empty() {
        out.push(RegexAst::Regex(run));
    }
    out
}

fn all(mut parts: Vec<RegexAst>) -> RegexAst {
    if parts.len() == 1 { parts.remove(0) } else { RegexAst::And(parts) }
}

fn any(mut parts: Vec<RegexAst>) -> RegexAst {
    if parts.len() == 1 { parts.remove(0) } else { RegexAst::Or(parts) }
}
