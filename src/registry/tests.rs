#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;

fn definition(text: &str) -> Definition {
    Definition { definition: json!({"description": text}), ..Definition::default() }
}

/// A path of its own that is not there yet.
fn path(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("drawplate-{}-{name}", std::process::id())).join("registry.db");
    let _gone = std::fs::remove_dir_all(path.parent().expect("it has a folder"));
    path
}

fn read(registry: &Registry, name: &str, version: Option<u32>) -> Option<(u32, Value)> {
    let entry = registry.get(Kind::Tool, name, version).expect("the file is there")?;
    Some((entry.version, entry.definition.definition["description"].clone()))
}

#[test]
fn versions_count_on_and_the_same_again_is_none() {
    let registry = Registry::in_memory().unwrap();
    assert_eq!(read(&registry, "a", None), None);
    for (text, version, is_new) in [("one", 1, true), ("one", 1, false), ("two", 2, true), ("one", 3, true)] {
        let (entry, new) = registry.put(Kind::Tool, "a", definition(text)).unwrap();
        assert_eq!((entry.version, new), (version, is_new));
    }
    assert_eq!(read(&registry, "a", None), Some((3, "one".into())));
    assert_eq!(read(&registry, "a", Some(2)), Some((2, "two".into())));
    assert_eq!(read(&registry, "a", Some(4)), None);
    assert!(registry.get(Kind::Schema, "a", None).unwrap().is_none(), "names of tools and schemas are apart");
}

#[test]
fn a_deleted_version_is_never_given_again_while_its_name_lives() {
    let registry = Registry::in_memory().unwrap();
    for text in ["one", "two", "three"] {
        registry.put(Kind::Tool, "a", definition(text)).unwrap();
    }
    assert!(registry.delete(Kind::Tool, "a", Some(1)).unwrap());
    assert!(!registry.delete(Kind::Tool, "a", Some(1)).unwrap());
    assert!(matches!(registry.delete(Kind::Tool, "a", Some(3)), Err(RegistryError::IsNewest { version: 3, .. })));
    assert_eq!(registry.versions(Kind::Tool, "a").unwrap(), [2, 3]);
    assert!(registry.delete(Kind::Tool, "a", None).unwrap());
    assert!(!registry.delete(Kind::Tool, "a", None).unwrap());
    assert_eq!(registry.put(Kind::Tool, "a", definition("anew")).unwrap().0.version, 1);
}

#[test]
fn what_is_registered_outlives_the_process_and_other_processes_see_it() {
    let path = path("outlives");
    let first = Registry::open(&path).unwrap();
    let second = Registry::open(&path).unwrap();
    first.put(Kind::Tool, "a", definition("one")).unwrap();
    assert_eq!(read(&second, "a", None), Some((1, "one".into())));
    second.put(Kind::Tool, "a", definition("two")).unwrap();
    assert_eq!(read(&first, "a", None), Some((2, "two".into())));
    second.delete(Kind::Tool, "a", None).unwrap();
    assert_eq!(read(&first, "a", None), None);
    first.put(Kind::Tool, "b", definition("three")).unwrap();
    drop((first, second));
    assert_eq!(read(&Registry::open(&path).unwrap(), "b", None), Some((1, "three".into())));
}

#[test]
fn what_the_operator_gives_is_the_newest_and_stays() {
    let registry = Registry::in_memory().unwrap();
    registry.put(Kind::Tool, "a", definition("kept")).unwrap();
    registry.fix(Kind::Tool, "a", definition("fixed"), "a.json").unwrap();
    assert_eq!(read(&registry, "a", None), Some((2, "fixed".into())));
    assert_eq!(read(&registry, "a", Some(1)), Some((1, "kept".into())), "who asked for a version goes on getting it");
    assert_eq!(registry.versions(Kind::Tool, "a").unwrap(), [1, 2]);
    assert_eq!(registry.list(Kind::Tool).unwrap().len(), 1);
    for refused in [
        registry.put(Kind::Tool, "a", definition("other")).map(drop),
        registry.delete(Kind::Tool, "a", None).map(drop),
        registry.fix(Kind::Tool, "a", definition("other"), "b.json").map(drop),
    ] {
        assert!(matches!(refused, Err(RegistryError::Fixed { origin, .. }) if origin == "a.json"));
    }
}

/// One entry that cannot be read takes no other along; a writer elsewhere holds up no reader.
#[test]
fn others_in_the_file_do_no_harm() {
    let path = path("others");
    let registry = Registry::open(&path).unwrap();
    registry.put(Kind::Tool, "a", definition("one")).unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute("INSERT INTO entry VALUES ('tool', 'b', 1, 0, 'no JSON')", []).unwrap();
    assert_eq!(read(&registry, "a", None), Some((1, "one".into())));
    assert_eq!(read(&registry, "b", None), None);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(read(&registry, "a", None), Some((1, "one".into())));
    other.execute_batch("COMMIT").unwrap();
    drop(registry);
    assert_eq!(read(&Registry::open(&path).unwrap(), "a", None), Some((1, "one".into())));
}

#[test]
fn foreign_files_and_later_formats_are_left_alone() {
    let path = path("foreign");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE other (x); INSERT INTO other VALUES (1)").unwrap();
    assert!(matches!(Registry::open(&path), Err(RegistryError::Foreign)));
    other.execute_batch("DROP TABLE other").unwrap();
    drop(Registry::open(&path).unwrap());
    other.execute_batch("PRAGMA user_version = 7").unwrap();
    assert!(matches!(Registry::open(&path), Err(RegistryError::Newer(7))));
    let path = self::path("garbage");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "no database at all, but longer than a header of a hundred bytes".repeat(4)).unwrap();
    assert!(matches!(Registry::open(&path), Err(RegistryError::Sqlite(_))));
}

#[test]
fn what_takes_too_much_room_is_refused() {
    let registry = Registry::in_memory().unwrap();
    let large = definition(&"x".repeat(MAX_DEFINITION_BYTES));
    assert!(matches!(registry.put(Kind::Tool, "a", large), Err(RegistryError::TooLarge { .. })));
    assert!(registry.list(Kind::Tool).unwrap().is_empty());
}
