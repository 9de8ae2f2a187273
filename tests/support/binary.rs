//! The program itself: run to its end, or as a server that is stopped when it is dropped.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A command of the program that keeps nothing outside of what its arguments say.
pub(crate) fn drawplate(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_drawplate"));
    command.args(args).env_remove("DRAWPLATE_MODEL").env("DRAWPLATE_REGISTRY", "none");
    command
}

/// Runs it to its end: exit code, standard output, standard error.
pub(crate) fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let output = drawplate(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// A server with the fake model, as a process of its own.
pub(crate) struct Process {
    child: Child,
    /// Its base URL.
    pub(crate) url: String,
}

impl Process {
    pub(crate) fn serve(args: &[&str]) -> Self {
        let all: Vec<&str> = ["serve", "--model", "fake", "--port", "0"].iter().chain(args).copied().collect();
        let mut child = drawplate(&all).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let url = stdout.lines().map_while(Result::ok).find_map(|line| {
            let at = line.find("http://")?;
            let url: String =
                line[at..].chars().take_while(|c| !c.is_whitespace() && *c != '\'' && *c != '"').collect();
            Some(url.trim_end_matches('/').trim_end_matches("/v1").to_owned())
        });
        Self { child, url: url.expect("the server says where it listens") }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A folder of its own that is empty.
pub(crate) fn empty_folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("drawplate-{}-{name}", std::process::id()));
    let _gone = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// The path as an argument.
pub(crate) fn arg(path: &Path) -> &str {
    path.to_str().unwrap()
}
