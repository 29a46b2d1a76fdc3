//! A journal that shows the test each call before it is carried out: the seam for what happens
//! meanwhile.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use portcullis::journal::{
    AppendError, Batch, BoxFuture, Checkpoint, CheckpointId, CheckpointPart, Held, Journal,
    JournalError, Position,
};
use portcullis::{InstanceId, Recorded};

/// What is asked of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Append,
    Read {
        after: Position,
    },
    /// A part of a checkpoint, by its number.
    Part(u32),
    /// The end of a checkpoint of that many parts.
    Finish(u32),
    Probe,
}

type Meanwhile = Box<dyn FnMut(Call) + Send>;

pub(crate) struct Watched<J> {
    inner: J,
    meanwhile: Arc<Mutex<Meanwhile>>,
}

impl<J: Journal> Watched<J> {
    /// `meanwhile` runs on the committer's thread: what it asks of the engine waits when the call
    /// returns.
    pub(crate) fn new(inner: J, meanwhile: impl FnMut(Call) + Send + 'static) -> Self {
        Self { inner, meanwhile: Arc::new(Mutex::new(Box::new(meanwhile))) }
    }

    fn show(&self, call: Call) {
        self.meanwhile.lock().unwrap()(call);
    }
}

impl<J: Journal> Journal for Watched<J> {
    fn append<'a>(
        &'a self,
        expected: Position,
        batch: &'a Batch,
    ) -> BoxFuture<'a, Result<Position, AppendError>> {
        self.show(Call::Append);
        self.inner.append(expected, batch)
    }

    fn hold(&self, after: Position) -> BoxFuture<'_, Result<Box<dyn Held + '_>, JournalError>> {
        self.inner.hold(after)
    }

    fn read_after(
        &self,
        after: Position,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Recorded>, JournalError>> {
        self.show(Call::Read { after });
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

    fn probe(&self) -> BoxFuture<'_, Result<(), JournalError>> {
        self.show(Call::Probe);
        self.inner.probe()
    }

    fn save_part<'a>(
        &'a self,
        checkpoint: CheckpointId,
        part: &'a CheckpointPart,
    ) -> BoxFuture<'a, Result<(), JournalError>> {
        self.show(Call::Part(part.number));
        self.inner.save_part(checkpoint, part)
    }

    fn finish_checkpoint(
        &self,
        checkpoint: CheckpointId,
        parts: u32,
    ) -> BoxFuture<'_, Result<(), JournalError>> {
        self.show(Call::Finish(parts));
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
