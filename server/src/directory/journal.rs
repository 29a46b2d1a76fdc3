//! A directory whose events are in the engine's journal, and whose tables are beside them, in the journal's
//! file or database.
//!
//! ```text
//!   add, remove, lock … ──► engine ──► journal ──► catching up ──► tables ──► copy in memory
//!                                                                  users        callers, organizations
//! ```
//!
//! Only events say what is so. The tables follow them: each reading first catches up with the position
//! that the engine has reached, and tables that are lost or of another version are made anew. Several
//! processes may share the tables: what one has applied the others do not apply again. A
//! position that holds nothing for the directory is only kept in memory, so that a storm of failed
//! logins writes nothing here.

mod catch_up;
mod events;
mod filter;
mod grants;
mod known;
mod plan;
mod project;
mod remove;
mod rows;
mod schema;
mod secret;
mod standing;
mod tables;
mod there;
mod write;

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::SystemTime;

use portcullis::journal::{BoxFuture, JournalError};
use portcullis::{Actor, Clock, Details, DurableEngine, OrgId, SystemClock, UserId};

use super::{Directory, DirectoryError, Outcome, Standing, User, UserKind, UserPage, UserQuery};
use crate::callers::{Caller, CallerError, Callers};
use events::Fact;
use known::Known;
use schema::Reflected;
use standing::Standings;
use tables::Sql;

pub use grants::NewToken;
pub use known::TokenInfo;
pub use plan::{NewEntry, WantedState};
pub use secret::TokenText;
pub use tables::Tables;
pub use write::DryRun;

/// The directory of an engine, in the journal of the engine. Clones are the same directory.
#[derive(Clone)]
pub struct JournalDirectory(Arc<Shared>);

struct Shared {
    engine: Arc<DurableEngine>,
    clock: Arc<dyn Clock>,
    tables: Tables,
    /// The turn to write the tables.
    writing: Mutex<()>,
    /// The position that the tables are known to reflect.
    written: AtomicU64,
    known: RwLock<Known>,
    standings: Standings,
    /// The position that tables and memory reflect: what comes between it and the tables' own holds
    /// nothing for the directory.
    position: AtomicU64,
    /// The time of that position.
    at: Mutex<SystemTime>,
    /// The turn to catch up.
    catching: tokio::sync::Mutex<()>,
    /// The turn to change the directory: to look and then to record.
    changing: tokio::sync::Mutex<()>,
}

impl JournalDirectory {
    /// The directory of an engine that is open on a journal, whose file or
    /// [tables](portcullis::journal::PostgresJournal::tables) are given.
    ///
    /// # Errors
    ///
    /// [`JournalError::Pruned`] if the tables have to be made from events that are gone,
    /// [`JournalError::Corrupt`] for an event of the directory's types that says something else, or
    /// what else makes them unusable.
    pub async fn open(
        engine: Arc<DurableEngine>,
        tables: impl Into<Tables>,
    ) -> Result<Self, JournalError> {
        Self::open_with_clock(engine, tables, SystemClock).await
    }

    /// The same with a clock that tells when tokens expire.
    ///
    /// # Errors
    ///
    /// As [`JournalDirectory::open`].
    pub async fn open_with_clock(
        engine: Arc<DurableEngine>,
        tables: impl Into<Tables>,
        clock: impl Clock + 'static,
    ) -> Result<Self, JournalError> {
        let (tables, opening) = (tables.into(), Arc::clone(&engine));
        let opened = blocking(move || {
            let locked = || opening.locked_users().map(|(user, _)| user).collect();
            let reflected = schema::prepare(&tables, locked)?;
            let known = tables.read(Known::of)?;
            Ok((tables, reflected, known))
        });
        let (tables, reflected, known) = opened.await?;
        let directory = Self(Arc::new(Shared {
            engine,
            clock: Arc::new(clock),
            tables,
            writing: Mutex::default(),
            written: AtomicU64::new(reflected.position),
            known: RwLock::new(known),
            standings: standing::none_yet(),
            position: AtomicU64::new(reflected.position),
            at: Mutex::new(reflected.at),
            catching: tokio::sync::Mutex::default(),
            changing: tokio::sync::Mutex::default(),
        }));
        directory.follow().await?;
        Ok(directory)
    }

    /// Whether a journal has a directory. Its file is to be opened by nothing but SQLite.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub async fn is_in(tables: impl Into<Tables>) -> Result<bool, JournalError> {
        let tables = tables.into();
        blocking(move || tables.read(schema::is_there)).await
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Arc<DurableEngine> {
        &self.0.engine
    }

