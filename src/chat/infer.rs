//! Reads a format of calls off a template: from where names, ids and arguments stand in what it writes.

use serde_json::{Map, Value};

use crate::tools::ToolCall;
use crate::tools::format::{Family, Ids, NotationName, Place};

/// What every text of the conversation that is rendered ends in.
pub(super) const SAID: &str = "_alpha";

/// Texts around a call that are longer than this are no format.
const MAX_AROUND: usize = 500;

/// The format in which `text` holds two calls, where it begins after the question and `around` is what stands before and
/// behind a plain answer there.
pub(super) fn infer(text: &str, around: (&str, &str), first: &ToolCall, second: &ToolCall) -> Option<Family> {
    let answer = text.strip_prefix(around.0.trim_end())?;
    let mut forms = std::iter::once(Written::default()).chain(Written::all_in(answer, first));
    forms.find_map(|form| family(answer, around.1, first, second, form))
}

/// The same, where arguments are written in this form.
fn family(answer: &str, after: &str, first: &ToolCall, second: &ToolCall, form: Written) -> Option<Family> {
    let mut family = Family {
        prompt_end: String::new(),
        name: "inferred".to_owned(),
        lead: String::new(),
        marker: String::new(),
        begin: String::new(),
        between: String::new(),
        end: String::new(),
        source: Vec::new(),
        text: Default::default(),
        ids: Ids::Free,
        call: String::new(),
        first_index: 0,
        parameter: form.parameter,
        item: String::new(),
        not_in_keys: String::new(),
        notation: form.notation,
        parallel: true,
        prose: Place::Before,
        result: Default::default(),
    };
    let arguments = [first, second].map(|call| family.render_arguments(&call.arguments));
    let (before, name_to_arguments, rest) = around_call(answer, first, &arguments[0])?;
    let (gap, same, rest) = around_call(rest, second, &arguments[1])?;
    let after = &rest[..end_of_turn(rest, after)?];
    if before.len() + name_to_arguments.len() + gap.len() + after.len() > MAX_AROUND {
        return None;
    }
    let hole = |text: &str, call: &ToolCall| text.replace(&call.id, "$ID");
    let named = |text: &str, call: &ToolCall| hole(text, call).replace(&call.name, "$NAME");
    let (before, name_to_arguments, same) = (hole(before, first), named(name_to_arguments, first), named(same, second));
    if name_to_arguments != same {
        return None;
    }
    let before = without_thought(before.trim_start());
    // The id that stands before the second call's name is the second's.
    let (gap, after) = (hole(&hole(gap, first), second), hole(after, second));
    // What the conversation says is no part of a format: the turn has no end of its own.
    if [before, &gap, &after].iter().any(|text| text.contains(SAID)) {
        return None;
    }
    let mut head_start = common_end(before, &gap);
    // A number that counts the calls is no part of a fixed text.
    let no_digits = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "0");
    if common_end(&no_digits(before), &no_digits(&gap)) > head_start {
        return None;
    }
    if open_tag(&before[..before.len() - head_start]).is_some() {
        // What closes a tag belongs to what opens it, however alike the two places go on.
        head_start -= before[before.len() - head_start..].find('>')? + 1;
    }
    let (begin, between) = (&before[..before.len() - head_start], &gap[..gap.len() - head_start]);
    let n_tail = common_start(between, &after);
    let n_tail = open_tag(&between[..n_tail]).unwrap_or(n_tail);
    family.call =
        format!("{}$NAME{name_to_arguments}$ARGUMENTS{}", &before[before.len() - head_start..], &between[..n_tail]);
    if let Some((open, _)) = family.parameter.as_deref().and_then(|parameter| parameter.split_once("$KEY"))
        && let Some(behind) = between[..n_tail].strip_prefix(open)
    {
        // What follows arguments begins as they do, and differs in what no key holds.
        let differs = behind.chars().next().filter(char::is_ascii_punctuation)?;
        family.not_in_keys = differs.to_string();
    }
    let (marker, prose) = marker(before)?;
    (family.marker, family.prose) = (marker.to_owned(), prose);
    family.begin = begin.to_owned();
    family.between = between[n_tail..].to_owned();
    family.end = after[n_tail..].trim_end().to_owned();
    family.ids = if family.call.contains("$ID") { Ids::Nine } else { Ids::Free };
    let calls = [first.clone(), second.clone()];
    let first_text = if family.begin.is_empty() { &family.call } else { &family.begin };
    let is_it = answer.contains(&family.render_calls(&calls))
        && first_text.starts_with(&family.marker)
        && family.call.matches("$ID").count() < 2;
    // Why: what else stands in such a place is written by the template, not by the model.
    (is_it && !family.begin.contains("$ID") && !family.between.contains("$ID")).then_some(family)
}

/// How arguments are written; by itself, as JSON.
#[derive(Clone, Debug, Default)]
struct Written {
    parameter: Option<String>,
    notation: Option<NotationName>,
}

