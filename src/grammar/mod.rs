//! Grammars: schemas and tool formats in, token masks out. The only module that names llguidance.
//!
//! `vocab` is the model's vocabulary as the masks see it. A schema's way: `lower` finds the `shape` of its values,
//! `emit` and `terminal` write that as `rules` (`elements` and `notation` where arguments are not written as JSON), `watching` says what is left to the guard. `build` hands the rules to
//! llguidance; beside a tool format they are written as `lark`. `compiler` joins the pieces of a [`Spec`] to a
//! [`Compiled`] grammar and caches it, `matcher` follows one sequence.
//! Not here: what an answer looks like (`tools`, `generation`), when masks are computed (`engine`).

mod blame;
mod build;
mod cache;
pub mod cfg;
mod close;
mod compiled;
mod compiler;
mod elements;
mod emit;
mod joined;
mod lark;
mod least;
mod lower;
mod matcher;
mod notation;
mod piece;
mod report;
mod rules;
mod shape;
mod spec;
mod spelling;
pub mod structure;
mod terminal;
mod until;
mod vocab;
mod vocab_file;
mod warm;
mod watching;
mod words;

pub use compiled::{Compiled, Findings, Summary, summarize};
pub use compiler::{Budget, Compiler, GrammarError, STACK_BYTES};
pub(crate) use lark::{NO_FORCING, quote, text_terminal, wire_parts};
pub use lower::{in_declared_order, in_file_order};
pub use matcher::{Mask, Matcher, MatcherError, Verdict};
pub use piece::INPUT;
pub use report::{Fate, KeywordFate, Report, examine, report};

pub use spec::{ANSWER, Call, Calls, KeyOrder, NamedSchema, Prose, Spec, Spellings, Style, Texts};
pub use vocab::{TokenId, Tokenizer, Vocab, VocabError, VocabToken};
pub use vocab_file::VocabFileError;
