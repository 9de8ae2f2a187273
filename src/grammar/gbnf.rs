//! GBNF, llama.cpp's notation of grammars, as Lark.
//!
//! GBNF has no lexer: a grammar is about characters. Lark's terminals are greedy, so that each terminal here is one
//! character, and nothing is lost by taking the longest.
//!
//! Source: llama.cpp, grammars/README.md.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

/// Bytes of a grammar.
const MAX_BYTES: usize = 256 << 10;
/// How deep groups nest.
const MAX_DEPTH: usize = 64;

/// Whether `text` is GBNF, and not Lark.
pub fn is_gbnf(text: &str) -> bool {
    text.contains("::=")
}

/// The same grammar as Lark.
///
/// # Errors
/// With the line and what is wrong there.
pub fn to_lark(text: &str) -> Result<String, String> {
    if text.len() > MAX_BYTES {
        return Err(format!("the grammar has {} bytes, more than {MAX_BYTES}", text.len()));
    }
    let mut reader = Reader { chars: text.chars().collect(), at: 0, names: HashMap::new(), used: Vec::new(), depth: 0 };
    let mut rules: BTreeMap<usize, String> = BTreeMap::new();
    reader.skip(true);
    while !reader.is_end() {
        let name = reader.name()?;
        reader.skip(true);
        reader.expect("::=")?;
        reader.skip(true);
        let rule = reader.id(&name);
        if rules.contains_key(&rule) {
            return Err(reader.fault(&format!("the rule '{name}' is defined twice")));
        }
        let body = reader.alternatives(true)?;
        rules.insert(rule, body);
        reader.skip(true);
    }
    let Some(root) = reader.names.get("root").filter(|root| rules.contains_key(root)) else {
        return Err("there is no rule 'root'".to_owned());
    };
    if let Some((name, at)) = reader.used.iter().find(|(name, _)| !rules.contains_key(&reader.names[name])) {
        return Err(format!("line {}: there is no rule '{name}'", reader.line_of(*at)));
    }
    let mut lark = format!("start: g{root}\n");
    for (rule, body) in rules {
        let _ = writeln!(lark, "g{rule}: {body}");
    }
    Ok(lark)
}

struct Reader {
    chars: Vec<char>,
    at: usize,
    /// Rules have numbers: their names may be none in Lark.
    names: HashMap<String, usize>,
    used: Vec<(String, usize)>,
    depth: usize,
}

