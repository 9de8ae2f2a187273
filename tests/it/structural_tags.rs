//! Answers of several parts, as XGrammar's structural tags describe them.

use std::collections::HashSet;
use std::sync::Arc;

use drawplate::engine::{FakeMode, fake_vocab};
use drawplate::grammar::structure::{Format, Judge, Kind, Parts, Rule};
use drawplate::grammar::{Budget, Compiled, Compiler, Style, TokenId, Verdict, Vocab};
use drawplate::guard::{Check, Elements, Form};
use drawplate::schema::Document;
use drawplate::tools::format::Layout;
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::support::{Setup, TestServer, chat_body};

fn city() -> Value {
    json!({
        "type": "object", "required": ["city"], "additionalProperties": false,
        "properties": {"city": {"type": "string", "maxLength": 12}, "days": {"type": "array", "uniqueItems": true, "items": {"enum": [1, 2, 3]}}}
    })
}

fn tag(begin: &str, content: Value, end: &str) -> Value {
    json!({"type": "tag", "begin": begin, "content": content, "end": end})
}

fn schema(schema: Value) -> Value {
    json!({"type": "json_schema", "json_schema": schema})
}

/// Arguments of calls, as the models of this style write them.
fn styled(style: &str, schema: Value) -> Value {
    json!({"type": "json_schema", "json_schema": schema, "style": style, "excludes": [], "max_whitespace_cnt": null})
}

fn of_format(format: Value) -> Value {
    json!({"response_format": {"type": "structural_tag", "format": format}})
}

/// What stands between `begin` and `end`, and behind; each must be there.
fn between<'t>(text: &'t str, begin: &str, end: &str) -> Option<(&'t str, &'t str)> {
    text.strip_prefix(begin)?.split_once(end)
}

fn is_city(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|value| jsonschema::is_valid(&city(), &value))
}

fn is_hour(text: &str) -> bool {
    serde_json::from_str::<u32>(text).is_ok_and(|hour| hour <= 23)
}

/// Free text in which each `<f=` begins a call; returns the number of calls.
fn calls(text: &str) -> Option<usize> {
    let Some((_, rest)) = text.split_once("<f=") else { return Some(0) };
    let (name, rest) = rest.split_once('>')?;
    let (value, rest) = rest.split_once("</f>")?;
    let is_right = match name {
        "weather" => is_city(value),
        "hour" => is_hour(value),
        _ => false,
    };
    if is_right { calls(rest).map(|n| n + 1) } else { None }
}

fn call_tags() -> Value {
    json!([
        tag("<f=weather>", schema(city()), "</f>"),
        tag("<f=hour>", schema(json!({"type": "integer", "minimum": 0, "maximum": 23})), "</f>"),
    ])
}

fn triggered(more: &Value) -> Value {
    let mut format = json!({"type": "triggered_tags", "triggers": ["<f="], "tags": call_tags()});
    format.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    format
}

fn weather() -> Value {
    json!({
        "type": "object", "required": ["city"], "additionalProperties": false,
        "properties": {"city": {"enum": ["Bonn", "Ulm"]}, "days": {"type": "integer", "minimum": 1, "maximum": 5}}
    })
}

/// Whether arguments are written as elements: what opens one, what stands between a key and text, or a number, and what
/// closes it.
fn is_weather(text: &str, [open, before_text, before_number, close]: [&str; 4]) -> bool {
    let city = |rest: &str| {
        let rest = rest.strip_prefix(&format!("{open}city{before_text}"))?;
        ["Bonn", "Ulm"].iter().find_map(|city| rest.strip_prefix(&format!("{city}{close}")).map(str::to_owned))
    };
    let days = |rest: &str| {
        let (days, rest) = between(rest, &format!("{open}days{before_number}"), close)?;
        (1..=5).contains(&days.parse::<u32>().ok()?).then(|| rest.to_owned())
    };
    let Some(behind) = city(text) else { return days(text).and_then(|rest| city(&rest)).as_deref() == Some("") };
    behind.is_empty() || days(&behind).as_deref() == Some("")
}

type IsRight = fn(&str) -> bool;

