//! How much of what a string must be the mask can say: automata multiply, and some products are beyond any budget.
//!
//! A length beside a pattern takes a state for each pair of both, sixty patterns at once take all their combinations.
//! What is too much is left to the guard: it counts characters while the string grows, and judges the rest at its end.

use llguidance::derivre::{Regex, RegexBuilder, StateID};

use crate::grammar::spelling::Spelling;
use crate::grammar::terminal::string;
use crate::schema::pattern::Lang;

/// States beyond which nobody looks.
const HOPELESS_STATES: u64 = 100_000_000;
/// More parts than this are not looked at together: each step costs their number.
const MAX_LOOKED_AT: usize = 8;
/// States that an automaton may turn out to have.
const MAX_STATES: usize = 3000;
/// What looking may cost, in derivre's measure: some milliseconds.
const MAX_COST: u64 = 100_000;
/// Longer strings are counted by the guard: an automaton would have a state for each character.
const MAX_COUNTED: u64 = 20_000;

/// Bounds of a string's length in characters.
pub(super) type Length = (u64, Option<u64>);

/// What the mask says of a string.
pub(super) struct Afforded {
    pub(super) lang: Lang,
    /// The length, where the guard counts.
    pub(super) counted: Option<Length>,
    /// Whether that is all that `parts` said.
    pub(super) is_exact: bool,
}

/// Takes what can be afforded of the strings that are in all `parts` and have a length within `length`. `free_states` are
/// taken without a closer look.
pub(super) fn afford(parts: Vec<Lang>, length: Length, free_states: u64) -> Afforded {
    let mut parts = merged(parts);
    let n_parts = parts.len();
    parts.sort_by_key(weight);
    let mut taken: Vec<Lang> = Vec::with_capacity(n_parts);
    let mut states = 1_u64;
    for part in parts {
        let with = states.saturating_mul(weight(&part));
        let is_free = with <= free_states && !is_ambiguous(&part);
        if is_free || is_small(taken.iter().chain([&part]), with, free_states) {
            states = with;
            taken.push(part);
        }
    }
    let is_exact = taken.len() == n_parts;
    let lang = Lang::and(taken.clone());
    let (min, max) = length;
    let (least, most) = (lang.min_chars() as u64, lang.max_chars().map(|n| n as u64));
    if is_exact && least >= min && max.is_none_or(|max| most.is_some_and(|most| most <= max)) {
        return Afforded { lang, counted: None, is_exact };
    }
    let span = max.unwrap_or(min).max(min);
    let bound = |n: u64| u32::try_from(n).ok().filter(|_| n <= MAX_COUNTED);
    if let (Some(low), Some(high)) = (bound(min), max.map_or(Some(None), |max| bound(max).map(Some))) {
        let with = states.saturating_mul(most.map_or(span, |most| most.min(span)).max(1));
        let counter = Lang::repeat(Lang::any_char(), low, high);
        if (taken.is_empty() && span <= free_states)
            || with <= free_states
            || is_small(taken.iter().chain([&counter]), with, free_states)
        {
            taken.push(counter);
            return Afforded { lang: Lang::and(taken), counted: None, is_exact };
        }
    }
    Afforded { lang, counted: Some(length), is_exact }
}

/// Complements of what can be listed become one: together they are as large as their texts, not as their product.
fn merged(parts: Vec<Lang>) -> Vec<Lang> {
    let mut words = Vec::new();
    let mut out = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Lang::And(inner) => out.extend(merged(inner)),
            Lang::Not(inner) if is_word(&inner) => words.push(*inner),
            part if part.is_all() => {}
            part => out.push(part),
        }
    }
    if !words.is_empty() {
        out.push(Lang::complement(Lang::or(words)));
    }
    out
}

fn is_word(lang: &Lang) -> bool {
    match lang {
        Lang::Empty | Lang::Class(_) => true,
        Lang::Concat(parts) | Lang::Or(parts) => parts.iter().all(is_word),
        _ => false,
    }
}

/// About how many states the automaton has, if it is no worse than it looks.
fn weight(lang: &Lang) -> u64 {
    match lang {
        Lang::Empty | Lang::Nothing | Lang::Class(_) => 1,
        Lang::Concat(parts) | Lang::Or(parts) => {
            parts.iter().fold(0, |sum: u64, part| sum.saturating_add(weight(part)))
        }
        Lang::And(parts) => parts.iter().fold(1, |product: u64, part| product.saturating_mul(weight(part))),
        Lang::Not(inner) => weight(inner),
        Lang::Repeat(inner, min, max) => weight(inner).saturating_mul(u64::from(max.unwrap_or(*min).max(1))),
    }
}

