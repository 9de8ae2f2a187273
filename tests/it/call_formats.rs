//! Every format of calls: each beginning of an answer has an ending, free text stays free, and nothing holds what would end it.

use std::sync::Arc;

use drawplate::chat::SplitOptions;
use drawplate::grammar::cfg::Cfg;
use drawplate::grammar::{Budget, Compiler, Prose, Style, Verdict, Vocab, VocabToken};
use drawplate::guard::Preamble;
use drawplate::schema::pattern::Lang;
use drawplate::schema::{Document, Limits as SchemaLimits};
use drawplate::tools::format::{Family, Ids, Layout, Otherwise, Place, ToolFormat};
use drawplate::tools::{Tool, ToolCall, ToolChoice};
use serde_json::{Value, json};

use crate::support::formats::{Bytes, encodings, format_of, formats, tags_of, take_apart, tokens_of};

/// A schema with something for the mask and for the guard to see to.
pub(super) fn note() -> Value {
    json!({"type": "object", "required": ["text", "when"], "additionalProperties": false, "properties": {
        "text": {"type": "string", "minLength": 3}, "when": {"type": "string", "format": "date"},
        "tags": {"type": "array", "uniqueItems": true, "items": {"type": "string"}}}})
}

pub(super) fn notes() -> Value {
    json!({"type": "object", "properties": {"notes": {"type": "array", "items": note()}}, "required": ["notes"]})
}

pub(super) fn ok() -> Value {
    json!({"type": "object", "required": ["ok"], "properties": {"ok": {"type": "boolean"}}})
}

pub(super) fn is_valid(schema: &Value, text: &str) -> bool {
    let value: Value = serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    jsonschema::options().should_validate_formats(true).build(schema).unwrap().is_valid(&value)
}

#[test]
fn every_beginning_of_an_answer_has_an_ending() {
    let document = |schema| Arc::new(Document::parse(schema, SchemaLimits::default()).unwrap());
    let tool =
        |name: &str, schema| Tool { name: name.into(), description: None, parameters: document(schema), input: None };
    let tools = [tool("note", note()), tool("note_all", notes())];
    for (format, vocab) in formats() {
        let compiler = Compiler::new(&vocab, Budget::default()).unwrap();
        let preamble = |open: Option<&str>, close: &str| Preamble {
            open: open.map(|open| vocab.wire_of(open)),
            close: vocab.wire_of(close),
            may_skip: false,
        };
        let skipped = Preamble { may_skip: true, ..preamble(Some("<think>"), "</think>") };
        for (preamble, thought) in [
            (None, ""),
            (Some(preamble(None, "</think>")), "I <tool note.\n</think>\n\n"),
            (Some(preamble(Some("<think>"), "</think>")), "<think>\nI <tool note.\n</think>\n\n"),
            (Some(preamble(Some("<seed:think>"), "</seed:think>")), "<seed:think>I note.</seed:think>"),
            (Some(preamble(Some("<seed:think>"), "</seed:think>")), ""),
            (Some(skipped), "</think>"),
        ] {
            keeps_silent(&format, &vocab, &compiler, (&preamble, thought));
            let schema = Otherwise::Schema(document(ok()));
            for has_lead in [false, true].into_iter().take(if format.lead.is_empty() { 1 } else { 2 }) {
                every_beginning_ends(&format, &vocab, &tools, &compiler, (&preamble, thought), &schema, has_lead);
            }
        }
    }
}

/// Where no tool may be called, text is free, but no call comes about.
fn keeps_silent(
    format: &ToolFormat,
    vocab: &Vocab,
    compiler: &Compiler,
    (preamble, thought): (&Option<Preamble>, &str),
) {
    let spec = format.silence(preamble.as_ref());
    let compiled = compiler.compile(&spec).unwrap_or_else(|e| panic!("{}: {e}\n{}", format.family.name, spec.lark));
    let call = ToolCall { id: id_of(&format.family).into(), name: "note".into(), arguments: "{}".into() };
    let (open, close) = if format.text.0.is_empty() { Default::default() } else { format.family.text.clone() };
    let takes = |text: &str| {
        let mut matcher = compiled.matcher();
        let takes = |token: &u32| matcher.allows(*token).unwrap() && matcher.accept(*token).unwrap() == Verdict::Taken;
        tokens_of(text, vocab).iter().all(takes) && matcher.is_accepting().unwrap()
    };
    assert!(takes(&format!("{thought}{open}I <tool note é.{close}")), "{}: {}", format.family.name, spec.lark);
    let call = format.family.render_calls(&[call]);
    assert!(!takes(&format!("{thought}{call}")), "{}: {call}", format.family.name);
    if format.family.prose == Place::Before {
        assert!(!takes(&format!("{thought}{open}Text. {close}{call}")), "{}: {call}", format.family.name);
    }
}

