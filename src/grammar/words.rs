//! Keys, strings and words as symbols: in JSON, or in another notation.

use llguidance::derivre::RegexAst;

use super::emit::Emitter;
use super::rules::Symbol;
use super::spelling::Spelling;
use super::terminal::Terminal;
use crate::guard::{Notation, Quote};
use crate::schema::pattern::Lang;

impl Emitter<'_> {
    /// One of some JSON scalars.
    pub(super) fn literals(&mut self, texts: &[String]) -> Symbol {
        let Some(notation) = self.notation else {
            return match texts {
                [only] => self.text(only),
                _ => self.rules.terminal(Terminal::Texts(texts.to_vec())),
            };
        };
        // Why together: there may be thousands, and each would be an alternative of its own.
        let (mut strings, mut words) = (Vec::new(), Vec::new());
        for text in texts {
            match serde_json::from_str::<String>(text) {
                Ok(text) => strings.push(Lang::literal(&text)),
                Err(_) => {
                    let python = notation.python_words.then_some(text.as_str()).and_then(in_python);
                    words.extend([text.as_str()].into_iter().chain(python).map(str::to_owned));
                }
            }
        }
        let mut ways = Vec::new();
        if !strings.is_empty() {
            ways.push(vec![self.string(&Lang::or(strings))]);
        }
        if !words.is_empty() {
            ways.push(vec![self.rules.terminal(Terminal::Texts(words))]);
        }
        self.rules.choice(ways)
    }

    /// A string with content in `lang`.
    pub(super) fn string(&mut self, lang: &Lang) -> Symbol {
        let Some(notation) = self.notation else {
            return self.rules.terminal(Terminal::String(lang.clone(), self.shapes.spelling(lang), ""));
        };
        let ways = notation.quotes.iter().flat_map(|quote| self.quoted(lang, quote)).collect();
        self.rules.choice(ways)
    }

    /// The ways to write a string in quotes of one kind.
    fn quoted(&mut self, lang: &Lang, quote: &Quote) -> Vec<Vec<Symbol>> {
        let spelled = |spelling| Terminal::String(lang.clone(), spelling, "");
        let terminal = match (quote.is_raw, quote.mark.as_slice(), std::str::from_utf8(&quote.mark)) {
            (false, b"'", _) => spelled(Spelling::Single),
            (false, ..) => spelled(Spelling::Plain),
            (true, _, Ok(mark)) => Terminal::Marked(lang.clone(), mark.to_owned()),
            (true, mark, Err(_)) => {
                // 0xFF, and the id in brackets.
                let id: String =
                    mark.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| char::from(*byte)).collect();
                let token = self.rules.terminal(Terminal::Token(id));
                // Why apart: a terminal of no text at all is none for the lexer.
                let some = Lang::and(vec![lang.clone(), Lang::repeat(Lang::any_char(), 1, None)]);
                let some = self.rules.terminal(Terminal::String(some, Spelling::Raw, ""));
                let none = lang.is_nullable().then(|| vec![token, token]);
                return none.into_iter().chain([vec![token, some, token]]).collect();
            }
        };
        vec![vec![self.rules.terminal(terminal)]]
    }

    /// A declared key, with what stands before its value.
    pub(super) fn key(&mut self, name: &str, is_outermost: bool) -> Symbol {
        let Some(notation) = self.notation else {
            return match self.shapes.key_spelling() {
                Spelling::Plain => self.text(&format!("{}:", serde_json::Value::from(name))),
                spelling => self.rules.terminal(Terminal::String(Lang::literal(name), spelling, ":")),
            };
        };
        if (is_outermost || notation.bare_keys) && Notation::takes_bare(name) {
            return self.text(&format!("{name}{}", notation.colon(is_outermost)));
        }
        self.quoted_key(&Lang::literal(name), notation.colon(is_outermost))
    }

    /// A key in `lang`, with what stands before its value.
    pub(super) fn open_key(&mut self, lang: &Lang, is_outermost: bool) -> Symbol {
        let Some(notation) = self.notation else {
            return self.rules.terminal(Terminal::String(lang.clone(), self.shapes.key_spelling(), ":"));
        };
        let colon = notation.colon(is_outermost);
        let mut ways = Vec::new();
        if is_outermost || notation.bare_keys {
            let bare = Lang::and(vec![lang.clone(), bare_key()]);
            ways.push(vec![self.rules.terminal(Terminal::String(bare, Spelling::Raw, colon))]);
        }
        if notation.quotes_keys(is_outermost) {
            ways.push(vec![self.quoted_key(lang, colon)]);
        }
        self.rules.choice(ways)
    }

    fn quoted_key(&mut self, lang: &Lang, colon: &str) -> Symbol {
        let (key, colon) = (self.string(lang), self.text(colon));
        self.rules.sequence(vec![key, colon])
    }
}

/// Python's word for one of JSON's.
fn in_python(word: &str) -> Option<&'static str> {
    match word {
        "true" => Some("True"),
        "false" => Some("False"),
        "null" => Some("None"),
        _ => None,
    }
}

/// The keys that can stand without quotes.
pub(super) fn bare_key() -> Lang {
    let ends = |c: &char| c.is_ascii() && Notation::ends_bare(*c as u8);
    let mut ranges = vec![('\u{80}', '\u{D7FF}'), ('\u{E000}', char::MAX)];
    ranges.extend(('\0'..'\u{80}').filter(|c| !ends(c)).map(|c| (c, c)));
    Lang::repeat(Lang::class(ranges), 1, None)
}

/// Whether a control token may follow a terminal that is over without looking so.
pub(super) fn may_be_over_unseen(terminal: &Terminal) -> bool {
    let is_cut = |ast: &RegexAst| super::lark::may_be_over_unseen(ast);
    matches!(terminal, Terminal::String(_, Spelling::Raw, "")) && is_cut(&terminal.ast())
}
