//! Compiled grammars, and the pieces that they are joined from, by content hash, the least recently used dropped first.
//! Refusals are kept too.
//!
//! A grammar takes about a hundred times the memory of its text, so what is kept is bounded by text.

use std::sync::{Mutex, PoisonError};

use lru::LruCache;
use sha2::{Digest, Sha256};

use super::lower::Thrift;
use super::{KeyOrder, NamedSchema, Spec, Spellings, Style, Texts};
use crate::guard::Form;
use crate::schema::Document;

/// The hash of everything that makes a grammar, and the size of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    hash: [u8; 32],
    n_bytes: usize,
}

impl Key {
    /// The key of a whole grammar.
    pub(super) fn of(spec: &Spec) -> Self {
        let mut hasher = Hasher::default();
        hasher.style(spec.style);
        hasher.part(spec.lark.as_bytes());
        for (name, lark) in &spec.grammars {
            hasher.part(name.as_bytes());
            hasher.part(lark.as_bytes());
        }
        for (name, cfg) in &spec.inputs {
            hasher.part(name.as_bytes());
            hasher.part(cfg.to_lark().as_bytes());
        }
        if let Some(Texts::Parts(parts)) = &spec.text {
            // All else that the guard sees to is in the text of the grammar.
            let bounds: Vec<Option<usize>> = parts.structure.texts.iter().map(|text| text.max_chars).collect();
            hasher.part(format!("{bounds:?}").as_bytes());
        }
        let mut last = None;
        for NamedSchema { name, document, form } in &spec.schemas {
            hasher.part(name.as_bytes());
            hasher.document(document);
            // Why not each: all tools of a request have the same.
            let is_same = last.replace(form) == Some(form);
            if is_same { hasher.part(b"=") } else { hasher.form(form.as_ref()) }
        }
        hasher.finish()
    }

    /// The key of one schema.
    pub(super) fn of_piece(document: &Document, (style, form): (Style, Option<&Form>), thrift: Thrift) -> Self {
        let mut hasher = Hasher::default();
        hasher.style(style);
        hasher.form(form);
        hasher.part(&[u8::from(thrift == Thrift::Strict)]);
        hasher.document(document);
        hasher.finish()
    }
}

#[derive(Default)]
struct Hasher {
    hash: Sha256,
    n_bytes: usize,
}

impl Hasher {
    fn part(&mut self, bytes: &[u8]) {
        self.n_bytes += bytes.len();
        self.hash.update((bytes.len() as u64).to_le_bytes());
        self.hash.update(bytes);
    }

    fn style(&mut self, Style { order, spelling }: Style) {
        self.part(&[u8::from(order == KeyOrder::Any), u8::from(spelling == Spellings::Any)]);
    }

    fn form(&mut self, form: Option<&Form>) {
        // Why its debugging form: it has all fields, and there is nothing else that has.
        self.part(format!("{form:?}").as_bytes());
    }

    fn document(&mut self, document: &Document) {
        self.part(&document.store().id().to_le_bytes());
        self.part(document.value().to_string().as_bytes());
    }

    fn finish(self) -> Key {
        Key { hash: self.hash.finalize().into(), n_bytes: self.n_bytes }
    }
}

/// A cache; lookups from many threads.
pub(super) struct Cache<V> {
    entries: Mutex<LruCache<Key, V>>,
    max_bytes: usize,
}

impl<V: Clone> Cache<V> {
    /// Keeps grammars whose texts together have `max_bytes`, and always the newest.
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { entries: Mutex::new(LruCache::unbounded()), max_bytes }
    }

    pub(super) fn get(&self, key: &Key) -> Option<V> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    pub(super) fn put(&self, key: Key, entry: V) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.put(key, entry);
        let mut n_bytes: usize = entries.iter().map(|(key, _)| key.n_bytes).sum();
        while n_bytes > self.max_bytes && entries.len() > 1 {
            n_bytes -= entries.pop_lru().map_or(0, |(key, _)| key.n_bytes);
        }
    }
}
