//! A regex for the JSON numbers in a range, exact however many digits the bounds have.
//!
//! A range is cut at zero, and both sides are written as magnitudes, the negative ones behind a `-`. On a bounded side
//! a number is a plain decimal or in normalized scientific notation, and the latter only with the exponents for which
//! every mantissa fits: that leaves out `1.5e2` for a maximum of 155, but not 150. No spelling exceeds an f64.
//!
//! Not here: what becomes of a text with more digits than an f64 holds.

use std::cmp::Ordering;

use serde_json::Number;

use super::decimal::{Decimal, Rounding, compare, decrement, digits_of, increment, is_power_of_ten};

/// What a number must satisfy.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    pub(super) minimum: Option<Bound>,
    pub(super) maximum: Option<Bound>,
    /// Only integers, written without fraction and exponent.
    pub(super) integers: bool,
}

/// One end of a range.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    pub(super) value: Number,
    pub(super) exclusive: bool,
}

/// The digits of the longest integer.
const INTEGER_DIGITS: usize = 300;
/// The digits before the point of the longest plain decimal. Why: one more and it could exceed an f64.
const WHOLE_DIGITS: usize = 308;
/// The exponents with one digit before the point: whatever the mantissa, it is an f64 other than zero.
const EXPONENTS: (i32, i32) = (-300, 307);

const ANY_INTEGER: &str = "-?(?:0|[1-9][0-9]*)";
/// Every spelling from zero upwards. Why digits are not counted: each count would be a state, and each state a mask.
const FROM_ZERO: &str = r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE](?:\+?[0-9]{1,2}|-[0-9]{1,3}))?";
/// The same without zero. Why the smaller exponents: a number that becomes zero as an f64 is not above zero.
const ABOVE_ZERO: &str =
    concat!(r"(?:[1-9][0-9]*(?:\.[0-9]+)?|0\.0*[1-9][0-9]*)", r"(?:[eE](?:\+?[0-9]{1,2}|-(?:[0-2]?[0-9]{1,2}|300)))?");
/// Completes both for the large exponents.
const LARGE: &str = r"[1-9](?:\.[0-9]+)?[eE]\+?(?:[12][0-9]{2}|30[0-7])";

/// How many alternatives share a prefix by repeating it. Why not none: parsers limit how deep groups nest. Why not all:
/// the regex would grow with the square of the digits.
const MOST_REPEATED: usize = 16;

/// Writes the regex of the numbers in the range, in the syntax of regex-syntax and as if anchored at both ends; `None`
/// if there are none.
pub(super) fn pattern(numbers: &Numbers) -> Option<String> {
    let most_digits = i32::try_from(if numbers.integers { INTEGER_DIGITS } else { WHOLE_DIGITS }).unwrap_or(i32::MAX);
    let is_far = |edge: &Edge| edge.value.order() > most_digits;
    let minimum = numbers.minimum.as_ref().map(Edge::read);
    let maximum = numbers.maximum.as_ref().map(Edge::read);
    if minimum.as_ref().is_some_and(|edge| is_far(edge) && !edge.value.is_negative())
        || maximum.as_ref().is_some_and(|edge| is_far(edge) && edge.value.is_negative())
    {
        return None;
    }
    let minimum = minimum.filter(|edge| !is_far(edge));
    let maximum = maximum.filter(|edge| !is_far(edge));
    if numbers.integers && minimum.is_none() && maximum.is_none() {
        return Some(ANY_INTEGER.to_owned());
    }
    let below = Magnitudes::new(maximum.as_ref().map(Edge::negated), minimum.as_ref().map(Edge::negated));
    let above = Magnitudes::new(minimum, maximum);
    let alternatives = if numbers.integers {
        integers(below.as_ref(), above.as_ref())
    } else {
        let spellings = |side: Option<Magnitudes>| side.map(|side| side.spellings()).unwrap_or_default();
        with_signs(&spellings(below), spellings(above))
    };
    if alternatives.is_empty() { None } else { Some(group(&alternatives)) }
}

