//! Server-sent events, by the contract that the SDKs hold us to.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Setup, TestServer, bound_body, chat_body, fold};

#[test]
fn chunks_come_in_the_contracts_order() {
    let server = TestServer::start(Setup::scripted("Hé!"));
    let chunks = server.stream(&chat_body(json!({"stream_options": {"include_usage": true}})));
    let (first, last) = (&chunks[0], &chunks[chunks.len() - 1]);
    assert_eq!(first["choices"][0]["delta"], json!({"role": "assistant", "content": "", "refusal": null}));
    for chunk in &chunks {
        for key in ["id", "created", "model"] {
            assert_eq!(chunk[key], first[key]);
        }
        assert_eq!(chunk["object"], "chat.completion.chunk");
        assert!(chunk["choices"].is_array() && chunk.as_object().unwrap().contains_key("usage"));
    }
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["completion_tokens"], 3);
    let before_last = &chunks[chunks.len() - 2];
    assert_eq!(
        (&before_last["choices"][0]["delta"], &before_last["choices"][0]["finish_reason"]),
        (&json!({}), &json!("stop"))
    );
    assert!(chunks[..chunks.len() - 1].iter().all(|c| c["usage"].is_null()));
    let finishes = chunks.iter().filter(|c| c["choices"][0]["finish_reason"].is_string()).count();
    assert_eq!(finishes, 1);
}

#[test]
fn without_include_usage_there_is_none() {
    let server = TestServer::start(Setup::scripted("x"));
    assert!(server.stream(&chat_body(json!({}))).iter().all(|c| c.get("usage").is_none()));
}

#[test]
fn streamed_and_plain_are_the_same() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string", "maxLength": 9}, "b": {"type": "array", "items": {"type": "number"}, "maxItems": 3}}, "required": ["a", "b"], "additionalProperties": false});
    let server = TestServer::start(Setup::default());
    for seed in 0..20 {
        for body in [
            bound_body(schema.clone(), json!({"seed": seed})),
            bound_body(schema.clone(), json!({"seed": seed, "n": 2, "logprobs": true})),
            chat_body(json!({"seed": seed, "max_tokens": 60, "stop": ["ab", "}"]})),
        ] {
            let plain = server.chat(&body);
            let chunks = server.stream(&body);
            for choice in plain.body["choices"].as_array().unwrap() {
                let (content, _, finish) = fold(&chunks, choice["index"].as_u64().unwrap());
                assert_eq!(choice["message"]["content"], content, "{body}");
                assert_eq!(choice["finish_reason"], finish.unwrap(), "{body}");
            }
        }
    }
}

#[test]
fn tokens_that_are_there_come_in_one_chunk() {
    let schema = json!({"type": "object", "additionalProperties": false, "required": ["the_only_key_that_there_is"],
        "properties": {"the_only_key_that_there_is": {"enum": ["the only value that it may have"]}}});
    let server = TestServer::start(Setup::default());
    let body = bound_body(schema, json!({"stream_options": {"include_usage": true}}));
    // Why several: which tokens are there when the thread of the stream looks is a matter of the machine's load.
    let counts = || {
        let chunks = server.stream(&body);
        let with_text =
            chunks.iter().filter(|c| c["choices"][0]["delta"]["content"].as_str().is_some_and(|s| !s.is_empty()));
        (with_text.count() as u64, chunks[chunks.len() - 1]["usage"]["completion_tokens"].as_u64().unwrap())
    };
    let counts: Vec<(u64, u64)> = (0..20).map(|_| counts()).collect();
    assert!(counts.iter().any(|(n_chunks, n_tokens)| n_chunks * 2 < *n_tokens), "chunks and tokens: {counts:?}");
}

#[test]
fn every_prefix_of_a_bound_stream_begins_like_json() {
    let server = TestServer::start(Setup::default());
    let chunks = server.stream(&bound_body(
        json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}),
        json!({"max_tokens": 200}),
    ));
    let first: &Value = chunks
        .iter()
        .map(|c| &c["choices"][0]["delta"]["content"])
        .find(|c| c.as_str().is_some_and(|s| !s.is_empty()))
        .unwrap();
    assert!(first.as_str().unwrap().starts_with('{'));
}

#[test]
fn a_dropped_connection_frees_its_slot() {
    let setup = Setup { step_time: Duration::from_millis(2), ..Setup::scripted(&"x".repeat(3900)) };
    let capacity = setup.limits.n_slots + setup.n_queue;
    let server = TestServer::start(setup);
    for stream in [true, false] {
        let body = chat_body(json!({"stream": stream})).to_string();
        let mut connection = TcpStream::connect(server.address).unwrap();
        write!(
            connection,
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        if stream {
            let mut some = [0u8; 400];
            connection.read_exact(&mut some).unwrap();
        } else {
            wait_until("it runs", || server.engine.reserve(capacity).is_err());
        }
        drop(connection);
        wait_until("its place is free", || server.engine.reserve(capacity).is_ok());
    }
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::yield_now();
    }
}
