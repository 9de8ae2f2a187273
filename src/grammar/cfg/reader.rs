//! Goes through the text of a grammar, character by character.

use super::CfgError;

/// A text and a place in it.
pub(super) struct Reader {
    pub(super) chars: Vec<char>,
    pub(super) at: usize,
    depth: usize,
}

impl Reader {
    pub(super) fn new(text: &str) -> Self {
        Self { chars: text.chars().collect(), at: 0, depth: 0 }
    }

    pub(super) fn is_end(&self) -> bool {
        self.at >= self.chars.len()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.peek_at(0)
    }

    pub(super) fn peek_at(&self, n: usize) -> Option<char> {
        self.chars.get(self.at + n).copied()
    }

    /// Where each line begins.
    pub(super) fn lines(&self) -> Vec<usize> {
        let ends = self.chars.iter().enumerate().filter(|(_, c)| **c == '\n').map(|(i, _)| i + 1);
        std::iter::once(0).chain(ends).collect()
    }

    /// A fault here. The line is counted anew each time, so only for faults.
    pub(super) fn fault(&self, what: &str) -> CfgError {
        CfgError::Invalid(self.in_line(what))
    }

    /// Something that is not expressed here.
    pub(super) fn unsupported(&self, what: &str) -> CfgError {
        CfgError::Unsupported(self.in_line(what))
    }

    fn in_line(&self, what: &str) -> String {
        let line = self.chars[..self.at.min(self.chars.len())].iter().filter(|c| **c == '\n').count() + 1;
        format!("line {line}: {what}")
    }

    pub(super) fn eat(&mut self, text: &str) -> bool {
        let n_chars = text.chars().count();
        let is_here = self.chars[self.at..].iter().copied().take(n_chars).eq(text.chars());
        self.at += if is_here { n_chars } else { 0 };
        is_here
    }

    pub(super) fn expect(&mut self, text: &str) -> Result<(), CfgError> {
        if self.eat(text) { Ok(()) } else { Err(self.fault(&format!("'{text}' should stand here"))) }
    }

    /// Skips to the end of the line.
    pub(super) fn skip_line(&mut self) {
        while self.peek().is_some_and(|c| c != '\n') {
            self.at += 1;
        }
    }

    /// The characters here that `is_part` holds for.
    pub(super) fn word(&mut self, is_part: impl Fn(char) -> bool) -> String {
        let start = self.at;
        while self.peek().is_some_and(&is_part) {
            self.at += 1;
        }
        self.chars[start..self.at].iter().collect()
    }

    /// How many spaces and tabs stand here.
    pub(super) fn blanks(&self) -> usize {
        self.chars[self.at..].iter().take_while(|c| matches!(c, ' ' | '\t')).count()
    }

    /// A number, if one stands here.
    pub(super) fn number(&mut self) -> Option<u32> {
        let digits = self.word(|c| c.is_ascii_digit());
        digits.parse().ok()
    }

    /// Begins a group.
    pub(super) fn enter(&mut self) -> Result<(), CfgError> {
        self.depth += 1;
        if self.depth > super::MAX_DEPTH { Err(self.fault("groups nest too deep")) } else { Ok(()) }
    }

    /// Ends a group.
    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }

    /// How often what stands before it comes, in braces or as a sign; once if nothing is said.
    pub(super) fn times(&mut self) -> Result<(u32, Option<u32>), CfgError> {
        let n_blanks = self.blanks();
        if matches!(self.peek_at(n_blanks), Some('*' | '+' | '?' | '{')) {
            self.at += n_blanks;
        }
        match self.peek() {
            Some('*') => self.sign(0, None),
            Some('+') => self.sign(1, None),
            Some('?') => self.sign(0, Some(1)),
            Some('{') => {
                self.at += 1;
                let inside: String = self.word(|c| c != '}').split_whitespace().collect();
                self.expect("}")?;
                let number = |text: &str| {
                    text.parse::<u32>().map_err(|_| self.fault(&format!("'{{{inside}}}' is no number of times")))
                };
                let (min, max) = match inside.split_once(',') {
                    None => (number(&inside)?, Some(number(&inside)?)),
                    Some((min, "")) => (number(min)?, None),
                    Some(("", max)) => (0, Some(number(max)?)),
                    Some((min, max)) => (number(min)?, Some(number(max)?)),
                };
                if max.is_some_and(|max| max < min) {
                    return Err(self.fault(&format!("'{{{inside}}}' is no number of times")));
                }
                Ok((min, max))
            }
            _ => Ok((1, Some(1))),
        }
    }

    fn sign(&mut self, min: u32, max: Option<u32>) -> Result<(u32, Option<u32>), CfgError> {
        self.at += 1;
        Ok((min, max))
    }
}

/// The character whose code is `digits`, of which there must be `n_digits`, in hexadecimal.
pub(super) fn character(digits: &str, n_digits: usize) -> Option<char> {
    let is_number = digits.len() == n_digits && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let code = u32::from_str_radix(digits, 16).ok().filter(|_| is_number)?;
    char::from_u32(code)
}
