//! Integers and numbers: a range, and divisors where the digits can say them.

use jsonschema::canonical::{CanonicalSchema, IntegerView, NumberView};
use serde_json::Number;

use super::number::{Bound, Numbers, pattern};
use super::{Lowering, any_number};
use crate::grammar::shape::{Shape, ShapeId};

/// Multiples are listed when there are at most so many.
const MAX_LISTED: i128 = 512;

impl Lowering<'_> {
    pub(super) fn integer(&mut self, view: &IntegerView, schema: &CanonicalSchema) -> ShapeId {
        let bound = |value: &Option<Number>| value.clone().map(|value| Bound { value, exclusive: false });
        let numbers = Numbers { minimum: bound(&view.minimum), maximum: bound(&view.maximum), integers: true };
        self.numbers(&numbers, &view.multiple_of, view.not_multiple_of.is_empty(), schema)
    }

    pub(super) fn number(&mut self, view: &NumberView, schema: &CanonicalSchema) -> ShapeId {
        let bound = |value: &Option<Number>, exclusive| value.clone().map(|value| Bound { value, exclusive });
        let numbers = Numbers {
            minimum: bound(&view.minimum, view.exclusive_minimum),
            maximum: bound(&view.maximum, view.exclusive_maximum),
            integers: false,
        };
        let is_exact = view.not_multiple_of.is_empty() && !view.excludes_integers;
        self.numbers(&numbers, &view.multiple_of, is_exact, schema)
    }

    fn numbers(&mut self, numbers: &Numbers, divisors: &[Number], is_exact: bool, schema: &CanonicalSchema) -> ShapeId {
        if self.any_spelling {
            let open = self.shapes.push(Shape::Number(vec![any_number()]), None);
            let is_open = !numbers.integers && divisors.is_empty() && is_exact;
            if is_open && numbers.minimum.is_none() && numbers.maximum.is_none() {
                return open;
            }
            // Why: whether 1.50e1 is an integer, and how large, no automaton can say; endings are found in the plain one.
            let plain = self.plain_numbers(numbers, divisors, is_exact, schema);
            let id = self.shapes.push(Shape::AnyOf(vec![plain, open]), Some(schema.clone()));
            return self.residual(id, schema);
        }
        self.plain_numbers(numbers, divisors, is_exact, schema)
    }

    fn plain_numbers(
        &mut self,
        numbers: &Numbers,
        divisors: &[Number],
        mut is_exact: bool,
        schema: &CanonicalSchema,
    ) -> ShapeId {
        if let Some(texts) = listed(numbers, divisors) {
            let shape = if texts.is_empty() { Shape::Nothing } else { Shape::Literals(texts) };
            let id = self.shapes.push(shape, Some(schema.clone()));
            return if is_exact { id } else { self.residual(id, schema) };
        }
        let Some(range) = pattern(numbers) else { return self.shapes.push(Shape::Nothing, Some(schema.clone())) };
        let mut patterns = vec![range];
        let exclusive: Vec<&Bound> =
            [&numbers.minimum, &numbers.maximum].into_iter().flatten().filter(|bound| bound.exclusive).collect();
        if !numbers.integers && !exclusive.is_empty() {
            // Why: a text just inside an excluded bound is read as the bound itself if it has more digits than an f64.
            patterns.push(r"-?[0-9]+(?:\.[0-9]{1,12})?(?:[eE][+\-]?[0-9]+)?".to_owned());
            is_exact &= exclusive.iter().all(|bound| bound.value.as_f64().is_some_and(|value| value.abs() < 1000.0));
        }
        for divisor in divisors {
            match endings(divisor, numbers.integers) {
                Some(pattern) => patterns.push(pattern),
                None => is_exact = false,
            }
        }
        let id = self.shapes.push(Shape::Number(patterns), Some(schema.clone()));
        if is_exact { id } else { self.residual(id, schema) }
    }
}

/// All multiples of whole divisors in a small range.
fn listed(numbers: &Numbers, divisors: &[Number]) -> Option<Vec<String>> {
    let whole = |bound: &Option<Bound>, step: i128| {
        let bound = bound.as_ref()?;
        let value = bound.value.as_i64()?;
        Some(i128::from(value) + if bound.exclusive { step } else { 0 })
    };
    let (min, max) = (whole(&numbers.minimum, 1)?, whole(&numbers.maximum, -1)?);
    let divisors: Vec<i128> = divisors
        .iter()
        .map(|divisor| divisor.as_i64().map(i128::from).filter(|divisor| *divisor > 1))
        .collect::<Option<_>>()?;
    let largest = *divisors.iter().max()?;
    if (max - min) / largest > MAX_LISTED {
        return None;
    }
    let first = min + (largest - min.rem_euclid(largest)) % largest;
    let multiples = (0..).map(|i| first + i * largest).take_while(|value| *value <= max);
    Some(multiples.filter(|value| divisors.iter().all(|d| value % d == 0)).map(|value| value.to_string()).collect())
}

