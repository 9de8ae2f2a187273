//! Patterns in the syntax of Rust's `regex`, which OpenAI's custom tools and llguidance's Lark have, as ECMA-262's.
//!
//! Written over from the syntax tree, so that a pattern stays as short as it was: it is shown to the model.

mod class;

use std::fmt::Write as _;

use regex_syntax::ast::parse::ParserBuilder;
use regex_syntax::ast::{
    AssertionKind, Ast, ClassBracketed, ClassPerlKind, ClassSet, Flag, Flags, FlagsItemKind, GroupKind, RepetitionKind,
    RepetitionRange,
};

use self::class::{WORD, add, in_brackets, perl, push_char, push_range, unicode};
use super::PatternError;
use super::set;

/// Bytes of a pattern.
const MAX_BYTES: usize = 64 << 10;
/// How deep groups may stand in each other.
const MAX_DEPTH: u32 = 100;
/// A pattern of Rust's in ECMA-262.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FromRust {
    /// What matches the same.
    pub pattern: String,
    /// Whether something in it takes as little as it can, which changes nothing where all of a text is matched.
    pub is_lazy: bool,
    /// Whether it looks at where it stands.
    pub has_assertions: bool,
}

/// What `pattern` says in ECMA-262.
///
/// # Errors
/// If it is no pattern of Rust's, or works on bytes, or is too long.
pub fn from_rust(pattern: &str) -> Result<FromRust, PatternError> {
    if pattern.len() > MAX_BYTES {
        let what = format!("it has {} bytes, and {MAX_BYTES} are allowed", pattern.len());
        return Err(PatternError::Invalid { at: MAX_BYTES, what });
    }
    let ast = ParserBuilder::new()
        .nest_limit(MAX_DEPTH)
        .empty_min_range(true)
        .build()
        .parse(pattern)
        .map_err(|error| PatternError::Invalid { at: error.span().start.offset, what: error.kind().to_string() })?;
    let mut writer = Writer {
        source: pattern,
        out: String::new(),
        is_lazy: false,
        has_assertions: false,
        has_boundaries: false,
        is_ascii: true,
    };
    writer.write(&ast, &mut Modes::default())?;
    let Writer { out: pattern, is_lazy, has_assertions, has_boundaries, is_ascii, .. } = writer;
    // Why: those of ECMA-262 are about words of ASCII.
    if has_boundaries && !is_ascii {
        return Err(super::irregular("'\\b' or '\\B' beside what may match more than ASCII"));
    }
    Ok(FromRust { pattern, is_lazy, has_assertions })
}

/// The flags that hold at one place.
#[derive(Clone, Copy, Default)]
struct Modes {
    ignores_case: bool,
    dot_is_all: bool,
    by_line: bool,
}

struct Writer<'p> {
    source: &'p str,
    out: String,
    is_lazy: bool,
    has_assertions: bool,
    has_boundaries: bool,
    /// Whether all that it matches is surely ASCII.
    is_ascii: bool,
}

