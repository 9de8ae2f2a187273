//! Compiled grammars by content hash, the least recently used dropped first. Refusals are kept too.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;
use sha2::{Digest, Sha256};

use super::{Compiled, GrammarError, Spec};

/// The hash of everything that makes a grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

impl Key {
    pub(super) fn of(spec: &Spec) -> Self {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        part(spec.lark.as_bytes());
        for (name, document) in &spec.schemas {
            part(name.as_bytes());
            part(document.value().to_string().as_bytes());
        }
        Self(hash.finalize().into())
    }
}

type Entry = Result<Arc<Compiled>, GrammarError>;

/// The cache; lookups from many threads.
pub(super) struct Cache(Mutex<LruCache<Key, Entry>>);

impl Cache {
    pub(super) fn new(n_entries: usize) -> Self {
        Self(Mutex::new(LruCache::new(NonZeroUsize::new(n_entries).unwrap_or(NonZeroUsize::MIN))))
    }

    pub(super) fn get(&self, key: &Key) -> Option<Entry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    pub(super) fn put(&self, key: Key, entry: Entry) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put(key, entry);
    }
}