/// Fields, and what the answer then is.
fn cases() -> Vec<(Value, IsRight)> {
    let older = json!({
        "type": "structural_tag", "triggers": ["<f="],
        "structures": [
            {"begin": "<f=weather>", "schema": city(), "end": "</f>"},
            {"begin": "<f=hour>", "schema": {"type": "integer", "minimum": 0, "maximum": 23}, "end": "</f>"},
        ]
    });
    let are_calls: IsRight = |text| calls(text).is_some();
    let thought = tag("<think>", json!({"type": "any_text"}), "</think>\n");
    let word = json!({"type": "regex", "pattern": "[a-z<]{2,9}"});
    let is_list: IsRight = |text| {
        text.is_empty()
            || text
                .split(';')
                .all(|item| between(item, "<i>", "</i>").is_some_and(|(n, rest)| is_hour(n) && rest.is_empty()))
    };
    let item = tag("<i>", schema(json!({"type": "integer", "minimum": 0, "maximum": 23})), "</i>");
    let list = json!({"type": "tags_with_separator", "tags": [item], "separator": ";"});
    vec![
        (json!({"response_format": older}), are_calls),
        (json!({"structural_tag": older.to_string()}), are_calls),
        (json!({"structured_outputs": {"structural_tag": older.to_string()}}), are_calls),
        (of_format(triggered(&json!({}))), are_calls),
        (of_format(triggered(&json!({"at_least_one": true}))), |text| {
            text.starts_with("<f=") && calls(text).is_some_and(|n| n > 0)
        }),
        (of_format(triggered(&json!({"at_least_one": true, "stop_after_first": true}))), |text| {
            text.starts_with("<f=") && calls(text) == Some(1) && text.ends_with("</f>")
        }),
        (of_format(triggered(&json!({"stop_after_first": true}))), |text| {
            calls(text).is_some_and(|n| n == 0 || n == 1 && text.ends_with("</f>"))
        }),
        (of_format(triggered(&json!({"excludes": ["e", "\n"]}))), |text| {
            let (before, _) = text.split_once("<f=").unwrap_or((text, ""));
            calls(text).is_some() && !before.contains(['e', '\n'])
        }),
        (
            of_format(json!({"type": "sequence", "elements": [thought, triggered(&json!({"at_least_one": true}))]})),
            |text| between(text, "<think>", "</think>\n").is_some_and(|(_, rest)| calls(rest).is_some_and(|n| n > 0)),
        ),
        (
            of_format(
                json!({"type": "sequence", "elements": [{"type": "optional", "content": thought}, triggered(&json!({}))]}),
            ),
            |text| {
                let rest = between(text, "<think>", "</think>\n").map_or(text, |(_, rest)| rest);
                calls(rest).is_some() && !rest.starts_with("<think>")
            },
        ),
        (of_format(list.clone()), is_list),
        (
            of_format(
                json!({"type": "sequence", "elements": [{"type": "const_string", "value": "List: "}, list, {"type": "const_string", "value": "."}]}),
            ),
            |text| {
                let inner = text.strip_prefix("List: ").and_then(|text| text.strip_suffix('.'));
                inner.is_some_and(|inner| inner.is_empty() || inner.split(';').all(|item| item.starts_with("<i>")))
            },
        ),
        (
            of_format(
                json!({"type": "or", "elements": [schema(city()), {"type": "const_string", "value": "none"}, {"type": "const_string", "value": "nothing"}]}),
            ),
            |_| false,
        ),
        (
            of_format(
                json!({"type": "or", "elements": [schema(json!({"type": "object"})), {"type": "const_string", "value": "<none>"}, {"type": "const_string", "value": "<nothing>"}]}),
            ),
            |text| {
                ["<none>", "<nothing>"].contains(&text)
                    || serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_object())
            },
        ),
        (
            of_format(
                json!({"type": "sequence", "elements": [word, {"type": "const_string", "value": ": "}, schema(json!({"type": "boolean"})), {"type": "const_string", "value": "!"}]}),
            ),
            |text| {
                let Some((word, rest)) = text.split_once(": ") else { return false };
                (2..=9).contains(&word.len())
                    && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'<')
                    && ["true!", "false!"].contains(&rest)
            },
        ),
        (
            of_format(
                json!({"type": "repeat", "min": 2, "max": 3, "content": tag("<a>", json!({"type": "any_text", "max_chars": 3}), "</a>")}),
            ),
            |text| {
                let parts: Vec<&str> = text.split("</a>").collect();
                (3..=4).contains(&parts.len())
                    && parts
                        .iter()
                        .rev()
                        .skip(1)
                        .all(|part| part.strip_prefix("<a>").is_some_and(|text| text.chars().count() <= 3))
            },
        ),
        (
            of_format(
                json!({"type": "plus", "content": {"type": "grammar", "grammar": "root ::= \"ab\" | \"cd\" [0-9]"}}),
            ),
            |text| {
                !text.is_empty()
                    && text
                        .replace("ab", "")
                        .split("cd")
                        .skip(1)
                        .all(|part| part.len() == 1 && part.as_bytes()[0].is_ascii_digit())
            },
        ),
        (
            of_format(
                json!({"type": "dispatch", "loop": false, "excludes": ["#"], "rules": [["@", {"type": "regex", "pattern": "[a-z]+"}], ["$", schema(json!({"type": "integer"}))]]}),
            ),
            |text| match text.split_once(['@', '$']) {
                None => !text.contains('#'),
                Some((before, rest)) => {
                    !before.contains('#')
                        && (rest.bytes().all(|b| b.is_ascii_lowercase()) || rest.parse::<f64>().is_ok())
                }
            },
        ),
        (of_format(json!({"type": "json_schema", "json_schema": city(), "style": "json"})), is_city),
        (of_format(json!({"type": "json_schema", "json_schema": city(), "any_order": true})), is_city),
        (
            of_format(styled(
                "qwen_xml",
                json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "boolean"}}, "required": ["b"], "maxProperties": 1, "additionalProperties": false}),
            )),
            |text| ["true", "false"].iter().any(|word| text == format!("<parameter=b>{word}</parameter>")),
        ),
        (of_format(styled("qwen_xml", weather())), |text| is_weather(text, ["<parameter=", ">", ">", "</parameter>"])),
        (
            of_format(
                json!({"type": "triggered_tags", "triggers": ["<f="], "tags": [tag("<f=w>", styled("glm_xml", weather()), "</f>"), tag("<f=v>", styled("kimi_k3_xml", weather()), "</f>")]}),
            ),
            |text| {
                let Some((_, call)) = text.split_once("<f=") else { return true };
                match between(call, "w>", "</f>") {
                    Some((arguments, _)) => is_weather(
                        arguments,
                        ["<arg_key>", "</arg_key><arg_value>", "</arg_key><arg_value>", "</arg_value>"],
                    ),
                    None => between(call, "v>", "</f>").is_some_and(|(arguments, _)| {
                        let before = |kind: &str| format!("\" type=\"{kind}\"<|sep|>");
                        is_weather(
                            arguments,
                            [
                                "<|open|>argument key=\"",
                                &before("string"),
                                &before("number"),
                                "<|close|>argument<|sep|>",
                            ],
                        )
                    }),
                }
            },
        ),
        (
            of_format(json!({"type": "plus", "content": tag("<c>", styled("minimax_xml", weather()), "</c>\n")})),
            |text| {
                let mark = ["<parameter name=\"", "\">", "\">", "</parameter>"];
                text.strip_suffix("</c>\n").is_some_and(|calls| {
                    calls
                        .split("</c>\n")
                        .all(|call| call.strip_prefix("<c>").is_some_and(|call| is_weather(call, mark)))
                })
            },
        ),
        (of_format(tag("<i>", styled("deepseek_xml", weather()), "</i>")), |text| {
            let before = |is_text: &str| format!("\" string=\"{is_text}\">");
            let mark = ["<｜DSML｜parameter name=\"", &before("true"), &before("false"), "</｜DSML｜parameter>"];
            between(text, "<i>", "</i>").is_some_and(|(call, rest)| rest.is_empty() && is_weather(call, mark))
        }),
        (
            of_format(tag(
                "<i>",
                styled(
                    "minimax_m3_xml",
                    json!({"type": "object", "properties": {"a": {"type": "array", "items": {"type": "boolean"}}}, "additionalProperties": false}),
                ),
                "]<]minimax[>[</invoke>",
            )),
            |text| {
                let tag = |name: &str| format!("]<]minimax[>[<{name}>");
                let Some((call, "")) = between(text, "<i>", "]<]minimax[>[</invoke>") else { return false };
                let items = call.replace(&tag("item"), "").replace(&tag("/item"), ";");
                items.is_empty()
                    || between(&items, &tag("a"), &tag("/a")).is_some_and(|(items, rest)| {
                        let json: Vec<&str> = items.split_terminator(';').collect();
                        rest.is_empty()
                            && (items == "[]"
                                || items.starts_with('[')
                                || json.iter().all(|item| ["true", "false"].contains(item)))
                    })
            },
        ),
    ]
}

