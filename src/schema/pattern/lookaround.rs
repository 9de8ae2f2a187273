//! Patterns with assertions as languages.
//!
//! A part is translated together with what follows it until the end of the string, so that a lookahead is an
//! intersection with that rest, and `$` asks whether the rest may be empty. What precedes a part is carried along
//! for `^`, lookbehinds and word boundaries. Both directions stop at repetitions: there the number of iterations,
//! and so the rest, is unknown; only bodies of a fixed length and small counts are expressed.

use super::lang::{Lang, Sense, Side};
use super::node::{Node, Place};
use super::{MAX_SIZE, PatternError, irregular};

/// How deep assertions may follow and contain one another: the depth of the language and of the recursion here.
const MAX_TURNS: usize = 200;
/// A repetition with assertions in it is written out up to this count.
const MAX_UNROLLED: u32 = 32;

/// The translation of one pattern, with what it may still spend.
#[derive(Default)]
pub(super) struct Translator {
    turns: usize,
    copied: usize,
}

/// The text directly before the part at hand.
#[derive(Clone)]
struct Left {
    /// Where `text` begins. At `Place::Start`, `text` is all there is before the part.
    base: Place,
    text: Lang,
}

impl Left {
    /// No text yet, at `base`.
    fn at(base: Place) -> Self {
        Self { base, text: Lang::Empty }
    }

    /// The place where the text ends.
    fn place(&self) -> Place {
        self.base.after(self.text.min_chars(), self.text.max_chars())
    }

    fn push(&mut self, lang: Lang) {
        let text = std::mem::replace(&mut self.text, Lang::Empty);
        self.text = Lang::concat(vec![text, lang]);
    }
}

impl Translator {
    /// The strings in which `node` is found such that `rest` follows it until the end.
    pub(super) fn search(&mut self, node: &Node, rest: &Lang) -> Result<Lang, PatternError> {
        self.each_branch(node, |this, branch| {
            if branch.any(&|node| matches!(node, Node::Start)) {
                let first = this.branch(branch, Lang::Empty, rest)?;
                let later = this.branch(branch, Lang::repeat(Lang::any_char(), 1, None), rest)?;
                Ok(Lang::or(vec![first, later]))
            } else {
                this.branch(branch, Lang::all(), rest)
            }
        })
    }

    /// The strings that `node` matches from beginning to end.
    pub(super) fn whole(&mut self, node: &Node) -> Result<Lang, PatternError> {
        self.each_branch(node, |this, branch| this.branch(branch, Lang::Empty, &Lang::Empty))
    }

    fn each_branch(
        &mut self,
        node: &Node,
        mut translate: impl FnMut(&mut Self, &Node) -> Result<Lang, PatternError>,
    ) -> Result<Lang, PatternError> {
        let branches = match node {
            Node::Or(branches) => branches.as_slice(),
            node => std::slice::from_ref(node),
        };
        // Why: the branches lie beside each other, so their depths do not add up.
        let (before, mut most) = (self.turns, self.turns);
        let mut parts = Vec::with_capacity(branches.len());
        for branch in branches {
            self.turns = before;
            parts.push(translate(self, branch)?);
            most = most.max(self.turns);
        }
        self.turns = most;
        Ok(Lang::or(parts))
    }

    /// One alternative of the whole pattern, `before` being all text in front of it.
    fn branch(&mut self, branch: &Node, before: Lang, rest: &Lang) -> Result<Lang, PatternError> {
        let items = branch.items();
        let left = Left { base: Place::Start, text: before };
        let turns = self.turns;
        let error = match self.walk(items, left.clone(), rest.clone()) {
            Ok(lang) => return Ok(lang),
            Err(error) => error,
        };
        // A lookbehind at the end of the string sees nothing but the string, whatever else its view goes through.
        let n_last = items.iter().rev().take_while(|item| item.is_assertion()).count();
        let (body, last) = items.split_at(items.len() - n_last);
        let at_end = *rest == Lang::Empty || last.iter().any(|item| matches!(item, Node::End));
        if !at_end || !last.iter().any(|item| matches!(item, Node::Look(Side::Behind, ..))) {
            return Err(error);
        }
        self.turns = turns;
        let mut kept = body.to_vec();
        let mut string = Lang::all();
        for item in last {
            match item {
                Node::Look(Side::Behind, sense, look) => {
                    let whole = Left { base: Place::Start, text: string };
                    string = self.lookbehind(whole, *sense, look)?.text;
                }
                item => kept.push(item.clone()),
            }
        }
        Ok(Lang::and(vec![self.walk(&kept, left, rest.clone())?, string]))
    }

