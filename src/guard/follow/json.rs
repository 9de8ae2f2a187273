//! JSON in an answer, byte by byte: what each does, and what it must not do.

use std::collections::HashSet;

use serde_json::Value;

use super::undo::Undo;
use super::{Container, Follower, State};
use crate::guard::check::parse;
use crate::guard::escape::Escape;
use crate::guard::plain::write_plain;
use crate::guard::structure::goes_on;
use crate::guard::veto::{MAX_NESTING, Veto};
use crate::guard::watch::{Length, Watch, WatchId};

impl Follower {
    pub(super) fn byte(&mut self, byte: u8) -> Result<(), Veto> {
        self.text.push(byte);
        let at = self.text.len() - 1;
        match self.state {
            State::Outside => return self.outside(),
            State::InString { start, is_key, n_chars, escape } => {
                if escape == Escape::No && byte == b'"' {
                    self.state = State::Between;
                    return if is_key {
                        self.finish_key(start)
                    } else {
                        self.judge_length(|length| n_chars < length.min)?;
                        self.finish_value(start)
                    };
                }
                let (escape, is_char) = escape.next(byte);
                let n_chars = n_chars + u64::from(is_char);
                self.state = State::InString { start, is_key, n_chars, escape };
                if is_char && !is_key {
                    return self.judge_length(|length| length.max.is_some_and(|max| n_chars > max));
                }
            }
            State::InWord { start } => {
                let is_over = match (&self.places.structure, self.frames.is_empty()) {
                    (Some(_), true) => !goes_on(&self.text[start..at], byte),
                    _ => matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r' | b'<') || !byte.is_ascii(),
                };
                if is_over {
                    self.text.pop();
                    self.state = State::Between;
                    self.finish_value(start)?;
                    if self.state == State::Outside {
                        return self.byte(byte);
                    }
                    self.text.push(byte);
                    return self.between(byte);
                }
            }
            State::BeforeValue | State::BeforeKey => return self.before(byte, at),
            State::Between => return self.between(byte),
        }
        Ok(())
    }