#[test]
fn each_part_is_what_it_must_be() {
    let scripts = [
        "Let me see <f=weather>{\"city\": \"Bonn\", \"days\": [1, 1, 2]}</f> and <f=hour>99</f>",
        "List: <i>7</i>;<i>",
    ];
    let scripted = scripts.map(|text| FakeMode::Scripted(text.into()));
    for mode in [FakeMode::Random, FakeMode::Hostile].into_iter().chain(scripted) {
        let server = TestServer::start(Setup { mode: mode.clone(), ..Setup::default() });
        for (fields, is_right) in cases() {
            for (seed, max_tokens) in [(0, 300), (1, 300), (2, 60), (3, 30)] {
                let mut body = chat_body(json!({"seed": seed, "max_tokens": max_tokens, "temperature": 1.2}));
                body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
                let answer = server.chat(&body);
                if max_tokens < 100 && answer.body["error"]["code"] == "max_tokens_too_small" {
                    continue;
                }
                if answer.status == 400 {
                    let is_ambiguous = answer.body["error"]["message"].as_str().unwrap().contains("begins alike");
                    assert!(fields.to_string().contains("\"none\"") && is_ambiguous, "{fields}: {}", answer.body);
                    continue;
                }
                assert_eq!(answer.status, 200, "{fields}: {}", answer.body);
                assert_eq!(answer.header("x-drawplate-ignored-fields"), None, "{fields}");
                assert!(is_right(answer.content()), "{mode:?} {fields}: {:?}", answer.content());
            }
        }
    }
}

