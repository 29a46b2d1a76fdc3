//! A journal in one SQLite file: the default of an operator with one machine.
//!
//! Write-ahead log, `synchronous=FULL`, one transaction a batch. Several processes may use one file
//! at a time. The file can be read with SQLite's own tools; the table `event` is the trail.
//!
//! While a journal is open, nothing else in its process may open the file, but through SQLite: on Unix,
//! closing a file ends all locks that the process has on it. Other processes may do as they like.
//!
//! What it cannot do: a process that is frozen (not ended) while it appends keeps the file's lock,
//! and others wait for it. And where a machine lost its power, the last transaction of the log cannot be
//! told from one that was never finished if it is damaged afterwards.

mod checkpoints;
mod inspected;
mod log;
mod rows;
mod schema;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use super::{
    AppendError, Batch, BoxFuture, Checkpoint, CheckpointId, CheckpointPart, Held, Journal,
    JournalError, Position,
};
use crate::event::Recorded;
use crate::id::InstanceId;
use inspected::Inspected;

/// How often to look whether another process has written.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A journal in one file.
pub struct SqliteJournal {
    file: PathBuf,
    /// The committer's connection; absent until it is needed, while the head is held, and after a
    /// fault, so that the file is opened anew.
    writer: Mutex<Option<Connection>>,
    /// Connections of readers who are done. A reader takes one or opens one.
    readers: Mutex<Vec<Connection>>,
    /// Last, for it must outlive the connections.
    _inspected: Inspected,
}

impl SqliteJournal {
    /// Opens the journal in a file, as deep as is needed to know that it is one. A file that does
    /// not exist is an empty journal; the first append makes it.
    ///
    /// # Errors
    ///
    /// [`JournalError::Foreign`] for a file that is something else or of a newer version,
    /// [`JournalError::Corrupt`] for one that is cut short, [`JournalError::Missing`] where there
    /// is no folder for it, [`JournalError::Unavailable`] if it cannot be read.
    #[expect(clippy::unused_async, reason = "every journal is opened alike, some over a network")]
    pub async fn open(file: impl AsRef<Path>) -> Result<Self, JournalError> {
        let file = file.as_ref().to_owned();
        schema::check_place(&file)?;
        let inspected = Inspected::by(&file, || {
            schema::check_length(&file)?;
            log::check(&file)
        })?;
        let (writer, readers) = (Mutex::new(None), Mutex::new(Vec::new()));
        let journal = Self { file, writer, readers, _inspected: inspected };
        journal.read(|_| Ok(()))?;
        Ok(journal)
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Reads with a connection of the calling thread; `None` where there is no file yet.
    fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, rusqlite::Error>,
    ) -> Result<Option<T>, JournalError> {
        let pooled = locked(&self.readers).pop();
        let connection = match pooled {
            Some(connection) => connection,
            None => match schema::open_to_read(&self.file)? {
                Some(connection) => connection,
                None => return Ok(None),
            },
        };
        let value = read(&connection).map_err(|error| self.fault(&error))?;
        locked(&self.readers).push(connection);
        Ok(Some(value))
    }

    /// The connection to write with, taken out: whoever is done well puts it back.
    fn take_writer(&self) -> Result<Connection, JournalError> {
        match locked(&self.writer).take() {
            Some(connection) => Ok(connection),
            None => schema::open_to_write(&self.file),
        }
    }

    fn put_writer(&self, connection: Connection) {
        *locked(&self.writer) = Some(connection);
    }

    /// Runs one transaction that writes. After a fault the connection is closed.
    fn write<T>(
        &self,
        write: impl FnOnce(&Transaction<'_>) -> Result<T, rusqlite::Error>,
    ) -> Result<T, JournalError> {
        let mut connection = self.take_writer()?;
        let written = (|| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = write(&transaction)?;
            transaction.commit()?;
            Ok(value)
        })();
        match written {
            Ok(value) => {
                self.put_writer(connection);
                Ok(value)
            }
            Err(error) => Err(self.fault(&error)),
        }
    }

