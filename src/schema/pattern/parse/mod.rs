//! The syntax of ECMA-262 patterns, Unicode mode, read into nodes.
//!
//! Where Unicode mode refuses what only ever meant itself, such as `\-`, `\_`, a lone `]` or `{`, this reader takes
//! the older, lenient reading of Annex B. Letters keep their strictness: `\A` or `\Z` stand for nothing here, and
//! who writes them means an anchor.

mod class;
mod escape;

use super::lang::{Lang, Sense, Side};
use super::node::Node;
use super::{MAX_SIZE, PatternError, irregular};

const MAX_PATTERN_BYTES: usize = 64 * 1024;
const MAX_DEPTH: usize = 100;
const MAX_ASSERTIONS: usize = 1000;
const MAX_COUNT: u32 = 100_000;

/// Reads a whole pattern.
pub(super) fn parse(pattern: &str) -> Result<Node, PatternError> {
    if pattern.len() > MAX_PATTERN_BYTES {
        return Err(irregular("more than 65536 bytes"));
    }
    let mut parser = Parser { pattern, at: 0, depth: 0, size: 0, n_assertions: 0, ignore_case: false, dot_all: false };
    let node = parser.alternation()?;
    if parser.at < pattern.len() {
        return Err(invalid(parser.at, "a `)` that closes nothing"));
    }
    Ok(node)
}

struct Parser<'p> {
    pattern: &'p str,
    /// The next byte to read, always at the border of a character.
    at: usize,
    depth: usize,
    size: usize,
    n_assertions: usize,
    ignore_case: bool,
    dot_all: bool,
}

impl<'p> Parser<'p> {
    fn alternation(&mut self) -> Result<Node, PatternError> {
        let mut branches = Vec::new();
        loop {
            let mut items = Vec::new();
            while self.peek().is_some_and(|c| c != '|' && c != ')') {
                items.push(self.term()?);
            }
            branches.push(Node::sequence(items));
            if !self.eat("|") {
                return Ok(Node::or(branches));
            }
        }
    }

    fn term(&mut self) -> Result<Node, PatternError> {
        let at = self.at;
        let Some(c) = self.bump() else { return Ok(Node::Plain(Lang::Empty)) };
        let (atom, is_repeatable) = match c {
            '^' => (self.assertion(Node::Start)?, false),
            '$' => (self.assertion(Node::End)?, false),
            '(' => self.group(at)?,
            '.' => (self.dot()?, true),
            '[' => (self.bracket(at)?, true),
            '\\' => self.escape(at)?,
            '*' | '+' | '?' => return Err(invalid(at, "a quantifier with nothing to repeat")),
            '{' => {
                self.at = at;
                if self.quantifier()?.is_some() {
                    return Err(invalid(at, "a quantifier with nothing to repeat"));
                }
                self.at = at + 1;
                (self.literal(u32::from('{'))?, true)
            }
            c => (self.literal(u32::from(c))?, true),
        };
        let at = self.at;
        match self.quantifier()? {
            None => Ok(atom),
            Some((min, max)) if is_repeatable => Ok(Node::repeat(atom, min, max)),
            Some(_) => Err(invalid(at, "a quantifier after an assertion")),
        }
    }

    /// Reads `*`, `+`, `?` or counts in braces, and drops a `?` that makes them lazy.
    fn quantifier(&mut self) -> Result<Option<(u32, Option<u32>)>, PatternError> {
        let counts = if self.eat("*") {
            (0, None)
        } else if self.eat("+") {
            (1, None)
        } else if self.eat("?") {
            (0, Some(1))
        } else {
            match self.counts()? {
                Some(counts) => counts,
                None => return Ok(None),
            }
        };
        self.eat("?");
        Ok(Some(counts))
    }

