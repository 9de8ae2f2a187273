//! ECMA-262 patterns as languages: what `pattern` and `patternProperties` mean, without a matcher.
//!
//! The semantics are those of Unicode mode without other flags, over strings of Unicode scalar values. A pattern is
//! found anywhere in a string unless it is anchored, which is what [`search`] gives; lookarounds, anchors and word
//! boundaries become intersections and complements. The form of the answer matters as much as its strings: what needs
//! no intersection has none.
//!
//! Not here: the automaton made from it (`grammar`).

mod lang;
mod lookaround;
mod loose;
mod node;
mod parse;
mod rust;
mod set;

pub use lang::Lang;
pub use loose::in_unicode_mode;
pub use rust::{FromRust, from_rust};
pub(crate) use set::{LINE_ENDS, escaped};

/// A pattern may have this many parts, and its language about as many more.
const MAX_SIZE: usize = 20_000;

/// A pattern that has no language here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is no regular expression of ECMA-262.
    #[error("{what} (at byte {at})")]
    Invalid {
        /// Where in the pattern, in bytes.
        at: usize,
        /// What stands there.
        what: String,
    },
    /// It is one, but what it says is not expressed here.
    #[error("it has {what}, which cannot be expressed")]
    Irregular {
        /// What it has.
        what: String,
    },
}

/// The strings in which `pattern` is found.
///
/// # Errors
/// A pattern that is invalid, or that has no regular language, or a needlessly large one.
pub fn search(pattern: &str) -> Result<Lang, PatternError> {
    lookaround::Translator::default().search(&parse::parse(pattern)?, &Lang::all())
}

/// What is wrong with the syntax of `pattern`; nothing if it is only more than a language can say.
#[must_use]
pub fn fault(pattern: &str) -> Option<String> {
    match parse::parse(pattern) {
        Err(PatternError::Invalid { at, what }) => Some(format!("{what}, at byte {at}")),
        Ok(_) | Err(_) => None,
    }
}

/// The strings that `pattern` matches from beginning to end, as if it were `^(?:pattern)$`.
///
/// # Errors
/// As [`search`].
pub fn whole(pattern: &str) -> Result<Lang, PatternError> {
    lookaround::Translator::default().whole(&parse::parse(pattern)?)
}

/// A pattern that matches a text where `pattern` matches all of it. Flags for all of it stay in front.
#[must_use]
pub fn anchored(pattern: &str) -> String {
    let flags = pattern.strip_prefix("(?").and_then(|rest| rest.split_once(')')).map(|(flags, _)| flags);
    let flags =
        flags.filter(|flags| !flags.is_empty() && flags.bytes().all(|b| matches!(b, b'i' | b's' | b'm' | b'-')));
    let (flags, rest) = pattern.split_at(flags.map_or(0, |flags| flags.len() + 3));
    format!("{flags}^(?:{rest})$")
}

