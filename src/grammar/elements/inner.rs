//! Objects and arrays whose parts are elements: the arguments themselves, and what is in them where the format nests.

use std::fmt::Write as _;

use super::forms::Forms;
use super::write::{Emitter, Key};
use crate::grammar::emit::{MAX_COUNTED_ITEMS, counted, keys};
use crate::grammar::shape::{Array, Object, Shape, ShapeId};
use crate::guard::{Content, LevelId};
use crate::schema::pattern::Lang;
use crate::schema::{ErrorKind, Pointer, SchemaError};

/// Nothing, as a rule has it.
const NOTHING: &str = "\"\"";

impl Emitter<'_> {
    /// What may stand in an object or array at this level.
    pub(super) fn container(&mut self, id: ShapeId, level: LevelId) -> Result<String, SchemaError> {
        let shapes = self.shapes;
        match shapes.get(id) {
            Shape::Object(object) => self.object(object, level),
            Shape::Array(array) => self.array(array, level),
            _ => Ok(NOTHING.to_owned()),
        }
    }

    /// The rule of an object or array in an element.
    pub(super) fn inner(&mut self, id: ShapeId, level: LevelId) -> String {
        let next = self.inner.len();
        let n = *self.inner.entry((id, level)).or_insert(next);
        if n == next {
            self.unwritten.push((id, level));
        }
        format!("n{n}")
    }

    /// Writes the rules that others name.
    pub(super) fn write_inner(&mut self) -> Result<(), SchemaError> {
        while let Some((id, level)) = self.unwritten.pop() {
            let n = self.inner[&(id, level)];
            let body = self.container(id, level)?;
            let _ = writeln!(self.out.text, "n{n}: {body}");
        }
        Ok(())
    }

    fn has_text(&self, id: ShapeId) -> bool {
        self.is_productive[id.0 as usize]
    }

    fn object(&mut self, object: &Object, level: LevelId) -> Result<String, SchemaError> {
        let mut pairs = Vec::new();
        for property in object.declared.iter().filter(|property| self.is_productive[property.shape.0 as usize]) {
            let key = Key { text: Some(&property.name), lang: Lang::literal(&property.name) };
            let content = self.keys.content(level, property.name.as_bytes());
            let ways = self.element(&key, content, &self.forms(property.shape))?;
            if ways.is_empty() && property.is_required {
                let close = String::from_utf8_lossy(&self.keys.elements.close).into_owned();
                let why =
                    format!("every value of '{}' would hold '{close}', which ends it in this format", property.name);
                return Err(SchemaError::at(Pointer::default(), ErrorKind::Unsatisfiable(why)));
            }
            pairs.extend(ways);
        }
        for open in object.open.iter().filter(|open| self.is_productive[open.shape.0 as usize]) {
            let key = Key { text: open.name.as_ref(), lang: keys(open) };
            let content = match &open.name {
                Some(name) => self.keys.content(level, name.as_bytes()),
                None => self.keys.levels[level.0 as usize].others,
            };
            pairs.extend(self.element(&key, content, &self.forms(open.shape))?);
        }
        Ok(if pairs.is_empty() { NOTHING.to_owned() } else { format!("({})*", pairs.join("\n  | ")) })
    }

    fn array(&mut self, array: &Array, level: LevelId) -> Result<String, SchemaError> {
        let all = self.keys.levels[level.0 as usize].others;
        if let Some((wanted, n)) = array.contains
            && self.has_text(array.items)
        {
            let (wanted, item) = (self.item(wanted, all)?, self.item(array.items, all)?);
            if let Some(max) = array.max.filter(|max| *max <= MAX_COUNTED_ITEMS) {
                return Ok(self.containing(&item, &wanted, max, n));
            }
            let again = format!(" ({item}* {wanted}){{{},{}}}", n - 1, n - 1);
            return Ok(format!("{item}* {wanted}{} {item}*", if n > 1 { again } else { String::new() }));
        }
        let prefix: Vec<ShapeId> = array.prefix.iter().copied().take_while(|item| self.has_text(*item)).collect();
        let n_prefix = prefix.len() as u64;
        let has_tail = prefix.len() == array.prefix.len() && self.has_text(array.items);
        let max = if has_tail { array.max } else { Some(array.max.map_or(n_prefix, |max| max.min(n_prefix))) };
        let mut rest = String::new();
        if has_tail && max.is_none_or(|max| max > n_prefix) {
            let item = self.item(array.items, all)?;
            let (min, max) = counted(array.min.saturating_sub(n_prefix), max.map(|max| max - n_prefix));
            rest = match max {
                Some(max) => format!("{item}{{{min},{max}}}"),
                None if min == 0 => format!("{item}*"),
                None => format!("{item}{{{min},{min}}} {item}*"),
            };
        }
        let n_used = max.map_or(n_prefix, |max| max.min(n_prefix));
        for index in (0..n_used).rev() {
            let at = usize::try_from(index).unwrap_or(usize::MAX);
            let item = self.item(prefix[at], self.keys.item(level, at))?;
            let (name, or_none) = (self.n_steps, if array.min <= index { " | \"\"" } else { "" });
            // Why by name: groups in groups would nest too deep.
            let _ = writeln!(self.out.text, "p{name}: {item} {rest}{or_none}");
            self.n_steps += 1;
            rest = format!("p{name}");
        }
        Ok(if rest.is_empty() { NOTHING.to_owned() } else { rest })
    }

    /// At most `max` items of which `n` are wanted ones: none is taken that would leave too little room for those.
    fn containing(&mut self, item: &str, wanted: &str, max: u64, n: u64) -> String {
        let name = self.n_steps;
        self.n_steps += 1;
        let _ = writeln!(self.out.text, "i{name}: {item}\nw{name}: {wanted}");
        for left in 1..=max {
            for needed in 1..=n.min(left) {
                let next = |left: u64, needed: u64| match needed {
                    0 => format!("i{name}{{0,{left}}}"),
                    _ => format!("c{name}_{left}_{needed}"),
                };
                let other =
                    if left > needed { format!(" | i{name} {}", next(left - 1, needed)) } else { String::new() };
                let ways = format!("w{name} {}{other}", next(left - 1, needed - 1));
                let _ = writeln!(self.out.text, "{}: {ways}", next(left, needed));
            }
        }
        format!("c{name}_{max}_{n}")
    }

    /// The ways to write an item.
    fn item(&mut self, id: ShapeId, content: Content) -> Result<String, SchemaError> {
        let name = self.keys.elements.item.clone().unwrap_or_default();
        let name = String::from_utf8_lossy(&name).into_owned();
        let key = Key { text: Some(&name), lang: Lang::literal(&name) };
        Ok(format!("({})", self.element(&key, content, &self.forms(id))?.join(" | ")))
    }

    fn forms(&self, id: ShapeId) -> Forms {
        Forms::of(self.shapes, &[id], self.is_productive)
    }
}
