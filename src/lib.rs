//! drawplate: a server for GGUF models whose answers always have the shape of a JSON Schema or tool definition.
//!
//! A request as data; each arrow consumes its left side:
//!
//! ```text
//! bytes → wire::ChatRequest → generation::Request → Prepared → engine::Job → Waiting → Resident
//!       → Row { want: mask } → TokenId → Event → Delta → Completion | ChatChunk → SSE bytes
//! ```
//!
//! A module may use only modules of a lower layer; `tests/it/layering.rs` checks it. In reading order:
//!
//! | layer | module | what |
//! |---|---|---|
//! | 0 | [`telemetry`] | logs and metrics |
//! | 1 | [`schema`] | schemas as documents and in normal form: limits, drafts, places, patterns, formats |
//! | 1 | [`registry`] | tools and schemas by name and version, in an SQLite file |
//! | 2 | [`guard`] | vetoes while an answer grows, and the independent check of finished values |
//! | 3 | [`grammar`] | schemas and tool formats to token masks; the only module that names llguidance |
//! | 4 | [`tools`] | tools, tool choice, tool formats as data |
//! | 4 | [`engine`] | tokens in, tokens out: slots, batching, sampling, llama.cpp |
//! | 4 | [`testing`] | random values of a schema, valid and invalid, for property tests |
//! | 5 | [`chat`] | messages, chat templates, splitting answers |
//! | 6 | [`generation`] | the endpoint-neutral middle |
//! | 7 | [`api`] | HTTP |
//! | 8 | [`cli`], [`config`] | the command line |

pub mod api;
pub mod chat;
pub mod cli;
pub mod config;
pub mod engine;
pub mod generation;
pub mod grammar;
pub mod guard;
pub mod registry;
pub mod schema;
pub mod telemetry;
pub mod testing;
pub mod tools;
