//! All tests that need more than one module, in one binary: llama.cpp is linked once.
//!
//! Without `DRAWPLATE_TEST_MODEL` the tests with a real model say that they are skipped, and pass.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod api_schemas;
mod backend_contract;
mod bad_input;
mod call_formats;
mod check_command;
mod command_line;
mod conformance;
mod constraints;
mod custom_tools;
mod detection;
mod device_draws;
mod elements;
mod engine;
mod errors;
mod examples;
mod families;
mod formats;
mod grammars;
mod guarded;
mod hostile;
mod hub;
mod layering;
mod limits;
#[path = "../model/mod.rs"]
mod model;
mod random_schemas;
mod registry;
mod registry_command;
mod sampling;
mod scheduling;
mod streaming;
mod structural_tags;
mod structured_output;
mod templates;
mod thinking;
mod tokenizers;
mod tool_calling;
mod triangle;
mod walks;
