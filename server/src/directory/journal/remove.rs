//! Removing from the directory: a user, or an organization with all that is of it.

use futures_util::future::join_all;
use portcullis::{Actor, LockError, OrgId, PolicyError, UserId, WriteError};

use super::events::Fact;
use super::{JournalDirectory, rows};
use crate::directory::{Directory, DirectoryError};

/// How many users go at the same time: as many as the journal takes in one batch.
const TOGETHER: usize = 256;

impl JournalDirectory {
    pub(super) async fn remove_user_now(
        &self,
        actor: &Actor,
        user: &UserId,
    ) -> Result<(), DirectoryError> {
        let _turn = self.0.changing.lock().await;
        let found = self.existing(user).await?;
        self.remove_users(actor, &found.org, vec![user.clone()]).await
    }

    /// The users go first: if this is cut short, the organization is still there to be removed.
    pub(super) async fn remove_org_now(
        &self,
        actor: &Actor,
        org: &OrgId,
    ) -> Result<(), DirectoryError> {
        let _turn = self.0.changing.lock().await;
        if !self.has_org(org).await? {
            return Err(DirectoryError::NoSuchOrg(org.clone()));
        }
        loop {
            self.catch_up().await?;
            let of = org.clone();
            let users = self.read(move |from| rows::users_of_org(from, &of, TOGETHER)).await?;
            if users.is_empty() {
                break;
            }
            self.remove_users(actor, org, users).await?;
        }
        match self.engine().reset_to_default_by(actor, org).await {
            Ok(_) | Err(WriteError::Refused(PolicyError::NotFound)) => {}
            Err(WriteError::Journal(fault)) => return Err(fault.into()),
            Err(WriteError::Refused(other)) => {
                // A reset has no other refusal.
                tracing::warn!(%org, %other, "the override of a removed organization stays");
            }
        }
        self.record(actor, Fact::OrgRemoved { org: org.clone() }).await?;
        Ok(())
    }

    async fn remove_users(
        &self,
        actor: &Actor,
        org: &OrgId,
        users: Vec<UserId>,
    ) -> Result<(), DirectoryError> {
        // All are asked for here, in this order.
        let asked: Vec<_> =
            users.iter().map(|user| self.engine().remove_user_by(actor, org, user)).collect();
        for (user, removed) in users.into_iter().zip(join_all(asked).await) {
            match removed {
                Ok(_) => {}
                Err(WriteError::Journal(fault)) => return Err(fault.into()),
                Err(WriteError::Refused(
                    LockError::OrgMismatch | LockError::AlreadyLocked | LockError::NotLocked,
                )) => {
                    let what = String::from("failed logins in another organization");
                    return Err(DirectoryError::UserDiffers { user, what });
                }
            }
        }
        Ok(())
    }
}
