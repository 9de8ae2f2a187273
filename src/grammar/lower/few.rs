//! All values of a shape, where they are few: an array in which no two may be equal has no more items than that.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jsonschema::canonical::{CanonicalSchema, CanonicalView};
use llguidance::derivre::{Regex, RegexAst, RegexBuilder};
use serde_json::Value;

use crate::grammar::emit::keys;
use crate::grammar::shape::{Array, Object, Shape, ShapeId, Shapes};
use crate::grammar::spelling::Spelling;
use crate::grammar::terminal::string;
use crate::guard::{Check, Few, Item, parse, write_plain};
use crate::schema::pattern::Lang;

/// More values than this are not few.
const MAX_FEW: usize = 1024;
/// Longer strings are not looked at.
const MAX_CHARS: usize = 256;
/// Deeper values are not looked at.
const MAX_DEPTH: usize = 32;
/// Steps for all arrays of one schema, and those of one text.
const MAX_STEPS: usize = 400_000;
const MAX_STEPS_OF_A_TEXT: usize = 20_000;
/// What building an automaton may cost.
const MAX_FUEL: u64 = 400_000;
/// Schemas that are compiled to judge values.
const MAX_CHECKS: usize = 32;

/// Lists the values of shapes, within a budget for all of them.
pub(super) struct Census {
    /// Whether judging has to be bounded.
    is_costly: bool,
    known: HashMap<ShapeId, Option<Few>>,
    open: Vec<ShapeId>,
    n_steps: usize,
    n_checks: usize,
}

impl Census {
    /// Makes one for a document.
    pub(super) fn new(is_costly: bool) -> Self {
        Self { is_costly, known: HashMap::new(), open: Vec::new(), n_steps: 0, n_checks: 0 }
    }

    /// All values of the shape, if they are few.
    pub(super) fn few(&mut self, shapes: &Shapes, id: ShapeId) -> Option<Few> {
        if let Some(known) = self.known.get(&id) {
            return known.clone();
        }
        if self.open.contains(&id) || self.open.len() > MAX_DEPTH || self.n_steps > MAX_STEPS {
            return None;
        }
        self.open.push(id);
        let texts = self.texts(shapes, id);
        self.open.pop();
        let texts = texts.and_then(|texts| self.judged(shapes, id, texts));
        let few = texts.map(|texts| distinct(&texts));
        let is_scalar = matches!(shapes.get(id), Shape::String(_) | Shape::Number(_) | Shape::Literals(_));
        if few.is_some() || is_scalar {
            self.known.insert(id, few.clone());
        }
        few
    }

    /// At least one text of each value.
    fn texts(&mut self, shapes: &Shapes, id: ShapeId) -> Option<Vec<String>> {
        self.n_steps += 1;
        match shapes.get(id) {
            Shape::Nothing => Some(Vec::new()),
            Shape::Anything => None,
            // Why none: it is not filled yet.
            Shape::AnyOf(branches) if branches.is_empty() => None,
            Shape::AnyOf(branches) => {
                let origin = shapes.origin(id).map(CanonicalSchema::view);
                let branches = match origin {
                    // Why the first alone: the others are other spellings of the same numbers.
                    Some(CanonicalView::Integer(_) | CanonicalView::Number(_)) => &branches[..1],
                    _ => branches,
                };
                let mut all = Vec::new();
                for branch in branches {
                    match self.few(shapes, *branch) {
                        Some(few) => all.extend(few.iter().map(|item| item.text.clone())),
                        None => return shapes.origin(id).and_then(named),
                    }
                }
                Some(all)
            }
            Shape::Literals(texts) => Some(texts.clone()).filter(|texts| texts.len() <= MAX_FEW),
            Shape::String(text) => self.strings(&text.counted()?),
            Shape::Number(patterns) => {
                let patterns = patterns.iter().map(|pattern| RegexAst::Regex(pattern.clone())).collect();
                self.words(&RegexAst::And(patterns))
            }
            Shape::Array(array) => self.arrays(shapes, array),
            Shape::Object(object) => self.objects(shapes, object),
        }
    }

    /// Those of which the schema approves, where the shape allows more.
    fn judged(&mut self, shapes: &Shapes, id: ShapeId, texts: Vec<String>) -> Option<Vec<String>> {
        if texts.len() > MAX_FEW {
            return None;
        }
        let is_more = match shapes.get(id) {
            Shape::Array(array) => array.contains.is_some(),
            Shape::Object(object) => object.open.iter().filter(|open| open.name.is_none()).count() > 1,
            _ => false,
        };
        if texts.is_empty() || !(is_more || shapes.is_residual(id)) {
            return Some(texts);
        }
        self.n_checks += 1;
        if self.n_checks > MAX_CHECKS {
            return None;
        }
        let check = Check::canonical(shapes.origin(id)?, self.is_costly).ok()?;
        self.n_steps += texts.len() * 10;
        Some(texts.into_iter().filter(|text| check.judge(text).is_ok()).collect())
    }

    fn strings(&mut self, lang: &Lang) -> Option<Vec<String>> {
        if lang.max_chars().is_none_or(|n| n > MAX_CHARS) {
            return None;
        }
        self.words(&string(lang, Spelling::Plain, ""))
    }