impl Reader {
    fn is_end(&self) -> bool {
        self.at >= self.chars.len()
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    /// The line of a place. Counted anew each time, so only for faults.
    fn line_of(&self, at: usize) -> usize {
        self.chars[..at.min(self.chars.len())].iter().filter(|c| **c == '\n').count() + 1
    }

    fn fault(&self, what: &str) -> String {
        format!("line {}: {what}", self.line_of(self.at))
    }

    /// Skips spaces and comments; line ends too, if they mean nothing here.
    fn skip(&mut self, newlines: bool) {
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' => self.at += 1,
                '\n' | '\r' if newlines => self.at += 1,
                '#' => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    fn expect(&mut self, text: &str) -> Result<(), String> {
        if self.chars[self.at..].iter().copied().take(text.len()).eq(text.chars()) {
            self.at += text.len();
            return Ok(());
        }
        Err(self.fault(&format!("'{text}' should stand here")))
    }

    fn name(&mut self) -> Result<String, String> {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
            self.at += 1;
        }
        if self.at == start {
            let found = self.peek().map_or_else(|| "the end".to_owned(), |c| format!("'{c}'"));
            return Err(self.fault(&format!("a rule's name should stand here, not {found}")));
        }
        Ok(self.chars[start..self.at].iter().collect())
    }

    fn id(&mut self, name: &str) -> usize {
        let next = self.names.len();
        *self.names.entry(name.to_owned()).or_insert(next)
    }

    /// Alternatives up to the end of the rule or group.
    fn alternatives(&mut self, is_rule: bool) -> Result<String, String> {
        let mut all = vec![self.sequence(!is_rule)?];
        loop {
            let before = self.at;
            self.skip(true);
            if self.peek() != Some('|') {
                if is_rule {
                    self.at = before;
                }
                return Ok(all.join(" | "));
            }
            self.at += 1;
            self.skip(true);
            all.push(self.sequence(!is_rule)?);
        }
    }

    fn sequence(&mut self, newlines: bool) -> Result<String, String> {
        let mut items: Vec<String> = Vec::new();
        loop {
            self.skip(newlines);
            let item = match self.peek() {
                Some('"') => self.literal()?,
                Some('[') => self.class()?,
                Some('.') => {
                    self.at += 1;
                    "/(?s:.)/".to_owned()
                }
                Some('(') => self.group()?,
                Some(c) if c.is_ascii_alphanumeric() || c == '-' || c == '_' => {
                    let at = self.at;
                    let name = self.name()?;
                    let id = self.id(&name);
                    self.used.push((name, at));
                    format!("g{id}")
                }
                Some('\n' | '\r') if self.goes_on() => continue,
                Some('|' | ')' | '\n' | '\r') | None => {
                    return Ok(if items.is_empty() { "\"\"".to_owned() } else { items.join(" ") });
                }
                Some(c) => return Err(self.fault(&format!("'{c}' means nothing here"))),
            };
            let times = self.times()?;
            items.push(if times.is_empty() { item } else { format!("({item}){times}") });
        }
    }

    /// Whether the rule goes on in the next line; then that is where reading does.
    fn goes_on(&mut self) -> bool {
        let line_end = self.at;
        self.skip(true);
        let start = self.at;
        let is_rule = self.is_end()
            || matches!(self.peek(), Some('|' | ')'))
            || (self.name().is_ok() && {
                self.skip(true);
                self.expect("::=").is_ok()
            });
        self.at = if is_rule { line_end } else { start };
        !is_rule
    }

    fn group(&mut self) -> Result<String, String> {
        self.at += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.fault("groups nest too deep"));
        }
        self.skip(true);
        let inner = self.alternatives(false)?;
        self.depth -= 1;
        self.skip(true);
        self.expect(")")?;
        Ok(format!("({inner})"))
    }

    /// How often the item before it comes.
    fn times(&mut self) -> Result<String, String> {
        match self.peek() {
            Some(c @ ('*' | '+' | '?')) => {
                self.at += 1;
                Ok(c.to_string())
            }
            Some('{') => {
                self.at += 1;
                let start = self.at;
                while self.peek().is_some_and(|c| c != '}') {
                    self.at += 1;
                }
                let inside: String = self.chars[start..self.at].iter().filter(|c| !c.is_whitespace()).collect();
                self.expect("}")?;
                let number = |text: &str| {
                    text.parse::<u32>().map_err(|_| self.fault(&format!("'{{{inside}}}' is no number of times")))
                };
                match inside.split_once(',') {
                    None => number(&inside).map(|n| format!("{{{n},{n}}}")),
                    Some((min, "")) => number(min).map(|n| format!("{{{n},}}")),
                    Some((min, max)) => {
                        Ok(format!("{{{},{}}}", if min.is_empty() { 0 } else { number(min)? }, number(max)?))
                    }
                }
            }
            _ => Ok(String::new()),
        }
    }

    /// A text: one terminal per character.
    fn literal(&mut self) -> Result<String, String> {
        self.at += 1;
        let mut chars = Vec::new();
        loop {
            match self.peek() {
                Some('"') => break,
                None | Some('\n') => return Err(self.fault("the text does not end")),
                Some(_) => chars.push(self.char()?),
            }
        }
        self.at += 1;
        let chars: Vec<String> = chars.into_iter().map(|c| super::quote(&c.to_string())).collect();
        Ok(match chars.as_slice() {
            [] => "\"\"".to_owned(),
            [one] => one.clone(),
            _ => format!("({})", chars.join(" ")),
        })
    }

    /// A set of characters.
    fn class(&mut self) -> Result<String, String> {
        self.at += 1;
        let is_not = self.peek() == Some('^');
        self.at += usize::from(is_not);
        let mut inside = String::new();
        loop {
            match self.peek() {
                Some(']') => break,
                None | Some('\n') => return Err(self.fault("the set of characters does not end")),
                Some(_) => {}
            }
            let first = self.char()?;
            let mut last = first;
            if self.peek() == Some('-') && self.chars.get(self.at + 1).is_some_and(|c| *c != ']') {
                self.at += 1;
                last = self.char()?;
            }
            if last < first {
                return Err(self.fault(&format!("the range {first}-{last} is empty")));
            }
            let _ = write!(inside, r"\x{{{:X}}}-\x{{{:X}}}", u32::from(first), u32::from(last));
        }
        self.at += 1;
        if inside.is_empty() {
            return if is_not { Ok("/(?s:.)/".to_owned()) } else { Err(self.fault("the set of characters is empty")) };
        }
        Ok(format!("/[{}{inside}]/", if is_not { "^" } else { "" }))
    }

    /// A character, or an escape for one.
    fn char(&mut self) -> Result<char, String> {
        let c = self.peek().ok_or_else(|| self.fault("the grammar breaks off"))?;
        self.at += 1;
        if c != '\\' {
            return Ok(c);
        }
        let escape = self.peek().ok_or_else(|| self.fault("the grammar breaks off"))?;
        self.at += 1;
        let n_digits = match escape {
            'n' => return Ok('\n'),
            'r' => return Ok('\r'),
            't' => return Ok('\t'),
            '\\' | '"' | '[' | ']' | '-' | '^' | '/' => return Ok(escape),
            'x' => 2,
            'u' => 4,
            'U' => 8,
            other => return Err(self.fault(&format!("'\\{other}' is no escape"))),
        };
        let digits: String = self.chars[self.at..].iter().take(n_digits).collect();
        let code = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == n_digits);
        let c = code
            .and_then(char::from_u32)
            .ok_or_else(|| self.fault(&format!("'\\{escape}{digits}' is no character")))?;
        self.at += n_digits;
        Ok(c)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_have_their_line() {
        for (grammar, fault) in [
            ("root ::= \"a\nb ::= \"c\"", "line 1: the text does not end"),
            ("root ::= a\n", "line 1: there is no rule 'a'"),
            ("# text\nroot ::= [b-a]", "line 2: the range b-a is empty"),
            ("start ::= \"a\"", "there is no rule 'root'"),
            ("root ::= \"a\"\nroot ::= \"b\"", "line 2: the rule 'root' is defined twice"),
            ("root = \"a\"", "line 1: '::=' should stand here"),
            ("root ::= (\"a\"", "line 1: ')' should stand here"),
            ("root ::= \"a\"{x}", "line 1: '{x}' is no number of times"),
            ("root ::= \"\\q\"", "line 1: '\\q' is no escape"),
            ("root ::= &", "line 1: '&' means nothing here"),
        ] {
            assert_eq!(to_lark(grammar), Err(fault.to_owned()), "{grammar}");
        }
        assert!(to_lark(&format!("root ::= {}", "(".repeat(100_000))).is_err());
    }

    /// As many rules and uses as fit.
    #[test]
    fn large_grammars_are_read() {
        let rules: String = (0..10_000).map(|i| format!("r{i} ::= root root root\n")).collect();
        assert!(to_lark(&format!("root ::= \"a\"\n{rules}")).is_ok());
    }
}
