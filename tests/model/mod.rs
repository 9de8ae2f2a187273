//! The main job on a real model: schemas over HTTP, plain and streamed, greedy and drawn, every finished answer valid.

#![cfg(feature = "llama")]

use std::sync::{Arc, OnceLock};

use drawplate::api::ApiOptions;
use drawplate::chat::{ChatTemplate, Templates};
use drawplate::engine::llama::{LlamaFile, LlamaOptions};
use drawplate::engine::{EngineHandle, EngineOptions, Limits, Placement};
use drawplate::generation::GeneratorOptions;
use drawplate::guard::Check;
use drawplate::schema::Document;
use serde_json::{Value, json};

use crate::support::schemas::sample;
use crate::support::{TestServer, bound_body, chat_body, fold, model_path, turn};

const N_SCHEMAS: usize = 50;
const MAX_TOKENS: usize = 128;

/// One server with the real model for all tests; nothing without a model.
fn server() -> Option<&'static TestServer> {
    static SERVER: OnceLock<TestServer> = OnceLock::new();
    let path = model_path()?;
    Some(SERVER.get_or_init(|| {
        let mut file = LlamaFile::load(path.as_ref(), &Placement::default(), |_| ()).unwrap();
        let vocab = Arc::new(file.take_vocab());
        let n_threads = std::thread::available_parallelism().map_or(1, usize::from);
        let limits = Limits { n_slots: 4, n_batch: 512, n_ctx: 2048 };
        let backend = file.device(LlamaOptions::new(limits, n_threads));
        let (engine, _) = EngineHandle::spawn(backend, Arc::clone(&vocab), EngineOptions::default()).unwrap();
        let texts = (file.bos_text.as_str(), file.eos_text.as_str());
        let template =
            ChatTemplate::new(file.chat_template.as_deref(), texts, file.adds_bos, vocab.control_names()).unwrap();
        let templates = Templates::new(template, None, &vocab);
        TestServer::serve(engine, vocab, templates, ApiOptions::default(), GeneratorOptions::default(), "model")
    }))
}

/// Sends one schema in one way; returns whether it was refused, cut off or valid.
fn ask(server: &TestServer, name: &str, schema: &Value, temperature: f64, streams: bool) -> &'static str {
    ask_within(server, name, schema, temperature, streams, MAX_TOKENS)
}

fn ask_within(
    server: &TestServer,
    name: &str,
    schema: &Value,
    temperature: f64,
    streams: bool,
    max_tokens: usize,
) -> &'static str {
    let body = bound_body(schema.clone(), json!({"temperature": temperature, "max_tokens": max_tokens}));
    let plain = server.chat(&body);
    match plain.status {
        200 => {}
        400 => {
            let error = &plain.body["error"];
            // What the error names as enough must be enough.
            if error["code"] == "max_tokens_too_small" {
                let message = error["message"].as_str().unwrap();
                let needed = message.split(' ').find_map(|word| word.parse().ok()).unwrap();
                assert!(needed > max_tokens, "{name}: {error}");
                return ask_within(server, name, schema, temperature, streams, needed);
            }
            assert_eq!(error["code"], "invalid_json_schema", "{name}: {error}");
            assert!(error["message"].as_str().unwrap().contains("(at '#"), "{name}: {error}");
            return "refused";
        }
        _ => panic!("{name}: {} {}", plain.status, plain.body),
    }
    if streams {
        let (content, _, finish) = fold(&server.stream(&body), 0);
        assert_eq!(plain.content(), content, "{name}: streamed and plain differ");
        assert_eq!(plain.finish_reason(), finish.unwrap());
    }
    match plain.finish_reason() {
        "length" => "cut off",
        "stop" => {
            // Why by the document: what the server takes as older drafts meant it, a bare validator may refuse.
            let document = Document::parse(schema.clone(), drawplate::schema::Limits::default()).unwrap();
            let check = Check::of(&document).unwrap();
            check.judge(plain.content()).unwrap_or_else(|e| panic!("{name}: {e}\n{}", plain.content()));
            "valid"
        }
        other => panic!("{name}: {other}"),
    }
}

/// Sequential on purpose: only then are the batches of the plain and the streamed answer the same.
#[test]
fn real_schemas_are_answered_validly() {
    let _turn = turn();
    let Some(server) = server() else { return };
    let mut counts = std::collections::BTreeMap::new();
    for (name, schema) in sample(N_SCHEMAS, 7).into_iter().filter(|(name, _)| !name.starts_with("err_")) {
        for temperature in [0.0, 1.0] {
            *counts.entry(ask(server, &name, &schema, temperature, true)).or_insert(0) += 1;
        }
    }
    eprintln!("{N_SCHEMAS} schemas, greedy and drawn, plain and streamed: {counts:?}");
    let n_answers = counts.get("valid").copied().unwrap_or(0) + counts.get("cut off").copied().unwrap_or(0);
    assert!(counts.get("valid").is_some_and(|n| n * 4 >= n_answers), "hardly any answer finished: {counts:?}");
}

#[test]
fn company_does_not_make_answers_invalid() {
    let _turn = turn();
    let Some(server) = server() else { return };
    let cases: Vec<_> = sample(16, 3).into_iter().filter(|(name, _)| !name.starts_with("err_")).collect();
    std::thread::scope(|scope| {
        for (name, schema) in &cases {
            scope.spawn(move || ask(server, name, schema, 1.0, false));
        }
    });
}

#[test]
fn a_tool_is_called_when_it_must_be() {
    let _turn = turn();
    let Some(server) = server() else { return };
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string", "maxLength": 30}, "unit": {"enum": ["C", "F"]}}, "required": ["city", "unit"], "additionalProperties": false});
    let check = Check::new(&parameters).unwrap();
    for (temperature, seed) in [(0.0, 1), (1.0, 2), (1.0, 3)] {
        let answer = server.chat(&chat_body(json!({
            "messages": [{"role": "user", "content": "What is the weather in Paris?"}], "temperature": temperature, "seed": seed,
            "tools": [{"type": "function", "function": {"name": "weather", "parameters": parameters}}],
            "tool_choice": "required", "parallel_tool_calls": false
        })));
        assert_eq!(answer.finish_reason(), "tool_calls", "{}", answer.body);
        let call = &answer.body["choices"][0]["message"]["tool_calls"][0]["function"];
        assert_eq!(call["name"], "weather");
        check.judge(call["arguments"].as_str().unwrap()).unwrap();
    }
}

#[test]
fn free_text_is_free() {
    let _turn = turn();
    let Some(server) = server() else { return };
    let answer = server.chat(&chat_body(json!({"messages": [{"role": "user", "content": "What is the capital of France?"}], "temperature": 0, "max_tokens": 40})));
    assert!(!answer.content().is_empty() && !answer.content().contains("<|"), "{}", answer.content());
}
