//! The shortest way from the end of a text to a whole one.
//!
//! A node is a nonterminal and the place where it began; what it costs to go on once it is whole is the cheapest of the
//! items that wait for it there. The search goes from the items at the end of the text to the start symbol.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};

use super::chart::{Chart, Item, wanted};
use super::machine::{Machine, START};

/// Nodes of one search.
const MAX_NODES: usize = 200_000;
/// Bytes of an ending; longer ones are of no use.
const MAX_BYTES: usize = 16_000;
/// Characters that are tried where a text breaks off inside one.
const MAX_TRIED: usize = 40;

/// An ending of `text`, which may break off inside a character.
pub(super) fn of_text(machine: &Machine, chart: &mut Chart, text: &[u8]) -> Option<Vec<u8>> {
    let (whole, broken) = split(text)?;
    if !chart.read(machine, whole) {
        return None;
    }
    if broken.is_empty() {
        return Some(shortest(machine, chart)?.into_bytes());
    }
    let (first, rest) = best_after(machine, chart, completions(machine, chart, broken).into_iter())?;
    Some([first.as_slice(), rest.as_bytes()].concat())
}

/// An ending of the content of an open JSON string, as JSON writes it; without the closing quote.
pub(super) fn of_string(machine: &Machine, chart: &mut Chart, content: &[u8]) -> Option<Vec<u8>> {
    let (whole, broken) = split(content)?;
    let n_escape = open_escape(whole);
    let (before, escape) = whole.split_at(whole.len() - n_escape);
    let text: String = serde_json::from_str(&format!("\"{before}\"")).ok()?;
    if !chart.read(machine, &text) {
        return None;
    }
    if !broken.is_empty() {
        let tried = completions(machine, chart, broken);
        let (first, rest) = best_after(machine, chart, tried.into_iter())?;
        return Some([first, escaped(&rest)].concat());
    }
    if escape.is_empty() {
        return Some(escaped(&shortest(machine, chart)?));
    }
    // Source: RFC 8259, 7: the escapes that the mask allows.
    let short = [
        ('"', "\\\""),
        ('\\', "\\\\"),
        ('\n', "\\n"),
        ('\t', "\\t"),
        ('\r', "\\r"),
        ('\u{8}', "\\b"),
        ('\u{C}', "\\f"),
    ];
    let short = short.into_iter().map(|(c, written)| (c, written.to_owned()));
    let long = (0..0x20_u8).flat_map(|code| {
        [format!("\\u{code:04x}"), format!("\\u{code:04X}")].map(|written| (char::from(code), written))
    });
    let tried =
        short.chain(long).filter_map(|(c, written)| Some((c, written.strip_prefix(escape)?.as_bytes().to_vec())));
    let (first, rest) = best_after(machine, chart, tried)?;
    Some([first, escaped(&rest)].concat())
}

/// What is text, and the beginning of a character behind it.
fn split(text: &[u8]) -> Option<(&str, &[u8])> {
    match std::str::from_utf8(text) {
        Ok(text) => Some((text, &[])),
        Err(error) if error.error_len().is_none() => {
            let (whole, broken) = text.split_at(error.valid_up_to());
            Some((std::str::from_utf8(whole).ok()?, broken))
        }
        Err(_) => None,
    }
}

/// How many bytes of an escape that is not whole stand at the end.
fn open_escape(content: &str) -> usize {
    let bytes = content.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'\\' {
            at += 1;
            continue;
        }
        let n = if bytes.get(at + 1) == Some(&b'u') { 6 } else { 2 };
        if at + n > bytes.len() {
            return bytes.len() - at;
        }
        at += n;
    }
    0
}

fn escaped(text: &str) -> Vec<u8> {
    let quoted = serde_json::Value::from(text).to_string();
    quoted.as_bytes()[1..quoted.len() - 1].to_vec()
}

/// The characters that may stand at the end of what was read and begin with the bytes `broken`; with those bytes of
/// each that are missing.
fn completions(machine: &Machine, chart: &Chart, broken: &[u8]) -> Vec<(char, Vec<u8>)> {
    let classes: BTreeSet<u32> = chart.last().items.iter().filter_map(|item| wanted(machine, item)).collect();
    let (low, high) = range_of(broken);
    let ranges = classes.into_iter().flat_map(|class| machine.classes[class as usize].iter());
    let first = |(first, last): &(char, char)| {
        let c = (*first).max(low);
        (c <= (*last).min(high)).then_some(c)
    };
    let tried: BTreeSet<char> = ranges.filter_map(first).take(MAX_TRIED).collect();
    tried.into_iter().map(|c| (c, c.to_string().as_bytes()[broken.len()..].to_vec())).collect()
}