impl Written {
    /// Forms beside JSON in which `text` may hold the arguments of `call`: a text and a number.
    fn all_in(text: &str, call: &ToolCall) -> Vec<Self> {
        let find = || {
            let arguments: Map<String, Value> = serde_json::from_str(&call.arguments).ok()?;
            let [(key, Value::String(value)), (next_key, number)] = arguments.iter().collect::<Vec<_>>()[..] else {
                return None;
            };
            let (head, rest) = text.split_once(&call.name)?.1.split_once(key)?;
            let (to_text, rest) = rest.split_once(value)?;
            let (gap, rest) = rest.split_once(next_key)?;
            let (to_number, rest) = rest.split_once(&number.to_string())?;
            let notation = match to_text {
                "='" => Some(NotationName::PythonSingle),
                "=\"" => Some(NotationName::Python),
                _ => None,
            };
            let python = notation.map(|name| Self { notation: Some(name), ..Self::default() });
            let element = |open: &str| {
                // What ends a key is one byte of ASCII.
                let to_value = between(to_text, to_number).filter(|text| text.starts_with(|c: char| c.is_ascii()))?;
                let close = gap.strip_suffix(open).filter(|close| rest.starts_with(close) && ends_scalar(close))?;
                let parameter = Some(format!("{open}$KEY{to_value}$VALUE{close}"));
                Some(Self { parameter, ..Self::default() })
            };
            // Where the first element begins is not to be seen: with its tag, or with a space before that.
            let common = &head[head.len() - common_end(head, gap)..];
            let begins = common.rfind('<').map(|tag| [&common[tag..], &common[common[..tag].trim_end().len()..]]);
            let elements = begins.into_iter().flatten().filter_map(element);
            Some(python.into_iter().chain(elements).collect())
        };
        find().unwrap_or_default()
    }
}

/// Whether a number or word is over where `close` begins.
fn ends_scalar(close: &str) -> bool {
    close.starts_with(|c: char| !c.is_alphanumeric() && !matches!(c, '+' | '-' | '.'))
}

/// What stands between a key and its value, from what stands before a text and before a number.
fn between(to_text: &str, to_number: &str) -> Option<String> {
    if to_text == to_number {
        return Some(to_text.to_owned());
    }
    let told = |text: &str, word: &str| text.contains(word).then(|| text.replacen(word, "$STRING", 1));
    let told = told(to_text, "\"true\"").zip(told(to_number, "\"false\""));
    told.filter(|(a, b)| a == b).map(|(told, _)| told.replace("$STRING", "\"$STRING\""))
}

/// What stands before the call's name, between its name and its arguments as they are written, and behind them.
fn around_call<'t>(text: &'t str, call: &ToolCall, arguments: &str) -> Option<(&'t str, &'t str, &'t str)> {
    let (before, rest) = text.split_once(&call.name)?;
    let (between, rest) = rest.split_once(arguments)?;
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
    let close = || {
        Some(text.split_once("</think")?).filter(|(thought, _)| {
            let rest = thought.strip_prefix("<think").and_then(|rest| Some(rest.split_once('>')?.1));
            rest.unwrap_or(thought).trim().is_empty()
        })
    };
    close().and_then(|(_, rest)| rest.split_once('>')).map_or(text, |(_, rest)| rest.trim_start())
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
    let n = before.find('$').map_or(n, |hole| n.min(hole));
    Some((&before[..n], Place::Before))
}

/// Where a tag begins that `text` does not close.
fn open_tag(text: &str) -> Option<usize> {
    let last = text.rfind(['<', '>'])?;
    text[last..].starts_with('<').then_some(last)
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
        let arguments = format!("{{\"key_one\": \"val {n}\", \"key_two\": {n}}}");
        ToolCall { id: id.into(), name: "fn_alpha".into(), arguments }
    }

    /// What a family's calls look like is read off them, to the letter.
    #[test]
    fn families_are_read_off_what_they_write() {
        let (first, second) = (call("callid001", 1), call("callid002", 2));
        let mut n_read = 0;
        let is_read = |family: &&Arc<Family>| {
            family.parallel
                && family.ids != Ids::Functions
                && family.marker.starts_with(['<', '[', '{'])
                && family.marker != "["
                && family.text.0.is_empty()
                && !family.parameter.as_ref().is_some_and(|text| text.contains("$TYPE"))
                && !family.notation.is_some_and(|name| matches!(name, NotationName::Gemma | NotationName::GemmaEscape))
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
            let none = ToolCall { arguments: "{}".into(), ..call("abcdefgh3", 9) };
            let other = [call("abcdefgh1", 7), call("abcdefgh2", 8), none];
            assert_eq!(read.render_calls(&other), family.render_calls(&other), "{}: {read:?}", family.name);
            assert!(written.starts_with(&read.marker) && read.prose == family.prose, "{}: {read:?}", family.name);
            n_read += 1;
        }
        assert!(n_read > 30);
        // Arguments in no known form, and text that is no call.
        let json = |n: u32| call("", n).arguments;
        let (one, two) = (json(1), json(2));
        for text in [
            "<|assistant|>fn_alpha(1)fn_alpha(2)<|im_end|>",
            "<|assistant|>text<|im_end|>",
            // The turn of calls ends otherwise than one of text, or not at all.
            &format!("<|assistant|><f>fn_alpha {one}</f><f>fn_alpha {two}</f><|call|><|tool|>result_alpha<|im_end|>"),
            &format!("<|assistant|><f>fn_alpha {one}</f><f>fn_alpha {two}</f_fn_alpha><|im_end|>"),
        ] {
            assert_eq!(infer(text, ("<|assistant|>", "<|im_end|>"), &first, &second), None);
        }
    }
}
