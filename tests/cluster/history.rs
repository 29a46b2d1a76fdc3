//! What several processes were told of one user, against the trail: is there an order of all calls that
//! keeps "returned before the other was called", and in which each answer is right (rule A14)?
//!
//! The trail is that order for the calls that wrote. What is left is to find a place in it for each of the
//! others. Taken in the order in which they were called, each one takes the earliest place that it can:
//! that leaves the most to those after it, so if it fails there is none.

use std::collections::HashMap;

use portcullis::{Aggregate, Event, Recorded};

pub(crate) const LIMIT: u32 = 5;

/// A settling, or an unlocking, and what was told of it.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) called: u64,
    /// Absent when the process was killed before it told.
    pub(crate) returned: Option<u64>,
    /// What the node had seen of the trail before and after the attempt was begun.
    pub(crate) knew: (u64, u64),
    pub(crate) told: Told,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Rejected {
        failures: u32,
        locked: bool,
    },
    Accepted,
    Locked,
    Superseded,
    /// The user was unlocked by the event of this position.
    Unlocked(u64),
    /// An error, or nothing: whether it was written is not known.
    Nothing,
}

/// The user after an event.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    failures: u32,
    locked: bool,
    /// The position of the newest unlocking.
    unlocked: u64,
}

/// The trail as one thread would have made it.
struct Trail {
    /// After each position, from 0. A failure and the lock that it brings are one step.
    states: Vec<State>,
    /// Where each attempt's event is, by its name.
    places: HashMap<String, u64>,
}

impl Trail {
    fn of(events: &[Recorded]) -> Self {
        let mut trail = Self { states: vec![State::default()], places: HashMap::new() };
        let mut now = State::default();
        for (event, next) in events.iter().zip(events.iter().skip(1).map(Some).chain([None])) {
            let at = event.position;
            if matches!(event.aggregate, Aggregate::User { .. }) {
                match &event.event {
                    Event::CheckFailed { info, .. } | Event::CheckSucceeded { info, .. } => {
                        assert!(!now.locked, "{at}: a check was counted under a lock");
                        let name = info.as_ref().unwrap().request_id.clone().unwrap();
                        assert_eq!(trail.places.insert(name, at), None, "{at}: counted twice");
                        let failed = matches!(event.event, Event::CheckFailed { .. });
                        now.failures = if failed { now.failures + 1 } else { 0 };
                        assert!(now.failures <= LIMIT, "{at}: {} failures", now.failures);
                        now.locked = now.failures == LIMIT;
                        let locks = next.is_some_and(|it| matches!(it.event, Event::Locked(_)));
                        assert_eq!(locks, now.locked, "{at}: {} failures", now.failures);
                    }
                    Event::Locked(_) => assert!(now.locked, "{at}: a lock of nobody's making"),
                    Event::Unlocked => {
                        assert!(now.locked, "{at}: who was not locked was unlocked");
                        now = State { unlocked: at, ..State::default() };
                    }
                    other => panic!("{at}: {other:?}"),
                }
            }
            trail.states.push(now);
        }
        trail
    }
}

/// Finds the order, or panics with what has no place in it; how many calls have one.
pub(crate) fn check(events: &[Recorded], calls: &HashMap<String, Call>) -> usize {
    let trail = Trail::of(events);
    for name in trail.places.keys() {
        assert!(calls.contains_key(name), "nobody has called what is in the trail: {name}");
    }
    // (called, returned, place): of those that wrote it is known, of the others the range is.
    let (mut wrote, mut looked) = (Vec::new(), Vec::new());
    for (name, call) in calls {
        let place = match call.told {
            Told::Unlocked(place) => Some(place),
            _ => trail.places.get(name).copied(),
        };
        if let Some(place) = place {
            is_right(name, call, &trail, place);
            wrote.push((call.called, call.returned.unwrap_or(u64::MAX), place));
        } else if call.told != Told::Nothing {
            let rejected = matches!(call.told, Told::Rejected { .. });
            assert!(!rejected, "what was told is not in the trail: {name} {call:?}");
            looked.push((name, call));
        }
    }
    in_order(&mut wrote);
    looked.sort_unstable_by_key(|(_, call)| call.called);
    let mut placed: Vec<(u64, u64)> = Vec::new(); // (returned, place), the places rising with it
    for (name, call) in &looked {
        let returned = call.returned.unwrap();
        let before = |(_, over, place): &(u64, u64, u64)| (*over < call.called).then_some(*place);
        let after = |(called, _, place): &(u64, u64, u64)| (*called > returned).then_some(*place);
        let earlier = placed.iter().filter(|(over, _)| *over < call.called).map(|(_, it)| *it);
        let first = wrote.iter().filter_map(before).chain(earlier).max().unwrap_or(0);
        let end = wrote.iter().filter_map(after).min().unwrap_or(trail.states.len() as u64);
        let place =
            (first..end).find(|at| fits(call, &trail.states[usize::try_from(*at).unwrap()]));
        let place =
            place.unwrap_or_else(|| panic!("no place from {first} to {end}: {name} {call:?}"));
        placed.push((returned, place));
    }
    wrote.len() + looked.len()
}

/// What was told is what one thread would have been told there.
fn is_right(name: &str, call: &Call, trail: &Trail, place: u64) {
    let at = |place: u64| trail.states[usize::try_from(place).unwrap()];
    let (before, after) = (at(place - 1), at(place));
    let right = match &call.told {
        Told::Rejected { failures, locked } => {
            (*failures, *locked) == (after.failures, after.locked)
        }
        Told::Accepted => before.failures > 0 && after.failures == 0 && !before.locked,
        Told::Unlocked(_) => after.unlocked == place,
        Told::Nothing => true,
        Told::Locked | Told::Superseded => false,
    };
    assert!(right, "{name} at {place}: {call:?} {before:?} {after:?}");
    // An attempt from before an unlocking that its node had not seen is void (rule A8).
    let unlocked = matches!(call.told, Told::Unlocked(_));
    assert!(unlocked || before.unlocked <= call.knew.1, "{name} at {place}: {call:?} {before:?}");
}

/// Whether a call that wrote nothing could be told this after an event.
fn fits(call: &Call, state: &State) -> bool {
    let void = state.unlocked > call.knew.0;
    let may_stand = state.unlocked <= call.knew.1;
    match call.told {
        Told::Superseded => void,
        Told::Locked => may_stand && state.locked,
        Told::Accepted => may_stand && !state.locked && state.failures == 0,
        _ => false,
    }
}

/// Whoever returned before another was called stands before it.
fn in_order(wrote: &mut [(u64, u64, u64)]) {
    wrote.sort_unstable_by_key(|(_, _, place)| *place);
    let mut latest = 0;
    for (called, returned, place) in wrote.iter() {
        // Of those before it in the trail, none may have been called after this one returned.
        assert!(latest < *returned, "{place} was over before something earlier was called");
        latest = latest.max(*called);
    }
}
