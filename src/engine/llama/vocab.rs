//! The vocabulary of a GGUF model, read through llama.cpp.

use std::sync::Arc;

use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token_type::LlamaTokenAttr;
use llama_cpp_2::vocab::VocabType;

use super::load::Model;
use super::pieces::{Names, pieces};
use crate::grammar::{TokenId, Tokenizer, Vocab, VocabError, VocabToken};

struct LlamaTokenizer {
    model: Model,
    /// Names of tokens that stand for themselves, where words are found by `std::regex`.
    names: Option<Names>,
    /// The tokens of a line end at the beginning, where a space is put before what stands first.
    line_end: Option<Vec<TokenId>>,
}

impl Tokenizer for LlamaTokenizer {
    fn tokenize(&self, text: &[u8], special: bool) -> Vec<TokenId> {
        let vocab = self.model.vocab();
        // Why not always: other tokenizers put a space before each piece.
        let pieces = self.names.as_ref().map_or_else(|| vec![text], |names| pieces(text, names));
        let tokens = pieces.into_iter().flat_map(|piece| vocab.tokenize(piece, false, special));
        tokens.filter_map(|token| TokenId::try_from(token.0).ok()).collect()
    }

    fn tokenize_inside(&self, text: &[u8]) -> Vec<TokenId> {
        let behind = |line_end: &Vec<TokenId>| {
            let tokens = self.tokenize(&[b"\n", text].concat(), false);
            tokens.strip_prefix(line_end.as_slice()).map(<[TokenId]>::to_vec)
        };
        self.line_end.as_ref().and_then(behind).unwrap_or_else(|| self.tokenize(text, false))
    }
}

/// Reads the bytes of every token. Tokens without bytes of their own are control tokens, named by their text.
pub(super) fn read(model: Model) -> Result<Vocab, VocabError> {
    let vocab = model.vocab();
    let mut tokens = Vec::new();
    let mut ends = Vec::new();
    for (id, token) in (0..).zip(vocab.tokens()) {
        if vocab.is_eog(token) {
            ends.push(id);
        }
        tokens.push(entry(model, token));
    }
    // Why: the token that ends a turn is the one to force where a grammar is complete.
    let turn_end = TokenId::try_from(vocab.eot().0).or_else(|_| TokenId::try_from(vocab.eos().0));
    if let Some(first) = turn_end.ok().and_then(|end| ends.iter().position(|e| *e == end)) {
        ends.swap(0, first);
    }
    let is_named = |token: &LlamaToken| {
        let attr = vocab.attr(*token);
        [LlamaTokenAttr::Control, LlamaTokenAttr::UserDefined, LlamaTokenAttr::Unknown]
            .iter()
            .any(|a| attr.contains(*a))
    };
    let names = (vocab.vocab_type() == VocabType::BPE).then(|| {
        let names: Vec<Vec<u8>> =
            vocab.tokens().filter(is_named).map(|token| vocab.token_to_piece(token, true, None)).collect();
        Names::new(&names)
    });
    let mut tokenizer = LlamaTokenizer { model, names, line_end: None };
    let bytes = |token: &TokenId| match tokens.get(*token as usize) {
        Some(VocabToken::Text(bytes)) => bytes.as_slice(),
        Some(VocabToken::Control(_)) | None => b"",
    };
    let probe = tokenizer.tokenize(b"abc", false);
    if probe.iter().flat_map(bytes).ne(b"abc") {
        tokenizer.line_end = Some(tokenizer.tokenize(b"\n", false));
    }
    Vocab::new(tokens, ends, Arc::new(tokenizer))
}

fn entry(model: Model, token: LlamaToken) -> VocabToken {
    let vocab = model.vocab();
    if vocab.is_control(token) || vocab.is_eog(token) {
        return VocabToken::Control(String::from_utf8_lossy(&vocab.token_to_piece(token, true, None)).into_owned());
    }
    let bytes = vocab.token_to_piece(token, false, None);
    if bytes.is_empty() {
        return VocabToken::Control(String::from_utf8_lossy(&vocab.token_to_piece(token, true, None)).into_owned());
    }
    VocabToken::Text(bytes)
}
