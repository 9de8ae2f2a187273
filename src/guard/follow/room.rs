//! How much may still come, where the guard counts characters.

use super::{Follower, State};
use crate::guard::escape::Escape;

impl Follower {
    /// How many characters the string or text that is open here may still get, where that is the guard's to say.
    #[must_use]
    pub fn room(&self) -> Option<u64> {
        if let Some(room) = self.room_in_part() {
            return Some(room as u64);
        }
        let State::InString { is_key: false, n_chars, .. } = self.state else { return None };
        let max = self.watch_of(self.next_watch())?.length?.max?;
        Some(max.saturating_sub(n_chars))
    }

    /// Whether `bytes` keep the open string or text within its length.
    #[must_use]
    pub fn fits(&self, bytes: &[u8]) -> bool {
        if let Some((structure, answer, position)) = self.in_parts() {
            return structure.fits(position, answer, bytes);
        }
        let mut json = Vec::new();
        let bytes = match self.transcoder.clone() {
            None => bytes,
            Some(mut transcoder) => {
                bytes.iter().for_each(|byte| transcoder.push(*byte, &mut json));
                &json
            }
        };
        let (State::InString { mut escape, .. }, Some(mut room)) = (self.state, self.room()) else {
            return true;
        };
        for byte in bytes {
            if escape == Escape::No && *byte == b'"' {
                return true;
            }
            let (next, is_char) = escape.next(*byte);
            escape = next;
            match room.checked_sub(u64::from(is_char)) {
                Some(left) => room = left,
                None => return false,
            }
        }
        true
    }
}
