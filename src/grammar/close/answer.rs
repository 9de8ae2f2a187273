//! Endings of whole answers: one value, or calls, each a value between two texts.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::{ASSUMED_LONGEST, Closer, part};

/// Finds endings for the answers of one grammar.
pub(in crate::grammar) struct Answer {
    value: Option<Arc<Closer>>,
    calls: Option<Calls>,
    longest: OnceLock<usize>,
}

/// The calls that an answer may hold.
pub(in crate::grammar) struct Calls {
    /// The marker that each begins with.
    open: Vec<u8>,
    separator: Vec<u8>,
    each: Vec<Call>,
    /// Whether free text may stand before them, or alone.
    follow_prose: bool,
}

/// One kind of call.
struct Call {
    /// Between the marker and the value.
    head: Vec<u8>,
    value: Arc<Closer>,
    tail: Vec<u8>,
    /// The shortest such call, behind the marker.
    shortest: OnceLock<Option<Vec<u8>>>,
}

/// So many kinds of calls are compared for the shortest: where any will do, one among many is short enough.
const MAX_COMPARED: usize = 64;
/// How long all kinds of calls may be looked through, before the first answer.
const MAX_LOOKED: Duration = Duration::from_millis(300);

impl Answer {
    /// An answer is one `value`, or `calls`.
    pub(in crate::grammar) fn new(value: Option<Arc<Closer>>, calls: Option<Calls>) -> Self {
        Self { value, calls, longest: OnceLock::new() }
    }

    /// The bytes of a short valid ending of `text`; `None` if none is known.
    pub(in crate::grammar) fn close(&self, text: &[u8]) -> Option<Vec<u8>> {
        let Some(calls) = &self.calls else { return self.value.as_ref()?.close(text) };
        if calls.follow_prose {
            return match find(text, &calls.open) {
                Some(at) => calls.close(&text[at + calls.open.len()..]),
                None => Some(Vec::new()),
            };
        }
        if let Some(rest) = text.strip_prefix(calls.open.as_slice()) {
            return calls.close(rest);
        }
        // Why the value first: it has no effects that nobody asked for.
        let value = self.value.as_ref().and_then(|value| value.close(text));
        value.or_else(|| calls.open.strip_prefix(text).and_then(|rest| calls.shortest_after(rest)))
    }

    /// About how many tokens one more token can add to what closing takes.
    pub(in crate::grammar) fn longest(&self, n_tokens: impl Fn(&[u8]) -> usize) -> usize {
        *self.longest.get_or_init(|| self.look_for_longest(n_tokens).max(1))
    }

    fn look_for_longest(&self, n_tokens: impl Fn(&[u8]) -> usize) -> usize {
        let value = self.value.as_ref().map_or(0, |value| value.longest(&n_tokens));
        let Some(calls) = &self.calls else { return value };
        let started = Instant::now();
        // A token may begin a call, choose the dearest, or open the longest value in its arguments.
        let longest = |call: &Call| {
            if started.elapsed() > MAX_LOOKED {
                return ASSUMED_LONGEST;
            }
            let whole = call.shortest().map_or(ASSUMED_LONGEST, |rest| n_tokens(rest) + calls.open.len());
            whole.max(call.value.longest(&n_tokens))
        };
        value.max(calls.each.iter().map(longest).max().unwrap_or(0))
    }
}

impl Calls {
    /// Calls that begin with `open`; each is given by what stands before its value (`open` included), the value, and what
    /// stands behind it.
    pub(in crate::grammar) fn new(
        open: &str,
        separator: &str,
        follow_prose: bool,
        each: impl Iterator<Item = (String, Arc<Closer>, String)>,
    ) -> Self {
        let call = |(head, value, tail): (String, Arc<Closer>, String)| {
            let head = head.strip_prefix(open).unwrap_or(&head).to_owned().into_bytes();
            Call { head, value, tail: tail.into_bytes(), shortest: OnceLock::new() }
        };
        Self {
            open: open.as_bytes().to_vec(),
            separator: separator.as_bytes().to_vec(),
            each: each.map(call).collect(),
            follow_prose,
        }
    }

    /// Ends an answer of which `rest` stands behind the marker of its first call.
    ///
    /// Where text or a whole call stands before it, a call whose value has not begun is left as it is: nobody has called
    /// anything yet, and clients are shown no half of a call.
    fn close(&self, mut rest: &[u8]) -> Option<Vec<u8>> {
        let mut is_enough = self.follow_prose;
        loop {
            let Some(call) = self.each.iter().find(|call| rest.starts_with(&call.head)) else {
                return if is_enough { Some(Vec::new()) } else { self.close_head(rest) };
            };
            let text = &rest[call.head.len()..];
            let (value, after) = part::read(text);
            if !value.is_complete() {
                return Some([call.value.close(text)?, call.tail.clone()].concat());
            }
            let Some(next) = after.trim_ascii_start().strip_prefix(call.tail.as_slice()) else {
                let after = if call.tail.starts_with(after) { after } else { after.trim_ascii_start() };
                return call.tail.strip_prefix(after).map(<[u8]>::to_vec);
            };
            let between = [self.separator.as_slice(), &self.open].concat();
            match next.strip_prefix(between.as_slice()) {
                Some(more) => (rest, is_enough) = (more, true),
                None => return between.starts_with(next).then(Vec::new),
            }
        }
    }

    /// Ends an answer that breaks off before the value of its first call.
    fn close_head(&self, rest: &[u8]) -> Option<Vec<u8>> {
        let fitting = self.each.iter().filter(|call| call.head.starts_with(rest)).take(MAX_COMPARED);
        let shortest = fitting.filter_map(Call::shortest).min_by_key(|text| text.len())?;
        Some(shortest[rest.len()..].to_vec())
    }

    /// `before` and the shortest call behind its marker.
    fn shortest_after(&self, before: &[u8]) -> Option<Vec<u8>> {
        Some([before, &self.close_head(b"")?].concat())
    }
}

impl Call {
    /// The shortest such call, behind its marker.
    fn shortest(&self) -> Option<&[u8]> {
        let shortest =
            self.shortest.get_or_init(|| Some([self.head.as_slice(), &self.value.close(b"")?, &self.tail].concat()));
        shortest.as_deref()
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len().max(1)).position(|window| window == what)
}
