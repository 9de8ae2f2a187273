//! Completes arrays: what must still come, and what must not come twice.

use serde_json::Value;

use super::complete::{Completion, MAX_CANDIDATES, MAX_ENDING_BYTES, MAX_EXTRAS};
use super::part::{Part, State, render};
use crate::grammar::shape::Array;

impl Completion<'_> {
    /// Up to `n` endings of an array that has these `items`.
    pub(super) fn array(&mut self, array: &Array, items: &[Part<'_>], state: State<'_>, n: usize) -> Vec<Vec<u8>> {
        let at = |i: usize| array.prefix.get(i).copied().unwrap_or(array.items);
        let n_full = if state == State::InItem { items.len() - 1 } else { items.len() };
        let mut n_wanted = 0;
        let mut values: Vec<Value> = Vec::new();
        for (i, item) in items[..n_full].iter().enumerate() {
            let fits = self.fits(at(i), item);
            let is_wanted = array.contains.is_some_and(|(wanted, _)| self.fits(wanted, item));
            if !fits && !is_wanted {
                return Vec::new();
            }
            n_wanted += u64::from(is_wanted);
            if let Some(value) = array.is_unique.then(|| value_of(item)).flatten() {
                if values.contains(&value) {
                    return Vec::new();
                }
                values.push(value);
            }
        }
        let needed = array.contains.map_or(0, |(_, needed)| needed);
        let mut ending = Vec::new();
        if let (State::InItem, Some(last)) = (state, items.last()) {
            let wanted = array.contains.filter(|_| n_wanted < needed).and_then(|(wanted, _)| self.close(wanted, last));
            n_wanted += u64::from(wanted.is_some());
            let n_tries = if array.is_unique { MAX_CANDIDATES } else { 1 };
            let closed = wanted.or_else(|| {
                let endings = self.judged(at(n_full), last, n_tries);
                let mut start = Vec::new();
                render(last, &mut start);
                endings.into_iter().find(|ending| {
                    let value = serde_json::from_slice::<Value>(&[start.as_slice(), ending].concat()).ok();
                    let is_new = value.as_ref().is_none_or(|value| !values.contains(value));
                    values.extend(value.filter(|_| is_new));
                    is_new
                })
            });
            match closed {
                Some(closed) => ending = closed,
                None => return Vec::new(),
            }
        }
        let mut count = items.len() as u64;
        if state == State::Complete {
            let is_full = count >= array.min && array.max.is_none_or(|max| count <= max) && n_wanted >= needed;
            return if is_full { vec![Vec::new()] } else { Vec::new() };
        }
        // Why: each item takes a byte and a comma at least.
        if array.min > (MAX_ENDING_BYTES / 2) as u64 {
            return Vec::new();
        }
        let mut owes_item = state == State::AfterComma;
        let mut more = |this: &mut Self, ending: &mut Vec<u8>, count: &mut u64, n_wanted: &mut u64, owes: &mut bool| {
            let wanted = array.contains.filter(|_| *n_wanted < needed);
            let shape = wanted.map_or_else(|| at(usize::try_from(*count).unwrap_or(usize::MAX)), |(wanted, _)| wanted);
            let item = if array.is_unique {
                let candidates = this.judged(shape, &Part::Missing, MAX_CANDIDATES + values.len());
                candidates.into_iter().find(|text| {
                    serde_json::from_slice::<Value>(text).is_ok_and(|value| {
                        let is_new = !values.contains(&value);
                        values.extend(is_new.then_some(value));
                        is_new
                    })
                })
            } else {
                this.close(shape, &Part::Missing)
            };
            let Some(item) = item else { return false };
            if *count > 0 && !*owes {
                ending.push(b',');
            }
            ending.extend_from_slice(&item);
            *owes = false;
            *count += 1;
            *n_wanted += u64::from(wanted.is_some());
            true
        };
        while count < array.min || n_wanted < needed || owes_item {
            if !more(self, &mut ending, &mut count, &mut n_wanted, &mut owes_item) || self.is_spent() {
                return Vec::new();
            }
        }
        let mut found = Vec::new();
        for _ in 0..n.min(MAX_EXTRAS) {
            if array.max.is_some_and(|max| count > max) {
                break;
            }
            let mut closed = ending.clone();
            closed.push(b']');
            found.push(closed);
            if found.len() >= n || !more(self, &mut ending, &mut count, &mut n_wanted, &mut owes_item) {
                break;
            }
        }
        found
    }
}

fn value_of(part: &Part<'_>) -> Option<Value> {
    let mut text = Vec::new();
    render(part, &mut text);
    serde_json::from_slice(&text).ok()
}
