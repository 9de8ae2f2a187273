//! Schemas to test with: a sample of MaskBench where its file lies beside the checkout, else schemas/examples.

use std::io::BufReader;
use std::path::{Path, PathBuf};

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

/// A schema with its name.
pub(crate) type Case = (String, Value);

/// `n` schemas chosen by `seed`; fewer where only the examples are there.
pub(crate) fn sample(n: usize, seed: u64) -> Vec<Case> {
    let mut cases = maskbench().unwrap_or_else(|| {
        eprintln!("MaskBench is not beside the checkout; the examples serve");
        examples().into_iter().map(|(name, dir)| (name, read_json(&dir.join("schema.json")))).collect()
    });
    cases.sort_by(|a, b| a.0.cmp(&b.0));
    cases.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    cases.truncate(n);
    cases
}

fn maskbench() -> Option<Vec<Case>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/maskbench-dev.jsonl.xz");
    let mut text = Vec::new();
    lzma_rs::xz_decompress(&mut BufReader::new(std::fs::File::open(path).ok()?), &mut text).unwrap();
    let lines = std::str::from_utf8(&text).unwrap().lines();
    let case = |line: &str| {
        let case: Value = serde_json::from_str(line).unwrap();
        (case["name"].as_str().unwrap().to_owned(), case["schema"].clone())
    };
    Some(lines.map(case).collect())
}

/// The folders of schemas/examples, by name.
pub(crate) fn examples() -> Vec<(String, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/examples");
    let mut dirs: Vec<_> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), path))
        .collect();
    dirs.sort();
    dirs
}

pub(crate) fn read_json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
