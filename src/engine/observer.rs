//! A window for metrics and audit: it sees all and changes nothing.

use crate::event::Recorded;
use crate::id::{OrgId, UserId};
use crate::lockout::{Factor, Verdict};

/// Watches an engine. It is told, never asked: no answer of the engine depends on it.
///
/// Both calls are made while the user (or, for a policy, the hierarchy) is held, so that an
/// aggregate's events come in their order; events of different aggregates may come in another
/// order than their positions tell. So be quick, and never call the engine back from here: that
/// would wait for the caller itself. A panic in it is caught and changes nothing.
pub trait Observer: Send + Sync {
    /// An event has taken effect.
    fn event(&self, recorded: &Recorded) {
        let _ = recorded;
    }

    /// An attempt was settled with this verdict, which may rest on no event.
    fn verdict(&self, org: &OrgId, user: &UserId, factor: Factor, verdict: &Verdict) {
        let _ = (org, user, factor, verdict);
    }
}
