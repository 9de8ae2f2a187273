use llguidance::derivre::Regex;

use super::*;

/// Reads `[1,2.5)`; an end that is left out is no bound.
fn numbers(range: &str, integers: bool) -> Numbers {
    let (minimum, maximum) = range[1..range.len() - 1].split_once(',').expect("two ends");
    let bound = |text: &str, exclusive| {
        let value = (!text.is_empty()).then(|| serde_json::from_str(text).expect("a JSON number"));
        value.map(|value| Bound { value, exclusive })
    };
    Numbers { minimum: bound(minimum, range.starts_with('(')), maximum: bound(maximum, range.ends_with(')')), integers }
}

fn compile(pattern: &str) -> Regex {
    Regex::new(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"))
}

fn matches(regex: &mut Option<Regex>, text: &str) -> bool {
    regex.as_mut().is_some_and(|regex| regex.is_match(text))
}

fn thousandths(text: &str) -> i64 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{fraction:0<3}").parse().expect("a number with at most three digits after the point")
}

/// Says whether a number of thousandths is in a range.
fn contains(numbers: &Numbers, value: i64) -> bool {
    let above = |bound: &Bound| {
        let bound_value = thousandths(&bound.value.to_string());
        value > bound_value || (value == bound_value && !bound.exclusive)
    };
    let below = |bound: &Bound| {
        let bound_value = thousandths(&bound.value.to_string());
        value < bound_value || (value == bound_value && !bound.exclusive)
    };
    numbers.minimum.as_ref().is_none_or(above) && numbers.maximum.as_ref().is_none_or(below)
}

const RANGES: &str = "[,] [0,] (0,] [,0] [,0) [0,0] (0,0) [0,0) [1,] (1,] [,1] [,1) [0,1] (0,1) (0,1] [0,1) \
    [-1,1] (-1,1) [-1,0] [-1,0) [0,255] [1,100] [-90,90] [-180,180] [10,99] [9,10] (9,10) [99,101] [100,999] \
    [101,998] [7,130] [-130,-7] [-5,130] [-130,5] [2.5,7.25] (2.5,7.25) [-7.25,-2.5] (-7.25,-2.5) [0.25,0.75] \
    (0.25,0.75) [0.25,0.251] (0.25,0.251) [0.5,0.5] (0.5,0.5] [0.05,0.5) [0.001,0.01] (0,0.001] (0,0.05) \
    [-0.5,0.5] (-0.001,0.001) [12.499,12.501] (12.499,12.501) [12.5,13] (12.5,13) [5,4] (3,4) [3.1,3.9] \
    [0.999,100.001] [-0.999,] [,99.9) (-100,] [,-100.5)";

#[test]
fn integers_are_exactly_those_in_the_range() {
    for range in RANGES.split(' ').chain(["[-1100,-998]", "(900,1101)", "[-1.5,1050.5]", "[123,]", "(,-77)"]) {
        let numbers = numbers(range, true);
        let mut regex = pattern(&numbers).as_deref().map(compile);
        let mut some = false;
        for value in -1200..=1200 {
            let expected = contains(&numbers, value * 1000);
            some |= expected;
            assert_eq!(matches(&mut regex, &value.to_string()), expected, "{value} in {range}");
        }
        assert!(some || regex.is_none(), "{range} is empty");
        assert_eq!(matches(&mut regex, "-0"), range == "[,]", "-0 in {range}");
        for text in ["", "-", "+1", "00", "01", "-01", "1.0", "1e1", "1,", " 1"] {
            assert!(!matches(&mut regex, text), "{text} in {range}");
        }
    }
}

#[test]
fn decimals_are_exactly_those_in_the_range() {
    let fractions: Vec<&str> = ".0 .1 .2 .4 .5 .7 .8 .9 .00 .01 .05 .10 .24 .25 .26 .49 .50 .51 .74 .75 .76 .99 .000 \
        .001 .002 .009 .010 .011 .049 .050 .051 .249 .250 .251 .252 .499 .500 .501 .502 .749 .750 .751 .998 .999"
        .split(' ')
        .chain([""])
        .collect();
    for range in RANGES.split(' ') {
        let numbers = numbers(range, false);
        let mut regex = pattern(&numbers).as_deref().map(compile);
        for whole in (0..=14).chain(95..=130) {
            for text in fractions.iter().flat_map(|f| [format!("{whole}{f}"), format!("-{whole}{f}")]) {
                let expected = contains(&numbers, thousandths(&text));
                assert_eq!(matches(&mut regex, &text), expected, "{text} in {range}");
            }
        }
        for text in ["", "-", "+1", "00", "01.5", "-01", "1.", "0.", ".5", "-.5", "1e", "1.e1", "e1", "--1", "0x1"] {
            assert!(!matches(&mut regex, text), "{text} in {range}");
        }
    }
}

