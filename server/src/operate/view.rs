//! A journal as it is at one moment: nothing moves it and nothing can be written to it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use portcullis::InstanceId;
use portcullis::Recorded;
use portcullis::journal::{
    AppendError, Batch, BoxFuture, Checkpoint, CheckpointId, CheckpointPart, Held, Journal,
    JournalError, Position,
};

/// The view. Clones share the journal.
#[derive(Clone)]
pub(super) struct View {
    inner: Arc<dyn Journal>,
    head: Position,
    /// The newest checkpoint, until an engine has taken it.
    checkpoint: Arc<Mutex<Option<Checkpoint>>>,
}

impl View {
    /// The view of a journal now.
    pub(super) async fn of(inner: Arc<dyn Journal>) -> Result<Self, JournalError> {
        // In this order: a checkpoint that is there states nothing that is after the head.
        let checkpoint = Arc::new(Mutex::new(inner.checkpoint().await?));
        let head = inner.head().await?;
        Ok(Self { inner, head, checkpoint })
    }

    /// The position of the newest event.
    pub(super) fn position(&self) -> Position {
        self.head
    }

    /// The position of the checkpoint, if there is one that was not taken.
    pub(super) fn checkpoint_position(&self) -> Option<Position> {
        let checkpoint = self.checkpoint.lock().unwrap_or_else(PoisonError::into_inner);
        checkpoint.as_ref().map(|checkpoint| checkpoint.position)
    }

    /// The same events without a checkpoint.
    pub(super) fn without_checkpoint(&self) -> Self {
        Self { checkpoint: Arc::default(), ..self.clone() }
    }

    fn refusal() -> String {
        String::from("it is opened to be read only")
    }
}

impl Journal for View {
    fn append<'a>(
        &'a self,
        _expected: Position,
        _batch: &'a Batch,
    ) -> BoxFuture<'a, Result<Position, AppendError>> {
        Box::pin(async { Err(AppendError::Unavailable(Self::refusal())) })
    }

    fn hold(&self, _after: Position) -> BoxFuture<'_, Result<Box<dyn Held + '_>, JournalError>> {
        Box::pin(async { Err(JournalError::Unavailable(Self::refusal())) })
    }

    fn read_after(
        &self,
        after: Position,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Recorded>, JournalError>> {
        let left = usize::try_from(self.head.saturating_sub(after)).unwrap_or(usize::MAX);
        match left.min(limit) {
            0 => Box::pin(async { Ok(Vec::new()) }),
            limit => self.inner.read_after(after, limit),
        }
    }

    fn next_change(
        &self,
        after: Position,
        up_to: Position,
    ) -> BoxFuture<'_, Result<Option<Position>, JournalError>> {
        self.inner.next_change(after, up_to.min(self.head))
    }

    fn instance(&self) -> BoxFuture<'_, Result<InstanceId, JournalError>> {
        self.inner.instance()
    }

    fn head(&self) -> BoxFuture<'_, Result<Position, JournalError>> {
        Box::pin(async { Ok(self.head) })
    }

    fn changed(&self, _known: Position) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(async { Err(JournalError::Unavailable(Self::refusal())) })
    }

    fn save_part<'a>(
        &'a self,
        _checkpoint: CheckpointId,
        _part: &'a CheckpointPart,
    ) -> BoxFuture<'a, Result<(), JournalError>> {
        Box::pin(async { Err(JournalError::Unavailable(Self::refusal())) })
    }

    fn finish_checkpoint(
        &self,
        _checkpoint: CheckpointId,
        _parts: u32,
    ) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(async { Err(JournalError::Unavailable(Self::refusal())) })
    }

    fn checkpoint(&self) -> BoxFuture<'_, Result<Option<Checkpoint>, JournalError>> {
        let taken = self.checkpoint.lock().unwrap_or_else(PoisonError::into_inner).take();
        Box::pin(async { Ok(taken) })
    }

    fn release(&self) {
        self.inner.release();
    }

    fn prune(&self, _before: SystemTime) -> BoxFuture<'_, Result<u64, JournalError>> {
        Box::pin(async { Err(JournalError::Unavailable(Self::refusal())) })
    }
}