#[test]
fn a_script_is_followed_as_far_as_it_may_be() {
    let text = "Let me see. <f=weather>{\"city\": \"Bonn\"}</f> And <f=hour>23</f>, that is all <f";
    let server = TestServer::start(Setup::scripted(text));
    let mut body = chat_body(json!({"max_tokens": 400}));
    body.as_object_mut().unwrap().extend(of_format(triggered(&json!({}))).as_object().unwrap().clone());
    let plain = server.chat(&body);
    assert_eq!((plain.content(), plain.finish_reason()), (text, "stop"));
    body["stream"] = true.into();
    let streamed: String = server
        .stream(&body)
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(streamed, text);
}

#[test]
fn what_cannot_be_enforced_is_refused() {
    let server = TestServer::start(Setup::default());
    let any = json!({"type": "any_text"});
    let sequence = |elements: Value| of_format(json!({"type": "sequence", "elements": elements}));
    let tools = json!([{"type": "function", "function": {"name": "now"}}]);
    let mut beside_tools = of_format(triggered(&json!({})));
    beside_tools["tools"] = tools;
    for (fields, param, words) in [
        (of_format(json!({"type": "nonsense"})), "response_format.format.type", "Supported values"),
        (of_format(json!({"type": "token", "token": 1})), "response_format.format.type", "control tokens"),
        (
            of_format(tag("<a>", json!({"type": "any_tokens"}), "</a>")),
            "response_format.format.content.type",
            "control tokens",
        ),
        (
            of_format(json!({"type": "tag", "begin": {"type": "token", "token": "<x>"}, "content": any, "end": ""})),
            "response_format.format.begin",
            "control tokens",
        ),
        (
            of_format(json!({"type": "json_schema", "json_schema": {}, "style": "gemma"})),
            "response_format.format.style",
            "'qwen_xml'",
        ),
        (
            of_format(json!({"type": "json_schema", "json_schema": {"type": "integer"}, "style": "qwen_xml"})),
            "response_format.format.json_schema",
            "only objects",
        ),
        (
            of_format(tag("<c>", styled("qwen_xml", json!({"required": ["a>b"]})), "</c>")),
            "response_format.format.content.json_schema",
            "cannot hold '>'",
        ),
        (
            of_format(styled("qwen_xml", json!({"properties": {"a": {"const": "x</parameter>"}}, "required": ["a"]}))),
            "response_format.format.json_schema",
            "'a' would hold '</parameter>'",
        ),
        (
            of_format(json!({"type": "json_schema", "json_schema": {}, "excludes": ["x"]})),
            "response_format.format.excludes",
            "'pattern'",
        ),
        (
            of_format(json!({"type": "optional", "content": styled("glm_xml", city())})),
            "response_format.format.content.json_schema",
            "a tag around it",
        ),
        (
            sequence(json!([styled("glm_xml", city()), {"type": "const_string", "value": "<arg"}])),
            "response_format.format.elements[0].json_schema",
            "put a tag between",
        ),
        (
            sequence(json!([styled("glm_xml", city()), any])),
            "response_format.format.elements[0].json_schema",
            "put a tag between",
        ),
        (
            of_format(tag("<a>", schema(json!({"type": "strnig"})), "</a>")),
            "response_format.format.content.json_schema",
            "strnig",
        ),
        (
            of_format(tag("<a>", schema(json!({"minimum": "x"})), "</a>")),
            "response_format.format.content.json_schema",
            "minimum",
        ),
        (
            of_format(tag("<a>", json!({"type": "regex", "pattern": "a("}), "</a>")),
            "response_format.format.content.pattern",
            "at byte",
        ),
        (
            of_format(tag("<a>", json!({"type": "grammar", "grammar": "root ::= \"(\" root? \")\""}), "</a>")),
            "response_format.format.content.grammar",
            "lead back to itself",
        ),
        (of_format(json!({"type": "any_text", "max_tokens": 3})), "response_format.format.max_tokens", "max_chars"),
        (
            of_format(json!({"type": "any_text", "exclude": ["x"]})),
            "response_format.format.exclude",
            "Unknown parameter",
        ),
        (of_format(triggered(&json!({"triggers": ["<g="]}))), "response_format.format.tags[0]", "none of the triggers"),
        (of_format(triggered(&json!({"triggers": ["<f=", "<g="]}))), "response_format.format", "trigger '<g='"),
        (
            sequence(json!([any, schema(json!({}))])),
            "response_format.format.elements[0]",
            "nothing tells where this text ends",
        ),
        (sequence(json!([any, any])), "response_format.format.elements[0]", "nothing tells where this text ends"),
        (
            sequence(json!([{"type": "any_text", "excludes": ["/"]}, {"type": "const_string", "value": "</a>"}])),
            "response_format.format.elements[0]",
            "'/' is excluded",
        ),
        (
            of_format(json!({"type": "or", "elements": [any, schema(json!({}))]})),
            "response_format.format.elements[0]",
            "may stand where",
        ),
        (
            of_format(
                json!({"type": "or", "elements": [schema(json!({"type": "null"})), schema(json!({"type": "string"}))]}),
            ),
            "response_format.format.elements[0].json_schema",
            "another schema",
        ),
        (
            of_format(json!({"type": "regex", "pattern": ".*", "excludes": ["x"]})),
            "response_format.format.excludes",
            "Unknown parameter",
        ),
        (
            of_format(json!({"type": "or", "elements": [
                {"type": "sequence", "elements": [{"type": "regex", "pattern": "a*"}, {"type": "const_string", "value": "bc"}]},
                {"type": "const_string", "value": "b"},
            ]})),
            "response_format.format.elements[0].elements[0].pattern",
            "may begin with 'b'",
        ),
        (
            sequence(json!([schema(json!({"type": "number"})), any])),
            "response_format.format.elements[0].json_schema",
            "put a tag between",
        ),
        (
            of_format(json!({"type": "repeat", "min": 3, "max": 2, "content": any})),
            "response_format.format.max",
            "smaller than 'min'",
        ),
        (json!({"response_format": {"type": "structural_tag"}}), "response_format.format", "Missing"),
        (json!({"structural_tag": "{"}), "structural_tag", "no JSON"),
        (beside_tools, "response_format", "beside 'tools'"),
    ] {
        server.refuses(&chat_body(fields), param, words);
    }
}

