//! The engine of a server: on a journal that exists, or on a new one.

use std::fs;

use portcullis::journal::{JournalError, SqliteJournal};
use portcullis::{DurableEngine, InstanceId, LockoutPolicy};

use crate::config::Settings;
use crate::exit::Failure;
use crate::operate::{self, failure, policy};

/// Opens the engine. The policy of the settings is for a new journal; one that exists keeps its own.
pub(super) async fn engine(settings: &Settings) -> Result<DurableEngine, Failure> {
    let file = &settings.journal;
    if fs::metadata(file).map_or(0, |found| found.len()) == 0 {
        let policy = LockoutPolicy {
            max_password_attempts: settings.max_password_attempts.into(),
            max_otp_attempts: settings.max_otp_attempts.into(),
            show_lockout_failures: settings.show_failures,
        };
        let instance = match &settings.instance {
            Some(instance) => instance.clone(),
            None => InstanceId::try_from(policy::INSTANCE).map_err(Failure::fault)?,
        };
        let journal = SqliteJournal::open(file).await.map_err(failure)?;
        return DurableEngine::open(instance, policy, journal).await.map_err(failure);
    }
    let journal = operate::journal(file).await?;
    let engine = DurableEngine::open_existing(journal).await.map_err(failure)?;
    match &settings.instance {
        Some(asked) if asked != engine.instance() => {
            let (found, asked) = (engine.instance().clone(), asked.clone());
            engine.close().await;
            Err(failure(JournalError::OtherInstance { found, asked }))
        }
        _ => Ok(engine),
    }
}