/// One end of a range, read.
#[derive(Clone, Debug, Default)]
struct Edge {
    value: Decimal,
    exclusive: bool,
}

impl Edge {
    fn read(bound: &Bound) -> Self {
        Self { value: Decimal::parse(&bound.value.to_string()), exclusive: bound.exclusive }
    }

    fn negated(&self) -> Self {
        Self { value: self.value.negated(), exclusive: self.exclusive }
    }

    fn written(&self, rounding: Rounding) -> WrittenEdge {
        let written = self.value.written(rounding);
        // Why: a rounded end lies inside the range.
        let exclusive = self.exclusive && written.exact;
        WrittenEdge { whole: written.whole, fraction: written.fraction, exclusive }
    }
}

/// One end of a range of magnitudes, as digits.
struct WrittenEdge {
    whole: Vec<u8>,
    fraction: Vec<u8>,
    exclusive: bool,
}

impl WrittenEdge {
    fn fraction(&self) -> Limit<'_> {
        Limit { digits: &self.fraction, exclusive: self.exclusive }
    }
}

/// The part of a range on one side of zero, zero included, without signs.
struct Magnitudes {
    from: Edge,
    to: Option<Edge>,
}

impl Magnitudes {
    /// Keeps what is not below zero.
    fn new(minimum: Option<Edge>, maximum: Option<Edge>) -> Option<Self> {
        if maximum.as_ref().is_some_and(|edge| edge.value.is_negative()) {
            return None;
        }
        Some(Self { from: minimum.filter(|edge| !edge.value.is_negative()).unwrap_or_default(), to: maximum })
    }

    /// The first and the last integer; `None` also where the first lies above the last.
    fn integers(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        let from = self.from.written(Rounding::Up);
        let first = if from.exclusive || !from.fraction.is_empty() { increment(&from.whole) } else { from.whole };
        let last = match self.to.as_ref().map(|edge| edge.written(Rounding::Down)) {
            None => vec![9; INTEGER_DIGITS],
            Some(to) if to.exclusive && to.fraction.is_empty() => decrement(&to.whole)?,
            Some(to) => to.whole,
        };
        (compare(&first, &last) != Ordering::Greater).then_some((first, last))
    }

    fn spellings(&self) -> Vec<String> {
        if self.to.is_none() && self.from.value.is_zero() {
            let short = if self.from.exclusive { ABOVE_ZERO } else { FROM_ZERO };
            return vec![short.to_owned(), LARGE.to_owned()];
        }
        let mut alternatives = self.plain();
        alternatives.extend(self.scientific());
        alternatives
    }

    /// The numbers without exponent.
    fn plain(&self) -> Vec<String> {
        let from = self.from.written(Rounding::Up);
        let to = self.to.as_ref().map(|edge| edge.written(Rounding::Down));
        let lower = from.fraction().as_lower();
        let upper = to.as_ref().and_then(|to| to.fraction().as_upper(None));
        if let Some(to) = &to {
            match compare(&from.whole, &to.whole) {
                Ordering::Less => {}
                Ordering::Equal => return decimals(&from.whole, lower, upper).into_iter().collect(),
                Ordering::Greater => return Vec::new(),
            }
        }

        let mut alternatives = Vec::new();
        let mut first = from.whole.clone();
        if lower.is_some() {
            alternatives.extend(decimals(&from.whole, lower, None));
            first = increment(&first);
        }
        let last = match &to {
            None => Some(vec![9; WHOLE_DIGITS]),
            Some(to) => decrement(&to.whole),
        };
        let between = last.map(|last| wholes(&first, &last)).unwrap_or_default();
        if !between.is_empty() {
            alternatives.push(format!(r"{}(?:\.[0-9]+)?", group(&between)));
        }
        if let Some(to) = &to {
            alternatives.extend(decimals(&to.whole, None, upper));
        }
        alternatives
    }

