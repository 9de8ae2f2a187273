//! The values that are left for an array in which no two may be equal, where there are few.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// One of few values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// As it is written.
    pub text: String,
    /// As all equal values are written.
    pub plain: String,
}

/// All values of one place, the shortest first.
pub type Few = Arc<Vec<Item>>;

/// The values of the places of an array; nothing for places that have more than anybody counts.
#[derive(Clone, Debug, Default)]
pub struct Supply {
    /// The first places.
    pub prefix: Vec<Option<Few>>,
    /// Each place behind them.
    pub items: Option<Few>,
    /// Fewest items.
    pub min: usize,
}

impl Supply {
    /// All values of the place `at`, if they are few.
    #[must_use]
    pub fn at(&self, at: usize) -> Option<&Few> {
        self.prefix.get(at).unwrap_or(&self.items).as_ref()
    }

    /// Whether an array of `n_items`, which has the values `seen`, can get `n_more` items and as many as it must have.
    #[must_use]
    pub fn lasts(&self, seen: &HashSet<String>, n_items: usize, n_more: usize) -> bool {
        let end = self.min.max(n_items.saturating_add(n_more));
        if self.items.as_ref().is_some_and(|few| end.saturating_sub(n_items.max(self.prefix.len())) > few.len()) {
            return false;
        }
        // Why not further: behind the prefix no place is short of values then.
        let end = if self.items.is_none() { end.min(self.prefix.len()) } else { end };
        let free =
            |few: &Few| few.iter().map(|item| item.plain.as_str()).filter(|plain| !seen.contains(*plain)).count();
        let mut places: Vec<(&Few, usize)> =
            (n_items..end).filter_map(|at| self.at(at)).map(|few| (few, free(few))).collect();
        // Why: what has more values than there are places always finds one that no other place has.
        places.sort_by_key(|(_, n_free)| *n_free);
        while places.last().is_some_and(|(_, n_free)| *n_free >= places.len()) {
            places.pop();
        }
        let places: Vec<&Few> = places.into_iter().map(|(few, _)| few).collect();
        let mut taken = HashMap::new();
        (0..places.len()).all(|place| seat(&places, place, seen, &mut taken, &mut HashSet::new()))
    }
}

/// Finds a value for `place`, moving other places where that must be; `taken` says which place has which value.
fn seat<'s>(
    places: &[&'s Few],
    place: usize,
    seen: &HashSet<String>,
    taken: &mut HashMap<&'s str, usize>,
    asked: &mut HashSet<&'s str>,
) -> bool {
    let few: &'s Few = places[place];
    let free = || few.iter().map(|item| item.plain.as_str()).filter(|plain| !seen.contains(*plain));
    if let Some(plain) = free().find(|plain| !taken.contains_key(plain)) {
        taken.insert(plain, place);
        return true;
    }
    for plain in free() {
        if asked.insert(plain) && seat(places, taken[plain], seen, taken, asked) {
            taken.insert(plain, place);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn few(values: &[&str]) -> Option<Few> {
        let item = |text: &&str| Item { text: (*text).to_owned(), plain: (*text).to_owned() };
        Some(Arc::new(values.iter().map(item).collect()))
    }

    #[test]
    fn places_get_values_that_differ() {
        let supply = Supply { prefix: vec![few(&["1", "2"]), few(&["1"]), None], items: few(&["1", "2", "3"]), min: 3 };
        for (seen, n_items, n_more, lasts) in [
            (vec![], 0, 0, true),
            (vec!["2"], 1, 0, true),
            (vec!["1"], 1, 0, false),
            (vec!["2", "1", "x"], 3, 1, true),
            (vec!["2", "1", "x"], 3, 2, false),
            (vec!["2", "1", "3"], 3, 1, false),
            (vec![], 0, 4, true),
            (vec![], 0, 5, false),
            (vec![], 0, 1000, false),
        ] {
            let seen = seen.into_iter().map(str::to_owned).collect();
            assert_eq!(supply.lasts(&seen, n_items, n_more), lasts, "{seen:?} {n_items} {n_more}");
        }
    }
}
