//! Portcullis decides whether a login may be tried, counts what comes of it, and locks the user at
//! the limit: exactly, whatever runs in parallel.
//!
//! One *instance* has a default [`LockoutPolicy`]; each *organization* may override it as a whole.
//! A login service asks before each check and tells afterwards:
//!
//! ```
//! use portcullis::{Admission, Engine, Factor, LockoutPolicy, OrgId, UserId, Verdict};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Engine::new("main".parse()?, LockoutPolicy::new(5, 5));
//! let (org, user): (OrgId, UserId) = ("acme".parse()?, "ada".parse()?);
//! engine.add_override(&org, LockoutPolicy::new(2, 2))?;
//!
//! for _ in 0..2 {
//!     let Admission::Admitted(attempt) = engine.begin(&org, &user, Factor::Password) else { panic!() };
//!     // … check the password here; this one was wrong.
//!     assert!(matches!(attempt.fail(), Verdict::Rejected { limit, .. } if limit.get() == 2));
//! }
//! assert!(matches!(engine.begin(&org, &user, Factor::Password), Admission::Locked(_)));
//!
//! engine.reset_to_default(&org)?; // a milder policy from now on, and the lock stays
//! assert!(engine.resolve("acme").is_default() && engine.is_locked("ada"));
//! engine.unlock(&user)?;
//! # Ok(())
//! # }
//! ```
//!
//! # Where things are
//!
//! | to learn about | read |
//! |---|---|
//! | ids and what is refused as one | [`OrgId`], [`IdRule`] |
//! | policies, overrides, origin | [`LockoutPolicy`], [`Resolved`]; `policy/decide.rs`, `policy/hierarchy.rs` |
//! | resolving fast | [`Reader`], [`OrgHandle`]; `sync/index.rs`, `sync/table.rs` |
//! | attempts and verdicts | [`Admission`], [`Attempt`], [`Verdict`]; `lockout/decide.rs`, `lockout/state.rs` |
//! | who is tracked, who is locked | `lockout/register.rs`, `lockout/locks.rs` |
//! | the calls | [`Engine`], [`EngineBuilder`]; `engine/admin.rs` for administrators |
//! | what a person may be told | [`PublicAnswer`] |
//! | events and who sees them | [`Recorded`], [`Observer`] |
//! | durability | `DurableEngine` and `journal` (feature `durable`); `durable/committer.rs` |
//!
//! Dependencies point one way: `id`, `clock`, `sync` ← `policy`, `lockout` ← `event` ← `engine` ←
//! `durable` → `journal`.
//! `policy` and `lockout` hold the pure core: they decide and apply, and neither read a clock nor
//! do I/O.
//!
//! # What it is not
//!
//! It verifies no secret, knows no user names, throttles no address and delays no answer. Locks do
//! not expire: an administrator unlocks. What an [`Engine`] holds is in memory; with the feature
//! `durable` a `DurableEngine` keeps it in a journal.

mod clock;
#[cfg(feature = "durable")]
pub mod durable;
mod engine;
mod error;
mod event;
mod id;
#[cfg(feature = "durable")]
pub mod journal;
mod lockout;
mod policy;
mod sync;

pub use clock::{Clock, ManualClock, SystemClock};
#[cfg(feature = "durable")]
pub use durable::{DurableBuilder, DurableEngine, Health, WriteError};
pub use engine::Engine;
pub use engine::attempt::{Admission, Attempt};
pub use engine::builder::EngineBuilder;
pub use engine::observer::Observer;
pub use error::{LockError, PolicyError};
pub use event::{Aggregate, Event, Recorded};
pub use id::{Actor, IdRule, InstanceId, InvalidId, MAX_ID_CHARACTERS, OrgId, UserId};
pub use lockout::public::PublicAnswer;
pub use lockout::{AttemptInfo, Factor, Lock, LockCause, Refusal, UserStatus, Verdict};
pub use policy::decide::PolicyEvent;
pub use policy::handle::OrgHandle;
pub use policy::reader::Reader;
pub use policy::{AttemptLimit, Details, LockoutPolicy, Origin, Resolved};

/// The README's example, compiled and run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadMe;
