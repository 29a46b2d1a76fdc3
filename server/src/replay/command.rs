//! The command itself: opens, replays, and reports only when the whole input has been read.

use std::fs::{File, Metadata};
use std::io::{self, IsTerminal, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use super::policy::Policies;
use super::progress::Progress;
use super::report::Report;
use super::{replay, trail};
use crate::cli::Output;
use crate::cli::replay::ReplayArgs;
use crate::exit::Failure;
use crate::operate;
use crate::output::print;
use crate::place::Place;

/// Replays what the arguments name and reports on stdout.
///
/// # Errors
///
/// If an input is bad, or if reading or writing fails.
pub fn run(args: &ReplayArgs) -> Result<(), Failure> {
    if let Some(place) = &args.journal {
        return run_on_trail(place, args);
    }
    match args.file.as_deref().filter(|path| *path != Path::new("-")) {
        None => run_on(io::stdin(), "stdin", None, args),
        Some(path) => {
            let name = path.display().to_string();
            let file = File::open(path).map_err(|error| Failure::reading(&name, &error))?;
            // Of a pipe or a device nobody knows the length.
            let known = file.metadata().ok().filter(Metadata::is_file);
            let length = known.map(|metadata| metadata.len());
            run_on(file, &name, length, args)
        }
    }
}

fn run_on(
    input: impl Read + Send + 'static,
    name: &str,
    length: Option<u64>,
    args: &ReplayArgs,
) -> Result<(), Failure> {
    let policies = Policies::from_args(&args.policy)?;
    let mut progress = Progress::new(length, args.keep_going);
    let report = replay(input, name, &policies, &mut progress)?;
    let taken = progress.elapsed();
    drop(progress);
    write(&report, taken, args.output)
}

fn run_on_trail(place: &Place, args: &ReplayArgs) -> Result<(), Failure> {
    let policies = Policies::from_args(&args.policy)?;
    let started = Instant::now();
    let bar = io::stderr().is_terminal().then(|| ProgressBar::new(0));
    let report =
        operate::run(trail::replay(place, args.instance.as_ref(), &policies, |position, head| {
            if let Some(bar) = &bar {
                bar.set_length(head);
                bar.set_position(position);
            }
        }));
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    write(&report?, started.elapsed(), args.output)
}

fn write(report: &Report, taken: Duration, output: Output) -> Result<(), Failure> {
    print(|to| match output {
        Output::Table => report.write_table(taken, to),
        Output::Json => report.write_json(to),
    })
}
