//! A JSON text that may break off anywhere, as the parts that are there.

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
