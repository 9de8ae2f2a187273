//! The model's vocabulary as masks see it: the bytes of each token, which tokens end an answer, the token trie.

use std::sync::Arc;

use llguidance::toktrie::{TokEnv, TokRxInfo, TokTrie, TokenizerEnv};

/// A token's index in the vocabulary.
pub type TokenId = u32;

/// The model's own tokenizer. Masks are built on its vocabulary, so forced text is cut into the tokens it would choose.
pub trait Tokenizer: Send + Sync {
    /// Cuts `text` into tokens; with `special`, names of control tokens in it become those tokens.
    fn tokenize(&self, text: &[u8], special: bool) -> Vec<TokenId>;

    /// Cuts text that follows other text: some tokenizers put a space before what stands first.
    fn tokenize_inside(&self, text: &[u8]) -> Vec<TokenId> {
        self.tokenize(text, false)
    }
}

/// One entry of the vocabulary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VocabToken {
    /// Text: these bytes, possibly a part of a character.
    Text(Vec<u8>),
    /// A control token with its name, such as `<|im_end|>`; never part of an answer's text.
    Control(String),
}

/// A vocabulary that no mask can be built on.
#[derive(Debug, thiserror::Error)]
pub enum VocabError {
    /// No token ends an answer.
    #[error("the vocabulary has no end-of-generation token")]
    NoEnd,
    /// Bytes that no token covers, so that texts exist which the model cannot write.
    #[error("the vocabulary is empty")]
    Empty,
}

/// The vocabulary, its trie and its tokenizer.
pub struct Vocab {
    tokens: Vec<VocabToken>,
    ends: Vec<TokenId>,
    /// Tokens without bytes of their own.
    without_text: Vec<TokenId>,
    env: TokEnv,
    tokenizer: Arc<dyn Tokenizer>,
}

struct Env {
    trie: TokTrie,
    tokenizer: Arc<dyn Tokenizer>,
    is_canonical: bool,
}

impl TokenizerEnv for Env {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, text: &[u8]) -> Vec<TokenId> {
        // Why: llguidance needs tokens whose bytes are exactly `text`; a tokenizer that adds or drops a space is no use.
        let tokens = self.tokenizer.tokenize_inside(text);
        if self.trie.decode(&tokens) == text { tokens } else { self.trie.greedy_tokenize(text) }
    }

    fn tokenize_is_canonical(&self) -> bool {
        self.is_canonical
    }
}

/// Texts as they stand in schemas and tool calls; a tokenizer that gives them back unchanged may force tokens.
const PROBES: [&str; 4] = ["{\"name\": \"value\"}", "abc", " \"x\", [1.5, true]", "\n<tool_call>\n"];

impl Vocab {
    /// Builds the trie over `tokens`; `ends` are the tokens that end an answer.
    ///
    /// # Errors
    /// If there is no token, or none that ends an answer.
    pub fn new(tokens: Vec<VocabToken>, ends: Vec<TokenId>, tokenizer: Arc<dyn Tokenizer>) -> Result<Self, VocabError> {
        let n_tokens = u32::try_from(tokens.len()).map_err(|_| VocabError::Empty)?;
        if n_tokens == 0 {
            return Err(VocabError::Empty);
        }
        let first_end = *ends.first().ok_or(VocabError::NoEnd)?;
        let words: Vec<Vec<u8>> = tokens
            .iter()
            .map(|token| match token {
                VocabToken::Text(bytes) => bytes.clone(),
                VocabToken::Control(name) => {
                    let mut word = vec![TokTrie::SPECIAL_TOKEN_MARKER];
                    word.extend_from_slice(name.as_bytes());
                    word
                }
            })
            .collect();
        let trie = TokTrie::from(&TokRxInfo::new(n_tokens, first_end), &words).with_eos_tokens(&ends);
        let is_canonical =
            PROBES.iter().all(|text| trie.decode(&tokenizer.tokenize_inside(text.as_bytes())) == text.as_bytes());
        if !is_canonical {
            tracing::warn!("the tokenizer changes the text it is given; forced tokens are off");
        }
        let env = Arc::new(Env { trie, tokenizer: Arc::clone(&tokenizer), is_canonical });
        let has_none = |entry: &VocabToken| match entry {
            VocabToken::Text(bytes) => bytes.is_empty(),
            VocabToken::Control(_) => true,
        };
        let without_text = (0..).zip(&tokens).filter_map(|(token, entry)| has_none(entry).then_some(token)).collect();
        Ok(Self { tokens, ends, without_text, env, tokenizer })
    }

    /// Whether the tokenizer cuts texts as they are, so that tokens can be forced.
    #[must_use]
    pub fn is_canonical(&self) -> bool {
        self.env.tokenize_is_canonical()
    }

