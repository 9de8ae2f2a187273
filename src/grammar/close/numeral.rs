//! Endings of a number that the schema names or bounds, where a number may be spelled in every way: 150 as `1.5e2`.

use jsonschema::canonical::{CanonicalSchema, CanonicalView};
use serde_json::Value;

/// Digits of a number; more are in no other spelling.
const MAX_DIGITS: usize = 400;

/// Endings that may make `start` a number of `schema`: those that it names, and those near its bounds.
pub(super) fn endings(start: &[u8], schema: &CanonicalSchema) -> Vec<Vec<u8>> {
    let Some(start) = Start::read(start) else { return Vec::new() };
    let (named, bounds) = match schema.view() {
        CanonicalView::Const(value) => (vec![value], Vec::new()),
        CanonicalView::Enum(values) => (values, Vec::new()),
        CanonicalView::Integer(view) => (Vec::new(), vec![view.minimum, view.maximum]),
        CanonicalView::Number(view) => (Vec::new(), vec![view.minimum, view.maximum]),
        _ => return Vec::new(),
    };
    let bounds: Vec<Value> = bounds.into_iter().flatten().map(Value::Number).collect();
    let numeral = |value: &Value| Numeral::read(&value.to_string());
    let numbers = named.iter().chain(&bounds).filter(|value| value.is_number());
    let mut found: Vec<String> = numbers.filter_map(|value| start.ending(&numeral(value)?)).collect();
    for bound in bounds.iter().filter_map(numeral) {
        found.extend((-1..=1).filter_map(|more| start.ending_near(&bound, more)));
    }
    found.sort_by_key(String::len);
    found.into_iter().map(String::into_bytes).collect()
}

/// A number: digits without zeros around them, times a power of ten.
struct Numeral {
    is_negative: bool,
    digits: String,
    power: i64,
}

impl Numeral {
    fn read(text: &str) -> Option<Self> {
        let start = Start::read(text.as_bytes())?;
        let exponent = match start.exponent {
            Some(exponent) => exponent.trim_start_matches('+').parse().ok()?,
            None => 0,
        };
        let all = format!("{}{}", start.whole, start.fraction.unwrap_or(""));
        let digits = all.trim_start_matches('0').trim_end_matches('0');
        let n_cut = all.len() - all.trim_end_matches('0').len();
        let power = exponent - length(start.fraction.unwrap_or("")) + length(&all[..n_cut]);
        Some(Self { is_negative: start.is_negative, digits: digits.to_owned(), power })
    }
}

/// The beginning of a number.
struct Start<'t> {
    is_negative: bool,
    whole: &'t str,
    /// What stands behind the point, if that is there.
    fraction: Option<&'t str>,
    /// What stands behind the e, if that is there.
    exponent: Option<&'t str>,
}

impl<'t> Start<'t> {
    fn read(text: &'t [u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= MAX_DIGITS)?;
        let (is_negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (text, None),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (mantissa, None),
        };
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let is_number = is_digits(whole) && fraction.is_none_or(is_digits);
        is_number.then_some(Self { is_negative, whole, fraction, exponent })
    }

    /// What makes it `number`: the digits that are missing, then the exponent that they need.
    fn ending(&self, number: &Numeral) -> Option<String> {
        if number.digits.is_empty() || number.is_negative != self.is_negative {
            return None;
        }
        let there = format!("{}{}", self.whole, self.fraction.unwrap_or(""));
        let there = there.trim_start_matches('0');
        // Why a point: no digit follows a zero that stands first.
        let point = if self.whole == "0" && self.fraction.is_none() && self.exponent.is_none() { "." } else { "" };
        let (mut more, mut n_zeros) = match number.digits.strip_prefix(there) {
            Some(missing) => (missing, 0),
            None => ("", length(there.strip_prefix(number.digits.as_str()).filter(|rest| is_zeros(rest))?)),
        };
        if more.is_empty() && self.fraction == Some("") {
            (more, n_zeros) = ("0", n_zeros + 1);
        }
        let is_fraction = self.fraction.is_some() || !point.is_empty();
        let n_fraction = length(self.fraction.unwrap_or("")) + if is_fraction { length(more) } else { 0 };
        let power = number.power - n_zeros + n_fraction;
        if self.exponent.is_some() && !more.is_empty() {
            return None;
        }
        self.raised(&format!("{point}{more}"), power)
    }

    /// What makes it a number of the size of `number`, ten times larger for each of `more`.
    fn ending_near(&self, number: &Numeral, more: i64) -> Option<String> {
        let there = format!("{}{}", self.whole, self.fraction.unwrap_or(""));
        if self.is_negative != number.is_negative || is_zeros(&there) {
            return None;
        }
        let digits = if self.fraction == Some("") { "0" } else { "" };
        let size = length(&number.digits) + number.power + more;
        let n_whole = length(there.trim_start_matches('0')) - length(self.fraction.unwrap_or(""));
        self.raised(digits, size - n_whole)
    }

    /// These digits, and what raises the number to the power.
    fn raised(&self, digits: &str, power: i64) -> Option<String> {
        match self.exponent {
            Some(exponent) => rest_of_exponent(exponent, power),
            None if power == 0 => Some(digits.to_owned()),
            None => Some(format!("{digits}e{power}")),
        }
    }
}

fn rest_of_exponent(there: &str, wanted: i64) -> Option<String> {
    let (sign, digits) = match there.as_bytes().first() {
        Some(b'-') => (Some(true), &there[1..]),
        Some(b'+') => (Some(false), &there[1..]),
        Some(_) => (Some(false), there),
        None => (None, there),
    };
    if sign.is_some_and(|is_negative| is_negative != (wanted < 0) && wanted != 0) {
        return None;
    }
    let all = wanted.unsigned_abs().to_string();
    let rest = if is_zeros(digits) { &all } else { all.strip_prefix(digits)? };
    let minus = if sign.is_none() && wanted < 0 { "-" } else { "" };
    Some(format!("{minus}{rest}"))
}

fn length(text: &str) -> i64 {
    i64::try_from(text.len()).unwrap_or(i64::MAX)
}

fn is_zeros(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_completed_in_every_spelling() {
        for (number, start, expected) in [
            ("150", "1", Some("5e1")),
            ("150", "1.5", Some("e2")),
            ("150", "1.5e", Some("2")),
            ("150", "150.", Some("0")),
            ("150", "150.00", Some("")),
            ("150", "15000", Some("e-2")),
            ("150", "15e+", Some("1")),
            ("150", "1500e-", Some("1")),
            ("150", "15e-", None),
            ("150", "16", None),
            ("150", "-1", None),
            ("123456789", "1.2", Some("3456789e8")),
            ("0.001", "0", Some(".1e-2")),
            ("0.001", "0.00", Some("1")),
            ("-1.25", "-", Some("125e-2")),
            ("-1.25", "-12", Some("5e-2")),
            ("1e30", "1", Some("e30")),
            ("1e30", "1e3", Some("0")),
            ("1e30", "1e2", None),
        ] {
            let number = Numeral::read(number).expect("a number");
            let ending = Start::read(start.as_bytes()).expect("a start").ending(&number);
            assert_eq!(ending.as_deref(), expected, "{start}");
            if let Some(ending) = ending {
                let whole = Numeral::read(&format!("{start}{ending}")).expect("a number");
                assert_eq!((whole.digits, whole.power), (number.digits, number.power), "{start}{ending}");
            }
        }
    }
}
