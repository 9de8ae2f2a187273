//! Tokenizers that do not give back the text that they are given, as those of SentencePiece.

use std::sync::Arc;

use drawplate::grammar::{Budget, Compiler, Spec, Tokenizer, Verdict, Vocab, VocabToken};
use drawplate::guard::Check;
use drawplate::schema::{Document, Limits};
use drawplate::tools::format::{Family, Otherwise, ToolFormat};
use drawplate::tools::{Tool, ToolChoice};
use serde_json::json;

use crate::support::formats::tokens_of;

/// Tokens are bytes, and a space stands before each text.
struct Spaces;

impl Tokenizer for Spaces {
    fn tokenize(&self, text: &[u8], _special: bool) -> Vec<u32> {
        [b" ", text].concat().into_iter().map(u32::from).collect()
    }
}

fn vocab() -> Vocab {
    let mut tokens: Vec<VocabToken> = (0..=255u8).map(|byte| VocabToken::Text(vec![byte])).collect();
    tokens.push(VocabToken::Control("</s>".into()));
    Vocab::new(tokens, vec![256], Arc::new(Spaces)).unwrap()
}

#[test]
fn a_space_before_each_text_is_in_no_answer() {
    let vocab = vocab();
    assert!(!vocab.is_canonical());
    let compiler = Compiler::new(&vocab, Budget::default()).unwrap();
    let schema = json!({"type": "object", "additionalProperties": false, "required": ["name", "n"],
        "properties": {"name": {"enum": ["Ada", "Bo"]}, "n": {"type": "integer", "minimum": 10}}});
    let document = Arc::new(Document::parse(schema, Limits::default()).unwrap());
    let check = Check::of(&document).unwrap();
    let tool = Tool { name: "f".into(), description: None, parameters: Arc::clone(&document), input: None };
    let format = ToolFormat::new(Family::generic(), &vocab);
    let arguments = r#"{"name": "Ada", "n": 12}"#;
    let call = format!("<tool_call>\n{{\"name\": \"f\", \"arguments\": {arguments}}}\n</tool_call>");
    for (spec, text) in [
        (Spec::value(document), arguments.to_owned()),
        (format.spec(&[tool], &ToolChoice::Required, false, &Otherwise::Prose, None), call),
    ] {
        let compiled = compiler.compile(&spec).unwrap();
        let mut matcher = compiled.matcher();
        let mut written = Vec::new();
        for token in tokens_of(&text, &vocab) {
            let ending = matcher.closing_tokens().expect("an ending");
            let whole: Vec<u8> = written.iter().chain(&ending).flat_map(|token| vocab.bytes(*token).to_vec()).collect();
            let whole = String::from_utf8(whole).unwrap();
            let value = whole
                .rsplit_once("\"arguments\": ")
                .map_or(whole.as_str(), |(_, rest)| rest.split_once("}\n").unwrap().0);
            assert!(check.judge(value).is_ok(), "{whole}");
            assert!(matcher.allows(token).unwrap(), "{text} at {}", written.len());
            assert_eq!(matcher.accept(token).unwrap(), Verdict::Taken);
            written.push(token);
        }
    }
}
