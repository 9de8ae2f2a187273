//! Relations that must hold for any input. The fuzz targets call them with libFuzzer's inputs
//! (scripts/fuzz), the tests here with mutated seeds.

mod bytes;
mod guard;

pub use guard::{check, guard};

use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

use drawplate::api::wire::chat_request::ChatRequest;
use drawplate::chat::{ChatTemplate, Message, Role, Said, Split, SplitOptions, Variables};
use drawplate::engine::fake_vocab;
use drawplate::grammar::{Budget, Compiler, Spec, Verdict, Vocab};
use drawplate::guard::{Check, Preamble};
use drawplate::schema::{Document, Limits};
use drawplate::tools::format::{Family, ToolFormat};

pub(crate) fn vocab() -> &'static Vocab {
    static VOCAB: OnceLock<Vocab> = OnceLock::new();
    VOCAB.get_or_init(|| fake_vocab().expect("a fixed vocabulary"))
}

/// Any schema is refused with a place, or compiled; and what its masks let through is valid.
pub fn analyze(data: &[u8]) {
    let Ok(schema) = serde_json::from_slice::<serde_json::Value>(data) else { return };
    let Ok(document) = Document::parse(schema.clone(), Limits { max_bytes: 4096, max_depth: 32 }) else { return };
    let budget = Budget { time: Duration::from_secs(2), cache_bytes: 1, ..Budget::default() };
    let compiler = Compiler::new(vocab(), budget).expect("a compiler");
    let spec = Spec::value(Arc::new(document));
    let Ok(compiled) = compiler.compile(&spec) else { return };
    let Ok(check) = Check::new(&schema) else { return };
    let mut matcher = compiled.matcher();
    let (mut text, mut banned, mut state) = (Vec::new(), Vec::new(), data.len() as u64);
    for _ in 0..400 {
        let Ok(mut mask) = matcher.mask() else { return };
        banned.drain(..).for_each(|token| mask.forbid(token));
        let mut allowed = Vec::new();
        mask.for_each(|token| allowed.push(token));
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if allowed.is_empty() {
            return;
        }
        let token = allowed[(state >> 33) as usize % allowed.len()];
        let verdict = match vocab().is_end(token) {
            true => matcher.end(),
            false => matcher.accept(token).expect("the mask allowed it"),
        };
        if verdict != Verdict::Taken {
            banned.push(token);
            continue;
        }
        text.extend_from_slice(vocab().bytes(token));
        if vocab().is_end(token) || matcher.is_stopped() {
            let text = String::from_utf8(text).expect("masks allow whole characters only");
            check.judge(&text).unwrap_or_else(|e| panic!("{schema} let through {text}: {e}"));
            return;
        }
    }
}

/// Deltas do not depend on where the answer's bytes were cut.
pub fn split(data: &[u8]) {
    let (cut, bytes) = data.split_first().map_or((1, data), |(first, rest)| (usize::from(*first) % 7 + 1, rest));
    let whole = fold(bytes, bytes.len().max(1));
    assert_eq!(fold(bytes, cut), whole);
}

fn fold(bytes: &[u8], n: usize) -> Option<Said> {
    let format = Arc::new(ToolFormat::new(Family::generic(), vocab()));
    let preamble = Preamble { open: Some(b"<think>".to_vec()), close: b"</think>".to_vec(), may_skip: false };
    let stop = vec!["stop".into(), "op!".into()];
    let options = SplitOptions { format: Some(format), calls_follow_text: true, preamble: Some(preamble), stop, ..SplitOptions::default() };
    let mut split = Split::new(options);
    let mut deltas = Vec::new();
    for chunk in bytes.chunks(n) {
        deltas.extend(split.push(chunk).ok()?);
    }
    deltas.extend(split.finish(false).ok()?);
    Some(deltas.iter().collect())
}

/// Any body is read or refused with a message; a field set to null reads as if it were absent.
pub fn wire_request(data: &[u8]) {
    let Ok(body) = serde_json::from_slice::<serde_json::Value>(data) else { return };
    match ChatRequest::read(&body) {
        Ok((request, _)) => assert!(!request.messages.is_empty()),
        Err(error) => assert!(!error.message.is_empty()),
    }
    if let Some(map) = body.as_object() {
        let without: serde_json::Map<_, _> =
            map.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.clone(), v.clone())).collect();
        let (with_nulls, without) = (ChatRequest::read(&body), ChatRequest::read(&without.into()));
        assert_eq!(with_nulls.map(|r| format!("{:?}", r.0)), without.map(|r| format!("{:?}", r.0)));
    }
}

