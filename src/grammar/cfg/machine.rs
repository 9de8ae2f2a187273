//! A grammar broken down to characters: productions over nonterminals and sets of characters.

use std::collections::HashMap;

use super::Symbol;
use crate::schema::pattern::Lang;

/// A set of characters, as sorted ranges.
pub(super) type Class = Vec<(char, char)>;

/// Part of a production.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Part {
    /// A nonterminal.
    Non(u32),
    /// A character out of a class.
    Char(u32),
}

/// One way to derive a nonterminal.
#[derive(Debug)]
pub(super) struct Production {
    pub(super) lhs: u32,
    pub(super) rhs: Vec<Part>,
}

#[derive(Debug)]
pub(super) struct Machine {
    pub(super) productions: Vec<Production>,
    pub(super) classes: Vec<Class>,
    /// The productions of each nonterminal.
    pub(super) by_lhs: Vec<Vec<u32>>,
    pub(super) is_nullable: Vec<bool>,
    /// The shortest text of each nonterminal; none of those that derive nothing.
    pub(super) shortest: Vec<Option<String>>,
    /// A character of each class that reads well.
    pub(super) sample: Vec<char>,
    /// The bytes of the shortest text of what is left of each production, by dot.
    rest_len: Vec<Vec<Option<usize>>>,
}

/// The nonterminal of whole texts.
pub(super) const START: u32 = 0;
/// Parts of all productions: larger grammars have no endings.
const MAX_PARTS: usize = 200_000;
/// How often something may come beside what must come, where that has a bound.
const MAX_OPTIONAL: u32 = 2_000;
/// Characters of a shortest text; longer ones are of no use.
const MAX_SHORTEST: usize = 4_000;

impl Machine {
    /// Breaks rules and terminals down; nothing if they are too large, or a terminal needs an intersection or a
    /// complement.
    pub(super) fn of(rules: &[Vec<Vec<Symbol>>], terminals: &[Lang]) -> Option<Self> {
        let mut making = Making { n_non: u32::try_from(rules.len()).ok()?, ..Making::default() };
        for (id, alternatives) in rules.iter().enumerate() {
            for alternative in alternatives {
                let mut rhs = Vec::new();
                for symbol in alternative {
                    making.symbol(terminals, symbol, &mut rhs)?;
                }
                making.add(u32::try_from(id).ok()?, rhs)?;
            }
        }
        let Making { productions, classes, n_non, .. } = making;
        let mut by_lhs = vec![Vec::new(); n_non as usize];
        for (i, production) in (0..).zip(&productions) {
            by_lhs[production.lhs as usize].push(i);
        }
        let sample: Vec<char> = classes.iter().map(sample).collect();
        let shortest = shortest(&productions, &by_lhs, &sample);
        let is_nullable = shortest.iter().map(|text| text.as_deref() == Some("")).collect();
        let rest_len = productions.iter().map(|production| rest_len(production, &shortest, &sample)).collect();
        Some(Self { productions, classes, by_lhs, is_nullable, shortest, sample, rest_len })
    }

    /// Whether no text is derived.
    pub(super) fn is_empty(&self) -> bool {
        self.shortest[START as usize].is_none()
    }

    /// The bytes of [`Machine::rest`].
    pub(super) fn rest_len(&self, production: u32, dot: u32) -> Option<usize> {
        self.rest_len[production as usize][dot as usize]
    }

    /// The shortest text of what is left of a production from `dot` on.
    pub(super) fn rest(&self, production: u32, dot: u32) -> Option<String> {
        let mut text = String::new();
        for part in &self.productions[production as usize].rhs[dot as usize..] {
            match part {
                Part::Char(class) => text.push(self.sample[*class as usize]),
                Part::Non(non) => text.push_str(self.shortest[*non as usize].as_deref()?),
            }
        }
        Some(text)
    }
}

/// Productions that are being made.
#[derive(Default)]
struct Making {
    productions: Vec<Production>,
    classes: Vec<Class>,
    class_ids: HashMap<Class, u32>,
    terminals: HashMap<usize, Part>,
    n_non: u32,
    n_parts: usize,
}

impl Making {
    fn add(&mut self, lhs: u32, rhs: Vec<Part>) -> Option<()> {
        self.n_parts += rhs.len() + 1;
        self.productions.push(Production { lhs, rhs });
        (self.n_parts <= MAX_PARTS).then_some(())
    }

    fn new_non(&mut self) -> u32 {
        self.n_non += 1;
        self.n_non - 1
    }

    fn symbol(&mut self, terminals: &[Lang], symbol: &Symbol, rhs: &mut Vec<Part>) -> Option<()> {
        match symbol {
            Symbol::Rule(id) => rhs.push(Part::Non(u32::try_from(*id).ok()?)),
            Symbol::Terminal(id) => {
                let part = match self.terminals.get(id) {
                    Some(part) => *part,
                    None => {
                        let mut parts = Vec::new();
                        self.lang(&terminals[*id], &mut parts)?;
                        let part = self.one(parts)?;
                        self.terminals.insert(*id, part);
                        part
                    }
                };
                rhs.push(part);
            }
            Symbol::Repeat(inner, min, max) => {
                let mut parts = Vec::new();
                self.symbol(terminals, inner, &mut parts)?;
                let one = self.one(parts)?;
                self.repeat(one, *min, *max, rhs)?;
            }
        }
        Some(())
    }