/// Bounds on texts let the answer end, and what stands in a text's place begin.
#[test]
fn bounded_texts_end_where_they_may() {
    let bounded = |n: u32| json!({"type": "any_text", "max_chars": n});
    let tag_or_text =
        json!({"type": "or", "elements": [tag("<tool>", schema(json!({"type": "integer"})), "</tool>"), bounded(3)]});
    for (format, script, expected) in [
        (bounded(10), "Yes", "Yes"),
        (bounded(3), "Yes, of course", "Yes"),
        (bounded(4), "äöüßé", "äöüß"),
        (tag_or_text.clone(), "<tool>7</tool>", "<tool>7</tool>"),
        (tag_or_text, "No!", "No!"),
        (tag("<a>", bounded(2), "</a>"), "<a>ab</a>", "<a>ab</a>"),
        (tag("<a>", bounded(2), "</a>"), "<a>ab</", "<a>ab</a>"),
    ] {
        let server = TestServer::start(Setup::scripted(script));
        let mut body = chat_body(json!({"max_tokens": 100}));
        body.as_object_mut().unwrap().extend(of_format(format).as_object().unwrap().clone());
        let answer = server.chat(&body);
        assert_eq!((answer.content(), answer.finish_reason()), (expected, "stop"), "{body}");
    }
}

