//! Cells that no slot holds any more, kept on the host for prompts that begin alike; the least recently used go first.

use std::collections::VecDeque;

use super::prefix::n_common;
use crate::grammar::TokenId;

/// The cells of one sequence.
pub(super) struct Entry<S> {
    tokens: Vec<TokenId>,
    pub(super) saved: S,
    n_bytes: usize,
}

impl<S> Entry<S> {
    /// How many tokens have their cells here.
    pub(super) fn n_tokens(&self) -> usize {
        self.tokens.len()
    }
}

/// Every prompt is compared with each entry, so there are not more than this, however small they are.
const MAX_ENTRIES: usize = 256;

/// Entries, the latest used last.
pub(super) struct PrefixCache<S> {
    entries: VecDeque<Entry<S>>,
    n_bytes: usize,
    max_bytes: usize,
}

impl<S> PrefixCache<S> {
    /// Makes an empty cache of at most `max_bytes`; of 0 bytes, it never keeps anything.
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { entries: VecDeque::new(), n_bytes: 0, max_bytes }
    }

    /// Whether something of `n_bytes` can be kept at all.
    pub(super) fn has_room_for(&self, n_bytes: usize) -> bool {
        n_bytes > 0 && n_bytes <= self.max_bytes
    }

    /// Keeps the cells of `tokens`; drops entries that they contain, and then the least recently used.
    pub(super) fn put(&mut self, tokens: Vec<TokenId>, saved: S, n_bytes: usize) {
        self.entries.retain(|entry| !tokens.starts_with(&entry.tokens));
        self.give_back(Entry { tokens, saved, n_bytes });
    }

    /// Takes an entry out, to use it.
    pub(super) fn take(&mut self, entry_idx: usize) -> Option<Entry<S>> {
        self.entries.remove(entry_idx)
    }

    /// Puts an entry in as the one used last.
    pub(super) fn give_back(&mut self, entry: Entry<S>) {
        self.entries.push_back(entry);
        self.n_bytes = self.entries.iter().map(|entry| entry.n_bytes).sum();
        while self.n_bytes > self.max_bytes || self.entries.len() > MAX_ENTRIES {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.n_bytes -= oldest.n_bytes;
        }
    }

    /// The tokens of every entry, in the order of their indices.
    pub(super) fn tokens(&self) -> impl Iterator<Item = &[TokenId]> {
        self.entries.iter().map(|entry| entry.tokens.as_slice())
    }

    /// Whether an entry has all but fewer than `n` of `tokens`.
    pub(super) fn covers(&self, tokens: &[TokenId], n: usize) -> bool {
        self.tokens().any(|kept| n_common(kept, tokens) + n > tokens.len())
    }

    /// Bytes kept.
    pub(super) fn n_bytes(&self) -> usize {
        self.n_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_was_used_last_within_its_budget() {
        let mut cache = PrefixCache::new(10);
        assert!(!cache.has_room_for(11) && cache.has_room_for(10));
        cache.put(vec![1, 2], 'a', 4);
        cache.put(vec![3], 'b', 4);
        let used = cache.take(0).expect("an entry");
        assert_eq!(used.saved, 'a');
        cache.give_back(used);
        cache.put(vec![4], 'c', 4);
        assert_eq!(cache.tokens().collect::<Vec<_>>(), [&[1, 2][..], &[4]]);
        cache.put(vec![1, 2, 5], 'd', 6);
        assert_eq!(cache.tokens().collect::<Vec<_>>(), [&[4][..], &[1, 2, 5]]);
        assert_eq!(cache.n_bytes(), 10);
        assert!(cache.covers(&[1, 2, 6], 2) && !cache.covers(&[1, 2, 6, 7], 2));
        assert!(cache.take(9).is_none());
    }

    #[test]
    fn small_entries_are_bounded_by_number() {
        let mut cache = PrefixCache::new(usize::MAX);
        (0..).take(MAX_ENTRIES + 5).for_each(|token| cache.put(vec![token], (), 1));
        assert_eq!((cache.tokens().count(), cache.n_bytes()), (MAX_ENTRIES, MAX_ENTRIES));
        assert_eq!(cache.tokens().next(), Some(&[5][..]), "the oldest went first");
    }
}
