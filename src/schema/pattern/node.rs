//! What a pattern says, with everything that needs no assertion already turned into a language.
//!
//! An assertion whose view ends inside the plain text beside it is settled while the tree is built: `(?!a)[a-z]` is
//! a class, `[a-z]+(?<!x)` a language. Only what is left needs a translation that knows its surroundings.

use super::lang::{Lang, Sense, Side, count};

/// A part of a pattern.
///
/// Invariant: `Sequence`, `Or` and `Repeat` hold at least one assertion; what holds none is `Plain`.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Plain(Lang),
    /// `^`
    Start,
    /// `$`
    End,
    /// `(?=` `(?!` `(?<=` `(?<!`
    Look(Side, Sense, Box<Node>),
    /// `\b` `\B`
    Boundary(Sense),
    Sequence(Vec<Node>),
    Or(Vec<Node>),
    Repeat(Box<Node>, u32, Option<u32>),
}

/// Where in the whole string a part begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// At its beginning.
    Start,
    /// After its first character or later.
    Inside,
    /// Either, depending on the string.
    Unsure,
}

/// A settled word boundary may be this large even where it doubles the text around it.
const MAX_DOUBLED: usize = 200;

impl Place {
    /// The place after a text of so many characters.
    pub(super) fn after(self, min_chars: usize, max_chars: Option<usize>) -> Self {
        if min_chars > 0 {
            Self::Inside
        } else if self == Self::Inside || max_chars == Some(0) {
            self
        } else {
            Self::Unsure
        }
    }
}

impl Node {
    /// One after the other.
    pub(super) fn sequence(items: Vec<Self>) -> Self {
        let mut flat = Vec::with_capacity(items.len());
        let mut run = Vec::new();
        for item in items.into_iter().flat_map(Self::into_items) {
            match item {
                Self::Plain(lang) => run.push(lang),
                item => {
                    if !run.is_empty() {
                        flat.push(Self::Plain(Lang::concat(std::mem::take(&mut run))));
                    }
                    flat.push(item);
                }
            }
        }
        if !run.is_empty() {
            flat.push(Self::Plain(Lang::concat(run)));
        }
        let mut items = settle(flat);
        if items.iter().any(|item| matches!(item, Self::Plain(Lang::Nothing))) {
            return Self::Plain(Lang::Nothing);
        }
        match items.pop() {
            None => Self::Plain(Lang::Empty),
            Some(item) if items.is_empty() => item,
            Some(item) => {
                items.push(item);
                Self::Sequence(items)
            }
        }
    }

    /// One of several.
    pub(super) fn or(branches: Vec<Self>) -> Self {
        let (mut plain, mut others) = (Vec::new(), Vec::new());
        for branch in branches {
            let inner = match branch {
                Self::Or(inner) => inner,
                branch => vec![branch],
            };
            for branch in inner {
                match branch {
                    Self::Plain(lang) => plain.push(lang),
                    branch => others.push(branch),
                }
            }
        }
        let plain = Lang::or(plain);
        if others.is_empty() {
            return Self::Plain(plain);
        }
        if plain != Lang::Nothing {
            others.push(Self::Plain(plain));
        }
        if others.len() == 1 { others.remove(0) } else { Self::Or(others) }
    }

    /// Several times.
    pub(super) fn repeat(body: Self, min: u32, max: Option<u32>) -> Self {
        match body {
            Self::Plain(lang) => Self::Plain(Lang::repeat(lang, min, max)),
            _ if max == Some(0) => Self::Plain(Lang::Empty),
            body if (min, max) == (1, Some(1)) => body,
            // Why: to ask the same at the same place again changes nothing.
            body if body.max_chars() == Some(0) => {
                if min == 0 {
                    Self::Plain(Lang::Empty)
                } else {
                    body
                }
            }
            body => Self::Repeat(Box::new(body), min, max),
        }
    }

    /// The items of a sequence; of anything else, the thing itself.
    pub(super) fn items(&self) -> &[Self] {
        match self {
            Self::Sequence(items) => items,
            node => std::slice::from_ref(node),
        }
    }

    fn into_items(self) -> Vec<Self> {
        match self {
            Self::Sequence(items) => items,
            node => vec![node],
        }
    }

