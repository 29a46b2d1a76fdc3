//! Checkpoints: the state of memory, stored so that opening need not replay for ever.
//!
//! A checkpoint is written in parts, one between two batches, so that no append waits for a whole
//! one. Parts are therefore of different moments. Each one states the position that it includes,
//! and the checkpoint the position at which it was begun; opening replays from there and skips, for
//! what is in a part, the events that the part includes.
//!
//! What is in no part needs no such care. A user who was not tracked when the parts were written
//! had been idle at some moment since the beginning, if ever tracked, and to be idle each counter
//! must have been set to zero and each lock opened: replaying the events since the beginning on an
//! empty state ends there in the same state. An organization's record is never taken away.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};
use std::vec::IntoIter;

use serde::{Deserialize, Serialize};

use super::Shared;
use super::memory::Memory;
use crate::id::{OrgId, UserId};
use crate::journal::{CheckpointId, CheckpointPart, JournalError, Position};
use crate::lockout::state::Kept;
use crate::lockout::{Factor, LockCause};
use crate::policy::LockoutPolicy;
use crate::policy::decide::PolicyRecord;

/// Which part of the events between two checkpoints is enough at a close, where nobody waits.
const PART_AT_CLOSE: u64 = 10;
/// How many users or organizations go into a part: well under a millisecond's work.
pub(super) const PART: usize = 1_000;

/// Writes checkpoints, a part at a time.
pub(super) struct Snapshots {
    writer: u64,
    last: Position,
    /// How many events make a new checkpoint worth its while.
    every: u64,
    under_way: Option<UnderWay>,
}

struct UnderWay {
    begun: Position,
    parts: u32,
    orgs: IntoIter<OrgId>,
    users: IntoIter<UserId>,
}

impl Snapshots {
    /// `every` is at least 1: a checkpoint that covers nothing new is never due.
    pub(super) fn new(writer: u64, last: Position, every: u64) -> Self {
        Self { writer, last, every, under_way: None }
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Begins a checkpoint if it is time for one, or writes the next part of it.
    pub(super) async fn advance(&mut self, shared: &Shared) {
        if self.under_way.is_none() {
            if !self.is_due(&shared.memory, self.every) {
                return;
            }
            self.begin(&shared.memory);
        }
        if self.write_next(shared).await.is_err() {
            // The state is safe in the journal. Try again after as many events.
            self.under_way = None;
            self.last = shared.memory.position();
        }
    }

    /// Writes a whole checkpoint, if one is worth it when the engine closes.
    pub(super) async fn finish(&mut self, shared: &Shared) {
        let at_close = (self.every / PART_AT_CLOSE).max(1);
        if self.under_way.is_none() && self.is_due(&shared.memory, at_close) {
            self.begin(&shared.memory);
        }
        while self.under_way.is_some() {
            if self.write_next(shared).await.is_err() {
                return;
            }
        }
    }

    fn is_due(&self, memory: &Memory, events: u64) -> bool {
        memory.position().saturating_sub(self.last) >= events
    }

    fn begin(&mut self, memory: &Memory) {
        self.under_way = Some(UnderWay {
            begun: memory.position(),
            parts: 0,
            orgs: memory.hierarchy.known_orgs().into_iter(),
            users: memory.register.users().into_iter(),
        });
    }

    async fn write_next(&mut self, shared: &Shared) -> Result<(), JournalError> {
        let Some(under_way) = &mut self.under_way else { return Ok(()) };
        let id = CheckpointId { writer: self.writer, begun: under_way.begun };
        let Some(piece) = under_way.next_piece(&shared.memory) else {
            shared.journal.finish_checkpoint(id, under_way.parts).await?;
            self.last = under_way.begun;
            self.under_way = None;
            return Ok(());
        };
        let state = serde_json::to_vec(&piece)
            .map_err(|error| JournalError::Unavailable(format!("checkpoint: {error}")))?;
        let position = shared.memory.position();
        let part = CheckpointPart { number: under_way.parts, position, state };
        under_way.parts = under_way.parts.saturating_add(1);
        shared.journal.save_part(id, &part).await
    }
}

impl UnderWay {
    fn next_piece(&mut self, memory: &Memory) -> Option<Piece<'static>> {
        if self.parts == 0 {
            return Some(Piece::Default(StoredRecord::of(memory.hierarchy.default_record())));
        }
        let orgs: Vec<_> = self
            .orgs
            .by_ref()
            .take(PART)
            .map(|org| (Text::of(&org), StoredRecord::of(memory.hierarchy.override_record(&org))))
            .collect();
        if !orgs.is_empty() {
            return Some(Piece::Overrides(orgs));
        }
        let users: Vec<_> = self.users.by_ref().take(PART).collect();
        if users.is_empty() {
            return None;
        }
        let kept = |user: UserId| {
            let kept = Kept::of(&memory.register.copy_of(&user)?)?;
            Some((Text::of(&user), StoredUser::of(&kept)))
        };
        Some(Piece::Users(users.into_iter().filter_map(kept).collect()))
    }
}

