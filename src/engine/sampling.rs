//! Sampling parameters and the CPU reference sampler.
//!
//! The order is: log probabilities of the raw logits, bias, penalties, mask, temperature, top_k, top_p, min_p, draw.
//! So log probabilities show the model's own view, before the mask, and a bias can never lift a masked token.

use std::collections::HashMap;

use super::backend::Draw;
use crate::grammar::{Mask, TokenId};

/// How often each token was generated so far.
pub type Counts = HashMap<TokenId, u32>;

/// Sampling parameters, checked by whoever makes them.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// 0 is greedy; otherwise logits are divided by it.
    pub temperature: f32,
    /// Keep the smallest set of tokens with at least this probability in sum; 1 keeps all.
    pub top_p: f32,
    /// Keep this many tokens; 0 keeps all.
    pub top_k: usize,
    /// Drop tokens below this share of the likeliest one's probability.
    pub min_p: f32,
    /// Subtracted once from every token generated before.
    pub presence_penalty: f32,
    /// Subtracted per occurrence from every token generated before.
    pub frequency_penalty: f32,
    /// Divides positive and multiplies negative logits of tokens generated before; 1 does nothing.
    pub repeat_penalty: f32,
    /// Added to these tokens' logits.
    pub logit_bias: Vec<(TokenId, f32)>,
    /// Seed of the draws.
    pub seed: u64,
    /// Stream of the seed: the index of the choice, so that choices of one request differ.
    pub stream: u64,
}

impl Default for Sampling {
    /// OpenAI's defaults.
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_p: 1.0,
            top_k: 0,
            min_p: 0.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            repeat_penalty: 1.0,
            logit_bias: Vec::new(),
            seed: 0,
            stream: 0,
        }
    }
}

/// A token and the natural logarithm of its probability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenLogprob {
    /// The token.
    pub token: TokenId,
    /// Its log probability before mask, bias, penalties and temperature.
    pub logprob: f32,
}

/// The model's view of a drawn token.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenLogprobs {
    /// The drawn token.
    pub chosen: TokenLogprob,
    /// The likeliest tokens, the likeliest first.
    pub top: Vec<TokenLogprob>,
}

/// A drawn token.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// The token.
    pub token: TokenId,
    /// Its log probabilities, if asked for.
    pub logprobs: Option<TokenLogprobs>,
}

/// Buffers that outlive one draw.
#[derive(Debug, Default)]
pub struct Sampler {
    adjusted: Vec<f32>,
    candidates: Vec<(TokenId, f32)>,
}

/// Below `exp(-NEGLIGIBLE)` of the likeliest token's weight, all the tokens of any vocabulary together weigh less than
/// the 24 bits of the random number can tell.
const NEGLIGIBLE: f32 = 32.0;

impl Sampler {
    /// Draws a token from `logits` `[n_vocab]`. Returns nothing if the mask allows no token.
    pub fn draw(&mut self, logits: &[f32], draw: &Draw<'_>) -> Option<Drawn> {
        let Self { adjusted, candidates } = self;
        let seen = if draw.sampling.adjusts(draw.counts) { adjust(logits, draw, adjusted) } else { logits };
        let likeliest = likeliest(seen, draw.mask)?;
        let token = if draw.sampling.temperature <= 0.0 || likeliest.1 == f32::NEG_INFINITY {
            likeliest.0
        } else {
            collect(seen, draw, likeliest.1, candidates);
            choose(candidates, draw)?
        };
        let logprobs = draw.logprobs.map(|n_top| logprobs(logits, token, usize::from(n_top)));
        Some(Drawn { token, logprobs })
    }
}

impl Sampling {
    /// Whether logits are changed before they are drawn from.
    #[must_use]
    pub fn adjusts(&self, counts: &Counts) -> bool {
        !self.logit_bias.is_empty() || (self.penalizes() && !counts.is_empty())
    }

    /// Whether tokens generated before count.
    #[must_use]
    pub fn penalizes(&self) -> bool {
        self.presence_penalty != 0.0 || self.frequency_penalty != 0.0 || self.repeat_penalty != 1.0
    }
}

fn adjust<'a>(logits: &[f32], draw: &Draw<'_>, adjusted: &'a mut Vec<f32>) -> &'a [f32] {
    adjusted.clear();
    adjusted.extend_from_slice(logits);
    let s = draw.sampling;
    for (token, bias) in &s.logit_bias {
        if let Some(logit) = adjusted.get_mut(*token as usize) {
            *logit += bias;
        }
    }
    if s.penalizes() {
        for (token, count) in draw.counts {
            if let Some(logit) = adjusted.get_mut(*token as usize) {
                *logit = if *logit > 0.0 { *logit / s.repeat_penalty } else { *logit * s.repeat_penalty };
                #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^24")]
                let count = *count as f32;
                *logit -= s.presence_penalty + s.frequency_penalty * count;
            }
        }
    }
    adjusted
}