    fn append_now(&self, expected: Position, batch: &Batch) -> Result<Position, AppendError> {
        let unavailable = |fault| AppendError::Unavailable(cause(fault));
        let mut connection = self.take_writer().map_err(unavailable)?;
        let appended = self.append_with(&mut connection, expected, batch);
        if matches!(appended, Ok(_) | Err(AppendError::Behind)) {
            self.put_writer(connection);
        }
        appended
    }

    fn append_with(
        &self,
        connection: &mut Connection,
        expected: Position,
        batch: &Batch,
    ) -> Result<Position, AppendError> {
        let refused = |error| AppendError::Unavailable(cause(self.fault(&error)));
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(refused)?;
        let head = rows::head(&transaction).map_err(refused)?;
        if head == expected {
            let last = rows::insert(&transaction, batch).map_err(refused)?;
            self.commit(transaction)?;
            return Ok(last);
        }
        let Some(last) = rows::find_batch(&transaction, expected, batch).map_err(refused)? else {
            return Err(AppendError::Behind);
        };
        // It is there, from an append whose answer was lost. It counts as durable only after a
        // sync that succeeded, so write something.
        rows::touch_head(&transaction).map_err(refused)?;
        self.commit(transaction)?;
        Ok(last)
    }

    /// Commits. An error leaves the batch in doubt, but for a full disk, where SQLite is sure.
    fn commit(&self, transaction: Transaction<'_>) -> Result<(), AppendError> {
        transaction.commit().map_err(|error| {
            let fault = cause(self.fault(&error));
            match error.sqlite_error_code() {
                Some(ErrorCode::DiskFull) => AppendError::Unavailable(fault),
                _ => AppendError::InDoubt(fault),
            }
        })
    }

    fn fault(&self, error: &rusqlite::Error) -> JournalError {
        schema::fault(&self.file, error)
    }

