//! `portcullis unlock`: those named, or all that a filter selects.

use std::io::{self, IsTerminal};

use indicatif::ProgressBar;
use portcullis::{DurableEngine, Lock, LockError, UserId};
use serde::Serialize;

use super::locked::{HEADER, LockedJson, cells, matches, select};
use super::{failure, read, run, write};
use crate::cli::Output;
use crate::cli::journal::UnlockArgs;
use crate::exit::Failure;
use crate::output::json;
use crate::output::print;
use crate::output::table::Columns;
use crate::unlocking::unlock_all;

/// More than so many show a bar.
const MANY: u64 = 5_000;

/// A user who is to be unlocked and cannot be.
#[derive(Serialize)]
struct Refusal {
    user: String,
    reason: String,
}

#[derive(Serialize)]
struct Report {
    unlocked: Vec<LockedJson>,
    refused: Vec<Refusal>,
    dry_run: bool,
}

/// Unlocks the users.
///
/// # Errors
///
/// The journal's, and a refusal if a user who is named cannot be unlocked; the others are.
pub fn command(args: &UnlockArgs) -> Result<(), Failure> {
    run(async {
        let place = &args.journal;
        let (engine, _) = if args.dry_run { read(place).await? } else { write(place).await? };
        let (mut chosen, mut refused) = choose(&engine, args);
        if !args.dry_run {
            let done = unlock(&engine, args, &mut chosen, &mut refused).await;
            engine.close().await;
            done?;
        }
        report(&chosen, refused, args)
    })
}

/// Who is to be unlocked, and who is named and cannot be.
fn choose(engine: &DurableEngine, args: &UnlockArgs) -> (Vec<(UserId, Lock)>, Vec<Refusal>) {
    if args.users.is_empty() {
        return (select(engine, &args.filter), Vec::new());
    }
    let (mut chosen, mut refused) = (Vec::new(), Vec::new());
    for user in &args.users {
        let reason = match engine.status(user).lock {
            None => LockError::NotLocked.to_string(),
            Some(lock) if matches(&lock, &args.filter) => {
                // A name that is given twice is meant once.
                if chosen.iter().all(|(other, _)| other != user) {
                    chosen.push((user.clone(), lock));
                }
                continue;
            }
            Some(lock) if args.filter.org.as_ref().is_some_and(|org| *org != lock.org) => {
                LockError::OrgMismatch.to_string()
            }
            Some(_) => String::from("the user was locked earlier"),
        };
        refused.push(Refusal { user: user.to_string(), reason });
    }
    (chosen, refused)
}

/// Unlocks the chosen ones; those who stay locked, or were unlocked by others meanwhile, are chosen
/// no more.
async fn unlock(
    engine: &DurableEngine,
    args: &UnlockArgs,
    chosen: &mut Vec<(UserId, Lock)>,
    refused: &mut Vec<Refusal>,
) -> Result<(), Failure> {
    let total = u64::try_from(chosen.len()).unwrap_or(u64::MAX);
    let bar = (total > MANY && io::stderr().is_terminal()).then(|| ProgressBar::new(total));
    let mut unlocked = Vec::with_capacity(chosen.len());
    let (actor, reason) = (&args.actor.actor, args.reason.as_deref());
    let done = unlock_all(engine, actor, chosen, reason, |one, done| {
        match done {
            Ok(()) => unlocked.push(one.clone()),
            Err(rule) if !args.users.is_empty() => {
                refused.push(Refusal { user: one.0.to_string(), reason: rule.to_string() });
            }
            Err(_) => {}
        }
        if let Some(bar) = &bar {
            bar.inc(1);
        }
    });
    done.await.map_err(failure)?;
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    *chosen = unlocked;
    Ok(())
}

fn report(
    chosen: &[(UserId, Lock)],
    refused: Vec<Refusal>,
    args: &UnlockArgs,
) -> Result<(), Failure> {
    let refusal = (!refused.is_empty()).then(|| {
        let reasons: Vec<_> =
            refused.iter().map(|it| format!("{}: {}", it.user, it.reason)).collect();
        reasons.join("\nportcullis: ")
    });
    print(|to| match args.journal.output {
        Output::Json => {
            let unlocked = chosen.iter().map(LockedJson::from).collect();
            json::write(&Report { unlocked, refused, dry_run: args.dry_run }, to)
        }
        Output::Table => {
            if !chosen.is_empty() {
                Columns::new(HEADER, &[]).write_all(chosen, cells, to)?;
                writeln!(to)?;
            }
            let done = if args.dry_run { "would be unlocked" } else { "unlocked" };
            writeln!(to, "{} {done}", chosen.len())
        }
    })?;
    refusal.map_or(Ok(()), |reasons| Err(Failure::refused(reasons)))
}
