//! Reads arguments that are written as elements.

mod ending;
mod value;
mod writer;

use std::sync::Arc;

pub(super) use ending::Reading;

use super::{Nesting, Progress};
use crate::guard::encoding::{Elements, Keys, Kind, LevelId};
use crate::guard::escape::escape;

/// Where in the arguments the text ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    /// Before an element, or before what stands behind the last.
    Boundary,
    /// In a key.
    Key,
    /// Between a key and its value.
    BeforeValue,
    /// Before a value that may be an object or array as elements.
    Start { level: LevelId, is_array: bool },
    /// In text.
    Text,
    /// In a value that may yet be text or JSON.
    Unclear,
    /// In JSON.
    Json(Nesting),
    /// In the key that closes a value.
    Closing,
    /// Behind the arguments.
    Over,
    /// In something else: the grammar was not applied.
    Broken,
}

impl Spot {
    /// Whether bytes are only put down here, until they are understood: keys and numbers may be long.
    pub(super) fn grows(self) -> bool {
        matches!(self, Self::Key | Self::Unclear)
    }
}

/// An object or array of elements that is open.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) level: LevelId,
    pub(super) is_array: bool,
    /// The key of its own element.
    pub(super) key: Arc<Vec<u8>>,
    /// How many elements have begun in it.
    pub(super) n: usize,
    /// What it is in. Why shared: a reader is copied with each token.
    pub(super) outer: Option<Arc<Self>>,
}

/// Reads the arguments of one call.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    keys: Arc<Keys>,
    spot: Spot,
    /// Bytes that were not understood yet.
    held: Vec<u8>,
    key: Arc<Vec<u8>>,
    open: Arc<Open>,
    /// What the value that begins here is, where the format says so.
    told: Option<Kind>,
    /// Whether anything of the last value was given.
    has_value: bool,
}

impl Reader {
    /// Starts before the first element.
    pub(super) fn new(keys: Arc<Keys>) -> Self {
        let root = Open { level: Keys::ROOT, is_array: false, key: Arc::default(), n: 0, outer: None };
        Self {
            keys,
            spot: Spot::Boundary,
            held: Vec::new(),
            key: Arc::default(),
            open: Arc::new(root),
            told: None,
            has_value: false,
        }
    }

