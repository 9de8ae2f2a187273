//! Compiled grammars by content hash, the least recently used dropped first. Refusals are kept too.
//!
//! A grammar takes about a hundred times the memory of its text, so what is kept is bounded by text.

use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;
use sha2::{Digest, Sha256};

use super::{Compiled, GrammarError, KeyOrder, Spec};

/// The hash of everything that makes a grammar, and the size of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    hash: [u8; 32],
    n_bytes: usize,
}

impl Key {
    pub(super) fn of(spec: &Spec) -> Self {
        let mut hash = Sha256::new();
        let mut n_bytes = 0;
        let mut part = |bytes: &[u8]| {
            n_bytes += bytes.len();
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        part(&[u8::from(spec.order == KeyOrder::Any)]);
        part(spec.lark.as_bytes());
        for (name, document) in &spec.schemas {
            part(name.as_bytes());
            part(document.value().to_string().as_bytes());
        }
        Self { hash: hash.finalize().into(), n_bytes }
    }
}

type Entry = Result<Arc<Compiled>, GrammarError>;

/// The cache; lookups from many threads.
pub(super) struct Cache {
    entries: Mutex<LruCache<Key, Entry>>,
    max_bytes: usize,
}

impl Cache {
    /// Keeps grammars whose texts together have `max_bytes`, and always the newest.
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { entries: Mutex::new(LruCache::unbounded()), max_bytes }
    }

    pub(super) fn get(&self, key: &Key) -> Option<Entry> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    pub(super) fn put(&self, key: Key, entry: Entry) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.put(key, entry);
        let mut n_bytes: usize = entries.iter().map(|(key, _)| key.n_bytes).sum();
        while n_bytes > self.max_bytes && entries.len() > 1 {
            n_bytes -= entries.pop_lru().map_or(0, |(key, _)| key.n_bytes);
        }
    }
}