    /// What `left`, then `items`, then `rest` hold together.
    fn walk(&mut self, items: &[Node], mut left: Left, rest: Lang) -> Result<Lang, PatternError> {
        self.turn()?;
        let mut items = items.iter();
        while let Some(node) = items.next() {
            let after = items.as_slice();
            match node {
                Node::Plain(lang) => left.push(self.copy(lang)?),
                Node::Start => match left.place() {
                    Place::Start => {}
                    Place::Inside => return Ok(Lang::Nothing),
                    Place::Unsure => return Err(irregular("a `^` that may stand at the start or later")),
                },
                Node::End => {
                    let tail = if after.is_empty() { rest } else { self.walk(after, Left::at(left.place()), rest)? };
                    return Ok(if tail.is_nullable() { left.text } else { Lang::Nothing });
                }
                Node::Look(Side::Behind, sense, body) => left = self.lookbehind(left, *sense, body)?,
                Node::Look(Side::Ahead, sense, body) => {
                    let place = left.place();
                    let look = self.lang(body, Lang::all(), place)?;
                    let tail = self.walk(after, Left::at(place), rest)?;
                    return Ok(Lang::concat(vec![left.text, tail.restrict(Side::Ahead, *sense, look)]));
                }
                Node::Boundary(sense) => return self.boundary(left, *sense, after, rest),
                Node::Sequence(_) | Node::Or(_) | Node::Repeat(..) => {
                    let place = left.place();
                    if let Some(lang) = node.plain_at(place) {
                        self.charge(&lang)?;
                        left.push(lang);
                    } else {
                        let next = place.after(node.min_chars(), node.max_chars());
                        let tail = self.walk(after, Left::at(next), rest)?;
                        return Ok(Lang::concat(vec![left.text, self.lang(node, tail, place)?]));
                    }
                }
            }
            if left.text == Lang::Nothing {
                return Ok(Lang::Nothing);
            }
        }
        Ok(Lang::concat(vec![left.text, rest]))
    }

    /// What `node` at `place`, then `rest` hold together.
    fn lang(&mut self, node: &Node, rest: Lang, place: Place) -> Result<Lang, PatternError> {
        match node {
            Node::Or(branches) => self.alternatives(branches, rest, place),
            Node::Repeat(body, min, max) => self.repeat(body, (*min, *max), rest, place),
            node => self.walk(node.items(), Left::at(place), rest),
        }
    }

    fn alternatives(&mut self, branches: &[Node], rest: Lang, place: Place) -> Result<Lang, PatternError> {
        self.turn()?;
        let (mut plain, mut parts) = (Vec::new(), Vec::new());
        for branch in branches {
            if let Some(lang) = branch.plain_at(place) {
                self.charge(&lang)?;
                plain.push(lang);
            } else {
                let rest = self.copy(&rest)?;
                parts.push(self.lang(branch, rest, place)?);
            }
        }
        parts.push(Lang::concat(vec![Lang::or(plain), rest]));
        Ok(Lang::or(parts))
    }

    fn repeat(
        &mut self,
        body: &Node,
        (min, max): (u32, Option<u32>),
        rest: Lang,
        place: Place,
    ) -> Result<Lang, PatternError> {
        self.turn()?;
        // Why: where anything may follow, more iterations than needed only ask for more.
        let max = if rest.is_all() { Some(min) } else { max };
        if max.is_none_or(|max| max > 1)
            && let Some(lang) = self.fixed_steps(body, (min, max), &rest, place)?
        {
            return Ok(lang);
        }
        let Some(max) = max.filter(|max| *max <= MAX_UNROLLED) else {
            return Err(irregular("an assertion inside a repetition that looks beyond one iteration"));
        };
        let later = place.after(body.min_chars(), body.max_chars());
        let mut lang = self.copy(&rest)?;
        for i in (0..max).rev() {
            lang = self.lang(body, lang, if i == 0 { place } else { later })?;
            if i >= min {
                lang = Lang::or(vec![lang, self.copy(&rest)?]);
            }
        }
        Ok(lang)
    }

