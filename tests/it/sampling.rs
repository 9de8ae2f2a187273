//! Sampled values are valid, mutants are not, and both shrink on their own side of the schema.

use std::path::Path;
use std::process::Command;

use drawplate::guard::Check;
use drawplate::testing::{self, Options, Sampler};
use proptest::prop_assert;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

const N_SAMPLES: usize = 30;

fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("optional keys", user()),
        (
            "recursion",
            json!({"$ref": "#/$defs/node", "$defs": {"node": {
                "type": "object",
                "properties": {
                    "value": {"type": "integer"},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/node"}}
                },
                "required": ["value"], "additionalProperties": false
            }}}),
        ),
        (
            "unique items",
            json!({"type": "array", "items": {"enum": ["a", "b", "c", "d"]}, "uniqueItems": true, "minItems": 2}),
        ),
        (
            "overlapping oneOf",
            json!({"oneOf": [{"type": "integer", "minimum": 0}, {"type": "integer", "maximum": 10}]}),
        ),
        (
            "formats",
            json!({
                "type": "object",
                "properties": {
                    "when": {"type": "string", "format": "date-time"},
                    "who": {"type": "string", "format": "email"}
                },
                "required": ["when", "who"], "additionalProperties": false
            }),
        ),
        (
            "a format for the guard",
            json!({
                "type": "object",
                "properties": {"find": {"type": "string", "format": "regex"}, "count": {"type": "number"}},
                "required": ["find", "count"], "additionalProperties": false
            }),
        ),
        ("lookahead", json!({"type": "string", "pattern": "^(?=.*[0-9])[a-z0-9]{3,12}$"})),
        ("item counts", json!({"type": "array", "items": {"type": "boolean"}, "minItems": 3, "maxItems": 6})),
        ("multiples", json!({"type": "integer", "multipleOf": 7, "minimum": -100, "maximum": 1000})),
        (
            "property names",
            json!({
                "type": "object", "minProperties": 1,
                "propertyNames": {"pattern": "^x-[a-z]+$"}, "additionalProperties": {"type": "integer"}
            }),
        ),
        (
            "if and then",
            json!({
                "type": "object",
                "properties": {
                    "kind": {"enum": ["card", "cash"]},
                    "number": {"type": "string", "pattern": "^[0-9]{4}$"}
                },
                "required": ["kind"], "additionalProperties": false,
                "if": {"properties": {"kind": {"const": "card"}}}, "then": {"required": ["number"]}
            }),
        ),
        (
            "contains",
            json!({
                "type": "array", "maxItems": 8, "contains": {"const": 7},
                "items": {"type": "integer", "minimum": 0, "maximum": 9}
            }),
        ),
    ]
}

fn user() -> Value {
    json!({
        "type": "object",
        "properties": {
            "id": {"type": "integer", "minimum": 1, "maximum": 999},
            "name": {"type": "string", "maxLength": 20},
            "tags": {"type": "array", "items": {"type": "string"}}
        },
        "required": ["id"], "additionalProperties": false
    })
}

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

