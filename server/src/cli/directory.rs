//! What may be typed after the commands on the directory.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use portcullis::{OrgId, UserId};

use super::journal::{ActorArgs, JournalArgs};
use super::time::Deadline;
use crate::api::roles::Role;

/// What `import` is told.
#[derive(Args, Clone, Debug)]
pub struct ImportArgs {
    /// The organizations and users, one JSON object a line; `-` reads stdin
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Report bad lines on stderr, go on with the others, and end with exit code 2
    #[arg(long)]
    pub keep_going: bool,
    /// Only tell what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Who does it.
    #[command(flatten)]
    pub actor: ActorArgs,
    /// Which journal.
    #[command(flatten)]
    pub journal: JournalArgs,
}

pub(super) const IMPORT: &str = "\
Add organizations and users to the directory, from JSON lines.

Each line is a JSON object, an organization or a user of one that came before:

  {\"org\":\"acme\",\"name\":\"Acme\"}
  {\"org\":\"acme\",\"user\":\"ada\",\"userName\":\"ada@acme\",\"human\":{\"firstName\":\"Ada\",\"lastName\":\"Lovelace\",\"email\":\"ada@acme.example\"}}
  {\"org\":\"acme\",\"user\":\"nightly\",\"userName\":\"nightly\",\"machine\":{\"name\":\"Nightly\",\"description\":\"backs up\"},\"state\":\"inactive\"}

  org        the organization's id
  name       the organization's name
  user       the user's id
  userName   the name to log in with, unique in the organization
  human      firstName, lastName, email; what is missing is empty
  machine    name, description; what is missing is empty
  state      inactive or locked; without it, who is new is active and who is there stays as is

What is there already with the same values is left as it is, so an import may be repeated. Blank lines \
are skipped.

A bad line is one that cannot be read, or that does not fit the directory: another organization or \
other values for a user who is there, a user name that is taken. It ends the import with exit code 2, \
and only what comes before it is done; with --keep-going all other lines are done. With --dry-run \
nothing is recorded, and the memory grows with the number of new users.";

pub(super) const IMPORT_EXAMPLES: &str = "\
Examples:
  portcullis import users.jsonl --dry-run
  portcullis import users.jsonl --keep-going --actor hr
  zcat users.jsonl.gz | portcullis import -";

/// What to do with tokens.
#[derive(Clone, Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token and print it: its text is kept nowhere
    Create(TokenCreateArgs),
    /// List the tokens, without their secrets
    List(TokenListArgs),
    /// Revoke a token
    Revoke(TokenRevokeArgs),
}

pub(super) const TOKEN: &str = "\
Examples:
  portcullis token create --user deployer --org ops --role IAM_OWNER
  portcullis token create --user helpdesk --org acme --role ORG_USER_MANAGER --expires 90d
  portcullis token list --user deployer
  portcullis token revoke 312456789012345678

A role whose name begins with IAM_ holds on the instance and so for every organization, any other one \
on the organization that --org names. A user who is not there yet becomes a machine user of that \
organization, and the organization is made if it is not there either.";

/// What `token create` is told.
#[derive(Args, Clone, Debug)]
pub struct TokenCreateArgs {
    /// The user who calls with the token
    #[arg(long, value_name = "ID")]
    pub user: UserId,
    /// The user's organization
    #[arg(long, value_name = "ORG")]
    pub org: OrgId,
    /// What the user may do, beyond what is allowed already; may be given more than once
    #[arg(long = "role", value_name = "ROLE", required = true)]
    pub roles: Vec<Role>,
    /// When the token expires: 2027-03-01T09:00:00Z, 2027-03-01 (its start in UTC), or so long from \
    /// now: 12h, 90d; without it, never
    #[arg(long, value_name = "TIME")]
    pub expires: Option<Deadline>,
    /// Who does it.
    #[command(flatten)]
    pub actor: ActorArgs,
    /// Which journal.
    #[command(flatten)]
    pub journal: JournalArgs,
}

/// What `token list` is told.
#[derive(Args, Clone, Debug)]
pub struct TokenListArgs {
    /// Only tokens of this user
    #[arg(long, value_name = "ID")]
    pub user: Option<UserId>,
    /// Which journal.
    #[command(flatten)]
    pub journal: JournalArgs,
}

/// What `token revoke` is told.
#[derive(Args, Clone, Debug)]
pub struct TokenRevokeArgs {
    /// The token's id, the part of its text before the point
    #[arg(value_name = "TOKEN_ID")]
    pub token: String,
    /// Who does it.
    #[command(flatten)]
    pub actor: ActorArgs,
    /// Which journal.
    #[command(flatten)]
    pub journal: JournalArgs,
}
