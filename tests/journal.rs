//! The contract of journals, sentence by sentence: one suite, run by every journal. Any difference
//! that a test can see is a fault of the journal.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

#[path = "journal/contract.rs"]
mod contract;
#[cfg(feature = "postgres")]
#[path = "common/postgres.rs"]
mod postgres_server;

use portcullis::journal::{MemoryJournal, SqliteJournal};

/// A place where a journal can be opened any number of times: each opening is another process's.
trait Place: Sized {
    type Journal: portcullis::journal::Journal;
    /// Whether this machine can have one.
    fn is_here() -> bool {
        true
    }
    fn new() -> Self;
    async fn open(&self) -> Self::Journal;
}

struct InMemory(MemoryJournal);

impl Place for InMemory {
    type Journal = MemoryJournal;

    fn new() -> Self {
        Self(MemoryJournal::new())
    }

    async fn open(&self) -> MemoryJournal {
        self.0.clone()
    }
}

struct InFile(tempfile::TempDir);

impl Place for InFile {
    type Journal = SqliteJournal;

    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    async fn open(&self) -> SqliteJournal {
        SqliteJournal::open(self.0.path().join("journal.db")).await.unwrap()
    }
}

/// A database of the server that all these tests share.
#[cfg(feature = "postgres")]
#[derive(Default)]
struct InDatabase(tokio::sync::OnceCell<String>);

#[cfg(feature = "postgres")]
impl Place for InDatabase {
    type Journal = portcullis::journal::PostgresJournal;

    fn is_here() -> bool {
        postgres_server::shared().is_some()
    }

    fn new() -> Self {
        Self::default()
    }

    async fn open(&self) -> Self::Journal {
        let server = postgres_server::shared().unwrap();
        let url = self.0.get_or_init(|| server.database()).await;
        Self::Journal::connect(url).await.unwrap()
    }
}

macro_rules! suite {
    ($($(#[$only:meta])? $journal:ident: $place:ty),*; $tests:tt) => {
        $(suite!(@one $(#[$only])? $journal, $place, $tests);)*
    };
    (@one $(#[$only:meta])? $journal:ident, $place:ty, [$($test:ident),* $(,)?]) => {
        $(#[$only])?
        mod $journal {
            use super::Place;
            $(
                #[tokio::test]
                async fn $test() {
                    if <$place>::is_here() {
                        super::contract::$test(&<$place>::new()).await;
                    }
                }
            )*
        }
    };
}

suite!(memory: super::InMemory, sqlite: super::InFile,
       #[cfg(feature = "postgres")] postgres: super::InDatabase; [
    c01_positions_follow_each_other_in_the_order_of_appends,
    c02_a_batch_is_there_as_a_whole,
    c04_an_append_expects_its_head,
    c04_a_batch_that_may_go_past_others_says_what_it_passed,
    c05_a_batch_sent_again_is_written_once,
    c05_another_batch_at_its_place_is_not_taken_for_it,
    c07_a_hold_sees_all_and_nothing_moves_the_head,
    c07_a_hold_let_go_leaves_nothing,
    c08_those_who_wait_for_a_hold_all_get_it,
    c09_every_kind_of_event_reads_as_it_was_written,
    c09_reading_in_pages_misses_nothing,
    c09_a_pruned_position_is_an_error_that_names_the_oldest,
    c09_the_next_change_is_found_past_any_number_of_checks,
    c10_a_head_is_seen_by_others_at_once,
    c10_a_change_wakes_those_who_wait,
    c11_a_probe_changes_nothing,
    c12_pruning_removes_only_what_a_finished_checkpoint_covers,
    c12_the_newest_finished_checkpoint_counts,
    c12_an_unfinished_checkpoint_is_none,
]);
