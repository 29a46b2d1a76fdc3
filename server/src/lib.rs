//! The `portcullis` command as a library, so that tests and fuzzers reach its parts.
//!
//! [`cli`] says what may be typed, [`exit`] how every command ends; each command is a module of its
//! own.

pub mod cli;
pub mod exit;
pub mod replay;

use cli::{Cli, Command};
use exit::Exit;

/// Runs a command; what went wrong goes to stderr.
#[must_use]
pub fn run(cli: &Cli) -> Exit {
    let done = match &cli.command {
        Command::Replay(args) => replay::command::run(args),
    };
    match done {
        Ok(()) => Exit::Done,
        Err(failure) => {
            exit::tell(&failure);
            failure.exit()
        }
    }
}
