//! Backends that are libraries beside the program, each loaded where its driver is.

#![expect(unsafe_code, reason = "calls of llama.cpp's C interface")]

use std::ffi::{CStr, CString};
use std::path::{Path, PathBuf};

use llama_cpp_2::llama_backend::{load_backends, load_backends_from_path};
use llama_cpp_sys_2 as sys;

/// Loads the libraries beside the program, or where the build left them if there are none. Says so, if there is one that
/// cannot be loaded.
pub(super) fn load() {
    let beside = std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_owned));
    if let Some(dir) = &beside {
        load_backends_from_path(dir);
    }
    if registered().is_empty() {
        load_backends();
    }
    for (path, name) in beside.iter().flat_map(|dir| gpu_libraries(dir)) {
        if !registered().iter().any(|registered| registered == registered_name(&name)) {
            tracing::warn!(
                "the backend '{}' cannot be loaded; is the driver installed? Without it the model runs elsewhere",
                path.display()
            );
            // Why once more: llama.cpp logs the reason only when a library is asked for by its path.
            if let Some(path) = path.to_str().and_then(|path| CString::new(path).ok()) {
                // SAFETY: the path is a valid string; a library that cannot be loaded gives null.
                let _not_loaded = unsafe { sys::ggml_backend_load(path.as_ptr()) };
            }
        }
    }
}

/// The GPU backends that are loaded, in small letters.
pub(super) fn gpu_backends() -> Vec<String> {
    registered().into_iter().filter(|name| !matches!(name.as_str(), "cpu" | "blas" | "rpc")).collect()
}

fn registered() -> Vec<String> {
    // SAFETY: indices are below the count, registrations live as long as the process, and names are valid strings.
    unsafe {
        (0..sys::ggml_backend_reg_count())
            .map(|i| CStr::from_ptr(sys::ggml_backend_reg_name(sys::ggml_backend_reg_get(i))))
            .map(|name| name.to_string_lossy().to_lowercase())
            .collect()
    }
}

/// Libraries of GPU backends in `dir`, with the names in their file names.
fn gpu_libraries(dir: &Path) -> Vec<(PathBuf, String)> {
    let one = |entry: std::fs::DirEntry| {
        let path = entry.path();
        let is_library = path.extension().is_some_and(|e| e == std::env::consts::DLL_EXTENSION);
        let name = path.file_stem()?.to_str()?.strip_prefix(std::env::consts::DLL_PREFIX)?.strip_prefix("ggml-")?;
        let name = name.to_owned();
        (is_library && name != "base" && !name.starts_with("cpu")).then_some((path, name))
    };
    std::fs::read_dir(dir).into_iter().flatten().filter_map(|entry| one(entry.ok()?)).collect()
}

/// What a backend with this file name calls itself.
fn registered_name(file_name: &str) -> &str {
    match file_name {
        "hip" => "rocm",
        "metal" => "mtl",
        same => same,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_libraries_of_gpus_are_looked_for() {
        let dir = std::env::temp_dir().join(format!("drawplate-loadable-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = |name: &str| format!("{}{name}.{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_EXTENSION);
        for name in ["ggml-base", "ggml-cpu-haswell", "ggml-vulkan", "llama", "ggml"] {
            std::fs::write(dir.join(file(name)), "").unwrap();
        }
        std::fs::write(dir.join("libggml-cuda.txt"), "").unwrap();
        let found = gpu_libraries(&dir);
        std::fs::remove_dir_all(&dir).unwrap();
        assert_eq!(found, [(dir.join(file("ggml-vulkan")), "vulkan".to_owned())]);
    }
}
