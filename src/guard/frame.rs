//! Text around values: what a format of tool calls puts before, between and behind them, and what may stand before an
//! answer.
//!
//! Bytes are those of tokens; a control token is 0xFF and its id in brackets, which no text holds.

/// A text with holes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame(pub Vec<Bit>);

/// A part of a [`Frame`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bit {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The name of a tool.
    Name,
    /// The id of a call.
    Id(IdForm),
    /// The number of a call: up to four digits.
    Index,
}

/// What the id of a call looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdForm {
    /// Nine letters and digits.
    Nine,
    /// Ten lowercase letters and digits.
    Ten,
}

/// How far a text fills a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fill {
    /// All of it; the frame takes so many bytes.
    Whole(usize),
    /// It breaks off; this would complete it.
    Part(Vec<u8>),
    /// It is something else.
    Not,
}

const MAX_INDEX_DIGITS: usize = 4;

impl Frame {
    /// A frame without holes.
    #[must_use]
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self(if bytes.is_empty() { Vec::new() } else { vec![Bit::Bytes(bytes)] })
    }

    /// Whether it is no text at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Both, one after the other.
    #[must_use]
    pub fn then(&self, next: &Self) -> Self {
        let mut bits = self.0.clone();
        for bit in &next.0 {
            match (bits.last_mut(), bit) {
                (Some(Bit::Bytes(last)), Bit::Bytes(more)) => last.extend_from_slice(more),
                _ => bits.push(bit.clone()),
            }
        }
        Self(bits)
    }

    /// The same for one tool.
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        let bit = |bit: &Bit| match bit {
            Bit::Name => Self::bytes(name),
            other => Self(vec![other.clone()]),
        };
        self.0.iter().map(bit).fold(Self::default(), |frame, next| frame.then(&next))
    }

    /// The bytes up to the first hole.
    #[must_use]
    pub fn start(&self) -> &[u8] {
        match self.0.first() {
            Some(Bit::Bytes(bytes)) => bytes,
            _ => b"",
        }
    }

    /// Whether it ends in a name, which could go on.
    #[must_use]
    pub fn ends_in_name(&self) -> bool {
        match self.0.last() {
            Some(Bit::Bytes(bytes)) => bytes.last().is_some_and(|byte| Bit::Name.takes(*byte)),
            Some(Bit::Name) => true,
            Some(Bit::Id(_) | Bit::Index) | None => false,
        }
    }

    /// Whether `text` ends a name before it.
    #[must_use]
    pub fn ends_name(text: &[u8]) -> bool {
        text.first().is_some_and(|byte| !Bit::Name.takes(*byte))
    }

    /// The same without its first bytes, which must be `start`.
    #[must_use]
    pub fn without(&self, start: &[u8]) -> Self {
        match self.0.split_first() {
            Some((Bit::Bytes(bytes), rest)) => {
                let first = Self::bytes(bytes.strip_prefix(start).unwrap_or(bytes));
                first.then(&Self(rest.to_vec()))
            }
            _ => self.clone(),
        }
    }

    /// A text for it.
    #[must_use]
    pub fn filled(&self) -> Vec<u8> {
        let bit = |bit: &Bit| match bit {
            Bit::Bytes(bytes) => bytes.clone(),
            Bit::Name => Vec::new(),
            Bit::Id(_) | Bit::Index => vec![b'0'; bit.least()],
        };
        self.0.iter().flat_map(bit).collect()
    }

    /// How far the beginning of `text` fills it.
    #[must_use]
    pub fn fill(&self, text: &[u8]) -> Fill {
        let mut at = 0;
        for (i, bit) in self.0.iter().enumerate() {
            let rest = &text[at..];
            let n_missing =
                |n_there: usize, all: &[u8]| [&all[n_there..], &Self(self.0[i + 1..].to_vec()).filled()].concat();
            match bit {
                Bit::Bytes(bytes) if rest.starts_with(bytes) => at += bytes.len(),
                Bit::Bytes(bytes) if bytes.starts_with(rest) => return Fill::Part(n_missing(rest.len(), bytes)),
                Bit::Bytes(_) => return Fill::Not,
                Bit::Name | Bit::Id(_) | Bit::Index => {
                    let (n, least) = (bit.n_taken(rest), bit.least());
                    if n == rest.len() && n < bit.most() {
                        return Fill::Part(n_missing(n.min(least), &vec![b'0'; least]));
                    }
                    if n < least {
                        return Fill::Not;
                    }
                    at += n;
                }
            }
        }
        Fill::Whole(at)
    }

    /// Whether `text` ends in it.
    #[must_use]
    pub fn ends(&self, text: &[u8]) -> bool {
        let mut rest = text;
        self.0.iter().rev().all(|bit| {
            let kept = match bit {
                Bit::Bytes(bytes) => rest.strip_suffix(bytes.as_slice()),
                Bit::Name | Bit::Id(_) | Bit::Index => {
                    let n = rest.iter().rev().take(bit.most()).take_while(|byte| bit.takes(**byte)).count();
                    (n > 0).then(|| &rest[..rest.len() - n])
                }
            };
            kept.is_some_and(|kept| {
                rest = kept;
                true
            })
        })
    }
}

impl IdForm {
    /// Its bytes.
    #[must_use]
    pub const fn n_bytes(self) -> usize {
        match self {
            Self::Nine => 9,
            Self::Ten => 10,
        }
    }