#[test]
fn scientific_notation_stays_in_the_range() {
    let bound = |bound: &Option<Bound>, none: f64| bound.as_ref().map_or(none, |b| b.value.as_f64().expect("f64"));
    let exponents = [0_u32, 1, 2, 5, 7, 9, 10, 16, 50, 99, 100, 199, 299, 300, 301, 307, 308, 400, 999];
    for range in RANGES.split(' ').chain(["[1e-5,1e20]", "(1e-5,1e20)", "[-2e100,3e-100)", "(1e300,]", "[,-1e-300]"]) {
        let numbers = numbers(range, false);
        let Some(pattern) = pattern(&numbers) else { continue };
        let mut regex = compile(&pattern);
        let (minimum, maximum) = (bound(&numbers.minimum, f64::NEG_INFINITY), bound(&numbers.maximum, f64::INFINITY));
        let excludes = |bound: &Option<Bound>| bound.as_ref().is_some_and(|bound| bound.exclusive);
        for exponent in exponents {
            for sign in ["", "+", "-", "0", "+0", "-0"] {
                for mantissa in ["0", "0.0", "0.5", "1", "1.0", "2.5", "9.99", "12", "12.5"] {
                    for text in [format!("{mantissa}e{sign}{exponent}"), format!("-{mantissa}E{sign}{exponent}")] {
                        if !regex.is_match(&text) {
                            continue;
                        }
                        let value: f64 = text.parse().expect("a number");
                        let lower = value > minimum || (value == minimum && !excludes(&numbers.minimum));
                        let upper = value < maximum || (value == maximum && !excludes(&numbers.maximum));
                        assert!(value.is_finite() && lower && upper, "{text} in {range}");
                    }
                }
            }
        }
    }
}

