//! GBNF, llama.cpp's notation of grammars.
//!
//! GBNF has no lexer: a grammar is about characters. llguidance's terminals are greedy, so that each terminal here is
//! one character, and nothing is lost by taking the longest.
//!
//! Source: llama.cpp, grammars/README.md.

use super::CfgError;
use super::expr::{Definition, Expr, Named};
use super::reader::{Reader, character};
use crate::schema::pattern::Lang;

/// Reads a grammar.
pub(super) fn read(text: &str) -> Result<Named, CfgError> {
    let mut reader = Gbnf(Reader::new(text));
    let mut named = Named { lines: reader.0.lines(), ..Named::default() };
    reader.skip(true);
    while !reader.0.is_end() {
        let name = reader.name()?;
        reader.skip(true);
        reader.0.expect("::=")?;
        reader.skip(true);
        if named.exprs.contains_key(&name) {
            return Err(reader.0.fault(&format!("the rule '{name}' is defined twice")));
        }
        let expr = reader.alternatives(true)?;
        named.exprs.insert(name, Definition { expr, is_terminal: false });
        reader.skip(true);
    }
    Ok(named)
}

struct Gbnf(Reader);

impl Gbnf {
    /// Skips spaces and comments; line ends too, if they mean nothing here.
    fn skip(&mut self, newlines: bool) {
        while let Some(c) = self.0.peek() {
            match c {
                ' ' | '\t' => self.0.at += 1,
                '\n' | '\r' if newlines => self.0.at += 1,
                '#' => self.0.skip_line(),
                _ => return,
            }
        }
    }

    fn name(&mut self) -> Result<String, CfgError> {
        let name = self.0.word(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if name.is_empty() {
            let found = self.0.peek().map_or_else(|| "the end".to_owned(), |c| format!("'{c}'"));
            return Err(self.0.fault(&format!("a rule's name should stand here, not {found}")));
        }
        Ok(name)
    }

    /// Alternatives up to the end of the rule or group.
    fn alternatives(&mut self, is_rule: bool) -> Result<Expr, CfgError> {
        let mut all = vec![self.sequence(!is_rule)?];
        loop {
            let before = self.0.at;
            self.skip(true);
            if self.0.peek() != Some('|') {
                if is_rule {
                    self.0.at = before;
                }
                return Ok(if all.len() == 1 { all.remove(0) } else { Expr::Or(all) });
            }
            self.0.at += 1;
            self.skip(true);
            all.push(self.sequence(!is_rule)?);
        }
    }

    fn sequence(&mut self, newlines: bool) -> Result<Expr, CfgError> {
        let mut items: Vec<Expr> = Vec::new();
        loop {
            self.skip(newlines);
            let item = match self.0.peek() {
                Some('"') => self.literal()?,
                Some('[') => self.class()?,
                Some('.') => {
                    self.0.at += 1;
                    Expr::Terminal(Lang::any_char())
                }
                Some('(') => self.group()?,
                Some(c) if c.is_ascii_alphanumeric() || c == '-' || c == '_' => {
                    let at = self.0.at;
                    Expr::Name(self.name()?, at)
                }
                Some('\n' | '\r') if self.goes_on() => continue,
                Some('|' | ')' | '\n' | '\r') | None => {
                    return Ok(if items.len() == 1 { items.remove(0) } else { Expr::Seq(items) });
                }
                Some(c) => return Err(self.0.fault(&format!("'{c}' means nothing here"))),
            };
            items.push(match self.0.times()? {
                (1, Some(1)) => item,
                (min, max) => Expr::Repeat(Box::new(item), min, max),
            });
        }
    }

    /// Whether the rule goes on in the next line; then that is where reading does.
    fn goes_on(&mut self) -> bool {
        let line_end = self.0.at;
        self.skip(true);
        let start = self.0.at;
        let is_rule = self.0.is_end()
            || matches!(self.0.peek(), Some('|' | ')'))
            || (self.name().is_ok() && {
                self.skip(true);
                self.0.eat("::=")
            });
        self.0.at = if is_rule { line_end } else { start };
        !is_rule
    }

    fn group(&mut self) -> Result<Expr, CfgError> {
        self.0.at += 1;
        self.0.enter()?;
        self.skip(true);
        let inner = self.alternatives(false)?;
        self.0.leave();
        self.skip(true);
        self.0.expect(")")?;
        Ok(inner)
    }

    /// A text: one terminal per character.
    fn literal(&mut self) -> Result<Expr, CfgError> {
        self.0.at += 1;
        let mut chars = Vec::new();
        loop {
            match self.0.peek() {
                Some('"') => break,
                None | Some('\n') => return Err(self.0.fault("the text does not end")),
                Some(_) => chars.push(self.char()?),
            }
        }
        self.0.at += 1;
        let one = |c: char| Expr::Terminal(Lang::class(vec![(c, c)]));
        Ok(if let [c] = chars.as_slice() { one(*c) } else { Expr::Seq(chars.into_iter().map(one).collect()) })
    }

    /// A set of characters.
    fn class(&mut self) -> Result<Expr, CfgError> {
        self.0.at += 1;
        let is_not = self.0.eat("^");
        let mut ranges = Vec::new();
        loop {
            match self.0.peek() {
                Some(']') => break,
                None | Some('\n') => return Err(self.0.fault("the set of characters does not end")),
                Some(_) => {}
            }
            let first = self.char()?;
            let mut last = first;
            if self.0.peek() == Some('-') && self.0.peek_at(1).is_some_and(|c| c != ']') {
                self.0.at += 1;
                last = self.char()?;
            }
            if last < first {
                return Err(self.0.fault(&format!("the range {first}-{last} is empty")));
            }
            ranges.push((first, last));
        }
        self.0.at += 1;
        if ranges.is_empty() && !is_not {
            return Err(self.0.fault("the set of characters is empty"));
        }
        Ok(Expr::Terminal(if is_not { Lang::class_without(ranges) } else { Lang::class(ranges) }))
    }

    /// A character, or an escape for one.
    fn char(&mut self) -> Result<char, CfgError> {
        let c = self.0.peek().ok_or_else(|| self.0.fault("the grammar breaks off"))?;
        self.0.at += 1;
        if c != '\\' {
            return Ok(c);
        }
        let escape = self.0.peek().ok_or_else(|| self.0.fault("the grammar breaks off"))?;
        self.0.at += 1;
        let n_digits = match escape {
            'n' => return Ok('\n'),
            'r' => return Ok('\r'),
            't' => return Ok('\t'),
            '\\' | '"' | '[' | ']' | '-' | '^' | '/' => return Ok(escape),
            'x' => 2,
            'u' => 4,
            'U' => 8,
            other => return Err(self.0.fault(&format!("'\\{other}' is no escape"))),
        };
        let digits: String = self.0.chars[self.0.at..].iter().take(n_digits).collect();
        let c = character(&digits, n_digits)
            .ok_or_else(|| self.0.fault(&format!("'\\{escape}{digits}' is no character")))?;
        self.0.at += n_digits;
        Ok(c)
    }
}
