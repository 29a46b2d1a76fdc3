//! An event as a row of a table, in whichever database: texts and numbers, and a checksum over them.

use std::borrow::Cow;
use std::fmt::Display;
use std::time::SystemTime;

use jiff::Timestamp;

use super::{Batch, CheckpointPart, JournalError, Position};
use crate::event::{Aggregate, Event, Recorded};
use crate::id::{Actor, InstanceId, OrgId, UserId};

/// What the column `aggregate` says of a user's event. Its sequence is its position.
pub(super) const USER: &str = "user";

/// The columns of an event, as they are written and read.
pub(super) struct Columns<'a> {
    pub(super) position: i64,
    pub(super) at: Cow<'a, str>,
    pub(super) actor: &'a str,
    pub(super) type_name: &'a str,
    pub(super) aggregate: &'a str,
    pub(super) id: &'a str,
    pub(super) org: Option<&'a str>,
    pub(super) sequence: i64,
    pub(super) payload: Option<Cow<'a, str>>,
    pub(super) writer: i64,
    pub(super) batch: i64,
}

/// A reading of the events after a position, row by row.
pub(super) struct Reading<'j> {
    journal: &'j dyn Display,
    /// Whether a row's checksum is right.
    is_sound: fn(&Columns<'_>, i64) -> bool,
    /// The position of the newest event that was read.
    last: Position,
    events: Vec<Recorded>,
}

impl<'j> Reading<'j> {
    /// Begins one in a journal of which the events up to a position were pruned.
    pub(super) fn begin(
        journal: &'j dyn Display,
        after: Position,
        pruned: Position,
        is_sound: fn(&Columns<'_>, i64) -> bool,
    ) -> Result<Self, JournalError> {
        if after < pruned {
            return Err(JournalError::Pruned { oldest: pruned.saturating_add(1) });
        }
        Ok(Self { journal, is_sound, last: after, events: Vec::new() })
    }

    /// Takes the next row with its checksum.
    pub(super) fn take(&mut self, columns: &Columns<'_>, sum: i64) -> Result<(), JournalError> {
        let expected = self.last.saturating_add(1);
        let position = columns.position.cast_unsigned();
        if position != expected {
            let cause = format!("the event is missing; the next one there is {position}");
            return Err(self.corrupt(expected, cause));
        }
        if !(self.is_sound)(columns, sum) {
            let cause = "the event is not what was written: its checksum differs";
            return Err(self.corrupt(position, String::from(cause)));
        }
        let recorded = columns.recorded().map_err(|cause| self.corrupt(position, cause))?;
        self.events.push(recorded);
        self.last = position;
        Ok(())
    }

    /// The events. If fewer than `limit` were found, they must go up to the head.
    pub(super) fn end(self, head: Position, limit: usize) -> Result<Vec<Recorded>, JournalError> {
        if self.events.len() < limit && self.last < head {
            let cause = format!("the events up to {head} are missing");
            return Err(self.corrupt(self.last.saturating_add(1), cause));
        }
        Ok(self.events)
    }

    fn corrupt(&self, position: Position, cause: String) -> JournalError {
        JournalError::Corrupt { journal: self.journal.to_string(), position, cause }
    }
}

impl<'a> Columns<'a> {
    pub(super) fn of(recorded: &'a Recorded, batch: &Batch) -> Self {
        let (aggregate, id, org) = match &recorded.aggregate {
            Aggregate::Instance(instance) => ("instance", instance.as_str(), None),
            Aggregate::Org(org) => ("org", org.as_str(), None),
            Aggregate::User { org, user } => (USER, user.as_str(), Some(org.as_str())),
        };
        Self {
            position: recorded.position.cast_signed(),
            at: Cow::Owned(time_text(recorded.at)),
            actor: recorded.actor.as_str(),
            type_name: recorded.event.type_name(),
            aggregate,
            id,
            org,
            sequence: recorded.sequence.cast_signed(),
            payload: recorded.event.payload().map(Cow::Owned),
            writer: batch.writer.cast_signed(),
            batch: batch.number.cast_signed(),
        }
    }

    /// A checksum of the whole row. An absent text is not an empty one.
    pub(super) fn sum(&self) -> i64 {
        self.sum_with([self.position, self.sequence, self.writer, self.batch])
    }

    /// The same of a row whose place is not known before it is written: the place is laid over the
    /// checksum of the rest.
    #[cfg(feature = "postgres")]
    pub(super) fn placed_sum(&self) -> i64 {
        self.unplaced_sum() ^ (self.position & 0xffff_ffff)
    }

    /// A checksum of all but the place. A user's sequence is its place as well.
    #[cfg(feature = "postgres")]
    pub(super) fn unplaced_sum(&self) -> i64 {
        let sequence = match self.aggregate {
            USER => self.sequence.wrapping_sub(self.position),
            _ => self.sequence,
        };
        self.sum_with([sequence, self.writer, self.batch])
    }

    fn sum_with<const N: usize>(&self, numbers: [i64; N]) -> i64 {
        let mut hasher = crc32fast::Hasher::new();
        for number in numbers {
            hasher.update(&number.to_le_bytes());
        }
        let texts = [&*self.at, self.actor, self.type_name, self.aggregate, self.id];
        for text in texts.into_iter().map(Some).chain([self.org, self.payload.as_deref()]) {
            hasher.update(&[u8::from(text.is_some())]);
            hasher.update(text.unwrap_or_default().as_bytes());
            hasher.update(&[0xff]);
        }
        i64::from(hasher.finalize())
    }

    fn recorded(&self) -> Result<Recorded, String> {
        let text = |error: crate::InvalidId| error.to_string();
        let aggregate = match (self.aggregate, self.org) {
            ("instance", None) => Aggregate::Instance(InstanceId::try_from(self.id).map_err(text)?),
            ("org", None) => Aggregate::Org(OrgId::try_from(self.id).map_err(text)?),
            (USER, Some(org)) => Aggregate::User {
                org: OrgId::try_from(org).map_err(text)?,
                user: UserId::try_from(self.id).map_err(text)?,
            },
            (other, _) => {
                return Err(format!("`{other}` is no aggregate, or lacks its organization"));
            }
        };
        let event = Event::from_stored(self.type_name, self.payload.as_deref())?;
        let wrong = |error: jiff::Error| format!("at: {error}");
        let at: Timestamp = self.at.parse().map_err(wrong)?;
        Ok(Recorded {
            position: self.position.cast_unsigned(),
            sequence: self.sequence.cast_unsigned(),
            at: SystemTime::try_from(at).map_err(wrong)?,
            actor: Actor::try_from(self.actor).map_err(text)?,
            aggregate,
            event,
        })
    }
}

/// A checksum of a part of a checkpoint.
pub(super) fn sum_of_part(part: &CheckpointPart) -> i64 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&part.number.to_le_bytes());
    hasher.update(&part.position.to_le_bytes());
    hasher.update(&part.state);
    i64::from(hasher.finalize())
}

/// The first event's aggregate tells the instance.
pub(super) fn founded(batch: &Batch) -> Option<&InstanceId> {
    match batch.events.first().map(|event| &event.aggregate) {
        Some(Aggregate::Instance(instance)) => Some(instance),
        _ => None,
    }
}

/// A time as text, in UTC and of one width, so that texts compare as times do. One outside of the
/// years that can be written becomes the nearest that can.
pub(super) fn time_text(at: SystemTime) -> String {
    format!("{:.9}", timestamp(at))
}

pub(super) fn timestamp(at: SystemTime) -> Timestamp {
    Timestamp::try_from(at).unwrap_or(if at < SystemTime::UNIX_EPOCH {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}
