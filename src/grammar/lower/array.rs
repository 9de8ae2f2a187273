//! Arrays.

use std::collections::HashSet;
use std::sync::Arc;

use jsonschema::canonical::{ArrayView, CanonicalSchema, CanonicalView, ContainsView, Distinctness};
use serde_json::Number;

use super::Lowering;
use super::order::Sources;
use crate::grammar::shape::{Array, Shape, ShapeId};
use crate::guard::{Few, Supply};
use crate::schema::SchemaError;

/// More demanded items than this are only counted by the guard.
const MAX_CONTAINED: u64 = 8;
/// Places of their own, and values of each, that are looked at where no two may be equal.
const MAX_PLACES: usize = 64;
const MAX_FEW_IN_PLACES: usize = 256;

impl<'a> Lowering<'a> {
    pub(super) fn array(
        &mut self,
        view: &ArrayView,
        schema: &CanonicalSchema,
        sources: &Sources<'a>,
    ) -> Result<ShapeId, SchemaError> {
        let id = self.shapes.reserve(Some(schema.clone()));
        let mut prefix = Vec::with_capacity(view.prefix_items.len());
        for (i, item) in view.prefix_items.iter().enumerate() {
            let sources = self.order.item(sources, Some(i));
            prefix.push(self.lower(item, &sources)?);
        }
        let item_sources = self.order.item(sources, None);
        let items = match &view.items {
            Some(items) => self.lower(items, &item_sources)?,
            None => self.shapes.push(Shape::Anything, None),
        };
        let n_before = self.shapes.len();
        let contains = self.contains(view, &item_sources)?;
        // Why: the guard knows items, not which of them the grammar took for the wanted ones.
        let is_wanted_exact = self.shapes.ids().skip(n_before).all(|id| !self.shapes.is_residual(id));
        let says_contains = match (view.contains.as_slice(), contains) {
            ([], _) => true,
            ([only], Some(_)) => only.max_contains.is_none() && is_wanted_exact,
            _ => false,
        };
        let mut max = view.max_items.as_ref().map(count);
        if matches!(self.shapes.get(items), Shape::Nothing) {
            let n = prefix.len() as u64;
            max = Some(max.map_or(n, |max| max.min(n)));
        }
        let is_unique = view.distinctness == Distinctness::AllDistinct;
        let min = view.min_items.as_ref().map_or(0, count);
        let supply = is_unique.then(|| self.supply(&prefix, items, min)).flatten();
        if let Some(few) = supply.as_ref().and_then(|supply| supply.items.as_ref()) {
            let n = (prefix.len() + few.len()) as u64;
            max = Some(max.map_or(n, |max| max.min(n)));
        }
        let is_too_little = supply.as_ref().is_some_and(|supply| !supply.lasts(&HashSet::new(), 0, 0));
        let least = min.max(contains.map_or(0, |(_, n)| n));
        if is_too_little || max.is_some_and(|max| max < least) {
            self.shapes.set(id, Shape::Nothing);
            return Ok(id);
        }
        let array = Array { prefix, items, min, max, is_unique, contains, supply: supply.map(Arc::new) };
        self.shapes.set(id, Shape::Array(array));
        Ok(if says_contains && view.distinctness != Distinctness::SomeRepeated {
            id
        } else {
            self.residual(id, schema)
        })
    }

    /// The values of items that must differ, where some place has few.
    fn supply(&mut self, prefix: &[ShapeId], items: ShapeId, min: u64) -> Option<Supply> {
        if prefix.len() > MAX_PLACES {
            return None;
        }
        // Why fewer beside a prefix: then every value may be in every place's way.
        let max = if prefix.is_empty() { usize::MAX } else { MAX_FEW_IN_PLACES };
        let mut few = |id: ShapeId| self.census.few(&self.shapes, id).filter(|few| few.len() <= max);
        let prefix: Vec<Option<Few>> = prefix.iter().map(|item| few(*item)).collect();
        let items = few(items);
        let is_short = items.is_some() || prefix.iter().any(Option::is_some);
        is_short.then(|| Supply { prefix, items, min: usize::try_from(min).unwrap_or(usize::MAX) })
    }

    /// The demand for contained items that the grammar can state, if there is one.
    fn contains(&mut self, view: &ArrayView, sources: &Sources<'a>) -> Result<Option<(ShapeId, u64)>, SchemaError> {
        let [ContainsView { schema, min_contains, .. }] = view.contains.as_slice() else { return Ok(None) };
        let min = min_contains.as_ref().map_or(1, count);
        if !view.prefix_items.is_empty() || min == 0 || min > MAX_CONTAINED {
            return Ok(None);
        }
        let wanted = match &view.items {
            Some(items) => items.intersect(schema).ok(),
            None => Some(schema.clone()),
        };
        match wanted {
            Some(wanted) if !matches!(wanted.view(), CanonicalView::False) => {
                Ok(Some((self.lower(&wanted, sources)?, min)))
            }
            _ => Ok(None),
        }
    }
}

/// A count as the schema gives it; beyond 2^64 nothing can be counted anyway.
pub(super) fn count(number: &Number) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, and counts are not negative"
    )]
    number.as_u64().unwrap_or_else(|| number.as_f64().map_or(u64::MAX, |float| float as u64))
}
