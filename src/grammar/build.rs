//! Rules to llguidance's own form, without a detour through text: most of a small schema's time would go there.

use std::collections::HashMap;
use std::sync::LazyLock;

use llguidance::api::{GrammarInit, ParserLimits, SkipRepetition, SkipSpec};
use llguidance::derivre::{ExprRef, RegexAst};
use llguidance::earley::lexerspec::{LexemeClass, LexerSpec};
use llguidance::earley::{Grammar, ParamCond, ParamExpr, ParamRef, ParamValue, SymIdx, SymbolProps};

use super::lower::{any_integer, any_number};
use super::rules::{Count, Rules, Symbol};
use super::spelling::Spelling;
use super::terminal::Terminal;
use crate::schema::pattern::Lang;

/// Whitespace between JSON tokens: what pretty printers write, capped, so that no model can loop on it.
pub(super) const WHITESPACE: &str = r"[\x20]{1,2}|(?:\r?\n){1,2}[\x20\x09]{0,40}|\x09{1,2}";

/// What every grammar begins with.
struct Base {
    /// Knows whitespace as what is skipped.
    lexer: LexerSpec,
    class: LexemeClass,
    /// Its expressions of the regexes that most grammars have.
    known: HashMap<String, ExprRef>,
}

/// Why: reading these regexes takes longer than all the rest of building a small grammar.
static BASE: LazyLock<Base> = LazyLock::new(|| {
    let mut lexer = LexerSpec::new().expect("a lexer without lexemes");
    let skip = SkipSpec { regex: RegexAst::Regex(WHITESPACE.to_owned()), repetition: SkipRepetition::Once };
    let class = lexer.setup_lexeme_class_with_skip(skip).expect("a fixed regex");
    let usual = [
        Terminal::String(Lang::all(), Spelling::Full, ""),
        Terminal::String(Lang::all(), Spelling::Plain, ":"),
        Terminal::Number(vec![any_number()]),
        Terminal::Number(vec![any_integer()]),
    ];
    let mut known = HashMap::new();
    for terminal in usual {
        let RegexAst::Regex(regex) = terminal.ast() else { continue };
        let expr = lexer.regex_builder.mk_regex(&regex).expect("a fixed regex");
        known.insert(regex, expr);
    }
    Base { lexer, class, known }
});

/// The grammar of `rules`, with whitespace between terminals.
///
/// # Errors
/// If it is larger than `limits` allow, or a terminal is.
pub(super) fn build(rules: &Rules, limits: &ParserLimits) -> Result<GrammarInit, String> {
    if rules.size() > limits.max_grammar_size {
        return Err(format!("the grammar has {} symbols, more than {}", rules.size(), limits.max_grammar_size));
    }
    let Base { lexer, class, known } = &*BASE;
    let (mut lexer, class) = (lexer.clone(), *class);
    let mut grammar = Grammar::new(None);
    let props = |is_start, parametric| SymbolProps { grammar_id: class, is_start, parametric, ..Default::default() };
    let start = grammar.fresh_symbol_ext("start", props(true, false));
    let mut terminals = Vec::with_capacity(rules.terminals().len());
    for (i, terminal) in rules.terminals().iter().enumerate() {
        let ast = match terminal.ast() {
            RegexAst::Regex(regex) => known.get(&regex).map_or(RegexAst::Regex(regex), |expr| RegexAst::ExprRef(*expr)),
            ast => ast,
        };
        let lexeme = lexer.add_greedy_lexeme(format!("t{i}"), ast, false, None, usize::MAX).map_err(text)?;
        if lexer.cost() > limits.initial_lexer_fuel {
            return Err("the strings and numbers of the schema are too many".to_owned());
        }
        let symbol = grammar.fresh_symbol_ext(&format!("t{i}"), props(false, false));
        grammar.make_terminal(symbol, lexeme, &lexer).map_err(text)?;
        terminals.push(symbol);
    }
    let symbols: Vec<SymIdx> = (rules.rules().iter().enumerate())
        .map(|(i, rule)| grammar.fresh_symbol_ext(&format!("r{i}"), props(false, rule.is_counting)))
        .collect();
    let element = |symbol: &Symbol| match symbol {
        Symbol::Terminal(id) => (terminals[id.0 as usize], ParamExpr::Null),
        Symbol::Rule(id) => (symbols[id.0 as usize], ParamExpr::Null),
        Symbol::Counting(id, count) => (symbols[id.0 as usize], param(*count)),
    };
    grammar.add_rule_ext(start, ParamCond::True, rules.start.iter().map(element).collect()).map_err(text)?;
    for (rule, symbol) in rules.rules().iter().zip(&symbols) {
        for alternative in &rule.alternatives {
            let elements = alternative.symbols.iter().map(element).collect();
            grammar.add_rule_ext(*symbol, condition(alternative.counts), elements).map_err(text)?;
        }
    }
    Ok(GrammarInit::Internal(grammar, lexer))
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

fn param(count: Count) -> ParamExpr {
    match count {
        Count::Zero => ParamExpr::Const(ParamValue(0)),
        Count::Same => ParamExpr::SelfRef,
        Count::Next => ParamExpr::Incr(ParamRef::full()),
    }
}

fn condition((min, max): (u64, u64)) -> ParamCond {
    let count = ParamRef::full;
    match (min, max) {
        (0, u64::MAX) => ParamCond::True,
        (0, max) => ParamCond::LE(count(), ParamValue(max)),
        (min, u64::MAX) => ParamCond::GE(count(), ParamValue(min)),
        (min, max) if min == max => ParamCond::EQ(count(), ParamValue(min)),
        (min, max) => {
            let (from, to) = (ParamCond::GE(count(), ParamValue(min)), ParamCond::LE(count(), ParamValue(max)));
            ParamCond::And(Box::new(from), Box::new(to))
        }
    }
}
