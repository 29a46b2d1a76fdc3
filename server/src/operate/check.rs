//! `portcullis check`: is the journal whole, and does its checkpoint say what its events say?

mod compare;
mod walk;

use std::io::{self, Write};

use portcullis::DurableEngine;
use portcullis::journal::{JournalError, Position};
use serde::Serialize;

use super::view::View;
use super::{failure, opened, run};
use crate::cli::Output;
use crate::cli::journal::{CheckArgs, JournalArgs};
use crate::exit::Failure;
use crate::output::json;
use crate::output::print;
use crate::output::table::write_fields;

/// More problems than this are told by their number: the first ones are what counts.
const MOST_PROBLEMS: usize = 20;

/// What a check found.
#[derive(Debug, Serialize)]
struct Report {
    sound: bool,
    /// Where what is left of the trail begins.
    first: Position,
    head: Position,
    events: u64,
    users: usize,
    /// Where the checkpoint begins, if there is one.
    checkpoint: Option<Position>,
    /// Whether all events were replayed and compared with the checkpoint.
    compared: bool,
    problems: Vec<String>,
}

/// Checks the journal and changes nothing.
///
/// # Errors
///
/// The journal's, and a fault if it is not sound.
pub fn command(args: &CheckArgs) -> Result<(), Failure> {
    let report = run(check(&args.journal))?;
    print(|to| match args.journal.output {
        Output::Json => json::write(&report, to),
        Output::Table => report.write_table(to),
    })?;
    if report.sound {
        return Ok(());
    }
    Err(Failure::fault(format!("{} is not sound: restore it from a backup", args.journal.journal)))
}

async fn check(args: &JournalArgs) -> Result<Report, Failure> {
    let view = View::of(opened(args).await?.journal).await.map_err(failure)?;
    let checkpoint = view.checkpoint_position();
    let mut problems = Problems::default();
    let walk = problems.of(walk::through(&view).await)?.unwrap_or_default();
    problems.append(&walk.problems);
    let mut compared = false;
    // An engine on what is damaged already would only say the same again.
    if problems.is_empty()
        && let Some(with_checkpoint) =
            problems.of(DurableEngine::open_existing(view.clone()).await)?
        && checkpoint.is_some()
        && walk.first == 1
    {
        let replayed = DurableEngine::open_existing(view.without_checkpoint()).await;
        if let Some(replayed) = problems.of(replayed)? {
            problems.append(&compare::engines(&with_checkpoint, &replayed, &walk));
            compared = true;
        }
    }
    Ok(Report {
        sound: problems.is_empty(),
        first: walk.first,
        head: view.position(),
        events: walk.events,
        users: walk.users.len(),
        checkpoint,
        compared,
        problems: problems.0,
    })
}

/// What is wrong with the journal.
#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What cannot be read is a problem of the journal's; what cannot be reached is a failure.
    fn of<T>(&mut self, read: Result<T, JournalError>) -> Result<Option<T>, Failure> {
        match read {
            Ok(value) => Ok(Some(value)),
            Err(damage @ JournalError::Corrupt { .. }) => {
                self.0.push(damage.to_string());
                Ok(None)
            }
            Err(error) => Err(failure(error)),
        }
    }

    fn append(&mut self, found: &[String]) {
        self.0.extend(found.iter().take(MOST_PROBLEMS).cloned());
        match found.len().saturating_sub(MOST_PROBLEMS) {
            0 => {}
            more => self.0.push(format!("and {more} more")),
        }
    }
}

impl Report {
    fn write_table(&self, to: &mut dyn Write) -> io::Result<()> {
        let checkpoint = match self.checkpoint {
            None => String::from("none yet"),
            Some(position) => format!("begun at position {position}"),
        };
        let positions = match self.events {
            0 => format!("none left, the newest was {}", self.head),
            _ => format!("{} to {}", self.first, self.head),
        };
        let compared = match (self.compared, self.checkpoint, self.first) {
            (true, ..) => "equals the replay of all events",
            (false, None, _) => "-",
            (false, _, 1) => "not compared",
            _ => "not compared: what came before the first event was pruned",
        };
        let fields = [
            ("positions", positions),
            ("events", self.events.to_string()),
            ("users in them", self.users.to_string()),
            ("checkpoint", checkpoint),
            ("its state", String::from(compared)),
            ("sound", String::from(if self.sound { "yes" } else { "NO" })),
        ];
        write_fields(fields, to)?;
        for problem in &self.problems {
            writeln!(to, "  {problem}")?;
        }
        Ok(())
    }
}
