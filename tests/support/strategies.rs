//! Random schemas and values: every strategy of the tests.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

const KEYS: [&str; 5] = ["a", "b", "c", "x_1", "é\"/"];
const PATTERNS: [&str; 8] = ["^[a-c]+$", "b", "^(?!a)", "^a|b$", "^.{2,3}$", r"^\d+$", "^(?=.*a).*$", r"^\S*$"];
const FORMATS: [&str; 8] = ["date", "uuid", "ipv4", "email", "time", "json-pointer", "regex", "nonsense"];

/// A small JSON value, near to what the schemas speak of.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-6_i64..12).prop_map(Value::from),
        select(vec![0.5, 1.5, 2.25, -0.75, 10.0]).prop_map(Value::from),
        select(vec!["", "a", "b", "ab", "abc", "12", "a\"\\é", "2020-02-29", "😀😀"]).prop_map(Value::from),
    ];
    scalar.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(select(KEYS.to_vec()), inner, 0..4).prop_map(|map| {
                Value::Object(map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
            }),
        ]
    })
}

/// `schema` as that of an object, as a tool's arguments have it.
pub(crate) fn object(schema: Value) -> Value {
    match schema {
        Value::Object(mut map) => {
            map.insert("type".into(), "object".into());
            Value::Object(map)
        }
        other => json!({"type": "object", "additionalProperties": other}),
    }
}

/// A schema out of all keywords of 2020-12; every fourth has definitions.
pub(crate) fn schema() -> impl Strategy<Value = Value> {
    prop_oneof![3 => without_definitions(), 1 => with_definitions()]
}

/// Half of its subschemas refer to one of two definitions, which refer to nothing but the root.
fn with_definitions() -> impl Strategy<Value = Value> {
    let refer = |value: Value, bits: u32| {
        let mut n = 0;
        let mut value = value;
        drawplate::schema::walk::rewrite(&mut value, &mut |schema| {
            n += 1;
            if let (Value::Object(map), true) = (schema, bits & (1 << (n % 32)) != 0) {
                map.entry("$ref").or_insert(json!(if n % 2 == 0 { "#/$defs/x" } else { "#y" }));
            }
        });
        value
    };
    let definition = || without_definitions().prop_filter("an object", Value::is_object);
    (definition(), definition(), definition(), any::<u32>()).prop_map(move |(root, x, mut y, bits)| {
        let mut root = refer(root, bits);
        y["$anchor"] = json!("y");
        root["$defs"] = json!({"x": x, "y": y});
        root
    })
}

fn without_definitions() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        4 => keyword_of_scalars().prop_map(|(key, value)| json!({key: value})),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(json!({})),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        vec(prop_oneof![keyword_of_scalars(), keyword_of_schemas(inner)], 1..4).prop_map(|keywords| {
            let mut map = Map::new();
            for (key, value) in keywords {
                map.entry(key).or_insert(value);
            }
            Value::Object(map)
        })
    })
}

fn keyword_of_scalars() -> impl Strategy<Value = (String, Value)> {
    let types = vec!["null", "boolean", "integer", "number", "string", "array", "object"];
    let count = || 0_u64..4;
    let number = || prop_oneof![(-4_i64..10).prop_map(Value::from), Just(json!(0.5)), Just(json!(2.25))];
    let with = |key: &'static str| move |value: Value| (key.to_owned(), value);
    prop_oneof![
        6 => select(types.clone()).prop_map(Value::from).prop_map(with("type")),
        1 => vec(select(types), 1..3).prop_map(|mut types| { types.sort_unstable(); types.dedup(); json!(types) }).prop_map(with("type")),
        2 => value().prop_map(with("const")),
        2 => vec(value(), 1..4).prop_map(Value::from).prop_map(with("enum")),
        1 => number().prop_map(with("minimum")),
        1 => number().prop_map(with("maximum")),
        1 => number().prop_map(with("exclusiveMinimum")),
        1 => number().prop_map(with("exclusiveMaximum")),
        1 => select(vec![json!(1), json!(2), json!(3), json!(0.5), json!(0.25), json!(1.5)]).prop_map(with("multipleOf")),
        1 => select(vec!["base64", "base32"]).prop_map(Value::from).prop_map(with("contentEncoding")),
        1 => Just(json!("application/json")).prop_map(with("contentMediaType")),
        1 => count().prop_map(Value::from).prop_map(with("minLength")),
        1 => count().prop_map(Value::from).prop_map(with("maxLength")),
        2 => select(PATTERNS.to_vec()).prop_map(Value::from).prop_map(with("pattern")),
        1 => select(FORMATS.to_vec()).prop_map(Value::from).prop_map(with("format")),
        1 => count().prop_map(Value::from).prop_map(with("minItems")),
        1 => count().prop_map(Value::from).prop_map(with("maxItems")),
        1 => any::<bool>().prop_map(Value::from).prop_map(with("uniqueItems")),
        1 => count().prop_map(Value::from).prop_map(with("minProperties")),
        1 => count().prop_map(Value::from).prop_map(with("maxProperties")),
        2 => vec(select(KEYS.to_vec()), 0..3).prop_map(|mut keys| { keys.sort_unstable(); keys.dedup(); json!(keys) }).prop_map(with("required")),
        1 => (select(KEYS.to_vec()), select(KEYS.to_vec())).prop_map(|(a, b)| json!({a: [b]})).prop_map(with("dependentRequired")),
        1 => count().prop_map(Value::from).prop_map(with("minContains")),
        1 => count().prop_map(Value::from).prop_map(with("maxContains")),
    ]
}

fn keyword_of_schemas(inner: impl Strategy<Value = Value> + Clone + 'static) -> impl Strategy<Value = (String, Value)> {
    let one = |key: &'static str| inner.clone().prop_map(move |schema| (key.to_owned(), schema));
    let some = |key: &'static str| vec(inner.clone(), 1..4).prop_map(move |all| (key.to_owned(), Value::from(all)));
    let named = |key: &'static str, names: Vec<&'static str>| {
        btree_map(select(names), inner.clone(), 1..4).prop_map(move |map| {
            let map: Map<String, Value> = map.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
            (key.to_owned(), Value::Object(map))
        })
    };
    prop_oneof![
        4 => named("properties", KEYS.to_vec()),
        1 => named("patternProperties", PATTERNS.to_vec()),
        1 => named("dependentSchemas", KEYS.to_vec()),
        2 => one("additionalProperties"),
        1 => one("propertyNames"),
        1 => one("unevaluatedProperties"),
        2 => one("items"),
        // Why: a reference to the root only means something one step further down.
        1 => select(vec!["items", "additionalProperties", "contains"]).prop_map(|key| (key.to_owned(), json!({"$ref": "#"}))),
        1 => select(KEYS.to_vec()).prop_map(|key| ("properties".to_owned(), json!({key: {"$ref": "#"}}))),
        1 => some("prefixItems"),
        1 => one("contains"),
        1 => one("unevaluatedItems"),
        1 => some("allOf"),
        2 => some("anyOf"),
        1 => some("oneOf"),
        1 => one("not"),
        1 => one("if"),
        1 => one("then"),
        1 => one("else"),
    ]
}
