//! Expressions as the readers give them, by name.

use std::collections::{HashMap, HashSet};

use super::{CfgError, MAX_SIZE};
use crate::schema::pattern::Lang;

/// What stands behind a name, or part of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    /// Another name, and where it stands.
    Name(String, usize),
    /// A text out of a regular language.
    Terminal(Lang),
    Seq(Vec<Expr>),
    Or(Vec<Expr>),
    Repeat(Box<Expr>, u32, Option<u32>),
}

/// A definition.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    pub(super) expr: Expr,
    /// Whether it is one terminal: nothing is ignored inside it.
    pub(super) is_terminal: bool,
}

/// All definitions of a grammar.
#[derive(Debug, Default)]
pub(super) struct Named {
    pub(super) exprs: HashMap<String, Definition>,
    /// Where each line begins.
    pub(super) lines: Vec<usize>,
}

/// How deep terminals refer to each other.
const MAX_CHAIN: usize = 64;

impl Named {
    /// A fault with the line of its place, a count of characters.
    pub(super) fn fault_at(&self, at: usize, what: &str) -> String {
        let line = self.lines.partition_point(|start| *start <= at).max(1);
        format!("line {line}: {what}")
    }

    /// The language of the terminal `name`, which stands at `at`.
    pub(super) fn lang(&self, name: &str, at: usize, spent: &mut Spent) -> Result<Lang, CfgError> {
        self.lang_of_name(name, at, &mut HashSet::new(), spent)
    }

    fn lang_of_name(
        &self,
        name: &str,
        at: usize,
        inside: &mut HashSet<String>,
        spent: &mut Spent,
    ) -> Result<Lang, CfgError> {
        let invalid = |what: &str| CfgError::Invalid(self.fault_at(at, what));
        // Why before it is copied: references multiply.
        if let Some((lang, size)) = spent.known.get(name) {
            spent.size += size;
            if spent.size > MAX_SIZE {
                return Err(invalid("the terminals are too large once they are written out"));
            }
            return Ok(lang.clone());
        }
        let Some(definition) = self.exprs.get(name) else {
            return Err(invalid(&format!("there is no terminal '{name}'")));
        };
        if !definition.is_terminal {
            return Err(invalid(&format!("the rule '{name}' is named in a terminal")));
        }
        if inside.len() >= MAX_CHAIN || !inside.insert(name.to_owned()) {
            return Err(invalid(&format!("the terminal '{name}' holds itself, or too many others")));
        }
        let lang = self.lang_of(&definition.expr, inside, spent)?;
        inside.remove(name);
        let size = lang.size();
        spent.size += size;
        if spent.size > MAX_SIZE {
            return Err(invalid("the terminals are too large once they are written out"));
        }
        spent.known.insert(name.to_owned(), (lang.clone(), size + 1));
        Ok(lang)
    }

    fn lang_of(&self, expr: &Expr, inside: &mut HashSet<String>, spent: &mut Spent) -> Result<Lang, CfgError> {
        let mut all =
            |parts: &[Expr]| parts.iter().map(|part| self.lang_of(part, inside, spent)).collect::<Result<_, _>>();
        Ok(match expr {
            Expr::Terminal(lang) => lang.clone(),
            Expr::Name(name, at) => self.lang_of_name(name, *at, inside, spent)?,
            Expr::Seq(parts) => Lang::concat(all(parts)?),
            Expr::Or(parts) => Lang::or(all(parts)?),
            Expr::Repeat(inner, min, max) => Lang::repeat(self.lang_of(inner, inside, spent)?, *min, *max),
        })
    }
}

/// What writing out terminals has come to.
#[derive(Debug, Default)]
pub(super) struct Spent {
    /// Languages by name, with their sizes.
    known: HashMap<String, (Lang, usize)>,
    size: usize,
}
