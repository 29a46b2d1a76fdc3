//! Linearizability of recorded histories (rule A14): is there an order of the calls that keeps
//! "returned before the other was called", and in which one thread alone would have been given
//! the same answers?
//!
//! The search is Wing and Gong's: call by call, take any that was called before the first of the
//! others returned, and go back where the answers differ. What was tried is remembered as the set
//! of calls taken and the state reached (Lowe), so that it is never tried twice.
#![allow(dead_code, reason = "each test uses a part")]
#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};

use portcullis::{
    Admission, Attempt, Engine, Factor, LockCause, LockoutPolicy, ManualClock, OrgId, UserId,
    Verdict,
};

/// What one thread alone would be answered.
pub(crate) trait Sequential: Clone + Eq + Hash {
    type Op: Copy + Debug;
    type Answer: PartialEq + Debug;

    fn answer(&mut self, op: Self::Op) -> Self::Answer;
}

/// One call: what was asked and answered, and the ticks before and after it.
#[derive(Debug)]
pub(crate) struct Call<O, A> {
    pub(crate) op: O,
    pub(crate) answer: A,
    pub(crate) called: u64,
    pub(crate) returned: u64,
}

pub(crate) fn is_linearizable<S: Sequential>(start: S, calls: &[Call<S::Op, S::Answer>]) -> bool {
    let all = u64::MAX >> (64 - calls.len());
    let mut tried = HashSet::new();
    let mut open = vec![(0, start)];
    while let Some((taken, state)) = open.pop() {
        if taken == all {
            return true;
        }
        if !tried.insert((taken, state.clone())) {
            continue;
        }
        let left = || (0..calls.len()).filter(|index| taken >> index & 1 == 0);
        let first_return = left().map(|index| calls[index].returned).min();
        for index in left().filter(|index| Some(calls[*index].called) < first_return) {
            let mut next = state.clone();
            if next.answer(calls[index].op) == calls[index].answer {
                open.push((taken | 1 << index, next));
            }
        }
    }
    false
}

/// A call about one user. The number names the attempt; in a plan, it picks one of those held.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Begin(Factor, usize),
    Fail(Factor, usize),
    Succeed(Factor, usize),
    Cancel(Factor, usize),
    Lock,
    Unlock,
    CredentialChanged(Factor),
    Remove,
    SetLimit(u32),
    IsLocked,
    Status,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Answer {
    Admitted,
    Busy,
    Locked(LockCause),
    Accepted,
    Rejected {
        failures: u32,
        limit: u32,
        locked: bool,
    },
    Superseded,
    /// Whether it was done, or is so.
    Is(bool),
    Status {
        failures: [u32; 5],
        lock: Option<LockCause>,
        on_record: bool,
    },
}

pub(crate) type UserCall = Call<Op, Answer>;

/// The rules for one user in one thread. The bits of `live` are the attempts in flight; one that
/// is void has lost its bit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct User {
    limit: u32,
    lock: Option<LockCause>,
    failures: [u32; 5],
    live: [u64; 5],
}

impl User {
    pub(crate) fn under(limit: u32) -> Self {
        Self { limit, ..Self::default() }
    }

    fn begin(&mut self, factor: Factor, attempt: usize) -> Answer {
        let (failures, live) = (self.failures[factor as usize], &mut self.live[factor as usize]);
        if let Some(cause) = self.lock {
            return Answer::Locked(cause);
        }
        if self.limit > 0 && live.count_ones() >= self.limit.saturating_sub(failures).max(1) {
            return Answer::Busy;
        }
        *live |= 1 << attempt;
        Answer::Admitted
    }

    /// Takes an attempt out of flight; the answer if there is no verdict to give.
    fn end(&mut self, factor: Factor, attempt: usize) -> Option<Answer> {
        let live = &mut self.live[factor as usize];
        if *live >> attempt & 1 == 0 {
            return Some(Answer::Superseded);
        }
        *live &= !(1 << attempt);
        self.lock.map(Answer::Locked)
    }

    fn fail(&mut self, factor: Factor) -> Answer {
        let failures = &mut self.failures[factor as usize];
        *failures += 1;
        let locked = self.limit > 0 && *failures >= self.limit;
        if locked {
            self.lock = Some(LockCause::Failures(factor));
        }
        Answer::Rejected { failures: *failures, limit: self.limit, locked }
    }
}

impl Sequential for User {
    type Op = Op;
    type Answer = Answer;

    fn answer(&mut self, op: Op) -> Answer {
        match op {
            Op::Begin(factor, attempt) => self.begin(factor, attempt),
            Op::Fail(factor, attempt) => {
                self.end(factor, attempt).unwrap_or_else(|| self.fail(factor))
            }
            Op::Succeed(factor, attempt) => self.end(factor, attempt).unwrap_or_else(|| {
                self.failures[factor as usize] = 0;
                Answer::Accepted
            }),
            Op::Cancel(factor, attempt) => {
                self.end(factor, attempt);
                Answer::Is(true)
            }
            Op::Lock => {
                let done = self.lock.is_none();
                self.lock.get_or_insert(LockCause::Administrator);
                Answer::Is(done)
            }
            Op::Unlock if self.lock.is_none() => Answer::Is(false),
            Op::Unlock | Op::Remove => {
                *self = Self::under(self.limit);
                Answer::Is(true)
            }
            Op::CredentialChanged(factor) => {
                self.failures[factor as usize] = 0;
                self.live[factor as usize] = 0;
                Answer::Is(true)
            }
            Op::SetLimit(limit) => Answer::Is(std::mem::replace(&mut self.limit, limit) != limit),
            Op::IsLocked => Answer::Is(self.lock.is_some()),
            Op::Status => Answer::Status {
                failures: self.failures,
                lock: self.lock,
                on_record: self.lock.is_some() || (self.failures, self.live) != Default::default(),
            },
        }
    }
}

