//! Classes of characters: brackets, the dot, single characters.

use super::{Parser, invalid};
use crate::schema::pattern::lang::{Lang, Sense};
use crate::schema::pattern::node::Node;
use crate::schema::pattern::set::{self, Ranges};
use crate::schema::pattern::{MAX_SIZE, PatternError};

/// A member of a class.
enum Member {
    /// A code point; a surrogate may stand at the end of a range, but no string holds it.
    One(u32),
    Set(Ranges),
}

impl Parser<'_> {
    /// Reads a class whose bracket stands at `open`.
    pub(super) fn bracket(&mut self, open: usize) -> Result<Node, PatternError> {
        let sense = if self.eat("^") { Sense::IsNot } else { Sense::Is };
        let mut ranges = Ranges::new();
        while !self.eat("]") {
            let at = self.at;
            let low = self.member(open)?;
            let is_range = self.rest().starts_with('-') && !self.rest().starts_with("-]");
            if !is_range {
                add(&mut ranges, low);
                continue;
            }
            self.eat("-");
            match (low, self.member(open)?) {
                (Member::One(low), Member::One(high)) if low > high => {
                    return Err(invalid(at, "a range whose ends are out of order"));
                }
                (Member::One(low), Member::One(high)) => ranges.extend(set::span(low, high)),
                // Why: beside a set no range can be meant, so the dash is one.
                (low, high) => {
                    add(&mut ranges, low);
                    add(&mut ranges, Member::One(u32::from('-')));
                    add(&mut ranges, high);
                }
            }
        }
        self.class(ranges, sense)
    }

    fn member(&mut self, open: usize) -> Result<Member, PatternError> {
        let slash = self.at;
        match self.bump() {
            None => Err(invalid(open, "a class that is not closed")),
            Some('\\') => {
                if self.eat("b") {
                    return Ok(Member::One(0x08));
                }
                match self.named_set(slash)? {
                    Some(ranges) => Ok(Member::Set(ranges)),
                    None => Ok(Member::One(self.code_point(slash)?)),
                }
            }
            Some(c) => Ok(Member::One(u32::from(c))),
        }
    }

    pub(super) fn dot(&mut self) -> Result<Node, PatternError> {
        self.spend(1)?;
        let ranges = if self.dot_all { set::ANY.to_vec() } else { set::negate(&set::LINE_ENDS) };
        Ok(Node::Plain(Lang::class(ranges)))
    }

    pub(super) fn literal(&mut self, code: u32) -> Result<Node, PatternError> {
        self.class(set::span(code, code).into_iter().collect(), Sense::Is)
    }

    /// One character in `ranges`, or not in them; without its case if that is ignored.
    pub(super) fn class(&mut self, mut ranges: Ranges, sense: Sense) -> Result<Node, PatternError> {
        ranges = set::normal(ranges);
        if self.ignore_case {
            // Why: folding visits each character of a range.
            self.spend(usize::try_from(set::n_chars(&ranges) / 1024).unwrap_or(MAX_SIZE))?;
            ranges = set::fold(ranges);
        }
        if sense == Sense::IsNot {
            ranges = set::negate(&ranges);
        }
        self.spend(1 + ranges.len() / 32)?;
        Ok(Node::Plain(Lang::class(ranges)))
    }
}

fn add(ranges: &mut Ranges, member: Member) {
    match member {
        Member::One(code) => ranges.extend(set::span(code, code)),
        Member::Set(set) => ranges.extend(set),
    }
}
