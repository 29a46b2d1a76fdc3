//! `portcullis status`: what is on record of one user, and what the next attempt meets.

use std::collections::BTreeMap;

use portcullis::{AttemptLimit, Factor};
use serde::Serialize;

use super::locked::cause;
use super::{read, run};
use crate::cli::Output;
use crate::cli::journal::StatusArgs;
use crate::exit::Failure;
use crate::output::json::{self, LockJson, ResolvedJson};
use crate::output::table::{Columns, write_fields};
use crate::output::{print, rfc3339};

#[derive(Serialize)]
struct Report {
    user: String,
    /// The organization on record; nothing is on record of a user without one.
    org: Option<String>,
    locked: bool,
    lock: Option<LockJson>,
    failures: BTreeMap<&'static str, u32>,
    /// The policy in force for the organization on record.
    policy: Option<ResolvedJson>,
}

/// Shows the user's status.
///
/// # Errors
///
/// The journal's.
pub fn command(args: &StatusArgs) -> Result<(), Failure> {
    run(async {
        let (engine, _) = read(&args.journal).await?;
        let user = &args.user;
        let status = engine.status(user);
        let resolved = status.org.as_ref().map(|org| engine.resolve(org));
        print(|to| match args.journal.output {
            Output::Json => {
                let report = Report {
                    user: user.to_string(),
                    org: status.org.as_ref().map(ToString::to_string),
                    locked: status.lock.is_some(),
                    lock: status.lock.as_ref().map(LockJson::from),
                    failures: Factor::ALL
                        .map(|factor| (factor.name(), status.failures(factor)))
                        .into(),
                    policy: resolved.map(ResolvedJson::from),
                };
                json::write(&report, to)
            }
            Output::Table => {
                let (Some(org), Some(resolved)) = (&status.org, resolved) else {
                    return writeln!(to, "{user}: no failure, no lock, nothing on record.");
                };
                let lock = status.lock.as_ref().map_or_else(
                    || String::from("no"),
                    |lock| format!("since {}, by {}", rfc3339(lock.since), cause(lock)),
                );
                let fields = [
                    ("user", user.to_string()),
                    ("organization", org.to_string()),
                    ("locked", lock),
                ];
                write_fields(fields, to)?;
                writeln!(to)?;
                let row = |factor: &Factor| {
                    let limit = resolved.policy.limit(*factor);
                    [factor.to_string(), status.failures(*factor).to_string(), limit_text(limit)]
                };
                Columns::new(["factor", "failures", "limit"], &[1, 2]).write_all(
                    &Factor::ALL,
                    row,
                    to,
                )
            }
        })
    })
}

fn limit_text(limit: AttemptLimit) -> String {
    if limit == AttemptLimit::NEVER { String::from("never") } else { limit.get().to_string() }
}
