//! Names of control tokens in what strangers write, and those that come together only where a template puts that into a
//! prompt.
//!
//! A template takes things out of a text (`/no_think`), and puts brackets around keys: what is harmless alone is a name
//! then. So texts get *joints*, which vanish from the prompt, where a name could come together; a name across a joint is
//! no control token.

use std::collections::HashSet;

use aho_corasick::{AhoCorasick, MatchKind};

use super::template::Segment;

/// Around a name that a stranger wrote. Source: Unicode's private use area, chosen freely, as [`JOINT`].
pub(super) const PLAIN: [char; 2] = ['\u{F8FE}', '\u{F8FF}'];
/// Where a name may come together.
const JOINT: char = '\u{F8FD}';

/// Bytes of a word that a template may look for.
const MAX_WORD_BYTES: usize = 64;
/// What a JSON Schema calls a type: templates compare with it.
const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

/// The names of a vocabulary's control tokens.
#[derive(Debug)]
pub(super) struct Controls {
    names: AhoCorasick,
    /// The same names, wherever they begin.
    anywhere: AhoCorasick,
    sorted: Vec<String>,
    /// Names without brackets before them, which a template may write.
    inner: HashSet<String>,
    /// Names without brackets before and behind them.
    whole: HashSet<String>,
    /// What stands in the template and looks like a tag: a template looks for it in texts.
    tags: HashSet<String>,
    max_bytes: usize,
    /// The first and the last bytes of names: most texts hold none of them.
    firsts: [bool; 256],
    lasts: [bool; 256],
}

