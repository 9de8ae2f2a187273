//! What the model thinks before it answers: which texts mark it, and whether the prompt has begun it.

use std::borrow::Cow;

use crate::grammar::Vocab;
use crate::guard::Preamble;

/// Texts that open and close thinking, those of one model together; the first is what it opens itself. Source: the chat
/// templates of the models that have them.
const PAIRS: [&[(&str, &str)]; 14] = [
    // What follows a thought there is no part of it, and always the same.
    &[("<|channel|>analysis<|message|>", "<|end|><|start|>assistant")],
    &[(" to=self<|message|>", "<|eom|><|start|>assistant")],
    &[("<|channel>thought\n", "<channel|>")],
    &[("<think>", "</think>")],
    &[("[THINK]", "[/THINK]")],
    &[("<seed:think>", "</seed:think>")],
    &[("<longcat_think>", "</longcat_think>")],
    &[("<mm:think>", "</mm:think>")],
    &[("<|START_THINKING|>", "<|END_THINKING|>")],
    &[("<|open|>think<|sep|>", "<|close|>think<|sep|>")],
    &[("<|think|>", "<|end|><|begin|>assistant")],
    &[("<|plamo:begin_think:plamo|>", "<|plamo:end_think:plamo|>")],
    // Apriel's prompts end in the first.
    &[("Here are my reasoning steps:", "[BEGIN FINAL RESPONSE]")],
    // By the effort that is asked for.
    &[
        ("<ifm|think>", "</ifm|think>"),
        ("<ifm|think_fast>", "</ifm|think_fast>"),
        ("<ifm|think_faster>", "</ifm|think_faster>"),
    ],
];

/// What some models write alone where they do not think.
const ALONE: [&str; 1] = ["</mm:think>"];

/// What the tag of a thought begins with whose name ends in a word that differs from model to model: Hunyuan's.
const NAMED: [&str; 2] = ["<think:", "</think:"];
/// The longest such word.
const MAX_NAME_BYTES: usize = 32;

type Pair = (Cow<'static, str>, Cow<'static, str>);

/// How a model thinks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thinking {
    pairs: Vec<Pair>,
}

impl Thinking {
    /// What the source of a chat template says of it.
    pub(super) fn of(source: &str) -> Option<Self> {
        // A turn of its own has no close that only thoughts have.
        let is_of = |(open, close): &(&str, &str)| {
            source.contains(open) || (turn_of(close).is_none() && source.contains(close))
        };
        let known = PAIRS.into_iter().find(|pairs| pairs.iter().any(is_of));
        let pairs =
            known.map(|pairs| pairs.iter().map(|(open, close)| (Cow::from(*open), Cow::from(*close))).collect());
        pairs.or_else(|| Some(vec![named(source)?])).map(|pairs| Self { pairs })
    }

    /// The same, but only as `prompt` ends, if it ends in a thought.
    #[must_use]
    pub fn at(&self, prompt: &str) -> Self {
        let prompt = prompt.trim_end();
        let at_end =
            self.pairs.iter().position(|(open, close)| has_begun(prompt, open) || has_ended(prompt, open, close));
        Self { pairs: at_end.map_or_else(|| self.pairs.clone(), |i| vec![self.pairs[i].clone()]) }
    }

    /// What may stand before the answer, if `prompt` is what the model was given: thinking goes on where the prompt has
    /// begun it, is over where the prompt has ended it, and is the model's to begin elsewhere.
    #[must_use]
    pub fn after(&self, prompt: &str, vocab: &Vocab) -> Option<Preamble> {
        let here = self.at(prompt);
        let prompt = prompt.trim_end();
        if has_ended(prompt, here.open(), here.close()) {
            return None;
        }
        let open = (!has_begun(prompt, here.open())).then(|| vocab.wire_of(here.open()));
        let close = vocab.wire_of(here.close());
        let may_skip = open.is_some() && ALONE.contains(&here.close()) && close.first() == Some(&0xFF);
        Some(Preamble { open, close, may_skip })
    }

    /// The text that opens it.
    #[must_use]
    pub fn open(&self) -> &str {
        &self.pairs[0].0
    }

    /// The text that ends it.
    #[must_use]
    pub fn close(&self) -> &str {
        &self.pairs[0].1
    }
}

