//! The `portcullis` command as a library, so that tests and fuzzers reach its parts.
//!
//! [`cli`] says what may be typed, [`exit`] how every command ends; [`operate`] has the commands on a
//! journal, each a module of its own, and [`mod@replay`] the one on attempts. [`serve`] is the server,
//! told by [`config`]: calls come in by [`wire`], in [`proto`]'s messages, and are done by [`api`], for
//! which [`directory`] and [`callers`] know who there is and whose tokens there are.

pub mod api;
pub mod callers;
pub mod cli;
pub mod config;
pub mod directory;
pub mod exit;
pub mod operate;
mod output;
pub mod proto;
pub mod replay;
pub mod serve;
pub mod wire;

use cli::{Cli, Command};
use exit::Exit;

/// Runs a command; what went wrong goes to stderr.
#[must_use]
pub fn run(cli: &Cli) -> Exit {
    let done = match &cli.command {
        Command::Serve(args) => serve::command(args),
        Command::Config(args) => config::report::command(args),
        Command::Policy(command) => operate::policy::command(command),
        Command::Lock(args) => operate::lock::command(args),
        Command::Unlock(args) => operate::unlock::command(args),
        Command::Locked(args) => operate::locked::command(args),
        Command::Status(args) => operate::status::command(args),
        Command::Events(args) => operate::events::command(args),
        Command::Import(args) => operate::import::command(args),
        Command::Token(command) => operate::token::command(command),
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