/// The allowed token with the largest logit, the first of equals. Not-a-number counts as impossible.
fn likeliest(logits: &[f32], mask: Option<&Mask>) -> Option<(TokenId, f32)> {
    let mut best: Option<(TokenId, f32)> = None;
    let mut offer = |token: TokenId, logit: f32| {
        let logit = if logit.is_nan() { f32::NEG_INFINITY } else { logit };
        if best.is_none_or(|(_, most)| logit > most) {
            best = Some((token, logit));
        }
    };
    // Why: most blocks hold nothing better than what is known, and a block's maximum is found without branches.
    let mut most = f32::NEG_INFINITY;
    for (block_idx, block) in (0u32..).zip(logits.chunks(BLOCK)) {
        let allowed = mask.map_or(u32::MAX, |mask| mask.word(block_idx));
        if allowed == 0 || (most > f32::NEG_INFINITY && block_max(block) <= most) {
            continue;
        }
        for (i, logit) in (0u32..).zip(block) {
            if allowed >> i & 1 == 1 {
                offer(block_idx * 32 + i, *logit);
                most = most.max(*logit);
            }
        }
    }
    best
}

/// Logits per word of a mask.
const BLOCK: usize = 32;

/// The largest of a block; not-a-number is passed over.
fn block_max(block: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; 8];
    for eight in block.chunks(8) {
        for (lane, logit) in lanes.iter_mut().zip(eight) {
            *lane = if *logit > *lane { *logit } else { *lane };
        }
    }
    lanes.into_iter().fold(f32::NEG_INFINITY, f32::max)
}

/// Gathers the allowed tokens with their weights: 1 for the likeliest, whose logit is `most`.
fn collect(logits: &[f32], draw: &Draw<'_>, most: f32, candidates: &mut Vec<(TokenId, f32)>) {
    candidates.clear();
    let temperature = draw.sampling.temperature;
    let least = most - NEGLIGIBLE * temperature;
    for (block_idx, block) in (0u32..).zip(logits.chunks(BLOCK)) {
        let allowed = draw.mask.map_or(u32::MAX, |mask| mask.word(block_idx));
        if allowed == 0 || block_max(block) < least {
            continue;
        }
        for (i, logit) in (0u32..).zip(block) {
            if allowed >> i & 1 == 1 && *logit >= least {
                candidates.push((block_idx * 32 + i, ((logit - most) / temperature).exp()));
            }
        }
    }
}

