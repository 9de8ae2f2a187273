//! What a server says of its model's format of calls, and what it does where that is bare JSON.

use drawplate::engine::FakeMode;
use serde_json::{Value, json};

use super::call_formats::{is_valid, ok};
use crate::support::binary::{Process, arg, empty_folder, run};
use crate::support::{Setup, TestServer, chat_body, fold, get};

/// A template that shows tools, and writes a call as `call` does.
fn template(call: &str) -> &'static str {
    let source = format!(
        "{{% if tools %}}{{{{ tools | tojson }}}}{{% endif %}}{{% for m in messages %}}<|{{{{ m.role }}}}|>{{{{ m.content }}}}\
         {{% for c in m.tool_calls %}}{call}{{% endfor %}}<|end|>{{% endfor %}}<|assistant|>"
    );
    // It stays for as long as the test's process.
    Box::leak(source.into_boxed_str())
}

const BARE: &str = "{\"name\": \"{{ c.function.name }}\", \"parameters\": {{ c.function.arguments if c.function.arguments is string else c.function.arguments | tojson }}}";

#[test]
fn the_model_card_says_how_tools_are_called() {
    let hermes = "<tool_call>\n{\"name\": \"{{ c.function.name }}\", \"arguments\": {{ c.function.arguments if c.function.arguments is string else c.function.arguments | tojson }}}\n</tool_call>\n";
    let own = "<fn name={{ c.function.name }}>{{ c.function.arguments if c.function.arguments is string else c.function.arguments | tojson }}</fn>\n";
    for (template, format, from, shown, reasons) in [
        (None, "hermes", "prompt", false, false),
        (Some(template(hermes)), "hermes", "template", true, false),
        (Some(template(own)), "inferred", "template", true, false),
        (Some(template(&format!("<think></think>{own}"))), "inferred", "template", true, true),
    ] {
        let server = TestServer::start(Setup { template, ..Setup::default() });
        let answer = get(&server.url("/v1/models/fake"));
        let found = &answer.body["capabilities"];
        let said =
            (&found["tool_format"], &found["tool_format_from"], &found["tools_shown_by_template"], &found["reasoning"]);
        assert_eq!(
            said,
            (&json!(format), &json!(from), &json!(shown), &json!(reasons)),
            "{template:?}: {}",
            answer.body
        );
        assert_eq!((&found["tools"], &found["vision"]), (&json!(true), &json!(false)));
    }
}

/// Where calls are bare JSON, an answer by schema would look like one: then another format is taught.
#[test]
fn bare_json_and_a_response_format_are_told_apart() {
    let tools = json!([{"type": "function", "function": {"name": "now"}}]);
    let format = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": ok()}});
    let body = chat_body(json!({"tools": tools, "response_format": format}));
    let asked = |mode: FakeMode, body: &Value| {
        let server = TestServer::start(Setup { template: Some(template(BARE)), mode, ..Setup::default() });
        let answer = server.chat(body);
        assert_eq!(answer.status, 200, "{}", answer.body);
        let message = answer.body["choices"][0]["message"].clone();
        let call = message["tool_calls"][0]["function"]["name"].as_str().map(str::to_owned);
        (message["content"].as_str().map(str::to_owned), call)
    };
    let scripted = |text: &str| FakeMode::Scripted(text.to_owned());
    let bare = "{\"name\": \"now\", \"parameters\": {}}";
    let taught = "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>";
    assert_eq!(asked(scripted(bare), &chat_body(json!({"tools": tools}))), (None, Some("now".into())));
    assert_eq!(asked(scripted(taught), &body), (None, Some("now".into())));
    assert_eq!(asked(scripted("{\"ok\": true}"), &body), (Some("{\"ok\": true}".into()), None));
    // What would be a call without the schema is none with it.
    let (content, call) = asked(scripted(bare), &body);
    assert!(call.is_none() && is_valid(&ok(), &content.unwrap()));
    for seed in 0..20 {
        let (content, call) =
            asked(FakeMode::Hostile, &chat_body(json!({"tools": tools, "response_format": format, "seed": seed})));
        assert!(call.is_some() != content.is_some_and(|content| is_valid(&ok(), &content)));
    }
}

