//! What binds answers on other servers means the same here, or is refused.

use drawplate::engine::FakeMode;
use drawplate::engine::fake_vocab;
use drawplate::grammar::cfg::Cfg;
use drawplate::grammar::{Budget, Compiler, Spec, Verdict};
use serde_json::{Value, json};

use crate::support::{Setup, TestServer, chat_body};

fn schema() -> Value {
    json!({"type": "object", "required": ["ok"], "additionalProperties": false, "properties": {"ok": {"type": "boolean"}}})
}

fn is_ok(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|value| jsonschema::is_valid(&schema(), &value))
}

const JSON_GBNF: &str = r#"
# An object with one key.
root   ::= "{" ws "\"ok\"" ws ":" ws
           ("true" | "false") ws "}"
ws     ::= [ \t\n]{0,2}
"#;
const LARK: &str = "start: \"start \" NUMBER (\", \" NUMBER){0,2}\nNUMBER: /[0-9]{1,3}/";

fn is_list(text: &str) -> bool {
    text.strip_prefix("start ").is_some_and(|rest| {
        let numbers: Vec<&str> = rest.split(", ").collect();
        numbers.len() <= 3
            && numbers.iter().all(|n| (1..=3).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit()))
    })
}

fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.iter().map(|part| part.len()).eq([4, 2, 2]) && text.bytes().all(|b| b.is_ascii_digit() || b == b'-')
}

type IsRight = fn(&str) -> bool;

/// Fields, and what the answer then is.
fn cases() -> Vec<(Value, IsRight)> {
    let date = r"\d{4}-\d{2}-\d{2}";
    let date = date.replace(r"\d", "[0-9]");
    let is_choice: IsRight = |text| ["red", "green \"x\"", "blüe"].contains(&text);
    let choices = json!(["red", "green \"x\"", "blüe"]);
    let is_object: IsRight = |text| serde_json::from_str::<Value>(text).is_ok_and(|v| v.is_object());
    vec![
        (json!({"guided_json": schema()}), is_ok),
        (json!({"guided_json": schema().to_string(), "guided_decoding_backend": "xgrammar"}), is_ok),
        (json!({"json_schema": schema()}), is_ok),
        (json!({"format": schema()}), is_ok),
        (json!({"format": "json"}), is_object),
        (json!({"structured_outputs": {"json": schema()}}), is_ok),
        (json!({"structured_outputs": {"json_object": true}}), is_object),
        (json!({"response_format": {"type": "json_object", "schema": schema()}}), is_ok),
        (json!({"response_format": {"type": "json_object", "value": schema()}}), is_ok),
        (json!({"response_format": {"type": "json_schema", "schema": schema()}}), is_ok),
        (json!({"response_format": {"type": "json", "value": schema()}}), is_ok),
        (json!({"guided_regex": date}), is_date),
        (json!({"regex": date}), is_date),
        (json!({"structured_outputs": {"regex": date}}), is_date),
        (json!({"response_format": {"type": "regex", "pattern": date}}), is_date),
        (json!({"response_format": {"type": "regex", "value": date}}), is_date),
        (json!({"guided_choice": choices}), is_choice),
        (json!({"structured_outputs": {"choice": choices}}), is_choice),
        (json!({"grammar": JSON_GBNF}), is_ok),
        (json!({"ebnf": JSON_GBNF}), is_ok),
        (json!({"guided_grammar": LARK}), is_list),
        (json!({"structured_outputs": {"grammar": LARK}}), is_list),
        (json!({"response_format": {"type": "grammar", "grammar": JSON_GBNF}}), is_ok),
        // What binds nothing.
        (json!({"grammar": "", "format": "", "response_format": {"type": "text"}}), |_| true),
    ]
}

#[test]
fn each_binds_as_it_does_elsewhere() {
    for mode in [FakeMode::Random, FakeMode::Hostile, FakeMode::Scripted("No, I would rather say this.".into())] {
        let server = TestServer::start(Setup { mode: mode.clone(), ..Setup::default() });
        for (fields, is_right) in cases() {
            for seed in 0..4 {
                let mut body = chat_body(json!({"seed": seed, "max_tokens": 400, "temperature": 1.2}));
                body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
                let answer = server.chat(&body);
                assert_eq!(answer.status, 200, "{fields}: {}", answer.body);
                assert_eq!(answer.header("x-drawplate-ignored-fields"), None, "{fields}");
                let is_free = fields.get("response_format") == Some(&json!({"type": "text"}));
                if answer.finish_reason() == "stop" || fields.get("format").is_none() {
                    assert!(is_free || is_right(answer.content()), "{fields}: {:?}", answer.content());
                }
            }
        }
    }
}

