//! Earley's algorithm over characters. A chart keeps what it has read, so that a text that goes on is not read again.

use std::collections::{HashMap, HashSet};

use super::machine::{Machine, Part, START};

/// A production that has come as far as `dot`, and began at `origin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Item {
    pub(super) production: u32,
    pub(super) dot: u32,
    pub(super) origin: u32,
}

/// What may be the case at one place of the text.
#[derive(Debug, Default)]
pub(super) struct Set {
    pub(super) items: Vec<Item>,
    /// The items that wait for each nonterminal.
    pub(super) waiting: HashMap<u32, Vec<Item>>,
}

/// A text with the set at each of its places.
#[derive(Debug)]
pub(super) struct Chart {
    text: Vec<char>,
    sets: Vec<Set>,
    n_items: usize,
    /// What reading may yet do.
    n_steps: usize,
    is_too_long: bool,
}

/// Items of a chart.
const MAX_ITEMS: usize = 1_500_000;
/// Steps of one reading: some tenths of a second.
const MAX_STEPS: usize = 4_000_000;
/// Items of a chart that may be kept.
const MAX_KEPT: usize = 300_000;

impl Chart {
    pub(super) fn new(machine: &Machine) -> Self {
        let mut chart = Self { text: Vec::new(), sets: Vec::new(), n_items: 0, n_steps: MAX_STEPS, is_too_long: false };
        let begun = |production: &u32| Item { production: *production, dot: 0, origin: 0 };
        // Why it may: a set without items takes no character, and nothing is known of any text.
        if !chart.close(machine, machine.by_lhs[START as usize].iter().map(begun).collect()) {
            chart.is_too_long = true;
            chart.sets.push(Set::default());
        }
        chart
    }

    /// Whether the text became too long to be followed.
    pub(super) fn is_too_long(&self) -> bool {
        self.is_too_long
    }

    /// Whether it takes little enough memory to be kept.
    pub(super) fn is_small(&self) -> bool {
        self.n_items <= MAX_KEPT
    }

    /// Reads `text`, as far as it is not read already. Returns whether it can be gone on with, or is whole.
    pub(super) fn read(&mut self, machine: &Machine, text: &str) -> bool {
        let mut n_same = 0;
        let mut chars = text.chars();
        let mut next = chars.next();
        while next.is_some() && self.text.get(n_same).copied() == next {
            n_same += 1;
            next = chars.next();
        }
        self.cut(n_same);
        self.n_steps = MAX_STEPS;
        if self.is_too_long {
            return false;
        }
        while let Some(c) = next {
            if !self.push(machine, c) {
                return false;
            }
            next = chars.next();
        }
        true
    }

    /// Reads one character; false, and nothing changes, if it cannot stand here.
    pub(super) fn push(&mut self, machine: &Machine, c: char) -> bool {
        self.is_too_long |= self.n_items > MAX_ITEMS || self.n_steps == 0;
        if self.is_too_long {
            return false;
        }
        let moved: Vec<Item> = self.last().items.iter().filter(|item| takes(machine, item, c)).map(moved).collect();
        if moved.is_empty() {
            return false;
        }
        if !self.close(machine, moved) {
            self.is_too_long = true;
            return false;
        }
        self.text.push(c);
        true
    }

    /// Forgets what stands behind the first `n_chars`.
    pub(super) fn cut(&mut self, n_chars: usize) {
        self.text.truncate(n_chars);
        while self.sets.len() > n_chars + 1 {
            let gone = self.sets.pop().map_or(0, |set| set.items.len());
            self.n_items -= gone;
        }
    }

    pub(super) fn n_chars(&self) -> usize {
        self.text.len()
    }

    pub(super) fn last(&self) -> &Set {
        self.sets.last().expect("there is one at the beginning")
    }

    pub(super) fn set(&self, at: u32) -> &Set {
        &self.sets[at as usize]
    }

    /// Whether the text is one of the grammar's.
    pub(super) fn is_accepting(&self, machine: &Machine) -> bool {
        let is_whole = |item: &Item| {
            let production = &machine.productions[item.production as usize];
            item.origin == 0 && production.lhs == START && item.dot as usize == production.rhs.len()
        };
        self.last().items.iter().any(is_whole)
    }

    /// Adds the set that follows from `items`; false, and nothing changes, if that takes too long.
    fn close(&mut self, machine: &Machine, items: Vec<Item>) -> bool {
        let here = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
        let mut set = Set::default();
        let mut seen: HashSet<Item> = items.iter().copied().collect();
        let mut open = items;
        let mut n_steps = 0;
        while let Some(item) = open.pop() {
            if n_steps > self.n_steps {
                self.n_steps = 0;
                return false;
            }
            set.items.push(item);
            let production = &machine.productions[item.production as usize];
            let mut add = |item: Item| {
                n_steps += 1;
                if seen.insert(item) {
                    open.push(item);
                }
            };
            match production.rhs.get(item.dot as usize) {
                None if item.origin < here => {
                    let waiting = self.sets[item.origin as usize].waiting.get(&production.lhs);
                    waiting.into_iter().flatten().map(moved).for_each(add);
                }
                // Why nothing: what derives nothing is passed where it is waited for.
                None | Some(Part::Char(_)) => {}
                Some(Part::Non(non)) => {
                    let waiting = set.waiting.entry(*non).or_default();
                    waiting.push(item);
                    if waiting.len() == 1 {
                        let begun = |production: &u32| Item { production: *production, dot: 0, origin: here };
                        machine.by_lhs[*non as usize].iter().map(begun).for_each(&mut add);
                    }
                    if machine.is_nullable[*non as usize] {
                        add(moved(&item));
                    }
                }
            }
        }
        self.n_steps = self.n_steps.saturating_sub(n_steps);
        self.n_items += set.items.len();
        self.sets.push(set);
        true
    }
}

/// The class that an item wants next.
pub(super) fn wanted(machine: &Machine, item: &Item) -> Option<u32> {
    match machine.productions[item.production as usize].rhs.get(item.dot as usize) {
        Some(Part::Char(class)) => Some(*class),
        Some(Part::Non(_)) | None => None,
    }
}

fn takes(machine: &Machine, item: &Item, c: char) -> bool {
    let Some(class) = wanted(machine, item) else { return false };
    machine.classes[class as usize].iter().any(|(first, last)| (*first..=*last).contains(&c))
}

fn moved(item: &Item) -> Item {
    Item { dot: item.dot + 1, ..*item }
}