    /// All texts that match.
    fn words(&mut self, ast: &RegexAst) -> Option<Vec<String>> {
        let mut builder = RegexBuilder::new();
        let expr = builder.mk(ast).ok()?;
        let mut regex: Regex = builder.into_regex_limited(expr, MAX_FUEL).ok()?;
        let mut classes: HashMap<usize, Vec<u8>> = HashMap::new();
        for byte in 0..=u8::MAX {
            classes.entry(regex.alpha().map(byte)).or_default().push(byte);
        }
        let mut open = vec![(regex.initial_state(), Vec::new())];
        let (mut found, mut n_steps) = (Vec::new(), 0);
        while let Some((state, text)) = open.pop() {
            if regex.is_accepting(state) {
                found.push(String::from_utf8(text.clone()).ok()?);
            }
            for bytes in classes.values() {
                n_steps += 1;
                let next = regex.transition(state, bytes[0]);
                if !next.is_dead() {
                    n_steps += bytes.len();
                    open.extend(bytes.iter().map(|byte| (next, [text.as_slice(), &[*byte]].concat())));
                }
            }
            if found.len() > MAX_FEW || n_steps > MAX_STEPS_OF_A_TEXT || regex.cost() > MAX_FUEL {
                self.n_steps += n_steps;
                return None;
            }
        }
        self.n_steps += n_steps;
        Some(found)
    }

    fn arrays(&mut self, shapes: &Shapes, array: &Array) -> Option<Vec<String>> {
        if array.prefix.len() > MAX_DEPTH {
            return None;
        }
        let prefix: Vec<Few> = array.prefix.iter().map(|item| self.few(shapes, *item)).collect::<Option<_>>()?;
        let max = array.max.map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX));
        let items = if max <= prefix.len() { Few::default() } else { self.few(shapes, array.items)? };
        let n_most = if items.is_empty() { prefix.len() } else { usize::MAX }.min(max);
        let min = usize::try_from(array.min).unwrap_or(usize::MAX);
        let mut found = Vec::new();
        let mut layer: Vec<(String, Vec<&str>)> = vec![(String::new(), Vec::new())];
        for n in 0.. {
            if n >= min {
                found.extend(layer.iter().map(|(text, _)| format!("[{text}]")));
            }
            if n >= n_most || layer.is_empty() {
                break;
            }
            let few = prefix.get(n).unwrap_or(&items);
            self.n_steps += layer.len() * (1 + few.len());
            if layer.len().saturating_mul(few.len()) > 4 * MAX_FEW || found.len() > MAX_FEW || n > MAX_FEW {
                return None;
            }
            let mut next = Vec::new();
            for (text, values) in &layer {
                for item in few.iter().filter(|item| !array.is_unique || !values.contains(&item.plain.as_str())) {
                    let comma = if n == 0 { "" } else { "," };
                    next.push((format!("{text}{comma}{}", item.text), [values.as_slice(), &[&item.plain]].concat()));
                }
            }
            layer = next;
        }
        Some(found)
    }

    fn objects(&mut self, shapes: &Shapes, object: &Object) -> Option<Vec<String>> {
        let mut pairs: Vec<(String, bool, Few)> = Vec::new();
        for property in &object.declared {
            let few = self.few(shapes, property.shape);
            let is_never = few.as_ref().is_some_and(|few| few.is_empty()) && !property.is_required;
            if !is_never {
                pairs.push((Value::from(property.name.as_str()).to_string(), property.is_required, few?));
            }
        }
        for open in &object.open {
            let few = self.few(shapes, open.shape);
            if few.as_ref().is_some_and(|few| few.is_empty()) {
                continue;
            }
            let names = self.strings(&keys(open))?;
            let few = few.filter(|_| pairs.len() + names.len() <= MAX_DEPTH)?;
            pairs.extend(names.into_iter().map(|name| (name, false, Few::clone(&few))));
        }
        let mut all: Vec<(String, u64)> = vec![(String::new(), 0)];
        for (name, is_required, few) in &pairs {
            let n = few.len() + usize::from(!is_required);
            self.n_steps += all.len() * (1 + n);
            if all.len().saturating_mul(n) > 4 * MAX_FEW {
                return None;
            }
            let mut next = if *is_required { Vec::new() } else { all.clone() };
            for (text, count) in &all {
                let comma = if *count == 0 { "" } else { "," };
                next.extend(few.iter().map(|item| (format!("{text}{comma}{name}:{}", item.text), count + 1)));
            }
            all = next;
        }
        let fits = |count: u64| count >= object.min && object.max.is_none_or(|max| count <= max);
        Some(all.into_iter().filter(|(_, count)| fits(*count)).map(|(text, _)| format!("{{{text}}}")).collect())
    }
}

/// The values of a schema that names them all.
fn named(schema: &CanonicalSchema) -> Option<Vec<String>> {
    match schema.view() {
        CanonicalView::Const(value) => Some(vec![value.to_string()]),
        CanonicalView::Enum(values) => Some(values.iter().map(ToString::to_string).collect()),
        _ => None,
    }
}

/// Each value once, the shortest first.
fn distinct(texts: &[String]) -> Few {
    let mut seen = HashSet::new();
    let item = |text: &String| {
        let mut plain = String::new();
        write_plain(&parse(text).ok()?, &mut plain);
        seen.insert(plain.clone()).then(|| Item { text: text.clone(), plain })
    };
    let mut items: Vec<Item> = texts.iter().filter_map(item).collect();
    items.sort_by(|a, b| a.text.len().cmp(&b.text.len()).then_with(|| a.text.cmp(&b.text)));
    Arc::new(items)
}