    /// The numbers in scientific notation, for every exponent `k` with all of `10^k` to `10^(k + 1)` in the range.
    fn scientific(&self) -> Option<String> {
        let Edge { value, exclusive } = &self.from;
        let lowest = if value.is_zero() {
            EXPONENTS.0
        } else if value.is_power_of_ten() && !exclusive {
            value.order().saturating_sub(1)
        } else {
            value.order()
        };
        let highest = match &self.to {
            None => EXPONENTS.1,
            Some(Edge { value, .. }) if value.is_zero() => return None,
            // Why not one more for an inclusive bound: no mantissa reaches ten.
            Some(Edge { value, .. }) => value.order().saturating_sub(2),
        };
        let (lowest, highest) = (lowest.max(EXPONENTS.0), highest.min(EXPONENTS.1));
        let mut exponents = Vec::new();
        if highest >= 0 && lowest <= highest {
            exponents.push(format!(r"\+?{}", group(&exponent(lowest.max(0), highest))));
        }
        if lowest < 0 && lowest <= highest {
            exponents.push(format!("-{}", group(&exponent(highest.min(-1), lowest))));
        }
        (!exponents.is_empty()).then(|| format!(r"[1-9](?:\.[0-9]+)?[eE]{}", group(&exponents)))
    }
}

/// The exponents between two of the same sign, the one nearer to zero first, without the sign. One digit may stand
/// behind a zero, as Python and C print it.
fn exponent(near: i32, far: i32) -> Vec<String> {
    let (near, far) = (near.unsigned_abs(), far.unsigned_abs());
    let mut alternatives = wholes(&digits_of(near), &digits_of(far.min(9)));
    alternatives.iter_mut().for_each(|digit| digit.insert_str(0, "0?"));
    alternatives.extend(wholes(&digits_of(near.max(10)), &digits_of(far)));
    alternatives
}

/// The integers of both sides of zero; zero itself only without sign.
fn integers(below: Option<&Magnitudes>, above: Option<&Magnitudes>) -> Vec<String> {
    let zero = [0_u8];
    let below = below.and_then(Magnitudes::integers);
    let above = above.and_then(Magnitudes::integers);
    let from_one = |range: &Option<(Vec<u8>, Vec<u8>)>| match range {
        Some((first, last)) if *first == zero => wholes(&[1], last),
        Some((first, last)) => wholes(first, last),
        None => Vec::new(),
    };
    let (negative, positive) = (from_one(&below), from_one(&above));
    match &above {
        Some((first, last)) if *first == zero && (negative.is_empty() || negative != positive) => {
            with_signs(&negative, wholes(first, last))
        }
        Some((first, _)) if *first == zero => {
            let mut alternatives = vec!["0".to_owned()];
            alternatives.extend(with_signs(&negative, positive));
            alternatives
        }
        _ => with_signs(&negative, positive),
    }
}

/// Joins both sides of zero.
fn with_signs(negative: &[String], mut positive: Vec<String>) -> Vec<String> {
    if negative.is_empty() {
        return positive;
    }
    if negative == positive {
        return vec![format!("-?{}", group(negative))];
    }
    positive.push(format!("-{}", group(negative)));
    positive
}

/// The decimals with these digits before the point, at any length after it.
fn decimals(whole: &[u8], lower: Option<Limit<'_>>, upper: Option<Limit<'_>>) -> Option<String> {
    let fractions: Vec<String> = match (lower, upper) {
        (None, None) => vec!["[0-9]+".to_owned()],
        (None, Some(upper)) if upper.digits.is_empty() && upper.exclusive => return None,
        (None, Some(upper)) if upper.digits.is_empty() => vec!["0+".to_owned()],
        _ => continuations(lower, upper, None).into_iter().filter(|fraction| !fraction.is_empty()).collect(),
    };
    let whole: String = whole.iter().map(u8::to_string).collect();
    match (lower, fractions.is_empty()) {
        (None, true) => Some(whole),
        (None, false) => Some(format!(r"{whole}(?:\.{})?", group(&fractions))),
        (Some(_), true) => None,
        (Some(_), false) => Some(format!(r"{whole}\.{}", group(&fractions))),
    }
}