/// Any template renders or is refused in bounded time; users' text never becomes a control token.
pub fn template(data: &[u8]) {
    let Ok(source) = std::str::from_utf8(data) else { return };
    let controls = ["<|im_start|>", "<|im_end|>"];
    let Ok(template) = ChatTemplate::new(Some(source), ("<s>", "</s>"), false, controls.into_iter()) else { return };
    let message = Message::text(Role::User, "a<|im_end|>b");
    if let Ok(segments) = template.render(&[message], &[], &Variables::default()) {
        let trusted = segments.iter().filter(|s| s.is_trusted).map(|s| s.text.as_str());
        if !source.contains("im_end") {
            assert!(trusted.into_iter().all(|text| !text.contains("<|im_end|>")), "{source}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt as _, SeedableRng as _};

    fn mutate(seeds: &[&str], n: usize, relation: fn(&[u8])) {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        for i in 0..n {
            let mut bytes = seeds[i % seeds.len()].as_bytes().to_vec();
            for _ in 0..rng.random_range(0..4) {
                if bytes.is_empty() {
                    break;
                }
                let at = rng.random_range(0..bytes.len());
                match rng.random_range(0..3) {
                    0 => bytes[at] = rng.random_range(32..127),
                    1 => drop(bytes.remove(at)),
                    _ => bytes.insert(at, b"{}[]\",:0"[rng.random_range(0..8)]),
                }
            }
            relation(&bytes);
        }
    }

    #[test]
    fn schemas() {
        mutate(
            &[
                r##"{"type": "object", "properties": {"a": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5}}, "required": ["a"]}"##,
                r##"{"type": "array", "items": {"enum": [1, "x", null]}, "minItems": 1, "maxItems": 3}"##,
                r##"{"anyOf": [{"type": "integer", "minimum": -5, "maximum": 50}, {"format": "date", "type": "string"}]}"##,
                r##"{"$defs": {"n": {"type": "object", "properties": {"c": {"$ref": "#/$defs/n"}}, "additionalProperties": false}}, "$ref": "#/$defs/n"}"##,
                r##"{"type": "number", "multipleOf": 0.5, "minimum": 0.25, "exclusiveMaximum": 10}"##,
            ],
            400,
            analyze,
        );
    }

    #[test]
    fn guards() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(2);
        for _ in 0..400 {
            let bytes: Vec<u8> = (0..rng.random_range(4..120)).map(|_| rng.random_range(0..=u8::MAX)).collect();
            guard(&bytes);
        }
    }

    #[test]
    fn reports() {
        mutate(
            &[
                r##"{"title": "x", "type": "object", "properties": {"a": {"type": "array", "uniqueItems": true, "items": {"type": "integer"}}}, "required": ["a"]}"##,
                r##"{"not": {"required": ["a", "b"]}, "oneOf": [{"minProperties": 1}, {"required": ["b"]}], "type": "object"}"##,
                r##"{"$defs": {"x": {"type": "string", "format": "email", "maxLength": 9}}, "items": {"$ref": "#/$defs/x"}, "type": "array", "contains": {"const": "a@b"}}"##,
            ],
            300,
            check,
        );
    }

    #[test]
    fn answers() {
        mutate(
            &[
                "\u{1}I look <tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"}\"}}\n</tool_call>",
                "\u{3}text with st and stop and é and <tool_",
            ],
            2000,
            split,
        );
    }

    #[test]
    fn bodies() {
        mutate(
            &[
                r#"{"model": "m", "messages": [{"role": "user", "content": "x"}], "temperature": 1, "stop": null, "n": 2}"#,
                r#"{"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}], "tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "auto"}"#,
            ],
            2000,
            wire_request,
        );
    }

    #[test]
    fn templates() {
        mutate(
            &[
                "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m['content'] | trim }}{% endfor %}",
                "{{ bos_token }}{% if messages[0].role == 'system' %}{{ messages[0].content.strip() }}{% else %}{{ messages | tojson }}{% endif %}",
            ],
            1000,
            template,
        );
    }
}
