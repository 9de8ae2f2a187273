//! How a family of models writes tool calls, as data: one file each in families/.

use std::sync::{Arc, LazyLock};

use serde::Deserialize;

use crate::grammar::Prose;
use crate::guard::{IdForm, Notation};

/// How a family of models writes tool calls: `begin call (between call)* end`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Family {
    /// Its name.
    pub name: String,
    /// Texts of a chat template by which it is known, where what it writes for calls is not what the model writes.
    #[serde(default)]
    pub source: Vec<String>,
    /// What prompts end in although it belongs to the answer; the model then writes it itself.
    #[serde(default)]
    pub prompt_end: String,
    /// Around an answer's text, whether there are tools or not.
    #[serde(default)]
    pub text: (String, String),
    /// What models may write before their first call that says nothing; known where it begins with a token.
    #[serde(default)]
    pub lead: String,
    /// The text that an answer's first call begins with, and free text never holds.
    pub marker: String,
    /// Before the first call.
    #[serde(default)]
    pub begin: String,
    /// A call: a text with `$NAME` and `$ARGUMENTS`; `$ID` and `$INDEX` where the model writes them.
    pub call: String,
    /// The number of the first call, where calls are numbered.
    #[serde(default)]
    pub first_index: usize,
    /// One argument, where they are not written as one JSON object: a text with `$KEY` and `$VALUE`; `$STRING` where the
    /// model writes whether the value is text, `$TYPE` where it writes JSON Schema's word for it.
    #[serde(default)]
    pub parameter: Option<String>,
    /// The key of an array's items, where arrays and objects are written as elements in elements.
    #[serde(default)]
    pub item: String,
    /// Characters that stand in no key as they are.
    #[serde(default)]
    pub not_in_keys: String,
    /// Another notation of arguments than JSON.
    #[serde(default)]
    pub notation: Option<NotationName>,
    /// Between two calls.
    #[serde(default)]
    pub between: String,
    /// After the last.
    #[serde(default)]
    pub end: String,
    /// Whether an answer may hold several.
    #[serde(default = "yes")]
    pub parallel: bool,
    /// Where free text may stand.
    #[serde(default)]
    pub prose: Place,
    /// What ids look like.
    #[serde(default)]
    pub ids: Ids,
    /// Around a tool's result, where the prompt has to show it.
    #[serde(default)]
    pub result: (String, String),
}

/// A notation of arguments.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum NotationName {
    /// Python's, as in `key="text", flag=True`.
    Python,
    /// The same with single quotes.
    PythonSingle,
    /// Gemma 4's: keys without quotes, `<|"|>` around text.
    Gemma,
    /// Function Gemma's: the same with `<escape>`.
    GemmaEscape,
}

impl NotationName {
    /// The notation; `wire` gives the bytes of a mark as the vocabulary has it.
    #[must_use]
    pub fn notation(self, wire: impl Fn(&str) -> Vec<u8>) -> Notation {
        let python = |first: &str, second: &str| Notation::python([wire(first), wire(second)]);
        let gemma = |mark: &str| Notation::gemma(wire(mark));
        match self {
            Self::Python => python("\"", "'"),
            Self::PythonSingle => python("'", "\""),
            Self::Gemma => gemma("<|\"|>"),
            Self::GemmaEscape => gemma("<escape>"),
        }
    }
}

/// Where free text may stand in an answer with tools.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// Before calls, or in place of them.
    #[default]
    Before,
    /// In place of calls only: the marker is one at the beginning of an answer, and text anywhere else.
    Instead,
}

/// What the ids of a family's calls look like.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Ids {
    /// Any.
    #[default]
    Free,
    /// Nine letters and digits.
    Nine,
    /// Ten lowercase letters and digits.
    Ten,
    /// `functions.NAME:INDEX`.
    Functions,
}

impl Ids {
    /// The form of those that the model writes itself.
    #[must_use]
    pub const fn form(self) -> IdForm {
        match self {
            Self::Ten => IdForm::Ten,
            Self::Free | Self::Nine | Self::Functions => IdForm::Nine,
        }
    }
}

fn yes() -> bool {
    true
}

