//! Shapes to Lark text, which joins the grammars of tool formats.
//!
//! Lark, because llguidance lets nothing else be joined with a grammar from outside.

use std::fmt::Write as _;

use super::shape::{Array, Object, OpenKeys, Shape, ShapeId, Shapes};
use super::terminal::{Spelling, Terminals, quote};
use crate::schema::pattern::Lang;

/// Whitespace between JSON tokens: what pretty printers write, capped, so that no model can loop on it.
const WHITESPACE: &str = r"[\x20]{1,2}|(?:\r?\n){1,2}[\x20\x09]{0,40}|\x09{1,2}";
/// Numbers of items up to here are counted by the grammar, larger ones by the guard.
pub(super) const MAX_COUNTED_ITEMS: u64 = 200;

/// Longer sequences get a rule of their own, so that none is copied over and over.
const MAX_INLINE: usize = 4000;

/// Writes the grammar of `shapes`; `None` if there is no text at all.
pub(super) fn emit(shapes: &Shapes) -> Option<String> {
    let is_productive = productive(shapes);
    if !is_productive[shapes.root.0 as usize] {
        return None;
    }
    let mut emitter = Emitter {
        shapes,
        is_productive,
        is_written: vec![false; shapes.len()],
        terminals: Terminals::default(),
        rules: String::new(),
        n_rules: 0,
        has_any: false,
    };
    let start = emitter.value(shapes.root);
    if emitter.has_any {
        emitter.any();
    }
    let mut lark = String::with_capacity(emitter.rules.len() + emitter.terminals.lines().len() + 200);
    let _ = writeln!(lark, "%llguidance {{\"ignore_once\": true}}\n%ignore /{WHITESPACE}/\nstart: {start}");
    lark.push_str(&emitter.rules);
    lark.push_str(emitter.terminals.lines());
    Some(lark)
}

/// Which shapes have a text.
fn productive(shapes: &Shapes) -> Vec<bool> {
    let mut known = vec![false; shapes.len()];
    loop {
        let mut has_changed = false;
        for id in shapes.ids() {
            let at = |id: ShapeId| known[id.0 as usize];
            let is_productive = match shapes.get(id) {
                Shape::Nothing => false,
                Shape::Anything | Shape::Literals(_) | Shape::String(_) => true,
                Shape::Number(patterns) => !patterns.is_empty(),
                Shape::AnyOf(branches) => branches.iter().any(|branch| at(*branch)),
                Shape::Array(array) => {
                    let n_prefix = array.prefix.iter().take_while(|item| at(**item)).count() as u64;
                    let has_tail = n_prefix == array.prefix.len() as u64 && at(array.items);
                    (array.min <= n_prefix || has_tail) && array.contains.is_none_or(|(item, _)| at(item))
                }
                Shape::Object(object) => {
                    let n_optional = object.declared.iter().filter(|property| at(property.shape)).count() as u64;
                    object.declared.iter().all(|property| !property.is_required || at(property.shape))
                        && (object.min <= n_optional || object.open.iter().any(|open| at(open.shape)))
                }
            };
            if is_productive && !known[id.0 as usize] {
                known[id.0 as usize] = true;
                has_changed = true;
            }
        }
        if !has_changed {
            return known;
        }
    }
}

struct Emitter<'a> {
    shapes: &'a Shapes,
    is_productive: Vec<bool>,
    is_written: Vec<bool>,
    terminals: Terminals,
    rules: String,
    n_rules: usize,
    has_any: bool,
}

