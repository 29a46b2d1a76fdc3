//! Users: their locks, whether they are active, and how they are shown.

pub mod v1;
pub mod v2;

mod query;

use portcullis::{Details, LockError, UserId, WriteError};

use super::Api;
use super::auth::{Auth, unavailable};
use super::error::{ApiError, Code};
use crate::directory::User;

/// A change of a user that an administrator asks for, with the ids of what may be wrong with it.
#[derive(Clone, Copy, Debug)]
struct Change {
    kind: Kind,
    not_found: &'static str,
    wrong_state: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Lock,
    Unlock,
    Deactivate,
    Reactivate,
}

impl Change {
    fn not_found(self) -> ApiError {
        not_found(self.not_found)
    }

    fn wrong_state(self) -> ApiError {
        let text = match self.kind {
            Kind::Lock => "User is not active or initial",
            Kind::Unlock => "User is not locked",
            Kind::Deactivate => "User already inactive",
            Kind::Reactivate => "User is not inactive",
        };
        ApiError::new(Code::FailedPrecondition, self.wrong_state, text)
    }

    /// Carries the change out on a user whom the caller may change.
    async fn carry_out(self, api: &Api, auth: &Auth, user: &User) -> Result<Details, ApiError> {
        let (actor, engine) = (auth.actor(), &api.engine);
        let written = match self.kind {
            Kind::Lock if !user.is_active => return Err(self.wrong_state()),
            Kind::Lock => engine.lock_by(&actor, &user.org, &user.id).await,
            Kind::Unlock => engine.unlock_by(&actor, &user.id).await,
            Kind::Deactivate | Kind::Reactivate => {
                let active = self.kind == Kind::Reactivate;
                let set = api.directory.set_active(&actor, &user.id, active).await;
                return set.map_err(unavailable)?.ok_or_else(|| self.wrong_state());
            }
        };
        written.map_err(|error| match error {
            WriteError::Refused(LockError::AlreadyLocked | LockError::NotLocked) => {
                self.wrong_state()
            }
            // The engine counts the id for another organization than the directory has it in.
            WriteError::Refused(LockError::OrgMismatch) => self.not_found(),
            WriteError::Journal(error) => unavailable(error),
        })
    }
}

fn not_found(id: &'static str) -> ApiError {
    ApiError::new(Code::NotFound, id, "User could not be found")
}

/// The user of an id; none of an id that no user can have.
async fn find(api: &Api, id: &str) -> Result<Option<User>, ApiError> {
    match UserId::try_from(id) {
        Ok(id) => api.directory.user(&id).await.map_err(unavailable),
        Err(_) => Ok(None),
    }
}

/// Ids are 1 to 200 characters. `field` is what is validated, as in `LockUserRequest.Id`.
fn validate(field: &str, id: &str) -> Result<(), ApiError> {
    if (1..=200).contains(&id.chars().count()) {
        return Ok(());
    }
    let rule = "value length must be between 1 and 200 runes, inclusive";
    Err(ApiError::plain(Code::InvalidArgument, format!("invalid {field}: {rule}")))
}