impl Controls {
    /// For the control tokens of these names, and the template `source`.
    pub(super) fn new<'a>(names: impl Iterator<Item = &'a str>, source: &str) -> Option<Self> {
        // Why: names of one character would make every text suspicious.
        let mut sorted: Vec<String> = names.filter(|name| name.len() > 1).map(str::to_owned).collect();
        sorted.sort();
        sorted.dedup();
        let names = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&sorted).ok()?;
        let anywhere = AhoCorasick::new(&sorted).ok()?;
        let is_mark = |c: char| !c.is_alphanumeric();
        let (mut inner, mut whole) = (HashSet::new(), HashSet::new());
        for name in &sorted {
            let marks = name.char_indices().take_while(|(_, c)| is_mark(*c)).map(|(at, c)| at + c.len_utf8());
            for rest in marks.map(|at| &name[at..]).filter(|rest| rest.chars().count() > 1) {
                inner.insert(rest.to_owned());
                let mut bare = rest;
                while let Some(shorter) = bare.strip_suffix(is_mark) {
                    bare = shorter;
                    whole.insert(bare.to_owned());
                }
            }
        }
        whole.retain(|text| !TYPES.contains(&text.as_str()));
        let starts = source.char_indices().filter(|(_, c)| is_mark(*c) && !c.is_whitespace());
        let tags = starts.filter_map(|(at, _)| word(&source[at..])).map(str::to_owned).collect();
        let max_bytes = sorted.iter().map(String::len).max().unwrap_or(0);
        let (mut firsts, mut lasts) = ([false; 256], [false; 256]);
        for name in &sorted {
            firsts[usize::from(name.as_bytes()[0])] = true;
            lasts[usize::from(name.as_bytes()[name.len() - 1])] = true;
        }
        Some(Self { names, anywhere, sorted, inner, whole, tags, max_bytes, firsts, lasts })
    }

    /// `text` with marks around names, and joints where a name may come together.
    pub(super) fn marked(&self, text: &str) -> String {
        let text = without_marks(text);
        let gap = text.len() - text.trim_start().len();
        let begins_inside =
            self.begins_inside(&text[gap..]).then(|| gap + text[gap..].chars().next().map_or(0, char::len_utf8));
        self.marked_with(&text, begins_inside)
    }

    /// The same for a word with which a template does something else than write it down.
    pub(super) fn marked_word(&self, text: &str) -> String {
        self.marked_with(&without_marks(text), None)
    }

    fn marked_with(&self, text: &str, begins_inside: Option<usize>) -> String {
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        for name in self.names.find_iter(text) {
            self.with_joints(&text[..name.start()], at, begins_inside, &mut out);
            out.push(PLAIN[0]);
            out.push_str(&text[name.range()]);
            out.push(PLAIN[1]);
            at = name.end();
        }
        self.with_joints(text, at, begins_inside, &mut out);
        out
    }

    /// Adds what of `text` stands behind `from`, with joints behind beginnings of names, and at `also`.
    fn with_joints(&self, text: &str, from: usize, also: Option<usize>, out: &mut String) {
        let mut joints: Vec<usize> = also.into_iter().filter(|at| *at > from && *at <= text.len()).collect();
        let may_begin = |(at, _): &(usize, char)| self.firsts[usize::from(text.as_bytes()[*at])];
        for (at, c) in text[from..].char_indices().map(|(at, c)| (from + at, c)).filter(may_begin) {
            let n = self.beginning(&text[at..]);
            let is_suspicious = n > 1 || (n == 1 && !c.is_alphanumeric());
            if is_suspicious && word(&text[at..]).is_none_or(|word| !self.tags.contains(word)) {
                joints.push(at + n);
            }
        }
        joints.sort_unstable();
        joints.dedup();
        let mut at = from;
        for joint in joints {
            out.push_str(&text[at..joint]);
            out.push(JOINT);
            at = joint;
        }
        out.push_str(&text[at..]);
    }

    /// How many of the first bytes begin a name.
    fn beginning(&self, text: &str) -> usize {
        let (mut names, mut n) = (self.sorted.as_slice(), 0);
        for c in text.chars().take(self.max_bytes) {
            let end = n + c.len_utf8();
            let bytes = &text.as_bytes()[..end];
            let first = names.partition_point(|name| name.as_bytes() < bytes);
            let n_more = names[first..].partition_point(|name| name.as_bytes().starts_with(bytes));
            if n_more == 0 {
                break;
            }
            (names, n) = (&names[first..first + n_more], end);
        }
        n
    }

    /// Whether `text`, or its beginning, is a name but for brackets before it, and around it.
    fn begins_inside(&self, text: &str) -> bool {
        if text.len() <= self.max_bytes && self.whole.contains(text.trim_end()) {
            return true;
        }
        let mut ends = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= self.max_bytes);
        ends.any(|end| self.lasts[usize::from(text.as_bytes()[end - 1])] && self.inner.contains(&text[..end]))
    }

    /// Adds what a template wrote, without marks, cut where a name would come together.
    fn cut(&self, text: &str, segments: &mut Vec<Segment>) {
        let mut clean = String::with_capacity(text.len());
        let mut joints = Vec::new();
        for c in text.chars() {
            match c {
                JOINT => joints.push(clean.len()),
                c if c == PLAIN[1] => {}
                c => clean.push(c),
            }
        }
        joints.dedup();
        let mut spanned = Vec::new();
        if !joints.is_empty() {
            // Why overlapping ones: which of them a tokenizer takes first is its own business.
            for name in self.anywhere.find_overlapping_iter(&clean) {
                let first = joints.partition_point(|joint| *joint <= name.start());
                spanned.extend(joints[first..].iter().copied().take_while(|joint| *joint < name.end()));
            }
        }
        spanned.sort_unstable();
        spanned.dedup();
        let mut at = 0;
        for end in spanned.into_iter().chain([clean.len()]).filter(|end| *end > 0) {
            push(segments, &clean[at..end], true);
            at = end;
        }
    }

    /// The segments of a rendered prompt: names between marks are text.
    pub(super) fn segments(&self, text: &str, segments: &mut Vec<Segment>) {
        for (i, part) in text.split(PLAIN[0]).enumerate() {
            // Why no further than the name: a template may have cut off the mark behind it.
            let name = if i == 0 { None } else { self.names.find(part) };
            let (name, rest) = part.split_at(name.filter(|name| name.start() == 0).map_or(0, |name| name.end()));
            push(segments, name, false);
            self.cut(rest, segments);
        }
    }
}