/// The whole numbers between two, both included.
fn wholes(from: &[u8], to: &[u8]) -> Vec<String> {
    if compare(from, to) == Ordering::Greater {
        return Vec::new();
    }
    if from.len() == to.len() {
        return same_length(from, to);
    }
    if *from == [0_u8] {
        let mut alternatives = vec!["0".to_owned()];
        alternatives.extend(wholes(&[1], to));
        return alternatives;
    }
    let mut alternatives = Vec::new();
    let (mut shortest, mut longest) = (from.len(), to.len());
    if !is_power_of_ten(from) {
        alternatives.extend(same_length(from, &vec![9; from.len()]));
        shortest += 1;
    }
    let all_of_longest = to.iter().all(|digit| *digit == 9);
    if !all_of_longest {
        longest -= 1;
    }
    if shortest <= longest {
        alternatives.push(format!("[1-9]{}", any_digits(shortest - 1, longest - 1)));
    }
    if !all_of_longest {
        let mut power_of_ten = vec![0; to.len()];
        power_of_ten[0] = 1;
        alternatives.extend(same_length(&power_of_ten, to));
    }
    alternatives
}

fn same_length(from: &[u8], to: &[u8]) -> Vec<String> {
    let left = Some(from.len());
    let lower = Limit { digits: from, exclusive: false }.as_lower();
    let upper = Limit { digits: to, exclusive: false }.as_upper(left);
    continuations(lower, upper, left)
}

/// What is left of a bound while a number is read from the left and has agreed with it so far. Behind its last digit
/// come zeros.
#[derive(Clone, Copy)]
struct Limit<'d> {
    digits: &'d [u8],
    exclusive: bool,
}

impl Limit<'_> {
    /// As a lower bound; `None` if every continuation satisfies it.
    fn as_lower(self) -> Option<Self> {
        (self.exclusive || self.digits.iter().any(|digit| *digit != 0)).then_some(self)
    }

    /// As an upper bound on the `left` digits, or on any number of them; `None` if every continuation satisfies it.
    fn as_upper(self, left: Option<usize>) -> Option<Self> {
        (left.is_none() || self.digits.iter().any(|digit| *digit != 9)).then_some(self)
    }

    fn first(self) -> u8 {
        self.digits.first().copied().unwrap_or(0)
    }

    fn rest(self) -> Self {
        Self { digits: self.digits.get(1..).unwrap_or_default(), exclusive: self.exclusive }
    }
}

/// The digits with which a number can go on between the bounds: exactly `left` digits, or a fraction of any length.
fn continuations(lower: Option<Limit<'_>>, upper: Option<Limit<'_>>, left: Option<usize>) -> Vec<String> {
    match (lower, upper) {
        (None, None) => return vec![anything(left)],
        (None, Some(upper)) if upper.digits.is_empty() && !upper.exclusive => return vec!["0*".to_owned()],
        (_, Some(upper)) if upper.digits.is_empty() => return Vec::new(),
        (Some(lower), None) if lower.digits.is_empty() => return vec!["0*[1-9][0-9]*".to_owned()],
        _ => {}
    }
    let mut alternatives = Vec::new();
    if left.is_none() && lower.is_none() {
        // A fraction that ends here is less than the upper bound, which has digits other than zero left.
        alternatives.push(String::new());
    }
    let left = left.map(|digits| digits - 1);
    let (mut first, mut last) = (lower.map_or(0, Limit::first), upper.map_or(9, Limit::first));
    let lower = lower.and_then(|limit| limit.rest().as_lower());
    let upper = upper.and_then(|limit| limit.rest().as_upper(left));
    match first.cmp(&last) {
        Ordering::Less => {}
        Ordering::Equal => {
            alternatives.extend(prefixed(first, continuations(lower, upper, left)));
            return alternatives;
        }
        Ordering::Greater => return alternatives,
    }
    if lower.is_some() {
        alternatives.extend(prefixed(first, continuations(lower, None, left)));
        first += 1;
    }
    let at_upper = upper.map(|_| prefixed(last, continuations(None, upper, left)));
    if at_upper.is_some() {
        last -= 1;
    }
    if first <= last {
        alternatives.push(class(first, last) + &anything(left));
    }
    alternatives.extend(at_upper.into_iter().flatten());
    alternatives
}

