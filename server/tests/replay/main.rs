//! `portcullis replay` from outside: what is typed, what comes back.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests may panic as tests may"
)]

mod input;
mod locks;
mod model;
mod usage;

use std::io::Write;

use assert_cmd::Command;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

fn portcullis(args: &[&str]) -> Command {
    let mut command = assert_cmd::cargo::cargo_bin_cmd!("portcullis");
    command.args(args);
    command
}

/// What a run came to.
struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Run {
    fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.stderr);
        serde_json::from_str(&self.stdout).unwrap()
    }
}

/// Runs `portcullis replay` with the input on stdin.
fn replay(args: &[&str], input: impl Into<Vec<u8>>) -> Run {
    let output = portcullis(&["replay"]).args(args).write_stdin(input.into()).output().unwrap();
    Run {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs `portcullis replay` to a JSON report.
fn report(args: &[&str], input: impl Into<Vec<u8>>) -> Value {
    replay(&[args, &["--output", "json"]].concat(), input).json()
}

/// A line of the input. `at` is a second of a certain minute.
fn line(at: u32, org: &str, user: &str, factor: &str, outcome: &str) -> String {
    let line = json!({
        "at": format!("2026-03-01T09:00:{at:02}Z"),
        "org": org,
        "user": user,
        "factor": factor,
        "outcome": outcome,
        "source": "192.0.2.1",
    });
    format!("{line}\n")
}

/// Lines of one user, each a second after the one before: `p` a failed password, `P` a right one,
/// `t` and `T` the same of TOTP, `s` and `S` of an SMS.
fn lines(org: &str, user: &str, attempts: &str) -> String {
    let line = |(at, attempt): (u32, char)| {
        let factor = match attempt.to_ascii_lowercase() {
            'p' => "password",
            't' => "totp",
            _ => "otp_sms",
        };
        let outcome = if attempt.is_ascii_uppercase() { "success" } else { "failure" };
        line(at, org, user, factor, outcome)
    };
    (0..).zip(attempts.chars()).map(line).collect()
}

fn file(content: impl AsRef<[u8]>) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(content.as_ref()).unwrap();
    file
}