/// One engine, one user and the ticks of their history.
pub(crate) struct Stage {
    pub(crate) engine: Engine,
    org: OrgId,
    user: UserId,
    ticks: AtomicU64,
}

impl Stage {
    pub(crate) fn under(limit: u32) -> Self {
        let default = LockoutPolicy::new(limit, limit);
        let builder = Engine::builder("i".parse().unwrap(), default);
        let engine = builder.clock(ManualClock::default()).shards(2).build();
        let (org, user) = ("o".parse().unwrap(), "u".parse().unwrap());
        Self { engine, org, user, ticks: AtomicU64::new(0) }
    }

    fn tick(&self) -> u64 {
        self.ticks.fetch_add(1, Ordering::SeqCst)
    }
}

/// One thread's part in a history: its attempts and its calls.
pub(crate) struct Hand<'e> {
    stage: &'e Stage,
    held: Vec<(Factor, usize, Attempt<'e>)>,
    /// The number of the next attempt; each hand has sixteen of its own.
    next: usize,
    calls: Vec<UserCall>,
}

impl<'e> Hand<'e> {
    pub(crate) fn new(stage: &'e Stage, number: usize) -> Self {
        Self { stage, held: Vec::new(), next: number * 16, calls: Vec::new() }
    }

    /// Does what is planned and writes it down. To settle nothing is to begin.
    pub(crate) fn act(&mut self, planned: Op) {
        match planned {
            Op::Fail(factor, _) | Op::Succeed(factor, _) | Op::Cancel(factor, _)
                if self.held.is_empty() =>
            {
                self.begin(factor);
            }
            Op::Begin(factor, _) => self.begin(factor),
            Op::Fail(_, pick) => {
                let (factor, number, attempt) = self.take(pick);
                self.write_down(Op::Fail(factor, number), |_| answer_of(&attempt.fail()));
            }
            Op::Succeed(_, pick) => {
                let (factor, number, attempt) = self.take(pick);
                self.write_down(Op::Succeed(factor, number), |_| answer_of(&attempt.succeed()));
            }
            Op::Cancel(_, pick) => {
                let (factor, number, attempt) = self.take(pick);
                self.write_down(Op::Cancel(factor, number), |_| {
                    attempt.cancel();
                    Answer::Is(true)
                });
            }
            Op::Status => self.write_down(planned, |stage| {
                let status = stage.engine.status(&stage.user);
                let failures = Factor::ALL.map(|factor| status.failures(factor));
                let lock = status.lock.map(|lock| lock.cause);
                Answer::Status { failures, lock, on_record: status.org.is_some() }
            }),
            _ => self.write_down(planned, |stage| Answer::Is(administer(stage, planned))),
        }
    }

    fn begin(&mut self, factor: Factor) {
        let (number, mut begun) = (self.next, None);
        self.write_down(Op::Begin(factor, number), |stage| {
            match stage.engine.begin(&stage.org, &stage.user, factor) {
                Admission::Admitted(attempt) => {
                    begun = Some(attempt);
                    Answer::Admitted
                }
                Admission::Busy => Answer::Busy,
                Admission::Locked(lock) => Answer::Locked(lock.cause),
                Admission::Refused(refusal) => panic!("{refusal:?}"),
            }
        });
        if let Some(attempt) = begun {
            self.held.push((factor, number, attempt));
            self.next += 1;
        }
    }

    fn take(&mut self, pick: usize) -> (Factor, usize, Attempt<'e>) {
        self.held.swap_remove(pick % self.held.len())
    }

    fn write_down(&mut self, op: Op, call: impl FnOnce(&'e Stage) -> Answer) {
        let called = self.stage.tick();
        let answer = call(self.stage);
        let returned = self.stage.tick();
        self.calls.push(Call { op, answer, called, returned });
    }

    /// Cancels what is still held.
    pub(crate) fn finish(mut self) -> Vec<UserCall> {
        while !self.held.is_empty() {
            self.act(Op::Cancel(Factor::Password, 0));
        }
        self.calls
    }
}

/// Whether it was done, or is so.
fn administer(stage: &Stage, op: Op) -> bool {
    let Stage { engine, org, user, .. } = stage;
    match op {
        Op::Lock => engine.lock(org, user).is_ok(),
        Op::Unlock => engine.unlock(user).is_ok(),
        Op::CredentialChanged(factor) => engine.credential_changed(org, user, factor).is_ok(),
        Op::Remove => engine.remove_user(org, user).is_ok(),
        Op::SetLimit(limit) => engine.set_instance_policy(LockoutPolicy::new(limit, limit)).is_ok(),
        Op::IsLocked => engine.is_locked(user),
        other => panic!("{other:?} is no administrator's call"),
    }
}

fn answer_of(verdict: &Verdict) -> Answer {
    match verdict {
        Verdict::Accepted => Answer::Accepted,
        Verdict::Rejected { failures, limit, locked } => {
            Answer::Rejected { failures: *failures, limit: limit.get(), locked: *locked }
        }
        Verdict::Locked(lock) => Answer::Locked(lock.cause),
        Verdict::Superseded => Answer::Superseded,
    }
}