fn prefixed(digit: u8, alternatives: Vec<String>) -> Vec<String> {
    if alternatives.len() > MOST_REPEATED {
        return vec![format!("{digit}{}", group(&alternatives))];
    }
    alternatives.into_iter().map(|alternative| format!("{digit}{alternative}")).collect()
}

fn anything(left: Option<usize>) -> String {
    left.map_or_else(|| "[0-9]*".to_owned(), |digits| any_digits(digits, digits))
}

fn any_digits(least: usize, most: usize) -> String {
    match (least, most) {
        (_, 0) => String::new(),
        (0, 1) => "[0-9]?".to_owned(),
        (1, 1) => "[0-9]".to_owned(),
        _ if least == most => format!("[0-9]{{{most}}}"),
        (0, most) if most + 1 >= INTEGER_DIGITS => "[0-9]*".to_owned(),
        (least, most) if most + 1 >= INTEGER_DIGITS => format!("[0-9]{{{least},}}"),
        _ => format!("[0-9]{{{least},{most}}}"),
    }
}

fn class(first: u8, last: u8) -> String {
    match last - first {
        0 => first.to_string(),
        1 => format!("[{first}{last}]"),
        _ => format!("[{first}-{last}]"),
    }
}

fn group(alternatives: &[String]) -> String {
    match alternatives {
        [one] => one.clone(),
        several => format!("(?:{})", several.join("|")),
    }
}

#[cfg(test)]
mod tests {
    use llguidance::derivre::Regex;

    use super::*;

    /// Reads `[1,2.5)`; an end that is left out is no bound.
    fn numbers(range: &str, integers: bool) -> Numbers {
        let (minimum, maximum) = range[1..range.len() - 1].split_once(',').expect("two ends");
        let bound = |text: &str, exclusive| {
            let value = (!text.is_empty()).then(|| serde_json::from_str(text).expect("a JSON number"));
            value.map(|value| Bound { value, exclusive })
        };
        Numbers {
            minimum: bound(minimum, range.starts_with('(')),
            maximum: bound(maximum, range.ends_with(')')),
            integers,
        }
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
        let fractions: Vec<&str> =
            ".0 .1 .2 .4 .5 .7 .8 .9 .00 .01 .05 .10 .24 .25 .26 .49 .50 .51 .74 .75 .76 .99 .000 \
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
            for text in ["", "-", "+1", "00", "01.5", "-01", "1.", "0.", ".5", "-.5", "1e", "1.e1", "e1", "--1", "0x1"]
            {
                assert!(!matches(&mut regex, text), "{text} in {range}");
            }
        }
    }

    #[test]
    fn scientific_notation_stays_in_the_range() {
        let bound = |bound: &Option<Bound>, none: f64| bound.as_ref().map_or(none, |b| b.value.as_f64().expect("f64"));
        let exponents = [0_u32, 1, 2, 5, 7, 9, 10, 16, 50, 99, 100, 199, 299, 300, 301, 307, 308, 400, 999];
        for range in
            RANGES.split(' ').chain(["[1e-5,1e20]", "(1e-5,1e20)", "[-2e100,3e-100)", "(1e300,]", "[,-1e-300]"])
        {
            let numbers = numbers(range, false);
            let Some(pattern) = pattern(&numbers) else { continue };
            let mut regex = compile(&pattern);
            let (minimum, maximum) =
                (bound(&numbers.minimum, f64::NEG_INFINITY), bound(&numbers.maximum, f64::INFINITY));
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
            (
                "[0.1234567890123456,0.1234567890123457]",
                false,
                &["0.12345678901234565"],
                &["0.1234567890123455", "0.1"],
            ),
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
}
