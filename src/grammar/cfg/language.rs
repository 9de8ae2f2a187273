//! The language of a grammar whose rules do not come back to themselves.

use super::{Cfg, Symbol};
use crate::schema::pattern::Lang;

/// Parts of the language.
const MAX_SIZE: usize = 20_000;
/// Parts that are written down on the way to it.
const MAX_SPENT: usize = 500_000;
/// How deep rules lead to each other.
const MAX_DEPTH: usize = 200;

impl Cfg {
    /// The texts that the grammar derives, as a regular language. `None` if a rule leads back to itself, or that would be
    /// too large.
    #[must_use]
    pub fn language(&self) -> Option<Lang> {
        Reading { cfg: self, known: vec![Known::No; self.rules.len()], spent: 0 }.rule(0, 0)
    }

    /// The grammar of the texts in `lang`.
    #[must_use]
    pub fn of_language(lang: &Lang) -> Self {
        Self::new(vec![vec![vec![Symbol::Terminal(0)]]], vec![lang.clone()])
    }
}

struct Reading<'a> {
    cfg: &'a Cfg,
    known: Vec<Known>,
    spent: usize,
}

/// What is known of a rule.
#[derive(Clone)]
enum Known {
    No,
    /// It is being looked at.
    Open,
    Yes(Lang, usize),
}

impl Reading<'_> {
    fn rule(&mut self, id: usize, depth: usize) -> Option<Lang> {
        match &self.known[id] {
            Known::Yes(lang, size) => {
                let (lang, size) = (lang, *size);
                self.spent += size;
                return (self.spent <= MAX_SPENT).then(|| lang.clone());
            }
            Known::Open => return None,
            Known::No if depth > MAX_DEPTH => return None,
            Known::No => self.known[id] = Known::Open,
        }
        let cfg = self.cfg;
        let mut alternatives = Vec::new();
        for symbols in &cfg.rules[id] {
            let mut parts = Vec::new();
            for symbol in symbols {
                parts.push(self.symbol(symbol, depth + 1)?);
            }
            alternatives.push(Lang::concat(parts));
        }
        let lang = Lang::or(alternatives);
        let size = lang.size();
        if size > MAX_SIZE {
            return None;
        }
        self.known[id] = Known::Yes(lang.clone(), size);
        Some(lang)
    }

    fn symbol(&mut self, symbol: &Symbol, depth: usize) -> Option<Lang> {
        match symbol {
            Symbol::Rule(id) => self.rule(*id, depth),
            Symbol::Terminal(id) => {
                let lang = &self.cfg.terminals[*id];
                self.spent += lang.size();
                (self.spent <= MAX_SPENT).then(|| lang.clone())
            }
            Symbol::Repeat(inner, min, max) => Some(Lang::repeat(self.symbol(inner, depth)?, *min, *max)),
        }
    }
}