    /// Whether it consumes nothing and stands alone.
    pub(super) fn is_assertion(&self) -> bool {
        matches!(self, Self::Start | Self::End | Self::Look(..) | Self::Boundary(_))
    }

    /// Whether `test` holds for it or anything in it.
    pub(super) fn any(&self, test: &dyn Fn(&Self) -> bool) -> bool {
        test(self)
            || match self {
                Self::Plain(_) | Self::Start | Self::End | Self::Boundary(_) => false,
                Self::Look(_, _, body) | Self::Repeat(body, ..) => body.any(test),
                Self::Sequence(parts) | Self::Or(parts) => parts.iter().any(|part| part.any(test)),
            }
    }

    /// A lower bound of the characters it consumes.
    pub(super) fn min_chars(&self) -> usize {
        match self {
            Self::Plain(lang) => lang.min_chars(),
            Self::Start | Self::End | Self::Look(..) | Self::Boundary(_) => 0,
            Self::Sequence(items) => items.iter().fold(0, |sum, item| sum.saturating_add(item.min_chars())),
            Self::Or(branches) => branches.iter().map(Self::min_chars).min().unwrap_or(0),
            Self::Repeat(body, min, _) => body.min_chars().saturating_mul(count(*min)),
        }
    }

    /// An upper bound of the characters it consumes, where one is known.
    pub(super) fn max_chars(&self) -> Option<usize> {
        match self {
            Self::Plain(lang) => lang.max_chars(),
            Self::Start | Self::End | Self::Look(..) | Self::Boundary(_) => Some(0),
            Self::Sequence(items) => items.iter().try_fold(0_usize, |sum, item| sum.checked_add(item.max_chars()?)),
            Self::Or(branches) => branches.iter().try_fold(0, |most, branch| Some(branch.max_chars()?.max(most))),
            Self::Repeat(body, _, max) => body.max_chars()?.checked_mul(count((*max)?)),
        }
    }

    /// How many characters from its beginning on decide whether it matches, where that is known.
    pub(super) fn reach(&self) -> Option<usize> {
        match self {
            Self::Plain(lang) => lang.max_chars(),
            Self::Start | Self::Look(Side::Behind, ..) => Some(0),
            Self::Boundary(_) => Some(1),
            Self::Look(Side::Ahead, _, body) => body.reach(),
            Self::Sequence(items) => {
                let (mut at, mut reach) = (0_usize, 0);
                for item in items {
                    reach = at.checked_add(item.reach()?)?.max(reach);
                    at = at.checked_add(item.max_chars()?)?;
                }
                Some(reach)
            }
            Self::Or(branches) => branches.iter().try_fold(0, |most, branch| Some(branch.reach()?.max(most))),
            Self::End | Self::Repeat(..) => None,
        }
    }

    /// The texts it may consume if every assertion in it holds.
    pub(super) fn without_assertions(&self) -> Lang {
        match self {
            Self::Plain(lang) => lang.clone(),
            Self::Start | Self::End | Self::Look(..) | Self::Boundary(_) => Lang::Empty,
            Self::Sequence(items) => Lang::concat(items.iter().map(Self::without_assertions).collect()),
            Self::Or(branches) => Lang::or(branches.iter().map(Self::without_assertions).collect()),
            Self::Repeat(body, min, max) => Lang::repeat(body.without_assertions(), *min, *max),
        }
    }

    /// The texts it matches at `place`, if what surrounds them does not matter further.
    pub(super) fn plain_at(&self, place: Place) -> Option<Lang> {
        match self {
            Self::Plain(lang) => Some(lang.clone()),
            Self::Start => match place {
                Place::Start => Some(Lang::Empty),
                Place::Inside => Some(Lang::Nothing),
                Place::Unsure => None,
            },
            Self::End | Self::Look(..) | Self::Boundary(_) => None,
            Self::Sequence(items) => {
                let mut place = place;
                let mut parts = Vec::with_capacity(items.len());
                for item in items {
                    let part = item.plain_at(place)?;
                    place = place.after(part.min_chars(), part.max_chars());
                    parts.push(part);
                }
                Some(Lang::concat(parts))
            }
            Self::Or(branches) => {
                branches.iter().map(|branch| branch.plain_at(place)).collect::<Option<Vec<_>>>().map(Lang::or)
            }
            Self::Repeat(body, min, max) => {
                let later = body.plain_at(Place::Inside)?;
                if place == Place::Inside {
                    return Some(Lang::repeat(later, *min, *max));
                }
                if body.min_chars() == 0 {
                    return None;
                }
                let first = body.plain_at(place)?;
                let later = Lang::repeat(later, min.saturating_sub(1), max.map(|max| max.saturating_sub(1)));
                let some = Lang::concat(vec![first, later]);
                Some(if *min == 0 { Lang::or(vec![some, Lang::Empty]) } else { some })
            }
        }
    }