/// The characters whose UTF-8 begins with `broken`: they are neighbours.
pub(in crate::grammar) fn range_of(broken: &[u8]) -> (char, char) {
    let n_bytes: usize = match broken[0] {
        0xF0.. => 4,
        0xE0.. => 3,
        _ => 2,
    };
    let with = |fill: &[u8]| {
        let mut bytes = broken.to_vec();
        bytes.extend_from_slice(&fill[..n_bytes.saturating_sub(broken.len()).min(fill.len())]);
        std::str::from_utf8(&bytes).ok().and_then(|text| text.chars().next())
    };
    // Why several: not every second byte may follow every first one.
    let low = [[0x80, 0x80, 0x80], [0x90, 0x80, 0x80], [0xA0, 0x80, 0x80]].iter().find_map(|fill| with(fill));
    let high = [[0xBF, 0xBF, 0xBF], [0x9F, 0xBF, 0xBF], [0x8F, 0xBF, 0xBF]].iter().find_map(|fill| with(fill));
    (low.unwrap_or('\u{80}'), high.unwrap_or(char::MAX))
}

/// The cheapest of some first characters, each with the bytes that write it: the bytes, and the text behind.
fn best_after(
    machine: &Machine,
    chart: &mut Chart,
    tried: impl Iterator<Item = (char, Vec<u8>)>,
) -> Option<(Vec<u8>, String)> {
    let n_chars = chart.n_chars();
    let mut found: Option<(Vec<u8>, String)> = None;
    for (c, written) in tried {
        let rest = if chart.push(machine, c) { shortest(machine, chart) } else { None };
        chart.cut(n_chars);
        let Some(rest) = rest else { continue };
        let is_shorter = found.as_ref().is_none_or(|(w, r)| written.len() + rest.len() < w.len() + r.len());
        if is_shorter {
            found = Some((written, rest));
        }
    }
    found
}

/// A way to a node: what it costs, and the item whose rest was written last with the node that it came from.
struct Way {
    cost: usize,
    item: Item,
    from: Option<(u32, u32)>,
}

/// The shortest ending of what was read.
fn shortest(machine: &Machine, chart: &Chart) -> Option<String> {
    let mut ways: HashMap<(u32, u32), Way> = HashMap::new();
    let mut open: BinaryHeap<Reverse<(usize, (u32, u32))>> = BinaryHeap::new();
    let mut reach = |item: &Item, dot: u32, cost: usize, from: Option<(u32, u32)>, open: &mut BinaryHeap<_>| {
        let Some(rest) = machine.rest_len(item.production, dot) else { return };
        let node = (machine.productions[item.production as usize].lhs, item.origin);
        let cost = cost.saturating_add(rest);
        if ways.get(&node).is_none_or(|way| cost < way.cost) {
            ways.insert(node, Way { cost, item: Item { dot, ..*item }, from });
            open.push(Reverse((cost, node)));
        }
    };
    for item in &chart.last().items {
        reach(item, item.dot, 0, None, &mut open);
    }
    let mut n_nodes = 0;
    while let Some(Reverse((cost, node))) = open.pop() {
        if node == (START, 0) {
            break;
        }
        n_nodes += 1;
        if n_nodes > MAX_NODES {
            return None;
        }
        let (non, origin) = node;
        for item in chart.set(origin).waiting.get(&non).into_iter().flatten() {
            reach(item, item.dot + 1, cost, Some(node), &mut open);
        }
    }
    // Why: each part has a bound, and there may be many.
    if ways.get(&(START, 0))?.cost > MAX_BYTES {
        return None;
    }
    let mut parts = Vec::new();
    let mut at = Some((START, 0));
    while let Some(node) = at {
        let way = ways.get(&node)?;
        parts.push(machine.rest(way.item.production, way.item.dot)?);
        at = way.from;
    }
    parts.reverse();
    Some(parts.concat())
}