impl Writer<'_> {
    fn write(&mut self, ast: &Ast, modes: &mut Modes) -> Result<(), PatternError> {
        match ast {
            Ast::Empty(_) => {}
            Ast::Flags(set) => set_flags(&set.flags, modes)?,
            Ast::Literal(literal) => {
                let mut text = String::new();
                push_char(literal.c, &mut text);
                self.leaf(&text, modes.ignores_case);
            }
            Ast::Dot(_) => {
                self.is_ascii = false;
                self.out.push_str(if modes.dot_is_all { r"[\s\S]" } else { r"[^\n]" });
            }
            Ast::Assertion(assertion) => {
                self.has_assertions = true;
                let text = match (&assertion.kind, modes.by_line) {
                    (AssertionKind::StartLine, true) => r"(?:^|(?<=\n))",
                    (AssertionKind::EndLine, true) => r"(?:$|(?=\n))",
                    (AssertionKind::StartLine | AssertionKind::StartText, _) => "^",
                    (AssertionKind::EndLine | AssertionKind::EndText, _) => "$",
                    (AssertionKind::WordBoundary, _) => self.boundary(r"\b"),
                    (AssertionKind::NotWordBoundary, _) => self.boundary(r"\B"),
                    _ => return Err(super::irregular("boundaries such as '\\b{start}'")),
                };
                self.out.push_str(text);
            }
            Ast::ClassUnicode(class) => self.leaf(&unicode(class), modes.ignores_case),
            Ast::ClassPerl(class) => {
                let is_word = matches!(class.kind, ClassPerlKind::Word);
                self.is_ascii = false;
                self.out.push_str(&if is_word { in_brackets(WORD, class.negated) } else { perl(class) });
            }
            Ast::ClassBracketed(class) => {
                let text = self.bracketed(class, modes.ignores_case)?;
                self.leaf(&text, modes.ignores_case);
            }
            Ast::Repetition(repetition) => {
                self.is_lazy |= !repetition.greedy;
                self.grouped(&repetition.ast, *modes)?;
                match &repetition.op.kind {
                    RepetitionKind::ZeroOrOne => self.out.push('?'),
                    RepetitionKind::ZeroOrMore => self.out.push('*'),
                    RepetitionKind::OneOrMore => self.out.push('+'),
                    RepetitionKind::Range(RepetitionRange::Exactly(n)) => drop(write!(self.out, "{{{n}}}")),
                    RepetitionKind::Range(RepetitionRange::AtLeast(n)) => drop(write!(self.out, "{{{n},}}")),
                    RepetitionKind::Range(RepetitionRange::Bounded(n, m)) => drop(write!(self.out, "{{{n},{m}}}")),
                }
            }
            Ast::Group(group) => {
                let mut inner = *modes;
                if let GroupKind::NonCapturing(flags) = &group.kind {
                    set_flags(flags, &mut inner)?;
                }
                self.grouped(&group.ast, inner)?;
            }
            Ast::Alternation(alternation) => {
                for (i, branch) in alternation.asts.iter().enumerate() {
                    self.out.push_str(if i > 0 { "|" } else { "" });
                    self.write(branch, modes)?;
                }
            }
            Ast::Concat(concat) => {
                for part in &concat.asts {
                    match part {
                        // What holds both ways belongs together.
                        Ast::Alternation(_) => self.grouped(part, *modes)?,
                        _ => self.write(part, modes)?,
                    }
                }
            }
        }
        Ok(())
    }

    fn boundary(&mut self, text: &'static str) -> &'static str {
        self.has_boundaries = true;
        text
    }

    fn leaf(&mut self, text: &str, ignores_case: bool) {
        // Why in any case: some letters of ASCII are others in another case.
        self.is_ascii &= !ignores_case
            && text.is_ascii()
            && !text.starts_with("[^")
            && !text.contains(r"\p{")
            && !text.contains(r"\P{");
        let _ = if ignores_case { write!(self.out, "(?i:{text})") } else { write!(self.out, "{text}") };
    }

    fn grouped(&mut self, ast: &Ast, mut modes: Modes) -> Result<(), PatternError> {
        let is_one = matches!(ast, Ast::Literal(_) | Ast::Dot(_) | Ast::ClassUnicode(_) | Ast::ClassPerl(_))
            || matches!(ast, Ast::ClassBracketed(_) | Ast::Group(_));
        self.out.push_str(if is_one { "" } else { "(?:" });
        self.write(ast, &mut modes)?;
        self.out.push_str(if is_one { "" } else { ")" });
        Ok(())
    }

    /// A set of characters; one with sets in it that are not just added up is written as what is in it.
    fn bracketed(&self, class: &ClassBracketed, ignores_case: bool) -> Result<String, PatternError> {
        let mut text = String::new();
        if let ClassSet::Item(item) = &class.kind
            && add(item, &mut text)
        {
            return Ok(in_brackets(&text, class.negated));
        }
        let span = class.span;
        let source = &self.source[span.start.offset..span.end.offset];
        let ranges = set::members(&format!("(?{}:{source})", if ignores_case { "i" } else { "" }))
            .ok_or_else(|| PatternError::Invalid { at: span.start.offset, what: "a set of bytes".to_owned() })?;
        for (low, high) in ranges {
            push_range(low, high, &mut text);
        }
        Ok(in_brackets(&text, false))
    }
}

