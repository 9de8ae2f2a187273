//! What of an answer a veto may yet take back.

use super::{Follower, State, Step};
use crate::guard::transcode::{Progress, Transcoder};

impl Follower {
    /// How many of the last tokens hold text that a veto may yet take back.
    #[must_use]
    pub fn n_unsettled(&self) -> usize {
        let settled = self.settled();
        let n_of_text = self.steps.iter().rev().take_while(|step| step.n_text >= settled).count()
            + usize::from(self.steps.iter().rev().find(|step| step.n_text < settled).is_some_and(|_| {
                // A token that reaches over the border is not settled either.
                let after = self.steps.iter().find(|step| step.n_text >= settled).map_or(self.text.len(), |s| s.n_text);
                after > settled
            }));
        n_of_text.max(self.n_not_understood())
    }

    /// How many of the last tokens hold bytes that may yet be one thing or another: a token may close a value and begin
    /// what turns out to be one key too many.
    fn n_not_understood(&self) -> usize {
        let is_inside = |transcoder: &&Transcoder| transcoder.progress() == Progress::Inside;
        let n_held = self.transcoder.as_deref().filter(is_inside).map_or(0, |transcoder| transcoder.held().len());
        let understood = self.n_wire - n_held;
        let mut end = self.n_wire;
        let holds = |step: &&Step| std::mem::replace(&mut end, step.n_wire) > understood;
        self.steps.iter().rev().take_while(holds).count()
    }

    /// Up to here no veto reaches.
    fn settled(&self) -> usize {
        let mut settled = self.text.len();
        for (i, frame) in self.frames.iter().enumerate() {
            let watch = self.watch_of(frame.watch);
            if watch.is_some_and(|watch| watch.check.is_some()) {
                return settled.min(frame.start);
            }
            let is_last = i + 1 == self.frames.len();
            if watch.is_some_and(|watch| watch.is_unique) && !is_last {
                // The item that is open here must differ from the others when it is finished.
                return settled.min(self.frames[i + 1].start);
            }
        }
        match self.state {
            State::InString { start, is_key: true, .. } => settled = settled.min(start),
            State::InString { start, is_key: false, .. } | State::InWord { start } if self.is_judged_at_end() => {
                settled = settled.min(start);
            }
            _ => {}
        }
        settled
    }

    /// Whether the value that is open now is judged when it is finished.
    fn is_judged_at_end(&self) -> bool {
        let is_item_of_unique = self
            .frames
            .last()
            .is_some_and(|frame| !frame.is_object && self.watch_of(frame.watch).is_some_and(|watch| watch.is_unique));
        let watch = self.watch_of(self.next_watch());
        // Why: a string that is too short, or grew too long, may have to take another way.
        is_item_of_unique
            || watch.is_some_and(|watch| watch.check.is_some() || watch.length.is_some_and(|length| !length.is_all))
    }
}
