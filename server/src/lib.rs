//! The server: its API as a [`fn@router`] for services that mount it, and the `portcullis` command as a
//! library, so that tests reach its parts.
//!
//! [`cli`] says what may be typed, [`exit`] how every command ends; [`operate`] has the commands on a
//! journal, each a module of its own, and [`mod@replay`] the one on attempts. [`serve`] is the server,
//! told by [`config`], on a journal in a [`place`]: calls come in by [`wire`], in [`proto`]'s messages, and are done by [`api`], for
//! which [`directory`] and [`callers`] know who there is and whose tokens there are; [`oidc`] knows the
//! tokens of an issuer.

pub mod api;
pub mod callers;
pub mod cli;
pub mod config;
pub mod directory;
pub mod exit;
mod limits;
pub mod oidc;
pub mod operate;
mod output;
pub mod place;
pub mod proto;
pub mod replay;
pub mod serve;
mod unlocking;
pub mod wire;

use std::sync::Arc;

use axum::Router;
use portcullis::DurableEngine;

use api::Api;
use callers::Callers;
use cli::{Cli, Command};
use directory::Directory;
use exit::Exit;

/// What the API holds to, as a service mounts it.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What the use cases hold to.
    pub api: api::Settings,
    /// What the transports hold to.
    pub wire: wire::Options,
}

/// The API (JSON, gRPC, gRPC-web, Connect) on an engine, for the router of a service that embeds it: own
/// routes go before it, and it answers for every other path.
///
/// ```text
///   Router::new().route("/login", post(login)).merge(portcullis_server::router(…))
/// ```
///
/// What a call has changed is seen by the engine's next answer, for there is one engine. Who calls is
/// known by `callers`, which tells nobody of a user who is locked. Attempts that are begun over the wire
/// have ids of this process, and end with it. To be called in a runtime of tokio's.
///
/// A service that ends gracefully while events are followed makes the [`Api`] itself, passes it to
/// [`wire::router`], and calls [`Api::end_streams`] first.
pub fn router(
    engine: Arc<DurableEngine>,
    directory: Arc<dyn Directory>,
    callers: Arc<dyn Callers>,
    options: Options,
) -> Router {
    wire::router(Api::new(engine, directory, callers, options.api), options.wire)
}

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
