//! Batches whole: one value that whoever goes past them takes over, see `past.sql`.
//!
//! They are copies. What is in the trail is the rows of its events, which are read wherever a copy is missing
//! or is not what was written.

use std::time::SystemTime;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::{Aggregate, Event, Recorded};
use crate::id::{Actor, OrgId, UserId};
use crate::journal::row::timestamp;
use crate::journal::{Batch, Position};

/// About how many bytes an event takes.
const ROOM: usize = 128;

/// A user's event, but for its place.
#[derive(Serialize, Deserialize)]
struct Packed<'a> {
    second: i64,
    nanosecond: i32,
    /// Absent where it is the user.
    actor: Option<&'a str>,
    type_name: &'a str,
    org: &'a str,
    user: &'a str,
    payload: Option<String>,
}

/// A mark of a user. Hardly any two users have the same one.
pub(super) fn mark(user: &str) -> i32 {
    crc32fast::hash(user.as_bytes()).cast_signed()
}

/// The users' events of a batch, with a checksum behind them.
pub(super) fn pack(batch: &Batch) -> Result<Vec<u8>, String> {
    let packed: Vec<_> = batch.events.iter().filter_map(Packed::of).collect();
    let room = Vec::with_capacity(packed.len().saturating_mul(ROOM));
    let mut bytes = postcard::to_extend(&packed, room).map_err(|error| error.to_string())?;
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    Ok(bytes)
}

/// So many events after a position, of batches one behind the other. `None` if it is not these that are
/// there.
pub(super) fn unpack(mut bytes: &[u8], after: Position, count: usize) -> Option<Vec<Recorded>> {
    let mut events = Vec::with_capacity(count);
    let mut position = after;
    while events.len() < count {
        let (packed, rest) = postcard::take_from_bytes::<Vec<Packed<'_>>>(bytes).ok()?;
        let (sum, others) = rest.split_first_chunk()?;
        let read = bytes.get(..bytes.len().checked_sub(rest.len())?)?;
        if packed.is_empty() || crc32fast::hash(read).to_le_bytes() != *sum {
            return None;
        }
        for packed in packed {
            position = position.saturating_add(1);
            events.push(packed.recorded(position)?);
        }
        bytes = others;
    }
    (events.len() == count).then_some(events)
}

impl<'a> Packed<'a> {
    fn of(recorded: &'a Recorded) -> Option<Self> {
        let Aggregate::User { org, user } = &recorded.aggregate else { return None };
        let (at, actor) = (timestamp(recorded.at), recorded.actor.as_str());
        Some(Self {
            second: at.as_second(),
            nanosecond: at.subsec_nanosecond(),
            actor: (actor != user.as_str()).then_some(actor),
            type_name: recorded.event.type_name(),
            org,
            user,
            payload: recorded.event.payload(),
        })
    }

    fn recorded(&self, position: Position) -> Option<Recorded> {
        let user = UserId::try_from(self.user).ok()?;
        let actor = match self.actor {
            Some(actor) => Actor::try_from(actor).ok()?,
            None => Actor::from(&user),
        };
        Some(Recorded {
            position,
            sequence: position,
            at: SystemTime::try_from(Timestamp::new(self.second, self.nanosecond).ok()?).ok()?,
            actor,
            event: Event::from_stored(self.type_name, self.payload.as_deref()).ok()?,
            aggregate: Aggregate::User { org: OrgId::try_from(self.org).ok()?, user },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::lockout::{AttemptInfo, Factor, LockCause};

    /// Events of users after a position, one of each kind that has something of its own.
    fn batch(after: Position) -> Batch {
        let info = AttemptInfo { user_agent: Some(String::from("a \"b\"")), ..Default::default() };
        let kinds = [
            Event::CheckFailed { factor: Factor::Password, info: None },
            Event::CheckFailed { factor: Factor::Totp, info: Some(Box::new(info)) },
            Event::CheckSucceeded { factor: Factor::OtpEmail, info: None },
            Event::Locked(LockCause::Failures(Factor::Password)),
            Event::Locked(LockCause::Administrator),
        ];
        let recorded = |(position, event): (Position, Event)| {
            let user: UserId = format!("user {position}").parse().unwrap();
            let actor = match event {
                Event::Locked(LockCause::Administrator) => Actor::system(),
                _ => Actor::from(&user),
            };
            Recorded {
                position,
                sequence: position,
                at: SystemTime::UNIX_EPOCH.checked_add(Duration::new(position, 7)).unwrap(),
                actor,
                aggregate: Aggregate::User { org: "acme".parse().unwrap(), user },
                event,
            }
        };
        let events = (after..).skip(1).zip(kinds).map(recorded).collect();
        Batch { writer: 1, number: 1, events }
    }

    #[test]
    fn batches_are_read_as_they_were_written_and_from_wherever_they_stand() {
        let (first, second) = (batch(10), batch(15));
        let packed = [pack(&first).unwrap(), pack(&second).unwrap()].concat();
        let both = [&first.events[..], &second.events[..]].concat();
        assert_eq!(unpack(&packed, 10, 10), Some(both));
        assert_eq!(unpack(&packed, 10, 5), Some(first.events), "what comes after is left alone");
        assert_eq!(unpack(&[], 10, 0), Some(Vec::new()));
    }

    #[test]
    fn what_is_not_the_events_that_are_asked_for_is_none() {
        let packed = pack(&batch(10)).unwrap();
        for count in [1, 4, 6] {
            assert_eq!(unpack(&packed, 10, count), None, "{count} of five");
        }
        let none = pack(&Batch { writer: 1, number: 1, events: Vec::new() }).unwrap();
        assert_eq!(unpack(&none, 10, 1), None);
    }

    #[test]
    fn d2_a_batch_that_was_damaged_is_none() {
        let packed = pack(&batch(10)).unwrap();
        for at in 0..packed.len() {
            assert_eq!(unpack(&packed[..at], 10, 5), None, "cut short at {at}");
            let mut damaged = packed.clone();
            damaged[at] ^= 0x10;
            assert_eq!(unpack(&damaged, 10, 5), None, "damaged at {at}");
        }
    }
}
