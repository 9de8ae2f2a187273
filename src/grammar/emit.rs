//! Shapes to rules.

use super::lower::any_number;
use super::rules::{Count, RuleId, Rules, Symbol};
use super::shape::{Array, Object, OpenKeys, Shape, ShapeId, Shapes};
use super::terminal::Terminal;
use crate::guard::{Kind, Notation};
use crate::schema::pattern::Lang;

/// Numbers of items up to here are counted by the grammar, larger ones by the guard.
pub(super) const MAX_COUNTED_ITEMS: u64 = 200;

/// The rules of `shapes`; `None` if there is no text at all.
pub(super) fn emit(shapes: &Shapes) -> Option<Rules> {
    let is_productive = productive(shapes);
    if !is_productive[shapes.root.0 as usize] {
        return None;
    }
    let mut emitter = Emitter::new(shapes, &is_productive, None);
    emitter.rules.start = vec![emitter.value(shapes.root)];
    Some(emitter.rules)
}

/// The rules of `shapes`, whose outermost objects are these, in a notation.
pub(super) fn emit_in(notation: &Notation, shapes: &Shapes, objects: &[ShapeId]) -> Option<Rules> {
    let is_productive = productive(shapes);
    let mut emitter = Emitter::new(shapes, &is_productive, Some(notation));
    let mut alternatives = Vec::new();
    for id in objects.iter().filter(|id| is_productive[id.0 as usize]) {
        let Shape::Object(object) = shapes.get(*id) else { continue };
        let (declared, others) = emitter.pairs(object, true);
        let pairs: Vec<Vec<Symbol>> = declared.iter().map(|pair| vec![pair.key, pair.value]).chain(others).collect();
        if declared.iter().all(|pair| !pair.is_required) {
            alternatives.push(Vec::new());
        }
        if !pairs.is_empty() {
            let pair = emitter.rules.choice(pairs);
            let comma = emitter.text(",");
            let more = emitter.rules.star(&[comma, pair]);
            alternatives.push(vec![pair, more]);
        }
    }
    if alternatives.is_empty() {
        return None;
    }
    emitter.rules.start = vec![emitter.rules.choice(alternatives)];
    Some(emitter.rules)
}

/// The rules of the arrays and objects among `ids`, and of all there are of the kinds `any`.
pub(super) fn emit_containers(shapes: &Shapes, ids: &[ShapeId], any: &[Kind]) -> Rules {
    let is_productive = productive(shapes);
    let mut emitter = Emitter::new(shapes, &is_productive, None);
    let mut alternatives: Vec<Vec<Symbol>> = ids.iter().map(|id| vec![emitter.value(*id)]).collect();
    if !any.is_empty() {
        let rule = emitter.rules.reserve(false);
        emitter.any_container(rule, any);
        alternatives.push(vec![Symbol::Rule(rule)]);
    }
    emitter.rules.start = vec![emitter.rules.choice(alternatives)];
    emitter.rules
}