fn choose(candidates: &mut Vec<(TokenId, f32)>, draw: &Draw<'_>) -> Option<TokenId> {
    let s = draw.sampling;
    let likelier = |a: &(TokenId, f32), b: &(TokenId, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if s.top_k > 0 && s.top_k < candidates.len() {
        candidates.select_nth_unstable_by(s.top_k - 1, likelier);
        candidates.truncate(s.top_k);
    }
    if s.min_p > 0.0 {
        candidates.retain(|c| c.1 >= s.min_p);
    }
    let mut sum: f64 = candidates.iter().map(|c| f64::from(c.1)).sum();
    if s.top_p < 1.0 {
        let n_kept = nucleus(candidates, sum * f64::from(s.top_p), likelier);
        candidates.truncate(n_kept);
        sum = candidates.iter().map(|c| f64::from(c.1)).sum();
    } else if s.top_k > 0 {
        candidates.sort_unstable_by(likelier);
    }
    let mut rest = f64::from(draw.uniform) * sum;
    for candidate in candidates.iter() {
        rest -= f64::from(candidate.1);
        if rest < 0.0 {
            return Some(candidate.0);
        }
    }
    // Rounding may leave a rest: the last token that has any probability is meant.
    candidates.iter().rev().find(|c| c.1 > 0.0).map(|c| c.0)
}

/// Brings the likeliest candidates to the front, sorted, and returns how many of them weigh `enough`.
fn nucleus(
    candidates: &mut [(TokenId, f32)],
    enough: f64,
    likelier: impl Fn(&(TokenId, f32), &(TokenId, f32)) -> std::cmp::Ordering + Copy,
) -> usize {
    // Why: few tokens carry nearly all of the weight; the long tail need not be sorted.
    let (mut n_sorted, mut weight) = (0, 0.0);
    while n_sorted < candidates.len() {
        let rest = &mut candidates[n_sorted..];
        let n_next = (n_sorted.max(32) * 3).min(rest.len());
        if n_next < rest.len() {
            rest.select_nth_unstable_by(n_next, likelier);
        }
        rest[..n_next].sort_unstable_by(likelier);
        for (i, candidate) in rest[..n_next].iter().enumerate() {
            weight += f64::from(candidate.1);
            if weight >= enough {
                return n_sorted + i + 1;
            }
        }
        n_sorted += n_next;
    }
    candidates.len()
}

fn logprobs(logits: &[f32], chosen: TokenId, n_top: usize) -> TokenLogprobs {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|l| f64::from(l - most).exp()).sum();
    #[expect(clippy::cast_possible_truncation, reason = "a logarithm of at most n_vocab")]
    let log_sum = most + sum.ln() as f32;
    let of = |token: TokenId| {
        let logit = logits.get(token as usize).copied().unwrap_or(f32::NEG_INFINITY);
        TokenLogprob { token, logprob: (logit - log_sum).max(-9999.0) }
    };
    let mut top: Vec<(TokenId, f32)> = (0..).zip(logits.iter().copied()).collect();
    let likelier = |a: &(TokenId, f32), b: &(TokenId, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if n_top > 0 && n_top < top.len() {
        top.select_nth_unstable_by(n_top - 1, likelier);
    }
    top.truncate(n_top);
    top.sort_unstable_by(likelier);
    TokenLogprobs { chosen: of(chosen), top: top.into_iter().map(|(token, _)| of(token)).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw_with(logits: &[f32], sampling: &Sampling, uniform: f32, counts: &Counts) -> Drawn {
        let draw = Draw { mask: None, sampling, counts, uniform, logprobs: Some(2) };
        Sampler::default().draw(logits, &draw).expect("a token")
    }

    #[test]
    fn parameters_do_what_they_say() {
        let logits = [0.0, 2.0, 1.0, -1.0];
        let base = Sampling::default();
        let counts = Counts::from([(1, 2)]);
        for (name, sampling, uniform, token) in [
            ("greedy", Sampling { temperature: 0.0, ..base.clone() }, 0.9, 1),
            ("bias", Sampling { temperature: 0.0, logit_bias: vec![(3, 100.0)], ..base.clone() }, 0.0, 3),
            ("presence", Sampling { temperature: 0.0, presence_penalty: 1.5, ..base.clone() }, 0.0, 2),
            ("frequency", Sampling { temperature: 0.0, frequency_penalty: 0.6, ..base.clone() }, 0.0, 2),
            ("repeat", Sampling { temperature: 0.0, repeat_penalty: 2.5, ..base.clone() }, 0.0, 2),
            ("last of all", base.clone(), 0.9999, 3),
            ("top_k", Sampling { top_k: 2, ..base.clone() }, 0.9999, 2),
            ("top_p", Sampling { top_p: 0.5, ..base.clone() }, 0.9999, 1),
            ("min_p", Sampling { min_p: 0.3, ..base.clone() }, 0.9999, 2),
        ] {
            assert_eq!(draw_with(&logits, &sampling, uniform, &counts).token, token, "{name}");
        }
    }

    #[test]
    fn frequencies_follow_probabilities() {
        let (logits, n) = ([1.0, 0.0, 2.0], 3000u16);
        let mut seen = [0u32; 3];
        for i in 0..n {
            let uniform = (f32::from(i) + 0.5) / f32::from(n);
            seen[draw_with(&logits, &Sampling::default(), uniform, &Counts::new()).token as usize] += 1;
        }
        let sum: f64 = logits.iter().map(|l| f64::from(*l).exp()).sum();
        for (count, logit) in seen.iter().zip(logits) {
            let expected = f64::from(n) * f64::from(logit).exp() / sum;
            assert!((f64::from(*count) - expected).abs() < 2.0, "{count} against {expected}");
        }
    }

    #[test]
    fn log_probabilities_are_the_models_own() {
        let sampling = Sampling { temperature: 0.0, logit_bias: vec![(0, 100.0)], ..Sampling::default() };
        let logprobs = draw_with(&[0.0, 0.0, 0.0, 0.0], &sampling, 0.0, &Counts::new()).logprobs.expect("asked for");
        assert!((logprobs.chosen.logprob - 0.25f32.ln()).abs() < 1e-6);
        assert_eq!(logprobs.top.iter().map(|t| t.token).collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn survives_nan_and_infinite_logits() {
        let sampling = Sampling::default();
        for logits in [[f32::NAN; 3], [f32::NEG_INFINITY; 3], [f32::NAN, 1.0, f32::NEG_INFINITY]] {
            assert!(draw_with(&logits, &sampling, 0.5, &Counts::new()).token < 3);
        }
    }
}
