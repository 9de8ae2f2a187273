//! Vocabularies from `tokenizer.json`, for work that needs masks but no model.

use std::sync::Arc;

use llguidance::toktrie::{TokRxInfo, TokTrie};

use super::{TokenId, Tokenizer, Vocab, VocabToken};

/// A file that holds no vocabulary.
#[derive(Debug, thiserror::Error)]
#[error("this is no tokenizer.json that can be used: {0}")]
pub struct VocabFileError(String);

/// Names under which tokenizers know the end of an answer.
const ENDS: [&str; 9] = [
    "<|eot_id|>",
    "<|end_of_text|>",
    "<|im_end|>",
    "<|endoftext|>",
    "</s>",
    "<eos>",
    "<end_of_turn>",
    "<|end|>",
    "[EOS]",
];

/// Cuts text at the longest tokens: other than the model would, but with the same bytes.
struct Greedy(TokTrie);

impl Tokenizer for Greedy {
    fn tokenize(&self, text: &[u8], _special: bool) -> Vec<TokenId> {
        self.0.greedy_tokenize(text)
    }
}

impl Vocab {
    /// Reads the text of a Hugging Face `tokenizer.json`. Text is cut greedily, not as the model would.
    ///
    /// # Errors
    /// If it holds no vocabulary with an end-of-generation token.
    pub fn from_tokenizer_json(text: &str) -> Result<Self, VocabFileError> {
        let fault = |error: String| VocabFileError(error);
        let value: serde_json::Value = serde_json::from_str(text).map_err(|e| fault(e.to_string()))?;
        let words = llguidance::token_bytes_from_tokenizer_json(&value).map_err(|e| fault(e.to_string()))?;
        let mut ends = Vec::new();
        let tokens: Vec<VocabToken> = (0..)
            .zip(&words)
            .map(|(id, word)| match word.split_first() {
                Some((&TokTrie::SPECIAL_TOKEN_MARKER, name)) => {
                    let name = String::from_utf8_lossy(name).into_owned();
                    if ENDS.contains(&name.as_str()) {
                        ends.push(id);
                    }
                    VocabToken::Control(name)
                }
                _ => VocabToken::Text(word.clone()),
            })
            .collect();
        let n_tokens = u32::try_from(words.len()).map_err(|e| fault(e.to_string()))?;
        let trie = TokTrie::from(&TokRxInfo::new(n_tokens, 0), &words);
        Vocab::new(tokens, ends, Arc::new(Greedy(trie))).map_err(|e| fault(e.to_string()))
    }
}
