//! Callers by JWT: the access tokens of an OIDC issuer, ZITADEL's above all, beside our own.
//!
//! ```text
//!   token ──► own tokens (`<id>.<secret>`)
//!     └─────► JWT ─► token: form, algorithm ─► keys: by the id of the key ─► token: signature, times
//!                                               └─ client: discovery, JWKS     │
//!                    caller ◄── directory: active, same organization ◄── claims ┘
//! ```
//!
//! What is not certain is refused. A token that is wrong belongs to nobody; while the issuer's keys
//! cannot be had, or are too old, nobody can tell, and the call may be tried again. Own tokens go on.
//!
//! A service that mounts the API itself does what the server does:
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use portcullis_server::{callers::Callers, directory::Directory};
//! use portcullis_server::oidc::{Issuer, OidcCallers, OidcOptions};
//!
//! # fn callers(own: Arc<dyn Callers>, directory: Arc<dyn Directory>)
//! # -> Result<Arc<dyn Callers>, Box<dyn std::error::Error>> {
//! let options = OidcOptions::new("https://login.example.com".parse()?, "318838604669748248");
//! let callers = Arc::new(OidcCallers::new(Issuer::new(options)?, own, directory));
//! let fresh = Arc::clone(&callers);
//! tokio::spawn(async move { fresh.keep_fresh().await });
//! # Ok(callers) }
//! ```

mod claims;
mod client;
mod issuer;
mod key_set;
mod keys;
mod numbers;
mod signature;
mod token;
mod url;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use portcullis::journal::{BoxFuture, JournalError};
use tokio::time::MissedTickBehavior;

use crate::callers::{Caller, CallerError, Callers};
use crate::directory::Directory;
use claims::Claimed;
use keys::Away;

pub use client::{RootError, Roots};
pub use issuer::{Issuer, OidcOptions};
pub use token::Refusal;
pub use url::{IssuerUrl, UrlError};

/// The callers of an issuer, and those by their own tokens. A token with exactly two dots is a JWT, and
/// every other is an own one.
pub struct OidcCallers {
    issuer: Issuer,
    own: Arc<dyn Callers>,
    directory: Arc<dyn Directory>,
}

impl OidcCallers {
    /// Puts the callers of an issuer beside those of `own`. Needs a tokio runtime once it is asked.
    pub fn new(issuer: Issuer, own: Arc<dyn Callers>, directory: Arc<dyn Directory>) -> Self {
        Self { issuer, own, directory }
    }

    /// Fetches the keys now, and from then on at the interval of [`OidcOptions::refresh`], for ever.
    /// Without it they are fetched when a token needs them, which has to wait for it.
    pub async fn keep_fresh(&self) {
        let mut clock = tokio::time::interval(self.issuer.refresh.max(Duration::from_millis(1)));
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            clock.tick().await;
            self.issuer.keys.refresh().await;
        }
    }

    /// Whose JWT it is. A refusal is a value: only what keeps us from telling is an error.
    async fn caller_by_jwt(&self, token: &str) -> Result<Result<Caller, Refusal>, CallerError> {
        let Issuer { expected, instance_org, keys, .. } = &self.issuer;
        let header = match token::header(token) {
            Ok(header) => header,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let Some(key) = keys.find(&header.kid).await? else { return Ok(Err(Refusal::UnknownKey)) };
        let claims = token::claims(token, &header, &key, expected);
        let claimed = claims
            .and_then(|claims| claims::read(claims, &expected.audience, instance_org.as_ref()));
        match claimed {
            Ok(claimed) => Ok(self.caller_in_directory(claimed).await?),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    /// What the directory has to say of a user: it goes before the claims, and whom it does not have
    /// is taken at the issuer's word.
    async fn caller_in_directory(
        &self,
        Claimed { user, org, memberships }: Claimed,
    ) -> Result<Result<Caller, Refusal>, JournalError> {
        let found = self.directory.standing(&user).await?;
        Ok(match (found.map(|found| (found.org, found.is_active)), org) {
            (Some((_, false)), _) => Err(Refusal::Inactive),
            (Some((known, true)), Some(claimed)) if known != claimed => Err(Refusal::Organization),
            (None, None) => Err(Refusal::Organization),
            (Some((org, true)), _) | (None, Some(org)) => Ok(Caller { user, org, memberships }),
        })
    }
}

impl Callers for OidcCallers {
    fn caller<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Option<Caller>, CallerError>> {
        if !token::is_jwt(token) {
            return self.own.caller(token);
        }
        Box::pin(async move {
            match self.caller_by_jwt(token).await {
                Ok(Ok(caller)) => Ok(Some(caller)),
                Ok(Err(refusal)) => {
                    numbers::refused(refusal.label());
                    tracing::debug!(reason = refusal.label(), "a JWT is refused");
                    Ok(None)
                }
                Err(error) => {
                    if matches!(error, CallerError::IssuerAway) {
                        numbers::refused("issuer_away");
                    }
                    Err(error)
                }
            }
        })
    }
}

impl From<Away> for CallerError {
    fn from(Away: Away) -> Self {
        Self::IssuerAway
    }
}

impl fmt::Debug for OidcCallers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcCallers").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
