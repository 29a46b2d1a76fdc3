//! The `portcullis` command as a library, so that tests and fuzzers reach its parts.
//!
//! [`cli`] says what may be typed, [`exit`] how every command ends; [`operate`] has the commands on a
//! journal, each a module of its own, and [`mod@replay`] the one on attempts.

pub mod api;
pub mod callers;
pub mod cli;
pub mod directory;
pub mod exit;
pub mod operate;
mod output;
pub mod proto;
pub mod replay;

use cli::{Cli, Command};
use exit::Exit;

/// Runs a command; what went wrong goes to stderr.
#[must_use]
pub fn run(cli: &Cli) -> Exit {
    let done = match &cli.command {
        Command::Policy(command) => operate::policy::command(command),
        Command::Lock(args) => operate::lock::command(args),
        Command::Unlock(args) => operate::unlock::command(args),
        Command::Locked(args) => operate::locked::command(args),
        Command::Status(args) => operate::status::command(args),
        Command::Events(args) => operate::events::command(args),
        Command::Check(args) => operate::check::command(args),
        Command::Prune(args) => operate::prune::command(args),
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
