//! A journal in a file that cannot write while the test says so.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use portcullis::journal::{
    AppendError, Batch, BoxFuture, Checkpoint, CheckpointId, CheckpointPart, Held, Journal,
    JournalError, Position, SqliteJournal,
};
use portcullis::{InstanceId, Recorded};

pub(crate) struct Broken {
    inner: SqliteJournal,
    is_broken: Arc<AtomicBool>,
}

impl Broken {
    /// The journal, and the switch.
    pub(crate) async fn open(file: &Path) -> (Self, Arc<AtomicBool>) {
        let is_broken = Arc::new(AtomicBool::new(false));
        let inner = SqliteJournal::open(file).await.unwrap();
        (Self { inner, is_broken: Arc::clone(&is_broken) }, is_broken)
    }

    fn check(&self) -> Result<(), JournalError> {
        if self.is_broken.load(Ordering::SeqCst) {
            return Err(JournalError::Unavailable(String::from("broken by the test")));
        }
        Ok(())
    }
}

impl Journal for Broken {
    fn append<'a>(
        &'a self,
        expected: Position,
        batch: &'a Batch,
    ) -> BoxFuture<'a, Result<Position, AppendError>> {
        Box::pin(async move {
            let broken = |_| AppendError::Unavailable(String::from("broken by the test"));
            self.check().map_err(broken)?;
            self.inner.append(expected, batch).await
        })
    }

    fn hold(&self, after: Position) -> BoxFuture<'_, Result<Box<dyn Held + '_>, JournalError>> {
        Box::pin(async move {
            self.check()?;
            self.inner.hold(after).await
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(async move { self.check() })
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
        self.inner.head()
    }

    fn changed(&self, known: Position) -> BoxFuture<'_, ()> {
        self.inner.changed(known)
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

    fn release(&self) {
        self.inner.release();
    }

    fn prune(&self, before: SystemTime) -> BoxFuture<'_, Result<u64, JournalError>> {
        self.inner.prune(before)
    }
}
