//! Named expressions to rules and terminals.

use std::collections::HashMap;

use super::expr::{Expr, Named, Spent};
use super::{CfgError, MAX_SIZE, Symbol};
use crate::schema::pattern::Lang;

/// What was made.
pub(super) struct Built {
    /// Each rule's alternatives. The first rule is the start.
    pub(super) rules: Vec<Vec<Vec<Symbol>>>,
    pub(super) terminals: Vec<Lang>,
}

/// Makes rules and terminals of what `start` leads to.
pub(super) fn build(named: &Named, start: &str) -> Result<Built, CfgError> {
    let mut builder = Builder {
        named,
        rules: vec![Vec::new()],
        terminals: Vec::new(),
        known: HashMap::new(),
        index: HashMap::new(),
        size: 0,
        spent: Spent::default(),
    };
    let first = builder.rule(start)?;
    builder.rules[0] = vec![vec![Symbol::Rule(first)]];
    let Builder { rules, terminals, .. } = builder;
    Ok(Built { rules, terminals })
}

/// Makes rules and terminals of named expressions.
struct Builder<'a> {
    named: &'a Named,
    rules: Vec<Vec<Vec<Symbol>>>,
    terminals: Vec<Lang>,
    /// Rules by name, and named terminals.
    known: HashMap<&'a str, Symbol>,
    index: HashMap<Lang, usize>,
    size: usize,
    spent: Spent,
}

impl<'a> Builder<'a> {
    fn grow(&mut self, n: usize) -> Result<(), CfgError> {
        self.size += n;
        if self.size > MAX_SIZE {
            return Err(CfgError::Invalid("the grammar is too large once its terminals are written out".to_owned()));
        }
        Ok(())
    }

    fn new_rule(&mut self) -> usize {
        self.rules.push(Vec::new());
        self.rules.len() - 1
    }

    /// The rule of this name; rules that it names are read with it.
    fn rule(&mut self, name: &'a str) -> Result<usize, CfgError> {
        let Some(first) = self.named.exprs.get(name) else {
            return Err(CfgError::Invalid(format!("there is no rule '{name}'")));
        };
        let first_id = self.new_rule();
        self.known.insert(name, Symbol::Rule(first_id));
        // Why a list: rules refer to each other as deep as there are rules.
        let mut open = vec![(first_id, &first.expr)];
        while let Some((id, expr)) = open.pop() {
            self.rules[id] = self.alternatives(expr, &mut open)?;
        }
        Ok(first_id)
    }

    fn alternatives(
        &mut self,
        expr: &'a Expr,
        open: &mut Vec<(usize, &'a Expr)>,
    ) -> Result<Vec<Vec<Symbol>>, CfgError> {
        match expr {
            Expr::Or(parts) => parts.iter().map(|part| self.sequence(part, open)).collect(),
            other => Ok(vec![self.sequence(other, open)?]),
        }
    }

    fn sequence(&mut self, expr: &'a Expr, open: &mut Vec<(usize, &'a Expr)>) -> Result<Vec<Symbol>, CfgError> {
        match expr {
            Expr::Seq(parts) => {
                let parts: Vec<Vec<Symbol>> =
                    parts.iter().map(|part| self.sequence(part, open)).collect::<Result<_, _>>()?;
                Ok(parts.concat())
            }
            other => Ok(self.symbol(other, open)?.into_iter().collect()),
        }
    }

    /// Nothing for what is empty.
    fn symbol(&mut self, expr: &'a Expr, open: &mut Vec<(usize, &'a Expr)>) -> Result<Option<Symbol>, CfgError> {
        self.grow(1)?;
        Ok(Some(match expr {
            Expr::Terminal(Lang::Empty) => return Ok(None),
            Expr::Terminal(lang) => self.terminal(lang.clone())?,
            Expr::Name(name, at) => match self.known.get(name.as_str()) {
                Some(symbol) => symbol.clone(),
                None => {
                    let Some(found) = self.named.exprs.get(name) else {
                        return Err(CfgError::Invalid(self.named.fault_at(*at, &format!("there is no rule '{name}'"))));
                    };
                    let symbol = if found.is_terminal {
                        let lang = self.named.lang(name, *at, &mut self.spent)?;
                        self.terminal(lang)?
                    } else {
                        let id = self.new_rule();
                        open.push((id, &found.expr));
                        Symbol::Rule(id)
                    };
                    self.known.insert(name, symbol.clone());
                    symbol
                }
            },
            Expr::Repeat(inner, min, max) => match self.symbol(inner, open)? {
                None => return Ok(None),
                Some(symbol) => Symbol::Repeat(Box::new(symbol), *min, *max),
            },
            Expr::Seq(_) | Expr::Or(_) => {
                let id = self.new_rule();
                self.rules[id] = self.alternatives(expr, open)?;
                Symbol::Rule(id)
            }
        }))
    }

    fn terminal(&mut self, lang: Lang) -> Result<Symbol, CfgError> {
        if let Some(id) = self.index.get(&lang) {
            return Ok(Symbol::Terminal(*id));
        }
        self.grow(lang.size())?;
        let id = self.terminals.len();
        self.terminals.push(lang.clone());
        self.index.insert(lang, id);
        Ok(Symbol::Terminal(id))
    }
}
