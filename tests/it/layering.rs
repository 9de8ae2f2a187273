//! A module uses only modules of a lower layer, and some names belong to one module alone.

use std::path::{Path, PathBuf};

/// The layers from the bottom up; modules beside each other do not use each other.
const LAYERS: [&[&str]; 9] = [
    &["telemetry"],
    &["schema", "registry"],
    &["guard"],
    &["grammar"],
    &["tools", "engine", "testing"],
    &["chat"],
    &["generation"],
    &["api"],
    &["config", "cli"],
];

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

/// Each file under src/ with the top-level module it belongs to, and its text.
fn sources() -> Vec<(String, String, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    files(&src)
        .into_iter()
        .map(|path| {
            let relative = path.strip_prefix(&src).unwrap().to_string_lossy().replace('\\', "/");
            let module = relative.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            (relative, module, text)
        })
        .collect()
}

fn layer(module: &str) -> usize {
    LAYERS.iter().position(|layer| layer.contains(&module)).unwrap_or_else(|| panic!("'{module}' has no layer"))
}

#[test]
fn no_module_uses_a_higher_one() {
    let mut wrong = Vec::new();
    for (file, module, text) in sources().iter().filter(|(_, module, _)| module != "lib" && module != "main") {
        for part in text.split("crate::").skip(1) {
            let used: String = part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let is_own = used == *module || used.is_empty();
            // `config` and `cli` are one layer, and `cli` reads `config`.
            let is_allowed = is_own || (module == "cli" && used == "config") || layer(&used) < layer(module);
            if !is_allowed {
                wrong.push(format!("{file} uses {used}"));
            }
        }
    }
    assert!(wrong.is_empty(), "upward arrows: {wrong:#?}");
}

#[test]
fn some_names_have_one_home() {
    for (name, home) in
        [("llguidance::", "grammar/"), ("llama_cpp", "engine/llama/"), ("axum::", "api/"), ("std::env::var", "config/")]
    {
        let strangers: Vec<String> = sources()
            .into_iter()
            .filter(|(file, module, text)| !file.starts_with(home) && module != "cli" && text.contains(name))
            .map(|(file, _, _)| file)
            .collect();
        assert!(strangers.is_empty(), "'{name}' outside {home}: {strangers:?}");
    }
}
