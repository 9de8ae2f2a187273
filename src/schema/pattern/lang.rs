//! Languages: sets of strings, written as the operations that build them.
//!
//! The constructors simplify while they build, because each operation costs states in the automaton made from it:
//! `And` and `Not` above all. Two languages that compare unequal may still hold the same strings.

use super::set::{self, Ranges};

/// A set of strings of Unicode scalar values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Lang {
    /// Only the empty string.
    Empty,
    /// No string at all.
    Nothing,
    /// One character out of sorted, disjoint, inclusive ranges; none of them reaches across the surrogates, and two
    /// of them only touch there.
    Class(Vec<(char, char)>),
    /// One after the other.
    Concat(Vec<Lang>),
    /// In at least one.
    Or(Vec<Lang>),
    /// In every one.
    And(Vec<Lang>),
    /// All strings that the inner one does not hold.
    Not(Box<Lang>),
    /// At least min, at most max (None: unbounded) repetitions.
    Repeat(Box<Lang>, u32, Option<u32>),
}

/// The end of a text that an assertion looks at: what follows it, or what precedes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Ahead,
    Behind,
}

/// Whether an assertion wants something to stand there, or not to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sense {
    Is,
    IsNot,
}

impl Lang {
    /// One character, whichever.
    #[must_use]
    pub fn any_char() -> Self {
        Self::Class(set::ANY.to_vec())
    }

    /// Every string.
    #[must_use]
    pub fn all() -> Self {
        Self::Repeat(Box::new(Self::any_char()), 0, None)
    }

    /// One character out of `ranges`, which may come in any order and overlap.
    #[must_use]
    pub fn class(ranges: Vec<(char, char)>) -> Self {
        let ranges = set::normal(ranges);
        if ranges.is_empty() { Self::Nothing } else { Self::Class(ranges) }
    }

    /// One character, none out of `ranges`.
    #[must_use]
    pub fn class_without(ranges: Vec<(char, char)>) -> Self {
        Self::class(set::negate(&set::normal(ranges)))
    }

    /// Only `text`.
    #[must_use]
    pub fn literal(text: &str) -> Self {
        Self::concat(text.chars().map(|c| Self::Class(vec![(c, c)])).collect())
    }

    /// One after the other.
    #[must_use]
    pub fn concat(parts: Vec<Self>) -> Self {
        fn push(out: &mut Vec<Lang>, part: Lang) {
            match part {
                Lang::Empty => {}
                Lang::Concat(inner) => inner.into_iter().for_each(|part| push(out, part)),
                // Why: beside every string, what may be empty adds nothing.
                part if out.last().is_some_and(Lang::is_all) && part.is_nullable() => {}
                part => {
                    if part.is_all() {
                        while out.last().is_some_and(Lang::is_nullable) {
                            out.pop();
                        }
                    }
                    out.push(part);
                }
            }
        }
        let mut out = Vec::with_capacity(parts.len());
        parts.into_iter().for_each(|part| push(&mut out, part));
        if out.contains(&Self::Nothing) {
            return Self::Nothing;
        }
        single(out, |out| if out.is_empty() { Self::Empty } else { Self::Concat(out) })
    }

    /// In at least one.
    #[must_use]
    pub fn or(parts: Vec<Self>) -> Self {
        fn gather(part: Lang, class: &mut Ranges, out: &mut Vec<Lang>) {
            match part {
                Lang::Nothing => {}
                Lang::Class(ranges) => class.extend(ranges),
                Lang::Or(inner) => inner.into_iter().for_each(|part| gather(part, class, out)),
                part => out.push(part),
            }
        }
        let (mut class, mut out) = (Vec::new(), Vec::with_capacity(parts.len()));
        parts.into_iter().for_each(|part| gather(part, &mut class, &mut out));
        if out.iter().any(Self::is_all) {
            return Self::all();
        }
        if out.contains(&Self::Empty) {
            out.retain(|part| *part != Self::Empty);
            if !out.iter().any(Self::is_nullable) {
                out.push(Self::Empty);
            }
        }
        if !class.is_empty() {
            out.insert(0, Self::class(class));
        }
        single(out, |out| if out.is_empty() { Self::Nothing } else { Self::Or(out) })
    }

