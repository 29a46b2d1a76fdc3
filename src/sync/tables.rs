//! Several tables, by digest: with several none is so large that its writer is held up for long.
//!
//! A table that is full gives way to a larger one, or to one as large without the keys that were
//! removed.
//!
//! INVARIANT: one writer of a table at a time, and no table changes any more once another has taken
//! over. A reader who still looks at the old one began before that, and finds what was there at that
//! moment; whoever begins after a change has returned looks at the table that has it (rule P4).

use std::array;

use super::Snapshot;
use super::table::{Cell, Table};

/// How many tables there are, a power of two.
pub(crate) const TABLES: usize = if cfg!(portcullis_loom) { 1 } else { 64 };

pub(crate) struct Tables<C>([Snapshot<Table<C>>; TABLES]);

impl<C: Cell + 'static> Tables<C> {
    pub(crate) fn new() -> Self {
        Self(array::from_fn(|_| Snapshot::empty()))
    }

    /// The table of a digest.
    #[inline]
    pub(crate) fn of(&self, digest: u64) -> &Snapshot<Table<C>> {
        self.nth(which(digest))
    }

    #[inline]
    #[expect(clippy::indexing_slicing, reason = "the remainder is an index")]
    pub(crate) fn nth(&self, which: usize) -> &Snapshot<Table<C>> {
        &self.0[which & (TABLES - 1)]
    }

    /// Gives a slot to a key that has none, in a new table if the old one is full. The new one takes
    /// over before it has the key: while readers find either, both hold the same.
    pub(crate) fn insert(
        &self,
        digest: u64,
        key: C::Key,
        word: u64,
        digest_of: impl Fn(&C::Key) -> u64,
    ) {
        let table = self.of(digest);
        let successor = table.read(|table| match table {
            Some(table) if table.has_room() => None,
            full => Some(successor(full, digest_of)),
        });
        if let Some(successor) = successor {
            table.replace(successor);
        }
        table.read(|table| {
            if let Some(table) = table {
                table.insert(digest, key, word);
            }
        });
    }
}

/// A table of what a full one holds, if there is one, with room for more.
fn successor<C: Cell>(full: Option<&Table<C>>, digest_of: impl Fn(&C::Key) -> u64) -> Table<C> {
    let entries = || full.into_iter().flat_map(Table::entries);
    let table = Table::for_keys(entries().count().saturating_add(1));
    for (key, word) in entries() {
        table.insert(digest_of(&key), key, word);
    }
    table
}

/// Which of the tables: by bits that neither pick a group nor are the tag.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the lowest bits are wanted")]
pub(crate) fn which(digest: u64) -> usize {
    digest as usize & (TABLES - 1)
}

#[cfg(all(test, not(portcullis_loom)))]
impl<C: 'static> Tables<C> {
    /// What the tables take up, but for a few words.
    pub(crate) fn bytes(&self) -> usize {
        self.0.iter().map(|table| table.read(|table| table.map_or(0, Table::bytes))).sum()
    }
}
