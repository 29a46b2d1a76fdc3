//! A login whose verdicts survive the process: the same order as in `login.rs`, with a journal in a
//! file. Run it twice: the second time the user is still locked.
//!
//! ```text
//! cargo run --features sqlite --example login_durable -- /tmp/example.db
//! ```

use std::error::Error;
use std::sync::Arc;

use portcullis::durable::Admission;
use portcullis::journal::SqliteJournal;
use portcullis::{DurableEngine, Factor, LockoutPolicy, OrgId, PublicAnswer, UserId};

/// The check itself stands here for a real one: see `login.rs`.
fn is_right(secret: &str) -> bool {
    secret == "correct horse battery staple"
}

async fn log_in(engine: &DurableEngine, org: &OrgId, user: &UserId, secret: &str) -> PublicAnswer {
    let policy = engine.resolve(org).policy;
    let attempt = match engine.begin(org, user, Factor::Password) {
        Admission::Admitted(attempt) => attempt,
        // Locked, busy, or a journal that cannot write: nobody is let in, nothing is checked.
        refused => return refused.public(&policy),
    };
    // Settling takes effect when it is called, whether or not its future is driven to the end: a
    // client that hangs up now has not had a free guess.
    let settled = if is_right(secret) { attempt.succeed().await } else { attempt.fail().await };
    match settled {
        Ok(verdict) => verdict.public(&policy),
        // The journal could not take the verdict, so there is none: for a right secret as well.
        Err(_) => PublicAnswer::Denied,
    }
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "an example shows what it does")]
async fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args().nth(1).unwrap_or_else(|| String::from("example.db"));
    let journal = SqliteJournal::open(&file).await?;
    let policy = LockoutPolicy { show_lockout_failures: true, ..LockoutPolicy::new(3, 3) };
    let engine = Arc::new(DurableEngine::open("example".parse()?, policy, journal).await?);

    let (org, user): (OrgId, UserId) = ("acme".parse()?, "ada".parse()?);
    for secret in ["password1", "password2", "password3", "correct horse battery staple"] {
        println!("{secret:<30} {:?}", log_in(&engine, &org, &user, secret).await);
    }
    println!("now run it again: {file} remembers");
    engine.close().await;
    Ok(())
}
