//! With `dynamic-backends`, lets the binary find the libraries that lie beside it.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_DYNAMIC_BACKENDS").is_none() {
        return;
    }
    let flags = match std::env::var("CARGO_CFG_TARGET_OS").as_deref() {
        // Why the old tag: only that one counts for the libraries of the libraries, too.
        Ok("linux") => "-Wl,--disable-new-dtags,-rpath,$ORIGIN",
        Ok("macos") => "-Wl,-rpath,@loader_path",
        _ => return,
    };
    println!("cargo:rustc-link-arg-bins={flags}");
}
