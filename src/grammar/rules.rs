//! A grammar as rules over terminals: what shapes become before llguidance reads them.

use std::collections::HashMap;

use super::terminal::Terminal;

/// An index into [`Rules`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RuleId(pub(super) u32);

/// An index into the terminals of [`Rules`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TerminalId(pub(super) u32);

/// One element of an alternative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Symbol {
    /// A terminal.
    Terminal(TerminalId),
    /// A rule that does not count.
    Rule(RuleId),
    /// A rule that counts, and from where.
    Counting(RuleId, Count),
}

/// What a counting rule is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Count {
    /// Nothing is counted yet.
    Zero,
    /// As many as the rule that uses it has.
    Same,
    /// One more.
    Next,
}

/// One way to write a rule.
#[derive(Clone, Debug)]
pub(super) struct Alternative {
    pub(super) symbols: Vec<Symbol>,
    /// The counts with which it may be taken, both ends included. Every count where the rule does not count.
    pub(super) counts: (u64, u64),
}

/// What a rule may be.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) alternatives: Vec<Alternative>,
    pub(super) is_counting: bool,
}

/// A grammar.
#[derive(Debug, Default)]
pub(super) struct Rules {
    rules: Vec<Rule>,
    terminals: Vec<Terminal>,
    by_terminal: HashMap<Terminal, TerminalId>,
    by_sequence: HashMap<Vec<Symbol>, RuleId>,
    n_symbols: usize,
    pub(super) start: Vec<Symbol>,
}

impl Rules {
    pub(super) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    pub(super) fn terminals(&self) -> &[Terminal] {
        &self.terminals
    }

    /// Symbols in all alternatives, rules and terminals: what the grammar costs.
    pub(super) fn size(&self) -> usize {
        self.n_symbols + self.rules.len() + self.terminals.len()
    }

    /// A terminal; equal ones are one.
    pub(super) fn terminal(&mut self, terminal: Terminal) -> Symbol {
        if let Some(id) = self.by_terminal.get(&terminal) {
            return Symbol::Terminal(*id);
        }
        let id = TerminalId(index(self.terminals.len()));
        self.terminals.push(terminal.clone());
        self.by_terminal.insert(terminal, id);
        Symbol::Terminal(id)
    }

    pub(super) fn text(&mut self, text: &str) -> Symbol {
        self.terminal(Terminal::Text(text.to_owned()))
    }

    /// A rule whose alternatives come later, so that it can be used in itself.
    pub(super) fn reserve(&mut self, is_counting: bool) -> RuleId {
        let id = RuleId(index(self.rules.len()));
        self.rules.push(Rule { alternatives: Vec::new(), is_counting });
        id
    }

    /// Adds a way to write `rule`.
    pub(super) fn add(&mut self, rule: RuleId, symbols: Vec<Symbol>) {
        self.add_counted(rule, symbols, (0, u64::MAX));
    }

    /// Adds a way to write the counting rule `rule`, for the counts of a range.
    pub(super) fn add_counted(&mut self, rule: RuleId, symbols: Vec<Symbol>, counts: (u64, u64)) {
        self.n_symbols += symbols.len();
        self.rules[rule.0 as usize].alternatives.push(Alternative { symbols, counts });
    }

    /// One of some sequences, as one symbol.
    pub(super) fn choice(&mut self, alternatives: Vec<Vec<Symbol>>) -> Symbol {
        if let [only] = alternatives.as_slice()
            && let [symbol] = only.as_slice()
        {
            return *symbol;
        }
        let rule = self.reserve(false);
        for symbols in alternatives {
            self.add(rule, symbols);
        }
        Symbol::Rule(rule)
    }

    /// A sequence as one symbol; equal ones are one.
    pub(super) fn sequence(&mut self, symbols: Vec<Symbol>) -> Symbol {
        if let [symbol] = symbols.as_slice() {
            return *symbol;
        }
        if let Some(rule) = self.by_sequence.get(&symbols) {
            return Symbol::Rule(*rule);
        }
        let rule = self.reserve(false);
        self.add(rule, symbols.clone());
        self.by_sequence.insert(symbols, rule);
        Symbol::Rule(rule)
    }

