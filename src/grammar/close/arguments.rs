//! Endings of a call's arguments, as JSON or as elements.

use std::sync::Arc;

use super::{Closer, part};
use crate::guard::{Encoding, Kind, Progress, Transcoder, parse};

/// What ends the arguments of one tool.
pub(in crate::grammar) struct Arguments {
    pub(in crate::grammar) closer: Arc<Closer>,
    /// How they are written, where they are not written as JSON.
    pub(in crate::grammar) encoding: Option<Arc<Encoding>>,
}

impl Arguments {
    /// What stands behind the arguments that `text` begins with; `None` if they break off.
    pub(super) fn behind<'t>(&self, text: &'t [u8]) -> Option<&'t [u8]> {
        match &self.encoding {
            None => {
                let (value, behind) = part::read(text);
                value.is_complete().then_some(behind)
            }
            Some(encoding) => read(encoding, text).behind,
        }
    }

    /// About how many tokens one more token can add to what closing takes.
    pub(super) fn longest(&self, n_tokens: impl Fn(&[u8]) -> usize) -> usize {
        let around = match self.encoding.as_deref() {
            None => 0,
            Some(Encoding::Elements(keys)) => {
                let elements = &*keys.elements;
                n_tokens(&[&elements.open, elements.before(Kind::Object), &elements.close].concat())
            }
            Some(Encoding::Notation(notation)) => notation.quotes.iter().map(|quote| 2 * n_tokens(&quote.mark)).sum(),
        };
        let each = |text: &[u8]| match self.encoding.as_deref() {
            None => 0,
            // Why: where elements stand in elements, each key and item is one, else the outermost keys alone.
            Some(Encoding::Elements(keys)) if keys.levels.len() > 1 => count(text, b":,["),
            Some(Encoding::Elements(_)) => 0,
            Some(Encoding::Notation(_)) => count(text, b"\"") / 2,
        };
        self.closer.longest(|text| n_tokens(text) + each(text) * around) + around
    }

    /// The bytes that end `text`, which breaks off in arguments, and `tail`.
    pub(super) fn close(&self, text: &[u8], tail: &[u8]) -> Option<Vec<u8>> {
        let Some(encoding) = &self.encoding else {
            return Some([self.closer.close(text)?.as_slice(), tail].concat());
        };
        self.close_read(encoding, &read(encoding, text), text, tail)
    }

    /// The same, where what follows may be any of `tails`, each with what it leads to; they depend on the last bytes of
    /// `text`, which may belong to what follows. Where values are JSON, nothing is looked for behind them.
    pub(super) fn close_before<T>(
        &self,
        text: &[u8],
        tails: impl FnOnce(&[u8]) -> Vec<(Vec<u8>, T)>,
    ) -> Option<(Vec<u8>, T)> {
        let Some(encoding) = &self.encoding else {
            let (_, to) = tails(b"").into_iter().next()?;
            return Some((self.closer.close(text)?, to));
        };
        let read = read(encoding, text);
        let ended = |(tail, to): (Vec<u8>, T)| Some((self.close_read(encoding, &read, text, &tail)?, to));
        tails(read.transcoder.held()).into_iter().find_map(ended)
    }

    fn close_read(&self, encoding: &Arc<Encoding>, so_far: &Read<'_>, text: &[u8], tail: &[u8]) -> Option<Vec<u8>> {
        let Read { json, transcoder, .. } = so_far;
        transcoder.readings(tail).into_iter().find_map(|reading| {
            let so_far = [json.as_slice(), &reading.json].concat();
            let ending = self.closer.close(&so_far)?;
            let rest = transcoder.write(&reading, &ending, tail)?;
            // Why read again: a text may hold what closes its element, or read like JSON.
            let whole = [text, &rest].concat();
            let mut written = read(encoding, &whole);
            let value = |json: &[u8]| parse(std::str::from_utf8(json).ok()?).ok();
            let is_over = match tail {
                [] => written.transcoder.finish(&mut written.json),
                _ => written.behind.is_some_and(|behind| behind == tail),
            };
            let is_it = is_over
                && value(&written.json).is_some_and(|it| Some(it) == value(&[so_far.as_slice(), &ending].concat()));
            is_it.then_some(rest)
        })
    }
}

fn count(text: &[u8], bytes: &[u8]) -> usize {
    text.iter().filter(|byte| bytes.contains(byte)).count()
}

/// Arguments as JSON.
struct Read<'t> {
    json: Vec<u8>,
    transcoder: Transcoder,
    /// What stands behind them, where they are whole.
    behind: Option<&'t [u8]>,
}

fn read<'t>(encoding: &Arc<Encoding>, text: &'t [u8]) -> Read<'t> {
    let mut json = Vec::new();
    let mut transcoder = Transcoder::new(encoding, &mut json);
    for (i, byte) in text.iter().enumerate() {
        transcoder.push(*byte, &mut json);
        if transcoder.progress() == Progress::Over {
            let behind = &text[i + 1 - transcoder.held().len()..];
            return Read { json, transcoder, behind: Some(behind) };
        }
    }
    Read { json, transcoder, behind: None }
}
