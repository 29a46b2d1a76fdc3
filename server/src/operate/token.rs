//! `portcullis token`: make, list and revoke the tokens of callers.

use std::sync::Arc;
use std::time::SystemTime;

use portcullis::{DurableEngine, OrgId};
use serde::Serialize;

use super::{failure, read, run, undone, write};
use crate::callers::Membership;
use crate::cli::Output;
use crate::cli::directory::{TokenCommand, TokenCreateArgs, TokenListArgs, TokenRevokeArgs};
use crate::directory::{Directory, DirectoryError, JournalDirectory, NewToken, Tables, TokenInfo};
use crate::exit::Failure;
use crate::output::json::{self, DetailsJson};
use crate::output::table::Columns;
use crate::output::{print, rfc3339, safe};

/// Runs `token create`, `list` or `revoke`.
///
/// # Errors
///
/// The journal's, or the directory's rule that refuses it.
pub fn command(command: &TokenCommand) -> Result<(), Failure> {
    match command {
        TokenCommand::Create(args) => create(args),
        TokenCommand::List(args) => list(args),
        TokenCommand::Revoke(args) => revoke(args),
    }
}

/// Does something on the directory of an engine and closes the engine whatever comes of it.
async fn on_directory<T>(
    (engine, tables): (DurableEngine, Tables),
    work: impl AsyncFnOnce(&JournalDirectory) -> Result<T, DirectoryError>,
) -> Result<T, Failure> {
    let engine = Arc::new(engine);
    let done = match JournalDirectory::open(Arc::clone(&engine), tables).await {
        Ok(directory) => work(&directory).await.map_err(undone),
        Err(error) => Err(failure(error)),
    };
    engine.close().await;
    done
}

#[derive(Serialize)]
struct Created {
    id: String,
    /// The text, here and nowhere else.
    token: String,
    user: String,
    org: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

fn create(args: &TokenCreateArgs) -> Result<(), Failure> {
    run(async {
        let engine = write(&args.journal).await?;
        let made = on_directory(engine, async |directory| make(directory, args).await);
        let NewToken { id, text } = made.await?;
        let token = text.as_str();
        print(|to| match args.journal.output {
            Output::Table => writeln!(to, "{token}"),
            Output::Json => {
                let (user, org) = (args.user.to_string(), args.org.to_string());
                let expires_at = args.expires.map(|end| rfc3339(end.0));
                let token = String::from(token);
                json::write(&Created { id, token, user, org, expires_at }, to)
            }
        })
    })
}

async fn make(
    directory: &JournalDirectory,
    args: &TokenCreateArgs,
) -> Result<NewToken, DirectoryError> {
    let TokenCreateArgs { user, org, roles, actor, .. } = args;
    let found = directory.user(user).await?;
    if let Some(found) = found.as_ref().filter(|found| found.org != *org) {
        let (user, org) = (user.clone(), found.org.clone());
        return Err(DirectoryError::OtherOrg { user, org });
    }
    if !directory.has_org(org).await? {
        directory.add_org(&actor.actor, org, org).await?;
    }
    if found.is_none() {
        directory.add_machine(&actor.actor, (org, user), user, user, "").await?;
    }
    for role in roles {
        let on = (!role.is_of_instance()).then_some(org);
        directory.add_member(&actor.actor, user, *role, on).await?;
    }
    directory.add_token(&actor.actor, user, args.expires.map(|end| end.0)).await
}

#[derive(Serialize)]
struct MembershipJson {
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    org: Option<String>,
}

#[derive(Serialize)]
struct TokenJson {
    id: String,
    user: String,
    org: String,
    roles: Vec<MembershipJson>,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    expired: bool,
}

#[derive(Serialize)]
struct ListReport {
    tokens: Vec<TokenJson>,
    total: usize,
}

fn list(args: &TokenListArgs) -> Result<(), Failure> {
    run(async {
        let tokens = on_directory(read(&args.journal).await?, async |directory| {
            directory.list_tokens(args.user.as_ref()).await
        });
        let tokens = tokens.await?;
        print(|to| match args.journal.output {
            Output::Json => {
                let total = tokens.len();
                let tokens = tokens.into_iter().map(TokenJson::from).collect();
                json::write(&ListReport { tokens, total }, to)
            }
            Output::Table if tokens.is_empty() => writeln!(to, "There is no token."),
            Output::Table => Columns::new(HEADER, &[]).write_all(&tokens, cells, to),
        })
    })
}

const HEADER: [&str; 6] = ["token", "user", "organization", "roles", "created", "expires"];

fn cells(token: &TokenInfo) -> [String; 6] {
    let role = |Membership { role, org }: &Membership| match org {
        None => role.to_string(),
        Some(org) if *org == token.org => role.to_string(),
        Some(org) => format!("{role} on {org}"),
    };
    let roles: Vec<_> = token.memberships.iter().map(role).collect();
    let expires = match token.expires_at {
        None => String::from("never"),
        Some(end) if has_passed(end) => format!("{}, expired", rfc3339(end)),
        Some(end) => rfc3339(end),
    };
    [
        safe(&token.id),
        token.user.to_string(),
        token.org.to_string(),
        roles.join(", "),
        rfc3339(token.created_at),
        expires,
    ]
}

fn has_passed(end: SystemTime) -> bool {
    end <= SystemTime::now()
}

impl From<TokenInfo> for TokenJson {
    fn from(token: TokenInfo) -> Self {
        let role = |Membership { role, org }: Membership| MembershipJson {
            role: role.name(),
            org: org.as_ref().map(OrgId::to_string),
        };
        Self {
            id: token.id,
            user: token.user.to_string(),
            org: token.org.to_string(),
            roles: token.memberships.into_iter().map(role).collect(),
            created_at: rfc3339(token.created_at),
            expires_at: token.expires_at.map(rfc3339),
            expired: token.expires_at.is_some_and(has_passed),
        }
    }
}

#[derive(Serialize)]
struct Revoked {
    id: String,
    details: DetailsJson,
}

fn revoke(args: &TokenRevokeArgs) -> Result<(), Failure> {
    run(async {
        let details = on_directory(write(&args.journal).await?, async |directory| {
            directory.revoke_token(&args.actor.actor, &args.token).await
        });
        let details = details.await?.into();
        let id = args.token.clone();
        print(|to| match args.journal.output {
            Output::Table => writeln!(to, "The token {} is revoked.", safe(&id)),
            Output::Json => json::write(&Revoked { id, details }, to),
        })
    })
}
