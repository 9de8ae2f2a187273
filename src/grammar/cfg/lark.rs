//! Lark grammars, as OpenAI's custom tools and llguidance take them.
//!
//! What is ignored may stand before the first terminal and behind each: it is woven in here, so that nobody behind this
//! needs to know of it. Source: Lark's documentation, "Grammar Reference" (1.2).

use std::collections::HashMap;

use super::CfgError;
use super::common;
use super::expr::{Definition, Expr, Named};
use super::reader::{Reader, character};
use super::regex::Regexes;
use crate::schema::pattern::{self, Lang};

/// The name of what is ignored: none that a grammar can have.
const IGNORED: &str = "%ignored";

/// Reads a grammar.
pub(super) fn read(text: &str) -> Result<Named, CfgError> {
    let mut reader = Lark { text: Reader::new(text), ignored: Vec::new(), regexes: Regexes::default() };
    let mut named = Named { lines: reader.text.lines(), ..Named::default() };
    reader.skip(true);
    while !reader.text.is_end() {
        if reader.text.peek() == Some('%') {
            reader.directive(&mut named)?;
        } else {
            let (name, definition) = reader.definition()?;
            if named.exprs.contains_key(&name) {
                return Err(reader.text.fault(&format!("'{name}' is defined twice")));
            }
            named.exprs.insert(name, definition);
        }
        reader.skip(true);
    }
    if !named.exprs.contains_key("start") {
        return Err(CfgError::Invalid("there is no rule 'start'".to_owned()));
    }
    if !reader.ignored.is_empty() {
        weave(&mut named, Expr::Or(reader.ignored));
    }
    Ok(named)
}

/// Lets what is ignored stand before everything and behind each terminal of a rule.
fn weave(named: &mut Named, ignored: Expr) {
    let is_terminal: HashMap<String, bool> =
        named.exprs.iter().map(|(name, definition)| (name.clone(), definition.is_terminal)).collect();
    let gap = || Expr::Repeat(Box::new(Expr::Name(IGNORED.to_owned(), 0)), 0, None);
    for definition in named.exprs.values_mut().filter(|definition| !definition.is_terminal) {
        definition.expr = with_gaps(std::mem::replace(&mut definition.expr, Expr::Seq(Vec::new())), &is_terminal, &gap);
    }
    if let Some(start) = named.exprs.remove("start") {
        // Why another name: the start may be named in rules, too.
        let first = Expr::Seq(vec![gap(), Expr::Name("%start".to_owned(), 0)]);
        named.exprs.insert("%start".to_owned(), start);
        let rename = named.exprs.values_mut();
        rename.for_each(|definition| rename_start(&mut definition.expr));
        named.exprs.insert("start".to_owned(), Definition { expr: first, is_terminal: false });
    }
    named.exprs.insert(IGNORED.to_owned(), Definition { expr: ignored, is_terminal: true });
}

fn rename_start(expr: &mut Expr) {
    match expr {
        Expr::Name(name, _) if name == "start" => "%start".clone_into(name),
        Expr::Name(..) | Expr::Terminal(_) => {}
        Expr::Seq(parts) | Expr::Or(parts) => parts.iter_mut().for_each(rename_start),
        Expr::Repeat(inner, ..) => rename_start(inner),
    }
}

fn with_gaps(expr: Expr, is_terminal: &HashMap<String, bool>, gap: &impl Fn() -> Expr) -> Expr {
    let all = |parts: Vec<Expr>| parts.into_iter().map(|part| with_gaps(part, is_terminal, gap)).collect();
    match expr {
        Expr::Terminal(Lang::Empty) => expr,
        Expr::Terminal(_) => Expr::Seq(vec![expr, gap()]),
        Expr::Name(ref name, _) if is_terminal.get(name) == Some(&true) => Expr::Seq(vec![expr, gap()]),
        Expr::Name(..) => expr,
        Expr::Seq(parts) => Expr::Seq(all(parts)),
        Expr::Or(parts) => Expr::Or(all(parts)),
        Expr::Repeat(inner, min, max) => Expr::Repeat(Box::new(with_gaps(*inner, is_terminal, gap)), min, max),
    }
}

struct Lark {
    text: Reader,
    ignored: Vec<Expr>,
    regexes: Regexes,
}

fn is_name_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

impl Lark {
    /// Skips spaces and comments; line ends too, if they mean nothing here.
    fn skip(&mut self, newlines: bool) {
        while let Some(c) = self.text.peek() {
            match c {
                ' ' | '\t' => self.text.at += 1,
                '\n' | '\r' if newlines => self.text.at += 1,
                '#' => self.text.skip_line(),
                '/' if self.text.peek_at(1) == Some('/') => self.text.skip_line(),
                _ => return,
            }
        }
    }

