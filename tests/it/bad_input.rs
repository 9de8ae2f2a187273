//! Hostile input against the real program under a memory cap: it answers, stays small, and serves others meanwhile.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::support::{bound_body, chat_body, get, model_path, send, turn};

/// Virtual memory, in KiB: far above what is needed, so that only a runaway meets it.
const CAP_KIB: u64 = 8 << 20;
/// Resident memory, in MiB: a GiB, and what the cache of prompts may hold by default.
const MAX_RSS_MIB: u64 = 1024 + 256;

struct Program {
    child: Child,
    url: String,
}

impl Program {
    fn start(model: &str) -> Self {
        let command =
            format!("ulimit -v {CAP_KIB}; exec \"$0\" serve --port 0 --log warn --schema-time 4 --model \"$1\"");
        let mut child = Command::new("bash")
            .args(["-c", &command, env!("CARGO_BIN_EXE_drawplate"), model])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.map(Result::unwrap).find(|line| line.contains("base URL")).expect("it starts");
        let url = line.split_whitespace().last().unwrap().trim_end_matches("/v1").to_owned();
        Self { child, url }
    }

    fn chat(&self, body: &[u8]) -> (u16, Value) {
        let answer = send(&format!("{}/v1/chat/completions", self.url), body);
        (answer.status, answer.body)
    }

    /// The most resident memory so far, in MiB.
    fn peak_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|l| l.starts_with("VmHWM")).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

fn bound(schema: &str) -> Vec<u8> {
    let body = bound_body(json!("SCHEMA"), json!({"max_tokens": 24}));
    body.to_string().replace("\"SCHEMA\"", schema).into_bytes()
}

/// Name, body, and the statuses that are right.
fn cases() -> Vec<(&'static str, Vec<u8>, &'static [u16])> {
    let deep = |open: &str, close: &str| bound(&format!("{}{{}}{}", open.repeat(10_000), close.repeat(10_000)));
    let values: Vec<String> = (0..160_000).map(|i| format!("value_{i:07}_xxxxxxxxxxxx")).collect();
    let any_of: Vec<Value> = (0..4000).map(|i| json!({"type": "object", "properties": {format!("k{i}"): {"type": "integer"}}, "required": [format!("k{i}")]})).collect();
    let optional: Map<String, Value> = (0..500).map(|i| (format!("k{i}"), json!({"type": "integer"}))).collect();
    let blowup: Vec<Value> = (0..12).map(|i| json!({"anyOf": (0..8).map(|j| json!({"type": "object", "properties": {format!("k{i}"): {"const": j}}})).collect::<Vec<_>>()})).collect();
    let of = |schema: Value| bound(&schema.to_string());
    let conditions: Vec<Value> = (0..30)
        .map(|i| json!({"if": {"required": [format!("a{i}")]}, "then": {"required": [format!("b{i}")]}}))
        .collect();
    let dependent: Map<String, Value> = (0..40)
        .map(|i| {
            (
                format!("k{i}"),
                json!({"properties": {format!("m{i}"): {"type": "integer"}}, "required": [format!("m{i}")]}),
            )
        })
        .collect();
    let patterns: Vec<Value> = (0..60).map(|i| json!({"pattern": format!("x{i}.*y{i}")})).collect();
    let one_of: Vec<Value> =
        (0..2000).map(|i| json!({"type": "object", "properties": {"k": {"const": i}}, "required": ["k"]})).collect();
    let few: Vec<String> = (0..100_000).map(|i| format!("value_{i:06}")).collect();
    vec![
        ("malformed JSON", b"{\"model\": ".to_vec(), &[400]),
        ("nested 10,000 deep in properties", deep("{\"properties\":{\"a\":", "}}"), &[400]),
        ("nested 10,000 deep in items", deep("{\"items\":", "}"), &[400]),
        ("nested 10,000 deep in allOf", deep("{\"allOf\":[", "]}"), &[400]),
        ("an enum of 5 MB", of(json!({"enum": values})), &[400]),
        ("maxItems 1e9", of(json!({"type": "array", "items": {"type": "integer"}, "maxItems": 1_000_000_000})), &[200]),
        (
            "minItems 1e6",
            of(json!({"type": "array", "items": {"type": "integer"}, "minItems": 1_000_000})),
            &[200, 400],
        ),
        ("maxLength 1e9", of(json!({"type": "string", "minLength": 5, "maxLength": 1_000_000_000})), &[200]),
        ("maxProperties 1e9", of(json!({"type": "object", "maxProperties": 1_000_000_000})), &[200]),
        ("invalid pattern", of(json!({"type": "string", "pattern": "^(abc$"})), &[400]),
        (
            "nested repetitions",
            of(json!({"type": "string", "pattern": "^((((a{1,100}){1,100}){1,100}){1,100})$"})),
            &[200, 400],
        ),
        ("huge repetition", of(json!({"type": "string", "pattern": "^[a-z]{100000}$"})), &[200, 400]),
        ("exponential automaton", of(json!({"type": "string", "pattern": "^[ab]*a[ab]{24}$"})), &[200, 400]),
        ("catastrophic pattern", of(json!({"type": "string", "pattern": "^(([a-z])+.)+[A-Z]([a-z])+$"})), &[200, 400]),
        (
            "words and length",
            of(json!({"type": "string", "maxLength": 500, "pattern": "^(?:\\S+\\s+){0,49}\\S+$"})),
            &[200, 400],
        ),
        ("unresolvable $ref", of(json!({"$ref": "#/$defs/none"})), &[400]),
        ("remote $ref", of(json!({"$ref": "http://127.0.0.1:9/x.json"})), &[400]),
        ("endless $ref", of(json!({"$ref": "#"})), &[200]),
        ("endless value", of(json!({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]})), &[400]),
        (
            "mutual $ref",
            of(json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"})),
            &[200],
        ),
        ("4,000 alternatives", of(json!({"anyOf": any_of})), &[200, 400]),
        (
            "500 optional properties",
            of(json!({"type": "object", "properties": optional, "additionalProperties": false})),
            &[200, 400],
        ),
        ("product of alternatives", of(json!({"allOf": blowup})), &[200, 400]),
        ("definitions that double", of(doubling()), &[400]),
        ("a chain of 3,000 references", of(chain()), &[200]),
        ("minItems 1e9", of(json!({"type": "array", "items": {"type": "integer"}, "minItems": 1_000_000_000})), &[400]),
        ("minProperties 1e6", of(json!({"type": "object", "minProperties": 1_000_000})), &[400]),
        ("minLength 1e9", of(json!({"type": "string", "minLength": 1_000_000_000})), &[400]),
        ("30 conditions", of(json!({"allOf": conditions})), &[200]),
        ("40 dependent schemas", of(json!({"type": "object", "dependentSchemas": dependent})), &[200]),
        ("schemas of one value that double", of(definitions(40, |next| json!({"allOf": [next, next]}))), &[400]),
        ("negations that double", of(negated()), &[200, 500]),
        ("60 patterns at once", of(json!({"type": "string", "allOf": patterns})), &[200, 400, 500]),
        ("2,000 branches of oneOf", of(json!({"oneOf": one_of})), &[200]),
        ("an enum of 100,000", of(json!({"enum": few})), &[200, 400]),
        (
            "arrays without end",
            of(
                json!({"$defs": {"a": {"type": "array", "items": {"$ref": "#/$defs/a"}, "minItems": 1}}, "$ref": "#/$defs/a"}),
            ),
            &[400],
        ),
        ("empty messages", chat_body(json!({"messages": []})).to_string().into_bytes(), &[400]),
        ("unknown model", chat_body(json!({"model": "nope"})).to_string().into_bytes(), &[404]),
        (
            "a long prompt",
            chat_body(json!({"messages": [{"role": "user", "content": "word ".repeat(60_000)}]}))
                .to_string()
                .into_bytes(),
            &[400],
        ),
        (
            "a huge max_tokens",
            chat_body(json!({"max_tokens": 1_000_000_000_000u64, "stop": ["e"]})).to_string().into_bytes(),
            &[200],
        ),
    ]
}

