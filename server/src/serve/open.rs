//! The engine of a server: on a journal that exists, or on a new one.

use portcullis::journal::Journal;
use portcullis::{DurableEngine, InstanceId, LockoutPolicy};

use crate::config::Settings;
use crate::directory::Tables;
use crate::exit::Failure;
use crate::operate::{failure, policy};
use crate::place::Opened;

/// Opens the engine, and says where its directory's tables are. The policy of the settings is for a new
/// journal; one that exists keeps its own.
pub(super) async fn engine(settings: &Settings) -> Result<(DurableEngine, Tables), Failure> {
    let opened = settings.journal.open(settings.instance.as_ref(), true).await;
    let Opened { journal, tables } = opened.map_err(failure)?;
    let builder = DurableEngine::builder().stale_success(settings.stale_success);
    let engine = if journal.head().await.map_err(failure)? == 0 {
        let policy = LockoutPolicy {
            max_password_attempts: settings.max_password_attempts.into(),
            max_otp_attempts: settings.max_otp_attempts.into(),
            show_lockout_failures: settings.show_failures,
        };
        let instance = match &settings.instance {
            Some(instance) => instance.clone(),
            None => InstanceId::try_from(policy::INSTANCE).map_err(Failure::fault)?,
        };
        builder.open(instance, policy, journal).await
    } else {
        builder.open_existing(journal).await
    };
    Ok((engine.map_err(failure)?, tables))
}