/// Which shapes have a text.
pub(super) fn productive(shapes: &Shapes) -> Vec<bool> {
    let mut known = vec![false; shapes.len()];
    loop {
        let mut has_changed = false;
        // Why: parts mostly come after what they are part of.
        for id in shapes.ids().rev() {
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

pub(super) struct Emitter<'a> {
    pub(super) shapes: &'a Shapes,
    is_productive: &'a [bool],
    /// The rule of each shape that has one already.
    written: Vec<Option<RuleId>>,
    any: Option<RuleId>,
    pub(super) rules: Rules,
    /// What is written in place of JSON.
    pub(super) notation: Option<&'a Notation>,
}

/// A declared key that has values.
struct Pair {
    key: Symbol,
    value: Symbol,
    is_required: bool,
}

impl<'a> Emitter<'a> {
    fn new(shapes: &'a Shapes, is_productive: &'a [bool], notation: Option<&'a Notation>) -> Self {
        let written = vec![None; shapes.len()];
        Self { shapes, is_productive, written, any: None, rules: Rules::default(), notation }
    }

    fn has_text(&self, id: ShapeId) -> bool {
        self.is_productive[id.0 as usize]
    }

    pub(super) fn text(&mut self, text: &str) -> Symbol {
        self.rules.text(text)
    }

    fn value(&mut self, id: ShapeId) -> Symbol {
        match self.shapes.get(id) {
            Shape::Nothing => unreachable!("only shapes with a text are written"),
            Shape::Anything => self.any(),
            Shape::Literals(texts) => self.literals(texts),
            Shape::String(text) => self.string(&text.lang),
            Shape::Number(patterns) => self.rules.terminal(Terminal::Number(patterns.clone())),
            Shape::Array(_) | Shape::Object(_) | Shape::AnyOf(_) => {
                if let Some(rule) = self.written[id.0 as usize] {
                    return Symbol::Rule(rule);
                }
                let rule = self.rules.reserve(false);
                self.written[id.0 as usize] = Some(rule);
                match self.shapes.get(id) {
                    Shape::Array(array) => self.array(rule, array),
                    Shape::Object(object) => self.object(rule, object),
                    Shape::AnyOf(branches) => {
                        let is_productive = self.is_productive;
                        for branch in branches.iter().filter(|branch| is_productive[branch.0 as usize]) {
                            let symbol = self.value(*branch);
                            self.rules.add(rule, vec![symbol]);
                        }
                    }
                    _ => unreachable!("matched above"),
                }
                Symbol::Rule(rule)
            }
        }
    }

    /// Any JSON value.
    fn any(&mut self) -> Symbol {
        if let Some(rule) = self.any {
            return Symbol::Rule(rule);
        }
        let rule = self.rules.reserve(false);
        self.any = Some(rule);
        let any = Symbol::Rule(rule);
        let words = self.literals(&["true", "false", "null"].map(str::to_owned));
        let number = self.rules.terminal(Terminal::Number(vec![any_number()]));
        let text = self.string(&Lang::all());
        for scalar in [words, number, text] {
            self.rules.add(rule, vec![scalar]);
        }
        self.any_container(rule, &[Kind::Array, Kind::Object]);
        any
    }

    /// Adds all arrays, or objects, or both to what `rule` may be.
    fn any_container(&mut self, rule: RuleId, kinds: &[Kind]) {
        let any = self.any();
        let key = self.open_key(&Lang::all(), false);
        let comma = self.text(",");
        let all = [(Kind::Array, "[", vec![any], "]"), (Kind::Object, "{", vec![key, any], "}")];
        for (_, open, item, close) in all.into_iter().filter(|(kind, ..)| kinds.contains(kind)) {
            let (open, close) = (self.text(open), self.text(close));
            let more = self.rules.star(&[&[comma], item.as_slice()].concat());
            self.rules.add(rule, vec![open, close]);
            self.rules.add(rule, [&[open], item.as_slice(), &[more, close]].concat());
        }
    }

    fn array(&mut self, rule: RuleId, array: &Array) {
        let (open, close, comma) = (self.text("["), self.text("]"), self.text(","));
        if let Some((wanted, n)) = array.contains
            && self.has_text(array.items)
        {
            let (wanted, item) = (self.value(wanted), self.value(array.items));
            if let Some(max) = array.max.filter(|max| *max <= MAX_COUNTED_ITEMS) {
                let first = self.containing(item, wanted, max, n);
                self.rules.add(rule, vec![open, first, close]);
                return;
            }
            let before = self.rules.star(&[item, comma]);
            let after = self.rules.star(&[comma, item]);
            let mut symbols = vec![open, before, wanted];
            symbols.extend(self.rules.repeat(&[comma, before, wanted], n - 1, Some(n - 1)));
            symbols.extend([after, close]);
            self.rules.add(rule, symbols);
            return;
        }
        let prefix: Vec<ShapeId> = array.prefix.iter().copied().take_while(|item| self.has_text(*item)).collect();
        let n_prefix = prefix.len() as u64;
        let has_tail = prefix.len() == array.prefix.len() && self.has_text(array.items);
        let max = if has_tail { array.max } else { Some(array.max.map_or(n_prefix, |max| max.min(n_prefix))) };
        if array.min == 0 {
            self.rules.add(rule, vec![open, close]);
        }
        if max == Some(0) {
            return;
        }
        // What may follow the prefix, then from the last item of the prefix to the first.
        let n_used = max.map_or(n_prefix, |max| max.min(n_prefix));
        let mut rest = Vec::new();
        if has_tail && max.is_none_or(|max| max > n_prefix) {
            let item = self.value(array.items);
            // Without a prefix, the first item has no comma before it.
            let n_before = n_prefix.max(1);
            let (min, max) = counted(array.min.saturating_sub(n_before), max.map(|max| max - n_before));
            rest = self.rules.repeat(&[comma, item], min, max);
            if n_prefix == 0 {
                rest.insert(0, item);
            }
        }
        for index in (0..n_used).rev() {
            let item = self.value(prefix[usize::try_from(index).expect("an index")]);
            if index == 0 {
                rest.insert(0, item);
                break;
            }
            rest.splice(0..0, [comma, item]);
            if array.min <= index {
                rest = vec![self.rules.choice(vec![rest, Vec::new()])];
            }
        }
        self.rules.add(rule, [&[open], rest.as_slice(), &[close]].concat());
    }

    /// At most `max` items of which `n` are wanted ones: none is taken that would leave too little room for those.
    fn containing(&mut self, item: Symbol, wanted: Symbol, max: u64, n: u64) -> Symbol {
        let comma = self.text(",");
        let none = self.rules.choice(vec![Vec::new()]);
        // What may follow, for each number of wanted ones that are still to come.
        let mut rest: Vec<Option<Symbol>> = vec![Some(none)];
        for left in 1..=max {
            let is_last = left == max;
            let comma = if is_last { Vec::new() } else { vec![comma] };
            let following = |rest: &[Option<Symbol>], n: u64| rest.get(usize::try_from(n).ok()?).copied().flatten();
            let next = (0..=n.min(left))
                .map(|needed| {
                    let mut ways = if needed == 0 { vec![Vec::new()] } else { Vec::new() };
                    if let Some(next) = following(&rest, needed) {
                        ways.push([comma.as_slice(), &[item, next]].concat());
                    }
                    if let Some(next) = needed.checked_sub(1).and_then(|needed| following(&rest, needed)) {
                        ways.push([comma.as_slice(), &[wanted, next]].concat());
                    }
                    (!ways.is_empty()).then(|| self.rules.choice(ways))
                })
                .collect();
            rest = next;
        }
        rest.into_iter().nth(usize::try_from(n).unwrap_or(usize::MAX)).flatten().unwrap_or(none)
    }

    fn object(&mut self, rule: RuleId, object: &Object) {
        let (open, close, comma) = (self.text("{"), self.text("}"), self.text(","));
        let (declared, others) = self.pairs(object, false);
        if object.any_order && !declared.is_empty() {
            let pairs = declared.iter().map(|pair| vec![pair.key, pair.value]).chain(others).collect();
            let pair = self.rules.choice(pairs);
            let more = self.rules.star(&[comma, pair]);
            if declared.iter().all(|pair| !pair.is_required) {
                self.rules.add(rule, vec![open, close]);
            }
            self.rules.add(rule, vec![open, pair, more, close]);
            return;
        }
        let other = (!others.is_empty()).then(|| self.rules.choice(others));
        let n_required = declared.iter().filter(|pair| pair.is_required).count() as u64;
        let needs_min = object.min > n_required;
        let needs_max = object.max.is_some_and(|max| other.is_some() || max < declared.len() as u64);
        if needs_min || needs_max {
            let first = self.counting(object, &declared, other);
            self.rules.add(rule, vec![open, first, close]);
            return;
        }
        // `first`: the rest of the object when no key is written yet; `next`: when one is.
        let (mut first, mut next) = (Vec::new(), Vec::new());
        if let Some(other) = other {
            next.push(self.rules.star(&[comma, other]));
            first.push(self.rules.choice(vec![Vec::new(), vec![other, next[0]]]));
        }
        // The keys before this one may all be left out.
        let n_leading = declared.iter().take_while(|pair| !pair.is_required).count();
        for (i, pair) in declared.iter().enumerate().rev() {
            if next.len() > 1 && (i <= n_leading || !pair.is_required) {
                // Why: what is used twice is written once.
                next = vec![self.rules.sequence(next)];
            }
            if i <= n_leading {
                let here = [&[pair.key, pair.value], next.as_slice()].concat();
                first = if pair.is_required { here } else { vec![self.rules.choice(vec![here, first])] };
            }
            let here = [&[comma, pair.key, pair.value], next.as_slice()].concat();
            next = if pair.is_required { here } else { vec![self.rules.choice(vec![here, next])] };
        }
        self.rules.add(rule, [&[open], first.as_slice(), &[close]].concat());
    }

    /// The declared pairs of an object that have values, and the others.
    fn pairs(&mut self, object: &Object, is_outermost: bool) -> (Vec<Pair>, Vec<Vec<Symbol>>) {
        let is_productive = self.is_productive;
        let mut declared = Vec::with_capacity(object.declared.len());
        for property in object.declared.iter().filter(|property| is_productive[property.shape.0 as usize]) {
            let key = self.key(&property.name, is_outermost);
            let value = self.value(property.shape);
            declared.push(Pair { key, value, is_required: property.is_required });
        }
        let mut others = Vec::with_capacity(object.open.len());
        for other in object.open.iter().filter(|other| is_productive[other.shape.0 as usize]) {
            let key = self.open_key(&keys(other), is_outermost);
            let value = self.value(other.shape);
            others.push(vec![key, value]);
        }
        (declared, others)
    }

    /// The inside of an object with a number of keys to keep: the rules count those that are written.
    fn counting(&mut self, object: &Object, declared: &[Pair], other: Option<Symbol>) -> Symbol {
        let comma = self.text(",");
        let max = object.max.unwrap_or(u64::MAX);
        let rules: Vec<RuleId> = (0..=declared.len()).map(|_| self.rules.reserve(true)).collect();
        let take = |rules: &mut Rules, rule: RuleId, pair: &[Symbol], next: RuleId, max: u64| {
            let next = Symbol::Counting(next, Count::Next);
            rules.add_counted(rule, [pair, &[next]].concat(), (0, 0));
            if max > 0 {
                rules.add_counted(rule, [&[comma], pair, &[next]].concat(), (1, max));
            }
        };
        let mut n_required = declared.iter().filter(|pair| pair.is_required).count() as u64;
        for (i, pair) in declared.iter().enumerate() {
            n_required -= u64::from(pair.is_required);
            // Why: a key is only left out, or taken, if the rest can still reach the demanded number.
            if max > n_required {
                let most = if max == u64::MAX { max } else { max - n_required - 1 };
                take(&mut self.rules, rules[i], &[pair.key, pair.value], rules[i + 1], most);
            }
            if !pair.is_required {
                let n_later = (declared.len() - i - 1) as u64;
                let least = if other.is_some() { 0 } else { object.min.saturating_sub(n_later) };
                let next = Symbol::Counting(rules[i + 1], Count::Same);
                self.rules.add_counted(rules[i], vec![next], (least, u64::MAX));
            }
        }
        let last = rules[declared.len()];
        self.rules.add_counted(last, Vec::new(), (object.min, u64::MAX));
        if let Some(other) = other
            && max > 0
        {
            take(&mut self.rules, last, &[other], last, if max == u64::MAX { max } else { max - 1 });
        }
        Symbol::Counting(rules[0], Count::Zero)
    }
}

/// Counts beyond [`MAX_COUNTED_ITEMS`] are left to the guard.
pub(super) fn counted(min: u64, max: Option<u64>) -> (u64, Option<u64>) {
    (if min <= MAX_COUNTED_ITEMS { min } else { 0 }, max.filter(|max| *max <= MAX_COUNTED_ITEMS))
}

/// The keys of `open` without those that are declared.
pub(super) fn keys(open: &OpenKeys) -> Lang {
    if open.except.is_empty() {
        return open.keys.clone();
    }
    let declared = Lang::or(open.except.iter().map(|name| Lang::literal(name)).collect());
    Lang::and(vec![open.keys.clone(), Lang::complement(declared)])
}
