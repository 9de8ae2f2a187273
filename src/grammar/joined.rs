//! The pieces of a spec as the guard and the endings see them: where each stands in the answer.

use std::collections::HashMap;
use std::sync::Arc;

use super::close::{self, Answer, PartsCloser};
use super::piece::Piece;
use super::spec::{ANSWER, Call, Prose, Spec, Texts};
use crate::guard::{Frame, Opening, Places, Structured};

/// The schemas of a spec with their names.
pub(super) type Pieces = Vec<(String, Arc<Piece>)>;

/// Each call asks for its schema, and there may be hundreds.
fn by_name(pieces: &Pieces) -> HashMap<&str, &Piece> {
    pieces.iter().map(|(name, piece)| (name.as_str(), piece.as_ref())).collect()
}

pub(super) fn places(spec: &Spec, pieces: &Pieces) -> Places {
    let pieces = by_name(pieces);
    let opening = |first: Frame, head: Frame, schema: &str| {
        let piece = pieces.get(schema)?;
        Some(Opening { head, first, watches: Arc::clone(&piece.watches), encoding: piece.grammar.encoding().cloned() })
    };
    let calls = spec.calls.iter().flat_map(|calls| calls.each.iter().map(move |call| (&calls.begin, call)));
    let opened = |(begin, call): (&Frame, &Call)| opening(begin.then(&call.head), call.head.clone(), &call.schema);
    let mut after: Vec<_> = calls.filter_map(opened).collect();
    let mut start = pieces.get(ANSWER).map(|piece| Arc::clone(&piece.watches));
    if !spec.around.0.is_empty() {
        start = None;
        let open = Frame::bytes(spec.around.0.as_slice());
        after.extend(opening(open.clone(), open, ANSWER));
    }
    let structure = match &spec.text {
        Some(Texts::Parts(parts)) => {
            let watches = parts.named().filter_map(|name| Some(Arc::clone(&pieces.get(name.as_str())?.watches)));
            let encoding = |name: &str| pieces.get(name)?.grammar.encoding();
            let (structure, watches) = (parts.encoded(encoding), watches.collect());
            Some(Structured { structure, watches, n_before: spec.around.0.len() })
        }
        _ => None,
    };
    let only_first = spec.calls.as_ref().filter(|calls| calls.prose != Prose::Before && spec.around.0.is_empty());
    let only_first = only_first.map(|calls| calls.lead.clone());
    Places { preamble: spec.preamble.clone(), start, after, only_first, structure }
}

pub(super) fn endings(spec: &Spec, pieces: &Pieces) -> Answer {
    let pieces = by_name(pieces);
    let find = |wanted: &str| {
        let piece = pieces.get(wanted)?;
        Some((Arc::clone(&piece.closer), piece.grammar.encoding().cloned()))
    };
    let calls = spec.calls.as_ref().map(|calls| {
        let one = |call: &Call| {
            let (closer, encoding) = find(&call.schema)?;
            Some(close::Call::new(call.head.clone(), close::Arguments { closer, encoding }, call.tail.clone()))
        };
        close::Calls {
            lead: calls.lead.clone(),
            marker: calls.marker.clone(),
            begin: calls.begin.clone(),
            between: calls.between.clone(),
            end: calls.end.clone(),
            prose: calls.prose,
            each: calls.each.iter().filter_map(one).collect(),
        }
    });
    let text = spec.text.as_ref().and_then(|texts| match texts {
        Texts::In(lang) => close::Text::within(lang),
        Texts::Derived(cfg) => Some(close::Text::Derived(Arc::clone(cfg))),
        Texts::Parts(parts) => {
            let value = |name: String| {
                let (closer, encoding) = find(&name)?;
                Some((close::Arguments { closer, encoding }, pieces.get(name.as_str())?.least_bytes))
            };
            let values = parts.named().filter_map(value).collect();
            let structure = parts.encoded(|name| pieces.get(name)?.grammar.encoding());
            Some(close::Text::Parts(Box::new(PartsCloser::new(Arc::clone(parts), structure, values))))
        }
    });
    let value = find(ANSWER).map(|(closer, _)| closer);
    Answer::new(spec.preamble.clone(), value, calls, text, spec.around.clone())
}
