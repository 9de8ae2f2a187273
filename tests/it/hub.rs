//! `--model hf:owner/repo/file.gguf` against a stand-in for the hub: fetched once, resumed, its checksum verified.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sha2::{Digest as _, Sha256};

/// Serves one file as the hub does: ranges, an etag with the SHA-256, a commit. Breaks off the first large answer.
fn serve(file: Vec<u8>, sha256: String) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let n_requests = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&n_requests);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let n = counter.fetch_add(1, Ordering::SeqCst);
            answer(stream.unwrap(), &file, &sha256, n);
        }
    });
    (endpoint, n_requests)
}

fn answer(mut stream: TcpStream, file: &[u8], sha256: &str, n: usize) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut line, mut range) = (String::new(), None);
    while reader.read_line(&mut line).unwrap_or(0) > 2 {
        let lower = line.to_lowercase();
        if let Some(bytes) = lower.strip_prefix("range: bytes=") {
            let (from, to) = bytes.trim().split_once('-').unwrap();
            range = Some((from.parse::<usize>().unwrap(), to.parse::<usize>().unwrap_or(file.len() - 1)));
        }
        line.clear();
    }
    let (from, to) = range.unwrap_or((0, file.len() - 1));
    let to = to.min(file.len() - 1);
    let head = format!(
        "HTTP/1.1 206 Partial Content\r\netag: \"{sha256}\"\r\nx-repo-commit: 0123456789abcdef\r\ncontent-range: bytes {from}-{to}/{}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        file.len(),
        to + 1 - from
    );
    let _gone = stream.write_all(head.as_bytes());
    // The first request asks for one byte; the second is cut in the middle and must be resumed.
    let end = if n == 1 { from + (to - from) / 2 } else { to + 1 };
    let _gone = stream.write_all(&file[from..end]);
}

fn run(endpoint: &str, home: &std::path::Path) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_drawplate"))
        .args(["serve", "--port", "0", "--model", "hf:owner/repo/model.gguf"])
        .env("HF_ENDPOINT", endpoint)
        .env("HF_HOME", home)
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn files_are_fetched_once_resumed_and_verified() {
    // No model, so that the program ends after the download: it says what it got.
    let file: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
    let sha256: String = Sha256::digest(&file).iter().map(|b| format!("{b:02x}")).collect();
    let dir = std::env::temp_dir().join(format!("drawplate-hub-{}", std::process::id()));

    let (endpoint, n_requests) = serve(file.clone(), sha256);
    let (code, stderr) = run(&endpoint, &dir.join("good"));
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("is not a GGUF model: it begins with the bytes '00000000'"), "{stderr}");
    assert!(n_requests.load(Ordering::SeqCst) >= 3, "the transfer that broke off was not resumed");
    let before = n_requests.load(Ordering::SeqCst);
    let (_, stderr) = run(&endpoint, &dir.join("good"));
    assert!(stderr.contains("is in the cache") && n_requests.load(Ordering::SeqCst) == before, "{stderr}");

    let (endpoint, _) = serve(file, "0".repeat(64));
    for _ in 0..2 {
        let (code, stderr) = run(&endpoint, &dir.join("bad"));
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.contains("was expected; it was deleted, try again"), "{stderr}");
    }
    std::fs::remove_dir_all(&dir).unwrap();
}