    fn name(&mut self) -> Result<String, CfgError> {
        let name = self.text.word(is_name_part);
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            let found = self.text.peek().map_or_else(|| "the end".to_owned(), |c| format!("'{c}'"));
            return Err(self.text.fault(&format!("a name should stand here, not {found}")));
        }
        Ok(name)
    }

    /// `name: expansions`, with what may stand before and behind the name.
    fn definition(&mut self) -> Result<(String, Definition), CfgError> {
        while matches!(self.text.peek(), Some('?' | '!')) {
            self.text.at += 1;
        }
        let name = self.name()?;
        match self.text.peek() {
            Some('.') => {
                // Why nothing comes of it: a priority chooses among parses, and says nothing of what is derived.
                self.text.at += 1;
                self.text.eat("-");
                let _priority = self.text.number();
            }
            Some('[') => return Err(self.text.unsupported("attributes of rules are not supported")),
            Some('{') => return Err(self.text.unsupported("templates of rules are not supported")),
            _ => {}
        }
        self.skip(false);
        self.text.expect(":")?;
        let is_terminal = is_terminal(&name);
        let expr = self.alternatives(true)?;
        Ok((name, Definition { expr, is_terminal }))
    }

    fn directive(&mut self, named: &mut Named) -> Result<(), CfgError> {
        let word = {
            self.text.at += 1;
            self.text.word(is_name_part)
        };
        match word.as_str() {
            "ignore" => {
                let expr = self.alternatives(true)?;
                self.ignored.push(expr);
                Ok(())
            }
            "import" => self.import(named),
            other => Err(self.text.unsupported(&format!("'%{other}' is not supported"))),
        }
    }

    /// `%import common.NAME`, `%import common.NAME -> NAME`, `%import common (A, B)`.
    fn import(&mut self, named: &mut Named) -> Result<(), CfgError> {
        self.skip(false);
        if !self.text.eat("common") {
            return Err(self.text.unsupported("only the terminals of 'common' can be imported"));
        }
        self.skip(false);
        let mut names = Vec::new();
        if self.text.eat("(") {
            loop {
                self.skip(true);
                names.push(self.name()?);
                self.skip(true);
                if !self.text.eat(",") {
                    self.text.expect(")")?;
                    break;
                }
            }
        } else {
            self.text.expect(".")?;
            names.push(self.name()?);
        }
        self.skip(false);
        let alias = if self.text.eat("->") {
            self.skip(false);
            Some(self.name()?)
        } else {
            None
        };
        for name in names {
            let pattern = common::pattern(&name);
            let Some(pattern) = pattern else {
                return Err(self.text.fault(&format!("there is no terminal 'common.{name}'")));
            };
            let lang = pattern::whole(pattern).expect("the common terminals are patterns");
            let definition = Definition { expr: Expr::Terminal(lang), is_terminal: true };
            let name = alias.clone().unwrap_or(name);
            named.exprs.insert(name, definition);
        }
        Ok(())
    }

    /// Alternatives up to the end of the rule or group.
    fn alternatives(&mut self, is_rule: bool) -> Result<Expr, CfgError> {
        let mut all = vec![self.sequence(!is_rule)?];
        loop {
            let before = self.text.at;
            self.skip(true);
            if self.text.peek() != Some('|') {
                if is_rule {
                    self.text.at = before;
                }
                return Ok(if all.len() == 1 { all.remove(0) } else { Expr::Or(all) });
            }
            self.text.at += 1;
            all.push(self.sequence(!is_rule)?);
        }
    }

    fn sequence(&mut self, newlines: bool) -> Result<Expr, CfgError> {
        let mut items: Vec<Expr> = Vec::new();
        loop {
            self.skip(newlines);
            let Some(c) = self.text.peek() else { break };
            let item = match c {
                '"' => self.literal()?,
                '/' => Expr::Terminal(self.regexes.read(&mut self.text)?),
                '(' => self.group(")")?,
                '[' => Expr::Repeat(Box::new(self.group("]")?), 0, Some(1)),
                '-' if self.text.eat("->") => {
                    // A name for the tree, which nobody builds here.
                    self.skip(false);
                    let _alias = self.name()?;
                    continue;
                }
                '|' | ')' | ']' | '\n' | '\r' => break,
                '<' | '@' | '%' | '&' | '~' => {
                    return Err(self.text.unsupported(&format!("'{c}' of llguidance's Lark is not supported here")));
                }
                c if is_name_part(c) => {
                    let at = self.text.at;
                    let name = self.name()?;
                    if self.text.peek() == Some('{')
                        && !self.text.peek_at(1).is_some_and(|c| c.is_ascii_digit() || c == ',')
                    {
                        return Err(self.text.unsupported("templates of rules are not supported"));
                    }
                    Expr::Name(name, at)
                }
                c => return Err(self.text.fault(&format!("'{c}' means nothing here"))),
            };
            items.push(self.repeated(item)?);
        }
        Ok(if items.len() == 1 { items.remove(0) } else { Expr::Seq(items) })
    }

    fn repeated(&mut self, item: Expr) -> Result<Expr, CfgError> {
        let n_blanks = self.text.blanks();
        let (min, max) = if self.text.peek_at(n_blanks) == Some('~') {
            self.text.at += n_blanks;
            self.tilde()?
        } else {
            self.text.times()?
        };
        Ok(if (min, max) == (1, Some(1)) { item } else { Expr::Repeat(Box::new(item), min, max) })
    }

    /// `~ n` or `~ n..m`.
    fn tilde(&mut self) -> Result<(u32, Option<u32>), CfgError> {
        self.text.at += 1;
        self.skip(false);
        let Some(min) = self.text.number() else {
            return Err(self.text.unsupported("'~' without a number is not supported here"));
        };
        if !self.range() {
            return Ok((min, Some(min)));
        }
        match self.text.number() {
            Some(max) if max >= min => Ok((min, Some(max))),
            _ => Err(self.text.fault("a number that is not smaller should stand here")),
        }
    }

    fn group(&mut self, close: &str) -> Result<Expr, CfgError> {
        self.text.at += 1;
        self.text.enter()?;
        let inner = self.alternatives(false)?;
        self.text.leave();
        self.skip(true);
        self.text.expect(close)?;
        Ok(inner)
    }

    /// A text, any case with an `i` behind it, or a range of characters.
    fn literal(&mut self) -> Result<Expr, CfgError> {
        let text = self.quoted()?;
        if self.range() {
            let last = self.quoted()?;
            let (mut first_chars, mut last_chars) = (text.chars(), last.chars());
            return match (first_chars.next(), first_chars.next(), last_chars.next(), last_chars.next()) {
                (Some(first), None, Some(last), None) if first <= last => {
                    Ok(Expr::Terminal(Lang::class(vec![(first, last)])))
                }
                _ => Err(self.text.fault("a range has a character on each side, the smaller one first")),
            };
        }
        if self.text.peek() == Some('i') && !self.text.peek_at(1).is_some_and(is_name_part) {
            self.text.at += 1;
            return self.regexes.literal(&self.text, &text).map(Expr::Terminal);
        }
        Ok(Expr::Terminal(Lang::literal(&text)))
    }

    /// Takes two dots, with blanks around them, if they stand here.
    fn range(&mut self) -> bool {
        let n_blanks = self.text.blanks();
        if (self.text.peek_at(n_blanks), self.text.peek_at(n_blanks + 1)) != (Some('.'), Some('.')) {
            return false;
        }
        self.text.at += n_blanks + 2;
        self.text.at += self.text.blanks();
        true
    }

    fn quoted(&mut self) -> Result<String, CfgError> {
        self.text.expect("\"")?;
        let start = self.text.at;
        loop {
            match self.text.peek() {
                None | Some('\n') => return Err(self.text.fault("the text does not end")),
                Some('\\') => self.text.at += 2,
                Some('"') => break,
                Some(_) => self.text.at += 1,
            }
        }
        let raw: String = self.text.chars[start..self.text.at].iter().collect();
        self.text.at += 1;
        unescape(&raw).ok_or_else(|| self.text.fault(&format!("the escapes in \"{raw}\" are not known")))
    }
}

/// Whether a name is a terminal's: its first letter is a capital.
fn is_terminal(name: &str) -> bool {
    name.trim_start_matches('_').starts_with(|c: char| c.is_ascii_uppercase())
}

/// Python's escapes, as far as a grammar needs them.
fn unescape(raw: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = raw.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let escaped = rest.next()?;
        let n_digits = match escaped {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => 0,
        };
        let digits: String = rest.by_ref().take(n_digits).collect();
        out.push(match escaped {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'f' => '\u{C}',
            'b' => '\u{8}',
            _ if n_digits > 0 => character(&digits, n_digits)?,
            c if c.is_ascii_alphanumeric() => return None,
            c => c,
        });
    }
    Some(out)
}