    /// Reads the tables as they are at one moment.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Sql) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        let shared = Arc::clone(&self.0);
        blocking(move || {
            shared.tables.read(|tables| match schema::reflected(tables)? {
                Some(_) => read(tables),
                None => Err(shared.tables.foreign()),
            })
        })
        .await
    }

    fn known(&self) -> std::sync::RwLockReadGuard<'_, Known> {
        self.0.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands an event to the engine, which takes it at once; its answer tells when it is durable.
    fn record(
        &self,
        actor: &Actor,
        fact: Fact,
    ) -> impl Future<Output = Result<Details, JournalError>> + Send + use<> {
        let (aggregate, type_name, payload) = fact.entry(self.0.engine.instance());
        self.0.engine.record_by(actor, aggregate, type_name, payload.as_deref())
    }
}

impl Directory for JournalDirectory {
    fn has_org<'a>(&'a self, org: &'a OrgId) -> BoxFuture<'a, Result<bool, JournalError>> {
        Box::pin(async move {
            self.catch_up().await?;
            Ok(self.known().orgs.contains(org))
        })
    }

    fn user<'a>(&'a self, user: &'a UserId) -> BoxFuture<'a, Result<Option<User>, JournalError>> {
        Box::pin(async move {
            self.catch_up().await?;
            let user = user.clone();
            self.read(move |from| rows::user_of_id(from, &user)).await
        })
    }

    fn users<'a>(&'a self, query: &'a UserQuery) -> BoxFuture<'a, Result<UserPage, JournalError>> {
        Box::pin(async move {
            self.follow().await?;
            let (position, at) = self.reflected();
            let query = query.clone();
            let read =
                self.read(move |from| Ok((filter::users(from, &query)?, schema::reflected(from)?)));
            let ((users, total), tables) = read.await?;
            // Another process may have brought the tables further.
            Ok(match tables.filter(|tables| tables.position > position) {
                Some(Reflected { position, at }) => UserPage { users, total, position, at },
                None => UserPage { users, total, position, at },
            })
        })
    }

    fn set_active<'a>(
        &'a self,
        actor: &'a Actor,
        user: &'a UserId,
        active: bool,
    ) -> BoxFuture<'a, Result<Option<Details>, JournalError>> {
        Box::pin(async move {
            let _turn = self.0.changing.lock().await;
            let found = self.user(user).await?.filter(|found| found.is_active != active);
            let Some(User { org, .. }) = found else { return Ok(None) };
            let fact = Fact::Active { org, user: user.clone(), active };
            self.record(actor, fact).await.map(Some)
        })
    }

    fn standing<'a>(
        &'a self,
        user: &'a UserId,
    ) -> BoxFuture<'a, Result<Option<Standing>, JournalError>> {
        Box::pin(async move {
            self.catch_up().await?;
            self.standing_now(user).await
        })
    }

    fn register_org<'a>(
        &'a self,
        actor: &'a Actor,
        org: &'a OrgId,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Outcome, DirectoryError>> {
        Box::pin(self.add_org(actor, org, name))
    }

    fn remove_org<'a>(
        &'a self,
        actor: &'a Actor,
        org: &'a OrgId,
    ) -> BoxFuture<'a, Result<(), DirectoryError>> {
        Box::pin(self.remove_org_now(actor, org))
    }

    fn register_user<'a>(
        &'a self,
        actor: &'a Actor,
        org: &'a OrgId,
        user: &'a UserId,
        user_name: &'a str,
        kind: UserKind,
    ) -> BoxFuture<'a, Result<Outcome, DirectoryError>> {
        Box::pin(self.add_user(actor, org, user, user_name, kind))
    }

    fn remove_user<'a>(
        &'a self,
        actor: &'a Actor,
        user: &'a UserId,
    ) -> BoxFuture<'a, Result<(), DirectoryError>> {
        Box::pin(self.remove_user_now(actor, user))
    }
}

impl Callers for JournalDirectory {
    fn caller<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Option<Caller>, CallerError>> {
        Box::pin(async move {
            let Some((id, secret)) = secret::split(token) else { return Ok(None) };
            self.catch_up().await?;
            Ok(self.known().caller(id, secret, self.0.clock.now()))
        })
    }
}

impl fmt::Debug for JournalDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JournalDirectory").field("tables", &self.0.tables).finish_non_exhaustive()
    }
}

/// A lock's value, also after a panic: what is in it is whole between any two steps.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs what blocks where it stops nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, JournalError> + Send + 'static,
) -> Result<T, JournalError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(JournalError::Unavailable(error.to_string())))
}
