//! What stands behind a backslash: sets, properties, code points.

use super::{Parser, invalid};
use crate::schema::pattern::lang::Sense;
use crate::schema::pattern::node::Node;
use crate::schema::pattern::set::{self, Ranges};
use crate::schema::pattern::{PatternError, irregular};

impl Parser<'_> {
    /// Reads what follows a backslash outside of a class, and tells whether it may be repeated.
    pub(super) fn escape(&mut self, slash: usize) -> Result<(Node, bool), PatternError> {
        match self.peek() {
            Some(c @ ('b' | 'B')) => {
                if self.ignore_case {
                    return Err(irregular("a word boundary that ignores case"));
                }
                self.bump();
                let sense = if c == 'b' { Sense::Is } else { Sense::IsNot };
                Ok((self.assertion(Node::Boundary(sense))?, false))
            }
            Some('1'..='9' | 'k') => Err(irregular("a backreference")),
            _ => match self.named_set(slash)? {
                Some(ranges) => Ok((self.class(ranges, Sense::Is)?, true)),
                None => {
                    let code = self.code_point(slash)?;
                    Ok((self.literal(code)?, true))
                }
            },
        }
    }

    /// Reads `\d`, `\w`, `\s`, `\p` or their complements, behind the backslash.
    pub(super) fn named_set(&mut self, slash: usize) -> Result<Option<Ranges>, PatternError> {
        let Some(c) = self.peek().filter(|c| "dDwWsSpP".contains(*c)) else { return Ok(None) };
        self.bump();
        let ranges = match c.to_ascii_lowercase() {
            'd' => set::DIGIT.to_vec(),
            's' => set::SPACE.to_vec(),
            'w' if self.ignore_case => set::fold(set::WORD.to_vec()),
            'w' => set::WORD.to_vec(),
            _ => self.property(slash)?,
        };
        self.spend(ranges.len() / 32)?;
        Ok(Some(if c.is_ascii_uppercase() { set::negate(&ranges) } else { ranges }))
    }

    /// Reads the braces of `\p{..}`.
    fn property(&mut self, slash: usize) -> Result<Ranges, PatternError> {
        let is_name = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '='));
        let inner = self.rest().strip_prefix('{').and_then(|text| text.split_once('}'));
        let Some((name, _)) = inner.filter(|(name, _)| is_name(name)) else {
            return Err(invalid(slash, "a property without a name in braces"));
        };
        let Some(ranges) = set::property(name) else {
            return Err(invalid(slash, "an unknown Unicode property"));
        };
        self.at += name.len() + 2;
        Ok(ranges)
    }

    /// Reads what follows a backslash where that names one code point, which may be a surrogate.
    pub(super) fn code_point(&mut self, slash: usize) -> Result<u32, PatternError> {
        let Some(c) = self.bump() else { return Err(invalid(slash, "a backslash at the end")) };
        let code = match c {
            't' => Some(0x09),
            'n' => Some(0x0A),
            'v' => Some(0x0B),
            'f' => Some(0x0C),
            'r' => Some(0x0D),
            '0' if !self.peek().is_some_and(|c| c.is_ascii_digit()) => Some(0),
            'c' => self.bump().filter(char::is_ascii_alphabetic).map(|letter| u32::from(letter) % 32),
            'x' => self.hex(2),
            'u' => self.unicode_escape(),
            c if c.is_ascii_alphanumeric() => None,
            c => Some(u32::from(c)),
        };
        code.ok_or_else(|| invalid(slash, "an escape that means nothing"))
    }

    /// Reads the digits of `\u`, joining two surrogates to the character that they encode.
    fn unicode_escape(&mut self) -> Option<u32> {
        if self.eat("{") {
            let (digits, _) = self.rest().split_once('}')?;
            self.at += digits.len() + 1;
            return hex_value(digits).filter(|code| *code <= u32::from(char::MAX));
        }
        let high = self.hex(4)?;
        let at = self.at;
        if (0xD800..0xDC00).contains(&high)
            && self.eat("\\u")
            && let Some(low) = self.hex(4).filter(|low| (0xDC00..0xE000).contains(low))
        {
            return Some(0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00));
        }
        self.at = at;
        Some(high)
    }

    fn hex(&mut self, n_digits: usize) -> Option<u32> {
        let value = hex_value(self.rest().get(..n_digits)?)?;
        self.at += n_digits;
        Some(value)
    }
}

/// The value of hexadecimal digits, and nothing else than digits.
fn hex_value(digits: &str) -> Option<u32> {
    let all_digits = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    all_digits.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}