    /// In every one.
    #[must_use]
    pub fn and(parts: Vec<Self>) -> Self {
        fn gather(part: Lang, out: &mut Vec<Lang>) {
            match part {
                Lang::And(inner) => inner.into_iter().for_each(|part| gather(part, out)),
                part if part.is_all() => {}
                part => out.push(part),
            }
        }
        let mut out = Vec::with_capacity(parts.len());
        parts.into_iter().for_each(|part| gather(part, &mut out));
        if out.contains(&Self::Nothing) {
            return Self::Nothing;
        }
        if out.contains(&Self::Empty) {
            return if out.iter().all(Self::is_nullable) { Self::Empty } else { Self::Nothing };
        }
        single(out, |out| if out.is_empty() { Self::all() } else { Self::And(out) })
    }

    /// All strings that `inner` does not hold.
    #[must_use]
    pub fn complement(inner: Self) -> Self {
        match inner {
            Self::Nothing => Self::all(),
            Self::Not(inner) => *inner,
            inner if inner.is_all() => Self::Nothing,
            inner => Self::Not(Box::new(inner)),
        }
    }

    /// At least `min`, at most `max` repetitions; without `max`, any number from `min` on.
    #[must_use]
    pub fn repeat(inner: Self, min: u32, max: Option<u32>) -> Self {
        match (inner, max) {
            (_, Some(0)) | (Self::Empty, _) => Self::Empty,
            (Self::Nothing, _) => {
                if min == 0 {
                    Self::Empty
                } else {
                    Self::Nothing
                }
            }
            (inner, Some(1)) if min == 1 => inner,
            // Why: a body that may stand once leaves no gap between the counts that several of them reach.
            (Self::Repeat(inner, least @ 0..=1, _), None) => Self::Repeat(inner, least * min, None),
            (inner, max) => Self::Repeat(Box::new(inner), min, max),
        }
    }

    /// Whether this is, by its form, the language of every string.
    #[must_use]
    pub fn is_all(&self) -> bool {
        let Self::Repeat(inner, 0, None) = self else { return false };
        matches!(&**inner, Self::Class(ranges) if ranges[..] == set::ANY)
    }

