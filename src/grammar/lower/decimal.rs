//! Decimal numbers as digits: what a bound says, exactly, however long it is.
//!
//! Digits are values 0 to 9, the most significant first. A whole number has no leading zeros; zero is the one digit 0.

use std::cmp::Ordering;

/// The most digits that a bound keeps after the point. Further ones lie far below every f64 above zero.
const FRACTION_DIGITS: usize = 400;

/// A decimal number: `digits * 10^scale`.
///
/// Invariant: `digits` has zeros neither at its start nor at its end, and zero is the default value.
#[derive(Clone, Debug, Default)]
pub(super) struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    scale: i32,
}

/// Where digits beyond the last one that is kept go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rounding {
    Up,
    Down,
}

/// A magnitude without exponent: `whole.fraction`, the fraction without zeros at its end.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) whole: Vec<u8>,
    pub(super) fraction: Vec<u8>,
    /// Nothing was rounded.
    pub(super) exact: bool,
}

impl Decimal {
    /// Reads a JSON number.
    pub(super) fn parse(text: &str) -> Self {
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let too_far = if exponent.starts_with('-') { i32::MIN } else { i32::MAX };
        let exponent: i32 = exponent.parse().unwrap_or(too_far);

        let all: Vec<u8> =
            whole.bytes().chain(fraction.bytes()).filter(u8::is_ascii_digit).map(|byte| byte - b'0').collect();
        let Some(start) = all.iter().position(|digit| *digit != 0) else { return Self::default() };
        let end = all.iter().rposition(|digit| *digit != 0).map_or(all.len(), |last| last + 1);
        let scale = exponent.saturating_sub(count(fraction.len())).saturating_add(count(all.len() - end));
        Self { negative, digits: all[start..end].to_vec(), scale }
    }

    pub(super) fn is_negative(&self) -> bool {
        self.negative
    }

    pub(super) fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// Changes the sign; zero has none.
    pub(super) fn negated(&self) -> Self {
        Self { negative: !self.negative && !self.is_zero(), ..self.clone() }
    }

    /// The digits before the point: a magnitude above zero is at least `10^(order - 1)` and less than `10^order`.
    pub(super) fn order(&self) -> i32 {
        self.scale.saturating_add(count(self.digits.len()))
    }

    /// Says whether the magnitude is a power of ten, `10^(order - 1)`.
    pub(super) fn is_power_of_ten(&self) -> bool {
        self.digits == [1_u8]
    }

    /// Writes the magnitude out. The order must be small: there are as many digits before the point.
    pub(super) fn written(&self, rounding: Rounding) -> Written {
        let order = self.order();
        let before = usize::try_from(order).unwrap_or(0);
        let zeros = usize::try_from(order.saturating_neg()).unwrap_or(0).min(FRACTION_DIGITS);
        let (whole, rest) = self.digits.split_at(before.min(self.digits.len()));
        let mut whole = whole.to_vec();
        whole.resize(before.max(1), 0);
        let mut fraction = vec![0; zeros];
        fraction.extend_from_slice(rest);

        let exact = fraction.len() <= FRACTION_DIGITS;
        if !exact {
            fraction.truncate(FRACTION_DIGITS);
            if rounding == Rounding::Up {
                whole.append(&mut fraction);
                whole = increment(&whole);
                fraction = whole.split_off(whole.len() - FRACTION_DIGITS);
            }
        }
        while fraction.last() == Some(&0) {
            fraction.pop();
        }
        Written { whole, fraction, exact }
    }
}

fn count(digits: usize) -> i32 {
    i32::try_from(digits).unwrap_or(i32::MAX)
}

/// The digits of a small number.
pub(super) fn digits_of(number: u32) -> Vec<u8> {
    number.to_string().bytes().map(|byte| byte - b'0').collect()
}

/// Compares whole numbers.
pub(super) fn compare(left: &[u8], right: &[u8]) -> Ordering {
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

/// Adds one.
pub(super) fn increment(digits: &[u8]) -> Vec<u8> {
    let mut result = digits.to_vec();
    for digit in result.iter_mut().rev() {
        if *digit < 9 {
            *digit += 1;
            return result;
        }
        *digit = 0;
    }
    result.insert(0, 1);
    result
}

/// Takes one away; `None` from zero.
pub(super) fn decrement(digits: &[u8]) -> Option<Vec<u8>> {
    let mut result = digits.to_vec();
    let last = result.iter().rposition(|digit| *digit > 0)?;
    result[last] -= 1;
    result[last + 1..].fill(9);
    if result[0] == 0 && result.len() > 1 {
        result.remove(0);
    }
    Some(result)
}

/// Says whether a whole number is one followed by zeros.
pub(super) fn is_power_of_ten(digits: &[u8]) -> bool {
    digits.split_first().is_some_and(|(first, rest)| *first == 1 && rest.iter().all(|digit| *digit == 0))
}
