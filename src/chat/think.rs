//! What the model thinks before it answers: which texts mark it, and whether the prompt has begun it.

use crate::grammar::Vocab;
use crate::guard::Preamble;

/// Texts that open and close thinking. Source: the chat templates of the models that have them.
const PAIRS: [(&str, &str); 9] = [
    // What follows a thought there is no part of it, and always the same.
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant"),
    ("<|channel>thought\n", "<channel|>"),
    ("<think>", "</think>"),
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
    ("<longcat_think>", "</longcat_think>"),
    ("<mm:think>", "</mm:think>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<think:opensource>", "</think:opensource>"),
];

/// How a model thinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thinking {
    open: &'static str,
    close: &'static str,
}

impl Thinking {
    /// What the source of a chat template says of it.
    pub(super) fn of(source: &str) -> Option<Self> {
        let pair = PAIRS.iter().find(|(open, close)| source.contains(close) || source.contains(open));
        pair.map(|(open, close)| Self { open, close })
    }

    /// What may stand before the answer, if `prompt` is what the model was given: thinking goes on where the prompt has
    /// begun it, is over where the prompt has ended it, and is the model's to begin elsewhere.
    #[must_use]
    pub fn after(self, prompt: &str, vocab: &Vocab) -> Option<Preamble> {
        let close = vocab.wire_of(self.close);
        let prompt = prompt.trim_end();
        if prompt.ends_with(self.close) {
            None
        } else if prompt.ends_with(self.open) {
            Some(Preamble { open: None, close })
        } else {
            Some(Preamble { open: Some(vocab.wire_of(self.open)), close })
        }
    }

    /// The text that ends it.
    #[must_use]
    pub fn close(self) -> &'static str {
        self.close
    }
}
