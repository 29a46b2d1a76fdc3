//! A complete login on the engine: begin, check, settle, and only then answer.
//!
//! ```text
//! cargo run --example login
//! ```
//!
//! The order is the point. What each wrong order would cost:
//!
//! - *check, then begin*: parallel guesses are all checked before one is counted, so a limit of 5
//!   lets through as many as the attacker sends at once (CVE-2023-47111, CVE-2024-4629).
//! - *ask `is_locked`, check, then begin and fail*: the same; what was asked is old by then.
//! - *answer, then settle*: the client that hangs up after the answer has had a free guess.
//! - *check a locked user too*: how long it takes, or what it answers, tells which guess was right
//!   (CVE-2021-3513).
//! - *no check for an unknown user*: the quick answer tells which names exist.

use std::collections::HashMap;
use std::error::Error;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use portcullis::{Admission, Engine, Factor, LockoutPolicy, OrgId, PublicAnswer, UserId};

/// What a login service knows of a user. The engine knows none of it.
struct Account {
    org: OrgId,
    user: UserId,
    password_hash: String,
}

struct Logins {
    engine: Engine,
    /// Accounts by the name that users type, folded to one spelling.
    accounts: HashMap<String, Account>,
    /// Checked where there is no account, so that an unknown name takes as long as a known one.
    dummy_hash: String,
}

impl Logins {
    fn log_in(&self, name: &str, password: &str) -> PublicAnswer {
        // From the typed name to the id, before anything is counted: one user, one counter.
        let Some(account) = self.accounts.get(&name.trim().to_lowercase()) else {
            matches(password, &self.dummy_hash);
            return PublicAnswer::Denied;
        };
        let policy = self.engine.resolve(&account.org).policy;

        // 1. Begin: claim a slot of the limit, or learn that no check may be run.
        let attempt = match self.engine.begin(&account.org, &account.user, Factor::Password) {
            Admission::Admitted(attempt) => attempt,
            refused => {
                matches(password, &self.dummy_hash);
                return refused.public(&policy);
            }
        };
        // 2. Check. A panic or an early return here drops the attempt, which cancels it.
        let right = matches(password, &account.password_hash);
        // 3. Settle. The verdict stands, whoever else is guessing at this moment.
        let verdict = if right { attempt.succeed() } else { attempt.fail() };
        // 4. Answer, with no more than the policy allows.
        verdict.public(&policy)
    }
}

fn matches(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash)
        .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

fn hash(password: &str) -> Result<String, Box<dyn Error>> {
    Ok(Argon2::default().hash_password(password.as_bytes())?.to_string())
}

fn main() -> Result<(), Box<dyn Error>> {
    let ada = Account {
        org: "acme".parse()?,
        user: "69629023906488334".parse()?,
        password_hash: hash("correct horse battery staple")?,
    };
    let logins = Logins {
        engine: Engine::new("example".parse()?, LockoutPolicy::new(3, 3)),
        accounts: HashMap::from([(String::from("ada"), ada)]),
        dummy_hash: hash("nobody's")?,
    };

    let tries = [
        ("Ada", "password1"),
        ("ada", "correct horse battery staple"),
        ("ada", "password2"),
        (" ADA ", "password3"),
        ("ada", "password4"),
        ("ada", "correct horse battery staple"),
        ("bob", "password1"),
    ];
    #[expect(clippy::print_stdout, reason = "an example shows what it does")]
    for (name, password) in tries {
        println!("{name:<6} {password:<30} {:?}", logins.log_in(name, password));
    }
    Ok(())
}
