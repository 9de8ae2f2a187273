//! Each family against its fixtures: a template from which it is known, answers that its models write, and what no answer
//! may hold.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use drawplate::chat::{ChatTemplate, Found, SplitOptions};
use drawplate::grammar::{Budget, Compiled, Compiler, Matcher, Verdict, Vocab};
use drawplate::schema::{Document, Limits};
use drawplate::tools::format::{Family, Otherwise, ToolFormat};
use drawplate::tools::{Tool, ToolCall, ToolChoice};
use serde::Deserialize;
use serde_json::Value;

use super::templates;
use super::triangle::triangle;
use crate::support::formats::{
    encodings, format_of, take_apart, take_apart_by, tokens_of, unknown_templates, usual_formats,
};

/// What a family's folder says. Texts name control tokens as its templates do.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    /// The real template that it is known from, by its file's name; else there is a template.jinja beside.
    template: Option<String>,
    /// Why what the template writes for a call of the history is not what models write.
    #[serde(default)]
    template_writes_otherwise: Option<String>,
    accepted: Vec<Accepted>,
    refused: Vec<Refused>,
}

/// An answer, and what it says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Accepted {
    text: String,
    /// Whether that is so only where tags are tokens.
    #[serde(default)]
    as_tokens: bool,
    #[serde(default)]
    content: String,
    #[serde(default)]
    calls: Vec<Call>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    name: String,
    /// As JSON.
    arguments: String,
}

/// The beginning of an answer that is taken, and how it does not go on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Refused {
    after: String,
    then: String,
}

fn folder(family: &Family) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats").join(&family.name)
}

fn fixture(family: &Family) -> Fixture {
    let path = folder(family).join("answers.toml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The template's source; `None` if it is a real one that is not in the cache.
fn template(family: &Family, fixture: &Fixture) -> Option<String> {
    let path = match &fixture.template {
        Some(name) => templates::folder()?.join(format!("templates/{name}.jinja")),
        None => folder(family).join("template.jinja"),
    };
    Some(std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
}

fn tools() -> Vec<Tool> {
    let definitions: Vec<Value> = serde_json::from_str(include_str!("../formats/tools.json")).unwrap();
    let tool = |definition: Value| {
        let function = &definition["function"];
        let parameters = Document::parse(function["parameters"].clone(), Limits::default()).unwrap();
        let text = |key: &str| function[key].as_str().unwrap().to_owned();
        let (name, description) = (text("name"), Some(text("description")));
        Tool { name, description, parameters: Arc::new(parameters), input: None }
    };
    definitions.into_iter().map(tool).collect()
}

fn takes(matcher: &mut Matcher, token: u32) -> bool {
    matcher.allows(token).unwrap_or(false) && matches!(matcher.accept(token), Ok(Verdict::Taken))
}

/// How many tokens of `text` are taken, of how many.
fn n_taken(matcher: &mut Matcher, text: &str, vocab: &Vocab) -> (usize, usize) {
    let tokens = tokens_of(text, vocab);
    (tokens.iter().take_while(|token| takes(matcher, **token)).count(), tokens.len())
}

fn read(
    text: &str,
    format: &ToolFormat,
    vocab: &Vocab,
    tools: &[Tool],
    compiled: &Compiled,
) -> (String, Vec<(String, Value)>) {
    let options = SplitOptions {
        format: Some(Arc::new(format.clone())),
        encodings: encodings(tools, compiled),
        calls_follow_text: format.family.prose() == drawplate::grammar::Prose::Before,
        preamble: None,
        keeps_spaces: false,
        around: format.text.clone(),
        wrapper: None,
        is_behind_thought: false,
        stop: Vec::new(),
    };
    let tokens = tokens_of(text, vocab);
    let said = take_apart(&tokens, vocab, &options);
    for n in [2, 3, 7, usize::MAX] {
        assert_eq!(take_apart_by(n, &tokens, vocab, &options), said, "{n} bytes at a time of {text:?}");
    }
    let call = |call: &ToolCall| (call.name.clone(), serde_json::from_str(&call.arguments).unwrap());
    (said.content.clone(), said.calls.iter().map(call).collect())
}

#[test]
fn families_take_and_refuse_what_their_fixtures_say() {
    let tools = tools();
    let mut wrong = Vec::new();
    for (format, vocab) in usual_formats() {
        let family = &format.family;
        let fixture = fixture(family);
        assert!(fixture.accepted.len() > 1 && fixture.refused.len() > 3, "{}: too few cases", family.name);
        let compiler = Compiler::new(&vocab, Budget::default()).unwrap();
        let compiled =
            compiler.compile(&format.spec(&tools, &ToolChoice::Auto, true, &Otherwise::Prose, None)).unwrap();
        let mut fail = |what: String| wrong.push(format!("{} ({} tokens): {what}", family.name, vocab.n_tokens()));
        let has_tokens = vocab.control_names().count() > format_of(family, Vec::new()).1.control_names().count();
        for Accepted { text, content, calls, .. } in fixture.accepted.iter().filter(|it| has_tokens || !it.as_tokens) {
            let mut matcher = compiled.matcher();
            let (n, n_all) = n_taken(&mut matcher, text, &vocab);
            if n < n_all {
                fail(format!("takes only {n} of {n_all} tokens of {text:?}"));
                continue;
            }
            if !matcher.is_stopped() && !matcher.is_accepting().unwrap() {
                fail(format!("wants more after {text:?}"));
            }
            let wanted: Vec<(String, Value)> =
                calls.iter().map(|c| (c.name.clone(), serde_json::from_str(&c.arguments).unwrap())).collect();
            let said = read(text, &format, &vocab, &tools, &compiled);
            if said != (content.clone(), wanted) {
                fail(format!("{text:?} is read as {said:?}"));
            }
        }
        for Refused { after, then } in &fixture.refused {
            let mut matcher = compiled.matcher();
            let (n, n_all) = n_taken(&mut matcher, after, &vocab);
            if n < n_all {
                fail(format!("takes only {n} of {n_all} tokens of {after:?}"));
                continue;
            }
            let (n, n_all) = n_taken(&mut matcher, then, &vocab);
            if n == n_all {
                fail(format!("takes {then:?} after {after:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn families_are_known_by_their_templates_which_write_what_their_masks_take() {
    let mut wrong = Vec::new();
    for family in Family::all() {
        let fixture = fixture(family);
        let Some(source) = template(family, &fixture) else {
            eprintln!("skipped: {} (scripts/get-templates)", family.name);
            continue;
        };
        let template = ChatTemplate::new(Some(&source), ("<s>", "</s>"), false, std::iter::empty()).unwrap();
        if template.tools().family.name != family.name {
            wrong.push(format!("{} is taken for {:?}", family.name, template.tools()));
            continue;
        }
        match (triangle(&source), &fixture.template_writes_otherwise) {
            (Some(Ok(())) | None, None) | (Some(Err(_)) | None, Some(_)) => {}
            (Some(Err(why)), None) => wrong.push(format!("{}: {why}", family.name)),
            (Some(Ok(())), Some(_)) => wrong.push(format!("{} is right after all", family.name)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A model that nobody knows: how its template writes calls is read off it, and so are they.
#[test]
fn unknown_formats_are_read_off_templates() {
    for source in unknown_templates() {
        let template = ChatTemplate::new(Some(&source), ("<s>", "</s>"), false, std::iter::empty()).unwrap();
        assert_eq!(template.tools().found, Found::Inferred, "{source}: {:?}", template.tools());
        assert_eq!(triangle(&source), Some(Ok(())), "{source}: {:?}", template.tools());
    }
}
