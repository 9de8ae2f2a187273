//! A grammar broken down to characters: productions over nonterminals and sets of characters.

use std::collections::HashMap;

use super::Symbol;
use super::shortest::Shortest;
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
    /// The shortest text of each nonterminal.
    shortest: Shortest,
    /// A character of each class that reads well.
    pub(super) sample: Vec<char>,
}

/// The nonterminal of whole texts.
pub(super) const START: u32 = 0;
/// Parts of all productions: larger grammars have no endings.
const MAX_PARTS: usize = 200_000;
/// How often something may come beside what must come, where that has a bound.
const MAX_OPTIONAL: u32 = 2_000;
/// Bytes of a shortest text that is written down; longer ones are of no use.
const MAX_SHORTEST: usize = 16_000;

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
        let shortest = Shortest::of(&productions, by_lhs.len(), &sample);
        let is_nullable = (0..n_non).map(|non| shortest.len(non) == Some(0)).collect();
        Some(Self { productions, classes, by_lhs, is_nullable, shortest, sample })
    }

    /// Whether no text is derived.
    pub(super) fn is_empty(&self) -> bool {
        self.shortest.len(START).is_none()
    }

    /// The bytes of [`Machine::rest`].
    pub(super) fn rest_len(&self, production: u32, dot: u32) -> Option<usize> {
        self.shortest.rest_len(production, dot)
    }

    /// The shortest text of what is left of a production from `dot` on; nothing if it is too long.
    pub(super) fn rest(&self, production: u32, dot: u32) -> Option<String> {
        if self.rest_len(production, dot)? > MAX_SHORTEST {
            return None;
        }
        let mut text = String::new();
        let mut open: Vec<Part> =
            self.productions[production as usize].rhs[dot as usize..].iter().rev().copied().collect();
        while let Some(part) = open.pop() {
            match part {
                Part::Char(class) => text.push(self.sample[class as usize]),
                // Why this ends: what is shortest does not hold itself, but parts of nothing are many.
                Part::Non(non) if self.is_nullable[non as usize] => {}
                Part::Non(non) => {
                    let best = self.shortest.production(non)?;
                    open.extend(self.productions[best as usize].rhs.iter().rev());
                }
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

/// A character that reads well.
fn sample(class: &Class) -> char {
    let holds = |c: char| class.iter().any(|(first, last)| (*first..=*last).contains(&c));
    let plain = ('a'..='z').chain('0'..='9').chain('A'..='Z').chain(['_', '-', '.', ' ']);
    plain.into_iter().find(|c| holds(*c)).or_else(|| class.first().map(|(first, _)| *first)).unwrap_or(' ')
}
