//! What may be typed after `portcullis replay`.

use std::path::PathBuf;

use clap::Args;
use portcullis::InstanceId;

use super::Output;
use crate::place::Place;
use crate::replay::policy::OrgOverride;

/// What `replay` is told.
#[derive(Args, Clone, Debug)]
pub struct ReplayArgs {
    /// The attempts, one JSON object a line; `-` or nothing reads stdin
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// A journal whose trail to replay, in place of a file of attempts
    #[arg(long, value_name = "PLACE", conflicts_with_all = ["file", "keep_going"])]
    pub journal: Option<Place>,
    /// The instance of that journal: which one where a database has several
    #[arg(long, value_name = "ID", requires = "journal")]
    pub instance: Option<InstanceId>,
    /// How to report
    #[arg(long, value_enum, value_name = "FORM", default_value_t = Output::Table)]
    pub output: Output,
    /// Report bad lines on stderr, count them and go on
    #[arg(long)]
    pub keep_going: bool,
    /// The policy to replay under.
    #[command(flatten)]
    pub policy: PolicyArgs,
}

pub(super) const REPLAY: &str = "\
Show whom a policy would have locked, from a record of login attempts.

Each line of the input is a JSON object, oldest first:

  {\"at\":\"2026-03-01T09:00:00Z\",\"org\":\"acme\",\"user\":\"ada@acme\",\"factor\":\"password\",\"outcome\":\"failure\"}

  at       when, as RFC 3339 has it
  org      the organization's id
  user     the user's id
  factor   password, totp, otp_sms, otp_email or recovery_code
  outcome  success or failure

Other fields are ignored, blank lines skipped. The attempts run through the engine one after the \
other, in the order of the input, at the times that the input gives. An attempt that is earlier \
than one before it is accepted and counted as out of order. An attempt is granted, rejected (it \
failed), or refused (its user was locked, or on record with another organization). No lock ends \
during a replay.

A bad line (its column is counted in bytes, from 1) ends the replay without a report, with exit \
code 2, unless --keep-going is given.

With --journal the attempts are those of a journal's trail: checks that failed, and those that \
succeeded and set a counter to zero. What administrators did to locks, credentials and users in \
between is done here too. Clean successes and refused attempts are not in a trail, so under a policy \
that is milder than the one that was in force the report is a lower bound.";

pub(super) const REPLAY_EXAMPLES: &str = "\
Examples:
  portcullis replay attempts.jsonl --max-password-attempts 5
  portcullis replay attempts.jsonl --policy policy.toml --override acme=3/5
  zcat attempts.jsonl.gz | portcullis replay - --max-otp-attempts 3 --output json
  portcullis replay --journal portcullis.db --max-password-attempts 3

A policy file (an override replaces the whole policy, so both its limits must be there):
  max_password_attempts = 5
  max_otp_attempts = 5

  [overrides.acme]
  max_password_attempts = 3
  max_otp_attempts = 5";

/// The policy to replay under. Nothing given never locks.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Policy")]
pub struct PolicyArgs {
    /// A TOML file with limits and overrides; where a flag below says otherwise, the flag holds
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Failed passwords in a row that lock; 0, the default, never locks
    #[arg(long, value_name = "N")]
    pub max_password_attempts: Option<u32>,
    /// Failed one-time codes of one kind in a row that lock; 0, the default, never locks
    #[arg(long, value_name = "N")]
    pub max_otp_attempts: Option<u32>,
    /// An organization's own limits, in place of both above; give it once for each organization
    #[arg(long = "override", value_name = "ORG=PASSWORD/OTP")]
    pub overrides: Vec<OrgOverride>,
}
