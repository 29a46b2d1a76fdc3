//! `portcullis import`: organizations and users, from JSON lines.

mod line;

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::{failure, read, run, write};
use crate::cli::Output;
use crate::cli::directory::ImportArgs;
use crate::directory::{DryRun, JournalDirectory, NewEntry, Outcome};
use crate::exit::Failure;
use crate::output::table::write_numbers;
use crate::output::{json, print};
use crate::replay::Watch;
use crate::replay::progress::Progress;
use crate::replay::reader::Lines;

/// So many lines wait for the journal together.
const BATCH: usize = 1_000;

/// What an import came to.
#[derive(Debug, Default, Serialize)]
struct Report {
    changed: u64,
    unchanged: u64,
    bad_lines: u64,
    dry_run: bool,
}

/// Imports the lines.
///
/// # Errors
///
/// The journal's, or the first bad line; with `--keep-going`, that there were some.
pub fn command(args: &ImportArgs) -> Result<(), Failure> {
    if args.file == Path::new("-") {
        return import(io::stdin(), "stdin", None, args);
    }
    let name = args.file.display().to_string();
    let file = File::open(&args.file).map_err(|error| Failure::reading(&name, &error))?;
    let known = file.metadata().ok().filter(Metadata::is_file);
    import(file, &name, known.map(|metadata| metadata.len()), args)
}

fn import(
    input: impl Read,
    name: &str,
    length: Option<u64>,
    args: &ImportArgs,
) -> Result<(), Failure> {
    let report = run(async {
        let place = &args.journal;
        let (engine, tables) = if args.dry_run { read(place).await? } else { write(place).await? };
        let engine = Arc::new(engine);
        let done = match JournalDirectory::open(Arc::clone(&engine), tables).await {
            Ok(directory) => Import::new(directory, name, length, args).all(input).await,
            Err(error) => Err(failure(error)),
        };
        engine.close().await;
        done
    })?;
    print(|to| match args.journal.output {
        Output::Json => json::write(&report, to),
        Output::Table => {
            let changed = if report.dry_run { "would be changed" } else { "changed" };
            let fields = [
                (changed, report.changed.to_string()),
                ("unchanged", report.unchanged.to_string()),
                ("bad lines", report.bad_lines.to_string()),
            ];
            write_numbers(fields, to)
        }
    })?;
    match report.bad_lines {
        0 => Ok(()),
        1 => Err(Failure::bad_input("1 line was not imported")),
        many => Err(Failure::bad_input(format!("{many} lines were not imported"))),
    }
}

/// An import under way.
struct Import<'a> {
    directory: JournalDirectory,
    name: &'a str,
    args: &'a ImportArgs,
    progress: Progress,
    dry_run: DryRun,
    report: Report,
    /// What has been read and not been done, with the numbers of the lines.
    entries: Vec<NewEntry>,
    numbers: Vec<u64>,
}

impl<'a> Import<'a> {
    fn new(
        directory: JournalDirectory,
        name: &'a str,
        length: Option<u64>,
        args: &'a ImportArgs,
    ) -> Self {
        Self {
            directory,
            name,
            args,
            progress: Progress::new(length, args.keep_going),
            dry_run: DryRun::default(),
            report: Report { dry_run: args.dry_run, ..Report::default() },
            entries: Vec::with_capacity(BATCH),
            numbers: Vec::with_capacity(BATCH),
        }
    }

    async fn all(mut self, input: impl Read) -> Result<Report, Failure> {
        let mut lines = Lines::new(input);
        loop {
            let parsed = match lines.next().map_err(|error| Failure::reading(self.name, &error))? {
                None => break,
                Some(line) => line.and_then(line::parse),
            };
            match parsed {
                Ok(entry) => {
                    self.entries.push(entry);
                    self.numbers.push(lines.number());
                    // Of a slow input nothing is kept waiting for what is yet to come.
                    if self.entries.len() == BATCH || lines.is_drained() {
                        self.flush().await?;
                    }
                }
                Err(bad) => {
                    // What comes before it is done, whether or not it is the end.
                    self.flush().await?;
                    self.bad_line(lines.number(), &bad)?;
                }
            }
            self.progress.at(lines.bytes());
        }
        self.flush().await?;
        Ok(self.report)
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        let entries = std::mem::take(&mut self.entries);
        let numbers = std::mem::take(&mut self.numbers);
        if entries.is_empty() {
            return Ok(());
        }
        let ImportArgs { actor, keep_going, dry_run, .. } = self.args;
        let outcomes = if *dry_run {
            self.directory.rehearse(&mut self.dry_run, entries).await
        } else {
            self.directory.add_all(&actor.actor, entries, *keep_going).await
        };
        for (outcome, number) in outcomes.map_err(failure)?.into_iter().zip(numbers) {
            match outcome {
                Ok(Outcome::Changed) => count(&mut self.report.changed),
                Ok(Outcome::Unchanged) => count(&mut self.report.unchanged),
                Err(refusal) => self.bad_line(number, &refusal)?,
            }
        }
        Ok(())
    }

    fn bad_line(&mut self, number: u64, reason: &impl std::fmt::Display) -> Result<(), Failure> {
        count(&mut self.report.bad_lines);
        let bad = Failure::bad_input(format!("{}: line {number}, {reason}", self.name));
        self.progress.bad_line(bad)
    }
}

fn count(number: &mut u64) {
    *number = number.saturating_add(1);
}