/// Whether counted repetitions stand in each other, and so many that it matters: their automata can be far larger.
fn is_ambiguous(lang: &Lang) -> bool {
    fn nests(lang: &Lang, is_counted: bool) -> bool {
        match lang {
            Lang::Empty | Lang::Nothing | Lang::Class(_) => false,
            Lang::Concat(parts) | Lang::Or(parts) | Lang::And(parts) => {
                parts.iter().any(|part| nests(part, is_counted))
            }
            Lang::Not(inner) => nests(inner, is_counted),
            Lang::Repeat(inner, min, max) => {
                let counts = max.is_some_and(|max| max > 1 && max > *min) || *min > 1;
                (counts && is_counted) || nests(inner, is_counted || max.unwrap_or(*min) > 1)
            }
        }
    }
    weight(lang) > 500 && nests(lang, false)
}

/// Whether there is surely no string in `lang`, as far as a short look tells.
pub(super) fn is_empty(lang: &Lang) -> bool {
    may_be_empty(lang) && walk(lang, MAX_STATES, |regex, state| regex.is_accepting(state)) == Walk::Over
}

/// Whether a language could be empty; most cannot, as they are written.
fn may_be_empty(lang: &Lang) -> bool {
    match lang {
        Lang::Empty => false,
        Lang::Nothing | Lang::And(_) => true,
        Lang::Class(ranges) => ranges.is_empty(),
        Lang::Concat(parts) => parts.iter().any(may_be_empty),
        Lang::Or(parts) => parts.iter().all(may_be_empty),
        Lang::Not(inner) => !is_word(inner),
        Lang::Repeat(inner, min, _) => *min > 0 && may_be_empty(inner),
    }
}

/// Whether the automaton of all `parts` is as large as the budget at most.
fn is_small<'l>(parts: impl Iterator<Item = &'l Lang>, states: u64, free_states: u64) -> bool {
    let parts: Vec<Lang> = parts.cloned().collect();
    let max_states = MAX_STATES.min(usize::try_from(free_states).unwrap_or(usize::MAX));
    if parts.len() > MAX_LOOKED_AT || states > HOPELESS_STATES {
        return false;
    }
    walk(&Lang::and(parts), max_states, |_, _| false) == Walk::Over
}

#[derive(PartialEq, Eq)]
enum Walk {
    /// All states were met.
    Over,
    /// One of them was looked for.
    Found,
    /// There are more than the budget.
    Endless,
}

/// Walks the automaton of the strings in `lang`, up to a state that `is_wanted`.
fn walk(lang: &Lang, max_states: usize, is_wanted: impl Fn(&mut Regex, StateID) -> bool) -> Walk {
    let mut builder = RegexBuilder::new();
    let Ok(expr) = builder.mk(&string(lang, Spelling::Plain, "")) else { return Walk::Endless };
    let Ok(mut regex) = builder.into_regex_limited(expr, MAX_COST) else { return Walk::Endless };
    let mut classes = std::collections::HashSet::new();
    let bytes: Vec<u8> = (0..=u8::MAX).filter(|byte| classes.insert(regex.alpha().map(*byte))).collect();
    let mut seen = std::collections::HashSet::from([regex.initial_state()]);
    let mut queue: Vec<_> = seen.iter().copied().collect();
    while let Some(state) = queue.pop() {
        for byte in &bytes {
            let next = regex.transition(state, *byte);
            if !next.is_dead() && seen.insert(next) {
                if is_wanted(&mut regex, next) {
                    return Walk::Found;
                }
                queue.push(next);
            }
        }
        if seen.len() > max_states || regex.cost() > MAX_COST {
            return Walk::Endless;
        }
    }
    Walk::Over
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::pattern::search;

    fn afforded(patterns: &[&str], length: Length) -> (bool, Option<Length>) {
        let parts = patterns.iter().map(|pattern| search(pattern).expect("a pattern")).collect();
        let Afforded { counted, is_exact, .. } = afford(parts, length, 20_000);
        (is_exact, counted)
    }

    #[test]
    fn takes_what_is_small_and_leaves_what_is_not() {
        for (patterns, length, expected) in [
            (vec!["^[a-z]+$"], (0, Some(255)), (true, None)),
            (vec!["^[a-f]{24}$"], (0, Some(32_767)), (true, None)),
            (vec!["^[a-f]{24}$"], (30, None), (true, None)),
            (vec![], (3, Some(5000)), (true, None)),
            (vec![], (3, Some(1_000_000_000)), (true, Some((3, Some(1_000_000_000))))),
            (vec![r"^$|(^(?:\S+\s+){0,99}\S+$)"], (1, Some(5000)), (true, Some((1, Some(5000))))),
            (vec![r"^(?!.*://)(?=.{1,255}$)((.{1,63}\.){1,127}(?![0-9]*$)[a-z0-9-]+\.?)$"], (0, None), (false, None)),
        ] {
            assert_eq!(afforded(&patterns, length), expected, "{patterns:?} {length:?}");
        }
        let many: Vec<String> = (0..60).map(|i| format!("x{i}.*y{i}")).collect();
        assert!(!afforded(&many.iter().map(String::as_str).collect::<Vec<_>>(), (0, None)).0);
    }
}
