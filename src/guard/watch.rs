//! What to look at while an answer grows: a tree beside the values, without what the mask already sees to.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Check, Supply};

/// An index into [`Watches`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WatchId(pub u32);

/// What is looked at in the values of one place.
#[derive(Debug, Default)]
pub struct Watch {
    /// The finished value must pass.
    pub check: Option<Arc<Check>>,
    /// No two items may be equal.
    pub is_unique: bool,
    /// What there is for the items then, where places have values of their own, and few.
    pub supply: Option<Arc<Supply>>,
    /// Fewest and most items.
    pub items_count: Option<(u64, Option<u64>)>,
    /// Keys that must be there when the object ends.
    pub required: Vec<String>,
    /// Fewest and most keys.
    pub keys_count: Option<(u64, Option<u64>)>,
    /// How long a string may be.
    pub length: Option<Length>,
    /// The items of the prefix, in order.
    pub prefix: Vec<Option<WatchId>>,
    /// The items after it.
    pub items: Option<WatchId>,
    /// The values of these keys.
    pub properties: HashMap<String, Option<WatchId>>,
    /// The values of all other keys.
    pub others: Option<WatchId>,
}

/// Fewest and most characters of a string.
#[derive(Clone, Copy, Debug)]
pub struct Length {
    /// Fewest.
    pub min: u64,
    /// Most.
    pub max: Option<u64>,
    /// Whether every string of such a length will do: then there is always a way on.
    pub is_all: bool,
}

impl Watch {
    /// Fewest and most parts of an object or array.
    pub(super) fn bounds(&self, is_object: bool) -> Option<(u64, Option<u64>)> {
        if is_object { self.keys_count } else { self.items_count }
    }
}

/// The watches of one schema; they may refer to each other in circles.
#[derive(Debug, Default)]
pub struct Watches {
    /// By [`WatchId`].
    pub nodes: Vec<Watch>,
    /// The whole value's.
    pub root: Option<WatchId>,
    /// Whether some object has keys that could be written twice.
    pub has_open_keys: bool,
    /// Whether values can nest without end.
    pub nests: bool,
}

impl Watches {
    /// Whether the mask alone is enough.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.root.is_none() && !self.has_open_keys && !self.nests
    }

    pub(super) fn get(&self, id: Option<WatchId>) -> Option<&Watch> {
        self.nodes.get(id?.0 as usize)
    }
}
