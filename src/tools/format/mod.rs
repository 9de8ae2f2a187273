//! Formats of tool calls. A family of models is data ([`Family`]); with a vocabulary, in which some of its texts are
//! single tokens, it becomes a [`ToolFormat`], which gives the grammar of answers, and by which answers are taken apart.

mod family;
mod grammar;
mod prompt;
mod written;

use std::sync::Arc;

pub use family::{Family, Ids, NotationName, Place};
pub use grammar::{Layout, Otherwise};

use crate::grammar::{Prose, Vocab};
use crate::guard::{Bit, Elements, Form, Frame, IdForm};

/// A family's texts as the tokens of one vocabulary have them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolFormat {
    /// The family.
    pub family: Arc<Family>,
    /// Around an answer's text.
    pub text: (Vec<u8>, Vec<u8>),
    /// What may stand before the first call and says nothing.
    pub lead: Vec<u8>,
    /// What an answer's first call begins with: a text, or one control token.
    pub marker: Vec<u8>,
    /// Before the first call.
    pub begin: Frame,
    /// Before a call's arguments.
    pub head: Frame,
    /// How arguments are written, where they are not written as JSON.
    pub form: Option<Form>,
    /// Behind them.
    pub tail: Frame,
    /// Between two calls.
    pub between: Frame,
    /// After the last.
    pub end: Frame,
    /// What calls of another format begin with, and where free text may hold none of them: the model has learned to write
    /// those.
    pub shuns: Option<(Vec<u8>, Prose)>,
}

impl ToolFormat {
    /// The format of `family` in answers of `vocab`'s tokens.
    #[must_use]
    pub fn new(family: Arc<Family>, vocab: &Vocab) -> Self {
        // Why: what ends the answer stands between no two calls.
        let is_one = family.parallel && vocab.holds_end(&vocab.wire_of(&family.between));
        let family = if is_one { Arc::new(Family { parallel: false, ..(*family).clone() }) } else { family };
        let frame = |text: &str| frame(text, family.ids.form(), vocab);
        // What ends the answer need not be written at its end.
        let last = |text: &str| vocab.up_to_end(&vocab.wire_of(text)).to_vec();
        let text = (vocab.wire_of(&family.text.0), last(&family.text.1));
        // Why only a token: free text could hold what ends it.
        let is_of_tokens = text.1.is_empty() || text.1.first() == Some(&0xFF);
        let lead = vocab.wire_of(&family.lead);
        let (head, tail) = family.call.split_once("$ARGUMENTS").unwrap_or((&family.call, ""));
        Self {
            text: if is_of_tokens { text } else { Default::default() },
            lead: if lead.first() == Some(&0xFF) { lead } else { Vec::new() },
            marker: vocab.wire_of(&family.marker),
            begin: frame(&family.begin),
            head: frame(head),
            form: form(&family, vocab),
            tail: frame(tail),
            between: frame(&family.between),
            end: Frame::bytes(last(&family.end)),
            shuns: None,
            family,
        }
    }

    /// Whether a call can be written: none of its texts holds a token that ends the answer.
    #[must_use]
    pub fn is_writable(&self, vocab: &Vocab) -> bool {
        let form = self.form.iter().flat_map(|form| match form {
            Form::Elements(elements) => {
                [&[elements.open.clone(), elements.close.clone()], elements.before.as_slice()].concat()
            }
            Form::Notation(notation) => notation.quotes.iter().map(|quote| quote.mark.clone()).collect(),
        });
        let frames = [&self.begin, &self.head, &self.tail, &self.end].map(Frame::filled);
        form.chain(frames).chain([self.text.0.clone(), self.text.1.clone()]).all(|bytes| !vocab.holds_end(&bytes))
    }

    /// The same, where free text holds no calls of `other` either.
    #[must_use]
    pub fn shunning(&self, other: &Self) -> Self {
        Self { shuns: Some((other.marker.clone(), other.family.prose())), ..self.clone() }
    }

    /// What stands before the first call and its name.
    #[must_use]
    pub fn opening(&self) -> Frame {
        self.begin.then(&self.head)
    }
}

/// The frame of a text with holes.
fn frame(text: &str, ids: IdForm, vocab: &Vocab) -> Frame {
    let holes = [("$NAME", Bit::Name), ("$ID", Bit::Id(ids)), ("$INDEX", Bit::Index)];
    let first = holes.iter().filter_map(|(name, hole)| Some((text.find(name)?, name.len(), hole))).min_by_key(|h| h.0);
    let Some((at, n, hole)) = first else { return Frame::bytes(vocab.wire_of(text)) };
    Frame::bytes(vocab.wire_of(&text[..at])).then(&Frame(vec![hole.clone()])).then(&frame(&text[at + n..], ids, vocab))
}

/// How a family's arguments are written, where they are not written as JSON.
fn form(family: &Family, vocab: &Vocab) -> Option<Form> {
    let notation = family.notation.map(|name| Form::Notation(Arc::new(name.notation(|mark| vocab.wire_of(mark)))));
    let elements = || {
        let elements = Elements::of_text(family.parameter.as_deref()?, |text| vocab.wire_of(text))?;
        let item = (!family.item.is_empty()).then(|| family.item.clone().into_bytes());
        Some(Elements { item, not_in_keys: family.not_in_keys.clone(), ..elements })
    };
    notation.or_else(|| elements().map(|elements| Form::Elements(Arc::new(elements))))
}

/// What grammars call the arguments of the `i`-th tool.
#[must_use]
pub fn schema_name(i: usize) -> String {
    format!("{SCHEMA}{i}")
}

/// The tool whose arguments grammars call so.
#[must_use]
pub fn index_of(schema_name: &str) -> Option<usize> {
    schema_name.strip_prefix(SCHEMA)?.parse().ok()
}

const SCHEMA: &str = "tool_";
