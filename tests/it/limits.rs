//! Many requests at once, full queues, prompts that do not fit.

use std::time::Duration;

use drawplate::engine::Limits;
use serde_json::json;

use crate::support::{Setup, TestServer, bound_body, chat_body, get};

#[test]
fn two_hundred_simultaneous_requests_are_all_answered() {
    let server = TestServer::start(Setup::default());
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}, "s": {"type": "string", "maxLength": 20}}, "required": ["n", "s"], "additionalProperties": false});
    std::thread::scope(|scope| {
        let requests: Vec<_> = (0..200)
            .map(|seed| {
                let (server, schema) = (&server, &schema);
                scope.spawn(move || {
                    let answer = server.chat(&bound_body(schema.clone(), json!({"seed": seed})));
                    assert_eq!(answer.status, 200, "{}", answer.body);
                    let value = serde_json::from_str(answer.content()).unwrap();
                    assert!(jsonschema::is_valid(schema, &value));
                })
            })
            .collect();
        assert_eq!(get(&server.url("/v1/models")).status, 200, "others are served meanwhile");
        requests.into_iter().for_each(|request| request.join().unwrap());
    });
}

#[test]
fn a_full_queue_is_429_with_retry_after() {
    let setup = Setup {
        n_queue: 1,
        limits: Limits { n_slots: 1, n_batch: 64, n_ctx: 512 },
        step_time: Duration::from_millis(5),
        ..Setup::scripted(&"x".repeat(400))
    };
    let server = TestServer::start(setup);
    std::thread::scope(|scope| {
        let requests: Vec<_> = (0..8).map(|_| scope.spawn(|| server.chat(&chat_body(json!({}))))).collect();
        let answers: Vec<_> = requests.into_iter().map(|r| r.join().unwrap()).collect();
        let busy: Vec<_> = answers.iter().filter(|a| a.status == 429).collect();
        assert!(!busy.is_empty() && answers.iter().any(|a| a.status == 200));
        for answer in busy {
            assert_eq!(answer.header("retry-after"), Some("1"));
            assert_eq!(answer.body["error"]["type"], "rate_limit_error");
        }
    });
    assert_eq!(server.chat(&chat_body(json!({"max_tokens": 1}))).status, 200);
}

#[test]
fn health_is_red_exactly_while_nothing_more_is_served() {
    let setup = Setup { n_queue: 0, limits: Limits { n_slots: 1, n_batch: 64, n_ctx: 512 }, ..Setup::default() };
    let server = TestServer::start(setup);
    assert_eq!(get(&server.url("/health")).status, 200);
    let places = server.engine.reserve(1).unwrap();
    assert_eq!(get(&server.url("/health")).status, 503);
    assert_eq!(server.chat(&chat_body(json!({}))).status, 429);
    drop(places);
    assert_eq!(get(&server.url("/health")).status, 200);
}

#[test]
fn more_choices_than_places_is_a_400() {
    let setup = Setup { n_queue: 1, limits: Limits { n_slots: 1, n_batch: 64, n_ctx: 512 }, ..Setup::default() };
    let answer = TestServer::start(setup).chat(&chat_body(json!({"n": 3})));
    assert_eq!((answer.status, &answer.body["error"]["param"]), (400, &json!("n")));
}
