//! Grammars: schemas and tool formats in, token masks out. The only module that names llguidance.
//!
//! `vocab` is the model's vocabulary as the masks see it, `lower` makes a schema ready for llguidance, `compiler`
//! turns a [`Spec`] into a [`Compiled`] grammar under a budget and caches it, `matcher` follows one sequence.
//! Not here: what an answer looks like (`tools`, `generation`), when masks are computed (`engine`).

mod cache;
mod compiler;
mod locate;
mod lower;
mod matcher;
mod vocab;

pub use compiler::{Budget, Compiled, Compiler, GrammarError, Spec};
pub use lower::Findings;
pub use matcher::{Mask, Matcher, MatcherError};
pub use vocab::{TokenId, Tokenizer, Vocab, VocabError, VocabToken};
