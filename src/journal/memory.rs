//! The reference: a journal that keeps the contract in memory, all but its durability.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::{Mutex as Turn, MutexGuard as InTurn, watch};

use super::{
    AppendError, Batch, BoxFuture, Checkpoint, CheckpointId, CheckpointPart, Held, Journal,
    JournalError, Position,
};
use crate::event::{Aggregate, Recorded};
use crate::id::InstanceId;

/// A journal in memory. Clones are one journal, as processes on one file are: several engines may
/// share it. What it holds is gone with the process.
#[derive(Clone, Debug)]
pub struct MemoryJournal(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Whoever appends or holds has the turn; tokio's mutex hands it on in the order of asking.
    turn: Turn<()>,
    log: Mutex<Log>,
    head: watch::Sender<Position>,
}

#[derive(Debug, Default)]
struct Log {
    /// The positions up to this one were pruned.
    pruned: Position,
    instance: Option<InstanceId>,
    events: Vec<Recorded>,
    /// The batches by their last positions: writer, number, first and last position.
    batches: Vec<(u64, u64, Position, Position)>,
    unfinished: Vec<(CheckpointId, CheckpointPart)>,
    checkpoint: Option<Checkpoint>,
}

impl Default for MemoryJournal {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryJournal {
    /// An empty journal.
    #[must_use]
    pub fn new() -> Self {
        let head = watch::Sender::new(0);
        Self(Arc::new(Shared { turn: Turn::new(()), log: Mutex::default(), head }))
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.0.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be called in turn.
    fn write(&self, expected: Position, batch: &Batch) -> Result<Position, AppendError> {
        let mut log = self.log();
        let head = log.head();
        if head != expected {
            let same = |&&(writer, number, first, _): &&(u64, u64, Position, Position)| {
                (writer, number, first) == (batch.writer, batch.number, expected.saturating_add(1))
            };
            let found = log.batches.iter().rev().find(same);
            return found.map(|&(.., last)| last).ok_or(AppendError::Behind);
        }
        if let Some(Aggregate::Instance(instance)) = batch.events.first().map(|it| &it.aggregate) {
            log.instance.get_or_insert_with(|| instance.clone());
        }
        log.events.extend(batch.events.iter().cloned());
        let last = log.head();
        log.batches.push((batch.writer, batch.number, head.saturating_add(1), last));
        drop(log);
        self.0.head.send_replace(last);
        Ok(last)
    }
}

impl Log {
    fn head(&self) -> Position {
        self.events.last().map_or(self.pruned, |event| event.position)
    }

    fn after(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, JournalError> {
        if after < self.pruned {
            return Err(JournalError::Pruned { oldest: self.pruned.saturating_add(1) });
        }
        let from = self.events.partition_point(|event| event.position <= after);
        Ok(self.events.iter().skip(from).take(limit).cloned().collect())
    }
}

impl Journal for MemoryJournal {
    fn append<'a>(
        &'a self,
        expected: Position,
        batch: &'a Batch,
    ) -> BoxFuture<'a, Result<Position, AppendError>> {
        Box::pin(async move {
            let _turn = self.0.turn.lock().await;
            self.write(expected, batch)
        })
    }

    fn hold(&self, after: Position) -> BoxFuture<'_, Result<Box<dyn Held + '_>, JournalError>> {
        Box::pin(async move {
            let turn = self.0.turn.lock().await;
            let events = self.log().after(after, usize::MAX)?;
            Ok(Box::new(HeldMemory { journal: self, turn, after, events }) as Box<dyn Held>)
        })
    }

    fn read_after(
        &self,
        after: Position,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Recorded>, JournalError>> {
        Box::pin(async move { self.log().after(after, limit) })
    }

    fn instance(&self) -> BoxFuture<'_, Result<InstanceId, JournalError>> {
        Box::pin(async move {
            let instance = self.log().instance.clone();
            instance.ok_or_else(|| JournalError::Missing {
                journal: String::from("this place in memory"),
                cause: String::from("no engine has written to it yet"),
            })
        })
    }

    fn head(&self) -> BoxFuture<'_, Result<Position, JournalError>> {
        Box::pin(async move { Ok(*self.0.head.borrow()) })
    }

    fn changed(&self, known: Position) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // The sender lives as long as this journal, so waiting cannot fail.
            let _ = self.0.head.subscribe().wait_for(|head| *head != known).await;
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(async { Ok(()) })
    }

    fn save_part<'a>(
        &'a self,
        checkpoint: CheckpointId,
        part: &'a CheckpointPart,
    ) -> BoxFuture<'a, Result<(), JournalError>> {
        Box::pin(async move {
            let mut log = self.log();
            log.unfinished.retain(|(of, other)| (*of, other.number) != (checkpoint, part.number));
            log.unfinished.push((checkpoint, part.clone()));
            Ok(())
        })
    }

    fn finish_checkpoint(
        &self,
        checkpoint: CheckpointId,
        parts: u32,
    ) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(async move {
            let mut log = self.log();
            let mine = log.unfinished.iter().filter(|(of, _)| *of == checkpoint);
            let mut mine: Vec<_> = mine.map(|(_, part)| part.clone()).collect();
            mine.sort_by_key(|part| part.number);
            let newer = log.checkpoint.as_ref().is_none_or(|old| old.position <= checkpoint.begun);
            if newer && usize::try_from(parts) == Ok(mine.len()) {
                log.unfinished.retain(|(of, _)| of.begun > checkpoint.begun);
                log.checkpoint = Some(Checkpoint { position: checkpoint.begun, parts: mine });
            }
            Ok(())
        })
    }

    fn checkpoint(&self) -> BoxFuture<'_, Result<Option<Checkpoint>, JournalError>> {
        Box::pin(async move { Ok(self.log().checkpoint.clone()) })
    }

    fn prune(&self, before: SystemTime) -> BoxFuture<'_, Result<u64, JournalError>> {
        Box::pin(async move {
            let mut log = self.log();
            let covered = log.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.position);
            let goes = |event: &Recorded| event.position <= covered && event.at < before;
            let count = log.events.iter().take_while(|event| goes(event)).count();
            let last = log.events.drain(..count).next_back().map(|event| event.position);
            log.pruned = last.unwrap_or(log.pruned);
            Ok(count.try_into().unwrap_or(u64::MAX))
        })
    }
}

struct HeldMemory<'j> {
    journal: &'j MemoryJournal,
    turn: InTurn<'j, ()>,
    after: Position,
    events: Vec<Recorded>,
}

impl Held for HeldMemory<'_> {
    fn events(&self) -> &[Recorded] {
        &self.events
    }

    fn append<'a>(self: Box<Self>, batch: &'a Batch) -> BoxFuture<'a, Result<Position, AppendError>>
    where
        Self: 'a,
    {
        Box::pin(async move {
            let head = self.events.last().map_or(self.after, |event| event.position);
            let written = self.journal.write(head, batch);
            drop(self.turn);
            written
        })
    }
}
