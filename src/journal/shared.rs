//! A journal that several share is one: an engine, and whoever reads beside it.

use std::sync::Arc;
use std::time::SystemTime;

use super::{
    AppendError, Batch, BoxFuture, Checkpoint, CheckpointId, CheckpointPart, Held, Journal,
    JournalError, Position,
};
use crate::event::Recorded;
use crate::id::{InstanceId, UserId};

impl<J: Journal + ?Sized> Journal for Arc<J> {
    fn append<'a>(
        &'a self,
        expected: Position,
        batch: &'a Batch,
    ) -> BoxFuture<'a, Result<Position, AppendError>> {
        (**self).append(expected, batch)
    }

    fn append_past<'a>(
        &'a self,
        expected: Position,
        batch: &'a Batch,
        users: &'a [UserId],
    ) -> BoxFuture<'a, Result<Vec<Recorded>, AppendError>> {
        (**self).append_past(expected, batch, users)
    }

    fn hold(&self, after: Position) -> BoxFuture<'_, Result<Box<dyn Held + '_>, JournalError>> {
        (**self).hold(after)
    }

    fn read_after(
        &self,
        after: Position,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Recorded>, JournalError>> {
        (**self).read_after(after, limit)
    }

    fn next_change(
        &self,
        after: Position,
        up_to: Position,
    ) -> BoxFuture<'_, Result<Option<Position>, JournalError>> {
        (**self).next_change(after, up_to)
    }

    fn instance(&self) -> BoxFuture<'_, Result<InstanceId, JournalError>> {
        (**self).instance()
    }

    fn head(&self) -> BoxFuture<'_, Result<Position, JournalError>> {
        (**self).head()
    }

    fn look(&self) -> Option<BoxFuture<'static, Result<Position, JournalError>>> {
        (**self).look()
    }

    fn runtime(&self) -> Option<tokio::runtime::Handle> {
        (**self).runtime()
    }

    fn gathers(&self) -> bool {
        (**self).gathers()
    }

    fn changed(&self, known: Position) -> BoxFuture<'_, ()> {
        (**self).changed(known)
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), JournalError>> {
        (**self).probe()
    }

    fn save_part<'a>(
        &'a self,
        checkpoint: CheckpointId,
        part: &'a CheckpointPart,
    ) -> BoxFuture<'a, Result<(), JournalError>> {
        (**self).save_part(checkpoint, part)
    }

    fn finish_checkpoint(
        &self,
        checkpoint: CheckpointId,
        parts: u32,
    ) -> BoxFuture<'_, Result<(), JournalError>> {
        (**self).finish_checkpoint(checkpoint, parts)
    }

    fn checkpoint(&self) -> BoxFuture<'_, Result<Option<Checkpoint>, JournalError>> {
        (**self).checkpoint()
    }

    fn release(&self) {
        (**self).release();
    }

    fn prune(&self, before: SystemTime) -> BoxFuture<'_, Result<u64, JournalError>> {
        (**self).prune(before)
    }
}