/// Formats that multiply are refused, or compiled, in time.
#[test]
fn large_formats_have_bounds() {
    let server = TestServer::start(Setup::default());
    let mut nested = tag("<a>", json!({"type": "any_text"}), "</a>");
    for _ in 0..6 {
        nested = json!({"type": "repeat", "min": 100, "max": 100, "content": nested});
    }
    let many = |n: usize, schema_of: &dyn Fn(usize) -> Value| {
        let tags: Vec<Value> = (0..n).map(|i| tag(&format!("<f={i:04}>"), schema(schema_of(i)), "</f>")).collect();
        of_format(json!({"type": "triggered_tags", "triggers": ["<f="], "tags": tags}))
    };
    let nest = |n: usize, inner: Value, around: &dyn Fn(Value) -> Value| (0..n).fold(inner, |inner, _| around(inner));
    let plus = |content: Value| json!({"type": "plus", "content": content});
    let in_sequence = |content: Value| json!({"type": "star", "content": {"type": "sequence", "elements": [content]}});
    let hundredfold = |content: Value| json!({"type": "repeat", "min": 10_000, "max": 10_000, "content": content});
    let letter = json!({"type": "const_string", "value": "a"});
    let times = |n: usize, content: Value| json!({"type": "repeat", "min": n, "max": n, "content": content});
    let megabyte = "x".repeat(1 << 20);
    let words: Vec<Value> = (0..10_000).map(|i| json!({"type": "const_string", "value": format!("w{i};")})).collect();
    let words = json!({"type": "or", "elements": words});
    let pattern = json!({"type": "regex", "pattern": "[a-z]+"});
    let references: Vec<Value> = (0..10_000).map(|_| json!({"$ref": "#"})).collect();
    let referring = json!({"anyOf": references, "$ref": "#/$defs/s", "$defs": {"s": {"type": "string"}}});
    let doubling: String = (0..60).map(|i| format!("r{i} ::= r{} r{}\n", i + 1, i + 1)).collect();
    let doubling = format!("root ::= r0\n{doubling}r60 ::= \"a\"\n");
    for (fields, status) in [
        (of_format(nested), 400),
        (of_format(tag("<a>", json!({"type": "grammar", "grammar": doubling}), "</a>")), 400),
        (
            many(
                300,
                &|i| json!({"type": "object", "properties": {format!("k{i}"): {"type": "string"}}, "required": [format!("k{i}")]}),
            ),
            200,
        ),
        (of_format(tag("<a>", json!({"type": "any_text", "max_chars": 4000}), "</a>")), 200),
        (of_format(json!({"type": "const_string", "value": "x".repeat(30_000)})), 400),
        (of_format(nest(35, pattern.clone(), &plus)), 200),
        (of_format(nest(30, letter, &in_sequence)), 200),
        (of_format(nest(5, json!({"type": "const_string", "value": ""}), &hundredfold)), 400),
        (of_format(times(5_000, json!({"type": "const_string", "value": megabyte}))), 400),
        (of_format(times(5_000, tag("<a>", json!({"type": "any_text", "excludes": [megabyte]}), "</a>"))), 400),
        (of_format(json!({"type": "sequence", "elements": [{"type": "any_text"}, words]})), 400),
        (of_format(json!({"type": "sequence", "elements": [pattern, words]})), 400),
        (of_format(json!({"type": "or", "elements": [pattern, words]})), 400),
        (of_format(json!({"type": "star", "content": words})), 400),
        (of_format(json!({"type": "sequence", "elements": [schema(referring), {"type": "any_text"}]})), 400),
    ] {
        let mut body = chat_body(json!({"max_tokens": 50}));
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let started = std::time::Instant::now();
        let answer = server.chat(&body);
        assert_eq!(
            answer.status,
            status,
            "{}: {}",
            &fields.to_string()[..200.min(fields.to_string().len())],
            answer.body
        );
        assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    }
}

fn format(kind: Kind) -> Format {
    Format { at: "format".into(), kind }
}

fn literal(text: &str) -> Format {
    format(Kind::Literal(text.into()))
}