#[test]
fn texts_that_run_out_of_tokens_end_valid() {
    let server = TestServer::start(Setup::scripted("abababababababababababababababababab"));
    let pattern = "(?:ab)+(?:-[0-9]{3})";
    for max_tokens in 6..30 {
        let answer = server.chat(&chat_body(json!({"guided_regex": pattern, "max_tokens": max_tokens})));
        let text = answer.content();
        let (letters, digits) = text.split_once('-').unwrap_or_else(|| panic!("{max_tokens}: {text}"));
        assert!(!letters.is_empty() && letters.replace("ab", "").is_empty(), "{text}");
        assert!(digits.len() == 3 && digits.bytes().all(|b| b.is_ascii_digit()), "{text}");
    }
    let server = TestServer::start(Setup::scripted(&"a".repeat(40)));
    let grammar = "start: sum\nsum: atom (\" + \" atom)*\natom: \"ab\" | \"a\" atom \"b\"";
    let mut ended = 0;
    for max_tokens in 2..30 {
        let answer = server.chat(&chat_body(json!({"guided_grammar": grammar, "max_tokens": max_tokens})));
        ended += usize::from(answer.finish_reason() == "length");
        for part in answer.content().split(" + ") {
            let (a, b) = part.split_at(part.len() / 2);
            assert!(!a.is_empty() && a.bytes().all(|c| c == b'a') && b.bytes().all(|c| c == b'b'), "{}", answer.body);
        }
    }
    assert!(ended > 5, "the answers ended by themselves");
    let server = TestServer::start(Setup::default());
    let answer = server.chat(&chat_body(json!({"guided_choice": ["abab-no", "never"], "max_tokens": 1})));
    assert_eq!(
        (answer.status, &answer.body["error"]["code"]),
        (400, &json!("max_tokens_too_small")),
        "{}",
        answer.body
    );
}

#[test]
fn what_cannot_be_enforced_is_refused() {
    let server = TestServer::start(Setup::default());
    let tools = json!([{"type": "function", "function": {"name": "now"}}]);
    for (fields, param, words) in [
        (json!({"guided_regex": "a("}), "guided_regex", "at byte"),
        (json!({"guided_regex": "(a)\\1"}), "guided_regex", "cannot be expressed"),
        (json!({"regex": 1}), "regex", "a string"),
        (json!({"guided_choice": []}), "guided_choice", "at least one"),
        (json!({"guided_choice": ["a", 1]}), "guided_choice[1]", "a string"),
        (json!({"guided_json": "nonsense"}), "guided_json", "JSON Schema"),
        (json!({"grammar": "root ::= a"}), "grammar", "line 1: there is no rule 'a'"),
        (json!({"grammar": "start: nowhere"}), "grammar", "nowhere"),
        (json!({"guided_grammar": "start: %json {\"type\": \"object\"}"}), "guided_grammar", "%json"),
        (json!({"structural_tag": {}}), "structural_tag.format", "Missing"),
        (
            json!({"structured_outputs": {"structural_tag": "{}"}}),
            "structured_outputs.structural_tag.format",
            "Missing",
        ),
        (json!({"guided_whitespace_pattern": " "}), "guided_whitespace_pattern", "not be enforced"),
        (json!({"guided_regex": "a", "guided_choice": ["a"]}), "guided_choice", "Only one of 'guided_regex'"),
        (json!({"guided_regex": "a", "response_format": {"type": "json_object"}}), "guided_regex", "Only one"),
        (
            json!({"response_format": {"type": "json_object", "pattern": "a"}}),
            "response_format.pattern",
            "is said by a 'schema'",
        ),
        (
            json!({"response_format": {"type": "json_object", "grammar": "root ::= \"a\""}}),
            "response_format.grammar",
            "is said by a 'schema'",
        ),
        (json!({"guided_regex": "a", "tools": tools}), "guided_regex", "beside 'tools'"),
        (json!({"format": 1}), "format", "'json' or a JSON Schema"),
    ] {
        server.refuses(&chat_body(fields), param, words);
    }
}

/// A grammar about characters loses nothing by Lark's greedy terminals.
#[test]
fn gbnf_keeps_its_meaning() {
    let vocab = fake_vocab().unwrap();
    let compiler = Compiler::new(&vocab, Budget::default()).unwrap();
    for (grammar, accepted, refused) in [
        (
            r#"root ::= ("ab" | [a-z] "c"){1,2}"#,
            &["ab", "ac", "abac", "bcab", "acac"][..],
            &["a", "abb", "ababab", "abx"][..],
        ),
        ("root ::= item+\nitem ::= \"- \" [^\\r\\n]+ \"\\n\"", &["- a\n", "- é- b\n- c\n"], &["- \n", "-a\n", "- a"]),
        ("root ::= a | \"x\"\na ::= (\"y\" # comment\n  | \"z\") .?\n", &["x", "y", "zq", "z\n"], &["xq", "", "yab"]),
        (r#"root ::= [\x41-\u0043] "\"\\" [\]\-]*"#, &["A\"\\", "C\"\\]-]"], &["D\"\\", "A\""]),
        (r#"root ::= "a"{2,} "b"{,2}"#, &["aa", "aaaabb"], &["a", "ab", "aabbb"]),
    ] {
        let lark = Cfg::gbnf(grammar).unwrap().to_lark();
        let compiled = compiler.compile(&Spec::lark(lark.clone())).unwrap_or_else(|e| panic!("{e}\n{lark}"));
        let is_accepted = |text: &str| {
            let mut matcher = compiled.matcher();
            // The first tokens of the fake vocabulary are the bytes.
            let takes = |byte: u8| {
                matcher.allows(u32::from(byte)).unwrap() && matcher.accept(u32::from(byte)).unwrap() == Verdict::Taken
            };
            text.bytes().all(takes) && matcher.is_accepting().unwrap()
        };
        for text in accepted {
            assert!(is_accepted(text), "{grammar} refuses {text:?}\n{lark}");
        }
        for text in refused {
            assert!(!is_accepted(text), "{grammar} accepts {text:?}\n{lark}");
        }
    }
}
