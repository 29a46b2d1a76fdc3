//! Catching up: from the events that there are to the tables, and from these to memory.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use futures_util::StreamExt;
use portcullis::journal::{JournalError, Position};
use rusqlite::{Connection, TransactionBehavior};

use super::events::Step;
use super::project::Touched;
use super::schema::{self, Reflected};
use super::{JournalDirectory, Shared, blocking, held, project};

/// The changes of so many events are one transaction.
const BATCH: u64 = 1_000;

/// After so many positions that hold nothing for the directory the position is written all the same,
/// so that the next opening need not pass over them again.
const LAZY: u64 = 20_000;

/// What became of a batch.
enum Written {
    Done,
    /// The tables are not where they were left: another process has made them anew.
    Elsewhere,
}

impl JournalDirectory {
    /// Brings tables and memory to the newest event that may be the directory's. Every reading does
    /// it first; while logins fail and nothing else happens it costs a load.
    ///
    /// # Errors
    ///
    /// As [`JournalDirectory::open`]; the next call begins where this one ended.
    pub async fn catch_up(&self) -> Result<(), JournalError> {
        self.catch_up_to(self.0.engine.last_change()).await
    }

    /// Brings tables and memory to the position that the engine has reached: to do it now and then
    /// keeps the next opening quick.
    ///
    /// # Errors
    ///
    /// As [`JournalDirectory::open`]; the next call begins where this one ended.
    pub async fn follow(&self) -> Result<(), JournalError> {
        self.catch_up_to(self.0.engine.health().position).await
    }

    async fn catch_up_to(&self, target: Position) -> Result<(), JournalError> {
        let shared = &self.0;
        if shared.position.load(Ordering::Acquire) >= target {
            return Ok(());
        }
        let _turn = shared.catching.lock().await;
        while shared.position.load(Ordering::Acquire) < target {
            match self.catch_up_once(target).await {
                // Another process may have been there before the events were pruned.
                Err(JournalError::Pruned { oldest }) => {
                    self.reload().await?;
                    if shared.position.load(Ordering::Acquire).saturating_add(1) < oldest {
                        return Err(JournalError::Pruned { oldest });
                    }
                }
                Err(fault) => return Err(fault),
                Ok(Written::Elsewhere) => self.reload().await?,
                Ok(Written::Done) => {}
            }
        }
        Ok(())
    }

    /// Catches up, and writes the position even if nothing else changed: before old events are
    /// pruned, so that none of those is missed.
    ///
    /// # Errors
    ///
    /// As [`JournalDirectory::catch_up`].
    pub async fn save(&self) -> Result<(), JournalError> {
        loop {
            self.follow().await?;
            let _turn = self.0.catching.lock().await;
            let (position, at) = self.reflected();
            match self.write(Vec::new(), Reflected { position, at }).await? {
                Written::Done => return Ok(()),
                Written::Elsewhere => self.reload().await?,
            }
        }
    }

    /// The position that the directory reflects, and its time.
    pub(super) fn reflected(&self) -> (Position, SystemTime) {
        let at = held(&self.0.at);
        (self.0.position.load(Ordering::Acquire), *at)
    }

    async fn catch_up_once(&self, target: Position) -> Result<Written, JournalError> {
        let shared = &self.0;
        let mut position = shared.position.load(Ordering::Acquire);
        while position < target {
            // Failures and successes are most of a journal, and nothing to the directory.
            let (from, to) = match self.next_but_checks(position, target).await? {
                Some(next) => {
                    let from = next.saturating_sub(1);
                    (from, from.saturating_add(BATCH).min(target))
                }
                None => (target.saturating_sub(1), target),
            };
            let mut events = pin!(shared.engine.events_after(from));
            let mut steps = Vec::new();
            position = from;
            let mut at = SystemTime::UNIX_EPOCH;
            while position < to {
                let recorded = events.next().await.unwrap_or(Err(JournalError::Closed))?;
                (position, at) = (recorded.position, recorded.at);
                let step = Step::of(&recorded)
                    .map_err(|cause| schema::corrupt(&shared.file, position, cause))?;
                steps.extend(step);
            }
            let reached = Reflected { position, at };
            let is_far = position.saturating_sub(held(&shared.tables).1) >= LAZY;
            if steps.is_empty() && !is_far {
                shared.reach(reached);
            } else if let Written::Elsewhere = self.write(steps, reached).await? {
                return Ok(Written::Elsewhere);
            }
        }
        Ok(Written::Done)
    }