    /// Ends the arguments where the text ends. Returns whether they may end there.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> bool {
        let may_end = self.spot == Spot::Boundary && self.held.is_empty() && self.open.outer.is_none();
        if may_end {
            out.push(b'}');
            self.spot = Spot::Over;
        }
        may_end
    }

    /// Where the text ends.
    pub(super) fn spot(&self) -> Spot {
        self.spot
    }

    pub(super) fn progress(&self) -> Progress {
        match self.spot {
            Spot::Over => Progress::Over,
            Spot::Broken => Progress::Broken,
            _ => Progress::Inside,
        }
    }

    /// Bytes that were not understood yet; behind the arguments, those that belong to what follows.
    pub(super) fn held(&self) -> &[u8] {
        &self.held
    }

    /// Shortens what has grown.
    pub(super) fn shrink(&mut self, n_held: usize, n_key: usize) {
        self.held.truncate(n_held);
        Arc::make_mut(&mut self.key).truncate(n_key);
    }

    /// The key that is being read, or whose value is.
    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    /// The innermost of what is open.
    pub(super) fn open(&self) -> &Open {
        &self.open
    }

    /// How the value that comes next may begin in JSON, where what was given does not say that one comes, or the format
    /// says what it is.
    pub(super) fn beginnings(&self) -> Vec<&'static str> {
        let is_first_item = self.open.is_array && self.open.n == 1;
        let all = |kinds: &[Kind]| kinds.iter().flat_map(|kind| kind.beginnings()).copied().collect();
        match self.told {
            _ if self.has_value => vec![""],
            Some(kind) => all(&[kind]),
            None if is_first_item => all(&Kind::ALL),
            None => vec![""],
        }
    }

    /// How the arguments are written.
    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Takes the next byte. Behind the arguments, nothing may be given to it.
    pub(super) fn push(&mut self, byte: u8, out: &mut Vec<u8>) {
        match self.spot {
            Spot::Boundary => self.boundary(byte, out),
            Spot::Key if byte == self.keys.elements.key_end() => {
                let is_item = self.keys.elements.item.as_ref().is_some_and(|item| *item == *self.key);
                match self.open.is_array {
                    true if !is_item => return self.spot = Spot::Broken,
                    true => {}
                    false => out.extend_from_slice(b"\": "),
                }
                self.spot = Spot::BeforeValue;
                self.before_value(byte, out);
            }
            Spot::Key if self.keys.elements.not_in_keys.as_bytes().contains(&byte) => self.spot = Spot::Broken,
            Spot::Key => {
                Arc::make_mut(&mut self.key).push(byte);
                if !self.open.is_array {
                    escape(byte, out);
                }
            }
            Spot::BeforeValue => self.before_value(byte, out),
            Spot::Start { level, is_array } => self.start(level, is_array, byte, out),
            Spot::Text => self.text(byte, out),
            Spot::Unclear => self.unclear(byte, out),
            Spot::Json(nesting) => self.json(nesting, byte, out),
            Spot::Closing => self.closing(byte),
            Spot::Over | Spot::Broken => self.held.push(byte),
        }
    }

    fn elements(&self) -> Arc<Elements> {
        Arc::clone(&self.keys.elements)
    }

    fn boundary(&mut self, byte: u8, out: &mut Vec<u8>) {
        self.held.push(byte);
        let elements = self.elements();
        let (open, close) = (elements.open.as_slice(), elements.close.as_slice());
        // Why even if it is whole: what follows the arguments, or closes an element, may begin as what opens one.
        let looks_ahead = !elements.not_in_keys.is_empty();
        if open.starts_with(&self.held) && (self.held.len() < open.len() || looks_ahead) {
            return;
        }
        let is_inner = self.open.outer.is_some();
        if is_inner && self.held == close {
            return self.end_container(out);
        }
        let is_key = |byte: &u8| !elements.not_in_keys.as_bytes().contains(byte);
        if self.held.starts_with(open) && self.held.get(open.len()).is_none_or(is_key) {
            return self.begin_element(out);
        }
        if !is_inner {
            out.push(b'}');
            self.spot = Spot::Over;
        } else if !close.starts_with(&self.held) {
            self.spot = Spot::Broken;
        }
    }

    /// Begins an element, whose key begins with what is held behind what opens it.
    fn begin_element(&mut self, out: &mut Vec<u8>) {
        let begun = self.held.split_off(self.keys.elements.open.len());
        self.held.clear();
        self.key = Arc::default();
        let open = Arc::make_mut(&mut self.open);
        out.extend_from_slice(match (open.n > 0, open.is_array) {
            (true, true) => b", ",
            (false, true) => b"",
            (true, false) => b", \"",
            (false, false) => b"\"",
        });
        open.n += 1;
        (self.told, self.has_value) = (None, false);
        self.spot = Spot::Key;
        begun.into_iter().for_each(|byte| self.push(byte, out));
    }

    fn start(&mut self, level: LevelId, is_array: bool, byte: u8, out: &mut Vec<u8>) {
        self.held.push(byte);
        let elements = self.elements();
        if elements.open.starts_with(&self.held) {
            return;
        }
        let goes_on = elements.close.starts_with(&self.held);
        if goes_on && self.held != elements.close {
            return;
        }
        if !goes_on && !self.held.starts_with(&elements.open) {
            return self.decide(Spot::Json(Nesting::default()), out);
        }
        out.push(if is_array { b'[' } else { b'{' });
        let (key, outer) = (std::mem::take(&mut self.key), Some(Arc::clone(&self.open)));
        self.open = Arc::new(Open { level, is_array, key, n: 0, outer });
        if goes_on { self.end_container(out) } else { self.begin_element(out) }
    }

    fn end_container(&mut self, out: &mut Vec<u8>) {
        let Some(outer) = self.open.outer.clone() else { return };
        out.push(if self.open.is_array { b']' } else { b'}' });
        self.key = Arc::clone(&self.open.key);
        self.open = outer;
        self.end_value();
    }

    fn end_value(&mut self) {
        self.held.clear();
        self.spot = if self.keys.elements.close_end.is_some() { Spot::Closing } else { Spot::Boundary };
    }

    fn closing(&mut self, byte: u8) {
        let end = self.keys.elements.close_end.as_deref().unwrap_or_default();
        let (n, n_all) = (self.held.len(), self.key.len() + end.len());
        let wanted = self.key.get(n).or_else(|| end.get(n - self.key.len()));
        self.held.push(byte);
        if wanted != Some(&byte) {
            self.spot = Spot::Broken;
        } else if n + 1 == n_all {
            self.held.clear();
            self.spot = Spot::Boundary;
        }
    }
}
