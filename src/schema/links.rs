//! How far references lead: whoever follows a schema follows them too, one call inside the other.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::visits::is_costly;
use super::walk::try_visit;
use super::{ErrorKind, Pointer, SchemaError, Targets};

/// Subschemas of one document.
const MAX_SCHEMAS: usize = 100_000;
/// Different references.
const MAX_REFERENCES: usize = 5000;
/// Schemas that speak of the same value, each inside the one before or referred to by it.
const MAX_IN_PLACE: usize = 200;

/// Refuses documents whose references lead too far. Gives whether judging values could take without end.
///
/// # Errors
/// With the place at which there are too many.
pub(super) fn check_links(root: &Value) -> Result<bool, SchemaError> {
    let (mut n_schemas, mut references) = (0, HashSet::new());
    let mut has_links = false;
    try_visit(root, &mut |at, schema| {
        n_schemas += 1;
        let refuse = |why: String| Err(SchemaError::at(at.clone(), ErrorKind::TooComplex(why)));
        if n_schemas > MAX_SCHEMAS {
            return refuse(format!("it has more than {MAX_SCHEMAS} subschemas"));
        }
        for keyword in ["$ref", "$dynamicRef"] {
            references.extend(schema.get(keyword).and_then(Value::as_str));
        }
        has_links |= super::targets::IN_PLACE.iter().any(|keyword| schema.get(keyword).is_some());
        if references.len() > MAX_REFERENCES {
            return refuse(format!("it has more than {MAX_REFERENCES} different references"));
        }
        Ok(())
    })?;
    if references.is_empty() && !has_links {
        return Ok(false);
    }
    let targets = Targets::new(root);
    let mut heights = Heights { targets: &targets, known: HashMap::new() };
    try_visit(root, &mut |at: &Pointer, schema| {
        if heights.of(schema) <= MAX_IN_PLACE {
            return Ok(());
        }
        let why = format!("more than {MAX_IN_PLACE} schemas apply to one value here, each through the one before");
        Err(SchemaError::at(at.clone(), ErrorKind::TooComplex(why)))
    })?;
    is_costly(root, &targets)
}

/// Through how many schemas one leads to the last that speaks of the same value. Circles count once.
struct Heights<'a> {
    targets: &'a Targets<'a>,
    known: HashMap<*const Value, usize>,
}

impl<'a> Heights<'a> {
    fn of(&mut self, schema: &'a Value) -> usize {
        // A stack of our own: what is looked at here may be too deep for that of the thread.
        let mut open = vec![(schema, self.targets.in_place(schema), 0)];
        if let Some(known) = self.known.get(&std::ptr::from_ref(schema)) {
            return *known;
        }
        self.known.insert(std::ptr::from_ref(schema), 0);
        loop {
            let Some((schema, next, highest)) = open.last_mut() else { unreachable!("it is left from inside") };
            if let Some(inner) = next.pop() {
                match self.known.get(&std::ptr::from_ref(inner)) {
                    Some(height) => *highest = (*highest).max(*height),
                    None => {
                        self.known.insert(std::ptr::from_ref(inner), 0);
                        let next = self.targets.in_place(inner);
                        open.push((inner, next, 0));
                    }
                }
                continue;
            }
            let height = *highest + 1;
            self.known.insert(std::ptr::from_ref(*schema), height);
            open.pop();
            match open.last_mut() {
                Some((_, _, highest)) => *highest = (*highest).max(height),
                None => return height,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, json};

    fn chain(n: usize, link: impl Fn(Value) -> Value) -> Value {
        let mut definitions: Map<String, Value> =
            (0..n).map(|i| (format!("d{i}"), link(json!({"$ref": format!("#/$defs/d{}", i + 1)})))).collect();
        definitions.insert(format!("d{n}"), json!({"type": "integer"}));
        json!({"$defs": definitions, "$ref": "#/$defs/d0"})
    }

    #[test]
    fn long_ways_to_one_value_are_refused() {
        let all = |inner: Value| json!({"allOf": [inner]});
        for (schema, is_accepted) in [
            (chain(150, |inner| inner), true),
            (chain(250, |inner| inner), false),
            (chain(80, all), true),
            (chain(150, all), false),
            (chain(3000, |inner| json!({"type": "object", "properties": {"n": inner}})), true),
            (chain(5001, |inner| json!({"type": "object", "properties": {"n": inner}})), false),
            (json!({"allOf": [{"$ref": "#"}]}), true),
        ] {
            let checked = check_links(&schema);
            assert_eq!(checked.is_ok(), is_accepted, "{checked:?}");
        }
    }
}
