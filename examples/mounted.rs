//! A login service that verifies passwords itself, with the administrators' API beside its own route: one
//! process, one port, one engine.
//!
//! ```text
//! cargo run --example mounted
//! curl -i -d '{"name":"ada","password":"guess"}' http://127.0.0.1:8080/login
//! ```
//!
//! What an administrator changes over the API (a policy, a reset, an unlock) holds for the next login,
//! for nothing is copied. The order of a login is that of `login.rs`: begin, check, settle, answer; and
//! every login that is denied is answered at the same time after it came in, whether there was a
//! password to check or not.

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use portcullis::durable::Admission;
use portcullis::journal::SqliteJournal;
use portcullis::{Actor, DurableEngine, Factor, LockoutPolicy, OrgId, PublicAnswer, UserId};
use portcullis_server::Options;
use portcullis_server::directory::{Directory, JournalDirectory, first_start, write_secret_file};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

/// When a login that is denied is answered: longer than a check takes, queue and journal included.
const DENIED_AFTER: Duration = Duration::from_millis(500);
/// How many passwords are checked at the same time: each takes a core and 19 MiB.
const CHECKS: usize = 2;

/// What the login service knows of a user. The engine knows none of it.
struct Account {
    org: OrgId,
    user: UserId,
    password_hash: String,
}

struct Logins {
    engine: Arc<DurableEngine>,
    directory: Arc<JournalDirectory>,
    /// Accounts by the name that users type, folded to one spelling.
    accounts: HashMap<String, Account>,
    checks: Semaphore,
}

#[derive(serde::Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

/// The login service's own route.
async fn login(
    State(logins): State<Arc<Logins>>,
    Json(credentials): Json<Credentials>,
) -> (StatusCode, Json<serde_json::Value>) {
    let begun = Instant::now();
    let answer = logins.log_in(credentials).await;
    if answer == PublicAnswer::Granted {
        return (StatusCode::OK, Json(serde_json::json!({ "answer": "granted" })));
    }
    // Waits as a timer does, on no thread.
    sleep(DENIED_AFTER.saturating_sub(begun.elapsed())).await;
    let told = match answer {
        PublicAnswer::Rejected { failures, limit } => {
            serde_json::json!({ "answer": "rejected", "failures": failures, "limit": limit })
        }
        PublicAnswer::Locked => serde_json::json!({ "answer": "locked" }),
        PublicAnswer::TryAgain => serde_json::json!({ "answer": "try again" }),
        _ => serde_json::json!({ "answer": "denied" }),
    };
    (StatusCode::UNAUTHORIZED, Json(told))
}

impl Logins {
    async fn log_in(self: &Arc<Self>, Credentials { name, password }: Credentials) -> PublicAnswer {
        let Some(account) = self.accounts.get(&name.trim().to_lowercase()) else {
            return PublicAnswer::Denied;
        };
        let (org, user) = (&account.org, &account.user);
        let policy = self.engine.resolve(org).policy;
        // An administrator may have deactivated or removed the user: the engine knows of locks alone.
        match self.directory.standing(user).await {
            Ok(Some(standing)) if standing.is_active && standing.org == *org => {}
            _ => return PublicAnswer::Denied,
        }
        // 1. Begin. The attempt is owned: it may be kept while a thread checks.
        let attempt = match self.engine.begin_owned(org, user, Factor::Password) {
            Admission::Admitted(attempt) => attempt,
            refused => return refused.public(&policy),
        };
        // 2. Check, where it stops nobody. If this future is dropped the attempt is cancelled.
        let hash = account.password_hash.clone();
        let Ok(_turn) = self.checks.acquire().await else { return PublicAnswer::Denied };
        let checked = tokio::task::spawn_blocking(move || matches(&password, &hash)).await;
        let Ok(is_right) = checked else { return PublicAnswer::Denied };
        // 3. Settle: the verdict is in the journal once it is told.
        let settled = if is_right { attempt.succeed().await } else { attempt.fail().await };
        // 4. Answer. Without a verdict nobody gets in.
        settled.map_or(PublicAnswer::Denied, |verdict| verdict.public(&policy))
    }
}

fn matches(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash)
        .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

/// The whole service: its own route, and the API for every other path.
pub(crate) fn app(
    engine: &Arc<DurableEngine>,
    directory: JournalDirectory,
) -> Result<Router, Box<dyn Error>> {
    let ada = Account {
        org: "acme".parse()?,
        user: "ada".parse()?,
        password_hash: Argon2::default()
            .hash_password(b"correct horse battery staple")?
            .to_string(),
    };
    let accounts = HashMap::from([(String::from("ada"), ada)]);
    let directory = Arc::new(directory);
    let logins = Logins {
        engine: Arc::clone(engine),
        directory: Arc::clone(&directory),
        accounts,
        checks: Semaphore::new(CHECKS),
    };
    let own = Router::new().route("/login", post(login)).with_state(Arc::new(logins));
    let api = portcullis_server::router(
        Arc::clone(engine),
        Arc::clone(&directory) as _,
        directory,
        Options::default(),
    );
    Ok(own.merge(api))
}

/// The engine on a journal, and the directory with the one user that there is.
pub(crate) async fn open(
    file: &Path,
) -> Result<(Arc<DurableEngine>, JournalDirectory), Box<dyn Error>> {
    let journal = SqliteJournal::open(file).await?;
    let policy = LockoutPolicy::new(5, 5);
    let engine = Arc::new(DurableEngine::open("example".parse()?, policy, journal).await?);
    let directory = JournalDirectory::open(Arc::clone(&engine), file).await?;
    let (org, user) = ("acme".parse()?, "ada".parse()?);
    directory.add_org(&Actor::system(), &org, "Acme").await?;
    let (names, email) = (("Ada", "Lovelace"), "ada@acme.example");
    directory.add_human(&Actor::system(), (&org, &user), "ada", names, email).await?;
    Ok((engine, directory))
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example shows what it does")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let file = args.next().unwrap_or_else(|| String::from("mounted.db"));
    let address = args.next().unwrap_or_else(|| String::from("127.0.0.1:8080"));
    let (engine, directory) = open(Path::new(&file)).await?;
    let token_file = format!("{file}.token");
    if let Some(made) = first_start(&directory).await? {
        write_secret_file(Path::new(&token_file), made.token.as_str())?;
    }
    let listener = TcpListener::bind(address).await?;
    println!("an administrator's token is in {token_file}");
    println!("listening on http://{}", listener.local_addr()?);
    let stop = async {
        // Without a handler for the signal the process ends at once, which loses nothing either.
        let _ = tokio::signal::ctrl_c().await;
    };
    axum::serve(listener, app(&engine, directory)?).with_graceful_shutdown(stop).await?;
    engine.close().await;
    Ok(())
}