/// GGUFs of Hermes 3 or Command R have two templates.
#[test]
fn a_template_for_tools_is_taken_where_there_are_tools() {
    let with_tools = template(
        "<fn name={{ c.function.name }}>{{ c.function.arguments if c.function.arguments is string else c.function.arguments | tojson }}</fn>\n",
    );
    let usual = "{% for m in messages %}{{ m.content }}{% endfor %}";
    let server = TestServer::start(Setup {
        template: Some(usual),
        tool_template: Some(with_tools),
        ..Setup::scripted("<fn name=now>{}</fn>\n")
    });
    let card = get(&server.url("/v1/models/fake"));
    assert_eq!(card.body["capabilities"]["tool_format"], "inferred", "{}", card.body);
    let tools = json!([{"type": "function", "function": {"name": "now"}}]);
    let answer = server.chat(&chat_body(json!({"tools": tools})));
    assert_eq!(answer.body["choices"][0]["message"]["tool_calls"][0]["function"]["name"], "now", "{}", answer.body);
    // Where none may be called, the usual template is as good as alone, calls of the history included.
    let call = json!({"id": "a", "type": "function", "function": {"name": "now", "arguments": "{}"}});
    let history = json!([{"role": "user", "content": "When?"}, {"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "a", "content": "noon"}]);
    let alone = TestServer::start(Setup { template: Some(usual), ..Setup::scripted("It is noon.") });
    for body in [json!({}), json!({"tools": tools, "tool_choice": "none"}), json!({"messages": history})] {
        let prompt = |server: &TestServer| server.chat(&chat_body(body.clone())).body["usage"]["prompt_tokens"].clone();
        assert_eq!(prompt(&server), prompt(&alone), "{body}");
    }
    // One that shows no calls is left alone.
    let server = TestServer::start(Setup { tool_template: Some(usual), ..Setup::default() });
    let card = get(&server.url("/v1/models/fake"));
    assert_eq!(card.body["capabilities"]["tool_format_from"], "prompt", "{}", card.body);
}

#[test]
fn a_template_can_be_given() {
    let folder = empty_folder("chat-template");
    let own = template(
        "<fn name={{ c.function.name }}>{{ c.function.arguments if c.function.arguments is string else c.function.arguments | tojson }}</fn>\n",
    );
    std::fs::write(folder.join("own.jinja"), own).unwrap();
    std::fs::write(folder.join("broken.jinja"), "{% for %}").unwrap();
    let server = Process::serve(&["--chat-template", arg(&folder.join("own.jinja"))]);
    let answer = get(&format!("{}/v1/models/fake", server.url));
    assert_eq!(answer.body["capabilities"]["tool_format"], "inferred", "{}", answer.body);
    for (name, words) in [("broken.jinja", "does not compile"), ("none.jinja", "No such file")] {
        let (code, _, said) =
            run(&["serve", "--model", "fake", "--port", "0", "--chat-template", arg(&folder.join(name))]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("--chat-template") && said.contains(words), "{said}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_format_of_calls_can_be_set() {
    let server = Process::serve(&["--tool-format", "mistral-nemo"]);
    let answer = get(&format!("{}/v1/models/fake", server.url));
    let found = &answer.body["capabilities"];
    assert_eq!((&found["tool_format"], &found["tool_format_from"]), (&json!("mistral-nemo"), &json!("prompt")));
}

/// Ernie 4.5's and Granite 3.3's answers have tags around them, which are no part of what they say.
#[test]
fn tags_around_text_are_no_content() {
    let template = "{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}<|{{ m.role }}|>{% if m.tool_calls %}\
                    {% for c in m.tool_calls %}<tool_call>\n{\"name\": \"{{ c.function.name }}\", \"arguments\": \
                    {{ c.function.arguments if c.function.arguments is string else c.function.arguments | tojson }}}\n</tool_call>\n\
                    {% endfor %}{% elif m.role == 'assistant' %}<response>\n{{ m.content }}\n</response>{% else %}{{ m.content }}{% endif %}\
                    <|end|>{% endfor %}<|assistant|><think>\n";
    let call = "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>";
    let tools = json!([{"type": "function", "function": {"name": "now"}}]);
    for (script, content, n_calls) in [
        ("Hm.</think>\n\n<response>\nIt is <noon>.\n</response>\n".to_owned(), Some("It is <noon>."), 0),
        ("</think><response>\nIt is\nSTOP</response>".to_owned(), Some("It is\n"), 0),
        ("Hm.</think>It is noon.".to_owned(), Some("It is noon."), 0),
        (format!("Hm.</think><response>I look.</response>\n{call}"), Some("I look."), 1),
        (format!("Hm.</think>\n{call}"), None, 1),
    ] {
        let server = TestServer::start(Setup { template: Some(template), ..Setup::scripted(&script) });
        let card = get(&server.url("/v1/models/fake"));
        let found = &card.body["capabilities"];
        assert_eq!((&found["tool_format"], &found["tool_format_from"]), (&json!("hermes"), &json!("template")));
        let body = chat_body(json!({"tools": tools, "stop": "STOP"}));
        let answer = server.chat(&body);
        let message = &answer.body["choices"][0]["message"];
        assert_eq!(message["content"].as_str(), content, "{}", answer.body);
        assert_eq!(message["tool_calls"].as_array().map_or(0, Vec::len), n_calls, "{}", answer.body);
        // Where the prompt ends the thought, the answer stands behind one all the same.
        if let Some(said) = script.strip_prefix("Hm.</think>\n\n") {
            let server = TestServer::start(Setup { template: Some(template), ..Setup::scripted(said) });
            let answer = server.chat(&chat_body(json!({"tools": tools, "reasoning_effort": "none"})));
            assert_eq!(answer.body["choices"][0]["message"]["content"].as_str(), content, "{}", answer.body);
        }
        let (streamed, calls, _) = fold(&server.stream(&body), 0);
        assert_eq!((streamed.as_str(), calls.len()), (content.unwrap_or_default(), n_calls));
    }
}
