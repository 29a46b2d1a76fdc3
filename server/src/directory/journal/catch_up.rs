//! Catching up: from the events that there are to the tables, and from these to memory.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use futures_util::StreamExt;
use portcullis::journal::{JournalError, Position};
use portcullis::{OrgId, UserId};

use super::events::Step;
use super::known::{Found, Known};
use super::project::Touched;
use super::schema::{self, Reflected};
use super::tables::Sql;
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
        // Who cannot hear of what others revoke admits nobody.
        shared.tables.current()?;
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
            let (from, to) = match shared.engine.next_change(position, target).await? {
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
                let step =
                    Step::of(&recorded).map_err(|cause| shared.tables.corrupt(position, cause))?;
                steps.extend(step);
            }
            let reached = Reflected { position, at };
            let is_far = position.saturating_sub(shared.written.load(Ordering::Acquire)) >= LAZY;
            if steps.is_empty() && !is_far {
                shared.reach(reached);
            } else if let Written::Elsewhere = self.write(steps, reached).await? {
                return Ok(Written::Elsewhere);
            }
        }
        Ok(Written::Done)
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

/// What memory is to take over of a batch, as the tables have it.
enum Fresh {
    All(Known),
    Some { orgs: Vec<OrgId>, users: Vec<(UserId, Found)> },
}

impl Fresh {
    fn of(steps: &[Step], tables: &dyn Sql) -> Result<Self, JournalError> {
        let (mut orgs, mut touched) = (Vec::new(), BTreeSet::new());
        for step in steps {
            match project::touched(&step.change) {
                Touched::Nobody => {}
                Touched::Org(org) => orgs.push(org.clone()),
                Touched::User(user) => drop(touched.insert(user)),
                Touched::Everybody => return Known::of(tables).map(Self::All),
            }
        }
        let users = touched.into_iter().map(|user| Ok((user.clone(), Found::of(user, tables)?)));
        Ok(Self::Some { orgs, users: users.collect::<Result<_, JournalError>>()? })
    }
}

impl Shared {
    /// Applies a batch to the tables, as far as nobody else has, and then to memory. If whoever asked
    /// waits no more, this is done all the same, before the next batch.
    fn write(&self, steps: &[Step], reached: Reflected) -> Result<Written, JournalError> {
        let _turn = held(&self.writing);
        let written = self.written.load(Ordering::Acquire);
        let applied = self.tables.write(|tables| {
            let Some(found) = schema::reflected(tables)? else {
                return Err(self.tables.foreign());
            };
            if found.position < written {
                return Ok(None);
            }
            if found.position < reached.position {
                for step in steps.iter().filter(|step| step.position > found.position) {
                    project::apply(tables, step)?;
                }
                schema::set_reflected(tables, reached)?;
            }
            let position = reached.position.max(found.position);
            Ok(Some((position, Fresh::of(steps, tables)?)))
        })?;
        let Some((position, fresh)) = applied else { return Ok(Written::Elsewhere) };
        self.written.store(position, Ordering::Release);
        if !steps.is_empty() {
            self.take_over(fresh);
        }
        self.reach(reached);
        Ok(Written::Done)
    }

    /// Brings memory to what the tables say of all that has changed.
    fn take_over(&self, fresh: Fresh) {
        let mut known = self.known_to_change();
        match fresh {
            Fresh::All(mut all) => {
                self.standings.clear();
                all.changes = known.changes;
                *known = all;
            }
            Fresh::Some { orgs, users } => {
                known.orgs.extend(orgs);
                for (user, found) in users {
                    self.standings.remove(&user);
                    known.put(user, found);
                }
            }
        }
    }

    fn reload(&self) -> Result<(), JournalError> {
        let _turn = held(&self.writing);
        let (found, known) = self.tables.read(|tables| {
            let found = schema::reflected(tables)?.ok_or_else(|| self.tables.foreign())?;
            Ok((found, Known::of(tables)?))
        })?;
        self.take_over(Fresh::All(known));
        self.written.store(found.position, Ordering::Release);
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
