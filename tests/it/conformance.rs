//! Ratchets: what tests/conformance says is enforced exactly stays so. Better is printed, worse fails.
//!
//! The suites are not part of this repository: scripts/get-suite fetches the official one into the cache, a sample of
//! MaskBench may lie beside the checkout. Where one is missing, its test says so and passes.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::schemas::read_json;

fn run(baseline: &str, format: &str, suite: &Path, every: &str) {
    if !suite.exists() {
        eprintln!("'{}' is not there; {baseline} is skipped", suite.display());
        return;
    }
    let output = Command::new(env!("CARGO_BIN_EXE_drawplate"))
        .args(["conformance", "--json", "--model", "fake", "--format", format, "--every", every])
        // Why: what is exact does not depend on how fast this machine is.
        .args(["--schema-time", "20"])
        .arg(suite)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let expected = read_json(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance").join(baseline));
    let count = |value: &Value, key: &str| value[key].as_u64().unwrap_or_else(|| panic!("{key} in {value}"));
    eprintln!("{baseline}: {} of {} pass", report["passing"], report["cases"]);
    assert_eq!(count(&report, "cases"), count(&expected, "cases"), "{baseline}: another suite");
    assert!(count(&report, "unsound") <= count(&expected, "unsound"), "{baseline}: {report}");
    assert!(count(&report, "passing") >= count(&expected, "passing"), "{baseline}: {report}");
    if count(&report, "passing") > count(&expected, "passing") {
        eprintln!("{baseline}: better than the baseline; raise it to {}", report["passing"]);
    }
}

#[test]
fn the_official_suite() {
    let cache = drawplate::config::cache_dir();
    let suite: PathBuf = cache.join("suites/jsonschema-4.26.0/json");
    run("json-schema-test-suite.json", "json-schema-test-suite", &suite, "1");
}

#[test]
fn every_eighth_schema_of_maskbench() {
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/maskbench-dev.jsonl.xz");
    run("maskbench-every-8th.json", "maskbench", &suite, "8");
}
