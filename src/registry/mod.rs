//! The registry: tools and schemas with names and versions, to which requests refer in place of sending them.
//!
//! What is registered over HTTP is kept in an SQLite file. What the operator gives at start (files, MCP servers) is
//! fixed: it is never written there, and nobody can change it. Not here: what a definition means (`api::wire`), and
//! whether it can be enforced (`generation`).

mod entry;
mod sqlite;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

pub use entry::{Definition, Entry, Kind, Source};
use sqlite::File;

/// Entries of a registry: each version of each name is one.
const MAX_ENTRIES: usize = 20_000;
/// All definitions together, as JSON.
const MAX_BYTES: usize = 64 << 20;
/// One definition, as JSON, its examples included.
const MAX_DEFINITION_BYTES: usize = 4 << 20;

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
    /// More levels than can be read again.
    #[error("the definition nests too deep")]
    TooDeep,
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
    file: Mutex<File>,
    /// What the file held at the last look. Readers take it as it is and wait for no writer.
    kept: RwLock<Arc<Kept>>,
    fixed: RwLock<BTreeMap<(Kind, String), Arc<Entry>>>,
}

/// All versions of each name, the oldest first; never empty.
type Kept = BTreeMap<(Kind, String), Vec<Arc<Entry>>>;

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
        let this = Self { file: Mutex::new(file), kept: RwLock::default(), fixed: RwLock::default() };
        this.look(&mut this.file())?;
        Ok(this)
    }

    /// Registers `definition`. The newest version is returned as it is if it says the same; `true` if it is new. Waits
    /// for other writers: not for async code.
    ///
    /// # Errors
    /// If the name is fixed, there is no room, or the file cannot be written.
    pub fn put(&self, kind: Kind, name: &str, definition: Definition) -> Result<(Arc<Entry>, bool), RegistryError> {
        self.refuse_fixed(kind, name)?;
        let text = definition.checked()?;
        let mut file = self.file();
        let kept = self.look(&mut file)?;
        if let Some(newest) = newest(&kept, kind, name)
            // Why as text: the order of keys is the order in which a model writes them.
            && newest.definition.to_json() == text
        {
            return Ok((Arc::clone(newest), false));
        }
        let (n_entries, n_bytes) = file.size()?;
        if n_entries >= MAX_ENTRIES || n_bytes + text.len() > MAX_BYTES {
            return Err(RegistryError::Full);
        }
        let (created, n_bytes) = (entry::now(), text.len());
        let version = file.insert(kind, name, &text, created)?;
        let source = Source::Kept;
        let entry = Arc::new(Entry { kind, name: name.to_owned(), version, created, source, definition, n_bytes });
        let mut kept = Kept::clone(&kept);
        kept.entry((kind, name.to_owned())).or_default().push(Arc::clone(&entry));
        self.keep(kept);
        Ok((entry, true))
    }

    /// Adds what the operator gives, for as long as the process runs, as the newest version of its name.
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
        self.refuse_fixed(kind, name)?;
        let n_bytes = definition.checked()?.len();
        // Why behind what is kept: a request for one of its versions goes on getting that.
        let version = newest(&self.kept(), kind, name).map_or(1, |newest| newest.version + 1);
        if version > 1 {
            tracing::warn!("the {kind} '{name}' of {origin} stands before the registered one");
        }
        let (name, source) = (name.to_owned(), Source::Fixed(origin.to_owned()));
        let entry = Entry { kind, name: name.clone(), version, created: entry::now(), source, definition, n_bytes };
        let entry = Arc::new(entry);
        let mut fixed = self.fixed.write().unwrap_or_else(PoisonError::into_inner);
        fixed.insert((kind, name), Arc::clone(&entry));
        Ok(entry)
    }

    /// The entry of this name; its newest version if none is asked for.
    ///
    /// # Errors
    /// If another process changed the file and it cannot be read.
    pub fn get(&self, kind: Kind, name: &str, version: Option<u32>) -> Result<Option<Arc<Entry>>, RegistryError> {
        let kept = self.fresh()?;
        let fixed = self.fixed(kind, name);
        Ok(match version {
            None => fixed.or_else(|| newest(&kept, kind, name).cloned()),
            Some(version) => {
                // Why this order: another process may have given the same number since.
                let mut all = fixed.iter().chain(versions(&kept, kind, name));
                all.find(|entry| entry.version == version).cloned()
            }
        })
    }

    /// The versions of this name, the oldest first.
    ///
    /// # Errors
    /// As [`Registry::get`].
    pub fn versions(&self, kind: Kind, name: &str) -> Result<Vec<u32>, RegistryError> {
        let kept = self.fresh()?;
        let fixed = self.fixed(kind, name);
        let mut all: Vec<u32> = versions(&kept, kind, name).iter().chain(&fixed).map(|entry| entry.version).collect();
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    /// The newest version of each name, by name.
    ///
    /// # Errors
    /// As [`Registry::get`].
    pub fn list(&self, kind: Kind) -> Result<Vec<Arc<Entry>>, RegistryError> {
        let kept = self.fresh()?;
        let fixed = self.fixed.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: BTreeMap<&str, &Arc<Entry>> = BTreeMap::new();
        let newest = kept.values().filter_map(|versions| versions.last());
        for entry in newest.chain(fixed.values()).filter(|entry| entry.kind == kind) {
            all.insert(&entry.name, entry);
        }
        Ok(all.into_values().cloned().collect())
    }

    /// Deletes one version, or the name with all of them. `false` if there is none. Waits for other writers: not for
    /// async code.
    ///
    /// # Errors
    /// If the name is fixed, the version is the newest of several, or the file cannot be written.
    pub fn delete(&self, kind: Kind, name: &str, version: Option<u32>) -> Result<bool, RegistryError> {
        self.refuse_fixed(kind, name)?;
        let mut file = self.file();
        let kept = self.look(&mut file)?;
        let all = versions(&kept, kind, name);
        match version {
            None if all.is_empty() => return Ok(false),
            Some(version) if all.iter().all(|entry| entry.version != version) => return Ok(false),
            // Why: the next one would get its number, and requests that ask for it another definition.
            Some(version) if all.len() > 1 && all.last().is_some_and(|e| e.version == version) => {
                return Err(RegistryError::IsNewest { kind, name: name.to_owned(), version });
            }
            _ => {}
        }
        file.delete(kind, name, version)?;
        let mut kept = Kept::clone(&kept);
        let key = (kind, name.to_owned());
        if let Some(left) = kept.get_mut(&key) {
            left.retain(|entry| version.is_some_and(|version| entry.version != version));
            if left.is_empty() {
                kept.remove(&key);
            }
        }
        self.keep(kept);
        Ok(true)
    }

    /// What the file holds now, as far as no writer is at it: other processes may write it too.
    fn fresh(&self) -> Result<Arc<Kept>, RegistryError> {
        match self.file.try_lock() {
            Ok(mut file) => self.look(&mut file),
            Err(_) => Ok(self.kept()),
        }
    }

    /// Reads the file again if another process changed it.
    fn look(&self, file: &mut File) -> Result<Arc<Kept>, RegistryError> {
        let Some(entries) = file.changed()? else { return Ok(self.kept()) };
        let mut kept = Kept::new();
        for entry in entries {
            kept.entry((entry.kind, entry.name.clone())).or_default().push(Arc::new(entry));
        }
        self.keep(kept);
        Ok(self.kept())
    }

    fn file(&self) -> MutexGuard<'_, File> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self) -> Arc<Kept> {
        Arc::clone(&self.kept.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn keep(&self, kept: Kept) {
        *self.kept.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(kept);
    }

    fn fixed(&self, kind: Kind, name: &str) -> Option<Arc<Entry>> {
        self.fixed.read().unwrap_or_else(PoisonError::into_inner).get(&(kind, name.to_owned())).cloned()
    }

    fn refuse_fixed(&self, kind: Kind, name: &str) -> Result<(), RegistryError> {
        match self.fixed(kind, name).as_deref() {
            Some(Entry { source: Source::Fixed(origin), .. }) => {
                Err(RegistryError::Fixed { kind, name: name.to_owned(), origin: origin.clone() })
            }
            _ => Ok(()),
        }
    }
}

fn versions<'k>(kept: &'k Kept, kind: Kind, name: &str) -> &'k [Arc<Entry>] {
    kept.get(&(kind, name.to_owned())).map_or(&[], Vec::as_slice)
}

fn newest<'k>(kept: &'k Kept, kind: Kind, name: &str) -> Option<&'k Arc<Entry>> {
    versions(kept, kind, name).last()
}

#[cfg(test)]
mod tests;
