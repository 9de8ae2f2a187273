//! Reads suites: MaskBench's JSON lines and the official JSON Schema Test Suite.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use jsonschema::Draft;
use serde::Deserialize;
use serde_json::Value;

use crate::config::SuiteFormat;
use crate::schema::Store;

/// One schema with values that it allows or does not.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) schema: Value,
    pub(super) tests: Vec<Test>,
    pub(super) store: Arc<Store>,
}

/// One value.
#[derive(Deserialize)]
pub(super) struct Test {
    #[serde(default)]
    pub(super) description: String,
    pub(super) valid: bool,
    pub(super) data: Value,
}

#[derive(Deserialize)]
struct MaskBenchCase {
    name: String,
    schema: Value,
    tests: Vec<Test>,
}

#[derive(Deserialize)]
struct Group {
    description: String,
    schema: Value,
    tests: Vec<Test>,
}

const DRAFTS: [(&str, Draft); 5] = [
    ("draft4", Draft::Draft4),
    ("draft6", Draft::Draft6),
    ("draft7", Draft::Draft7),
    ("draft2019-09", Draft::Draft201909),
    ("draft2020-12", Draft::Draft202012),
];

pub(super) fn read(format: SuiteFormat, path: &Path) -> anyhow::Result<Vec<Case>> {
    match format {
        SuiteFormat::Maskbench => maskbench(path),
        SuiteFormat::JsonSchemaTestSuite => test_suite(path),
    }
}

fn maskbench(path: &Path) -> anyhow::Result<Vec<Case>> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    let text = if path.extension().is_some_and(|extension| extension == "xz") {
        let mut out = Vec::new();
        lzma_rs::xz_decompress(&mut bytes.as_slice(), &mut out).map_err(|e| anyhow!("{}: {e:?}", path.display()))?;
        String::from_utf8(out)?
    } else {
        String::from_utf8(bytes)?
    };
    let store = Store::empty();
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(i, line)| {
            let case: MaskBenchCase =
                serde_json::from_str(line).with_context(|| format!("{} line {}", path.display(), i + 1))?;
            Ok(Case { name: case.name, schema: case.schema, tests: case.tests, store: Arc::clone(&store) })
        })
        .collect()
}

/// Every group of five drafts. `format.json` says that formats assert nothing, which is the one thing that is decided
/// otherwise here; `optional/format` says what they assert, and is read instead.
fn test_suite(root: &Path) -> anyhow::Result<Vec<Case>> {
    let tests = root.join("tests");
    let mut cases = Vec::new();
    for (folder, draft) in DRAFTS {
        let dir = tests.join(folder);
        if !dir.is_dir() {
            return Err(anyhow!("'{}' is not there; give the folder that holds tests/ and remotes/", dir.display()));
        }
        let remotes = remotes(&root.join("remotes"), folder)?;
        let store = Arc::new(store(remotes, draft)?);
        let mut files = json_files(&dir)?;
        files.retain(|file| file.file_name().is_some_and(|name| name != "format.json"));
        files.extend(json_files(&dir.join("optional/format"))?);
        for file in files {
            let text = std::fs::read_to_string(&file)?;
            let groups: Vec<Group> = serde_json::from_str(&text).with_context(|| file.display().to_string())?;
            let place = file.strip_prefix(&tests).unwrap_or(&file).display().to_string();
            cases.extend(groups.into_iter().map(|group| Case {
                name: format!("{place}: {}", group.description),
                schema: group.schema,
                tests: group.tests,
                store: Arc::clone(&store),
            }));
        }
    }
    Ok(cases)
}

/// Registers what this draft can read. A document of another draft may name parts that only exist by its own rules.
fn store(mut documents: Vec<(String, Value)>, draft: Draft) -> anyhow::Result<Store> {
    loop {
        let error = match Store::new(documents.clone(), draft) {
            Ok(store) => return Ok(store),
            Err(error) => error,
        };
        let missing =
            error.why.split('\'').nth(1).and_then(|uri| uri.rsplit('/').next()).unwrap_or_default().to_owned();
        let n_before = documents.len();
        documents.retain(|(_, document)| missing.is_empty() || !document.to_string().contains(&missing));
        if documents.len() == n_before {
            return Err(error.into());
        }
    }
}

fn remotes(dir: &Path, draft: &str) -> anyhow::Result<Vec<(String, Value)>> {
    let mut documents = Vec::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                // Why: documents of other drafts would be read by the wrong rules.
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                if !name.starts_with("draft") || name == draft {
                    folders.push(path);
                }
                continue;
            }
            let relative = path.strip_prefix(dir).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            let mut text = String::new();
            std::fs::File::open(&path)?.read_to_string(&mut text)?;
            documents.push((format!("http://localhost:1234/{relative}"), serde_json::from_str(&text)?));
        }
    }
    Ok(documents)
}

fn json_files(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(dir)
        .with_context(|| dir.display().to_string())?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    found.sort();
    Ok(found)
}