/// Random formats: most have one meaning, some are refused.
fn formats() -> impl Strategy<Value = Format> {
    let tags = || prop::sample::select(vec!["<a>", "<ab>", "</a>", "<", "b", "{", "\n", "é", "ab", "a"]);
    let schemas = prop::sample::select(vec![
        json!({"type": "integer"}),
        json!({"type": "boolean"}),
        json!({"type": "object", "properties": {"k": {"type": "array", "items": {"enum": [1, 2]}, "uniqueItems": true}}, "required": ["k"], "additionalProperties": false}),
        json!({"enum": ["</a>", null, 1.5]}),
    ]);
    let objects = prop::sample::select(vec![
        json!({"type": "object", "properties": {"k": {"type": "array", "items": {"enum": [1, 2]}, "uniqueItems": true}}, "required": ["k"], "additionalProperties": false}),
        json!({"type": "object", "properties": {"a": {"type": ["string", "integer"], "maxLength": 3}, "b": {"type": "string"}}, "additionalProperties": false}),
        json!({"type": "object", "additionalProperties": {"type": "boolean"}, "maxProperties": 2}),
        json!({"type": "object", "additionalProperties": false}),
    ]);
    let elements = Elements::of_text("<b/$KEY>$VALUE</b>", |text| text.as_bytes().to_vec()).unwrap();
    let form = Some(Form::Elements(Arc::new(elements)));
    let patterns = prop::sample::select(vec!["[ab]{1,3}", "a*", "(?:<a>|x)+", "é|[0-9]"]);
    let leaf = prop_oneof![
        3 => tags().prop_map(literal),
        2 => schemas.prop_map(|schema| format(Kind::Schema { schema, any_order: false, form: None })),
        2 => objects.prop_map(move |schema| {
            format(Kind::Schema { schema, any_order: false, form: form.clone() })
        }),
        1 => patterns.prop_map(|pattern| format(Kind::Regex(pattern.into()))),
        2 => (prop::collection::vec(tags(), 0..2), prop::option::of(0..4_u32)).prop_map(|(excluded, max_chars)| {
            format(Kind::Text { excluded: excluded.into_iter().map(str::to_owned).collect(), max_chars })
        }),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let tag = (tags(), inner.clone(), tags()).prop_map(|(begin, content, end)| {
            format(Kind::Sequence(vec![literal(begin), content, literal(end)]))
        });
        let rule = (tags(), inner.clone(), tags()).prop_map(|(trigger, content, end)| {
            let content = format(Kind::Sequence(vec![content, literal(end)]));
            Rule { trigger: trigger.into(), rest: ">".into(), content }
        });
        prop_oneof![
            4 => tag,
            2 => prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| format(Kind::Sequence(parts))),
            2 => prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| format(Kind::Or(parts))),
            2 => (inner.clone(), 0..3_u32, prop::option::of(0..2_u32), tags()).prop_map(|(content, min, more, separator)| {
                let (content, max) = (Box::new(content), more.map(|more| min + more));
                format(Kind::Repeat { content, separator: separator.into(), min, max })
            }),
            2 => (prop::collection::vec(rule, 1..3), any::<bool>(), any::<bool>()).prop_map(|(rules, must, goes_on)| {
                format(Kind::Dispatch { rules, excluded: Vec::new(), must, goes_on })
            }),
        ]
    })
}

/// A format that compiles, with what judges its answers; nothing where it is refused.
fn compiled(format: &Format, compiler: &Compiler, open: &str) -> Option<(Arc<Compiled>, Judge)> {
    let parts = Arc::new(Parts::of(format).ok()?);
    let documents: Vec<Arc<Document>> = parts
        .schemas
        .iter()
        .map(|part| Arc::new(Document::parse(part.schema.clone(), Default::default()).unwrap()))
        .collect();
    let around = (open.as_bytes().to_vec(), Vec::new());
    let spec = Layout { preamble: None, around: &around }.parts(&parts, &documents, Style::default());
    let compiled = compiler.compile(&spec).unwrap_or_else(|error| panic!("{error}\n{}", spec.lark));
    let checks = documents.iter().map(|document| Arc::new(Check::of(document).unwrap())).collect();
    let judge = Judge::new(&parts, checks, &compiled.encodings);
    Some((compiled, judge))
}