    fn read_events(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, JournalError> {
        let read = self.read(|connection| {
            let snapshot = connection.unchecked_transaction()?;
            rows::read_after(&snapshot, &self.file.display(), after, limit)
        })?;
        read.unwrap_or_else(|| Ok(Vec::new()))
    }
}

/// A lock's value, also after a panic: what is in it is whole between any two steps.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Journal for SqliteJournal {
    fn append<'a>(
        &'a self,
        expected: Position,
        batch: &'a Batch,
    ) -> BoxFuture<'a, Result<Position, AppendError>> {
        Box::pin(async move { self.append_now(expected, batch) })
    }

    fn hold(&self, after: Position) -> BoxFuture<'_, Result<Box<dyn Held + '_>, JournalError>> {
        Box::pin(async move {
            let connection = self.take_writer()?;
            connection.execute_batch("BEGIN IMMEDIATE").map_err(|error| self.fault(&error))?;
            let mut held =
                HeldFile { journal: self, connection: Some(connection), events: Vec::new() };
            if let Some(connection) = &held.connection {
                let read = rows::read_after(connection, &self.file.display(), after, usize::MAX);
                held.events = read.map_err(|error| self.fault(&error))??;
            }
            Ok(Box::new(held) as Box<dyn Held>)
        })
    }

    fn read_after(
        &self,
        after: Position,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Recorded>, JournalError>> {
        Box::pin(async move { self.read_events(after, limit) })
    }

    fn next_change(
        &self,
        after: Position,
        up_to: Position,
    ) -> BoxFuture<'_, Result<Option<Position>, JournalError>> {
        Box::pin(async move {
            let found = self.read(|connection| rows::next_change(connection, after, up_to))?;
            let (next, pruned) = found.unwrap_or_default();
            if pruned > after {
                return Err(JournalError::Pruned { oldest: pruned.saturating_add(1) });
            }
            Ok(next)
        })
    }

    fn instance(&self) -> BoxFuture<'_, Result<InstanceId, JournalError>> {
        Box::pin(async move {
            let found = self.read(rows::instance)?.flatten();
            let text = found.ok_or_else(|| schema::missing(&self.file, "it is empty"))?;
            InstanceId::try_from(text).map_err(|error| schema::corrupt(&self.file, 1, &error))
        })
    }

    fn head(&self) -> BoxFuture<'_, Result<Position, JournalError>> {
        let head = self.read(rows::head).map(Option::unwrap_or_default);
        Box::pin(std::future::ready(head))
    }

    fn changed(&self, known: Position) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                match self.read(rows::head) {
                    Ok(head) if head.unwrap_or_default() == known => {}
                    // Also for a fault: whoever reads on will meet it and say so.
                    _ => return,
                }
            }
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(async move { self.write(rows::touch_head) })
    }

    fn save_part<'a>(
        &'a self,
        checkpoint: CheckpointId,
        part: &'a CheckpointPart,
    ) -> BoxFuture<'a, Result<(), JournalError>> {
        Box::pin(async move { self.write(|it| checkpoints::save_part(it, checkpoint, part)) })
    }

    fn finish_checkpoint(
        &self,
        checkpoint: CheckpointId,
        parts: u32,
    ) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(async move { self.write(|it| checkpoints::finish(it, checkpoint, parts)) })
    }

    fn checkpoint(&self) -> BoxFuture<'_, Result<Option<Checkpoint>, JournalError>> {
        Box::pin(async move {
            let found = self.read(|connection| {
                let snapshot = connection.unchecked_transaction()?;
                checkpoints::newest(&snapshot)
            })?;
            match found.flatten() {
                None => Ok(None),
                Some(Ok(checkpoint)) => Ok(Some(checkpoint)),
                Some(Err((begun, cause))) => Err(schema::corrupt(&self.file, begun, &cause)),
            }
        })
    }

    fn release(&self) {
        // The last connection to go moves the log into the file.
        locked(&self.readers).clear();
        drop(locked(&self.writer).take());
    }

    fn prune(&self, before: SystemTime) -> BoxFuture<'_, Result<u64, JournalError>> {
        Box::pin(async move {
            let mut pruned = 0_u64;
            // A slice at a time, so that no append waits for all of it.
            loop {
                let slice = self.write(|it| checkpoints::prune_slice(it, before))?;
                if slice == 0 {
                    return Ok(pruned);
                }
                pruned = pruned.saturating_add(slice);
            }
        })
    }
}

/// The head of the file, held by an open transaction.
struct HeldFile<'j> {
    journal: &'j SqliteJournal,
    /// Absent once the hold has ended.
    connection: Option<Connection>,
    events: Vec<Recorded>,
}

impl Held for HeldFile<'_> {
    fn events(&self) -> &[Recorded] {
        &self.events
    }

    fn append<'a>(
        mut self: Box<Self>,
        batch: &'a Batch,
    ) -> BoxFuture<'a, Result<Position, AppendError>>
    where
        Self: 'a,
    {
        Box::pin(async move {
            let journal = self.journal;
            let Some(connection) = self.connection.take() else { return Err(AppendError::Behind) };
            let refused = |error| AppendError::Unavailable(cause(journal.fault(&error)));
            let last = rows::insert(&connection, batch).map_err(refused)?;
            if let Err(error) = connection.execute_batch("COMMIT") {
                let fault = cause(journal.fault(&error));
                return Err(match error.sqlite_error_code() {
                    Some(ErrorCode::DiskFull) => AppendError::Unavailable(fault),
                    _ => AppendError::InDoubt(fault),
                });
            }
            journal.put_writer(connection);
            Ok(last)
        })
    }
}

impl Drop for HeldFile<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && connection.execute_batch("ROLLBACK").is_ok()
        {
            self.journal.put_writer(connection);
        }
    }
}

impl fmt::Debug for SqliteJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteJournal").field("file", &self.file).finish_non_exhaustive()
    }
}

/// What an error says, for one that says the rest.
fn cause(fault: JournalError) -> String {
    match fault {
        JournalError::Unavailable(cause) => cause,
        other => other.to_string(),
    }
}
