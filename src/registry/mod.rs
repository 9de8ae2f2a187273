//! The registry: tools and schemas with names and versions, to which requests refer in place of sending them.
//!
//! What is registered over HTTP is kept in an SQLite file. What the operator gives at start (files, MCP servers) is
//! fixed: it is never written there, and nobody can change it. Not here: what a definition means (`api::wire`), and
//! whether it can be enforced (`generation`).

mod entry;
mod sqlite;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use entry::{Definition, Entry, Kind, Source};
use sqlite::File;

/// Entries of a registry: each version of each name is one.
const MAX_ENTRIES: usize = 20_000;
/// All definitions together, as JSON.
const MAX_BYTES: usize = 128 << 20;
/// One definition, as JSON, its examples included.
const MAX_DEFINITION_BYTES: usize = 8 << 20;

/// Why the registry cannot do what it is asked for.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The file cannot be read or written.
    #[error("the registry's file: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The folder cannot be made.
    #[error("the registry's folder: {0}")]
    Io(#[from] std::io::Error),
    /// Another program's database.
    #[error("the file is a database of another program")]
    Foreign,
    /// A later format.
    #[error("the file was written by a newer version of drawplate (format {0})")]
    Newer(i64),
    /// What is stored cannot be read.
    #[error("{kind} '{name}', version {version}, is stored as something that is none: {why}")]
    Broken {
        /// Which kind.
        kind: Kind,
        /// Its name.
        name: String,
        /// Its version.
        version: u32,
        /// What is wrong.
        why: String,
    },
    /// The operator's.
    #[error("the {kind} '{name}' comes from {origin} and cannot be changed here")]
    Fixed {
        /// Which kind.
        kind: Kind,
        /// Its name.
        name: String,
        /// Where it comes from.
        origin: String,
    },
    /// A definition of more than its share.
    #[error("the definition has {n_bytes} bytes as JSON; {max} are allowed")]
    TooLarge {
        /// Its size.
        n_bytes: usize,
        /// The bound.
        max: usize,
    },
    /// No room for more.
    #[error("the registry is full: {MAX_ENTRIES} versions or {MAX_BYTES} bytes; delete some")]
    Full,
    /// Its number would be given again.
    #[error(
        "version {version} is the newest of '{name}'; delete the {kind} with all its versions, or register another version first"
    )]
    IsNewest {
        /// Which kind.
        kind: Kind,
        /// Its name.
        name: String,
        /// The version.
        version: u32,
    },
}

/// Tools and schemas by name. Shared by all handlers.
#[derive(Debug)]
pub struct Registry {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: File,
    /// All versions of each name, the oldest first; never empty.
    kept: BTreeMap<(Kind, String), Vec<Arc<Entry>>>,
    fixed: BTreeMap<(Kind, String), Arc<Entry>>,
}

impl Registry {
    /// A registry that ends with the process.
    ///
    /// # Errors
    /// If SQLite has no memory.
    pub fn in_memory() -> Result<Self, RegistryError> {
        Self::of(File::in_memory()?)
    }

