//! How long the shortest text of each nonterminal is, and which production gives it.
//!
//! What is found first is shortest, since a production is never shorter than its parts. Source: Knuth, "A Generalization
//! of Dijkstra's Algorithm", Information Processing Letters 6 (1977).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::machine::{Part, Production};

/// The lengths, in bytes.
#[derive(Debug)]
pub(super) struct Shortest {
    /// Of each nonterminal, with the production; none of those that derive nothing.
    found: Vec<Option<(usize, u32)>>,
    /// Of what is left of each production, by dot.
    rest: Vec<Vec<Option<usize>>>,
}

impl Shortest {
    pub(super) fn of(productions: &[Production], n_non: usize, sample: &[char]) -> Self {
        let mut found: Vec<Option<(usize, u32)>> = vec![None; n_non];
        // The productions in which each nonterminal stands, once for each time.
        let mut uses: Vec<Vec<u32>> = vec![Vec::new(); n_non];
        // What is not known of each production, and what the rest comes to.
        let mut open: Vec<(usize, usize)> = Vec::with_capacity(productions.len());
        let mut ready = BinaryHeap::new();
        for (i, production) in (0..).zip(productions) {
            let (mut n_unknown, mut len) = (0, 0_usize);
            for part in &production.rhs {
                match part {
                    Part::Char(class) => len += sample[*class as usize].len_utf8(),
                    Part::Non(non) => {
                        uses[*non as usize].push(i);
                        n_unknown += 1;
                    }
                }
            }
            open.push((n_unknown, len));
            if n_unknown == 0 {
                ready.push(Reverse((len, i)));
            }
        }
        while let Some(Reverse((len, i))) = ready.pop() {
            let lhs = productions[i as usize].lhs as usize;
            if found[lhs].is_some() {
                continue;
            }
            found[lhs] = Some((len, i));
            for user in &uses[lhs] {
                let (n_unknown, so_far) = &mut open[*user as usize];
                *n_unknown -= 1;
                // Why saturating: lengths double from rule to rule.
                *so_far = so_far.saturating_add(len);
                if *n_unknown == 0 {
                    ready.push(Reverse((*so_far, *user)));
                }
            }
        }
        let rest = productions.iter().map(|production| rest(production, &found, sample)).collect();
        Self { found, rest }
    }

    /// The length of the shortest text of a nonterminal; none if it derives nothing.
    pub(super) fn len(&self, non: u32) -> Option<usize> {
        self.found[non as usize].map(|(len, _)| len)
    }

    /// The production that gives it.
    pub(super) fn production(&self, non: u32) -> Option<u32> {
        self.found[non as usize].map(|(_, production)| production)
    }

    /// The same of what is left of a production from `dot` on.
    pub(super) fn rest_len(&self, production: u32, dot: u32) -> Option<usize> {
        self.rest[production as usize][dot as usize]
    }
}

fn rest(production: &Production, found: &[Option<(usize, u32)>], sample: &[char]) -> Vec<Option<usize>> {
    let mut lens = vec![Some(0_usize)];
    for part in production.rhs.iter().rev() {
        let own = match part {
            Part::Char(class) => Some(sample[*class as usize].len_utf8()),
            Part::Non(non) => found[*non as usize].map(|(len, _)| len),
        };
        let behind = lens.last().copied().flatten();
        lens.push(behind.zip(own).map(|(behind, own)| behind.saturating_add(own)));
    }
    lens.reverse();
    lens
}