    /// The number of tokens.
    #[must_use]
    pub fn n_tokens(&self) -> usize {
        self.tokens.len()
    }

    /// The bytes that `token` adds to an answer; none for control tokens and for ids out of range.
    #[must_use]
    pub fn bytes(&self, token: TokenId) -> &[u8] {
        match self.tokens.get(token as usize) {
            Some(VocabToken::Text(bytes)) => bytes,
            Some(VocabToken::Control(_)) | None => &[],
        }
    }

    /// The tokens that add no bytes to an answer.
    pub(super) fn without_text(&self) -> &[TokenId] {
        &self.without_text
    }

    /// Whether `token` ends an answer.
    #[must_use]
    pub fn is_end(&self, token: TokenId) -> bool {
        self.ends.contains(&token)
    }

    /// The names of all control tokens.
    pub fn control_names(&self) -> impl Iterator<Item = &str> {
        self.tokens.iter().filter_map(|token| match token {
            VocabToken::Control(name) => Some(name.as_str()),
            VocabToken::Text(_) => None,
        })
    }

    /// The bytes by which `text` stands in answers, where names of control tokens in it mean the tokens: 0xFF and the
    /// token's id in brackets.
    #[must_use]
    pub fn wire_of(&self, text: &str) -> Vec<u8> {
        let is_in_text =
            |token: &VocabToken| matches!(token, VocabToken::Control(name) if !name.is_empty() && text.contains(name));
        let mut names: Vec<(&str, usize)> = self
            .tokens
            .iter()
            .enumerate()
            .filter(|(_, token)| is_in_text(token))
            .filter_map(|(id, token)| match token {
                VocabToken::Control(name) => Some((name.as_str(), id)),
                VocabToken::Text(_) => None,
            })
            .collect();
        names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        let (mut wire, mut rest) = (Vec::new(), text);
        while let Some(c) = rest.chars().next() {
            match names.iter().find(|(name, _)| rest.starts_with(name)) {
                Some((name, id)) => {
                    wire.push(TokTrie::SPECIAL_TOKEN_MARKER);
                    wire.extend_from_slice(format!("[{id}]").as_bytes());
                    rest = &rest[name.len()..];
                }
                None => {
                    wire.extend_from_slice(&rest.as_bytes()[..c.len_utf8()]);
                    rest = &rest[c.len_utf8()..];
                }
            }
        }
        wire
    }

    /// The bytes by which `token` stands in answers, as [`Vocab::wire_of`] has them.
    #[must_use]
    pub fn wire(&self, token: TokenId) -> std::borrow::Cow<'_, [u8]> {
        match self.tokens.get(token as usize) {
            Some(VocabToken::Text(bytes)) => bytes.into(),
            Some(VocabToken::Control(_)) => self.env.tok_trie().decode_as_special(token).into(),
            None => (&[]).into(),
        }
    }

    /// Whether a token that ends an answer is among `wire`, as [`Vocab::wire_of`] has it.
    #[must_use]
    pub fn holds_end(&self, wire: &[u8]) -> bool {
        self.up_to_end(wire).len() < wire.len()
    }

    /// The part of `wire` before the first token that ends an answer.
    #[must_use]
    pub fn up_to_end<'w>(&self, wire: &'w [u8]) -> &'w [u8] {
        let first = |end: &TokenId| {
            let word = self.wire(*end);
            let is_control = word.first() == Some(&TokTrie::SPECIAL_TOKEN_MARKER);
            if is_control { wire.windows(word.len()).position(|window| window == &*word) } else { None }
        };
        let has_control = wire.contains(&TokTrie::SPECIAL_TOKEN_MARKER);
        let end = if has_control { self.ends.iter().filter_map(first).min() } else { None };
        &wire[..end.unwrap_or(wire.len())]
    }

    /// The longest token, in bytes.
    #[must_use]
    pub fn max_token_bytes(&self) -> usize {
        self.env.tok_trie().max_token_len().max(1)
    }

    /// Cuts `text` into tokens; with `special`, names of control tokens in it become those tokens.
    #[must_use]
    pub fn tokenize(&self, text: &str, special: bool) -> Vec<TokenId> {
        self.tokenizer.tokenize(text.as_bytes(), special)
    }

    /// Cuts text that stands inside an answer: the tokens' bytes are the text's.
    #[must_use]
    pub fn tokenize_inside(&self, text: &str) -> Vec<TokenId> {
        self.env.tokenize_bytes(text.as_bytes())
    }

    pub(super) fn env(&self) -> &TokEnv {
        &self.env
    }
}

impl std::fmt::Debug for Vocab {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vocab").field("n_tokens", &self.tokens.len()).field("ends", &self.ends).finish_non_exhaustive()
    }
}