impl Emitter<'_> {
    fn has_text(&self, id: ShapeId) -> bool {
        self.is_productive[id.0 as usize]
    }

    /// The Lark expression of a shape: a terminal, or the name of a rule.
    fn value(&mut self, id: ShapeId) -> String {
        match self.shapes.get(id) {
            Shape::Nothing => unreachable!("only shapes with a text are written"),
            Shape::Anything => {
                self.has_any = true;
                "any".to_owned()
            }
            Shape::Literals(texts) => self.terminals.literals(texts),
            Shape::String(lang) => self.terminals.string(lang, spelling(lang), ""),
            Shape::Number(patterns) => self.terminals.number(patterns),
            Shape::Array(_) | Shape::Object(_) | Shape::AnyOf(_) => {
                let name = format!("s{}", id.0);
                if !std::mem::replace(&mut self.is_written[id.0 as usize], true) {
                    let body = self.body(id);
                    let _ = writeln!(self.rules, "{name}: {body}");
                }
                name
            }
        }
    }

    fn body(&mut self, id: ShapeId) -> String {
        match self.shapes.get(id) {
            Shape::Array(array) => self.array(array),
            Shape::Object(object) => self.object(object),
            Shape::AnyOf(branches) => {
                let branches: Vec<ShapeId> = branches.iter().copied().filter(|id| self.has_text(*id)).collect();
                let branches: Vec<String> = branches.into_iter().map(|branch| self.value(branch)).collect();
                branches.join(" | ")
            }
            Shape::Nothing | Shape::Anything | Shape::Literals(_) | Shape::String(_) | Shape::Number(_) => {
                self.value(id)
            }
        }
    }

    /// Names a rule.
    fn rule(&mut self, body: &str) -> String {
        let name = self.fresh();
        let _ = writeln!(self.rules, "{name}: {body}");
        name
    }

    fn fresh(&mut self) -> String {
        self.n_rules += 1;
        format!("r{}", self.n_rules)
    }

    /// Any JSON value.
    fn any(&mut self) {
        let string = self.terminals.string(&Lang::all(), Spelling::Full, "");
        let key = self.terminals.string(&Lang::all(), Spelling::Plain, ":");
        let number = super::lower::any_number();
        let number = self.terminals.number(&[number]);
        let word = self.terminals.literals(&["true".to_owned(), "false".to_owned(), "null".to_owned()]);
        let _ = writeln!(self.rules, "any: {word} | {number} | {string} | any_array | any_object");
        let _ = writeln!(self.rules, "any_array: \"[\" \"]\" | \"[\" any (\",\" any)* \"]\"");
        let _ = writeln!(self.rules, "any_object: \"{{\" \"}}\" | \"{{\" {key} any (\",\" {key} any)* \"}}\"");
    }

    fn array(&mut self, array: &Array) -> String {
        if let Some((wanted, n)) = array.contains
            && self.has_text(array.items)
        {
            let (wanted, item) = (self.value(wanted), self.value(array.items));
            let more =
                if n > 1 { format!(" (\",\" ({item} \",\")* {wanted}){{{m},{m}}}", m = n - 1) } else { String::new() };
            return format!("\"[\" ({item} \",\")* {wanted}{more} (\",\" {item})* \"]\"");
        }
        let prefix: Vec<ShapeId> = array.prefix.iter().copied().take_while(|item| self.has_text(*item)).collect();
        let has_tail = prefix.len() == array.prefix.len() && self.has_text(array.items);
        let n_prefix = prefix.len() as u64;
        let max = if has_tail { array.max } else { Some(array.max.map_or(n_prefix, |max| max.min(n_prefix))) };
        if max == Some(0) {
            return "\"[\" \"]\"".to_owned();
        }
        if prefix.is_empty() {
            let item = self.value(array.items);
            let more = repeat(&format!("(\",\" {item})"), array.min.saturating_sub(1), max.map(|max| max - 1));
            let full = format!("\"[\" {item} {more} \"]\"");
            return if array.min == 0 { format!("\"[\" \"]\" | {full}") } else { full };
        }
        let mut after = String::new();
        if has_tail && max.is_none_or(|max| max > n_prefix) {
            let item = self.value(array.items);
            let (min, max) = (array.min.saturating_sub(n_prefix), max.map(|max| max - n_prefix));
            after = repeat(&format!("(\",\" {item})"), min, max);
        }
        let n_used = max.map_or(n_prefix, |max| max.min(n_prefix));
        for index in (1..n_used).rev() {
            let item = self.value(prefix[usize::try_from(index).expect("an index")]);
            let here = format!("\",\" {item} {after}");
            after = if array.min > index { here } else { self.rule(&format!("{here} | \"\"")) };
        }
        let first = self.value(prefix[0]);
        let full = format!("\"[\" {first} {after} \"]\"");
        if array.min == 0 { format!("\"[\" \"]\" | {full}") } else { full }
    }

    fn object(&mut self, object: &Object) -> String {
        let declared: Vec<(String, String, bool)> = object
            .declared
            .iter()
            .filter(|property| self.is_productive[property.shape.0 as usize])
            .map(|property| (property.name.clone(), property.shape, property.is_required))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|(name, shape, is_required)| {
                let key = quote(&format!("{}:", serde_json::Value::from(name)));
                (key, self.value(shape), is_required)
            })
            .collect();
        let open: Vec<String> = object
            .open
            .iter()
            .filter(|open| self.is_productive[open.shape.0 as usize])
            .map(|open| (self.terminals.string(&keys(open), Spelling::Plain, ":"), open.shape))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|(key, shape)| format!("{key} {}", self.value(shape)))
            .collect();
        let open = match open.as_slice() {
            [] => None,
            [only] => Some(only.clone()),
            many => Some(self.rule(&many.join(" | "))),
        };
        if object.any_order && !declared.is_empty() {
            let pairs = declared.iter().map(|(key, value, _)| format!("{key} {value}")).chain(open);
            let pair = self.rule(&pairs.collect::<Vec<_>>().join(" | "));
            let full = format!("\"{{\" {pair} (\",\" {pair})* \"}}\"");
            let may_be_empty = declared.iter().all(|(_, _, is_required)| !is_required);
            return if may_be_empty { format!("\"{{\" \"}}\" | {full}") } else { full };
        }
        let n_required = declared.iter().filter(|(_, _, is_required)| *is_required).count() as u64;
        let needs_min = object.min > n_required;
        let needs_max = object.max.is_some_and(|max| open.is_some() || max < declared.len() as u64);
        if needs_min || needs_max {
            return self.counted(object, &declared, open.as_deref());
        }
        // `first`: the rest of the object when no key is written yet; `next`: when one is.
        let mut next = open.as_ref().map_or(String::new(), |open| format!("(\",\" {open})*"));
        let mut first = open.as_ref().map_or(String::new(), |open| format!("({open} (\",\" {open})*)?"));
        for (i, (key, value, is_required)) in declared.iter().enumerate().rev() {
            let may_be_first = declared[..i].iter().all(|(_, _, is_required)| !is_required);
            if may_be_first {
                let here = format!("{key} {value} {next}");
                first = match (*is_required, first.is_empty()) {
                    (true, _) => here,
                    (false, true) => self.rule(&format!("{here} | \"\"")),
                    (false, false) => self.rule(&format!("{here} | {first}")),
                };
            }
            if next.len() > MAX_INLINE {
                next = self.rule(&next);
            }
            let here = format!("\",\" {key} {value} {next}");
            next = match (*is_required, next.is_empty()) {
                (true, _) => here,
                (false, true) => self.rule(&format!("{here} | \"\"")),
                (false, false) => self.rule(&format!("{here} | {next}")),
            };
        }
        format!("\"{{\" {first} \"}}\"")
    }

    /// An object with a number of keys to keep: a parameter counts those that are written.
    fn counted(&mut self, object: &Object, declared: &[(String, String, bool)], open: Option<&str>) -> String {
        let n = declared.len();
        let max = object.max.unwrap_or(u64::MAX);
        let names: Vec<String> = (0..=n).map(|_| self.fresh()).collect();
        for (i, (key, value, is_required)) in declared.iter().enumerate() {
            let name = &names[i];
            let n_later = (n - i - 1) as u64;
            let n_required_later = declared[i + 1..].iter().filter(|(_, _, is_required)| *is_required).count() as u64;
            let next = &names[i + 1];
            // Why: a key is only left out, or taken, if the rest can still reach the demanded number.
            let take = max.saturating_sub(n_required_later + 1);
            let with_key = |first: bool| {
                let comma = if first { "" } else { "\",\" " };
                let count = if first { "eq(_, 0)" } else { "ne(_, 0)" };
                let condition = if max == u64::MAX { count.to_owned() } else { format!("and({count}, le(_, {take}))") };
                format!("{comma}{key} {value} {next}::incr(_) %if {condition}")
            };
            let mut alternatives = vec![with_key(true), with_key(false)];
            if !is_required {
                let reach = object.min.saturating_sub(n_later);
                let condition =
                    if open.is_some() || reach == 0 { String::new() } else { format!(" %if ge(_, {reach})") };
                alternatives.push(format!("{next}::_{condition}"));
            }
            let _ = writeln!(self.rules, "{name}::_: {}", alternatives.join("\n  | "));
        }
        let last = &names[n];
        let mut alternatives = vec![format!("\"\" %if ge(_, {})", object.min)];
        if let Some(open) = open {
            let cap = if max == u64::MAX { String::new() } else { format!(", lt(_, {max})") };
            let with = |count: &str| if cap.is_empty() { count.to_owned() } else { format!("and({count}{cap})") };
            alternatives.push(format!(
                "{open_group} {last}::incr(_) %if {}",
                with("eq(_, 0)"),
                open_group = paren(open)
            ));
            alternatives.push(format!(
                "\",\" {open_group} {last}::incr(_) %if {}",
                with("ne(_, 0)"),
                open_group = paren(open)
            ));
        }
        let _ = writeln!(self.rules, "{last}::_: {}", alternatives.join("\n  | "));
        format!("\"{{\" {}::0 \"}}\"", names[0])
    }
}

