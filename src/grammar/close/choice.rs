//! Values of several places together, where the shortest of each are not enough: items that must differ.

use super::complete::Completion;
use super::part::Part;
use crate::grammar::shape::ShapeId;

/// Places that get more than one value.
const MAX_VARIED: usize = 4;

impl Completion<'_> {
    /// Up to `n` ways to choose values for places of these `shapes`, beside the one in which each has its shortest; each as
    /// places and their values.
    pub(super) fn choices(&mut self, shapes: &[ShapeId], n: usize) -> Vec<Vec<(usize, Vec<u8>)>> {
        let mut varied: Vec<(usize, Vec<Vec<u8>>)> = Vec::new();
        let mut n_ways: usize = 1;
        for (i, shape) in shapes.iter().enumerate() {
            if n_ways > n || varied.len() >= MAX_VARIED || self.is_spent() {
                break;
            }
            let values = self.judged(*shape, &Part::Missing, (n + 1).div_ceil(n_ways));
            if values.len() > 1 {
                n_ways = n_ways.saturating_mul(values.len());
                varied.push((i, values));
            }
        }
        let way = |number: usize| {
            let mut rest = number;
            let place = |(i, values): &(usize, Vec<Vec<u8>>)| {
                let value = &values[rest % values.len()];
                rest /= values.len();
                (*i, value.clone())
            };
            varied.iter().map(place).collect()
        };
        (1..n_ways.min(n + 1)).map(way).collect()
    }
}
