#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

fn invalid(text: &str) -> String {
    match Cfg::read(text) {
        Err(CfgError::Invalid(message)) => message,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn faults_of_gbnf_have_their_line() {
    for (grammar, fault) in [
        ("root ::= \"a\nb ::= \"c\"", "line 1: the text does not end"),
        ("root ::= a\n", "line 1: there is no rule 'a'"),
        ("root ::= \"x\" b\nb ::= c\n", "line 2: there is no rule 'c'"),
        ("# text\nroot ::= [b-a]", "line 2: the range b-a is empty"),
        ("start ::= \"a\"", "there is no rule 'root'"),
        ("root ::= \"a\"\nroot ::= \"b\"", "line 2: the rule 'root' is defined twice"),
        ("root = \"a\"", "line 1: '::=' should stand here"),
        ("root ::= (\"a\"", "line 1: ')' should stand here"),
        ("root ::= \"a\"{x}", "line 1: '{x}' is no number of times"),
        ("root ::= \"a\"{3,2}", "line 1: '{3,2}' is no number of times"),
        ("root ::= \"\\q\"", "line 1: '\\q' is no escape"),
        ("root ::= &", "line 1: '&' means nothing here"),
    ] {
        let error = Cfg::gbnf(grammar).expect_err("it is at fault");
        assert_eq!(error, CfgError::Invalid(fault.to_owned()), "{grammar}");
    }
    assert!(invalid(&format!("root ::= {}", "(".repeat(100_000))).contains("too deep"));
}

#[test]
fn faults_of_lark_have_their_line() {
    for (grammar, fault) in [
        ("a: \"x\"", "there is no rule 'start'"),
        ("start: b\n", "line 1: there is no rule 'b'"),
        ("start: A\nA: B /x/\nB: A", "holds itself"),
        ("start: A\na: \"x\"\nA: a", "line 3: the rule 'a' is named in a terminal"),
        ("start: \"x", "line 1: the text does not end"),
        ("\nstart: /x", "line 2: the regular expression does not end"),
        ("start: (\"x\"\n", "line 2: ')' should stand here"),
        ("start: \"b\"..\"a\"", "line 1: a range has a character on each side"),
        ("start: \"x\"\nstart: \"y\"", "line 2: 'start' is defined twice"),
        ("%import common.NOTHING\nstart: NOTHING", "line 1: there is no terminal 'common.NOTHING'"),
        ("start \"x\"", "line 1: ':' should stand here"),
    ] {
        let message = invalid(grammar);
        assert!(message.contains(fault), "{grammar}: {message}");
    }
    for grammar in [
        "start: /a(?!b)/",
        "start: /\".*?\"/",
        "start: /^a/",
        "start: %json {}",
        "start: <|end|>",
        "start[lazy]: /x/",
        "start: /[a&&b]/",
        "%declare A\nstart: A",
    ] {
        let read = Cfg::lark(grammar);
        assert!(matches!(read, Err(CfgError::Unsupported(_))), "{grammar}: {read:?}");
    }
}

/// What Lark and llama.cpp take, in the forms in which people write it.
#[test]
fn forms_are_understood() {
    for (grammar, derived, not) in [
        ("start: \"a\" + (\"b\" | \"c\") ?", &["a", "aab", "ac"][..], &["b", "abb"][..]),
        ("start: \"a\" .. \"c\" \"x\" ~ 1 .. 2", &["ax", "bxx"], &["dx", "axxx"]),
        ("start: \"x\"\t~ 2", &["xx"], &["x"]),
        ("start: /[^]]+/ \"]\"", &["ab]"], &["]", "a]]"]),
        ("start: /[]a]{,2}/ \"!\"", &["!", "]a!"], &["]]a!"]),
        ("start: /\\w+ \\d/", &["é_1 2", "é ٣"], &["é", "- 2"]),
        ("start: /a.c/ | /b.d/s", &["axc", "a\rc", "b\nd"], &["a\nc"]),
        ("start: /\\(?select .*/i", &["SELECT *", "(select \r"], &["select \n"]),
        ("start: A \"::=\" B\n# x ::= y\nA: /a/\nB: /b/", &["a::=b"], &["ab"]),
        ("root ::= [a-z] + \"!\" {2}", &["ab!!"], &["!!", "a!"]),
        ("# a comment: with a colon\nroot\n  ::= \"x\"", &["x"], &["y"]),
    ] {
        let cfg = Cfg::read(grammar).unwrap_or_else(|error| panic!("{grammar}: {error}"));
        for text in derived {
            assert_eq!(cfg.judge(text), Judgement::Derived, "{grammar}: {text:?}");
        }
        for text in not {
            assert_eq!(cfg.judge(text), Judgement::NotDerived, "{grammar}: {text:?}");
        }
    }
}

/// References that multiply, and expressions that take long each.
#[test]
fn reading_is_bounded() {
    let started = std::time::Instant::now();
    let doubling: String = (0..40).map(|i| format!("T{i}: T{0} T{0}\n", i + 1)).collect();
    let _either = Cfg::lark(&format!("start: T0\n{doubling}T40: \"\""));
    assert!(Cfg::lark(&format!("start: T0\n{doubling}T40: \"ab\"")).is_err());
    let large = format!("B: \"{}\"\nA:{}\nstart: A", "x".repeat(100_000), " B".repeat(60_000));
    assert!(Cfg::lark(&large).is_err());
    let classes: String = (0..12_000).map(|i| format!(" /\\p{{L}}{i}/i")).collect();
    let _either = Cfg::lark(&format!("start:{classes}"));
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

/// A parse that ran out of steps is never taken for one that found nothing, nor gone on with.
#[test]
fn what_was_given_up_is_not_known() {
    let cfg = Cfg::lark("start: e\ne: e \"+\" e | /[0-9]/").unwrap();
    let sum = |n: usize| vec!["1"; n].join("+");
    for n in (200..420).step_by(4).chain([300, 299, 150]) {
        assert_ne!(cfg.judge(&sum(n)), Judgement::NotDerived, "{n}");
    }
    assert_eq!(cfg.judge(&sum(20)), Judgement::Derived);
}

/// As many rules and uses as fit.
#[test]
fn large_grammars_are_read() {
    let rules: String = (0..10_000).map(|i| format!("r{i} ::= root root root\n")).collect();
    assert!(Cfg::read(&format!("root ::= \"a\"\n{rules}")).is_ok());
    let chain: String = (0..10_000).map(|i| format!("r{i} ::= r{}\n", i + 1)).collect();
    assert!(Cfg::read(&format!("root ::= r0\n{chain}r10000 ::= \"x\"")).is_ok());
}

const ARITHMETIC: &str = r#"
// Sums of products.
%import common.NUMBER
%import common.WS_INLINE
%ignore WS_INLINE
start: sum
?sum: product | sum ("+" | "-") product -> add
product: atom ("*" atom)*
atom: NUMBER | "-" atom | "(" sum ")" | NAME
NAME: /[a-z]\w{0,3}/
"#;
const SQL: &str = r#"
start: "SELECT"i _SP columns _SP "FROM" _SP name [_SP "LIMIT" _SP INT] ";"
columns: "*" | name ("," " "? name) ~ 0..2
name: /[a-zé]+/ | "\"" /[^"\n]+/ "\""
_SP: " "
%import common.INT
"#;

#[test]
fn texts_are_judged() {
    for (grammar, derived, not) in [
        (ARITHMETIC, &["1", " 1 + x * ( -2.5 )", "((a))", "1-2-3e4"][..], &["", "1 +", "(1", "abcde", "1 2"][..]),
        (
            SQL,
            &["SELECT * FROM a;", "select a, b,c FROM \"x y\" LIMIT 3;"],
            &["SELECT a,b,c,d FROM x;", "SELECT * from a;"],
        ),
        ("root ::= (\"ab\" | [a-z] \"c\"){1,2}", &["ab", "acab"], &["", "a", "ababab"]),
        (
            "root ::= \"a\"{37,1000}",
            &[&"a".repeat(37), &"a".repeat(999), &"a".repeat(1000)],
            &[&"a".repeat(36), &"a".repeat(1001)],
        ),
        ("root ::= \"(\" root \")\" | \"\" ", &["", "(((())))"], &["(", "(()"]),
    ] {
        let cfg = Cfg::read(grammar).unwrap();
        for text in derived {
            assert_eq!(cfg.judge(text), Judgement::Derived, "{grammar}: {text}");
        }
        for text in not {
            assert_eq!(cfg.judge(text), Judgement::NotDerived, "{grammar}: {text}");
        }
    }
}

/// Whatever a text breaks off in, an ending makes it whole; also inside a JSON string, and in mid-character.
#[test]
fn every_beginning_has_an_ending() {
    for (grammar, texts) in [
        (ARITHMETIC, &["12 * (3 + (a - -bcd)) - (7.5e-3)"][..]),
        (SQL, &["SELECT a, \"qüx\\t😀 x\" FROM é LIMIT 33;", "select * FROM a;"]),
        ("root ::= line+\nline ::= [^\\n]+ \"\\n\"", &["a\nü\t\u{1}b\n", "\"\\\"\\\n"]),
        ("root ::= \"(\" root \")\" | [0-9é-ü\\u4e00-\\u9fff]{2,}", &["((((12))))", "(éü中文)"]),
    ] {
        let cfg = Cfg::read(grammar).unwrap();
        for text in texts {
            for n in 0..=text.len() {
                let start = &text.as_bytes()[..n];
                let ending = cfg.ending(start).unwrap_or_else(|| panic!("{grammar}: {text} at {n}"));
                let whole = String::from_utf8([start, &ending].concat()).unwrap();
                assert_eq!(cfg.judge(&whole), Judgement::Derived, "{grammar}: {whole}");
            }
            let quoted = serde_json::to_string(text).unwrap();
            let content = &quoted.as_bytes()[1..quoted.len() - 1];
            for n in 0..=content.len() {
                let ending =
                    cfg.ending_in_string(&content[..n]).unwrap_or_else(|| panic!("{grammar}: {quoted} at {n}"));
                let whole = [b"\"", &content[..n], &ending, b"\""].concat();
                let whole: String = serde_json::from_slice(&whole).unwrap();
                assert_eq!(cfg.judge(&whole), Judgement::Derived, "{grammar}: {whole}");
            }
        }
    }
}

#[test]
fn endings_are_the_shortest() {
    let cfg = Cfg::read(ARITHMETIC).unwrap();
    for (start, ending) in [("", 1), ("1", 0), ("(", 2), ("((a + ", 3), ("2 * (3", 1), ("-", 1)] {
        assert_eq!(cfg.ending(start.as_bytes()).unwrap().len(), ending, "{start}");
    }
    assert!(invalid("root ::= \"a\" root").contains("derives no text"));
}

/// Texts that double from rule to rule, and chains of rules in which every length is another.
#[test]
fn hostile_grammars_take_little() {
    let doubling: String = (0..5_000).map(|i| format!("r{i} ::= r{0} r{0} | \"x\" r{0}\n", i + 1)).collect();
    let doubling = Cfg::read(&format!("root ::= r0\n{doubling}r5000 ::= \"y\"")).unwrap();
    assert!(doubling.ending(b"x").is_some_and(|ending| ending.len() == 5_000));
    let chain: String = (0..3_000).map(|i| format!("r{i} ::= \"x\"{{300}} r{}\n", i + 1)).collect();
    let chain = Cfg::read(&format!("root ::= r0\n{chain}r3000 ::= \"y\"")).unwrap();
    assert_eq!(chain.ending(b"x"), None, "a text of a million characters helps nobody");
    assert_eq!(chain.judge("x"), Judgement::NotDerived);
}

/// Grammars and texts that would take a parser for ever.
#[test]
fn what_takes_too_long_is_not_known() {
    let cfg = Cfg::read("root ::= root root root | root root | \"a\" | \"\"").unwrap();
    assert_eq!(cfg.judge(&"a".repeat(20_000)), Judgement::Unknown);
    assert_eq!(cfg.judge("aaa"), Judgement::Derived, "and the next text is read again");
    let many = Cfg::read("root ::= \"a\"{0,1000000}").unwrap();
    assert_eq!(many.judge("aaaa"), Judgement::Unknown);
}
