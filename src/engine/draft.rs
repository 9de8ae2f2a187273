//! Speculation: what may come next is proposed, cut by the grammar, and computed along with the step; every token is
//! still drawn from the model's own logits under the mask, so nothing is lost when a proposal is wrong.
//!
//! Two sources: the sequence itself (structured output copies much of its input), and a smaller model.

use super::backend::SlotId;
use crate::grammar::TokenId;

/// Drafts per step at most.
pub(super) const MAX_DRAFTS: usize = 16;
/// The end of the text must be found again in at least this many tokens.
const MIN_MATCH: usize = 2;
/// A match of this many tokens is a long one; longer ones are not told apart.
const LONG_MATCH: usize = 5;
/// Tokens back that are searched.
const REACH: usize = 8192;
/// After so many tokens without drafts one is tried again.
const RETRY_AFTER: usize = 48;

/// A model that proposes tokens.
pub trait Drafter {
    /// Proposes at most `n` tokens after `tokens` for each sequence, in order.
    fn draft(&mut self, wants: &[(SlotId, &[TokenId], usize)]) -> Vec<Vec<TokenId>>;
}

/// Tokens that may come next.
#[derive(Clone, Debug, Default)]
pub(super) struct Drafts {
    pub(super) tokens: Vec<TokenId>,
    /// Where they come from; absent if there are none.
    pub(super) source: Option<Source>,
}

/// Where a draft comes from, as far as it tells how good it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    ShortMatch,
    LongMatch,
    Model,
}

/// How often the drafts of one sequence were right, by source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    rates: [f32; 3],
    n_since: usize,
}

impl Default for Record {
    fn default() -> Self {
        Self { rates: [0.5, 0.8, 0.8], n_since: 0 }
    }
}

impl Record {
    /// How many tokens to propose, if each must be right with probability `break_even`.
    pub(super) fn n_worth(&mut self, source: Source, break_even: f32) -> usize {
        let rate = self.rates[source as usize].clamp(0.01, 0.98);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
        let n = (break_even.ln() / rate.ln()) as usize;
        self.n_since += 1;
        if n == 0 && self.n_since > RETRY_AFTER { 1 } else { n.min(MAX_DRAFTS) }
    }

    /// Notes that of `n_drafted` proposals the first `n_accepted` were right.
    pub(super) fn note(&mut self, source: Source, n_drafted: usize, n_accepted: usize) {
        const LEARNING: f32 = 0.1;
        self.n_since = 0;
        let rate = &mut self.rates[source as usize];
        for _ in 0..n_accepted {
            *rate += LEARNING * (1.0 - *rate);
        }
        if n_accepted < n_drafted {
            *rate -= LEARNING * *rate;
        }
    }
}

/// Finds the longest, of these the latest, earlier place that ends as `tokens` does. Gives what came after it.
pub(super) fn look_up(tokens: &[TokenId]) -> Option<(Source, &[TokenId])> {
    let (last, before) = tokens.split_last()?;
    let from = before.len().saturating_sub(REACH);
    let mut best: Option<(usize, usize)> = None;
    for end in (from..before.len()).rev().filter(|end| before[*end] == *last) {
        let n_match = 1 + before[..end]
            .iter()
            .rev()
            .zip(before.iter().rev())
            .take(LONG_MATCH)
            .take_while(|(a, b)| a == b)
            .count();
        if n_match >= MIN_MATCH && best.is_none_or(|(n_best, _)| n_match > n_best) {
            best = Some((n_match, end + 1));
            if n_match >= LONG_MATCH {
                break;
            }
        }
    }
    let (n_match, next) = best?;
    let source = if n_match >= LONG_MATCH { Source::LongMatch } else { Source::ShortMatch };
    Some((source, &tokens[next..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_up_the_longest_then_latest_match() {
        for (tokens, expected) in [
            (vec![1, 2, 3, 9, 1, 2], Some((Source::ShortMatch, &[3, 9, 1, 2][..]))),
            (vec![7, 1, 2, 3, 1, 2, 4, 7, 1, 2], Some((Source::ShortMatch, &[3, 1, 2, 4, 7, 1, 2][..]))),
            (vec![1, 2, 3, 1, 2, 4, 1, 2], Some((Source::ShortMatch, &[4, 1, 2][..]))),
            (vec![1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5], Some((Source::LongMatch, &[6, 1, 2, 3, 4, 5][..]))),
            (vec![1, 2, 3, 2], None),
            (vec![1], None),
            (vec![], None),
        ] {
            assert_eq!(look_up(&tokens), expected, "{tokens:?}");
        }
    }

    #[test]
    fn proposes_less_where_it_was_wrong() {
        let mut record = Record::default();
        let at_first = record.n_worth(Source::LongMatch, 0.5);
        (0..10).for_each(|_| record.note(Source::LongMatch, 4, 4));
        let after_success = record.n_worth(Source::LongMatch, 0.5);
        (0..40).for_each(|_| record.note(Source::LongMatch, 4, 0));
        let after_failure = record.n_worth(Source::LongMatch, 0.5);
        assert!(after_failure < at_first && at_first < after_success, "{after_failure} {at_first} {after_success}");
        assert!((0..100).any(|_| record.n_worth(Source::LongMatch, 0.5) == 1), "it never tries again");
    }
}