    /// Whether `byte` may be one of them.
    #[must_use]
    pub fn takes(self, byte: u8) -> bool {
        byte.is_ascii_alphanumeric() && (self == Self::Nine || !byte.is_ascii_uppercase())
    }
}

impl Bit {
    /// How many of the first bytes of `text` it takes, if it is a hole.
    #[must_use]
    pub fn n_taken(&self, text: &[u8]) -> usize {
        text.iter().take(self.most()).take_while(|byte| self.takes(**byte)).count()
    }

    fn most(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Name => usize::MAX,
            Self::Id(form) => form.n_bytes(),
            Self::Index => MAX_INDEX_DIGITS,
        }
    }

    fn least(&self) -> usize {
        if let Self::Id(form) = self { form.n_bytes() } else { 1 }
    }

    fn takes(&self, byte: u8) -> bool {
        match self {
            Self::Bytes(_) => false,
            Self::Name => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'),
            Self::Id(form) => form.takes(byte),
            Self::Index => byte.is_ascii_digit(),
        }
    }
}

/// What may stand before the answer proper: the model's thinking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preamble {
    /// What opens it, if the model may open it; where the prompt has, it is there from the first byte.
    pub open: Option<Vec<u8>>,
    /// What ends it.
    pub close: Vec<u8>,
    /// Whether that may stand alone, where the model does not think; one token, then.
    pub may_skip: bool,
}

/// Where in an answer with a preamble a text ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It may yet become a preamble.
    Unclear,
    /// In the preamble.
    Inside,
    /// In the answer, which begins at this byte.
    Answer(usize),
}

impl Preamble {
    /// Where `text` ends.
    #[must_use]
    pub fn stage(&self, text: &[u8]) -> Stage {
        let n_open = match &self.open {
            None => 0,
            Some(_) if self.may_skip && text.starts_with(&self.close) => return Stage::Answer(self.close.len()),
            Some(_) if self.may_skip && self.close.starts_with(text) => return Stage::Unclear,
            Some(open) if text.starts_with(open) => open.len(),
            Some(open) if open.starts_with(text) => return Stage::Unclear,
            Some(_) => return Stage::Answer(0),
        };
        find(&text[n_open..], &self.close).map_or(Stage::Inside, |at| Stage::Answer(n_open + at + self.close.len()))
    }
}

/// `text`, which follows a thought, without what stands before the answer: whitespace, but for a space where one of
/// `openings` begins with it.
#[must_use]
pub fn behind_thought<'t>(text: &'t [u8], openings: [&[u8]; 2]) -> &'t [u8] {
    let keeps_spaces = openings.iter().any(|opening| opening.starts_with(b" "));
    let is_gap = |byte: &u8| if keeps_spaces { *byte == b'\n' } else { byte.is_ascii_whitespace() };
    &text[text.iter().position(|byte| !is_gap(byte)).unwrap_or(text.len())..]
}

/// Where `what` stands first; an empty text stands nowhere.
#[must_use]
pub fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    if what.is_empty() { None } else { text.windows(what.len()).position(|window| window == what) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_filled_and_found() {
        let frame = Frame(vec![
            Bit::Bytes(b"<call>".to_vec()),
            Bit::Name,
            Bit::Bytes(b":".to_vec()),
            Bit::Index,
            Bit::Bytes(b" ".to_vec()),
            Bit::Id(IdForm::Nine),
            Bit::Bytes(b"=".to_vec()),
        ])
        .named("f");
        let whole = b"<call>f:12 abcdefgh9=";
        assert_eq!(frame.fill(&[whole.as_slice(), b"{}"].concat()), Fill::Whole(whole.len()));
        assert!(frame.ends(&[b"text".as_slice(), whole].concat()));
        assert!(!frame.ends(b"<call>g:12 abcdefgh9="));
        for n in 0..whole.len() {
            let Fill::Part(rest) = frame.fill(&whole[..n]) else { panic!("{n}") };
            let text = [&whole[..n], &rest].concat();
            assert_eq!(frame.fill(&text), Fill::Whole(text.len()), "{n}");
        }
        for other in ["<call>g", "<call>f:x", "<call>f:1 abc=", "<call>f:1 abcdefgh9x", "call"] {
            assert_eq!(frame.fill(other.as_bytes()), Fill::Not, "{other}");
        }
    }

    #[test]
    fn preambles_end_once() {
        let by_model = Preamble { open: Some(b"<t>".to_vec()), close: b"</t>".to_vec(), may_skip: false };
        for (text, stage) in [
            ("", Stage::Unclear),
            ("<t", Stage::Unclear),
            ("<tx", Stage::Answer(0)),
            ("<t>a</t", Stage::Inside),
            ("<t>a</t>b</t>", Stage::Answer(8)),
        ] {
            assert_eq!(by_model.stage(text.as_bytes()), stage, "{text}");
        }
        let by_either = Preamble { may_skip: true, ..by_model.clone() };
        for (text, stage) in
            [("</", Stage::Unclear), ("</t>b", Stage::Answer(4)), ("<t>", Stage::Inside), ("b", Stage::Answer(0))]
        {
            assert_eq!(by_either.stage(text.as_bytes()), stage, "{text}");
        }
        let opened = Preamble { open: None, ..by_model };
        assert_eq!(opened.stage(b"</t>"), Stage::Answer(4));
        assert_eq!(opened.stage(b""), Stage::Inside);
    }
}