fn set_flags(flags: &Flags, modes: &mut Modes) -> Result<(), PatternError> {
    let mut is_on = true;
    for item in &flags.items {
        match item.kind {
            FlagsItemKind::Negation => is_on = false,
            FlagsItemKind::Flag(Flag::CaseInsensitive) => modes.ignores_case = is_on,
            FlagsItemKind::Flag(Flag::DotMatchesNewLine) => modes.dot_is_all = is_on,
            FlagsItemKind::Flag(Flag::MultiLine) => modes.by_line = is_on,
            FlagsItemKind::Flag(Flag::Unicode) if !is_on => return Err(super::irregular("the flag '-u', for bytes")),
            FlagsItemKind::Flag(Flag::CRLF) if is_on => return Err(super::irregular("the flag 'R'")),
            FlagsItemKind::Flag(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a pattern matches as a whole is the same in both syntaxes.
    #[test]
    fn patterns_keep_their_meaning() {
        let texts = [
            "", "a", "A", "b", "ab", "aab", "a.b", "é", "É", "٣", "7", "42", "x-y", "_", "\n", "a\nb", " ", "\u{85}",
            "\u{FEFF}", "bcd", "uuu", "a b", "ß", "ſ", "k", "\u{212A}", "[", "]", "^", "-", "/", "{", "Jan 3", "αβ",
        ];
        for pattern in [
            "a",
            "(?i)a",
            "a(?i)b|A",
            "(?i:a)b",
            "[a-c&&[^b]]",
            "[a-z&&[^aeiou]]{3}",
            r"\A[ab]+\z",
            r"\pL{2}",
            r"\x{41}",
            r"\d+",
            r"\D",
            r"\w",
            r"\W",
            r"[\w-]+",
            r"[^\W\d]",
            r"\s",
            r"\S",
            ".",
            "(?s).",
            "(?P<y>a)(?<z>b)",
            "a.b",
            "[[:alpha:]_]",
            "[[:^alpha:]]",
            "[]a]",
            "[^]]",
            r"[\[\]^-]",
            "a{1,2}b?",
            "(?:a|b)+",
            "a|",
            "(?x) a b # c\n",
            "(?m)^a$",
            "[]a]{,2}",
            r"a\b[. -]\bb",
            r"a\Bb",
            r"\bab\b",
            "(?:ab){0,1}*",
            r"[\p{Greek}]+",
            r"\p{sc!=Greek}",
            "[a-b--b]",
            r"(?P<month>Jan|Feb)\s+(?P<day>\d{1,2})",
            "a+?b",
            "(?i)ß|k",
            r"[[:punct:]]",
            r"/|\/",
            "(?i)[^k]",
            "(a|b)c|d?",
        ] {
            let here = pattern.replace("{,", "{0,");
            let here = regex::Regex::new(&format!(r"\A(?:{here})\z")).expect(pattern);
            let there = from_rust(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}")).pattern;
            let lang = super::super::whole(&there).unwrap_or_else(|error| panic!("{pattern} as {there}: {error}"));
            for text in texts {
                let expected = here.find(text).is_some_and(|found| found.as_str() == text);
                assert_eq!(super::super::tests::accepts(&lang, text), expected, "{pattern} as {there} in {text:?}");
            }
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for (pattern, words) in [
            ("a(", "unclosed group (at byte 1)"),
            ("a)|(b", "unopened group"),
            ("(?=a)", "look-around"),
            (r"(a)\1", "backreferences"),
            ("(?-u:a)", "bytes"),
            (r"\b{start}a", "boundaries"),
            (r"\bé", "more than ASCII"),
            (r"a\b.", "more than ASCII"),
            (&["(".repeat(300), ")".repeat(300)].concat(), "nest"),
            (&"a".repeat(70_000), "65536 are allowed"),
        ] {
            let error = from_rust(pattern).expect_err(words).to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