/// The tags of a thought with a word of the model's own in their names.
fn named(source: &str) -> Option<Pair> {
    let word = |open: &str| {
        let rest = &source[source.find(open)? + open.len()..];
        let word = &rest[..rest.find('>')?];
        let is_word = (1..=MAX_NAME_BYTES).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_alphanumeric());
        is_word.then_some(word)
    };
    let word = NAMED.into_iter().find_map(word)?;
    let [open, close] = NAMED.map(|begin| Cow::from(format!("{begin}{word}>")));
    Some((open, close))
}

fn has_begun(prompt: &str, open: &str) -> bool {
    prompt.ends_with(open.trim_end())
}

fn has_ended(prompt: &str, open: &str, close: &str) -> bool {
    if !prompt.ends_with(close) {
        return false;
    }
    // Why: where the next turn belongs to the end of a thought, every prompt ends so.
    let Some((turn, begin)) = turn_of(close) else { return true };
    let before = &prompt[..prompt.len() - close.len()];
    let last = before.rfind(begin).map(|at| &before[at..]);
    last.and_then(|last| last.strip_prefix(turn)).is_some_and(|last| last.starts_with(open))
}

/// The beginning of the answer's turn that belongs to the end of a thought, and what every turn begins with.
fn turn_of(close: &str) -> Option<(&str, &'static str)> {
    ["<|start|>", "<|begin|>"].into_iter().find_map(|begin| Some((&close[close.find(begin)?..], begin)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::grammar::{Tokenizer, VocabToken};

    #[derive(Debug)]
    struct Bytes;

    impl Tokenizer for Bytes {
        fn tokenize(&self, text: &[u8], _special: bool) -> Vec<u32> {
            text.iter().map(|byte| u32::from(*byte)).collect()
        }
    }

    #[test]
    fn prompts_say_where_a_thought_stands() {
        let tokens = (0..=255u8).map(|byte| VocabToken::Text(vec![byte])).chain([VocabToken::Control("</s>".into())]);
        let vocab = Vocab::new(tokens.collect(), vec![256], Arc::new(Bytes)).expect("a vocabulary");
        let turn = "<|start|>user<|message|>q<|end|><|start|>assistant";
        let by = |open: &str, close: &str| Some((Some(open.to_owned()), close.to_owned()));
        let begun = |close: &str| Some((None, close.to_owned()));
        for (source, prompt, expected) in [
            ("<think>", "q", by("<think>", "</think>")),
            ("<think>", "q<think>\n", begun("</think>")),
            ("<think>", "q<think>\n\n</think>\n\n", None),
            ("<think>", "q</think>", None),
            ("<|channel>thought\n", "q<|channel>thought\n", begun("<channel|>")),
            ("<|channel|>analysis<|message|>", turn, by("<|channel|>analysis<|message|>", "<|end|><|start|>assistant")),
            (
                "<|channel|>analysis<|message|>",
                "<|start|>assistant<|channel|>analysis<|message|>x<|end|><|start|>assistant",
                None,
            ),
            (
                "<|channel|>analysis<|message|>",
                "<|start|>user<|message|>what is <|channel|>analysis<|message|>?<|end|><|start|>assistant",
                by("<|channel|>analysis<|message|>", "<|end|><|start|>assistant"),
            ),
            ("<ifm|think>", "assistant\n<ifm|think_fast>\n", begun("</ifm|think_fast>")),
            ("<ifm|think>", "assistant\n<ifm|think>\n", begun("</ifm|think>")),
            ("<|think|>", "q<|end|><|begin|>assistant", by("<|think|>", "<|end|><|begin|>assistant")),
            ("<|think|>", "q<|end|><|begin|>assistant<|think|><|end|><|begin|>assistant", None),
            ("x</think:6124c78e>", "q<think:6124c78e>\n", begun("</think:6124c78e>")),
            ("<think:a b>", "q<think:a b>", None),
            ("none", "q", None),
        ] {
            let preamble = Thinking::of(source).and_then(|thinking| thinking.after(prompt, &vocab));
            let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
            let found = preamble.map(|preamble| (preamble.open.map(text), text(preamble.close)));
            assert_eq!(found, expected, "{source} {prompt}");
        }
    }
}