    /// A sequence, any number of times.
    pub(super) fn star(&mut self, symbols: &[Symbol]) -> Symbol {
        let rule = self.reserve(false);
        self.add(rule, Vec::new());
        // Why: left recursion; the parser keeps one item for it, not one for each repetition.
        self.add(rule, [&[Symbol::Rule(rule)], symbols].concat());
        Symbol::Rule(rule)
    }

    /// A sequence, `min` to `max` times; the rules grow with the logarithm of the numbers.
    pub(super) fn repeat(&mut self, symbols: &[Symbol], min: u64, max: Option<u64>) -> Vec<Symbol> {
        let mut out = Vec::new();
        let one = if min > 1 || max.is_some_and(|max| max > 1) {
            vec![self.sequence(symbols.to_vec())]
        } else {
            symbols.to_vec()
        };
        self.exactly(&one, min, &mut out);
        match max {
            None => out.push(self.star(&one)),
            Some(max) if max > min => {
                let rest = self.at_most(&one, max - min);
                out.push(rest);
            }
            Some(_) => {}
        }
        out
    }

    fn exactly(&mut self, one: &[Symbol], n: u64, out: &mut Vec<Symbol>) {
        if n % 2 == 1 {
            out.extend_from_slice(one);
        }
        if n > 1 {
            let two = self.sequence([one, one].concat());
            self.exactly(&[two], n / 2, out);
        }
    }

    /// At most `n` times, `n` at least once: fewer than 2^k times, or what is missing from `n` and then fewer than that.
    fn at_most(&mut self, one: &[Symbol], n: u64) -> Symbol {
        let k = (n + 1).ilog2();
        let mut fewer = self.choice(vec![Vec::new(), one.to_vec()]);
        for i in 1..k {
            let mut more = Vec::new();
            self.exactly(one, 1 << i, &mut more);
            more.push(fewer);
            fewer = self.choice(vec![vec![fewer], more]);
        }
        let n_missing = n + 1 - (1 << k);
        if n_missing == 0 {
            return fewer;
        }
        let mut more = Vec::new();
        self.exactly(one, n_missing, &mut more);
        more.push(fewer);
        self.choice(vec![vec![fewer], more])
    }
}

fn index(len: usize) -> u32 {
    u32::try_from(len).expect("the lowering's budget is far below 2^32")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often the terminal may stand in a row, up to a limit.
    fn lengths(rules: &Rules, symbols: &[Symbol], limit: usize) -> Vec<bool> {
        let mut out = vec![false; limit + 1];
        out[0] = true;
        for symbol in symbols {
            let one = match symbol {
                Symbol::Terminal(_) => [&[false, true][..], &vec![false; limit - 1]].concat(),
                Symbol::Rule(rule) | Symbol::Counting(rule, _) => {
                    let mut any = vec![false; limit + 1];
                    for alternative in &rules.rules()[rule.0 as usize].alternatives {
                        for (n, is_in) in lengths(rules, &alternative.symbols, limit).into_iter().enumerate() {
                            any[n] |= is_in;
                        }
                    }
                    any
                }
            };
            let before = std::mem::replace(&mut out, vec![false; limit + 1]);
            for (n, _) in before.iter().enumerate().filter(|(_, is_in)| **is_in) {
                for (m, _) in one.iter().enumerate().filter(|(m, is_in)| **is_in && n + m <= limit) {
                    out[n + m] = true;
                }
            }
        }
        out
    }

    #[test]
    fn repetitions_are_exact_and_small() {
        for min in 0..6 {
            for max in min..70 {
                let mut rules = Rules::default();
                let one = rules.text("x");
                let all = rules.repeat(&[one], min, Some(max));
                for (n, is_in) in lengths(&rules, &all, 72).into_iter().enumerate() {
                    assert_eq!(is_in, (min..=max).contains(&(n as u64)), "{n} of {min}..={max}");
                }
                assert!(rules.size() < 80, "{}", rules.size());
            }
        }
    }
}