    /// A repetition whose body always consumes the same number of characters, as the tempered `(?:(?!x).)*` does:
    /// its iterations begin at known distances, so that none may fail is one complement.
    fn fixed_steps(
        &mut self,
        body: &Node,
        (min, max): (u32, Option<u32>),
        rest: &Lang,
        place: Place,
    ) -> Result<Option<Lang>, PatternError> {
        let n = body.min_chars();
        if n == 0 || body.max_chars() != Some(n) {
            return Ok(None);
        }
        let Some((near, far)) = self.split(rest, body.reach().map(|reach| reach.saturating_sub(n)))? else {
            return Ok(None);
        };
        // Why: an iteration begins where more characters are left than `near` has.
        let n_left = near.min_chars().saturating_add(1);
        let (Ok(step), Ok(least)) = (u32::try_from(n), u32::try_from(n_left)) else { return Ok(None) };
        let place = if place == Place::Inside { place } else { Place::Unsure };
        let mut failed = self.failure(body, place)?;
        if failed.min_chars() < n_left {
            failed = Lang::and(vec![failed, Lang::repeat(Lang::any_char(), least, None)]);
        }
        let steps = Lang::repeat(Lang::repeat(Lang::any_char(), step, Some(step)), 0, None);
        let none_failed = Lang::complement(Lang::concat(vec![steps, failed]));
        let text = Lang::concat(vec![Lang::repeat(body.without_assertions(), min, max), near]);
        Ok(Some(Lang::concat(vec![Lang::and(vec![text, none_failed]), far])))
    }

    /// The texts at whose beginning the assertions of `body` fail.
    fn failure(&mut self, body: &Node, place: Place) -> Result<Lang, PatternError> {
        let is_lookahead = |item: &Node| matches!(item, Node::Look(Side::Ahead, ..));
        match body.items() {
            [looks @ .., Node::Plain(_)] if looks.iter().all(is_lookahead) => {
                let mut failed = Vec::with_capacity(looks.len());
                for look in looks {
                    if let Node::Look(_, sense, look) = look {
                        let look = self.lang(look, Lang::all(), place)?;
                        failed.push(if *sense == Sense::IsNot { look } else { Lang::complement(look) });
                    }
                }
                Ok(Lang::or(failed))
            }
            _ => Ok(Lang::complement(self.lang(body, Lang::all(), place)?)),
        }
    }

    /// Splits `rest` behind a text of fixed length with at least `n_seen` characters; with `None`, only the end of
    /// the string is far enough.
    fn split(&mut self, rest: &Lang, n_seen: Option<usize>) -> Result<Option<(Lang, Lang)>, PatternError> {
        if rest.max_chars() == Some(rest.min_chars()) {
            return Ok(Some((self.copy(rest)?, Lang::Empty)));
        }
        let Some(n_seen) = n_seen else { return Ok(None) };
        let parts = match rest {
            Lang::Concat(parts) => parts.as_slice(),
            rest => std::slice::from_ref(rest),
        };
        let (mut n_parts, mut n_chars) = (0, 0_usize);
        while n_chars < n_seen {
            let Some(part) = parts.get(n_parts).filter(|part| part.max_chars() == Some(part.min_chars())) else {
                return Ok(None);
            };
            n_chars = n_chars.saturating_add(part.min_chars());
            n_parts += 1;
        }
        self.charge(rest)?;
        let (near, far) = parts.split_at(n_parts);
        Ok(Some((Lang::concat(near.to_vec()), Lang::concat(far.to_vec()))))
    }

    /// Keeps of the text before what a lookbehind lets through.
    fn lookbehind(&mut self, left: Left, sense: Sense, body: &Node) -> Result<Left, PatternError> {
        let is_known = left.base == Place::Start;
        let looks_ahead = |node: &Node| matches!(node, Node::End | Node::Boundary(_) | Node::Look(Side::Ahead, ..));
        let look = match body {
            Node::Plain(look) if is_known || look.max_chars().is_some_and(|n| n <= left.text.min_chars()) => {
                Lang::concat(vec![Lang::all(), self.copy(look)?])
            }
            body if is_known && !body.any(&looks_ahead) => self.search(body, &Lang::Empty)?,
            _ => return Err(irregular("a lookbehind that sees further than the text known to stand before it")),
        };
        Ok(Left { base: left.base, text: left.text.restrict(Side::Behind, sense, look) })
    }

    fn boundary(&mut self, left: Left, sense: Sense, after: &[Node], rest: Lang) -> Result<Lang, PatternError> {
        if left.base != Place::Start && left.text.min_chars() == 0 {
            return Err(irregular("a word boundary with nothing known to stand before it"));
        }
        let tail = self.walk(after, Left::at(left.place()), rest)?;
        self.charge(&left.text)?;
        self.charge(&tail)?;
        Ok(Lang::at_boundary(&left.text, sense, &tail))
    }

    fn turn(&mut self) -> Result<(), PatternError> {
        self.turns += 1;
        if self.turns > MAX_TURNS { Err(irregular("too many assertions")) } else { Ok(()) }
    }

    fn copy(&mut self, lang: &Lang) -> Result<Lang, PatternError> {
        self.charge(lang)?;
        Ok(lang.clone())
    }

    fn charge(&mut self, lang: &Lang) -> Result<(), PatternError> {
        self.copied += lang.size();
        if self.copied > MAX_SIZE { Err(irregular("more than 20000 parts")) } else { Ok(()) }
    }
}