    /// The next event that is no check.
    async fn next_but_checks(
        &self,
        after: Position,
        up_to: Position,
    ) -> Result<Option<Position>, JournalError> {
        let shared = Arc::clone(&self.0);
        blocking(move || {
            let connection = &held(&shared.tables).0;
            let found = schema::next_but_checks(connection, after, up_to);
            let (next, pruned) = found.map_err(|error| schema::fault(&shared.file, &error))?;
            // What came in between may have been the directory's.
            if pruned > after {
                return Err(JournalError::Pruned { oldest: pruned.saturating_add(1) });
            }
            Ok(next)
        })
        .await
    }

    async fn write(&self, steps: Vec<Step>, reached: Reflected) -> Result<Written, JournalError> {
        let shared = Arc::clone(&self.0);
        blocking(move || shared.write(&steps, reached)).await
    }

    /// Takes the tables as they are now.
    async fn reload(&self) -> Result<(), JournalError> {
        let shared = Arc::clone(&self.0);
        blocking(move || shared.reload()).await
    }
}

impl Shared {
    /// Applies a batch to the tables, as far as nobody else has, and then to memory. If whoever asked
    /// waits no more, this is done all the same, before the next batch.
    fn write(&self, steps: &[Step], reached: Reflected) -> Result<Written, JournalError> {
        let fault = |error: rusqlite::Error| schema::fault(&self.file, &error);
        let mut tables = held(&self.tables);
        let (connection, written) = &mut *tables;
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fault)?;
        let Some(found) = schema::reflected(&transaction).map_err(fault)? else {
            return Err(schema::foreign(&self.file));
        };
        if found.position < *written {
            return Ok(Written::Elsewhere);
        }
        if found.position < reached.position {
            for step in steps.iter().filter(|step| step.position > found.position) {
                project::apply(&transaction, step).map_err(fault)?;
            }
            schema::set_reflected(&transaction, reached).map_err(fault)?;
            transaction.commit().map_err(fault)?;
        } else {
            drop(transaction);
        }
        *written = reached.position.max(found.position);
        if !steps.is_empty() {
            self.take_over(connection, steps).map_err(fault)?;
        }
        self.reach(reached);
        Ok(Written::Done)
    }

    /// Brings memory to what the tables say of all that has changed.
    fn take_over(&self, tables: &Connection, steps: &[Step]) -> rusqlite::Result<()> {
        let mut known = self.known_to_change();
        for step in steps {
            match project::touched(&step.change) {
                Touched::Nobody => {}
                Touched::Org(org) => {
                    known.orgs.insert(org.clone());
                }
                Touched::User(user) => {
                    self.standings.remove(user);
                    known.refresh(tables, user)?;
                }
                Touched::Everybody => {
                    self.standings.clear();
                    known.load(tables)?;
                }
            }
        }
        Ok(())
    }

    fn reload(&self) -> Result<(), JournalError> {
        let fault = |error: rusqlite::Error| schema::fault(&self.file, &error);
        let mut tables = held(&self.tables);
        let (connection, written) = &mut *tables;
        let snapshot = connection.transaction().map_err(fault)?;
        let Some(found) = schema::reflected(&snapshot).map_err(fault)? else {
            return Err(schema::foreign(&self.file));
        };
        let mut known = self.known_to_change();
        self.standings.clear();
        known.load(&snapshot).map_err(fault)?;
        drop(known);
        *written = found.position;
        *held(&self.at) = found.at;
        self.position.store(found.position, Ordering::Release);
        Ok(())
    }

    /// Memory reflects a position. It may not move back.
    fn reach(&self, reached: Reflected) {
        let mut at = held(&self.at);
        if self.position.load(Ordering::Acquire) < reached.position {
            *at = reached.at;
            self.position.store(reached.position, Ordering::Release);
        }
    }
}