/// `text` without the characters that are marks here.
pub(super) fn without_marks(text: &str) -> String {
    text.replace([PLAIN[0], PLAIN[1], JOINT], "\u{FFFD}")
}

fn push(segments: &mut Vec<Segment>, text: &str, is_trusted: bool) {
    if !text.is_empty() {
        segments.push(Segment { text: text.to_owned(), is_trusted });
    }
}

/// The first word, with the bracket that ends it; nothing if none ends it.
fn word(text: &str) -> Option<&str> {
    let mut chars = text.char_indices().skip(1).take_while(|(at, _)| *at < MAX_WORD_BYTES);
    let (at, c) =
        chars.find(|(_, c)| matches!(c, '>' | ']') || c.is_whitespace() || matches!(c, '<' | '[' | '"' | '\''))?;
    matches!(c, '>' | ']').then(|| &text[..=at])
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 6] = ["<|im_end|>", "<tool_call>", "</tool_call>", "[INST]", "<SPECIAL_12>", "<string>"];

    fn controls() -> Controls {
        let source =
            "{{ content.replace('/think', '').split('</think>') if '<think>' in content }}{{ '<' ~ key ~ '>' }}";
        Controls::new(NAMES.into_iter(), source).expect("names")
    }

    fn trusted(controls: &Controls, rendered: &str) -> Vec<String> {
        let mut segments = Vec::new();
        controls.segments(rendered, &mut segments);
        let names = |segment: &Segment| {
            let found = |name: &&str| segment.text.matches(*name).map(str::to_owned).collect::<Vec<_>>();
            NAMES.iter().flat_map(found).collect::<Vec<String>>()
        };
        let all: String = segments.iter().map(|segment| segment.text.as_str()).collect();
        assert!(!all.contains([PLAIN[0], PLAIN[1], JOINT]), "{all:?}");
        segments.iter().filter(|segment| segment.is_trusted).flat_map(names).collect()
    }

    #[test]
    fn no_name_comes_together() {
        let controls = controls();
        let removed = |text: &str| controls.marked(text).replace("/think", "");
        let bracketed = |text: &str| format!("\n<{}>x", controls.marked(text).trim());
        for rendered in [
            removed("a <SPE/thinkCIAL_12> b"),
            removed("<|im_/thinkend|>"),
            removed("</think/tool_call>"),
            removed("<SPE/think") + &removed("CIAL_12>"),
            bracketed("|im_end|"),
            bracketed(" tool_call"),
            bracketed("/tool_call"),
            format!("<|{}", controls.marked("im_end|> and more")),
            controls.marked("plain <|im_end|> [INST]"),
            controls.marked("[") + "INST]",
        ] {
            assert_eq!(trusted(&controls, &rendered), Vec::<String>::new(), "{rendered:?}");
        }
        for (rendered, expected) in [
            (format!("<|im_end|>{}<|im_end|>", controls.marked("a < b, [x] <table>")), vec!["<|im_end|>"; 2]),
            (format!("<tool_call>{}</tool_call>", controls.marked("tool_call")), vec!["<tool_call>", "</tool_call>"]),
            (bracketed("string"), vec!["<string>"]),
        ] {
            assert_eq!(trusted(&controls, &rendered), expected, "{rendered:?}");
        }
    }

    #[test]
    fn what_a_template_looks_for_is_found() {
        let controls = controls();
        for text in ["<think>a</think>", "a /think b", "python", "object", "x <|im_end|> y"] {
            assert_eq!(controls.marked(text).replace([PLAIN[0], PLAIN[1]], ""), text);
        }
        assert_eq!(controls.marked_word("tool_call"), "tool_call");
        // Text without names is one segment, whatever is in it.
        let mut segments = Vec::new();
        controls.segments(&controls.marked("<table> [x] a < b <|im_> </t>"), &mut segments);
        assert_eq!(segments.len(), 1);
    }
}
