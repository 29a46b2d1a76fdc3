//! An issuer: what its tokens must say, and where its keys come from.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use portcullis::{Clock, OrgId, SystemClock};

use super::client::{Client, RootError, Roots};
use super::keys::Keys;
use super::numbers;
use super::token::{self, Expected};
use super::url::IssuerUrl;

/// Which tokens are taken, and how the issuer is asked for its keys.
#[derive(Clone, Debug)]
pub struct OidcOptions {
    /// The issuer: the claim `iss` of every token, to the letter.
    pub issuer: IssuerUrl,
    /// What the claim `aud` of every token must have; the id of the project in ZITADEL.
    pub audience: String,
    /// The organization whose grants of `IAM_…` roles count; `None` for none.
    pub instance_org: Option<OrgId>,
    /// How often the keys are fetched.
    pub refresh: Duration,
    /// How long fetched keys serve if they cannot be fetched again.
    pub keys_for: Duration,
    /// The longest time for one answer of the issuer's.
    pub patience: Duration,
    /// Which certificates the issuer may show.
    pub roots: Roots,
}

impl OidcOptions {
    /// The server's defaults: keys are fetched every 10 minutes and serve for an hour.
    pub fn new(issuer: IssuerUrl, audience: impl Into<String>) -> Self {
        Self {
            issuer,
            audience: audience.into(),
            instance_org: None,
            refresh: Duration::from_mins(10),
            keys_for: Duration::from_hours(1),
            patience: Duration::from_secs(5),
            roots: Roots::default(),
        }
    }
}

/// An issuer, which has not been asked yet.
pub struct Issuer {
    pub(super) expected: Expected,
    pub(super) instance_org: Option<OrgId>,
    pub(super) refresh: Duration,
    pub(super) keys: Arc<Keys>,
}

impl Issuer {
    /// The issuer of these options.
    ///
    /// # Errors
    ///
    /// If TLS cannot be set up.
    pub fn new(options: OidcOptions) -> Result<Self, RootError> {
        Self::with_clock(options, SystemClock)
    }

    /// The same with a clock that tells how old the keys are. The times in tokens are compared with
    /// the system's.
    ///
    /// # Errors
    ///
    /// As [`Issuer::new`].
    pub fn with_clock(
        options: OidcOptions,
        clock: impl Clock + 'static,
    ) -> Result<Self, RootError> {
        numbers::describe();
        token::install_cryptography();
        let client = Client::new(options.roots, options.patience)?;
        let expected = Expected { issuer: options.issuer.to_string(), audience: options.audience };
        let keys = Keys::new(options.issuer, client, Arc::new(clock), options.keys_for);
        Ok(Self {
            expected,
            instance_org: options.instance_org,
            refresh: options.refresh,
            keys: Arc::new(keys),
        })
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("url", &self.expected.issuer).finish_non_exhaustive()
    }
}
