//! How many cases a schema has when its combinations are multiplied out, which is what its normal form does.
//!
//! An `allOf` of thirty conditions has a billion cases. Multiplying them out ends in giving up, after seconds and half a
//! gigabyte; so what has too many is found here first, and left to the guard.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::walk::try_visit;
use super::{Pointer, Targets};

/// Cases of one place. Real schemas stay below a few hundred.
const MAX_CASES: u64 = 10_000;
/// How deep a schema is followed.
const MAX_DEPTH: usize = 200;

/// The keywords of `root` without which no place has too many cases.
pub(super) fn too_wide(root: &Value) -> Vec<Pointer> {
    let targets = Targets::new(root);
    let mut widths = Widths { targets: &targets, known: HashMap::new(), depth: 0 };
    let mut found = Vec::new();
    let _: Result<(), ()> = try_visit(root, &mut |at, schema| {
        if let Value::Object(map) = schema
            && widths.of(schema, Sense::Is) > MAX_CASES
        {
            found.extend(widths.culprits(at, map));
        }
        Ok(())
    });
    found
}

/// Whether a schema is to hold, or not to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Sense {
    Is,
    IsNot,
    /// It is to hold inside of what is not to: then the values inside it are multiplied out too.
    IsAgain,
}

impl Sense {
    fn other(self) -> Self {
        match self {
            Self::Is | Self::IsAgain => Self::IsNot,
            Self::IsNot => Self::IsAgain,
        }
    }
}

struct Widths<'a> {
    targets: &'a Targets<'a>,
    /// By address: the document stays where it is. A schema that is being looked at counts as one case.
    known: HashMap<(*const Value, Sense), u64>,
    depth: usize,
}

impl<'a> Widths<'a> {
    fn of(&mut self, schema: &'a Value, sense: Sense) -> u64 {
        let Value::Object(map) = schema else { return 1 };
        let key = (std::ptr::from_ref(schema), sense);
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        if self.depth > MAX_DEPTH {
            return 1;
        }
        self.known.insert(key, 1);
        self.depth += 1;
        let own = map.iter().map(|(keyword, value)| self.keyword(map, keyword, value, sense)).collect::<Vec<_>>();
        let referred = self.targets.of(schema).map(|target| self.of(target, sense)).collect::<Vec<_>>();
        self.depth -= 1;
        let all = own.into_iter().chain(referred);
        let width = match sense {
            Sense::Is | Sense::IsAgain => product(all),
            // Why: a schema does not hold where one keyword does not.
            Sense::IsNot => sum(all.map(|width| width - 1)).saturating_add(1),
        };
        self.known.insert(key, width);
        width
    }

    /// The cases of one keyword; 1 where it adds none.
    fn keyword(&mut self, map: &'a Map<String, Value>, keyword: &str, value: &'a Value, sense: Sense) -> u64 {
        match (keyword, value) {
            ("allOf", Value::Array(members)) => self.all(members, sense),
            ("anyOf" | "oneOf", Value::Array(branches)) => match sense {
                Sense::Is | Sense::IsAgain => sum(branches.iter().map(|branch| self.of(branch, sense))).max(1),
                Sense::IsNot => product(branches.iter().map(|branch| self.of(branch, sense))),
            },
            ("not", _) => self.of(value, sense.other()),
            ("if", _) => {
                let mut part = |keyword: &str, sense| map.get(keyword).map_or(1, |schema| self.of(schema, sense));
                let (then, otherwise) = (part("then", sense), part("else", sense));
                let (is, is_not) = (self.of(value, sense.other().other()), self.of(value, Sense::IsNot));
                is.saturating_mul(then).saturating_add(is_not.saturating_mul(otherwise))
            }
            ("dependentSchemas" | "dependencies", Value::Object(schemas)) => {
                let each = schemas.values().map(|schema| 1 + self.of(schema, sense));
                if sense == Sense::IsNot { sum(each) } else { product(each) }
            }
            ("dependentRequired", Value::Object(lists)) if sense != Sense::IsNot => product(lists.values().map(|_| 2)),
            ("properties" | "patternProperties", Value::Object(schemas)) if sense != Sense::Is => {
                sum(schemas.values().map(|schema| self.of(schema, sense))).saturating_add(1)
            }
            ("items" | "additionalProperties" | "contains" | "propertyNames", Value::Object(_))
                if sense != Sense::Is =>
            {
                self.of(value, sense).saturating_add(1)
            }
            ("required" | "dependentRequired", _) if sense == Sense::IsNot => {
                let n = value.as_array().map_or_else(|| value.as_object().map_or(1, Map::len), Vec::len);
                1 + n as u64
            }
            _ if sense == Sense::IsNot => 2,
            _ => 1,
        }
    }

