//! What is written is read back, in every form.

use std::sync::Arc;

use super::*;
use crate::guard::encoding::{Content, Elements, Keys, Notation};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn elements(before_json: &str) -> Encoding {
    let bytes = |text: &str| text.as_bytes().to_vec();
    let elements = Elements {
        open: bytes("<parameter="),
        before_text: bytes(">\n"),
        before_json: bytes(before_json),
        close: bytes("\n</parameter>\n"),
    };
    let keys = [("text".into(), Content::Text), ("json".into(), Content::Json)].into();
    Encoding::Elements(Arc::new(Keys { elements: Arc::new(elements), keys, others: Content::Either }))
}

const TAIL: &str = "</function>\n";

/// The JSON of `wire`, and where it ends.
fn read(encoding: &Encoding, wire: &[u8]) -> (Vec<u8>, Transcoder) {
    let mut json = Vec::new();
    let mut transcoder = Transcoder::new(encoding, &mut json);
    wire.iter().for_each(|byte| transcoder.push(*byte, &mut json));
    (json, transcoder)
}

fn write(encoding: &Encoding, json: &str, tail: &str) -> Option<String> {
    let (_, transcoder) = read(encoding, b"");
    let reading = transcoder.readings(tail.as_bytes()).remove(0);
    String::from_utf8(transcoder.write(&reading, &json.as_bytes()[1..], tail.as_bytes())?).ok()
}

#[test]
fn elements_become_json() {
    let encoding = elements(">\n");
    for (wire, json) in [
        ("", json!({})),
        ("<parameter=text>\na\"b\n\n</parameter>\n", json!({"text": "a\"b\n"})),
        ("<parameter=text>\n\n</parameter>\n", json!({"text": ""})),
        ("<parameter=text>\n\n</para\n\n</parameter>\n", json!({"text": "\n</para\n"})),
        ("<parameter=json>\n [1,\n\"</parameter>\"] \n</parameter>\n", json!({"json": [1, "</parameter>"]})),
        ("<parameter=x>\n42\n</parameter>\n", json!({"x": 42})),
        ("<parameter=x>\n42 Main Street\n</parameter>\n", json!({"x": "42 Main Street"})),
        ("<parameter=x>\n2024-01-01\n</parameter>\n", json!({"x": "2024-01-01"})),
        ("<parameter=x>\nnull\n</parameter>\n<parameter=y>\n\"null\"\n</parameter>\n", json!({"x": null, "y": "null"})),
        ("<parameter=x>\n{\"a\": []}\n</parameter>\n", json!({"x": {"a": []}})),
        ("<parameter=x>\n\n</parameter>\n", json!({"x": ""})),
    ] {
        let (text, transcoder) = read(&encoding, format!("{wire}{TAIL}").as_bytes());
        assert_eq!(transcoder.progress(), Progress::Over, "{wire}");
        assert!(TAIL.as_bytes().starts_with(&transcoder.held()[..2]), "{wire}");
        assert_eq!(serde_json::from_slice::<Value>(&text).expect("JSON"), json, "{wire}");
    }
    assert_eq!(read(&encoding, b"<parameter=x>?").1.progress(), Progress::Broken);
}

