//! Patterns of digits between two bounds.

use std::cmp::Ordering;

use super::{INTEGER_DIGITS, MOST_REPEATED};
use crate::grammar::lower::decimal::{compare, is_power_of_ten};

/// The whole numbers between two, both included.
pub(super) fn wholes(from: &[u8], to: &[u8]) -> Vec<String> {
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
pub(super) struct Limit<'d> {
    pub(super) digits: &'d [u8],
    pub(super) exclusive: bool,
}

impl Limit<'_> {
    /// As a lower bound; `None` if every continuation satisfies it.
    pub(super) fn as_lower(self) -> Option<Self> {
        (self.exclusive || self.digits.iter().any(|digit| *digit != 0)).then_some(self)
    }

    /// As an upper bound on the `left` digits, or on any number of them; `None` if every continuation satisfies it.
    pub(super) fn as_upper(self, left: Option<usize>) -> Option<Self> {
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
pub(super) fn continuations(lower: Option<Limit<'_>>, upper: Option<Limit<'_>>, left: Option<usize>) -> Vec<String> {
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

pub(super) fn any_digits(least: usize, most: usize) -> String {
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

pub(super) fn group(alternatives: &[String]) -> String {
    match alternatives {
        [one] => one.clone(),
        several => format!("(?:{})", several.join("|")),
    }
}
