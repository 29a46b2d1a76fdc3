//! The trail of a journal, run through an engine under another policy.

use portcullis::journal::{Journal, Position};
use portcullis::{Aggregate, Event, InstanceId, LockCause, Recorded};

use super::Replay;
use super::line::{Attempt, Outcome};
use super::policy::Policies;
use super::report::Report;
use crate::exit::Failure;
use crate::operate::{failure, journal, trail_start};
use crate::place::Place;

/// How many events to read at a time.
const PAGE: usize = 4096;

/// Replays the attempts of a trail. `seen` is told how many of how many positions are done.
///
/// # Errors
///
/// The journal's.
pub(super) async fn replay(
    place: &Place,
    instance: Option<&InstanceId>,
    policies: &Policies,
    mut seen: impl FnMut(Position, Position),
) -> Result<Report, Failure> {
    let mut replay = Replay::new(policies)?;
    let journal = journal(place, instance).await?.journal;
    let head = journal.head().await.map_err(failure)?;
    let mut after = trail_start(&journal).await.map_err(failure)?;
    while after < head {
        let page = journal.read_after(after, PAGE).await.map_err(failure)?;
        let Some(last) = page.last() else { break };
        after = last.position;
        for event in page.iter().take_while(|event| event.position <= head) {
            replay.event(event);
        }
        seen(after.min(head), head);
    }
    Ok(Report { lower_bound: true, ..replay.report() })
}

impl Replay {
    /// Runs an event of a trail: an attempt, or what an administrator did between attempts. The
    /// trail's own policies and locks by failures are what the replay puts its own in the place of.
    fn event(&mut self, recorded: &Recorded) {
        let Aggregate::User { org, user } = &recorded.aggregate else { return };
        let mut attempt = |factor, outcome| {
            let (org, user) = (org.clone(), user.clone());
            self.attempt(&Attempt { at: recorded.at, org, user, factor, outcome });
        };
        match &recorded.event {
            Event::CheckFailed { factor, .. } => return attempt(*factor, Outcome::Failure),
            Event::CheckSucceeded { factor, .. } => return attempt(*factor, Outcome::Success),
            _ => {}
        }
        self.clock.set(recorded.at);
        // A refusal means that there was nothing to do here: a user who is not locked under the
        // replay's policy needs no unlocking.
        let _ = match &recorded.event {
            Event::Locked(LockCause::Administrator) => self.engine.lock(org, user),
            Event::Unlocked => self.engine.unlock(user),
            Event::CredentialChanged(factor) => self.engine.credential_changed(org, user, *factor),
            Event::Removed => self.engine.remove_user(org, user),
            _ => return,
        };
        if !self.engine.is_locked(user) {
            self.locks.ended(user);
        }
    }
}