#[test]
fn usual_spellings_and_long_bounds() {
    let nines = "9".repeat(300);
    let long = nines.as_str();
    let cases: &[(&str, bool, &[&str], &[&str])] = &[
        (
            "[,]",
            false,
            &[
                "0",
                "-0",
                "1e5",
                "1e+16",
                "1e-07",
                "2.5e-10",
                "1E3",
                "-12.5e99",
                "9.9e307",
                "-1e300",
                "0e0",
                &long[..201],
            ],
            &["1e308", "12e100", "1e400", "-1e308"],
        ),
        (
            "[0,]",
            false,
            &["0", "-0", "-0.0", "1e5", "1e+16", "1e-07", "2.5e-10", "1E3", "0.0001e5", "9e307", "0e5", "1e-999"],
            &["-1", "-1e-5", "1e308", "1e400"],
        ),
        (
            "(0,]",
            false,
            &["1e5", "1e+16", "1e-07", "2.5e-10", "1E3", "0.05e1", "0.001", "1e-300", "300e-05"],
            &["0", "-0", "0.0", "0e5", "0.00e-5", "-1e-5", "1e-301", "1e-999"],
        ),
        ("[,0]", false, &["0", "-0", "-0.00", "0.0", "-1e5", "-1e-07", "-1e307"], &["1", "1e-5", "0.1"]),
        ("[,0)", false, &["-1e5", "-1e-07", "-0.1"], &["0", "-0", "-0.0", "-0e5", "1e5", "0.0"]),
        ("[1,]", false, &["1", "1e0", "1.5e00", "1e05", "1e+05", "1E307", long], &["1e-1", "0.9", "1e308"]),
        ("(1,]", false, &["1.01", "1e1", "1.0000000001"], &["1", "1.0", "1e0"]),
        ("[0,1]", false, &["1e-1", "1e-01", "9.9E-9", "1e-300", "0.5", "1.00"], &["1e0", "1e-301", "1.01", "1e5"]),
        ("[0,1)", false, &["1e-1", "0.999999999999"], &["1", "1.0", "1e0"]),
        ("[-1,1]", false, &["-1e-1", "1e-1", "-0", "-0.0", "-1.0"], &["-1e0", "1e0", "-1.1"]),
        ("[-5,1000]", false, &["1e2", "9.9e+02", "-1e-1", "-9.99e-300", "5e-07"], &["1e3", "-1e0", "-1e2"]),
        ("[-1000,-1e-5]", false, &["-1e-5", "-1e-05", "-9e2", "-0.00001"], &["-1e-6", "-0.000009", "-1e3", "0"]),
        ("(-1000,-1e-5)", false, &["-1e-4", "-9e2", "-0.000011"], &["-1e-5", "-0.00001", "-1000"]),
        ("[1e-300,1e300]", false, &["1", "1e-300", "9.99e299", "0.1"], &["0", "1e-301", "1e300", "0.000"]),
        ("(1e-300,]", false, &["1", "1e-299", "0.00001"], &["0", "1e-300", "0.000"]),
        ("[0.1234567890123456,0.1234567890123457]", false, &["0.12345678901234565"], &["0.1234567890123455", "0.1"]),
        ("[-1.7976931348623157e308,1.7976931348623157e308]", false, &["-1", "1e307", "-0", "12e5"], &["1e308"]),
        ("[,]", true, &["0", "-0", "-12", long], &["1e5", "1.0"]),
        ("[1.5e-300,1e290]", true, &["1", "2", &long[..290]], &["0", long]),
        ("[1e299,]", true, &[long], &["1", &long[..299]]),
        (
            "[9007199254740993,18446744073709551615]",
            true,
            &["9007199254740993", "18446744073709551615", "9999999999999999", "10000000000000000"],
            &["9007199254740992", "18446744073709551616", "20000000000000000000", "1"],
        ),
        (
            "(-9223372036854775808,9223372036854775807)",
            true,
            &["-9223372036854775807", "9223372036854775806", "0", "-1"],
            &["-9223372036854775808", "9223372036854775807", "-0"],
        ),
        ("[1900,2100]", true, &["1900", "1999", "2000", "2100"], &["1899", "2101", "190", "19000"]),
        ("[-1e308,1e308]", true, &["0", "-5", long], &["1.0"]),
        ("[,1e300)", true, &["0", "-5", long], &["1.0"]),
    ];
    for (range, integers, accepted, rejected) in cases {
        let pattern = pattern(&numbers(range, *integers)).unwrap_or_else(|| panic!("{range} is empty"));
        assert!(pattern.len() < 10_000, "{range}: {} bytes", pattern.len());
        let mut regex = compile(&pattern);
        for text in accepted.iter() {
            assert!(regex.is_match(text), "{text} is in {range}");
        }
        for text in rejected.iter() {
            assert!(!regex.is_match(text), "{text} is not in {range}");
        }
    }
}

#[test]
fn common_ranges_are_short_and_empty_ones_have_no_pattern() {
    let cases = [
        ("[,]", true, Some("-?(?:0|[1-9][0-9]*)")),
        ("[1,]", true, Some("[1-9][0-9]*")),
        ("[0,255]", true, Some("(?:0|[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5])")),
        ("[1,100]", true, Some("(?:[1-9][0-9]?|100)")),
        ("[0,5]", true, Some("[0-5]")),
        ("[-90,90]", true, Some("(?:0|-?(?:[1-9]|[1-8][0-9]|90))")),
        ("[1900,2100]", true, Some("(?:19[0-9]{2}|20[0-9]{2}|2100)")),
        ("[0.5,0.5]", false, Some(r"0\.50*")),
        ("[2.1,2.9]", true, None),
        ("(1,2)", true, None),
        ("[1e300,]", true, None),
        ("[5,4]", false, None),
        ("[1,1)", false, None),
        ("[1.5e308,]", false, None),
        ("[,-1.5e308]", false, None),
    ];
    for (range, integers, expected) in cases {
        assert_eq!(pattern(&numbers(range, integers)).as_deref(), expected, "{range}");
    }
}
