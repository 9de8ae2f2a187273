//! How the changes that tokens make are taken back.

use std::sync::Arc;

use super::{Container, Follower};
use crate::guard::transcode::{Grown, Transcoder};
use crate::guard::watch::{WatchId, Watches};

/// What takes one change back.
#[derive(Clone, Debug)]
pub(super) enum Undo {
    Pushed,
    Popped(Container),
    Seen(String),
    Counted,
    Began {
        is_first: bool,
    },
    AnswerAt,
    /// The text from here on, as it was.
    Text(usize, Vec<u8>),
    ValueWatch(Option<WatchId>),
    Ended(Option<Arc<Watches>>),
    Transcoder(Option<Box<Transcoder>>),
    Grown(Grown),
}

impl Follower {
    pub(super) fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::Pushed => {
                self.frames.pop();
            }
            Undo::Popped(frame) => self.frames.push(frame),
            Undo::Began { is_first } => {
                self.watches = None;
                self.has_begun = !is_first;
            }
            Undo::AnswerAt => self.answer_at = None,
            Undo::Text(at, text) => {
                self.text.truncate(at);
                self.text.extend(text);
            }
            Undo::Ended(watches) => self.watches = watches,
            Undo::Transcoder(transcoder) => self.transcoder = transcoder,
            Undo::Grown(grown) => self.transcoder.iter_mut().for_each(|transcoder| transcoder.shrink(grown)),
            Undo::Seen(_) | Undo::Counted | Undo::ValueWatch(_) => {
                let frame = self.frames.last_mut().expect("it was there when this was logged");
                match undo {
                    Undo::Seen(text) => {
                        frame.seen.remove(&text);
                    }
                    Undo::Counted => frame.n_items -= 1,
                    Undo::ValueWatch(watch) => frame.value_watch = watch,
                    _ => unreachable!("matched above"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::guard::encoding::{Content, Elements, Encoding, Keys, Level};
    use crate::guard::follow::{Places, Structured};
    use crate::guard::frame::Preamble;
    use crate::guard::structure::{Node, Structure};

    /// A value as elements, then `!`; a thought may stand before it, which begins as an element does.
    #[test]
    fn what_was_read_as_a_value_may_become_a_thought() {
        let elements = Elements::of_text("<p=$KEY>$VALUE</p>", |text| text.as_bytes().to_vec()).expect("an element");
        let level = Level { keys: HashMap::new(), prefix: Vec::new(), others: Content::Text };
        let encoding = Encoding::Elements(Arc::new(Keys { elements: Arc::new(elements), levels: vec![level] }));
        let nodes = vec![
            Node { value: Some((0, 1)), ..Node::default() },
            Node { edges: vec![(b'!', 2)], ..Node::default() },
            Node { may_end: true, ..Node::default() },
        ];
        let structure = Structure { nodes, texts: Vec::new(), encodings: vec![Some(Arc::new(encoding))] };
        let places = Places {
            preamble: Some(Preamble { open: Some(b"<think>".to_vec()), close: b"</think>".to_vec(), may_skip: false }),
            structure: Some(Structured { structure: Arc::new(structure), watches: vec![Arc::default()], n_before: 0 }),
            ..Places::default()
        };
        let mut follower = Follower::new(Arc::new(places));
        let mut take = |pieces: &[&str], n_back: usize| {
            for piece in pieces {
                assert_eq!(follower.accept(piece.as_bytes()), Ok(()), "{piece}");
            }
            let result = follower.end();
            follower.rollback(n_back);
            result
        };
        assert!(take(&["<", "p=", "k>v"], 2).is_err());
        assert_eq!(take(&["think>", "a", "</think>", "<p=k", ">v</p>", "!"], 6), Ok(()));
        assert_eq!(take(&["p=k", ">v</p>!"], 0), Ok(()));
    }
}