    /// The registry in this file, which is made if it is not there.
    ///
    /// # Errors
    /// If the file cannot be read or written, or is something else.
    pub fn open(path: &Path) -> Result<Self, RegistryError> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)?;
        }
        Self::of(File::open(path)?)
    }

    fn of(file: File) -> Result<Self, RegistryError> {
        let mut inner = Inner { file, kept: BTreeMap::new(), fixed: BTreeMap::new() };
        inner.load()?;
        Ok(Self { inner: Mutex::new(inner) })
    }

    /// Registers `definition`. The newest version is returned as it is if it says the same; `true` if it is new.
    ///
    /// # Errors
    /// If the name is fixed, there is no room, or the file cannot be written.
    pub fn put(&self, kind: Kind, name: &str, definition: Definition) -> Result<(Arc<Entry>, bool), RegistryError> {
        let mut inner = self.fresh()?;
        inner.refuse_fixed(kind, name)?;
        if let Some(newest) = inner.newest(kind, name)
            // Why as text: the order of keys is the order in which a model writes them.
            && newest.definition.to_json() == definition.to_json()
        {
            return Ok((Arc::clone(newest), false));
        }
        inner.add(kind, name, definition).map(|entry| (entry, true))
    }

    /// Adds what the operator gives, for as long as the process runs. It stands before what the file holds.
    ///
    /// # Errors
    /// If there is one of this name from elsewhere already.
    pub fn fix(
        &self,
        kind: Kind,
        name: &str,
        definition: Definition,
        origin: &str,
    ) -> Result<Arc<Entry>, RegistryError> {
        let mut inner = self.lock();
        inner.refuse_fixed(kind, name)?;
        let source = Source::Fixed(origin.to_owned());
        let entry = Entry { kind, name: name.to_owned(), version: 1, created: entry::now(), source, definition };
        let entry = Arc::new(entry);
        inner.fixed.insert((kind, name.to_owned()), Arc::clone(&entry));
        Ok(entry)
    }

    /// The entry of this name; its newest version if none is asked for.
    ///
    /// # Errors
    /// If another process changed the file and it cannot be read.
    pub fn get(&self, kind: Kind, name: &str, version: Option<u32>) -> Result<Option<Arc<Entry>>, RegistryError> {
        let inner = self.fresh()?;
        Ok(match (inner.fixed.get(&(kind, name.to_owned())), version) {
            (Some(fixed), None | Some(1)) => Some(Arc::clone(fixed)),
            (Some(_), Some(_)) => None,
            (None, None) => inner.newest(kind, name).cloned(),
            (None, Some(version)) => inner.versions(kind, name).iter().find(|e| e.version == version).cloned(),
        })
    }

    /// The versions of this name, the oldest first.
    ///
    /// # Errors
    /// As [`Registry::get`].
    pub fn versions(&self, kind: Kind, name: &str) -> Result<Vec<u32>, RegistryError> {
        let inner = self.fresh()?;
        if inner.fixed.contains_key(&(kind, name.to_owned())) {
            return Ok(vec![1]);
        }
        Ok(inner.versions(kind, name).iter().map(|entry| entry.version).collect())
    }

    /// The newest version of each name, by name.
    ///
    /// # Errors
    /// As [`Registry::get`].
    pub fn list(&self, kind: Kind) -> Result<Vec<Arc<Entry>>, RegistryError> {
        let inner = self.fresh()?;
        let mut all: BTreeMap<&str, &Arc<Entry>> = BTreeMap::new();
        let kept = inner.kept.values().filter_map(|versions| versions.last());
        for entry in kept.chain(inner.fixed.values()).filter(|entry| entry.kind == kind) {
            all.insert(&entry.name, entry);
        }
        Ok(all.into_values().cloned().collect())
    }

    /// Deletes one version, or the name with all of them. `false` if there is none.
    ///
    /// # Errors
    /// If the name is fixed, the version is the newest of several, or the file cannot be written.
    pub fn delete(&self, kind: Kind, name: &str, version: Option<u32>) -> Result<bool, RegistryError> {
        let mut inner = self.fresh()?;
        inner.refuse_fixed(kind, name)?;
        let versions = inner.versions(kind, name);
        match version {
            None if versions.is_empty() => return Ok(false),
            Some(version) if versions.iter().all(|entry| entry.version != version) => return Ok(false),
            // Why: the next one would get its number, and requests that ask for it another definition.
            Some(version) if versions.len() > 1 && versions.last().is_some_and(|e| e.version == version) => {
                return Err(RegistryError::IsNewest { kind, name: name.to_owned(), version });
            }
            _ => {}
        }
        inner.file.delete(kind, name, version)?;
        inner.load()?;
        Ok(true)
    }

    /// The state, as the file has it now: other processes may write it too.
    fn fresh(&self) -> Result<MutexGuard<'_, Inner>, RegistryError> {
        let mut inner = self.lock();
        if inner.file.has_changed()? {
            inner.load()?;
        }
        Ok(inner)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Why: each change is one assignment after the file's transaction, so a panic leaves nothing half done.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn load(&mut self) -> Result<(), RegistryError> {
        let mut kept: BTreeMap<(Kind, String), Vec<Arc<Entry>>> = BTreeMap::new();
        for entry in self.file.load()? {
            kept.entry((entry.kind, entry.name.clone())).or_default().push(Arc::new(entry));
        }
        self.kept = kept;
        Ok(())
    }

    fn add(&mut self, kind: Kind, name: &str, definition: Definition) -> Result<Arc<Entry>, RegistryError> {
        let text = definition.to_json();
        if text.len() > MAX_DEFINITION_BYTES {
            return Err(RegistryError::TooLarge { n_bytes: text.len(), max: MAX_DEFINITION_BYTES });
        }
        let (n_entries, n_bytes) = self.file.size()?;
        if n_entries >= MAX_ENTRIES || n_bytes + text.len() > MAX_BYTES {
            return Err(RegistryError::Full);
        }
        let created = entry::now();
        let version = self.file.insert(kind, name, &text, created)?;
        let entry = Arc::new(Entry { kind, name: name.to_owned(), version, created, source: Source::Kept, definition });
        self.kept.entry((kind, name.to_owned())).or_default().push(Arc::clone(&entry));
        Ok(entry)
    }

    fn versions(&self, kind: Kind, name: &str) -> &[Arc<Entry>] {
        self.kept.get(&(kind, name.to_owned())).map_or(&[], Vec::as_slice)
    }

    fn newest(&self, kind: Kind, name: &str) -> Option<&Arc<Entry>> {
        self.versions(kind, name).last()
    }

    fn refuse_fixed(&self, kind: Kind, name: &str) -> Result<(), RegistryError> {
        match self.fixed.get(&(kind, name.to_owned())) {
            Some(entry) => {
                let Source::Fixed(origin) = &entry.source else { return Ok(()) };
                Err(RegistryError::Fixed { kind, name: name.to_owned(), origin: origin.clone() })
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
