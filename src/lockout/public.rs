//! What a login may tell the person at the keyboard.

use super::Verdict;
use crate::policy::{AttemptLimit, LockoutPolicy};

/// The answer for the person who tries to log in.
///
/// Unless the policy shows failures there are two answers only, and the second one is the same
/// for a wrong secret, a locked user, a busy one and one whom the caller does not know (answer
/// that one [`PublicAnswer::Denied`] too, after a check against a dummy hash, so that it takes as
/// long): nothing tells an attacker which names exist or which guess was right (Keycloak
/// CVE-2021-3513, OWASP ASVS 5.0 6.3.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PublicAnswer {
    /// The check succeeded: let the user in.
    Granted,
    /// The login failed; nobody is told why.
    Denied,
    /// The check failed. Only where the policy shows failures.
    Rejected {
        /// Failures in a row, this one included.
        failures: u32,
        /// The limit, where a number of failures locks.
        limit: Option<u32>,
    },
    /// The user is locked: an administrator can help. Only where the policy shows failures.
    Locked,
    /// Other checks of this user are running, or the service cannot answer: try again. Only where
    /// the policy shows failures.
    TryAgain,
    /// There is no answer yet: the attempt is admitted, run the check and settle it.
    Pending,
}

impl PublicAnswer {
    /// The answer, or the one that tells nothing where the policy hides it.
    pub(crate) fn under(self, policy: &LockoutPolicy) -> Self {
        match self {
            Self::Granted | Self::Pending => self,
            _ if policy.show_lockout_failures => self,
            _ => Self::Denied,
        }
    }
}

impl Verdict {
    /// The answer for the person at the keyboard, under the policy of the user's organization.
    #[must_use]
    pub fn public(&self, policy: &LockoutPolicy) -> PublicAnswer {
        let open = match self {
            Self::Accepted => PublicAnswer::Granted,
            Self::Rejected { failures, limit, .. } => PublicAnswer::Rejected {
                failures: *failures,
                limit: (*limit != AttemptLimit::NEVER).then_some(limit.get()),
            },
            Self::Locked(_) => PublicAnswer::Locked,
            Self::Superseded => PublicAnswer::TryAgain,
        };
        open.under(policy)
    }
}
