//! A directory whose events are in the engine's journal, and whose tables are in the journal's file.
//!
//! ```text
//!   add, remove, lock … ──► engine ──► journal ──► catching up ──► tables ──► copy in memory
//!                                                                  users        callers, organizations
//! ```
//!
//! Only events say what is so. The tables follow them: each reading first catches up with the position
//! that the engine has reached, and tables that are lost or of another version are made anew. Several
//! processes may share a file and its tables: what one has applied the others do not apply again. A
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
mod write;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::SystemTime;

use portcullis::journal::{BoxFuture, JournalError, Position};
use portcullis::{Actor, Clock, Details, DurableEngine, OrgId, SystemClock, UserId};
use rusqlite::Connection;

use super::{Directory, DirectoryError, Outcome, Standing, User, UserKind, UserPage, UserQuery};
use crate::callers::{Caller, CallerError, Callers};
use events::Fact;
use known::Known;
use schema::Reflected;
use standing::Standings;

pub use grants::NewToken;
pub use known::TokenInfo;
pub use plan::{NewEntry, WantedState};
pub use secret::TokenText;
pub use write::DryRun;

/// The directory of an engine whose journal is an SQLite file. Clones are the same directory.
#[derive(Clone)]
pub struct JournalDirectory(Arc<Shared>);

struct Shared {
    engine: Arc<DurableEngine>,
    clock: Arc<dyn Clock>,
    file: PathBuf,
    /// The connection that writes the tables, and the position that they are known to reflect.
    tables: Mutex<(Connection, Position)>,
    /// Connections of readers who are done.
    readers: Mutex<Vec<Connection>>,
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
    /// The directory of an engine that is open on the journal in `file`.
    ///
    /// # Errors
    ///
    /// [`JournalError::Pruned`] if the tables have to be made from events that are gone,
    /// [`JournalError::Corrupt`] for an event of the directory's types that says something else, or
    /// what else makes the file unusable.
    pub async fn open(engine: Arc<DurableEngine>, file: &Path) -> Result<Self, JournalError> {
        Self::open_with_clock(engine, file, SystemClock).await
    }

    /// The same with a clock that tells when tokens expire.
    ///
    /// # Errors
    ///
    /// As [`JournalDirectory::open`].
    pub async fn open_with_clock(
        engine: Arc<DurableEngine>,
        file: &Path,
        clock: impl Clock + 'static,
    ) -> Result<Self, JournalError> {
        let (file, opening) = (file.to_owned(), Arc::clone(&engine));
        let opened = blocking(move || {
            let fault = |error: rusqlite::Error| schema::fault(&file, &error);
            let mut connection = schema::connect(&file).map_err(fault)?;
            let locked = || opening.locked_users().map(|(user, _)| user).collect();
            let reflected = schema::prepare(&file, &mut connection, locked)?;
            let mut known = Known::default();
            known.load(&connection).map_err(fault)?;
            Ok((file, connection, reflected, known))
        });
        let (file, connection, reflected, known) = opened.await?;
        let directory = Self(Arc::new(Shared {
            engine,
            clock: Arc::new(clock),
            file,
            tables: Mutex::new((connection, reflected.position)),
            readers: Mutex::default(),
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

    /// Whether a journal's file has a directory. It is to be opened by nothing but SQLite.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn is_in(file: &Path) -> Result<bool, JournalError> {
        schema::connect(file)
            .and_then(|connection| schema::are_there(&connection))
            .map_err(|error| schema::fault(file, &error))
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Arc<DurableEngine> {
        &self.0.engine
    }

    /// Reads the tables as they are at one moment.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, JournalError> {
        let shared = Arc::clone(&self.0);
        blocking(move || {
            let fault = |error: rusqlite::Error| schema::fault(&shared.file, &error);
            let pooled = held(&shared.readers).pop();
            let connection = match pooled {
                Some(connection) => connection,
                None => schema::connect(&shared.file).map_err(fault)?,
            };
            let snapshot = connection.unchecked_transaction().map_err(fault)?;
            let value = match schema::reflected(&snapshot).map_err(fault)? {
                Some(_) => read(&snapshot).map_err(fault)?,
                None => return Err(schema::foreign(&shared.file)),
            };
            drop(snapshot);
            held(&shared.readers).push(connection);
            Ok(value)
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
        f.debug_struct("JournalDirectory").field("file", &self.0.file).finish_non_exhaustive()
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
