//! A JSON text that may break off anywhere, as the parts that are there.

use serde_json::Value;

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part<'t> {
    /// It has not begun.
    Missing,
    /// A string, number or literal. A number at the end of the text may be complete or go on.
    Scalar { text: &'t [u8], is_complete: bool },
    /// An array.
    Array { items: Vec<Part<'t>>, state: State<'t> },
    /// An object; the last value may be missing or break off.
    Object { pairs: Vec<(String, Part<'t>)>, state: State<'t> },
}

/// Where an array or object breaks off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State<'t> {
    /// After its closing bracket.
    Complete,
    /// After its opening bracket.
    Open,
    /// After a complete item or pair.
    AfterItem,
    /// After a comma.
    AfterComma,
    /// Inside an item, or between a key's colon and the end of its value.
    InItem,
    /// Inside a key, its opening quote included.
    InKey(&'t [u8]),
    /// After a key, before its colon.
    AfterKey,
}

/// Reads one value from the start of `text`. Gives it with the rest of the text behind it.
pub(super) fn read(text: &[u8]) -> (Part<'_>, &[u8]) {
    let text = skip(text);
    match text.first() {
        None => (Part::Missing, text),
        Some(b'{') => read_object(&text[1..]),
        Some(b'[') => read_array(&text[1..]),
        Some(b'"') => {
            let (scalar, rest, is_complete) = string(text);
            (Part::Scalar { text: scalar, is_complete }, rest)
        }
        Some(_) => {
            let end = text.iter().position(|b| b", \t\r\n]}".contains(b)).unwrap_or(text.len());
            (Part::Scalar { text: &text[..end], is_complete: end < text.len() }, &text[end..])
        }
    }
}

impl Part<'_> {
    /// Whether nothing can be added to it. Numbers at the end of the text can.
    pub(super) fn is_complete(&self) -> bool {
        match self {
            Part::Missing => false,
            Part::Scalar { is_complete, .. } => *is_complete,
            Part::Array { state, .. } | Part::Object { state, .. } => *state == State::Complete,
        }
    }
}

fn skip(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|b| !b" \t\r\n".contains(b)).unwrap_or(text.len());
    &text[start..]
}

/// The string at the start of `text` with its quotes, what follows, and whether it is complete.
fn string(text: &[u8]) -> (&[u8], &[u8], bool) {
    let mut escaped = false;
    for (i, byte) in text.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return (&text[..=i], &text[i + 1..], true),
            _ => {}
        }
    }
    (text, &[], false)
}

fn read_array(mut text: &[u8]) -> (Part<'_>, &[u8]) {
    let mut items = Vec::new();
    let mut state = State::Open;
    loop {
        text = skip(text);
        match text.first() {
            None => return (Part::Array { items, state }, text),
            Some(b']') => return (Part::Array { items, state: State::Complete }, &text[1..]),
            Some(b',') => {
                state = State::AfterComma;
                text = &text[1..];
            }
            Some(_) => {
                let (item, rest) = read(text);
                state = if item.is_complete() { State::AfterItem } else { State::InItem };
                items.push(item);
                text = rest;
            }
        }
    }
}

fn read_object(mut text: &[u8]) -> (Part<'_>, &[u8]) {
    let mut pairs = Vec::new();
    let mut state = State::Open;
    loop {
        text = skip(text);
        match text.first() {
            None => return (Part::Object { pairs, state }, text),
            Some(b'}') => return (Part::Object { pairs, state: State::Complete }, &text[1..]),
            Some(b',') => {
                state = State::AfterComma;
                text = &text[1..];
            }
            Some(_) => {
                let (key, rest, is_complete) = string(text);
                if !is_complete {
                    return (Part::Object { pairs, state: State::InKey(key) }, rest);
                }
                let name = serde_json::from_slice(key).unwrap_or_else(|_| String::from_utf8_lossy(key).into_owned());
                let rest = skip(rest);
                let Some(rest) = rest.strip_prefix(b":") else {
                    pairs.push((name, Part::Missing));
                    return (Part::Object { pairs, state: State::AfterKey }, rest);
                };
                let (value, rest) = read(rest);
                state = if value.is_complete() { State::AfterItem } else { State::InItem };
                pairs.push((name, value));
                text = rest;
            }
        }
    }
}

/// Writes a part again, without spaces, up to where it breaks off.
pub(super) fn render(part: &Part<'_>, out: &mut Vec<u8>) {
    match part {
        Part::Missing => {}
        Part::Scalar { text, .. } => out.extend_from_slice(text),
        Part::Array { items, state } => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                out.extend_from_slice(if i == 0 { b"" } else { b"," });
                render(item, out);
            }
            match state {
                State::Complete => out.push(b']'),
                State::AfterComma => out.push(b','),
                State::Open | State::AfterItem | State::InItem | State::InKey(_) | State::AfterKey => {}
            }
        }
        Part::Object { pairs, state } => {
            out.push(b'{');
            for (i, (key, value)) in pairs.iter().enumerate() {
                out.extend_from_slice(if i == 0 { b"" } else { b"," });
                out.extend_from_slice(Value::from(key.as_str()).to_string().as_bytes());
                if *state != State::AfterKey || i + 1 < pairs.len() {
                    out.push(b':');
                }
                render(value, out);
            }
            match state {
                State::Complete => out.push(b'}'),
                State::AfterComma => out.push(b','),
                State::InKey(start) => {
                    out.extend_from_slice(if pairs.is_empty() { b"" } else { b"," });
                    out.extend_from_slice(start);
                }
                State::Open | State::AfterItem | State::InItem | State::AfterKey => {}
            }
        }
    }
}