    pub(super) fn before(&mut self, byte: u8, at: usize) -> Result<(), Veto> {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => {}
            b'"' => {
                let is_key = self.state == State::BeforeKey;
                self.state = State::InString { start: at, is_key, n_chars: 0, escape: Escape::No };
            }
            b'{' | b'[' if self.frames.len() >= MAX_NESTING => return Err(Veto::Depth),
            b'{' | b'[' => self.open(byte == b'{', at),
            b'}' | b']' => return self.close(),
            _ => self.state = State::InWord { start: at },
        }
        Ok(())
    }

    pub(super) fn between(&mut self, byte: u8) -> Result<(), Veto> {
        match byte {
            b',' => {
                let Some(frame) = self.frames.last() else { return Ok(()) };
                let (is_object, n_items, watch) = (frame.is_object, frame.n_items, frame.watch);
                let bounds = self.watch_of(watch).and_then(|watch| watch.bounds(is_object));
                if bounds.and_then(|(_, max)| max).is_some_and(|max| n_items >= max) {
                    return Err(if is_object { Veto::KeyCount } else { Veto::ItemCount });
                }
                if !self.has_values_for(1) {
                    return Err(Veto::ItemCount);
                }
                self.state = if is_object { State::BeforeKey } else { State::BeforeValue };
            }
            b':' => self.state = State::BeforeValue,
            b'}' | b']' => return self.close(),
            _ => {}
        }
        Ok(())
    }

    pub(super) fn open(&mut self, is_object: bool, start: usize) {
        let frame = Container {
            is_object,
            watch: self.next_watch(),
            start,
            n_items: 0,
            seen: HashSet::new(),
            value_watch: None,
        };
        self.frames.push(frame);
        self.log.push(Undo::Pushed);
        self.state = if is_object { State::BeforeKey } else { State::BeforeValue };
    }

    pub(super) fn close(&mut self) -> Result<(), Veto> {
        let Some(frame) = self.frames.last() else { return Ok(()) };
        let (start, n_items, is_object) = (frame.start, frame.n_items, frame.is_object);
        let watch = self.watch_of(frame.watch);
        let bounds = watch.and_then(|watch| watch.bounds(is_object));
        if bounds.is_some_and(|(min, max)| n_items < min || max.is_some_and(|max| n_items > max)) {
            return Err(if is_object { Veto::KeyCount } else { Veto::ItemCount });
        }
        if is_object && watch.is_some_and(|watch| watch.required.iter().any(|key| !frame.seen.contains(key))) {
            return Err(Veto::MissingKey);
        }
        let frame = self.frames.pop().expect("it was just looked at");
        self.log.push(Undo::Popped(frame));
        self.state = State::Between;
        self.finish_value(start)
    }

    pub(super) fn watch_of(&self, id: Option<WatchId>) -> Option<&Watch> {
        self.watches.as_ref()?.get(id)
    }

    /// The watch of the value that begins here.
    pub(super) fn next_watch(&self) -> Option<WatchId> {
        let watches = self.watches.as_ref()?;
        let Some(frame) = self.frames.last() else { return watches.root };
        if frame.is_object {
            return frame.value_watch;
        }
        let watch = watches.get(frame.watch)?;
        let index = usize::try_from(frame.n_items).unwrap_or(usize::MAX);
        watch.prefix.get(index).copied().unwrap_or(watch.items)
    }

    pub(super) fn judge_length(&self, is_wrong: impl Fn(Length) -> bool) -> Result<(), Veto> {
        // Why: most strings have no watch at all.
        let bounds = self.watch_of(self.next_watch()).and_then(|watch| watch.length);
        if bounds.is_some_and(is_wrong) { Err(Veto::Length) } else { Ok(()) }
    }

    pub(super) fn finish_key(&mut self, start: usize) -> Result<(), Veto> {
        let key = match serde_json::from_slice::<String>(&self.text[start..]) {
            Ok(key) => key,
            // Why: the mask lets nothing else pass; the bytes themselves still tell keys apart.
            Err(_) => String::from_utf8_lossy(&self.text[start..]).into_owned(),
        };
        let Some(frame) = self.frames.last() else { return Ok(()) };
        if frame.seen.contains(&key) {
            return Err(Veto::DuplicateKey);
        }
        let watch = self.watch_of(frame.watch);
        if let Some(max) = watch.and_then(|watch| watch.keys_count).and_then(|(_, max)| max) {
            // Why here: behind its value there may be no way on, and none back.
            let required = watch.iter().flat_map(|watch| &watch.required);
            let n_missing = required.filter(|name| **name != key && !frame.seen.contains(*name)).count() as u64;
            if frame.n_items + 1 + n_missing > max {
                return Err(Veto::KeyCount);
            }
        }
        let next = watch.and_then(|watch| watch.properties.get(&key).copied().unwrap_or(watch.others));
        let frame = self.frames.last_mut().expect("it was just looked at");
        self.log.push(Undo::ValueWatch(frame.value_watch));
        frame.value_watch = next;
        frame.seen.insert(key.clone());
        self.log.push(Undo::Seen(key));
        Ok(())
    }

    pub(super) fn finish_value(&mut self, start: usize) -> Result<(), Veto> {
        let watch = self.next_watch();
        let (check, is_unique) = (
            self.watch_of(watch).and_then(|watch| watch.check.clone()),
            self.frames.last().is_some_and(|frame| {
                !frame.is_object && self.watch_of(frame.watch).is_some_and(|watch| watch.is_unique)
            }),
        );
        if check.is_some() || is_unique {
            let text = String::from_utf8_lossy(&self.text[start..]).into_owned();
            match check.map(|check| check.judge(&text)) {
                Some(Err(_)) => return Err(Veto::Schema),
                Some(Ok(value)) if is_unique => self.distinct(&value)?,
                None => {
                    let value = parse(&text).unwrap_or(Value::String(text));
                    self.distinct(&value)?;
                }
                Some(Ok(_)) => {}
            }
        }
        match self.frames.last_mut() {
            Some(frame) => {
                frame.n_items += 1;
                self.log.push(Undo::Counted);
                if is_unique && !self.has_values_for(0) {
                    return Err(Veto::DuplicateItem);
                }
            }
            None => {
                let ended = self.watches.take();
                self.log.push(Undo::Ended(ended));
                self.state = State::Outside;
            }
        }
        Ok(())
    }

    pub(super) fn distinct(&mut self, value: &Value) -> Result<(), Veto> {
        let mut text = String::new();
        write_plain(value, &mut text);
        let frame = self.frames.last_mut().expect("items stand in an array");
        if !frame.seen.insert(text.clone()) {
            return Err(Veto::DuplicateItem);
        }
        self.log.push(Undo::Seen(text));
        Ok(())
    }

    /// Whether an array whose items must differ can get `n_more`, and as many as it must have.
    fn has_values_for(&self, n_more: usize) -> bool {
        let Some(frame) = self.frames.last().filter(|frame| !frame.is_object) else { return true };
        let supply = self.watch_of(frame.watch).and_then(|watch| watch.supply.as_ref());
        let n_items = usize::try_from(frame.n_items).unwrap_or(usize::MAX);
        supply.is_none_or(|supply| supply.lasts(&frame.seen, n_items, n_more))
    }
}
