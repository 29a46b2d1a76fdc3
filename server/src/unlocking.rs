//! Unlocking many users, as a command and as a call.

use futures_util::future::join_all;
use portcullis::journal::JournalError;
use portcullis::{Actor, Aggregate, DurableEngine, Lock, LockError, UserId, WriteError};

/// How many unlockings wait for the journal at the same time: as many as it takes in one batch.
const TOGETHER: usize = 256;

/// The type of the event that holds a reason.
const REASON: &str = "user.unlock.reason";

/// Unlocks users who are locked, and tells of each what came of it: somebody else may have unlocked it
/// meanwhile. A reason is an event before the unlocking's.
pub(crate) async fn unlock_all(
    engine: &DurableEngine,
    actor: &Actor,
    locked: &[(UserId, Lock)],
    reason: Option<&str>,
    mut tell: impl FnMut(&(UserId, Lock), Result<(), LockError>),
) -> Result<(), JournalError> {
    let payload = reason.map(|text| serde_json::json!({ "reason": text }).to_string());
    for some in locked.chunks(TOGETHER) {
        let asked = some.iter().map(|(user, lock)| {
            // Both are asked for here, in this order.
            let noted = payload.as_deref().map(|payload| {
                let aggregate = Aggregate::User { org: lock.org.clone(), user: user.clone() };
                engine.record_by(actor, aggregate, REASON, Some(payload))
            });
            let unlocking = engine.unlock_by(actor, user);
            async move {
                if let Some(noted) = noted {
                    noted.await?;
                }
                unlocking.await
            }
        });
        for (one, done) in some.iter().zip(join_all(asked).await) {
            match done {
                Ok(_) => tell(one, Ok(())),
                Err(WriteError::Refused(refusal)) => tell(one, Err(refusal)),
                Err(WriteError::Journal(fault)) => return Err(fault),
            }
        }
    }
    Ok(())
}
