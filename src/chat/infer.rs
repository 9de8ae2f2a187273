//! Reads a format of calls off a template: from where names, ids and arguments stand in what it writes.

use crate::tools::ToolCall;
use crate::tools::format::{Family, Ids, Place};

/// Texts around a call that are longer than this are no format.
const MAX_AROUND: usize = 300;

/// The format in which `text` holds two calls, where it begins after the question and `around` is what stands before and
/// behind a plain answer there.
pub(super) fn infer(text: &str, around: (&str, &str), first: &ToolCall, second: &ToolCall) -> Option<Family> {
    let answer = text.strip_prefix(around.0.trim_end())?;
    let (before, name_to_arguments, rest) = around_call(answer, first)?;
    let (gap, same, rest) = around_call(rest, second)?;
    let after = &rest[..end_of_turn(rest, around.1)?];
    if before.len() + name_to_arguments.len() + gap.len() + after.len() > MAX_AROUND {
        return None;
    }
    let hole = |text: &str, call: &ToolCall| text.replace(&call.id, "$ID");
    let (before, name_to_arguments, same) = (hole(before, first), hole(name_to_arguments, first), hole(same, second));
    if name_to_arguments != same {
        return None;
    }
    let before = without_thought(before.trim_start());
    // The id that stands before the second call's name is the second's.
    let (gap, after) = (hole(&hole(gap, first), second), hole(after, second));
    let head_start = common_end(before, &gap);
    // A number that counts the calls is no part of a fixed text.
    let no_digits = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "0");
    if common_end(&no_digits(before), &no_digits(&gap)) > head_start {
        return None;
    }
    let (begin, between) = (&before[..before.len() - head_start], &gap[..gap.len() - head_start]);
    let n_tail = common_start(between, &after);
    let call =
        format!("{}$NAME{name_to_arguments}$ARGUMENTS{}", &before[before.len() - head_start..], &between[..n_tail]);
    let (marker, prose) = marker(before)?;
    let family = Family {
        prompt_end: String::new(),
        name: "inferred".to_owned(),
        marker: marker.to_owned(),
        begin: begin.to_owned(),
        between: between[n_tail..].to_owned(),
        end: after[n_tail..].trim_end().to_owned(),
        source: Vec::new(),
        text: Default::default(),
        ids: if call.contains("$ID") { Ids::Nine } else { Ids::Free },
        call,
        parameter: None,
        notation: None,
        parallel: true,
        prose,
        result: Default::default(),
    };
    let calls = [first.clone(), second.clone()];
    let is_it = answer.contains(&family.render_calls(&calls)) && family.call.matches("$ID").count() < 2;
    // Why: what else stands in such a place is written by the template, not by the model.
    (is_it && !family.begin.contains("$ID") && !family.between.contains("$ID")).then_some(family)
}

/// What stands before the call's name, between its name and its arguments, and behind them.
fn around_call<'t>(text: &'t str, call: &ToolCall) -> Option<(&'t str, &'t str, &'t str)> {
    let (before, rest) = text.split_once(&call.name)?;
    let (between, rest) = rest.split_once(&call.arguments)?;
    Some((before, between, rest))
}

/// Where the turn ends that `text` is the rest of, if a plain answer is followed by `after`: at the next thing that only
/// the template writes.
fn end_of_turn(text: &str, after: &str) -> Option<usize> {
    // What ends a turn is a control token or a line of its own, so its first word is enough.
    let end = after.trim_start();
    let n = end.find(['>', ']', '\n']).map_or(end.len(), |at| at + end[at..].chars().next().map_or(0, char::len_utf8));
    if n == 0 { None } else { text.find(&end[..n]) }
}

/// The text behind a thought that the template puts first.
fn without_thought(text: &str) -> &str {
    match text.split_once("</think>") {
        Some((thought, rest)) if thought.trim_start_matches("<think>").trim().is_empty() => rest.trim_start(),
        _ => text,
    }
}

/// What calls are known by: the first tag, or for bare JSON, how it begins.
fn marker(before: &str) -> Option<(&str, Place)> {
    let close = match before.chars().next()? {
        '<' => '>',
        '[' if before[1..].starts_with(|c: char| c.is_alphabetic()) => ']',
        '{' => return Some((before, Place::Instead)),
        _ => return None,
    };
    // A name in the tag is no part of what it is known by.
    let n = before.find(close).map_or(before.len(), |at| at + 1);
    Some((&before[..n], Place::Before))
}

fn common_start(a: &str, b: &str) -> usize {
    a.char_indices().zip(b.chars()).find(|((_, x), y)| x != y).map_or(a.len().min(b.len()), |((at, _), _)| at)
}

fn common_end(a: &str, b: &str) -> usize {
    let n_chars = a.chars().rev().zip(b.chars().rev()).take_while(|(x, y)| x == y).count();
    a.chars().rev().take(n_chars).map(char::len_utf8).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn call(id: &str, n: u32) -> ToolCall {
        ToolCall { id: id.into(), name: "fn_alpha".into(), arguments: format!("{{\"key\": {n}}}") }
    }

    /// What a family's calls look like is read off them, to the letter.
    #[test]
    fn families_are_read_off_what_they_write() {
        let (first, second) = (call("callid001", 1), call("callid002", 2));
        let mut n_read = 0;
        let is_read = |family: &&Arc<Family>| {
            family.parallel
                && family.ids != Ids::Functions
                && family.writes_json()
                && !family.marker.starts_with(['f', '>'])
        };
        for family in Family::all().iter().filter(is_read) {
            let written = family.render_calls(&[first.clone(), second.clone()]);
            let text = format!("<|im_end|>\n<|assistant|>{written}<|im_end|>\n<|tool|>result");
            let around = ("<|im_end|>\n<|assistant|>", "<|im_end|>\n<|user|>");
            let read = infer(&text, around, &first, &second);
            if family.call.contains("$INDEX") {
                assert_eq!(read, None, "{}", family.name);
                continue;
            }
            let Some(read) = read else { panic!("{}: {text}", family.name) };
            let other = [call("abcdefgh1", 7), call("abcdefgh2", 8), call("abcdefgh3", 9)];
            assert_eq!(read.render_calls(&other), family.render_calls(&other), "{}: {read:?}", family.name);
            assert!(written.starts_with(&read.marker) && read.prose == family.prose, "{}: {read:?}", family.name);
            n_read += 1;
        }
        assert!(n_read > 12);
        // Arguments that are not written as JSON, and text that is no call.
        for text in ["<|assistant|>fn_alpha(key=1)fn_alpha(key=2)<|im_end|>", "<|assistant|>text<|im_end|>"] {
            assert_eq!(infer(text, ("<|assistant|>", "<|im_end|>"), &first, &second), None);
        }
    }
}
