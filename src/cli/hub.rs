//! Fetches a model file from Hugging Face: once, resumable, with progress, and its checksum verified.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use hf_hub::api::Progress;
use hf_hub::api::sync::ApiBuilder;
use hf_hub::{Cache, Repo};
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};

use super::UsageError;

/// Returns the local path of `file` in `repo`, fetching it if it is not in the hub's cache.
///
/// # Errors
/// If it cannot be fetched, or what arrived is not what the hub's checksum says.
pub(super) fn fetch(repo: &str, file: &str) -> anyhow::Result<PathBuf> {
    let cache = Cache::from_env();
    if let Some(path) = cache.repo(Repo::model(repo.to_owned())).get(file) {
        eprintln!("model: {repo}/{file} is in the cache");
        return Ok(path);
    }
    eprintln!("model: fetching {repo}/{file}");
    let wrong = |why: String| UsageError(format!("cannot fetch hf:{repo}/{file}: {why}"));
    // Why: retries make the client continue a broken transfer from where it stopped.
    let api = ApiBuilder::from_env().with_retries(5).with_progress(false).build().map_err(|e| wrong(e.to_string()))?;
    let path = api
        .model(repo.to_owned())
        .download_with_progress(file, Bar(bar("fetching")))
        .map_err(|e| wrong(e.to_string()))?;
    verify(&path).map_err(wrong)?;
    Ok(path)
}

/// The hub's cache names a large file's blob by its SHA-256.
fn verify(path: &Path) -> Result<(), String> {
    let blob = std::fs::canonicalize(path).map_err(|e| e.to_string())?;
    let expected = blob.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    if expected.len() != 64 || !expected.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err("the hub gave no SHA-256 for it, so it cannot be verified".into());
    }
    let mut file = File::open(&blob).map_err(|e| e.to_string())?;
    let bar = bar("verifying");
    bar.set_length(file.metadata().map_or(0, |m| m.len()));
    let mut hash = Sha256::new();
    let mut buffer = vec![0u8; 1 << 20];
    loop {
        match file.read(&mut buffer).map_err(|e| e.to_string())? {
            0 => break,
            n => {
                hash.update(&buffer[..n]);
                bar.inc(n as u64);
            }
        }
    }
    bar.finish_and_clear();
    let got: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
    if got == expected {
        return Ok(());
    }
    let _removed = std::fs::remove_file(&blob);
    let _removed = std::fs::remove_file(path);
    Err(format!("its SHA-256 is {got}, but {expected} was expected; it was deleted, try again"))
}

struct Bar(ProgressBar);

impl Progress for Bar {
    fn init(&mut self, size: usize, _filename: &str) {
        self.0.set_length(size as u64);
    }

    fn update(&mut self, size: usize) {
        self.0.inc(size as u64);
    }

    fn finish(&mut self) {
        self.0.finish_and_clear();
    }
}

fn bar(what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix} {wide_bar} {bytes}/{total_bytes} {eta}");
    let bar = ProgressBar::new(0).with_prefix(what);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