fn paren(expression: &str) -> String {
    if expression.contains(' ') { format!("({expression})") } else { expression.to_owned() }
}

/// Repeats a group; counts beyond [`MAX_COUNTED_ITEMS`] are left to the guard.
fn repeat(group: &str, min: u64, max: Option<u64>) -> String {
    let max = max.filter(|max| *max <= MAX_COUNTED_ITEMS);
    let min = if min <= MAX_COUNTED_ITEMS { min } else { 0 };
    match (min, max) {
        (_, Some(0)) => String::new(),
        (0, None) => format!("{group}*"),
        (0, Some(1)) => format!("{group}?"),
        (min, None) => format!("{group}{{{min},}}"),
        (min, Some(max)) => format!("{group}{{{min},{max}}}"),
    }
}

/// The keys of `open` without those that are declared.
pub(super) fn keys(open: &OpenKeys) -> Lang {
    if open.except.is_empty() {
        return open.keys.clone();
    }
    let declared = Lang::or(open.except.iter().map(|name| Lang::literal(name)).collect());
    Lang::and(vec![open.keys.clone(), Lang::complement(declared)])
}

/// Strings that the schema leaves open may be spelled in full; where it says what is in them, plainly.
pub(super) fn spelling(lang: &Lang) -> Spelling {
    match lang {
        Lang::Repeat(inner, _, _) if **inner == Lang::any_char() => Spelling::Full,
        _ => Spelling::Plain,
    }
}
