//! A journal whose appends fail as the test says: the seam for faults.
#![allow(dead_code, reason = "each test uses a part")]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use portcullis::journal::{
    AppendError, Batch, BoxFuture, Checkpoint, CheckpointId, CheckpointPart, Held, Journal,
    JournalError, MemoryJournal, Position,
};
use portcullis::{InstanceId, Recorded};
use tokio::sync::Semaphore;

/// What happens to an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing is written, and the journal is sure of it.
    Unavailable,
    /// The batch is written, and the answer is lost.
    LostAnswer,
    /// Nothing is written, and the journal cannot tell.
    LostBatch,
}

/// The journal, and the test's hand on it. Clones are one.
#[derive(Clone)]
pub(crate) struct Faulty {
    pub(crate) inner: MemoryJournal,
    script: Arc<Mutex<VecDeque<Fault>>>,
    broken: Arc<AtomicBool>,
    /// Appends pass one permit each; the test takes them away to hold them back.
    gate: Arc<Semaphore>,
    /// Batches sent, whatever became of them.
    pub(crate) sent: Arc<Mutex<Vec<Batch>>>,
    pub(crate) writes: Arc<AtomicU64>,
    /// How often somebody looked at the head.
    pub(crate) looks: Arc<AtomicU64>,
    /// Whether nobody is told by itself of what others append.
    pub(crate) deaf: bool,
}

impl Faulty {
    pub(crate) fn new() -> Self {
        Self::on(MemoryJournal::new())
    }

    pub(crate) fn on(inner: MemoryJournal) -> Self {
        Self {
            inner,
            script: Arc::default(),
            broken: Arc::default(),
            gate: Arc::new(Semaphore::new(1 << 20)),
            sent: Arc::default(),
            writes: Arc::default(),
            looks: Arc::default(),
            deaf: false,
        }
    }

    /// What happens to the next appends, one after the other.
    pub(crate) fn next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.script.lock().unwrap().extend(faults);
    }

    /// Whether every write fails from now on.
    pub(crate) fn break_down(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
    }

    /// Every write succeeds from now on.
    pub(crate) fn mend(&self) {
        self.script.lock().unwrap().clear();
        self.break_down(false);
    }

    /// Holds appends back until [`Faulty::let_go`].
    pub(crate) async fn hold_back(&self) {
        self.gate.acquire_many(1 << 20).await.unwrap().forget();
    }

    pub(crate) fn let_go(&self) {
        self.gate.add_permits(1 << 20);
    }

    fn fault(&self) -> Option<Fault> {
        if self.broken.load(Ordering::SeqCst) {
            return Some(Fault::Unavailable);
        }
        self.script.lock().unwrap().pop_front()
    }

    fn check(&self) -> Result<(), JournalError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(JournalError::Unavailable(String::from("broken by the test")));
        }
        Ok(())
    }
}

fn lost() -> AppendError {
    AppendError::InDoubt(String::from("the answer was lost"))
}

impl Journal for Faulty {
    fn append<'a>(
        &'a self,
        expected: Position,
        batch: &'a Batch,
    ) -> BoxFuture<'a, Result<Position, AppendError>> {
        Box::pin(async move {
            drop(self.gate.acquire().await.unwrap());
            self.sent.lock().unwrap().push(batch.clone());
            match self.fault() {
                Some(Fault::Unavailable) => {
                    Err(AppendError::Unavailable(String::from("broken by the test")))
                }
                Some(Fault::LostAnswer) => {
                    self.writes.fetch_add(1, Ordering::SeqCst);
                    let _ = self.inner.append(expected, batch).await;
                    Err(lost())
                }
                Some(Fault::LostBatch) => Err(lost()),
                None => {
                    self.writes.fetch_add(1, Ordering::SeqCst);
                    self.inner.append(expected, batch).await
                }
            }
        })
    }

    fn hold(&self, after: Position) -> BoxFuture<'_, Result<Box<dyn Held + '_>, JournalError>> {
        Box::pin(async move {
            self.check()?;
            self.inner.hold(after).await
        })
    }

    fn read_after(
        &self,
        after: Position,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Recorded>, JournalError>> {
        self.inner.read_after(after, limit)
    }

    fn instance(&self) -> BoxFuture<'_, Result<InstanceId, JournalError>> {
        self.inner.instance()
    }

    fn head(&self) -> BoxFuture<'_, Result<Position, JournalError>> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        self.inner.head()
    }

    fn changed(&self, known: Position) -> BoxFuture<'_, ()> {
        if self.deaf { Box::pin(std::future::pending()) } else { self.inner.changed(known) }
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(async move { self.check() })
    }

    fn save_part<'a>(
        &'a self,
        checkpoint: CheckpointId,
        part: &'a CheckpointPart,
    ) -> BoxFuture<'a, Result<(), JournalError>> {
        self.inner.save_part(checkpoint, part)
    }

    fn finish_checkpoint(
        &self,
        checkpoint: CheckpointId,
        parts: u32,
    ) -> BoxFuture<'_, Result<(), JournalError>> {
        self.inner.finish_checkpoint(checkpoint, parts)
    }

    fn checkpoint(&self) -> BoxFuture<'_, Result<Option<Checkpoint>, JournalError>> {
        self.inner.checkpoint()
    }

    fn prune(&self, before: SystemTime) -> BoxFuture<'_, Result<u64, JournalError>> {
        self.inner.prune(before)
    }
}