    fn all(&mut self, members: &'a [Value], sense: Sense) -> u64 {
        let each = members.iter().map(|member| self.of(member, sense));
        if sense == Sense::IsNot { sum(each).max(1) } else { product(each) }
    }

    /// What to leave out of a schema that has too many cases: the widest first. What is too wide by itself and can be
    /// looked into has culprits of its own.
    fn culprits(&mut self, at: &Pointer, map: &'a Map<String, Value>) -> Vec<Pointer> {
        let mut factors = Vec::new();
        for (keyword, value) in map {
            match (keyword.as_str(), value) {
                ("allOf", Value::Array(members)) => {
                    for (i, member) in members.iter().enumerate() {
                        let Value::Object(inner) = member else { continue };
                        if self.of(member, Sense::Is) > MAX_CASES {
                            continue;
                        }
                        let place = at.child("allOf").child(i.to_string());
                        let own = inner.iter().map(|(keyword, value)| {
                            (self.keyword(inner, keyword, value, Sense::Is), place.child(keyword))
                        });
                        factors.extend(own);
                    }
                }
                _ => factors.push((self.keyword(map, keyword, value, Sense::Is), at.child(keyword))),
            }
        }
        factors.sort_by_key(|(width, _)| *width);
        let mut left = 1_u64;
        let mut found = Vec::new();
        for (width, place) in factors {
            let with = left.saturating_mul(width);
            if width > 1 && with > MAX_CASES {
                found.push(place);
            } else {
                left = with;
            }
        }
        found
    }
}

fn product(widths: impl Iterator<Item = u64>) -> u64 {
    widths.fold(1, u64::saturating_mul)
}

fn sum(widths: impl Iterator<Item = u64>) -> u64 {
    widths.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(schema: &Value) -> Vec<String> {
        too_wide(schema).iter().map(Pointer::to_string).collect()
    }

    #[test]
    fn finds_what_multiplies() {
        let condition =
            |i: usize| json!({"if": {"required": [format!("a{i}")]}, "then": {"required": [format!("b{i}")]}});
        let conditions: Vec<Value> = (0..30).map(condition).collect();
        let left_out = found(&json!({"allOf": conditions}));
        assert!((15..=26).contains(&left_out.len()), "{left_out:?}");
        assert!(left_out.iter().all(|place| place.starts_with("/allOf/")), "{left_out:?}");
        let nested = json!({"properties": {"x": {"allOf": [{"type": "object"}, {"allOf": conditions}]}}});
        assert!(found(&nested).iter().all(|place| place.starts_with("/properties/x/allOf/1/allOf/")));
        let dependent: Map<String, Value> = (0..40).map(|i| (format!("k{i}"), json!({"required": ["m"]}))).collect();
        assert_eq!(found(&json!({"type": "object", "dependentSchemas": dependent})), ["/dependentSchemas"]);
        let mut definitions = Map::new();
        for i in 0..30 {
            let next = json!({"$ref": format!("#/$defs/a{}", i + 1)});
            definitions.insert(format!("a{i}"), json!({"not": {"properties": {"l": next, "m": next}}}));
        }
        definitions.insert("a30".to_owned(), json!({"type": "integer"}));
        assert!(!found(&json!({"$defs": definitions, "$ref": "#/$defs/a0"})).is_empty());
    }

    #[test]
    fn leaves_ordinary_schemas_alone() {
        let branches: Vec<Value> = (0..500).map(|i| json!({"properties": {"k": {"const": i}}})).collect();
        for schema in [
            json!({"anyOf": branches, "required": ["k"]}),
            json!({"type": "object", "properties": {"a": {"$ref": "#"}}, "not": {"required": ["b", "c"]}}),
            json!({"allOf": [{"if": {"required": ["a"]}, "then": {"required": ["b"]}}, {"oneOf": [{}, {"type": "null"}]}]}),
        ] {
            assert_eq!(found(&schema), Vec::<String>::new(), "{schema}");
        }
    }
}
