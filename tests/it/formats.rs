//! Mask and final check agree on formats: whatever a format's mask lets through, the check accepts.

use std::sync::Arc;

use drawplate::engine::fake_vocab;
use drawplate::grammar::{Budget, Compiler, Spec, Verdict};
use drawplate::guard::Check;
use drawplate::schema::{Document, Limits, formats};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use crate::support::grammar;

const N_WALKS: usize = 150;
const MAX_TOKENS: usize = 120;

#[test]
fn what_the_mask_lets_through_is_valid() {
    let vocab = fake_vocab().unwrap();
    let compiler = Compiler::new(&vocab, Budget::default()).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for format in formats::FORMATS {
        let schema = json!({"type": "string", "format": format.name});
        let check = Check::new(&schema).unwrap();
        let document = Document::parse(schema, Limits::default()).unwrap();
        let spec = Spec::value(Arc::new(document));
        let compiled = compiler.compile(&spec).unwrap_or_else(|e| panic!("{}: {e}", format.name));
        let mut n_finished = 0;
        for _ in 0..N_WALKS {
            let (mut matcher, mut text) = (compiled.matcher(), Vec::new());
            while !matcher.is_stopped() && text.len() < MAX_TOKENS {
                let mask = matcher.mask().unwrap();
                let mut allowed: Vec<u32> = Vec::new();
                // Why: the closing quote is one of many tokens; favoured, it ends most walks.
                mask.for_each(|token| {
                    let closes = vocab.bytes(token) == b"\"";
                    allowed.extend(std::iter::repeat_n(token, if closes { 12 } else { 1 }));
                });
                let token = allowed[rng.random_range(0..allowed.len())];
                if matcher.accept(token).unwrap() == Verdict::Taken {
                    text.extend_from_slice(vocab.bytes(token));
                } else if mask.n_allowed() == 1 {
                    break;
                }
            }
            if matcher.is_stopped() {
                let text = std::str::from_utf8(&text).unwrap();
                check.judge(text).unwrap_or_else(|e| panic!("{}: {text}: {e}", format.name));
                n_finished += 1;
            }
        }
        // Why: where the guard judges, noise seldom passes.
        let n_wanted = if format.is_wide() { 1 } else { N_WALKS / 10 };
        assert!(n_finished >= n_wanted, "{}: only {n_finished} of {N_WALKS} walks finished", format.name);
    }
}

#[test]
fn ordinary_values_have_a_spelling_that_the_mask_accepts() {
    let vocab = fake_vocab().unwrap();
    let compiler = Compiler::new(&vocab, Budget::default()).unwrap();
    for (name, values) in [
        ("date", &["2000-02-29", "1999-12-31"][..]),
        ("time", &["23:59:60Z", "08:30:06.283185+00:20"]),
        ("date-time", &["1963-06-19T08:30:06.283185Z", "1990-12-31T15:59:50.123-08:00"]),
        ("duration", &["P4DT12H30M5S", "PT0S", "P4W", "P1Y2M3D"]),
        ("email", &["joe.bloggs@example.com", "te~st@ex-ample.org"]),
        ("hostname", &["www.example.com", "a", "xn-4gbwdl-x1.com"]),
        ("ipv4", &["192.168.0.1", "255.255.255.255"]),
        ("ipv6", &["::1", "::", "1:2::3", "2001:db8:85a3::8a2e:370:7334", "1:2:3:4:5:6:7:8"]),
        (
            "uri",
            &[
                "http://foo.bar/?baz=qux#quux",
                "mailto:John.Doe@example.com",
                "urn:oasis:names:x",
                "tel:+1-816-555-1212",
            ],
        ),
        ("uri-reference", &["/abc", "http://foo.bar/", "#frag", "abc/def", "//host/x", "?q"]),
        ("iri", &["http://foo.bar/?bär=qux", "urn:x"]),
        ("uuid", &["2EB8AA08-aa98-11ea-b4aa-73b441d16380"]),
        ("json-pointer", &["", "/foo/0", "/a~1b/~0"]),
        ("relative-json-pointer", &["1", "0#", "120/foo/bar"]),
        ("uri-template", &["http://example.com/dictionary/{term:1}/{term}"]),
        ("regex", &["^[a-z]$", "abc"]),
    ] {
        let schema = json!({"type": "string", "format": name});
        let check = Check::new(&schema).unwrap();
        let document = Document::parse(schema, Limits::default()).unwrap();
        let spec = Spec::value(Arc::new(document));
        let compiled = compiler.compile(&spec).unwrap();
        for value in values {
            let text = json!(value).to_string();
            check.judge(&text).unwrap_or_else(|e| panic!("{name}: the check rejects {text}: {e}"));
            let mut matcher = compiled.matcher();
            for token in text.bytes().map(u32::from) {
                assert!(matcher.allows(token).unwrap(), "{name}: the mask rejects {text}");
                assert_eq!(matcher.accept(token).unwrap(), Verdict::Taken, "{name}: the guard vetoes {text}");
            }
            assert!(
                matcher.is_stopped() || matcher.is_accepting().unwrap(),
                "{name}: the mask wants more after {text}"
            );
        }
    }
}

/// RFC 3339 has a year 0000, and the calendars of some clients do not.
#[test]
fn endings_of_dates_are_read_by_every_client() {
    let vocab = fake_vocab().unwrap();
    for (format, start, ending) in [
        ("date", "", "\"1111-11-11\""),
        ("date", "\"20", "11-11-11\""),
        ("date", "\"000", "1-11-11\""),
        ("time", "", "\"11:11:11Z\""),
        ("date-time", "", "\"1111-11-11T11:11:11Z\""),
    ] {
        let mut matcher = grammar(&vocab, json!({"type": "string", "format": format})).matcher();
        for byte in start.bytes() {
            assert_eq!(matcher.accept(u32::from(byte)).unwrap(), Verdict::Taken, "{format} {start}");
        }
        assert_eq!(
            matcher.closing().map(|text| String::from_utf8(text).unwrap()).as_deref(),
            Some(ending),
            "{format} {start}"
        );
    }
}