    /// Whether the empty string is in it.
    #[must_use]
    pub fn is_nullable(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Nothing | Self::Class(_) => false,
            Self::Concat(parts) | Self::And(parts) => parts.iter().all(Self::is_nullable),
            Self::Or(parts) => parts.iter().any(Self::is_nullable),
            Self::Not(inner) => !inner.is_nullable(),
            Self::Repeat(inner, min, _) => *min == 0 || inner.is_nullable(),
        }
    }

    /// A lower bound of the characters in its strings.
    #[must_use]
    pub fn min_chars(&self) -> usize {
        match self {
            Self::Empty | Self::Nothing => 0,
            Self::Class(_) => 1,
            Self::Concat(parts) => parts.iter().fold(0, |sum, part| sum.saturating_add(part.min_chars())),
            Self::Or(parts) => parts.iter().map(Self::min_chars).min().unwrap_or(0),
            Self::And(parts) => parts.iter().map(Self::min_chars).max().unwrap_or(0),
            Self::Not(inner) => usize::from(inner.is_nullable()),
            Self::Repeat(inner, min, _) => inner.min_chars().saturating_mul(count(*min)),
        }
    }

    /// An upper bound of the characters in its strings, where one is known.
    #[must_use]
    pub fn max_chars(&self) -> Option<usize> {
        match self {
            Self::Empty | Self::Nothing => Some(0),
            Self::Class(_) => Some(1),
            Self::Concat(parts) => parts.iter().try_fold(0_usize, |sum, part| sum.checked_add(part.max_chars()?)),
            Self::Or(parts) => parts.iter().try_fold(0, |most, part| Some(part.max_chars()?.max(most))),
            Self::And(parts) => parts.iter().filter_map(Self::max_chars).min(),
            Self::Not(_) => None,
            Self::Repeat(inner, _, max) => match inner.max_chars()? {
                0 => Some(0),
                n => n.checked_mul(count((*max)?)),
            },
        }
    }

    /// How large it is written down, in nodes of about equal weight.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Empty | Self::Nothing => 1,
            Self::Class(ranges) => 1 + ranges.len() / 32,
            Self::Concat(parts) | Self::Or(parts) | Self::And(parts) => {
                parts.iter().fold(1, |sum, part| sum + part.size())
            }
            Self::Not(inner) | Self::Repeat(inner, ..) => 1 + inner.size(),
        }
    }

    /// Keeps the strings that `other` holds too, or those that it does not. Where `other` asks for no more than the
    /// character at one side, the answer needs neither `And` nor `Not`.
    #[must_use]
    pub(super) fn restrict(self, side: Side, sense: Sense, other: Self) -> Self {
        match (other.asked_edge(side), sense) {
            (Some(class), Sense::Is) => self.with_edge(side, class),
            (Some(class), Sense::IsNot) => {
                let empty = if self.is_nullable() { Self::Empty } else { Self::Nothing };
                Self::or(vec![self.with_edge(side, &set::negate(class)), empty])
            }
            (None, Sense::Is) => Self::and(vec![self, other]),
            (None, Sense::IsNot) => Self::and(vec![self, Self::complement(other)]),
        }
    }

    /// Joins two texts where a word boundary (`Sense::Is`) or none (`Sense::IsNot`) lies between them.
    #[must_use]
    pub(super) fn at_boundary(left: &Self, sense: Sense, right: &Self) -> Self {
        let word = || Self::class(set::WORD.to_vec());
        let case = |before, after| {
            let left = left.clone().restrict(Side::Behind, before, Self::concat(vec![Self::all(), word()]));
            let right = right.clone().restrict(Side::Ahead, after, Self::concat(vec![word(), Self::all()]));
            Self::concat(vec![left, right])
        };
        let cases = match sense {
            Sense::Is => [(Sense::Is, Sense::IsNot), (Sense::IsNot, Sense::Is)],
            Sense::IsNot => [(Sense::Is, Sense::Is), (Sense::IsNot, Sense::IsNot)],
        };
        Self::or(cases.into_iter().map(|(before, after)| case(before, after)).collect())
    }

    /// The class, where this is "that character at `side`, and anything beside it".
    fn asked_edge(&self, side: Side) -> Option<&[(char, char)]> {
        let Self::Concat(parts) = self else { return None };
        match (side, parts.as_slice()) {
            (Side::Ahead, [Self::Class(class), other]) | (Side::Behind, [other, Self::Class(class)])
                if other.is_all() =>
            {
                Some(class.as_slice())
            }
            _ => None,
        }
    }

    /// Keeps the strings whose character at `side` is in `class`.
    fn with_edge(self, side: Side, class: &[(char, char)]) -> Self {
        let in_order = |edge, others| match side {
            Side::Ahead => Self::concat(vec![edge, others]),
            Side::Behind => Self::concat(vec![others, edge]),
        };
        match self {
            Self::Empty | Self::Nothing => Self::Nothing,
            Self::Class(own) => Self::class(set::intersect(&own, class)),
            Self::Or(parts) => Self::or(parts.into_iter().map(|part| part.with_edge(side, class)).collect()),
            Self::Concat(mut parts) => {
                let at = match side {
                    Side::Ahead => 0,
                    Side::Behind => parts.len().saturating_sub(1),
                };
                if parts.get(at).is_none_or(Self::is_nullable) {
                    return Self::and(vec![in_order(Self::class(class.to_vec()), Self::all()), Self::Concat(parts)]);
                }
                let edge = parts.remove(at);
                in_order(edge.with_edge(side, class), Self::Concat(parts))
            }
            Self::Repeat(inner, min, max) => match *inner {
                Self::Class(own) => {
                    let edge = Self::class(set::intersect(&own, class));
                    let max = max.map(|max| max.saturating_sub(1));
                    in_order(edge, Self::repeat(Self::Class(own), min.saturating_sub(1), max))
                }
                inner => Self::and(vec![
                    in_order(Self::class(class.to_vec()), Self::all()),
                    Self::Repeat(Box::new(inner), min, max),
                ]),
            },
            other @ (Self::And(_) | Self::Not(_)) => {
                Self::and(vec![other, in_order(Self::class(class.to_vec()), Self::all())])
            }
        }
    }
}

/// Unwraps a list of one; `otherwise` makes something of any other.
fn single(mut parts: Vec<Lang>, otherwise: impl FnOnce(Vec<Lang>) -> Lang) -> Lang {
    match parts.pop() {
        Some(part) if parts.is_empty() => part,
        last => {
            parts.extend(last);
            otherwise(parts)
        }
    }
}

/// A count of repetitions as a number of characters.
pub(super) fn count(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
