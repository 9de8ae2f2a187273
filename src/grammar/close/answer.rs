//! Endings of whole answers: what may stand before the answer, then one value, or calls, each a value between two texts.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::arguments::Arguments;
use super::{ASSUMED_LONGEST, Closer, PartsCloser, scalar};
use crate::grammar::cfg::Cfg;
use crate::grammar::spec::Prose;
use crate::grammar::spelling::Spelling;
use crate::guard::{Fill, Frame, Preamble, Stage, behind_thought, find};
use crate::schema::pattern::Lang;

/// Finds endings for the answers of one grammar.
pub(in crate::grammar) struct Answer {
    preamble: Option<Preamble>,
    value: Option<Arc<Closer>>,
    calls: Option<Calls>,
    text: Option<Text>,
    /// Around a text or value.
    around: (Vec<u8>, Vec<u8>),
    longest: OnceLock<usize>,
}

/// What the answer's text must be.
pub(in crate::grammar) enum Text {
    In(Box<Mutex<scalar::Texts>>),
    Derived(Arc<Cfg>),
    Parts(Box<PartsCloser>),
}

impl Text {
    /// One of the texts in `lang`; nothing if its automaton is too large.
    pub(in crate::grammar) fn within(lang: &Lang) -> Option<Self> {
        scalar::Texts::of_strings(lang, Spelling::Raw, "").map(|texts| Self::In(Box::new(Mutex::new(texts))))
    }

    fn close(&self, text: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::In(texts) => texts.lock().unwrap_or_else(PoisonError::into_inner).endings(text, 1, |_| true).pop(),
            Self::Derived(cfg) => cfg.ending(text),
            Self::Parts(parts) => parts.close(text),
        }
    }

    /// About how many tokens one more token can add to what closing takes.
    fn longest(&self, n_tokens: impl Fn(&[u8]) -> usize) -> usize {
        match self {
            Self::In(_) | Self::Derived(_) => ASSUMED_LONGEST,
            Self::Parts(parts) => parts.longest(n_tokens),
        }
    }
}

/// The calls that an answer may hold.
pub(in crate::grammar) struct Calls {
    pub(in crate::grammar) lead: Vec<u8>,
    pub(in crate::grammar) marker: Vec<u8>,
    pub(in crate::grammar) begin: Frame,
    pub(in crate::grammar) between: Frame,
    pub(in crate::grammar) end: Frame,
    pub(in crate::grammar) prose: Prose,
    pub(in crate::grammar) each: Vec<Call>,
}

/// One kind of call.
pub(in crate::grammar) struct Call {
    head: Frame,
    arguments: Arguments,
    tail: Frame,
    /// The shortest such call.
    shortest: OnceLock<Option<Vec<u8>>>,
}

/// So many kinds of calls are compared for the shortest: where any will do, one among many is short enough.
const MAX_COMPARED: usize = 64;
/// How long all kinds of calls may be looked through, before the first answer.
const MAX_LOOKED: Duration = Duration::from_millis(300);

impl Answer {
    /// An answer is one `value`, or `calls`.
    pub(in crate::grammar) fn new(
        preamble: Option<Preamble>,
        value: Option<Arc<Closer>>,
        calls: Option<Calls>,
        text: Option<Text>,
        around: (Vec<u8>, Vec<u8>),
    ) -> Self {
        Self { preamble, value, calls, text, around, longest: OnceLock::new() }
    }

    /// What may stand before the answer proper.
    pub(in crate::grammar) fn preamble(&self) -> Option<&Preamble> {
        self.preamble.as_ref()
    }

    /// The bytes of a short valid ending of `text`; `None` if none is known.
    pub(in crate::grammar) fn close(&self, text: &[u8]) -> Option<Vec<u8>> {
        let Some(preamble) = &self.preamble else { return self.close_answer(text) };
        let ended = |so_far: &[u8]| Some([so_far, &preamble.close, &self.close_answer(b"")?].concat());
        match preamble.stage(text) {
            // Why not for texts: their spaces are theirs.
            Stage::Answer(at) if self.text.is_some() => self.close_answer(&text[at..]),
            Stage::Answer(at) => {
                let marker = self.calls.as_ref().map_or(&b""[..], |calls| &calls.marker);
                self.close_answer(behind_thought(&text[at..], [marker, &self.around.0]))
            }
            Stage::Inside if self.may_be_empty() => Some(Vec::new()),
            Stage::Inside => ended(b""),
            Stage::Unclear => self.close_answer(text).or_else(|| {
                let rest = preamble.open.as_ref()?.strip_prefix(text)?;
                ended(rest)
            }),
        }
    }