/// The text with a piece more or less.
fn changed(text: &str, rng: &mut ChaCha8Rng) -> String {
    let pieces = ["<b/b>x</b>", "<b/a>", "</b>", "<a>", "</a>", "<ab>", "<", "b", "é", "ab", "a", "x", ">", "a>"];
    let mut text = text.to_owned();
    for _ in 0..rng.random_range(1..3) {
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let at = *places.choose(rng).unwrap();
        let piece = *pieces.choose(rng).unwrap();
        if rng.random_bool(0.6) {
            text.insert_str(at, piece);
        } else if text[at..].starts_with(piece) {
            text.replace_range(at..at + piece.len(), "");
        }
    }
    text
}

/// Walks at random; at each place the answer can be ended, and what may end is valid.
fn walk(compiled: &Compiled, judge: &Judge, vocab: &Vocab, (open, seed): (&str, u64)) -> Result<(), TestCaseError> {
    let holds = |text: &str| text.strip_prefix(open).is_some_and(|content| judge.holds(content));
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut matcher = compiled.matcher();
    let mut text: Vec<u8> = Vec::new();
    for _ in 0..40 {
        let shown = String::from_utf8_lossy(&text).into_owned();
        if matcher.is_accepting().unwrap() {
            prop_assert!(holds(&shown), "{shown:?} may end, but is not valid");
        }
        // As the engine does: what the guard may yet take back need not have an ending.
        let ended = (0..=matcher.n_unsettled()).find_map(|n| Some((n, matcher.closing_tokens_before(n)?)));
        prop_assert!(ended.is_some(), "no ending of {shown:?}");
        let (n_back, ending) = ended.unwrap();
        let kept = text.len() - n_back;
        let ending: Vec<u8> = ending.iter().flat_map(|token| vocab.bytes(*token)).copied().collect();
        let whole = String::from_utf8([&text[..kept], &ending].concat());
        prop_assert!(whole.is_ok());
        prop_assert!(holds(whole.as_ref().unwrap()), "{shown:?} is ended as {whole:?}");
        let mut follower = compiled.matcher();
        for byte in whole.as_ref().unwrap().bytes() {
            prop_assert!(
                follower.accept(u32::from(byte)).is_ok_and(|verdict| verdict == Verdict::Taken),
                "the mask refuses {whole:?}, the ending of {shown:?}"
            );
        }
        // What is changed a little and is an answer all the same, the mask allows.
        let changed = changed(whole.as_ref().unwrap(), &mut rng);
        // Why: the check takes the last of two values of one key, the mask takes no second.
        let mut keys = HashSet::new();
        let names_twice = changed.split("<b/").skip(1).any(|rest| !keys.insert(rest.split('>').next()));
        if holds(&changed) && !names_twice {
            let mut follower = compiled.matcher();
            let takes = |byte: u8| follower.accept(u32::from(byte)).is_ok_and(|verdict| verdict == Verdict::Taken);
            prop_assert!(changed.bytes().all(takes), "the mask refuses {changed:?}");
            prop_assert!(follower.is_accepting().unwrap(), "{changed:?} may not end");
        }
        if matcher.is_stopped() {
            return Ok(());
        }
        let mask = matcher.mask().unwrap();
        let mut allowed: Vec<TokenId> = Vec::new();
        mask.for_each(|token| {
            allowed.extend(
                (token < 256 && b"@<a>/b{\"k:[12, ]}x.5truefals\n\xC3\xA9".contains(&u8::try_from(token).unwrap()))
                    .then_some(token),
            )
        });
        let Some(token) = allowed.choose(&mut rng).copied() else { return Ok(()) };
        if matcher.accept(token).unwrap() == Verdict::Taken {
            text.extend_from_slice(vocab.bytes(token));
        }
    }
    Ok(())
}

#[test]
fn random_formats_mean_one_thing() {
    let vocab = fake_vocab().unwrap();
    let compiler = Compiler::new(&vocab, Budget::default()).unwrap();
    let n_compiled = std::cell::Cell::new(0);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 1000,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner
        .run(&(formats(), any::<u64>()), |(format, seed)| {
            let open = if seed % 2 == 0 { "" } else { "@@" };
            let Some((compiled, judge)) = compiled(&format, &compiler, open) else { return Ok(()) };
            n_compiled.set(n_compiled.get() + 1);
            (0..3).try_for_each(|i| walk(&compiled, &judge, &vocab, (open, seed.wrapping_add(i))))
        })
        .unwrap();
    assert!(n_compiled.get() > 60, "only {} formats were taken", n_compiled.get());
}