/// The decimal texts of the multiples of a divisor whose multiples show in their last digits.
fn endings(divisor: &Number, integers: bool) -> Option<String> {
    let (digits, scale) = decimal(divisor)?;
    // 10^k is a multiple of `digits` for the smallest k that is found here.
    let k = (0..=3).find(|k| 10_u64.pow(*k) % digits == 0)?;
    let modulus = 10_u64.pow(k);
    let width = k as usize;
    let tails: Vec<String> = (0..modulus / digits).map(|i| format!("{:0width$}", i * digits)).collect();
    if scale <= 0 {
        // A whole divisor: the last digits before the point decide; zeros may follow it.
        let zeros = usize::try_from(-scale).ok()?;
        let tail = if width == 0 { String::new() } else { format!("(?:{})", tails.join("|")) };
        let whole = format!("[0-9]*{tail}0{{{zeros}}}");
        let short: Vec<String> =
            (0..modulus / digits).map(|i| (i * digits).to_string()).filter(|text| text != "0").collect();
        let short = if zeros == 0 && !short.is_empty() { format!("|{}", short.join("|")) } else { String::new() };
        let fraction = if integers { "" } else { r"(?:\.0+)?" };
        return Some(format!("-?(?:0|{whole}{short}){fraction}"));
    }
    let places = usize::try_from(scale).ok().filter(|places| *places <= 20)?;
    if integers {
        return None;
    }
    // A fraction: at most `places` digits after the point, the last of them from the tails.
    if width > places {
        return None;
    }
    let free = places - width;
    let tail = if width == 0 { String::new() } else { format!("(?:{})", tails.join("|")) };
    let mut fractions = vec![format!("[0-9]{{{free}}}{tail}0*")];
    // Why: trailing zeros may be left out.
    for cut in 1..=width {
        let short: Vec<&str> =
            tails.iter().filter(|t| t.ends_with(&"0".repeat(cut))).map(|t| &t[..width - cut]).collect();
        fractions.push(format!("[0-9]{{{free}}}(?:{})", short.join("|")));
    }
    fractions.push(format!("[0-9]{{1,{}}}", free.max(1)));
    if free == 0 {
        fractions.pop();
    }
    Some(format!(r"-?[0-9]+(?:\.(?:{}))?", fractions.join("|")))
}

/// A number as `digits * 10^-scale`, with no zero at the end of `digits`.
fn decimal(number: &Number) -> Option<(u64, i64)> {
    let text = number.to_string().to_lowercase();
    let (mantissa, exponent) = match text.split_once('e') {
        Some((mantissa, exponent)) => (mantissa.to_owned(), exponent.parse::<i64>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((&mantissa, ""));
    let mut digits: u64 = format!("{whole}{fraction}").parse().ok()?;
    let mut scale = i64::try_from(fraction.len()).ok()? - exponent;
    if digits == 0 {
        return None;
    }
    while digits.is_multiple_of(10) {
        digits /= 10;
        scale -= 1;
    }
    Some((digits, scale))
}

#[cfg(test)]
mod tests {
    use super::*;
    use llguidance::derivre::Regex;
    use serde_json::json;

    fn number(value: serde_json::Value) -> Number {
        value.as_number().expect("a number").clone()
    }

    #[test]
    fn endings_are_the_multiples() {
        for (divisor, integers, scale) in [
            (json!(5), true, 1_i64),
            (json!(10), true, 1),
            (json!(250), true, 1),
            (json!(0.01), false, 100),
            (json!(0.25), false, 100),
            (json!(0.5), false, 10),
        ] {
            let pattern = endings(&number(divisor.clone()), integers).expect("has endings");
            let mut regex = Regex::new(&pattern).expect("a regex");
            #[expect(clippy::cast_possible_truncation, reason = "small numbers")]
            let step = (divisor.as_f64().expect("a float") * scale as f64).round() as i64;
            for n in -1500..=1500_i64 {
                let sign = if n < 0 { "-" } else { "" };
                let text = match scale {
                    1 => n.to_string(),
                    _ => format!("{sign}{}.{:0w$}", n.abs() / scale, n.abs() % scale, w = scale.ilog10() as usize),
                };
                assert_eq!(regex.is_match(&text), n % step == 0, "{text} by {divisor} in {pattern}");
            }
        }
    }

    #[test]
    fn multiples_of_small_ranges_are_listed() {
        let bound = |value| Some(Bound { value: number(value), exclusive: false });
        let numbers = Numbers { minimum: bound(json!(-7)), maximum: bound(json!(10)), integers: true };
        assert_eq!(listed(&numbers, &[number(json!(3))]).expect("listed"), ["-6", "-3", "0", "3", "6", "9"]);
    }
}