fn every_beginning_ends(
    format: &ToolFormat,
    vocab: &Vocab,
    tools: &[Tool],
    compiler: &Compiler,
    (preamble, thought): (&Option<Preamble>, &str),
    schema: &Otherwise,
    has_lead: bool,
) {
    let all = r#"{"notes": [{"text": "abc", "when": "2026-01-01", "tags": ["a"]}]}"#;
    let call = |name: &str, arguments: &str| ToolCall {
        id: id_of(&format.family).into(),
        name: name.into(),
        arguments: arguments.into(),
    };
    let (one, named) = (call("note", r#"{"text": "ab\u00e9d", "when": "2026-01-01"}"#), call("note_all", all));
    let family = &format.family;
    let text = |calls: &[&ToolCall]| {
        let n = if family.parallel { calls.len() } else { 1 };
        let calls: Vec<ToolCall> = calls[..n].iter().map(|call| (*call).clone()).collect();
        (family.render_calls(&calls), calls)
    };
    let before = if family.prose == Place::Before { "I <tool note é. " } else { "" };
    let schema_too = !family.is_bare_json();
    for (choice, parallel, otherwise, before, (text, calls)) in [
        (ToolChoice::Auto, true, &Otherwise::Prose, before, text(&[&one, &one])),
        (ToolChoice::Auto, true, &Otherwise::Prose, "I <tool note é. ", (String::new(), Vec::new())),
        (ToolChoice::Required, true, &Otherwise::Prose, "", text(&[&one, &named])),
        (ToolChoice::Required, false, &Otherwise::Prose, "", text(&[&one])),
        (ToolChoice::Named("note_all".into()), true, &Otherwise::Prose, "", text(&[&named])),
        (ToolChoice::Auto, true, schema, "", text(&[&one, &one])),
        (ToolChoice::Auto, true, schema, r#"{"ok": true}"#, (String::new(), Vec::new())),
    ] {
        let is_schema = matches!(otherwise, Otherwise::Schema(_));
        if is_schema && !schema_too || has_lead && (is_schema || text.is_empty() || !before.is_empty()) {
            continue;
        }
        let spec = format.spec(tools, &choice, parallel, otherwise, preamble.as_ref());
        let what = format!("{}, {choice:?}, {preamble:?}", family.name);
        let compiled = compiler.compile(&spec).unwrap_or_else(|e| panic!("{what}: {e}\n{}", spec.lark));
        let mut matcher = compiled.matcher();
        let is_prose = choice == ToolChoice::Auto && matches!(otherwise, Otherwise::Prose);
        let options = SplitOptions {
            format: Some(Arc::new(format.clone())),
            encodings: encodings(tools, &compiled),
            calls_follow_text: is_prose && family.prose == Place::Before,
            preamble: preamble.clone(),
            keeps_spaces: false,
            around: format.text.clone(),
            wrapper: None,
            is_behind_thought: false,
            stop: Vec::new(),
        };
        let has_text = text.is_empty() || !before.is_empty();
        let (open, close) = if has_text { family.text.clone() } else { Default::default() };
        let lead = if has_lead { family.lead.as_str() } else { "" };
        let tokens = tokens_of(&format!("{thought}{open}{before}{close}{lead}{text}"), vocab);
        for n in 0..=tokens.len() {
            let ending = matcher.closing_tokens().unwrap_or_else(|| panic!("{what}: no ending of token {n} of {text}"));
            let said = take_apart(&[&tokens[..n], &ending].concat(), vocab, &options);
            for call in &said.calls {
                let schema = if call.name == "note" { &tools[0] } else { &tools[1] }.parameters.value();
                assert!(!call.arguments.is_empty(), "{what} at {n} of {text}: {said:?}");
                assert!(is_valid(schema, &call.arguments), "{what} at {n}: {said:?}");
            }
            let begun = take_apart(&tokens[..n], vocab, &options);
            match (&choice, otherwise) {
                (ToolChoice::Auto, Otherwise::Prose) => {
                    assert_eq!(said.calls.len(), begun.calls.len(), "{what}: a call that nobody began: {n}");
                }
                (ToolChoice::Auto, Otherwise::Schema(_)) => {
                    assert!(!said.calls.is_empty() || !said.content.is_empty(), "{what} at {n} of {text}: {said:?}");
                    assert!(!said.calls.is_empty() || is_valid(&ok(), &said.content), "{what}: {said:?}");
                }
                _ => assert!(!said.calls.is_empty() && said.content.is_empty(), "{what} at {n}: {said:?}"),
            }
            if let Some(token) = tokens.get(n) {
                assert_eq!(
                    matcher.accept(*token).map_err(|e| e.to_string()),
                    Ok(Verdict::Taken),
                    "{what} at {n} of {text}\n{}",
                    spec.lark
                );
            }
        }
        let said = take_apart(&tokens, vocab, &options);
        // Where nothing else ends a text, the whitespace before a call does.
        let shown = if options.around.1.is_empty() { before.trim() } else { before.trim_start() };
        assert_eq!(said.content, if text.is_empty() { before } else { shown }, "{what}");
        assert_eq!(
            said.reasoning,
            thought
                .replace("<think>", "")
                .replace("</think>", "")
                .replace("<seed:think>", "")
                .replace("</seed:think>", "")
                .trim()
        );
        // Arguments that are written as JSON come as they were, byte for byte.
        let is_json = family.writes_json();
        let arguments = |call: &ToolCall| match is_json {
            true => Value::from(call.arguments.as_str()),
            false => serde_json::from_str(&call.arguments).unwrap(),
        };
        let named = |calls: &[ToolCall]| calls.iter().map(|c| (c.name.clone(), arguments(c))).collect::<Vec<_>>();
        assert_eq!(named(&said.calls), named(&calls), "{what}");
        assert!(matcher.is_accepting().unwrap(), "{what}: {text} is not whole");
    }
}

/// gpt-oss's channels: a thought, then text or a call; text that is bound, and text that is not.
#[test]
fn channels_stand_apart() {
    for (format, vocab) in formats().into_iter().filter(|(format, _)| format.family.name == "gpt-oss") {
        channels(&format, &vocab);
    }
}

fn channels(format: &ToolFormat, vocab: &Vocab) {
    let thinking = Preamble {
        open: Some(vocab.wire_of("<|channel|>analysis<|message|>")),
        close: vocab.wire_of("<|end|><|start|>assistant"),
        may_skip: false,
    };
    let compiler = Compiler::new(vocab, Budget::default()).unwrap();
    let document = Arc::new(Document::parse(ok(), SchemaLimits::default()).unwrap());
    for preamble in [None, Some(&thinking)] {
        let layout = Layout { preamble, around: &format.text };
        for (spec, text, content) in [
            (layout.free(), "<|channel|>final<|message|>Hi <there>.", "Hi <there>."),
            (
                layout.value(Arc::clone(&document), Style::default()),
                "<|channel|>final<|message|>{\"ok\": true}",
                "{\"ok\": true}",
            ),
            (layout.text_in(Lang::literal("yes")), "<|channel|>final<|message|>yes", "yes"),
            (layout.derived(&Arc::new(Cfg::lark("start: \"a\"+").unwrap())), "<|channel|>final<|message|>aaa", "aaa"),
        ] {
            let thought =
                if preamble.is_some() { "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant" } else { "" };
            let has_endings = !spec.grammars.iter().any(|(name, _)| name == "derived") && content != "Hi <there>.";
            let compiled = compiler.compile(&spec).unwrap_or_else(|e| panic!("{e}\n{}", spec.lark));
            let mut matcher = compiled.matcher();
            let options =
                SplitOptions { preamble: preamble.cloned(), around: format.text.clone(), ..SplitOptions::default() };
            let tokens = tokens_of(&format!("{thought}{text}"), vocab);
            for (n, token) in tokens.iter().enumerate() {
                if has_endings {
                    let ending = matcher.closing_tokens().unwrap_or_else(|| panic!("no ending of token {n} of {text}"));
                    let said = take_apart(&[&tokens[..n], &ending].concat(), vocab, &options);
                    assert!(said.content == "yes" || is_valid(&ok(), &said.content), "{said:?}");
                }
                assert_eq!(matcher.accept(*token).unwrap(), Verdict::Taken, "{n} of {text}\n{}", spec.lark);
            }
            assert!(matcher.is_accepting().unwrap(), "{text}");
            let said = take_apart(&tokens, vocab, &options);
            assert_eq!(
                (said.content.as_str(), said.reasoning.as_str()),
                (content, if preamble.is_some() { "Hm." } else { "" })
            );
        }
    }
}

/// A token that closes a value may begin what turns out to be one key too many: it can be taken back till then.
#[test]
fn a_token_that_closes_a_value_and_begins_a_key_too_many_is_taken_back() {
    let family = Family::all().iter().find(|known| known.name == "ling-3").unwrap();
    let bytes = (0..=255u8).map(|byte| VocabToken::Text(vec![byte]));
    let tokens = bytes.chain([VocabToken::Control("</s>".into()), VocabToken::Text(b"><".to_vec())]).collect();
    let vocab = Vocab::new(tokens, vec![256], Arc::new(Bytes)).unwrap();
    let format = ToolFormat::new(Arc::clone(family), &vocab);
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false});
    let parameters = Arc::new(Document::parse(schema, SchemaLimits::default()).unwrap());
    let tools = [Tool { name: "f".into(), description: None, parameters, input: None }];
    let spec = format.spec(&tools, &ToolChoice::Required, false, &Otherwise::Prose, None);
    let compiled = Compiler::new(&vocab, Budget::default()).unwrap().compile(&spec).unwrap();
    let mut matcher = compiled.matcher();
    let mut n_taken = |token: u32| matches!(matcher.accept(token), Ok(Verdict::Taken)).then(|| matcher.n_unsettled());
    for byte in b"<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>text</arg_value" {
        n_taken(u32::from(*byte)).unwrap();
    }
    assert!(n_taken(257).unwrap() >= 1);
    for (n, byte) in (2..).zip(b"arg_key") {
        assert!(n_taken(u32::from(*byte)).unwrap() >= n);
    }
    assert_eq!(n_taken(u32::from(b'>')), None);
    matcher.rollback(8).unwrap();
    for byte in b">\n</tool_call>" {
        assert_eq!(matcher.accept(u32::from(*byte)).unwrap(), Verdict::Taken);
    }
    assert!(matcher.is_stopped() || matcher.is_accepting().unwrap());
}

/// Text that looks like a call is text where calls stand in place of text: nothing in it is vetoed, or held back.
#[test]
fn text_that_looks_like_a_call_is_text() {
    let schema = json!({"type": "object", "properties": {"x": {"type": "integer"}}, "additionalProperties": false});
    for (format, vocab) in
        formats().iter().filter(|(format, _)| format.family.prose() == Prose::Instead && format.text.0.is_empty())
    {
        let parameters = Arc::new(Document::parse(schema.clone(), SchemaLimits::default()).unwrap());
        let tools = [Tool { name: "f".into(), description: None, parameters, input: None }];
        let call = ToolCall { id: "abc123xyz".into(), name: "f".into(), arguments: r#"{"x":1,"x":2,"y":3}"#.into() };
        let looks = format.family.render_calls(&[call]);
        let spec = format.spec(&tools, &ToolChoice::Auto, true, &Otherwise::Prose, None);
        let compiled = Compiler::new(vocab, Budget::default()).unwrap().compile(&spec).unwrap();
        let mut matcher = compiled.matcher();
        for token in tokens_of(&format!("see {looks} and so on"), vocab) {
            if vocab.bytes(token).is_empty() {
                // No text holds a control token.
                break;
            }
            assert_eq!(matcher.accept(token).unwrap(), Verdict::Taken, "{}: {looks}", format.family.name);
            assert_eq!(matcher.n_unsettled(), 0, "{}: {looks}", format.family.name);
        }
    }
}

/// Where the model is told of another format than it has learned, free text holds no calls in that either.
#[test]
fn calls_in_the_format_that_was_learned_are_shunned() {
    let family = |name: &str| Family::all().iter().find(|known| known.name == name).unwrap();
    for (learned, text, is_taken) in [
        ("command-r", "Action: ```json\n[\n    {\n        \"tool_name\": \"", false),
        ("command-r", "Action: ```json\n[1]\n```", true),
        ("olmo-3", "well <function_calls>", false),
        ("dots", "well <dots_function_call>", false),
        ("olmo-3", "well <function_call", true),
    ] {
        let (taught, vocab) = format_of(family("hermes"), Vec::new());
        let learned = ToolFormat::new(Arc::clone(family(learned)), &vocab);
        let format = taught.shunning(&learned);
        let parameters = Arc::new(Document::parse(json!({"type": "object"}), SchemaLimits::default()).unwrap());
        let tools = [Tool { name: "f".into(), description: None, parameters, input: None }];
        for spec in [format.silence(None), format.spec(&tools, &ToolChoice::Auto, true, &Otherwise::Prose, None)] {
            let compiled = Compiler::new(&vocab, Budget::default()).unwrap().compile(&spec).unwrap();
            let mut matcher = compiled.matcher();
            let taken = |token: u32| matches!(matcher.accept(token), Ok(Verdict::Taken));
            assert_eq!(tokens_of(text, &vocab).into_iter().all(taken), is_taken, "{text}");
        }
    }
}

/// Where tokens run out in what closes a text or begins a call, nothing of that is shown.
#[test]
fn what_stands_around_text_is_never_shown() {
    for (family, text) in [
        ("kimi-k3", "<|open|>response<|sep|>Hello<|close|>response<|sep|>"),
        ("minimax-m3", "Hello]<]minimax[>[<tool_call>\n"),
        ("hermes", "Hello"),
    ] {
        let family = Family::all().iter().find(|known| known.name == family).unwrap();
        let (format, vocab) = format_of(family, tags_of(family));
        let options = SplitOptions {
            around: format.text.clone(),
            format: Some(Arc::new(format)),
            calls_follow_text: true,
            ..SplitOptions::default()
        };
        let tokens = tokens_of(text, &vocab);
        for n in 0..=tokens.len() {
            let said = take_apart(&tokens[..n], &vocab, &options);
            assert!("Hello".starts_with(&said.content) && said.calls.is_empty(), "{}: {said:?}", family.name);
        }
    }
}

/// A format whose texts name a token that ends answers cannot be used: between two calls it allows one, elsewhere none.
#[test]
fn no_call_holds_what_ends_an_answer() {
    let tokens = |names: &[&str]| {
        let bytes = (0..=255u8).map(|byte| VocabToken::Text(vec![byte]));
        bytes.chain(names.iter().map(|name| VocabToken::Control((*name).into()))).collect::<Vec<_>>()
    };
    for (family, ends, is_parallel, is_writable) in [
        ("muse-glimmer", &["<|eot|>"][..], true, true),
        ("muse-glimmer", &["<|eot|>", "<|eom|>"], false, true),
        ("gigachat-3", &["</s>"], false, true),
        ("gigachat-3", &["</s>", "<|message_sep|>"], false, false),
        ("kimi-k3", &["<|sep|>"], true, false),
        ("gemma-4", &["<|\"|>"], true, false),
    ] {
        let names: Vec<&str> = ends.iter().copied().chain(["<|x|>"]).collect();
        let n = u32::try_from(ends.len()).unwrap();
        let vocab = Vocab::new(tokens(&names), (256..256 + n).collect(), Arc::new(Bytes)).unwrap();
        let family = Family::all().iter().find(|known| known.name == family).unwrap();
        let format = ToolFormat::new(Arc::clone(family), &vocab);
        assert_eq!((format.family.parallel, format.is_writable(&vocab)), (is_parallel, is_writable), "{ends:?}");
    }
}

/// An id such as the family's models write.
fn id_of(family: &Family) -> &'static str {
    if family.ids == Ids::Ten { "abc123xyz0" } else { "abc123xyz" }
}
