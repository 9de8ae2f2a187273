//! Documents that schemas may refer to: those that the operator registered, and nothing from the network.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use jsonschema::{Draft, Registry, Retrieve, Uri};
use serde_json::Value;

/// The registered documents by their `$id`.
pub struct Store {
    registry: Registry<'static>,
    draft: Draft,
    n_documents: usize,
    /// No other store of this process has it.
    id: u64,
}

/// A document that cannot be registered.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {why}")]
pub struct StoreError {
    /// The file or the URI.
    pub place: String,
    /// The reason.
    pub why: String,
}

/// Refuses every document that is not registered: schemas come from strangers.
pub(crate) struct NoDocuments;

impl Retrieve for NoDocuments {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err(format!("the document '{uri}' is not registered, and nothing is fetched").into())
    }
}

/// Why: making a registry takes longer than compiling a small schema.
static EMPTY: LazyLock<Arc<Store>> =
    LazyLock::new(|| Arc::new(Store::new(Vec::new(), Draft::default()).expect("no document can be at fault")));

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

impl Store {
    /// The store without documents, shared by all.
    #[must_use]
    pub fn empty() -> Arc<Self> {
        Arc::clone(&EMPTY)
    }

    /// Registers `documents`, each under its URI. `draft` is that of documents without `$schema`.
    ///
    /// # Errors
    /// If a URI is malformed, or a document refers to one that is not registered.
    pub fn new(documents: Vec<(String, Value)>, draft: Draft) -> Result<Self, StoreError> {
        let n_documents = documents.len();
        let registry = Registry::new()
            .draft(draft)
            .retriever(NoDocuments)
            .extend(documents)
            .and_then(jsonschema::RegistryBuilder::prepare)
            .map_err(|error| StoreError { place: "registered schemas".to_owned(), why: error.to_string() })?;
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        Ok(Self { registry, draft, n_documents, id })
    }

    /// Registers every `*.json` file below `dir`: by its `$id`, or else by its path relative to `dir`.
    ///
    /// # Errors
    /// If a file cannot be read, is no JSON, or [`Store::new`] fails.
    pub fn load(dir: &Path) -> Result<Self, StoreError> {
        let mut documents = Vec::new();
        for path in json_files(dir)? {
            let fault = |why: String| StoreError { place: path.display().to_string(), why };
            let text = std::fs::read_to_string(&path).map_err(|e| fault(e.to_string()))?;
            let value: Value = serde_json::from_str(&text).map_err(|e| fault(e.to_string()))?;
            let id = ["$id", "id"].iter().find_map(|key| value.get(*key)).and_then(Value::as_str).map(str::to_owned);
            let relative = path.strip_prefix(dir).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            documents.push((id.unwrap_or(relative), value));
        }
        Self::new(documents, Draft::default())
    }

    /// How many documents were registered.
    #[must_use]
    pub fn n_documents(&self) -> usize {
        self.n_documents
    }

    /// Tells it from every other store: the same schema means another thing beside other documents.
    #[must_use]
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// The draft of schemas that name none.
    #[must_use]
    pub(crate) fn draft(&self) -> Draft {
        self.draft
    }

    pub(crate) fn registry(&self) -> &Registry<'static> {
        &self.registry
    }

    /// Whether the document that `reference` leads to is registered.
    pub(crate) fn holds(&self, reference: &str) -> bool {
        let document = reference.split('#').next().unwrap_or_default();
        !document.is_empty() && self.registry.contains_resource(document)
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("n_documents", &self.n_documents).finish_non_exhaustive()
    }
}

fn json_files(dir: &Path) -> Result<Vec<std::path::PathBuf>, StoreError> {
    let fault = |why: std::io::Error| StoreError { place: dir.display().to_string(), why: why.to_string() };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        if path.is_dir() {
            found.extend(json_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
