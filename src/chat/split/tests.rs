//! How answers are taken apart.

use std::sync::Arc;

use super::*;
use crate::chat::Said;
use crate::tools::format::{Family, ToolFormat};
use proptest::prelude::*;

fn hermes() -> Option<Arc<ToolFormat>> {
    let vocab = crate::engine::fake_vocab().expect("a vocabulary");
    Some(Arc::new(ToolFormat::new(Family::generic(), &vocab)))
}

fn whole(options: SplitOptions, chunks: &[&[u8]]) -> (Said, bool) {
    let mut split = Split::new(options);
    let mut deltas = Vec::new();
    for chunk in chunks {
        deltas.extend(split.push(chunk).expect("well formed"));
    }
    deltas.extend(split.finish(false).expect("well formed"));
    (deltas.iter().collect(), split.is_stopped())
}

fn split(chunks: &[&[u8]], stop: &[&str]) -> (String, Vec<(String, String)>, bool) {
    let stop = stop.iter().map(|s| (*s).to_owned()).collect();
    let options = SplitOptions { format: hermes(), calls_follow_text: true, stop, ..SplitOptions::default() };
    let (said, is_stopped) = whole(options, chunks);
    (said.content, said.calls.into_iter().map(|call| (call.name, call.arguments)).collect(), is_stopped)
}

const TEXT: &str = "É <tool <tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"}\\\"{\", \"b\": [{}]}}\n</tool_call>\n<tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call>";

#[test]
fn finds_content_and_calls() {
    let (content, calls, stopped) = split(&[TEXT.as_bytes()], &[]);
    assert_eq!(content, "É <tool");
    let expected = [("f", "{\"a\": \"}\\\"{\", \"b\": [{}]}"), ("g", "{}")];
    assert_eq!(calls, expected.map(|(n, a)| (n.to_owned(), a.to_owned())));
    assert!(!stopped);
}

/// Whitespace between text and a call belongs to neither; elsewhere it is the text's.
#[test]
fn whitespace_that_parts_text_and_calls_is_left_out() {
    let call = "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>";
    for (text, content, n_calls) in [
        (format!("I look. \n\n{call}"), "I look.".to_owned(), 1),
        (format!("\n{call}"), String::new(), 1),
        ("I look.\n\n".to_owned(), "I look.\n\n".to_owned(), 0),
        ("a\n <tool b \n".to_owned(), "a\n <tool b \n".to_owned(), 0),
        (format!("a{}{call}", " ".repeat(100)), format!("a{}", " ".repeat(100 - MAX_PARTING)), 1),
    ] {
        let one_by_one: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        for chunks in [&[text.as_bytes()][..], &one_by_one] {
            let (said, calls, _) = split(chunks, &[]);
            assert_eq!((said.as_str(), calls.len()), (content.as_str(), n_calls), "{text}");
        }
    }
}

/// What begins a call is no text: no stop string ends it, and where tokens run out in it, it is nothing.
#[test]
fn stop_strings_are_looked_for_in_text_alone() {
    let call = "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>";
    for (text, stop, content, n_calls, is_stopped) in [
        (format!("I look. {call}"), "ool", "I look.", 1, false),
        (format!("I look. {call}"), "<tool_call>", "I look.", 1, false),
        (format!("I look. {call}"), ". <", "I look.", 1, false),
        (format!("I look. {call}"), "ok", "I lo", 0, true),
        (call.to_owned(), "<", "", 1, false),
        ("a < b <tool x".to_owned(), "<tool", "a < b ", 0, true),
        ("a < b".to_owned(), "<", "a ", 0, true),
        ("a <too".to_owned(), "to", "a <", 0, true),
    ] {
        let one_by_one: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        for chunks in [&[text.as_bytes()][..], &one_by_one] {
            let (said, calls, stopped) = split(chunks, &[stop]);
            assert_eq!((said.as_str(), calls.len(), stopped), (content, n_calls, is_stopped), "{text} {stop}");
        }
    }
    for (text, content) in [("a <tool", "a "), ("<", ""), ("a < b", "a < b")] {
        let options = SplitOptions { format: hermes(), calls_follow_text: true, ..SplitOptions::default() };
        let mut split = Split::new(options);
        let mut deltas = split.push(text.as_bytes()).expect("well formed");
        deltas.extend(split.finish(true).expect("well formed"));
        assert_eq!(deltas.iter().collect::<Said>().content, content, "{text}");
    }
}

