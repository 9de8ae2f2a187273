//! The program as users start it: bad arguments and model files give one clear line and exit code 2.

use std::process::Command;

fn run(args: &[&str]) -> (Option<i32>, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_drawplate")).args(args).env_remove("DRAWPLATE_MODEL").output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn bad_model_files_are_named_with_the_reason() {
    let dir = std::env::temp_dir().join(format!("drawplate-test-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    for (path, reason) in [
        (dir.join("missing.gguf").display().to_string(), "No such file"),
        (dir.display().to_string(), "it is a directory"),
        (file("text.gguf", b"hello world, this is no model"), "begins with the bytes '68656c6c'"),
        (file("empty.gguf", b""), "begins with the bytes ''"),
        (file("short.gguf", b"GGUF\x03\0\0\0"), "truncated after 8 bytes"),
        (
            file(
                "truncated.gguf",
                &[b"GGUF\x03\0\0\0".as_slice(), &[1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], &[9; 40]].concat(),
            ),
            "may be truncated",
        ),
    ] {
        let (code, stderr) = run(&["serve", "--port", "0", "--model", &path]);
        let last = stderr.lines().last().unwrap_or_default();
        assert_eq!(code, Some(2), "{path}: {stderr}");
        assert!(last.starts_with("drawplate: ") && last.contains(&path) && last.contains(reason), "{path}: {stderr}");
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn bad_arguments_are_explained() {
    for (args, says) in [
        (&["serve", "--model", "hf:nobody"][..], "expected hf:owner/repo/file.gguf"),
        (&["serve", "--slots", "0"], "--slots"),
        (&["serve", "--port", "70000"], "--port"),
        (&["dance"], "dance"),
        (&[], "serve"),
    ] {
        let (code, stderr) = run(args);
        assert_eq!(code, Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(says), "{args:?}: {stderr}");
    }
}

#[test]
fn a_port_in_use_is_known_at_once() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let (code, stderr) = run(&["serve", "--model", "fake", "--port", &port]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("choose another with --port"), "{stderr}");
}

#[test]
fn help_is_good_reading() {
    let output = Command::new(env!("CARGO_BIN_EXE_drawplate")).args(["serve", "--help"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    for flag in [
        "--model",
        "--host",
        "--port",
        "--slots",
        "--ctx",
        "--queue",
        "--no-schema-in-prompt",
        "hf:owner/repo/file.gguf",
    ] {
        assert!(help.contains(flag), "{flag} is missing:\n{help}");
    }
    assert!(help.lines().all(|line| line.chars().count() <= 100));
}