/// Every family's file.
const FILES: [&str; 62] = [
    include_str!("../../../families/hermes.toml"),
    include_str!("../../../families/reka.toml"),
    include_str!("../../../families/exaone-4.toml"),
    include_str!("../../../families/longcat.toml"),
    include_str!("../../../families/functionary-3.1.toml"),
    include_str!("../../../families/functionary-3.2.toml"),
    include_str!("../../../families/apertus.toml"),
    include_str!("../../../families/apriel.toml"),
    include_str!("../../../families/hunyuan-a13b.toml"),
    include_str!("../../../families/gigachat-3.1.toml"),
    include_str!("../../../families/gigachat-3.toml"),
    include_str!("../../../families/minimax-m1.toml"),
    include_str!("../../../families/mistral-nemo.toml"),
    include_str!("../../../families/mistral-small-3.2.toml"),
    include_str!("../../../families/mistral-3.toml"),
    include_str!("../../../families/nemotron-2.toml"),
    include_str!("../../../families/deepseek-v3.toml"),
    include_str!("../../../families/deepseek-v3.1.toml"),
    include_str!("../../../families/kimi-k2.toml"),
    include_str!("../../../families/llama-3.toml"),
    include_str!("../../../families/llm-jp.toml"),
    include_str!("../../../families/gpt-oss.toml"),
    include_str!("../../../families/command-r7b.toml"),
    include_str!("../../../families/command-moe.toml"),
    include_str!("../../../families/qwen3-coder.toml"),
    include_str!("../../../families/step-3.5.toml"),
    include_str!("../../../families/seed-oss.toml"),
    include_str!("../../../families/glm-4.5.toml"),
    include_str!("../../../families/glm-4.7.toml"),
    include_str!("../../../families/ling-3.toml"),
    include_str!("../../../families/minimax-m2.toml"),
    include_str!("../../../families/minicpm-5.toml"),
    include_str!("../../../families/hunyuan-3.toml"),
    include_str!("../../../families/deepseek-v3.2.toml"),
    include_str!("../../../families/deepseek-v4.toml"),
    include_str!("../../../families/granite-3.toml"),
    include_str!("../../../families/phi-4-mini.toml"),
    include_str!("../../../families/firefunction.toml"),
    include_str!("../../../families/llama-4-json.toml"),
    include_str!("../../../families/llama-4.toml"),
    include_str!("../../../families/olmo-3.toml"),
    include_str!("../../../families/lfm2.toml"),
    include_str!("../../../families/gemma-4.toml"),
    include_str!("../../../families/function-gemma.toml"),
    include_str!("../../../families/k2-horizon.toml"),
    include_str!("../../../families/muse-glimmer.toml"),
    include_str!("../../../families/smollm-3.toml"),
    include_str!("../../../families/kimi-k3.toml"),
    include_str!("../../../families/minimax-m3.toml"),
    include_str!("../../../families/gigachat-3.5.toml"),
    include_str!("../../../families/deepseek-v4.1.toml"),
    include_str!("../../../families/command-r.toml"),
    include_str!("../../../families/xlam-2.toml"),
    include_str!("../../../families/minicpm-3.toml"),
    include_str!("../../../families/granite-20b.toml"),
    include_str!("../../../families/dots.toml"),
    include_str!("../../../families/internlm-2.5.toml"),
    include_str!("../../../families/functionary-2.toml"),
    include_str!("../../../families/jamba-1.5.toml"),
    include_str!("../../../families/solar-open.toml"),
    include_str!("../../../families/glm-4.toml"),
    include_str!("../../../families/plamo-3.toml"),
];

static FAMILIES: LazyLock<Vec<Arc<Family>>> = LazyLock::new(|| {
    FILES.iter().map(|file| Arc::new(toml::from_str(file).expect("families/ is well formed"))).collect()
});

impl Family {
    /// All that are known, the generic one first.
    #[must_use]
    pub fn all() -> &'static [Arc<Self>] {
        &FAMILIES
    }

    /// The one that any model can be taught by its prompt.
    #[must_use]
    pub fn generic() -> Arc<Self> {
        Arc::clone(&FAMILIES[0])
    }

    /// Whether an answer by schema could be taken for a call.
    #[must_use]
    pub fn is_bare_json(&self) -> bool {
        self.prose == Place::Instead && self.marker.starts_with(['{', '['])
    }

    /// Whether arguments are written as JSON.
    #[must_use]
    pub fn writes_json(&self) -> bool {
        self.parameter.is_none() && self.notation.is_none()
    }

    /// Whether a call of the tool `name` begins as text does, or as `thought`.
    #[must_use]
    pub fn takes_for_other(&self, name: &str, thought: Option<&str>) -> bool {
        let head = self.call.split_once("$ARGUMENTS").map_or(self.call.as_str(), |(head, _)| head);
        let head = format!("{}{}", self.begin, head.replace("$NAME", name));
        // Why either: what stands for text may be a call itself, arguments and all.
        let begins_with = |other: &str| !other.is_empty() && (head.starts_with(other) || other.starts_with(&head));
        begins_with(&self.text.0) || thought.is_some_and(begins_with)
    }

    /// Where free text may stand beside calls.
    #[must_use]
    pub fn prose(&self) -> Prose {
        match self.prose {
            Place::Before => Prose::Before,
            Place::Instead => Prose::Instead,
        }
    }
}
