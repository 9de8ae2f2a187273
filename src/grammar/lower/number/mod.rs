//! A regex for the JSON numbers in a range, exact however many digits the bounds have.
//!
//! A range is cut at zero, and both sides are written as magnitudes, the negative ones behind a `-`. On a bounded side
//! a number is a plain decimal or in normalized scientific notation, and the latter only with the exponents for which
//! every mantissa fits: that leaves out `1.5e2` for a maximum of 155, but not 150. No spelling exceeds an f64.
//!
//! Not here: what becomes of a text with more digits than an f64 holds.

mod digits;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use serde_json::Number;

use self::digits::{Limit, continuations, group, wholes};
use super::decimal::{Decimal, Rounding, compare, decrement, digits_of, increment};

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