fn irregular(what: &str) -> PatternError {
    PatternError::Irregular { what: what.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The positions where a member of `lang` that begins at `start` may end.
    fn ends(lang: &Lang, chars: &[char], start: usize) -> BTreeSet<usize> {
        let step = |lang: &Lang, from: &BTreeSet<usize>| -> BTreeSet<usize> {
            from.iter().flat_map(|at| ends(lang, chars, *at)).collect()
        };
        match lang {
            Lang::Empty => BTreeSet::from([start]),
            Lang::Nothing => BTreeSet::new(),
            Lang::Class(ranges) => {
                let is_in = |c: &char| ranges.iter().any(|(low, high)| low <= c && c <= high);
                chars.get(start).filter(|c| is_in(c)).map(|_| start + 1).into_iter().collect()
            }
            Lang::Concat(parts) => parts.iter().fold(BTreeSet::from([start]), |from, part| step(part, &from)),
            Lang::Or(parts) => parts.iter().flat_map(|part| ends(part, chars, start)).collect(),
            Lang::And(parts) => {
                let all: BTreeSet<usize> = (start..=chars.len()).collect();
                parts.iter().fold(all, |kept, part| &kept & &ends(part, chars, start))
            }
            Lang::Not(inner) => {
                let held = ends(inner, chars, start);
                (start..=chars.len()).filter(|at| !held.contains(at)).collect()
            }
            Lang::Repeat(inner, min, max) => {
                let mut now = BTreeSet::from([start]);
                for _ in 0..*min {
                    now = step(inner, &now);
                }
                let mut found = now.clone();
                let mut n = *min;
                while max.is_none_or(|max| n < max) && !now.is_empty() {
                    now = &step(inner, &now) - &found;
                    found.extend(&now);
                    n += 1;
                }
                found
            }
        }
    }

    pub(super) fn accepts(lang: &Lang, text: &str) -> bool {
        let chars: Vec<char> = text.chars().collect();
        ends(lang, &chars, 0).contains(&chars.len())
    }

    fn check(pattern: &str, accepted: &[&str], rejected: &[&str]) {
        let lang = search(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        for text in accepted {
            assert!(accepts(&lang, text), "{pattern} must be found in {text:?}: {lang:?}");
        }
        for text in rejected {
            assert!(!accepts(&lang, text), "{pattern} must not be found in {text:?}: {lang:?}");
        }
    }

    #[test]
    fn simple_patterns_have_simple_languages() {
        let letters = Lang::class(vec![('a', 'z')]);
        assert_eq!(search("^[a-z]+$"), Ok(Lang::repeat(letters.clone(), 1, None)));
        assert_eq!(search("^(?:[a-z]+)*?$"), Ok(Lang::repeat(letters, 0, None)));
        assert_eq!(search("abc"), Ok(Lang::concat(vec![Lang::all(), Lang::literal("abc"), Lang::all()])));
        assert_eq!(search(".*abc.*"), search("abc"));
        assert_eq!(search(""), Ok(Lang::all()));
        assert_eq!(search("^$"), Ok(Lang::Empty));
        let (a, b) = (Lang::literal("a"), Lang::literal("b"));
        let (first, last) = (Lang::concat(vec![a.clone(), Lang::all()]), Lang::concat(vec![Lang::all(), b.clone()]));
        assert_eq!(search("^a|b$"), Ok(Lang::or(vec![first, last])));
        assert_eq!(search("^(?:a|(?!c)b)$"), Ok(Lang::or(vec![a, b])));
        assert_eq!(whole("^[ab]|c$"), Ok(Lang::class(vec![('a', 'c')])));
        assert_eq!(search("a$b"), Ok(Lang::Nothing));
    }

    #[test]
    fn anchors() {
        check("^a|b$", &["a", "ax", "b", "xb"], &["xa", "bx", ""]);
        check("(?:^|\\s)foo(?:\\s|$)", &["foo", "a foo b"], &["xfoo", "foox"]);
        check("^(?:a$|b)c?$", &["a", "b", "bc"], &["ac", ""]);
        check("^(?:^a|b)+$", &["ab", "bb"], &["ba", ""]);
        check("a^b|c", &["c"], &["ab"]);
        check("^^x$$", &["x"], &["xx", ""]);
    }

    #[test]
    fn lookaheads() {
        check("^(?!foo)[a-z]+$", &["fo", "bar", "xfoo"], &["foo", "foobar", ""]);
        check("^(?=.*[A-Z])(?=.*\\d).{8,}$", &["Abcdefg1"], &["abcdefg1", "Abcdefgh", "Abc1"]);
        check("foo(?!bar)", &["foo", "foobaz", "foobarfoo"], &["foobar", "fo"]);
        check("^(?:foo(?!bar)|b).*$", &["foox", "bar"], &["foobar"]);
        check("^(?!.*--)(?!-)[a-z-]+(?<!-)$", &["a-b", "a"], &["a--b", "-a", "a-", ""]);
        check("(?=b)(?:a|b)$", &["b", "ab"], &["a"]);
        check("(?=a)*b", &["b"], &["a"]);
    }

    #[test]
    fn lookaheads_inside_repetitions() {
        check("^(?:(?!ab)[a-c])*$", &["", "acb", "ba", "a"], &["ab", "cab", "d"]);
        check("^(?:(?!foo).)+$", &["fo", "bar"], &["", "foo", "xfoox"]);
        check("^(?:(?!-->).)*-->", &["x-->", "-->", "a--->", "-->-->"], &["x--", ""]);
        check("^<!--(?:(?!-->).)*-->$", &["<!--a-->", "<!---->"], &["<!--a-->b-->", "<!--"]);
        check("^(?:(?!).)*$", &[""], &["a"]);
        check("^(?:[a-z\\d]|-(?=[a-z\\d])){1,5}$", &["a", "a-b", "-a"], &["a-", "a--b", "", "abcdef"]);
        check("^(?:ab(?!c)|x){0,3}y?c?$", &["", "ab", "xab", "aby", "abyc", "c", "xc"], &["abc", "xabc", "xxxx"]);
        check("^(?:(?!x)a)*b", &["aab", "b"], &["xb"]);
    }

    #[test]
    fn lookbehinds() {
        check("^.*(?<!/)$", &["", "a", "/a"], &["/", "a/"]);
        check("(?<=\\$)\\d+", &["$1", "a$12"], &["1", "$", "$a1"]);
        check("(?<=^|,)x", &["x", "a,x"], &["ax", "a, x"]);
        check("(?<!foo)$", &["", "fo"], &["foo", "xfoo"]);
        check("^[a-z](?!.*--)[a-z-]*(?<!-)$", &["a", "a-b"], &["a-", "a--b", "-"]);
        check("^(?:[a-z-]+(?<!-)\\.)+x$", &["a.x", "a-b.c.x"], &["a-.x", "x"]);
    }

    #[test]
    fn word_boundaries() {
        check("\\bfoo\\b", &["foo", "a foo.", "-foo-"], &["food", "afoo", "_foo"]);
        check("^\\b", &["a"], &["", "-a"]);
        check("\\Boo", &["foo", "ooo"], &["oo", " oo"]);
        check("^\\w+\\b-", &["a-"], &["a", "-"]);
        check("^a\\bb$", &[], &["ab"]);
        check("\\b(?<!-)x", &["x", ".x"], &["-x", "ax"]);
    }

    #[test]
    fn escapes_and_classes() {
        check("^\\p{Lu}\\p{Script=Greek}+$", &["Aαβ"], &["aα", "Ab"]);
        check("^[\\P{L}\\p{Zl}]$", &["1", "\u{2028}"], &["a", "é"]);
        check("^\\p{Zl}$", &["\u{2028}"], &["\u{2029}"]);
        check("^(?:\\u{1F600}|\\uD83D\\uDE01|\\x41\\cJ\\0)$", &["😀", "😁", "A\n\0"], &["A"]);
        check("^[\\b\\-\\]\\\\/\\_]$", &["\u{8}", "-", "]", "\\", "/", "_"], &["b"]);
        check("^[a-]$", &["a", "-"], &["b"]);
        check("^[\\w-.]$", &["a", "-", "."], &["+"]);
        check("^[^]$", &["a", "\n"], &["", "ab"]);
        check("[]", &[], &["", "a"]);
        check("^[a&&b~~[]$", &["a", "b", "&", "~", "["], &["c"]);
        check("^a|\\uD800$|^[\\uD800-\\uDFFFx]$", &["a", "x"], &["b", ""]);
        check("^.$", &["a", "😀"], &["\n", "\u{2028}", ""]);
        check("^\\s\\S\\d\\D\\w\\W$", &["\u{FEFF}a1a_é"], &[" a1a_a"]);
        check("^(?<year>\\d{4})(-)?$", &["2024", "2024-"], &["24"]);
        check("^\\/\\@\\é$", &["/@é"], &["é"]);
    }

    #[test]
    fn quantifiers_and_literal_braces() {
        check("^a+?b*?c??d{2}?e{1,}?$", &["adde", "abcddee"], &["dde", "ade"]);
        check("^a{,2}{$", &["a{,2}{"], &["aa"]);
        check("^x{]}$", &["x{]}"], &["x"]);
        check("^(?:|a)b$", &["b", "ab"], &["a"]);
        check("^a{0}$", &[""], &["a"]);
    }

    #[test]
    fn case() {
        check("(?i)^straße|x$", &["STRAßE", "sX"], &["TRASSE"]);
        check("^(?i:s)b$", &["Sb", "ſb"], &["sB"]);
        check("^(?i:[^a])$", &["b"], &["A", "a"]);
        check("^(?s:.).$", &["\na"], &["a\n"]);
    }

    #[test]
    fn err_invalid() {
        for (pattern, place) in [
            ("a(b", 1),
            ("a)", 1),
            ("*a", 0),
            ("a**", 2),
            ("^*", 1),
            ("{2}", 0),
            ("a{3,2}", 1),
            ("é[b-a]", 3),
            ("a[b", 1),
            ("\\", 0),
            ("a\\y", 1),
            ("\\u{110000}", 0),
            ("\\xg0", 0),
            ("\\p{Nope}", 0),
            ("\\pL", 0),
            ("(?P<a>b)", 0),
            ("(?<1>b)", 0),
            ("(?)", 0),
            ("a(?i)b", 1),
        ] {
            match search(pattern) {
                Err(PatternError::Invalid { at, .. }) => assert_eq!(at, place, "{pattern}"),
                other => panic!("{pattern} must be invalid: {other:?}"),
            }
        }
    }

    #[test]
    fn err_irregular() {
        let nested = format!("{}{}", "(".repeat(101), ")".repeat(101));
        let long = "a".repeat(20_001);
        let open = "(".repeat(60_000);
        let doubling = "(?:(?!ab)x*|y(?!z))".repeat(60);
        let looks = "(?!ab)x*".repeat(300);
        for pattern in [
            "(a)\\1",
            "(?<n>a)\\k<n>",
            "^(?:a+(?=b)a?)*c$",
            "a{200000}",
            "a{1,99999999999}",
            "a?^b",
            "(?m:^a)",
            nested.as_str(),
            long.as_str(),
            open.as_str(),
            doubling.as_str(),
            looks.as_str(),
        ] {
            let start: String = pattern.chars().take(30).collect();
            assert!(matches!(search(pattern), Err(PatternError::Irregular { .. })), "{start}: {:?}", search(pattern));
        }
    }

    #[test]
    fn deep_groups_are_read() {
        let nested = format!("^{}a{}$", "(?:b|".repeat(100), ")*".repeat(100));
        check(&nested, &["", "ab"], &["c"]);
    }
}