fn value() -> impl Strategy<Value = Value> {
    let text = prop_oneof!["[a-c\n<]{0,6}", "(\n</parameter>|42|true|\\{| ){0,3}", any::<String>()];
    let leaf = prop_oneof![
        text.prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        Just(Value::Null),
        any::<bool>().prop_map(Value::from)
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,3}", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Every form, with what follows arguments in it, and what closes a text.
fn forms() -> Vec<(Encoding, &'static str, &'static str)> {
    let notation = |notation| Encoding::Notation(Arc::new(notation));
    vec![
        (elements(">\n"), TAIL, "\n</parameter>\n"),
        (elements(">json\n"), TAIL, "\n</parameter>\n"),
        (notation(Notation::python([b"\"".into(), b"'".into()])), ")]", ""),
        (notation(Notation::python([b"'".into(), b"\"".into()])), ")]", ""),
        (notation(Notation::gemma(b"<|\"|>".into())), "}<end>", "<|\"|>"),
    ]
}

fn holds(text: &Value, is_writable: &impl Fn(&str) -> bool) -> bool {
    match text {
        Value::String(text) => is_writable(text),
        Value::Array(items) => items.iter().all(|item| holds(item, is_writable)),
        Value::Object(map) => map.values().all(|item| holds(item, is_writable)),
        _ => true,
    }
}

#[test]
fn notations_become_json() {
    let forms = forms();
    for (form, wire, json) in [
        (2, "", json!({})),
        (2, "a=1, b='it\\'s \"x\"', c=\"it's\"", json!({"a": 1, "b": "it's \"x\"", "c": "it's"})),
        (2, "a=True,b=false, c=[None, {\"k\": -1.5}]", json!({"a": true, "b": false, "c": [null, {"k": -1.5}]})),
        (3, "a='\\n\\\\', b={'k': []}, c={}", json!({"a": "\n\\", "b": {"k": []}, "c": {}})),
        (
            4,
            "a:<|\"|>it's <|x\n<|\"|>,b:{k:[1,true],<|\"|>x y<|\"|>:null}",
            json!({"a": "it's <|x\n", "b": {"k": [1, true], "x y": null}}),
        ),
    ] {
        let (encoding, tail, _) = &forms[form];
        let (text, transcoder) = read(encoding, format!("{wire}{tail}").as_bytes());
        assert_eq!(transcoder.progress(), Progress::Over, "{wire}");
        assert_eq!(transcoder.held(), tail.as_bytes(), "{wire}");
        assert_eq!(serde_json::from_slice::<Value>(&text).expect("JSON"), json, "{wire}");
    }
}

proptest! {
    /// What is written is read back, and from every place in it there is a way to the same end.
    #[test]
    fn what_is_written_is_read(text in any::<String>(), json in value(), other in value(), i in 0..5_usize) {
        let (encoding, tail, close) = &forms()[i];
        let is_elements = matches!(encoding, Encoding::Elements(_));
        let is_writable =
            |text: &str| close.is_empty() || !format!("{text}{close}")[..text.len() + close.len() - 1].contains(close);
        prop_assume!(is_writable(&text) && (!is_elements || !json.is_string()));
        prop_assume!(is_elements || holds(&json, &is_writable));
        prop_assume!(if is_elements { other.as_str().is_none_or(is_writable) } else { holds(&other, &is_writable) });
        let object = Value::Object(Map::from_iter([("text".into(), text.into()), ("json".into(), json), ("other".into(), other)]));
        let written = write(encoding, &object.to_string(), tail).expect("it can be written");
        let (json, transcoder) = read(encoding, written.as_bytes());
        prop_assert_eq!(transcoder.progress(), Progress::Over);
        prop_assert_eq!(serde_json::from_slice::<Value>(&json).expect("JSON"), object.clone(), "{}", written);
        let n_arguments = written.len() - tail.len();
        for n in 0..=n_arguments {
            let (so_far, transcoder) = read(encoding, &written.as_bytes()[..n]);
            prop_assert!(json.starts_with(&so_far), "{written} at {n}");
            let ended = transcoder.readings(tail.as_bytes()).into_iter().any(|reading| {
                let begun = [so_far.as_slice(), reading.json.as_slice()].concat();
                // The space that ends a number is no part of the object, one in a text is.
                let as_read = [Some(begun.as_slice()), begun.strip_suffix(b" ")];
                as_read.into_iter().flatten().filter_map(|begun| json.strip_prefix(begun)).any(|ending| {
                    let Some(rest) = transcoder.write(&reading, ending, tail.as_bytes()) else { return false };
                    let whole = [&written.as_bytes()[..n], &rest].concat();
                    serde_json::from_slice::<Value>(&read(encoding, &whole).0).is_ok_and(|value| value == object)
                })
            });
            // In the middle of an escape the JSON has none of it yet.
            let is_escape = !is_elements && written.as_bytes()[..n].ends_with(b"\\");
            prop_assert!(ended || is_escape, "{written} at {n}");
        }
    }
}
