//! The command itself: opens, replays, and reports only when the whole input has been read.

use std::fs::{File, Metadata};
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::path::Path;

use super::policy::Policies;
use super::progress::Progress;
use super::replay;
use crate::cli::{Output, ReplayArgs};
use crate::exit::Failure;

/// Replays what the arguments name and reports on stdout.
///
/// # Errors
///
/// If an input is bad, or if reading or writing fails.
pub fn run(args: &ReplayArgs) -> Result<(), Failure> {
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

    let mut out = BufWriter::new(io::stdout().lock());
    let written = match args.output {
        Output::Table => report.write_table(taken, &mut out),
        Output::Json => report.write_json(&mut out),
    };
    match written.and_then(|()| out.flush()) {
        // A reader that has seen enough (`… | head`) is no fault.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::fault(format!("cannot write the report: {error}")))
        }
        _ => Ok(()),
    }
}
