//! What an answer must look like, before anything is compiled.

use std::sync::Arc;

use super::cfg::Cfg;
use super::structure::Parts;
use crate::guard::{Form, Frame, Preamble};
use crate::schema::Document;
use crate::schema::pattern::Lang;

/// What an answer must look like: a Lark grammar whose `@names` are JSON Schemas.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Lark text with a rule `start`.
    pub lark: String,
    /// The schemas that it names.
    pub schemas: Vec<NamedSchema>,
    /// Lark grammars that it names, by the name.
    pub grammars: Vec<(String, String)>,
    /// The calls that an answer may hold.
    pub calls: Option<Calls>,
    /// The texts that an answer may be, where it is no JSON; endings are found in them.
    pub text: Option<Texts>,
    /// Grammars of the inputs of custom tools, by the name of their schema, an object with the input alone.
    pub inputs: Vec<(String, Arc<Cfg>)>,
    /// Around an answer's text or value.
    pub around: (Vec<u8>, Vec<u8>),
    /// What may stand before all that.
    pub preamble: Option<Preamble>,
    /// What the schemas leave open about the text of values.
    pub style: Style,
}

/// A schema that a grammar names.
#[derive(Clone, Debug)]
pub struct NamedSchema {
    /// The name.
    pub name: String,
    /// The schema.
    pub document: Arc<Document>,
    /// How its values are written, where they are not written as JSON.
    pub form: Option<Form>,
}

/// Texts that an answer may be.
#[derive(Clone, Debug)]
pub enum Texts {
    /// Those of a language.
    In(Lang),
    /// Those that a grammar derives.
    Derived(Arc<Cfg>),
    /// Those of several parts; the schemas are theirs.
    Parts(Arc<Parts>),
}

/// Calls: values of schemas, each between two texts.
#[derive(Clone, Debug)]
pub struct Calls {
    /// What may stand before the first of them and says nothing.
    pub lead: Vec<u8>,
    /// What the first of them begins with; free text never holds it.
    pub marker: Vec<u8>,
    /// Before the first call.
    pub begin: Frame,
    /// Between two calls.
    pub between: Frame,
    /// After the last.
    pub end: Frame,
    /// Where free text may stand.
    pub prose: Prose,
    /// Every kind of call.
    pub each: Vec<Call>,
}

/// Where free text may stand in an answer that may hold calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prose {
    /// Nowhere.
    Never,
    /// In place of calls.
    Instead,
    /// In place of calls, or before them.
    Before,
}

/// One kind of call.
#[derive(Clone, Debug)]
pub struct Call {
    /// What stands before the value.
    pub head: Frame,
    /// The name of the value's schema.
    pub schema: String,
    /// What stands behind it.
    pub tail: Frame,
}

/// What a schema leaves open about the text of its values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Style {
    /// The order of keys.
    pub order: KeyOrder,
    /// The spelling of keys, strings and numbers.
    pub spelling: Spellings,
}

/// Which of the spellings that JSON has for a string or a number are allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Spellings {
    /// What serializers write: integers without fraction, which typed clients choke on, and no needless escapes where
    /// the schema says what is in a string.
    #[default]
    Plain,
    /// All: `1.0` and `10e-1` are integers, and `"\u0061"` is `"a"` everywhere.
    Any,
}

/// The order in which an object's declared keys are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KeyOrder {
    /// As the author declared them: models write better what they expect, and most keys are forced.
    #[default]
    Declared,
    /// Any; each still at most once, and the required ones all.
    Any,
}

impl Spec {
    /// An answer that is one value of `document`.
    #[must_use]
    pub fn value(document: Arc<Document>) -> Self {
        Self { schemas: vec![NamedSchema::answer(document)], ..Self::lark(ALONE) }
    }

    /// An answer that the grammar `lark` derives.
    #[must_use]
    pub fn lark(lark: impl Into<String>) -> Self {
        Self {
            lark: lark.into(),
            schemas: Vec::new(),
            grammars: Vec::new(),
            calls: None,
            text: None,
            inputs: Vec::new(),
            around: Default::default(),
            preamble: None,
            style: Style::default(),
        }
    }
}

impl NamedSchema {
    /// The schema of a whole answer, or of what stands in it in place of calls.
    #[must_use]
    pub fn answer(document: Arc<Document>) -> Self {
        Self { name: ANSWER.to_owned(), document, form: None }
    }
}

/// The grammar of an answer that is one value.
pub(super) const ALONE: &str = "start: @answer";

/// The name of the schema that a whole answer has.
pub const ANSWER: &str = "answer";
