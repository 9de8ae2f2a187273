//! Tags that some models write around what they say behind a thought: content has neither.

/// Tags around an answer's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrapper {
    open: &'static str,
    close: &'static str,
}

/// Source: the templates of Ernie 4.5 and Granite 3.3.
const WRAPPERS: [Wrapper; 1] = [Wrapper { open: "<response>", close: "</response>" }];

impl Wrapper {
    /// What the source of a chat template says of it.
    pub(super) fn of(source: &str) -> Option<Self> {
        WRAPPERS.into_iter().find(|wrapper| source.contains(wrapper.open) && source.contains(wrapper.close))
    }

    /// Both tags.
    #[must_use]
    pub fn tags(self) -> [&'static str; 2] {
        [self.open, self.close]
    }

    /// `before`, which stands before a text, without the tag that opens it.
    pub(super) fn before<'t>(&self, before: &'t str) -> &'t str {
        before.trim_end().strip_suffix(self.open).unwrap_or(before)
    }

    /// `after`, which stands behind a text, without the tag that closes it.
    pub(super) fn after<'t>(&self, after: &'t str) -> &'t str {
        after.trim_start().strip_prefix(self.close).unwrap_or(after)
    }
}

/// Takes the tags out of a text as it grows. Held back: what may yet be a tag, or the lines around one; nothing else.
#[derive(Clone, Debug)]
pub(super) struct Unwrap {
    wrapper: Wrapper,
    place: Place,
    held: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Nothing but whitespace so far.
    Before,
    /// Directly behind the tag that opens.
    Opened,
    Inside,
    /// Behind the tag that closes, with nothing but whitespace so far.
    Closed,
    /// Behind that, or where there was no tag to begin with.
    Over,
}

impl Unwrap {
    pub(super) fn new(wrapper: Wrapper) -> Self {
        Self { wrapper, place: Place::Before, held: String::new() }
    }

    /// Takes the next piece of the text; returns what of it is shown. With `is_end` no more will come.
    pub(super) fn push(&mut self, text: &str, is_end: bool) -> String {
        self.held.push_str(text);
        let mut shown = String::new();
        loop {
            let before = self.place;
            self.step(is_end, &mut shown);
            if self.place == before {
                return shown;
            }
        }
    }

    fn step(&mut self, is_end: bool, shown: &mut String) {
        let Wrapper { open, close } = self.wrapper;
        match self.place {
            Place::Before => {
                let text = self.held.trim_start();
                if let Some(rest) = text.strip_prefix(open) {
                    (self.held, self.place) = (rest.to_owned(), Place::Opened);
                } else if is_end || !open.starts_with(text) {
                    self.place = Place::Over;
                }
            }
            Place::Opened => {
                if !self.held.is_empty() {
                    self.held.drain(..usize::from(self.held.starts_with('\n')));
                    self.place = Place::Inside;
                }
            }
            Place::Inside => {
                let n_line = |text: &str| usize::from(text.ends_with('\n'));
                if let Some(at) = self.held.find(close) {
                    let text = &self.held[..at];
                    shown.push_str(&text[..at - n_line(text)]);
                    self.held.drain(..at + close.len());
                    self.place = Place::Closed;
                    return;
                }
                let begun = (1..close.len()).rev().find(|n| self.held.ends_with(&close[..*n])).unwrap_or(0);
                let text = &self.held[..self.held.len() - begun];
                let n_shown = if is_end { self.held.len() } else { text.len() - n_line(text) };
                shown.extend(self.held.drain(..n_shown));
            }
            Place::Closed => {
                self.held.drain(..self.held.len() - self.held.trim_start().len());
                if !self.held.is_empty() {
                    self.place = Place::Over;
                }
            }
            Place::Over => shown.push_str(&std::mem::take(&mut self.held)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(pieces: &[&str]) -> String {
        let mut unwrap = Unwrap::new(WRAPPERS[0]);
        let mut shown: String = pieces.iter().map(|piece| unwrap.push(piece, false)).collect();
        shown.push_str(&unwrap.push("", true));
        shown
    }

    #[test]
    fn tags_around_a_text_are_no_part_of_it() {
        for (text, expected) in [
            ("<response>\nOslo\n</response>\n", "Oslo"),
            ("\n<response>Oslo</response>", "Oslo"),
            ("<response>\na\n\nb", "a\n\nb"),
            ("<response>\na\n</respon", "a\n</respon"),
            ("<response>", ""),
            ("<resp", "<resp"),
            ("  Oslo <response>x</response>", "  Oslo <response>x</response>"),
            ("<response>a</response>\n\nmore</response>", "amore</response>"),
            ("<response><a></response>", "<a>"),
            ("", ""),
        ] {
            assert_eq!(shown(&[text]), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn where_a_text_is_cut_does_not_matter(
            parts in prop::collection::vec(prop::sample::select(vec!["<response>", "</response>", "\n", "<", "a", "é", "</resp"]), 0..8),
            is_wrapped: bool,
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let text = format!("{}{}", if is_wrapped { "<response>" } else { "" }, parts.concat());
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).filter(|at| text.is_char_boundary(*at)).collect();
            at.extend([0, text.len()]);
            at.sort_unstable();
            let pieces: Vec<&str> = at.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
            prop_assert_eq!(shown(&pieces), shown(&[&text]));
        }
    }
}
