//! What is written is read back, in every form.

use std::sync::Arc;

use super::*;
use std::collections::HashMap;

use crate::guard::encoding::{Content, Elements, Keys, Kind, Level, LevelId, Notation};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn elements(before: impl Fn(Kind) -> String) -> Encoding {
    let bytes = |text: &str| text.as_bytes().to_vec();
    let elements = Elements {
        open: bytes("<parameter="),
        before: Kind::ALL.map(|kind| before(kind).into_bytes()),
        close: bytes("\n</parameter>\n"),
        close_end: None,
        item: None,
        not_in_keys: String::new(),
    };
    let keys = [("text".into(), Content::Text), ("json".into(), Content::Json)].into();
    let level = Level { keys, prefix: Vec::new(), others: Content::Either };
    Encoding::Elements(Arc::new(Keys { elements: Arc::new(elements), levels: vec![level] }))
}

/// Objects and arrays as elements in elements: `json` is an object of lists of objects.
fn nested() -> Encoding {
    let bytes = |text: &str| text.as_bytes().to_vec();
    let elements = Elements {
        open: bytes("#<"),
        before: Kind::ALL.map(|_| bytes(">")),
        close: bytes("#</"),
        close_end: Some(bytes(">")),
        item: Some(bytes("item")),
        not_in_keys: "/".into(),
    };
    let keys = [("text".into(), Content::Text), ("json".into(), Content::Object(LevelId(1)))].into();
    let level = |keys, others| Level { keys, prefix: Vec::new(), others };
    let levels = vec![
        level(keys, Content::Either),
        level(HashMap::new(), Content::Array(LevelId(2))),
        Level { prefix: vec![Content::Text], ..level(HashMap::new(), Content::Object(LevelId(1))) },
    ];
    Encoding::Elements(Arc::new(Keys { elements: Arc::new(elements), levels }))
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
    let encoding = elements(|_| ">\n".into());
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
        (elements(|_| ">\n".into()), TAIL, "\n</parameter>\n"),
        (elements(|kind| format!(">{}\n", kind == Kind::Text)), TAIL, "\n</parameter>\n"),
        (elements(|kind| format!(" {}>\n", kind.name())), TAIL, "\n</parameter>\n"),
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
        (3, "", json!({})),
        (3, "a=1, b='it\\'s \"x\"', c=\"it's\"", json!({"a": 1, "b": "it's \"x\"", "c": "it's"})),
        (3, "a=True,b=false, c=[None, {\"k\": -1.5}]", json!({"a": true, "b": false, "c": [null, {"k": -1.5}]})),
        (4, "a='\\n\\\\', b={'k': []}, c={}", json!({"a": "\n\\", "b": {"k": []}, "c": {}})),
        (
            5,
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
    fn what_is_written_is_read(text in any::<String>(), json in value(), other in value(), i in 0..6_usize) {
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

/// From every place in arguments with elements in elements there is a way to the same end.
#[test]
fn elements_in_elements_become_json_and_end() {
    let tail = "#</invoke>";
    for (wire, json) in [
        ("", json!({})),
        ("#<text>a <b> \"c\"#</text>#<x>42#</x>", json!({"text": "a <b> \"c\"", "x": 42})),
        ("#<json>#</json>", json!({"json": {}})),
        ("#<json>null#</json>#<x>[1]#</x>", json!({"json": null, "x": [1]})),
        ("#<json>#<a>#</a>#<b>#<item>1#</item>#</b>#</json>", json!({"json": {"a": [], "b": ["1"]}})),
        (
            "#<json>#<b>#<item>#</item>#<item>#<c>#</c>#</item>#<item>true#</item>#</b>#</json>#<text>#</text>",
            json!({"json": {"b": ["", {"c": []}, true]}, "text": ""}),
        ),
    ] {
        let encoding = nested();
        let all = format!("{wire}{tail}");
        let (whole, transcoder) = read(&encoding, format!("{wire}#</").as_bytes());
        assert_eq!((transcoder.progress(), transcoder.held()), (Progress::Over, b"#</".as_slice()), "{wire}");
        assert_eq!(serde_json::from_slice::<Value>(&whole).expect("JSON"), json, "{wire}");
        assert_eq!(write(&encoding, std::str::from_utf8(&whole).expect("text"), tail), Some(all.clone()));
        for n in 0..wire.len() {
            let (so_far, transcoder) = read(&encoding, &all.as_bytes()[..n]);
            assert!(whole.starts_with(&so_far), "{wire} at {n}");
            let ends = |reading: Reading| {
                let begun = [so_far.as_slice(), reading.json.as_slice()].concat();
                let as_read = [Some(begun.as_slice()), begun.strip_suffix(b" ")];
                let mut endings = as_read.into_iter().flatten().filter_map(|begun| whole.strip_prefix(begun));
                endings.any(|ending| {
                    let rest = transcoder.write(&reading, ending, tail.as_bytes());
                    rest.is_some_and(|rest| [&all.as_bytes()[..n], &rest].concat() == all.as_bytes())
                })
            };
            assert!(transcoder.readings(tail.as_bytes()).into_iter().any(ends), "{wire} at {n}");
        }
    }
    for wire in ["#<x>1#</y>", "#<json>#<a>#<b>", "#<json>#<a>1#</b>", "#<json>x#</json>#<"] {
        let (text, transcoder) = read(&nested(), wire.as_bytes());
        let is_json = serde_json::from_slice::<Value>(&[text.as_slice(), b"}"].concat()).is_ok();
        assert!(transcoder.progress() == Progress::Broken || !is_json, "{wire}");
    }
}
