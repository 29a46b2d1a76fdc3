//! `portcullis lock`: an administrator's lock.

use serde::Serialize;

use super::{run, unwritten, write};
use crate::cli::Output;
use crate::cli::journal::LockArgs;
use crate::exit::Failure;
use crate::output::json::{self, DetailsJson};
use crate::output::print;

#[derive(Serialize)]
struct Report {
    user: String,
    org: String,
    details: DetailsJson,
}

/// Locks the user.
///
/// # Errors
///
/// The journal's, or the rule that refuses it.
pub fn command(args: &LockArgs) -> Result<(), Failure> {
    run(async {
        let LockArgs { user, org, actor, journal } = args;
        let (engine, _) = write(journal).await?;
        let locked = engine.lock_by(&actor.actor, org, user).await;
        engine.close().await;
        let details = locked.map_err(|error| unwritten(user, error))?;
        print(|to| match journal.output {
            Output::Table => writeln!(to, "{user} is locked."),
            Output::Json => {
                let (user, org) = (user.to_string(), org.to_string());
                json::write(&Report { user, org, details: details.into() }, to)
            }
        })
    })
}
