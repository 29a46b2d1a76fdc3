//! `portcullis replay`: what a policy would have done to the attempts of a file.
//!
//! Lines are read one at a time into the same memory ([`reader`]), become attempts ([`mod@line`]),
//! and run through the engine that also guards logins, at the file's own times. Only what a report
//! needs is kept: a row for each locked user, and sums.

pub mod command;
mod feed;
pub mod line;
pub mod policy;
pub(crate) mod progress;
pub mod reader;
pub mod report;
mod trail;

use std::collections::HashMap;
use std::io::Read;
use std::time::SystemTime;

use portcullis::{Admission, Engine, ManualClock, UserId, Verdict};

use crate::exit::Failure;
use feed::{Feed, NumberedBadLine};
use line::{Attempt, Outcome};
use policy::Policies;
use report::{LockRow, Report, Totals};

/// Who is told how a replay goes, and decides what a bad line does to it.
pub trait Watch {
    /// So many bytes have been read.
    fn at(&mut self, bytes: u64);

    /// A line is bad.
    ///
    /// # Errors
    ///
    /// The failure, if it is to end the replay.
    fn bad_line(&mut self, bad: Failure) -> Result<(), Failure>;
}

/// Replays all lines of an input that messages call `name`.
///
/// # Errors
///
/// If the input cannot be read, and what [`Watch::bad_line`] answers.
pub fn replay(
    input: impl Read + Send + 'static,
    name: &str,
    policies: &Policies,
    watch: &mut impl Watch,
) -> Result<Report, Failure> {
    let reading = |error| Failure::reading(name, &error);
    let mut replay = Replay::new(policies)?;
    let mut feed = Feed::start(input).map_err(reading)?;
    while let Some(batch) = feed.next().map_err(reading)? {
        for line in &batch.lines {
            match line {
                Ok(attempt) => replay.attempt(attempt),
                Err(NumberedBadLine { number, bad }) => {
                    count(&mut replay.totals.bad_lines);
                    watch.bad_line(Failure::bad_input(format!("{name}: line {number}, {bad}")))?;
                }
            }
        }
        watch.at(batch.bytes);
        feed.give_back(batch);
    }
    Ok(replay.report())
}

/// A replay under way.
#[derive(Debug)]
pub struct Replay {
    engine: Engine,
    clock: ManualClock,
    latest: Option<SystemTime>,
    locks: Locks,
    totals: Totals,
}

impl Replay {
    /// A replay under these policies, before the first attempt.
    ///
    /// # Errors
    ///
    /// If the engine refuses a policy.
    pub fn new(policies: &Policies) -> Result<Self, Failure> {
        let clock = ManualClock::default();
        Ok(Self {
            engine: policies.engine(clock.clone())?,
            clock,
            latest: None,
            locks: Locks::default(),
            totals: Totals::default(),
        })
    }

    /// Runs one attempt.
    pub fn attempt(&mut self, attempt: &Attempt) {
        self.clock.set(attempt.at);
        let totals = &mut self.totals;
        count(&mut totals.attempts);
        if self.latest.is_some_and(|latest| attempt.at < latest) {
            count(&mut totals.out_of_order);
        } else {
            self.latest = Some(attempt.at);
        }
        let admitted = match self.engine.begin(&attempt.org, &attempt.user, attempt.factor) {
            Admission::Admitted(admitted) => admitted,
            Admission::Locked(_) => {
                count(&mut totals.refused);
                return self.locks.refused(&attempt.user);
            }
            Admission::Busy | Admission::Refused(_) => return count(&mut totals.refused),
        };
        let verdict = match attempt.outcome {
            Outcome::Success => admitted.succeed(),
            Outcome::Failure => admitted.fail(),
        };
        match verdict {
            Verdict::Accepted => count(&mut totals.granted),
            Verdict::Rejected { failures, locked, .. } => {
                count(&mut totals.rejected);
                if locked {
                    // The lock's own time, as the engine has it: what an operator would have seen.
                    let lock = self.engine.status(&attempt.user).lock;
                    self.locks.add(lock.map_or(attempt.at, |lock| lock.since), attempt, failures);
                }
            }
            // Nothing runs beside the attempt that could lock its user or make it stale.
            Verdict::Locked(_) | Verdict::Superseded => count(&mut totals.refused),
        }
    }

    /// What came of all the attempts.
    #[must_use]
    pub fn report(self) -> Report {
        let mut locks = self.locks.rows;
        // A stable sort: locks of the same time stay in the order of the input.
        locks.sort_by_key(|row| row.at);
        let locked = u64::try_from(self.engine.locked_users().count()).unwrap_or(u64::MAX);
        let tracked = u64::try_from(self.engine.tracked_users()).unwrap_or(u64::MAX);
        let totals = Totals { locked, tracked, ..self.totals };
        Report { locks, totals, lower_bound: false }
    }
}

/// The locks so far, in the order of the input.
#[derive(Debug, Default)]
struct Locks {
    rows: Vec<LockRow>,
    /// Which row is that of a user's present lock.
    row_of: HashMap<UserId, usize>,
}

impl Locks {
    fn add(&mut self, at: SystemTime, attempt: &Attempt, failures: u32) {
        self.row_of.insert(attempt.user.clone(), self.rows.len());
        self.rows.push(LockRow {
            at,
            org: attempt.org.clone(),
            user: attempt.user.clone(),
            factor: attempt.factor,
            failures,
            refused: 0,
        });
    }

    /// One more attempt was refused by the user's lock.
    fn refused(&mut self, user: &UserId) {
        if let Some(row) = self.row_of.get(user).and_then(|row| self.rows.get_mut(*row)) {
            count(&mut row.refused);
        }
    }

    /// The user's lock, if there was one, refuses nothing any more.
    fn ended(&mut self, user: &UserId) {
        self.row_of.remove(user);
    }
}

fn count(number: &mut u64) {
    *number = number.saturating_add(1);
}
