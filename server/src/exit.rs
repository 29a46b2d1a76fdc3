//! How a command ends: four exit codes, the same for every command.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use crate::place::without_passwords;

/// The exit codes, for the end of every help text.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  fault: something failed that the input is not to blame for
  2  bad input or usage
  3  refused by a rule";

/// What the exit code tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is done.
    Done = 0,
    /// Something failed that the input is not to blame for.
    Fault = 1,
    /// The input or the command line is wrong.
    BadInput = 2,
    /// A rule of the engine said no.
    Refused = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Prints clap's answer, help or usage error, and gives its exit code.
#[must_use]
pub fn of_usage(answer: &clap::Error) -> ExitCode {
    // What was typed is repeated, and may be the URL of a database.
    let text = answer.to_string();
    let shown = without_passwords(&text);
    // Nobody may be reading (`portcullis --help | head -1`): no reason to fail.
    let _ = if text == shown { answer.print() } else { write!(io::stderr().lock(), "{shown}") };
    if answer.use_stderr() { Exit::BadInput.into() } else { Exit::Done.into() }
}

/// Says on stderr what went wrong.
pub(crate) fn tell(failure: &Failure) {
    // With stderr gone there is nobody left to tell; the exit code still says it.
    let told = without_passwords(&format!("portcullis: {failure}"));
    let _ = writeln!(io::stderr().lock(), "{told}");
}

/// Why a command did not do what was asked.
#[derive(Clone, Debug)]
pub struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    /// The input or the command line is wrong.
    pub fn bad_input(message: impl fmt::Display) -> Self {
        Self { exit: Exit::BadInput, message: message.to_string() }
    }

    /// Something failed that the input is not to blame for.
    pub fn fault(message: impl fmt::Display) -> Self {
        Self { exit: Exit::Fault, message: message.to_string() }
    }

    /// A rule of the engine said no.
    pub fn refused(message: impl fmt::Display) -> Self {
        Self { exit: Exit::Refused, message: message.to_string() }
    }

    /// A file could not be read: a wrong name is the caller's mistake, all else a fault.
    #[must_use]
    pub fn reading(name: impl fmt::Display, error: &io::Error) -> Self {
        let exit = match error.kind() {
            ErrorKind::NotFound
            | ErrorKind::IsADirectory
            | ErrorKind::NotADirectory
            | ErrorKind::InvalidFilename => Exit::BadInput,
            _ => Exit::Fault,
        };
        Self { exit, message: format!("cannot read {name}: {error}") }
    }

    /// The exit code to end with.
    #[must_use]
    pub fn exit(&self) -> Exit {
        self.exit
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