/// Definitions `a0` to `a{n}`, each made from a reference to the next one; the last is an integer.
fn definitions(n: usize, of_next: impl Fn(Value) -> Value) -> Value {
    let next = |i: usize| json!({"$ref": format!("#/$defs/a{}", i + 1)});
    let mut definitions: Map<String, Value> = (0..n).map(|i| (format!("a{i}"), of_next(next(i)))).collect();
    definitions.insert(format!("a{n}"), json!({"type": "integer"}));
    json!({"$defs": definitions, "$ref": "#/$defs/a0"})
}

/// The smallest value has a terabyte.
fn doubling() -> Value {
    definitions(40, |next| json!({"type": "object", "properties": {"l": next, "r": next}, "required": ["l", "r"]}))
}

fn chain() -> Value {
    definitions(3000, |next| json!({"type": "object", "properties": {"n": next}}))
}

fn negated() -> Value {
    definitions(30, |next| json!({"not": {"properties": {"l": next, "m": next}}}))
}

fn survives(model: &str) {
    let program = Program::start(model);
    let small = bound(
        r#"{"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"], "additionalProperties": false}"#,
    );
    for (name, body, right) in cases() {
        let started = Instant::now();
        let (status, answer) = std::thread::scope(|scope| {
            let hostile = scope.spawn(|| program.chat(&body));
            // Others are served while it is being dealt with.
            assert_eq!(program.chat(&small).0, 200, "during {name}");
            hostile.join().unwrap()
        });
        assert!(right.contains(&status), "{name}: {status} {answer}");
        assert_eq!(program.chat(&small).0, 200, "after {name}");
        let peak = program.peak_mib();
        eprintln!("{name}: {status} in {:.2} s, at most {peak} MiB so far", started.elapsed().as_secs_f64());
        assert!(peak < MAX_RSS_MIB, "{name}: {peak} MiB");
    }
    disconnects(&program);
    std::thread::scope(|scope| {
        for _ in 0..200 {
            scope.spawn(|| {
                let (status, answer) = program.chat(&small);
                assert!(status == 200 || status == 429, "{status} {answer}");
            });
        }
    });
    assert_eq!(get(&format!("{}/health", program.url)).status, 200);
    assert!(program.peak_mib() < MAX_RSS_MIB, "{} MiB after 200 requests", program.peak_mib());
}

/// Clients that leave in mid-stream do not keep their slots.
fn disconnects(program: &Program) {
    let body = chat_body(json!({"stream": true, "messages": [{"role": "user", "content": "Tell a very long story."}]}))
        .to_string();
    for _ in 0..8 {
        let mut stream = TcpStream::connect(program.url.trim_start_matches("http://")).unwrap();
        write!(stream, "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len())
            .unwrap();
        let mut some = [0u8; 64];
        stream.read_exact(&mut some).unwrap();
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    let is_idle = || {
        let metrics = get(&format!("{}/metrics", program.url));
        metrics.body.as_str().unwrap().lines().any(|line| line == "drawplate_running 0")
    };
    while !is_idle() {
        assert!(Instant::now() < deadline, "slots of clients that left are still taken");
    }
}

#[test]
fn the_program_survives_with_the_fake_model() {
    survives("fake");
}

#[test]
fn the_program_survives_with_a_real_model() {
    if let Some(path) = model_path() {
        let _turn = turn();
        survives(&path);
    }
}