    /// Whether an answer may have nothing in it.
    fn may_be_empty(&self) -> bool {
        self.calls.as_ref().is_some_and(|calls| calls.prose != Prose::Never)
    }

    /// Ends a text or value, with what stands around it.
    fn close_content(&self, text: &[u8]) -> Option<Vec<u8>> {
        let (open, close) = &self.around;
        let close_inner = |text: &[u8]| match &self.text {
            Some(known) => known.close(text),
            None => self.value.as_ref()?.close(text),
        };
        let ended = |ending: Vec<u8>| Some([ending, close.clone()].concat());
        match (text.strip_prefix(open.as_slice()), open.strip_prefix(text)) {
            (Some(_), _) if !close.is_empty() && text.ends_with(close) => Some(Vec::new()),
            // What closes it has begun: no value holds a token.
            (Some(inner), _) if inner.contains(&0xFF) => {
                (1..close.len()).rev().find(|n| inner.ends_with(&close[..*n])).map(|n| close[n..].to_vec())
            }
            (Some(inner), _) => ended(close_inner(inner)?),
            (None, Some(missing)) => ended([missing, &close_inner(b"")?].concat()),
            (None, None) => None,
        }
    }

    fn close_answer(&self, text: &[u8]) -> Option<Vec<u8>> {
        let Some(calls) = &self.calls else { return self.close_content(text) };
        if let Some(ending) = calls.close_behind_lead(text) {
            return ending;
        }
        // Why first: the tag of text may begin as calls do.
        let open = &self.around.0;
        let is_text = !open.is_empty() && text.starts_with(open);
        let from_marker = match calls.prose {
            Prose::Before if is_text => find(&text[open.len()..], &calls.marker).map(|at| &text[open.len() + at..]),
            Prose::Instead | Prose::Never if is_text => None,
            Prose::Before => find(text, &calls.marker).map(|at| &text[at..]),
            Prose::Instead | Prose::Never => text.starts_with(&calls.marker).then_some(text),
        };
        if let Some(from_marker) = from_marker {
            let ending = calls.close(from_marker);
            // Why not at once: it may be the tag of text that begins so.
            if ending.is_some() || !open.starts_with(text) {
                return ending;
            }
        }
        if calls.prose != Prose::Never {
            return Some(Vec::new());
        }
        // Why the value first: it has no effects that nobody asked for.
        let value = self.value.as_ref().and_then(|_| self.close_content(text));
        value.or_else(|| calls.close_head(&calls.begin, text))
    }

    /// About how many tokens one more token can add to what closing takes.
    pub(in crate::grammar) fn longest(&self, n_tokens: impl Fn(&[u8]) -> usize) -> usize {
        *self.longest.get_or_init(|| self.look_for_longest(n_tokens).max(1))
    }

    fn look_for_longest(&self, n_tokens: impl Fn(&[u8]) -> usize) -> usize {
        let text = self.text.as_ref().map_or(0, |text| text.longest(&n_tokens));
        let value = self.value.as_ref().map_or(text, |value| value.longest(&n_tokens));
        let value = value + self.preamble.as_ref().map_or(0, |preamble| n_tokens(&preamble.close));
        let Some(calls) = &self.calls else { return value };
        let started = Instant::now();
        let around = calls.begin.filled().len() + calls.end.filled().len();
        // A token may begin a call, choose the dearest, or open the longest value in its arguments.
        let longest = |call: &Call| {
            if started.elapsed() > MAX_LOOKED {
                return ASSUMED_LONGEST;
            }
            let whole = call.shortest().map_or(ASSUMED_LONGEST, |text| n_tokens(text) + around);
            whole.max(call.arguments.longest(&n_tokens))
        };
        value.max(calls.each.iter().map(longest).max().unwrap_or(0))
    }
}