    /// Reads `{n}`, `{n,}` or `{n,m}`; braces around anything else are literal.
    fn counts(&mut self) -> Result<Option<(u32, Option<u32>)>, PatternError> {
        let Some((text, _)) = self.rest().strip_prefix('{').and_then(|text| text.split_once('}')) else {
            return Ok(None);
        };
        let (min, max) = match text.split_once(',') {
            None => (text, Some(text)),
            Some((min, "")) => (min, None),
            Some((min, max)) => (min, Some(max)),
        };
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(min) || !max.is_none_or(is_number) {
            return Ok(None);
        }
        let count = |text: &str| {
            let count = text.parse::<u32>().ok().filter(|count| *count <= MAX_COUNT);
            count.ok_or_else(|| irregular("a repetition of more than 100000 times"))
        };
        let (min, max) = (count(min)?, max.map(count).transpose()?);
        if max.is_some_and(|max| max < min) {
            return Err(invalid(self.at, "a repetition whose counts are out of order"));
        }
        self.at += text.len() + 2;
        Ok(Some((min, max)))
    }

    /// Reads a group whose parenthesis stands at `open`, and tells whether it may be repeated.
    fn group(&mut self, open: usize) -> Result<(Node, bool), PatternError> {
        if self.depth == MAX_DEPTH {
            return Err(irregular("groups nested more than 100 deep"));
        }
        let outer = (self.ignore_case, self.dot_all);
        let looks = [
            ("?=", Side::Ahead, Sense::Is),
            ("?!", Side::Ahead, Sense::IsNot),
            ("?<=", Side::Behind, Sense::Is),
            ("?<!", Side::Behind, Sense::IsNot),
        ];
        let look = looks.into_iter().find(|(sign, ..)| self.eat(sign));
        if look.is_none() && !self.eat("?:") {
            if self.eat("?<") {
                self.name(open)?;
            } else if self.eat("?") && self.modifiers(open)? {
                return Ok((Node::Plain(Lang::Empty), false));
            }
        }
        self.depth += 1;
        let node = self.alternation()?;
        self.depth -= 1;
        if !self.eat(")") {
            return Err(invalid(open, "a group that is not closed"));
        }
        (self.ignore_case, self.dot_all) = outer;
        match look {
            None => Ok((node, true)),
            Some((_, side, sense)) => {
                let node = self.assertion(Node::Look(side, sense, Box::new(node)))?;
                Ok((node, side == Side::Ahead))
            }
        }
    }

    /// Skips the name of a group, behind its `?<`.
    fn name(&mut self, open: usize) -> Result<(), PatternError> {
        let is_name = |name: &str| {
            !name.starts_with(|c: char| c.is_ascii_digit())
                && !name.is_empty()
                && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '$'))
        };
        let Some((name, _)) = self.rest().split_once('>').filter(|(name, _)| is_name(name)) else {
            return Err(invalid(open, "a group whose name is none"));
        };
        self.at += name.len() + 1;
        Ok(())
    }

    /// Reads modifiers behind `(?`; whether they hold for all of the pattern, as they may at its very beginning.
    fn modifiers(&mut self, open: usize) -> Result<bool, PatternError> {
        let mut on = true;
        loop {
            match self.bump() {
                Some('i') => self.ignore_case = on,
                Some('s') => self.dot_all = on,
                Some('m') if on => return Err(irregular("the modifier `m`")),
                Some('m') => {}
                Some('-') if on => on = false,
                Some(':') => return Ok(false),
                Some(')') if open == 0 && self.at > 3 => return Ok(true),
                _ => return Err(invalid(open, "a group of an unknown kind")),
            }
        }
    }

    fn assertion(&mut self, node: Node) -> Result<Node, PatternError> {
        self.spend(1)?;
        if matches!(node, Node::Look(..) | Node::Boundary(_)) {
            self.n_assertions += 1;
        }
        if self.n_assertions > MAX_ASSERTIONS { Err(irregular("more than 1000 assertions")) } else { Ok(node) }
    }

    fn spend(&mut self, size: usize) -> Result<(), PatternError> {
        self.size += size;
        if self.size > MAX_SIZE { Err(irregular("more than 20000 parts")) } else { Ok(()) }
    }

    fn rest(&self) -> &'p str {
        &self.pattern[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn eat(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }
}

fn invalid(at: usize, what: &str) -> PatternError {
    PatternError::Invalid { at, what: what.to_owned() }
}
