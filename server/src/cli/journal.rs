//! What may be typed after the commands that work on a journal.

use clap::{Args, Subcommand};
use portcullis::{Actor, InstanceId, OrgId, UserId};

use super::Output;
use super::time::Moment;
use crate::place::Place;

/// Which journal, and how to report.
#[derive(Args, Clone, Debug)]
pub struct JournalArgs {
    /// The journal: a file, or the URL of a PostgreSQL database
    #[arg(
        long,
        value_name = "PLACE",
        default_value = "portcullis.db",
        env = "PORTCULLIS_JOURNAL",
        hide_env_values = true
    )]
    pub journal: Place,
    /// The instance: which one where a database has several; a file must be this one's
    #[arg(long, value_name = "ID", env = "PORTCULLIS_INSTANCE")]
    pub instance: Option<InstanceId>,
    /// How to report
    #[arg(long, value_enum, value_name = "FORM", default_value_t = Output::Table)]
    pub output: Output,
}

/// Whom the trail names.
#[derive(Args, Clone, Debug)]
pub struct ActorArgs {
    /// Who does it, for the trail
    #[arg(long, value_name = "NAME", default_value = "operator", env = "PORTCULLIS_ACTOR")]
    pub actor: Actor,
}

/// What to do with policies.
#[derive(Clone, Debug, Subcommand)]
pub enum PolicyCommand {
    /// Show the policy in force, and whose it is
    Show(PolicyShowArgs),
    /// Set the instance's policy, or an organization's override of it
    Set(PolicySetArgs),
    /// Delete an organization's override, so that the instance's policy is in force
    Reset(PolicyResetArgs),
    /// List the overrides
    List(PolicyListArgs),
}

pub(super) const POLICY: &str = "\
Examples:
  portcullis policy set --create --max-password-attempts 5 --max-otp-attempts 5
  portcullis policy set --org acme --max-password-attempts 3
  portcullis policy show --org acme
  portcullis policy reset --org acme
  portcullis policy list --output json

A policy is set as a whole: what no flag names stays as it is in force for the instance or the \
organization, and is 0, never lock, in a new journal.";

/// What `policy show` is told.
#[derive(Args, Clone, Debug)]
pub struct PolicyShowArgs {
    /// The policy in force for this organization; without it, the instance's
    #[arg(long, value_name = "ORG")]
    pub org: Option<OrgId>,
    /// Which journal.
    #[command(flatten)]
    pub journal: JournalArgs,
}

/// What `policy set` is told.
#[derive(Args, Clone, Debug)]
pub struct PolicySetArgs {
    /// The override of this organization; without it, the instance's policy
    #[arg(long, value_name = "ORG")]
    pub org: Option<OrgId>,
    /// The values.
    #[command(flatten)]
    pub values: PolicyValues,
    /// Make a new journal if there is none, of the instance `main` if none is named
    #[arg(long, conflicts_with = "org")]
    pub create: bool,
    /// Who does it.
    #[command(flatten)]
    pub actor: ActorArgs,
    /// Which journal.
    #[command(flatten)]
    pub journal: JournalArgs,
}

/// Values of a policy.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = true)]
pub struct PolicyValues {
    /// Failed passwords in a row that lock; 0 never locks
    #[arg(long, value_name = "N")]
    pub max_password_attempts: Option<u32>,
    /// Failed one-time codes of one kind in a row that lock; 0 never locks
    #[arg(long, value_name = "N")]
    pub max_otp_attempts: Option<u32>,
    /// Whether a login may tell its user how many attempts are left, and that the user is locked
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub show_failures: Option<bool>,
}

/// What `policy reset` is told.
#[derive(Args, Clone, Debug)]
pub struct PolicyResetArgs {
    /// The organization
    #[arg(long, value_name = "ORG")]
    pub org: OrgId,
    /// Who does it.
    #[command(flatten)]
    pub actor: ActorArgs,
    /// Which journal.
    #[command(flatten)]
    pub journal: JournalArgs,
}

/// What `policy list` is told.
#[derive(Args, Clone, Debug)]
pub struct PolicyListArgs {
    /// Which journal.
    #[command(flatten)]
    pub journal: JournalArgs,
}

/// What `lock` is told.
#[derive(Args, Clone, Debug)]
pub struct LockArgs {
    /// The user
    #[arg(value_name = "USER")]
    pub user: UserId,
    /// The user's organization
    #[arg(long, value_name = "ORG")]
    pub org: OrgId,
    /// Who does it.
    #[command(flatten)]
    pub actor: ActorArgs,
    /// Which journal.
    #[command(flatten)]
    pub journal: JournalArgs,
}