impl Calls {
    /// Ends an answer from the marker of its first call on.
    ///
    /// Where text may stand, or a whole call stands before it, a call whose value has not begun is left as it is: nobody
    /// has called anything yet, and clients are shown no half of a call.
    fn close(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut is_enough = self.prose != Prose::Never;
        let mut before = &self.begin;
        let mut rest = text;
        loop {
            let found = match before.fill(rest) {
                Fill::Whole(n) => self.each.iter().find_map(|call| match call.head.fill(&rest[n..]) {
                    Fill::Whole(n_head) if !call.head.ends_in_name() => Some((call, n + n_head)),
                    // Why: the name may go on, and be another tool's.
                    Fill::Whole(n_head) if Frame::ends_name(&rest[n + n_head..]) => Some((call, n + n_head)),
                    Fill::Whole(_) | Fill::Part(_) | Fill::Not => None,
                }),
                Fill::Part(_) | Fill::Not => None,
            };
            let Some((call, at)) = found else {
                return if is_enough { Some(Vec::new()) } else { self.close_head(before, rest) };
            };
            let Some(after) = call.arguments.behind(&rest[at..]) else {
                let ending = call.arguments.close(&rest[at..], &call.tail.filled())?;
                return Some([ending, self.end.filled()].concat());
            };
            let whole = |ending: Vec<u8>| Some([ending, self.end.filled()].concat());
            let (tail, next) = match call.tail.fill(after) {
                Fill::Not => (call.tail.fill(after.trim_ascii_start()), after.trim_ascii_start()),
                filled => (filled, after),
            };
            let next = match tail {
                Fill::Part(ending) => return whole(ending),
                Fill::Whole(n) => &next[n..],
                Fill::Not => return None,
            };
            if next.is_empty() {
                return whole(Vec::new());
            }
            match self.end.fill(next) {
                Fill::Part(ending) => return Some(ending),
                Fill::Whole(n) if n > 0 => return Some(Vec::new()),
                Fill::Whole(_) | Fill::Not => {}
            }
            (before, rest, is_enough) = (&self.between, next, true);
        }
    }

    /// Ends an answer that begins with the lead, or as only the lead does; nothing if it does not.
    #[expect(clippy::option_option, reason = "whether it begins so, and whether an ending is known")]
    fn close_behind_lead(&self, text: &[u8]) -> Option<Option<Vec<u8>>> {
        let lead = Some(self.lead.as_slice()).filter(|lead| !lead.is_empty())?;
        let must_call = self.prose == Prose::Never;
        match (text.strip_prefix(lead), lead.strip_prefix(text)) {
            (Some(behind), _) if behind.starts_with(&self.marker) => Some(self.close(behind)),
            (Some(behind), _) if must_call => Some(self.close_head(&self.begin, behind)),
            (Some(_), _) => Some(Some(Vec::new())),
            (None, Some(missing)) if must_call && !text.is_empty() && !self.marker.starts_with(text) => {
                Some(self.close_head(&self.begin, b"").map(|ending| [missing, &ending].concat()))
            }
            (None, _) => None,
        }
    }

    /// Ends an answer that breaks off before the value of its first call. `before` stands before its head.
    fn close_head(&self, before: &Frame, text: &[u8]) -> Option<Vec<u8>> {
        let missing = |call: &&Call| match before.then(&call.head).fill(text) {
            Fill::Part(missing) => Some(missing),
            Fill::Whole(n) if n == text.len() => Some(Vec::new()),
            Fill::Whole(_) | Fill::Not => None,
        };
        let fitting = self.each.iter().filter_map(|call| Some((missing(&call)?, call))).take(MAX_COMPARED);
        let rest = |(missing, call): (Vec<u8>, &Call)| Some([missing, call.shortest_value()?].concat());
        let shortest = fitting.filter_map(rest).min_by_key(Vec::len)?;
        Some([shortest, self.end.filled()].concat())
    }
}

impl Call {
    pub(in crate::grammar) fn new(head: Frame, arguments: Arguments, tail: Frame) -> Self {
        Self { head, arguments, tail, shortest: OnceLock::new() }
    }

    /// The shortest such call.
    fn shortest(&self) -> Option<&[u8]> {
        let shortest = || Some([self.head.filled(), self.arguments.close(b"", &self.tail.filled())?].concat());
        self.shortest.get_or_init(shortest).as_deref()
    }

    /// Its value and what stands behind it.
    fn shortest_value(&self) -> Option<Vec<u8>> {
        Some(self.shortest()?[self.head.filled().len()..].to_vec())
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}