/// What a part holds.
#[derive(Serialize, Deserialize)]
pub(super) enum Piece<'a> {
    Default(StoredRecord),
    #[serde(borrow)]
    Overrides(Vec<(Text<'a>, StoredRecord)>),
    #[serde(borrow)]
    Users(Vec<(Text<'a>, StoredUser<'a>)>),
}

/// A text that is not copied when it is read, but for one with escapes in it.
#[derive(Serialize, Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

impl Text<'_> {
    fn of(id: &impl ToString) -> Self {
        Self(Cow::Owned(id.to_string()))
    }
}

/// A time as seconds and nanoseconds since the Unix epoch; before it, the seconds are negative.
type StoredTime = (i64, u32);

#[derive(Serialize, Deserialize)]
pub(super) struct StoredRecord {
    policy: Option<(u32, u32, bool)>,
    sequences: (u64, u64),
    created_at: StoredTime,
    changed_at: StoredTime,
}

/// The organization, the lock with the factor that caused it, the failures by factor.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredUser<'a>(
    #[serde(borrow)] Text<'a>,
    Option<(StoredTime, Option<u8>)>,
    [u32; 5],
);

impl StoredRecord {
    fn of(record: PolicyRecord) -> Self {
        let stored = |policy: LockoutPolicy| {
            let limits = (policy.max_password_attempts.get(), policy.max_otp_attempts.get());
            (limits.0, limits.1, policy.show_lockout_failures)
        };
        Self {
            policy: record.policy.map(stored),
            sequences: (record.sequence, record.last_sequence),
            created_at: store_time(record.created_at),
            changed_at: store_time(record.changed_at),
        }
    }

    pub(super) fn record(&self) -> PolicyRecord {
        let policy = |(password, otp, show)| LockoutPolicy {
            show_lockout_failures: show,
            ..LockoutPolicy::new(password, otp)
        };
        PolicyRecord {
            policy: self.policy.map(policy),
            sequence: self.sequences.0,
            last_sequence: self.sequences.1,
            created_at: read_time(self.created_at),
            changed_at: read_time(self.changed_at),
        }
    }
}

impl StoredUser<'_> {
    fn of(kept: &Kept) -> Self {
        let lock = kept.lock.map(|(since, cause)| {
            let factor = match cause {
                LockCause::Failures(factor) => Factor::ALL.iter().position(|it| *it == factor),
                LockCause::Administrator => None,
            };
            (store_time(since), factor.and_then(|number| u8::try_from(number).ok()))
        });
        Self(Text::of(&kept.org), lock, kept.failures)
    }

    pub(super) fn kept(self) -> Result<Kept, String> {
        let Self(org, lock, failures) = self;
        let lock = match lock {
            None => None,
            Some((since, None)) => Some((read_time(since), LockCause::Administrator)),
            Some((since, Some(number))) => {
                let factor = Factor::ALL.get(usize::from(number));
                let factor = *factor.ok_or_else(|| format!("there is no factor {number}"))?;
                Some((read_time(since), LockCause::Failures(factor)))
            }
        };
        let org = org.0.parse().map_err(|error| format!("{error}"))?;
        Ok(Kept { org, lock, failures })
    }
}

fn store_time(at: SystemTime) -> StoredTime {
    match at.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => (since.as_secs().try_into().unwrap_or(i64::MAX), since.subsec_nanos()),
        Err(before) => {
            let before = before.duration();
            let seconds: i64 = before.as_secs().try_into().unwrap_or(i64::MAX);
            match before.subsec_nanos() {
                0 => (seconds.saturating_neg(), 0),
                nanos => (
                    seconds.saturating_neg().saturating_sub(1),
                    1_000_000_000_u32.saturating_sub(nanos),
                ),
            }
        }
    }
}

fn read_time((seconds, nanos): StoredTime) -> SystemTime {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let epoch = SystemTime::UNIX_EPOCH;
    let second = if seconds < 0 { epoch.checked_sub(whole) } else { epoch.checked_add(whole) };
    let at = second.and_then(|at| at.checked_add(Duration::from_nanos(nanos.into())));
    at.unwrap_or(epoch)
}