pub(super) const LOCK: &str = "\
Example:
  portcullis lock ada --org acme --actor security-desk";

/// Which locked users.
#[derive(Args, Clone, Debug, Default)]
pub struct LockFilter {
    /// Only users of this organization
    #[arg(long, value_name = "ORG")]
    pub org: Option<OrgId>,
    /// Only users locked at this time or later: 2026-03-01T09:00:00Z, 2026-03-01 (its start in UTC), \
    /// or so long ago: 90m, 2h, 7d
    #[arg(long, value_name = "TIME")]
    pub since: Option<Moment>,
}

/// What `unlock` is told.
#[derive(Args, Clone, Debug)]
pub struct UnlockArgs {
    /// The users; without any, all locked users that --org and --since select
    #[arg(value_name = "USER", required_unless_present_any = ["org", "since"])]
    pub users: Vec<UserId>,
    /// Which users.
    #[command(flatten)]
    pub filter: LockFilter,
    /// Only show who would be unlocked
    #[arg(long)]
    pub dry_run: bool,
    /// Why, for the trail
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Who does it.
    #[command(flatten)]
    pub actor: ActorArgs,
    /// Which journal.
    #[command(flatten)]
    pub journal: JournalArgs,
}

pub(super) const UNLOCK: &str = "\
Examples:
  portcullis unlock ada grace --reason 'reset their passwords'
  portcullis unlock --org acme --since 2h --dry-run
  portcullis unlock --since 2026-03-01T09:00:00Z --actor ada

Users who are named and cannot be unlocked are told, and the exit code is 3; the others are unlocked \
all the same. A reason becomes an event of the type user.unlock.reason before each unlocking.";

/// What `locked` is told.
#[derive(Args, Clone, Debug)]
pub struct LockedArgs {
    /// Which users.
    #[command(flatten)]
    pub filter: LockFilter,
    /// Only count them, for each organization
    #[arg(long)]
    pub count: bool,
    /// Which journal.
    #[command(flatten)]
    pub journal: JournalArgs,
}

pub(super) const LOCKED: &str = "\
Examples:
  portcullis locked --since 7d
  portcullis locked --count";

/// What `status` is told.
#[derive(Args, Clone, Debug)]
pub struct StatusArgs {
    /// The user
    #[arg(value_name = "USER")]
    pub user: UserId,
    /// Which journal.
    #[command(flatten)]
    pub journal: JournalArgs,
}

pub(super) const STATUS: &str = "\
Example:
  portcullis status ada --output json";

/// What `events` is told.
#[derive(Args, Clone, Debug)]
pub struct EventsArgs {
    /// Go on with what is yet to come, until stopped
    #[arg(long, short)]
    pub follow: bool,
    /// Only events of this user
    #[arg(long, value_name = "USER")]
    pub user: Option<UserId>,
    /// Only events of this organization and of its users
    #[arg(long, value_name = "ORG")]
    pub org: Option<OrgId>,
    /// Only events of this type; `*` at the end stands for any ending; may be given more than once
    #[arg(long = "type", value_name = "TYPE")]
    pub types: Vec<String>,
    /// Only events after this position
    #[arg(long, value_name = "POSITION")]
    pub after: Option<u64>,
    /// Only events of this time or later, given as for `locked --since`
    #[arg(long, value_name = "TIME")]
    pub since: Option<Moment>,
    /// Which journal.
    #[command(flatten)]
    pub journal: JournalArgs,
}

pub(super) const EVENTS: &str = "\
Examples:
  portcullis events --user ada
  portcullis events --follow --type 'user.*' --output json
  portcullis events --org acme --type user.locked --since 24h

With --output json each event is one object on a line of its own.";

/// What `check` is told.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// Which journal.
    #[command(flatten)]
    pub journal: JournalArgs,
}

pub(super) const CHECK: &str = "\
Example:
  portcullis check --journal backup.db

Changes nothing. A journal that is not sound ends with exit code 1.";

/// What `prune` is told.
#[derive(Args, Clone, Debug)]
pub struct PruneArgs {
    /// Events before this time go, given as for `locked --since`: 90d, 2026-01-01
    #[arg(long, value_name = "TIME")]
    pub older_than: Moment,
    /// Which journal.
    #[command(flatten)]
    pub journal: JournalArgs,
}

pub(super) const PRUNE: &str = "\
Example:
  portcullis prune --older-than 90d

Writes a checkpoint first: only events that one covers are removed.";
