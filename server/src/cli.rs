//! What may be typed. The comments on commands and flags are their help.

pub mod directory;
pub mod journal;
pub mod replay;
pub mod serve;
pub mod time;

use clap::{Parser, Subcommand, ValueEnum};

use crate::exit::EXIT_CODES;
use directory::{ImportArgs, TokenCommand};
use journal::{
    CheckArgs, EventsArgs, LockArgs, LockedArgs, PolicyCommand, PruneArgs, StatusArgs, UnlockArgs,
};
use replay::ReplayArgs;
use serve::{ConfigArgs, ServeArgs};

/// Account-lockout policy: the server, and the commands for operators.
#[derive(Clone, Debug, Parser)]
#[command(name = "portcullis", version, after_help = after_help(EXAMPLE))]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLE: &str = "\
Example:
  portcullis serve
  portcullis policy set --create --max-password-attempts 5
  portcullis locked --org acme
  portcullis unlock ada --reason 'called from her desk'
  portcullis replay attempts.jsonl --max-password-attempts 5";

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Serve the API
    #[command(long_about = serve::SERVE, after_help = after_help(serve::SERVE_EXAMPLES))]
    Serve(ServeArgs),
    /// Show the server's settings that hold, and where each comes from
    #[command(after_help = after_help(serve::CONFIG))]
    Config(ConfigArgs),
    /// Show and change the instance's policy and the overrides of organizations
    #[command(subcommand, after_help = after_help(journal::POLICY))]
    Policy(PolicyCommand),
    /// Lock a user until an administrator unlocks
    #[command(after_help = after_help(journal::LOCK))]
    Lock(LockArgs),
    /// Unlock users: those named, or all who were locked in an organization or since a time
    #[command(after_help = after_help(journal::UNLOCK))]
    Unlock(UnlockArgs),
    /// List the users who are locked, or count them
    #[command(after_help = after_help(journal::LOCKED))]
    Locked(LockedArgs),
    /// Show what is on record of a user
    #[command(after_help = after_help(journal::STATUS))]
    Status(StatusArgs),
    /// Show the trail: what happened, when, to whom, by whom
    #[command(after_help = after_help(journal::EVENTS))]
    Events(EventsArgs),
    /// Add organizations and users to the directory, from JSON lines
    #[command(long_about = directory::IMPORT, after_help = after_help(directory::IMPORT_EXAMPLES))]
    Import(ImportArgs),
    /// Make, list and revoke the tokens that callers of the API identify themselves by
    #[command(subcommand, after_help = after_help(directory::TOKEN))]
    Token(TokenCommand),
    /// Verify a journal: positions, sequences, and that its checkpoint says what its events say
    #[command(after_help = after_help(journal::CHECK))]
    Check(CheckArgs),
    /// Remove old events from the trail; counts, locks and policies stay as they are
    #[command(after_help = after_help(journal::PRUNE))]
    Prune(PruneArgs),
    /// Show whom a policy would have locked, from a record of login attempts
    #[command(long_about = replay::REPLAY, after_help = after_help(replay::REPLAY_EXAMPLES))]
    Replay(ReplayArgs),
}

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Tables for people
    Table,
    /// One JSON object for programs
    Json,
}

fn after_help(examples: &str) -> String {
    format!("{examples}\n\n{EXIT_CODES}")
}