    /// Parts as one.
    fn one(&mut self, parts: Vec<Part>) -> Option<Part> {
        if let [one] = parts.as_slice() {
            return Some(*one);
        }
        let non = self.new_non();
        self.add(non, parts)?;
        Some(Part::Non(non))
    }

    fn lang(&mut self, lang: &Lang, rhs: &mut Vec<Part>) -> Option<()> {
        match lang {
            Lang::Empty => {}
            Lang::Nothing => {
                let non = self.new_non();
                rhs.push(Part::Non(non));
            }
            Lang::Class(ranges) => {
                let next = u32::try_from(self.classes.len()).ok()?;
                let id = *self.class_ids.entry(ranges.clone()).or_insert_with(|| {
                    self.classes.push(ranges.clone());
                    next
                });
                rhs.push(Part::Char(id));
            }
            Lang::Concat(parts) => parts.iter().try_for_each(|part| self.lang(part, rhs))?,
            Lang::Or(parts) => {
                let non = self.new_non();
                for part in parts {
                    let mut inner = Vec::new();
                    self.lang(part, &mut inner)?;
                    self.add(non, inner)?;
                }
                rhs.push(Part::Non(non));
            }
            Lang::Repeat(inner, min, max) => {
                let mut parts = Vec::new();
                self.lang(inner, &mut parts)?;
                let one = self.one(parts)?;
                self.repeat(one, *min, *max, rhs)?;
            }
            Lang::And(_) | Lang::Not(_) => return None,
        }
        Some(())
    }

    /// `one` so often.
    fn repeat(&mut self, one: Part, min: u32, max: Option<u32>, rhs: &mut Vec<Part>) -> Option<()> {
        self.exactly(one, min, rhs)?;
        match max {
            None => {
                let many = self.new_non();
                self.add(many, Vec::new())?;
                self.add(many, vec![Part::Non(many), one])?;
                rhs.push(Part::Non(many));
                Some(())
            }
            Some(max) => self.at_most(one, max.saturating_sub(min), rhs),
        }
    }

    /// Halved, so that a large count takes few productions.
    fn exactly(&mut self, one: Part, n: u32, rhs: &mut Vec<Part>) -> Option<()> {
        match n {
            0 => {}
            1 => rhs.push(one),
            n => {
                let half = self.new_non();
                let mut inner = Vec::new();
                self.exactly(one, n / 2, &mut inner)?;
                self.add(half, inner)?;
                rhs.extend([Part::Non(half), Part::Non(half)]);
                if n % 2 == 1 {
                    rhs.push(one);
                }
            }
        }
        Some(())
    }

    /// At most `n` times. Why not halved: then each text would be derived in many ways.
    fn at_most(&mut self, one: Part, n: u32, rhs: &mut Vec<Part>) -> Option<()> {
        if n > MAX_OPTIONAL {
            return None;
        }
        let mut rest = Vec::new();
        for _ in 0..n {
            let non = self.new_non();
            self.add(non, Vec::new())?;
            self.add(non, std::iter::once(one).chain(rest).collect())?;
            rest = vec![Part::Non(non)];
        }
        rhs.extend(rest);
        Some(())
    }
}

fn rest_len(production: &Production, shortest: &[Option<String>], sample: &[char]) -> Vec<Option<usize>> {
    let mut lens = vec![Some(0)];
    for part in production.rhs.iter().rev() {
        let own = match part {
            Part::Char(class) => Some(sample[*class as usize].len_utf8()),
            Part::Non(non) => shortest[*non as usize].as_ref().map(String::len),
        };
        let behind = lens.last().copied().flatten();
        lens.push(behind.zip(own).map(|(behind, own)| behind + own));
    }
    lens.reverse();
    lens
}

/// A character that reads well.
fn sample(class: &Class) -> char {
    let holds = |c: char| class.iter().any(|(first, last)| (*first..=*last).contains(&c));
    let plain = ('a'..='z').chain('0'..='9').chain('A'..='Z').chain(['_', '-', '.', ' ']);
    plain.into_iter().find(|c| holds(*c)).or_else(|| class.first().map(|(first, _)| *first)).unwrap_or(' ')
}

/// The shortest text of each nonterminal: what is found is never longer than what is found later.
fn shortest(productions: &[Production], by_lhs: &[Vec<u32>], sample: &[char]) -> Vec<Option<String>> {
    let mut found: Vec<Option<String>> = vec![None; by_lhs.len()];
    // The productions in which each nonterminal stands.
    let mut uses: Vec<Vec<u32>> = vec![Vec::new(); by_lhs.len()];
    for (i, production) in (0..).zip(productions) {
        for part in &production.rhs {
            if let Part::Non(non) = part {
                uses[*non as usize].push(i);
            }
        }
    }
    let text = |production: &Production, found: &[Option<String>]| -> Option<String> {
        let mut text = String::new();
        for part in &production.rhs {
            match part {
                Part::Char(class) => text.push(sample[*class as usize]),
                Part::Non(non) => text.push_str(found[*non as usize].as_deref()?),
            }
            if text.len() > MAX_SHORTEST {
                return None;
            }
        }
        Some(text)
    };
    let mut open: Vec<u32> = (0..).zip(productions).map(|(i, _)| i).collect();
    while let Some(i) = open.pop() {
        let production = &productions[i as usize];
        let Some(text) = text(production, &found) else { continue };
        let known = &mut found[production.lhs as usize];
        if known.as_ref().is_none_or(|known| text.len() < known.len()) {
            *known = Some(text);
            open.extend(&uses[production.lhs as usize]);
        }
    }
    found
}
