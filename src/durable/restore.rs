//! From a checkpoint back to memory.

use std::collections::HashMap;
use std::num::NonZero;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::vec::IntoIter;

use foldhash::fast::RandomState;

use super::memory::Memory;
use super::snapshot::{PART, Piece};
use crate::event::{Aggregate, Recorded};
use crate::id::{OrgId, UserId};
use crate::journal::{Checkpoint, CheckpointPart, JournalError, Position};

/// What a checkpoint includes beyond the position at which it was begun.
#[derive(Default)]
pub(super) struct Included {
    default: Position,
    orgs: HashMap<OrgId, Position, RandomState>,
    users: HashMap<UserId, Position, RandomState>,
}

impl Included {
    pub(super) fn includes(&self, event: &Recorded) -> bool {
        let up_to = match &event.aggregate {
            Aggregate::Instance(_) => Some(&self.default),
            Aggregate::Org(org) => self.orgs.get(org),
            Aggregate::User { user, .. } => self.users.get(user),
        };
        up_to.is_some_and(|position| event.position <= *position)
    }

    /// Adds what other parts include.
    fn extend(&mut self, other: Self) {
        self.default = self.default.max(other.default);
        self.orgs.extend(other.orgs);
        self.users.extend(other.users);
    }
}

/// Puts a checkpoint into an empty memory. Its parts know nothing of each other, so each core takes the
/// next one; with a million users that is most of what an opening does.
pub(super) fn restore(memory: &Memory, checkpoint: Checkpoint) -> Result<Included, JournalError> {
    let Checkpoint { position: begun, parts } = checkpoint;
    memory.register.reserve(parts.len().saturating_mul(PART));
    let cores = thread::available_parallelism().map_or(1, NonZero::get).min(parts.len());
    let parts = Mutex::new(parts.into_iter());
    let included = thread::scope(|scope| {
        let others: Vec<_> = (1..cores)
            // A thread that the system does not give is one that is not waited for.
            .filter_map(|_| {
                thread::Builder::new()
                    .spawn_scoped(scope, || restore_parts(memory, begun, &parts))
                    .ok()
            })
            .collect();
        let mut included = restore_parts(memory, begun, &parts)?;
        for other in others {
            included.extend(other.join().unwrap_or(Err(JournalError::Closed))?);
        }
        Ok(included)
    })?;
    memory.set_position(begun);
    Ok(included)
}

/// Takes parts as long as there are any.
fn restore_parts(
    memory: &Memory,
    begun: Position,
    parts: &Mutex<IntoIter<CheckpointPart>>,
) -> Result<Included, JournalError> {
    let next = || parts.lock().unwrap_or_else(PoisonError::into_inner).next();
    let mut included = Included::default();
    while let Some(part) = next() {
        included.take(memory, begun, &part).map_err(|cause| JournalError::Corrupt {
            journal: String::from("checkpoint"),
            position: begun,
            cause: format!("part {}: {cause}", part.number),
        })?;
    }
    Ok(included)
}

impl Included {
    fn take(
        &mut self,
        memory: &Memory,
        begun: Position,
        part: &CheckpointPart,
    ) -> Result<(), String> {
        let piece = serde_json::from_slice(&part.state).map_err(|error| error.to_string())?;
        match piece {
            Piece::Default(stored) => {
                memory.hierarchy.set_default_record(stored.record());
                self.default = part.position;
            }
            Piece::Overrides(orgs) => {
                for (org, stored) in orgs {
                    let org: OrgId = org.0.parse().map_err(|error| format!("{error}"))?;
                    memory.hierarchy.set_override_record(&org, stored.record());
                    if part.position > begun {
                        self.orgs.insert(org, part.position);
                    }
                }
            }
            Piece::Users(users) => {
                for (user, stored) in users {
                    let user: UserId = user.0.parse().map_err(|error| format!("{error}"))?;
                    memory.register.restore(&user, stored.kept()?);
                    if part.position > begun {
                        self.users.insert(user, part.position);
                    }
                }
            }
        }
        Ok(())
    }
}
