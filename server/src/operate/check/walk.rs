//! The events themselves: does each have its place?

use std::collections::{BTreeSet, HashMap, HashSet};

use portcullis::journal::{Journal, JournalError, Position};
use portcullis::{Aggregate, OrgId, Recorded, UserId};

use crate::operate::trail_start;
use crate::operate::view::View;

/// How many events to read at a time.
const PAGE: usize = 4096;

/// What the events of a journal are about, and what is wrong with their places.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// The position of the first event that is left.
    pub(super) first: Position,
    pub(super) events: u64,
    pub(super) users: HashSet<UserId>,
    pub(super) orgs: BTreeSet<OrgId>,
    pub(super) problems: Vec<String>,
    /// The newest sequence of the instance and of each organization.
    sequences: HashMap<Aggregate, u64>,
}

/// Reads all events. What a checksum or a gap shows is the journal's own error.
pub(super) async fn through(view: &View) -> Result<Walk, JournalError> {
    let mut after = trail_start(view).await?;
    let mut walk = Walk { first: after.saturating_add(1), ..Walk::default() };
    while after < view.position() {
        let page = view.read_after(after, PAGE).await?;
        for event in &page {
            after = after.saturating_add(1);
            walk.see(event, after);
        }
        if page.is_empty() {
            walk.problems
                .push(format!("there is no event at position {}", after.saturating_add(1)));
            break;
        }
    }
    Ok(walk)
}

impl Walk {
    fn see(&mut self, event: &Recorded, place: Position) {
        let Recorded { position, sequence, aggregate, .. } = event;
        self.events = self.events.saturating_add(1);
        if *position != place {
            self.problems.push(format!("position {position} stands at the place of {place}"));
        }
        let expected = match aggregate {
            Aggregate::User { user, org } => {
                self.users.insert(user.clone());
                self.orgs.insert(org.clone());
                Some(*position)
            }
            counted => {
                if let Aggregate::Org(org) = counted {
                    self.orgs.insert(org.clone());
                }
                let before = self.sequences.insert(counted.clone(), *sequence);
                // Where the first ones were pruned, any number may be the first that is left.
                match before {
                    None if self.first > 1 => None,
                    before => Some(before.unwrap_or(0).saturating_add(1)),
                }
            }
        };
        if let Some(expected) = expected
            && *sequence != expected
        {
            self.problems.push(format!("position {position}: sequence {sequence}, not {expected}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use portcullis::{Actor, Event};

    use super::*;

    fn event(position: Position, sequence: u64, aggregate: Aggregate) -> Recorded {
        let (at, actor) = (SystemTime::UNIX_EPOCH, Actor::system());
        Recorded { position, sequence, at, actor, aggregate, event: Event::Unlocked }
    }

    #[test]
    fn d4_each_event_has_its_place_and_its_number() {
        let org = || Aggregate::Org("acme".parse().unwrap());
        let user =
            || Aggregate::User { org: "acme".parse().unwrap(), user: "ada".parse().unwrap() };
        let problems = |first, events: &[Recorded]| {
            let mut walk = Walk { first, ..Walk::default() };
            for (place, event) in (first..).zip(events) {
                walk.see(event, place);
            }
            walk.problems
        };
        let good = [event(1, 1, org()), event(2, 2, user()), event(3, 2, org())];
        assert_eq!(problems(1, &good), [""; 0]);
        assert_eq!(problems(7, &[event(7, 4, org()), event(8, 5, org())]), [""; 0]);
        for (first, bad) in [
            (1, event(1, 2, org())),
            (1, event(2, 1, org())),
            (1, event(1, 2, user())),
            (7, event(7, 1, user())),
        ] {
            assert_eq!(problems(first, std::slice::from_ref(&bad)).len(), 1, "{bad:?}");
        }
        assert_eq!(problems(7, &[event(7, 4, org()), event(8, 6, org())]).len(), 1);
    }
}