#[test]
fn stops_before_the_stop_string() {
    assert_eq!(split(&[b"one tw", b"o three"], &["two", "three"]), ("one ".into(), vec![], true));
    assert_eq!(split(&[b"one tw"], &["two"]), ("one tw".into(), vec![], false));
}

#[test]
fn what_stands_before_a_text_is_no_part_of_it_even_alone() {
    let preamble = Preamble { open: Some(b"<c>thought<m>".to_vec()), close: b"<e>".to_vec(), may_skip: false };
    let around = (b"<c>final<m>".to_vec(), Vec::new());
    let options = SplitOptions { around, preamble: Some(preamble), ..SplitOptions::default() };
    for (text, content, reasoning) in [
        ("<c>fi", "", ""),
        ("<c>thou", "", ""),
        ("<c>final<m>", "", ""),
        ("<c>final<m><c>fi", "<c>fi", ""),
        ("<c>thought<m>well<e><c>fin", "", "well"),
        ("<c>thought<m>well<e><c>final<m>so", "so", "well"),
    ] {
        let (said, _) = whole(options.clone(), &[text.as_bytes()]);
        assert_eq!((said.content.as_str(), said.reasoning.as_str()), (content, reasoning), "{text}");
    }
}

#[test]
fn text_that_no_call_may_follow_may_hold_the_marker() {
    let options = SplitOptions { format: hermes(), ..SplitOptions::default() };
    for (chunks, content, n_calls) in [
        (&["{\"a\": \"<tool", "_call>w\"}"][..], "{\"a\": \"<tool_call>w\"}", 0),
        (&["<tool", "_call>\n{\"name\": \"f\", \"arguments\": {}", "}\n</tool_call>"], "", 1),
        (&["<too", "l"], "<tool", 0),
    ] {
        let mut split = Split::new(options.clone());
        let mut deltas: Vec<Delta> = Vec::new();
        chunks.iter().for_each(|chunk| deltas.extend(split.push(chunk.as_bytes()).expect("well formed")));
        deltas.extend(split.finish(false).expect("well formed"));
        let text: String = deltas
            .iter()
            .filter_map(|d| if let Delta::Content(text) = d { Some(text.as_str()) } else { None })
            .collect();
        let started = deltas.iter().filter(|d| matches!(d, Delta::CallStart { .. })).count();
        assert_eq!((text.as_str(), started), (content, n_calls), "{chunks:?}");
    }
}

#[test]
fn broken_formats_are_errors() {
    let mut split = Split::new(SplitOptions { format: hermes(), calls_follow_text: true, ..SplitOptions::default() });
    assert!(split.push(b"<tool_call>{\"nome\"").is_err());
}

proptest! {
    #[test]
    fn cuts_do_not_matter(text in prop_oneof![Just(TEXT.as_bytes().to_vec()), prop::collection::vec(any::<u8>(), 0..40), "(a|b|ab|é){0,20}".prop_map(String::into_bytes)],
                          cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12)) {
        prop_assume!(text.as_slice() == TEXT.as_bytes() || !text.windows(11).any(|w| w == b"<tool_call>"));
        let mut at: Vec<usize> = cuts.iter().map(|c| c.index(text.len() + 1)).collect();
        at.extend([0, text.len()]);
        at.sort_unstable();
        let chunks: Vec<&[u8]> = at.windows(2).map(|w| &text[w[0]..w[1]]).collect();
        prop_assert_eq!(split(&chunks, &["bab"]), split(&[text.as_slice()], &["bab"]));
    }
}
