//! [`Map`]: a Go map with string keys. Shared, mutable, always iterated in key order.

use std::cell::{Cell, RefCell};
use std::ops::Deref;
use std::rc::Rc;

use super::{MapType, Text, Value, types};

/// A Go map with string keys: a shared handle, so that clones see each other's changes.
///
/// Iteration is in bytewise key order, which is what templates see. [`Map::entries`] takes a
/// snapshot without copying; a change made while a snapshot is alive copies once.
#[derive(Clone)]
pub struct Map {
    map_type: MapType,
    shared: Rc<Shared>,
}

struct Shared {
    entries: RefCell<Rc<Table>>,
    nil: Cell<bool>,
}

#[derive(Clone, Default)]
struct Table(Vec<(Text, Value)>);

/// The entries of a [`Map`] at one moment, in key order.
#[derive(Clone)]
pub struct Entries(Rc<Table>);

impl Map {
    /// An empty `map[string]interface {}`.
    pub fn new() -> Self {
        Self::from_table(MapType::ANY, Vec::new(), false)
    }

    /// An empty map of another Go type.
    pub fn with_type(map_type: MapType) -> Self {
        Self::from_table(map_type, Vec::new(), false)
    }

    /// The nil map of a type: empty, and JSON `null`.
    pub fn nil(map_type: MapType) -> Self {
        Self::from_table(map_type, Vec::new(), true)
    }

    fn from_table(map_type: MapType, entries: Vec<(Text, Value)>, nil: bool) -> Self {
        let entries = RefCell::new(Rc::new(Table(entries)));
        Self {
            map_type,
            shared: Rc::new(Shared {
                entries,
                nil: Cell::new(nil),
            }),
        }
    }

    /// The same map under another Go type, as an assignment between map types gives.
    #[must_use]
    pub fn retyped(&self, map_type: MapType) -> Self {
        Self {
            map_type,
            shared: Rc::clone(&self.shared),
        }
    }

    /// A new map with the same entries; the values stay shared.
    #[must_use]
    pub fn shallow_copy(&self) -> Self {
        Self::from_table(self.map_type, self.entries().to_vec(), false)
    }

    /// A new map of the same type and keys; `value` makes each of its values from the one here.
    ///
    /// # Errors
    /// The first one of `value`.
    pub fn try_map<E>(&self, mut value: impl FnMut(&Value) -> Result<Value, E>) -> Result<Self, E> {
        let entries = self.entries();
        let mut made = Vec::with_capacity(entries.len());
        for (key, old) in entries.iter() {
            made.push((key.clone(), value(old)?));
        }
        Ok(Self::from_table(self.map_type, made, false))
    }

    pub(super) fn identity(&self) -> usize {
        Rc::as_ptr(&self.shared).addr()
    }

    /// The Go type.
    #[inline]
    pub fn map_type(&self) -> MapType {
        self.map_type
    }

    /// Whether this is a nil map; it stops being one with the first insertion.
    #[inline]
    pub fn is_nil(&self) -> bool {
        self.shared.nil.get()
    }

    /// The number of entries.
    #[inline]
    pub fn len(&self) -> usize {
        self.shared.entries.borrow().0.len()
    }

    /// Whether there are no entries.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value under a key.
    pub fn get(&self, key: &str) -> Option<Value> {
        self.get_bytes(key.as_bytes())
    }

    /// The value under a key that need not be UTF-8.
    #[inline]
    pub fn get_bytes(&self, key: &[u8]) -> Option<Value> {
        let table = self.shared.entries.borrow();
        table.find(key).ok().map(|index| table.0[index].1.clone())
    }

    /// Like [`Map::get_bytes`], trying the index a former look-up left in `hint` first.
    #[inline]
    pub(crate) fn get_hinted(&self, key: &[u8], hint: &Cell<u32>) -> Option<Value> {
        let table = self.shared.entries.borrow();
        if let Some((name, value)) = table.0.get(hint.get() as usize)
            && name.as_bytes() == key
        {
            return Some(value.clone());
        }
        let index = table.find(key).ok()?;
        hint.set(index as u32);
        Some(table.0[index].1.clone())
    }

    /// Whether there is an entry under a key.
    pub fn contains_key(&self, key: &str) -> bool {
        self.shared.entries.borrow().find(key.as_bytes()).is_ok()
    }

    /// Sets an entry and returns what it replaced. Every handle of this map sees the change.
    pub fn insert(&self, key: impl Into<Text>, value: impl Into<Value>) -> Option<Value> {
        let (key, value) = (key.into(), value.into());
        self.shared.nil.set(false);
        let mut entries = self.shared.entries.borrow_mut();
        let table = Rc::make_mut(&mut entries);
        match table.find(key.as_bytes()) {
            Ok(index) => Some(std::mem::replace(&mut table.0[index].1, value)),
            Err(index) => {
                table.0.insert(index, (key, value));
                None
            }
        }
    }

    /// Removes an entry and returns its value. Every handle of this map sees the change.
    pub fn remove(&self, key: impl AsRef<[u8]>) -> Option<Value> {
        let mut entries = self.shared.entries.borrow_mut();
        let index = entries.find(key.as_ref()).ok()?;
        Some(Rc::make_mut(&mut entries).0.remove(index).1)
    }

    /// The keys, in order.
    pub fn keys(&self) -> Vec<Text> {
        self.entries().iter().map(|(key, _)| key.clone()).collect()
    }

    /// The entries as they are now, in key order, without copying.
    #[inline]
    pub fn entries(&self) -> Entries {
        Entries(Rc::clone(&self.shared.entries.borrow()))
    }

    /// Whether both are handles of the very same map.
    #[inline]
    pub fn ptr_eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.shared, &other.shared)
    }

    /// A number that is equal for handles of the same map and different for maps alive together.
    pub fn address(&self) -> usize {
        Rc::as_ptr(&self.shared).addr()
    }

    pub(super) fn into_unshared_items(self) -> Vec<Value> {
        let Ok(shared) = Rc::try_unwrap(self.shared) else {
            return Vec::new();
        };
        Rc::try_unwrap(shared.entries.into_inner())
            .map_or_else(|_| Vec::new(), |mut table| table.take_values())
    }
}

impl Table {
    fn find(&self, key: &[u8]) -> Result<usize, usize> {
        self.0
            .binary_search_by(|(name, _)| name.as_bytes().cmp(key))
    }

    fn take_values(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.0)
            .into_iter()
            .map(|(_, value)| value)
            .collect()
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        if self.0.iter().any(|(_, value)| types::is_container(value)) {
            types::dismantle(self.take_values());
        }
    }
}

impl Default for Map {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Into<Text>, V: Into<Value>> FromIterator<(K, V)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut entries: Vec<(Text, Value)> = entries
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()))
            .collect();
        if !entries.is_sorted_by(|(left, _), (right, _)| left < right) {
            entries.sort_by(|(left, _), (right, _)| left.cmp(right));
            entries.reverse();
            entries.dedup_by(|(later, _), (kept, _)| later == kept);
            entries.reverse();
        }
        Self::from_table(MapType::ANY, entries, false)
    }
}

impl Deref for Entries {
    type Target = [(Text, Value)];

    #[inline]
    fn deref(&self) -> &[(Text, Value)] {
        &self.0.0
    }
}

impl std::fmt::Debug for Entries {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_map()
            .entries(self.iter().map(|(key, value)| (key, value)))
            .finish()
    }
}

impl std::fmt::Debug for Map {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(&self.entries(), out)
    }
}