fn runner() -> TestRunner {
    let config = Config { failure_persistence: None, max_shrink_iters: 10_000, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

#[test]
fn samples_are_valid_and_differ() {
    for (name, schema) in schemas() {
        let sampler = Sampler::new(&schema, Options::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
        let check = Check::new(&schema).unwrap();
        let mut rng = rng(1);
        let texts: Vec<String> = (0..N_SAMPLES).map(|_| sampler.text(&mut rng)).collect();
        for text in &texts {
            check.judge(text).unwrap_or_else(|e| panic!("{name}: {text}: {e}"));
        }
        assert!(texts.iter().any(|text| *text != texts[0]), "{name}: always {}", texts[0]);
        assert!(sampler.is_valid(&sampler.shortest()), "{name}: {}", sampler.shortest());
    }
}

#[test]
fn the_same_seed_gives_the_same_values() {
    let sampler = Sampler::new(&user(), Options::default()).unwrap();
    let values = |seed: u64| {
        let mut rng = rng(seed);
        (0..10).map(|_| sampler.value(&mut rng)).collect::<Vec<Value>>()
    };
    assert_eq!(values(3), values(3));
    assert_ne!(values(3), values(4));
}

#[test]
fn sizes_are_kept() {
    let sampler = Sampler::new(&json!({}), Options { max_bytes: 60, max_depth: 2 }).unwrap();
    let mut rng = rng(5);
    for _ in 0..N_SAMPLES {
        let text = sampler.text(&mut rng);
        assert!(text.len() < 200, "{text}");
    }
}

#[test]
fn mutants_are_invalid() {
    for (name, schema) in schemas() {
        let sampler = Sampler::new(&schema, Options::default()).unwrap();
        let check = Check::new(&schema).unwrap();
        let mut rng = rng(2);
        for _ in 0..N_SAMPLES {
            let mutant = sampler.mutant(&mut rng).unwrap_or_else(|| panic!("{name}: no mutant"));
            assert!(check.judge(&mutant.to_string()).is_err(), "{name}: {mutant} is valid");
        }
    }
}

#[test]
fn a_failing_property_shrinks_to_a_small_valid_value() {
    let result = runner().run(&testing::instances(&user()), |user| {
        prop_assert!(user["tags"].as_array().is_none_or(|tags| tags.len() < 2));
        Ok(())
    });
    match result {
        Err(TestError::Fail(_, least)) => assert_eq!(least, json!({"id": 1, "tags": ["", ""]})),
        other => panic!("{other:?}"),
    }
}

#[test]
fn mutants_shrink_and_stay_invalid() {
    let check = Check::new(&user()).unwrap();
    let result = runner().run(&testing::mutants(&user()), |_| Err(TestCaseError::fail("always")));
    match result {
        Err(TestError::Fail(_, least)) => {
            assert!(check.judge(&least.to_string()).is_err() && least.to_string().len() < 10, "{least}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
#[should_panic(expected = "does it allow everything?")]
fn a_schema_without_limits_has_no_mutants() {
    let _mutants = testing::mutants(&json!({}));
}

#[test]
#[should_panic(expected = "nothing is fetched")]
fn a_refused_schema_has_no_instances() {
    let _instances = testing::instances(&json!({"$ref": "http://127.0.0.1:9/x.json"}));
}

/// Runs `drawplate sample` with `schema` in a file: exit code, output, errors.
fn sample(schema: &str, args: &[&str]) -> (Option<i32>, String, String) {
    static N_FILES: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let n_files = N_FILES.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("drawplate-sample-{}-{n_files}.json", std::process::id()));
    std::fs::write(&path, schema).unwrap();
    let output = run(&path, args);
    std::fs::remove_file(path).unwrap();
    output
}

fn run(path: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_drawplate")).arg("sample").arg(path).args(args).output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_command_prints_a_value_per_line() {
    let (schema, check) = (user().to_string(), Check::new(&user()).unwrap());
    for (args, is_valid) in [(&["-n", "12", "--seed", "7"][..], true), (&["-n", "12", "--invalid"], false)] {
        let (code, stdout, stderr) = sample(&schema, args);
        assert_eq!(code, Some(0), "{stderr}");
        assert_eq!(stdout.lines().count(), 12, "{stdout}");
        for line in stdout.lines() {
            let value: Value = serde_json::from_str(line).unwrap();
            assert_eq!(value.to_string(), line);
            assert_eq!(check.judge(line).is_ok(), is_valid, "{line}");
        }
        assert_eq!(sample(&schema, args).1, stdout);
    }
}

#[test]
fn the_command_says_what_is_wrong() {
    for (schema, args, code, says) in [
        (r#"{"type": "objekt"}"#, &["-n", "1"][..], 1, "'#/type'"),
        ("false", &[], 1, "refused"),
        ("{}", &["--invalid"], 1, "breaks the schema"),
        ("{", &[], 2, "is no JSON"),
        ("{}", &["--schemas", "/nowhere/at/all"], 2, "--schemas"),
    ] {
        let (got, _, stderr) = sample(schema, args);
        assert_eq!(got, Some(code), "{schema}: {stderr}");
        assert!(stderr.contains(says), "{schema}: {stderr}");
    }
    let (code, _, stderr) = run(Path::new("/nowhere/schema.json"), &[]);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("/nowhere/schema.json"), "{stderr}");
}