    /// The order in which assertions at one place are taken: first those that the text before them can settle.
    fn rank(&self) -> u8 {
        match self {
            Self::Start => 0,
            Self::Look(Side::Behind, ..) => 1,
            Self::Boundary(_) => 2,
            Self::Look(Side::Ahead, ..) => 3,
            Self::End => 4,
            Self::Plain(_) | Self::Sequence(_) | Self::Or(_) | Self::Repeat(..) => 5,
        }
    }
}

/// Settles the assertions that look no further than the plain text beside them.
fn settle(mut items: Vec<Node>) -> Vec<Node> {
    for run in items.chunk_by_mut(|a, b| a.is_assertion() && b.is_assertion()) {
        run.sort_by_key(Node::rank);
    }
    // Backwards, so that a lookahead meets the text with which its right neighbour is already settled.
    let mut backwards = Vec::with_capacity(items.len());
    while let Some(item) = items.pop() {
        let Some(next) = backwards.pop() else {
            backwards.push(item);
            continue;
        };
        match joined(item, next) {
            Ok(one) => backwards.push(one),
            Err((item, next)) => backwards.extend([next, item]),
        }
    }
    let mut out = Vec::with_capacity(backwards.len());
    while let Some(item) = backwards.pop() {
        let Some(previous) = out.pop() else {
            out.push(item);
            continue;
        };
        match joined(previous, item) {
            Ok(one) => out.push(one),
            Err((previous, item)) => out.extend([previous, item]),
        }
        settle_boundary(&mut out);
    }
    out
}

/// Makes one plain node of two neighbours, or gives them back.
fn joined(left: Node, right: Node) -> Result<Node, (Node, Node)> {
    match (left, right) {
        (Node::Plain(left), Node::Plain(right)) => Ok(Node::Plain(Lang::concat(vec![left, right]))),
        (Node::Look(Side::Ahead, sense, body), Node::Plain(text)) => match *body {
            Node::Plain(look) if is_within(&look, &text) => {
                Ok(Node::Plain(text.restrict(Side::Ahead, sense, Lang::concat(vec![look, Lang::all()]))))
            }
            body => Err((Node::Look(Side::Ahead, sense, Box::new(body)), Node::Plain(text))),
        },
        (Node::Plain(text), Node::Look(Side::Behind, sense, body)) => match *body {
            Node::Plain(look) if is_within(&look, &text) => {
                Ok(Node::Plain(text.restrict(Side::Behind, sense, Lang::concat(vec![Lang::all(), look]))))
            }
            body => Err((Node::Plain(text), Node::Look(Side::Behind, sense, Box::new(body)))),
        },
        neighbours => Err(neighbours),
    }
}

/// Whether a look at `look` never sees past a neighbouring `text`.
fn is_within(look: &Lang, text: &Lang) -> bool {
    look.max_chars().is_some_and(|n| n <= text.min_chars())
}

/// Settles a word boundary before the last item, if plain text that is never empty stands at both of its sides.
fn settle_boundary(items: &mut Vec<Node>) {
    let [.., Node::Plain(left), Node::Boundary(sense), Node::Plain(right)] = items.as_slice() else { return };
    if left.min_chars() == 0 || right.min_chars() == 0 {
        return;
    }
    let text = Lang::at_boundary(left, *sense, right);
    if text.size() <= (left.size() + right.size() + 2).max(MAX_DOUBLED) {
        items.truncate(items.len() - 3);
        items.push(Node::Plain(text));
    }
}
