//! The `portcullis` command.

use std::process::ExitCode;

use clap::Parser;
use portcullis_server::cli::Cli;

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => portcullis_server::run(&cli).into(),
        Err(answer) => portcullis_server::exit::of_usage(&answer),
    }
}
