//! What the tests with threads share: a common start, dice that fall the same in every run, and a
//! witness who stands where the engine holds the user and can say whether all was in order.
#![allow(dead_code, reason = "each test uses a part")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use portcullis::{
    Admission, Aggregate, Engine, Event, Factor, LockCause, LockoutPolicy, Observer, OrgId,
    Recorded, UserId, Verdict,
};

/// How often to do something: `PORTCULLIS_SCALE` (1 if absent) times the given number.
pub(crate) fn scaled(times: usize) -> usize {
    let scale = std::env::var("PORTCULLIS_SCALE").ok().and_then(|scale| scale.parse().ok());
    times * scale.unwrap_or(1_usize)
}

/// Does `work` in so many threads, which are given their numbers and start together.
pub(crate) fn together<T: Send>(threads: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let (start, work) = (&Barrier::new(threads), &work);
    thread::scope(|scope| {
        let run = |number| {
            scope.spawn(move || {
                start.wait();
                work(number)
            })
        };
        let running: Vec<_> = (0..threads).map(run).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Does two things at once.
pub(crate) fn race<A: Send, B: Send>(
    one: impl FnOnce() -> A + Send,
    other: impl FnOnce() -> B + Send,
) -> (A, B) {
    let start = &Barrier::new(2);
    thread::scope(|scope| {
        let one = scope.spawn(move || {
            start.wait();
            one()
        });
        start.wait();
        let other = other();
        (one.join().unwrap(), other)
    })
}

/// Raises its flag when dropped, also by a panic: who waits for the flag never waits in vain.
pub(crate) struct Raise<'a>(pub(crate) &'a AtomicBool);

impl Drop for Raise<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// Each count up to the limit was given once, and the last of them locked.
pub(crate) fn assert_exact(limit: u32, verdicts: impl IntoIterator<Item = Verdict>) {
    let mut counts = Vec::new();
    for verdict in verdicts {
        let Verdict::Rejected { failures, limit: in_force, locked } = verdict else {
            panic!("{verdict:?}")
        };
        assert_eq!(in_force.get(), limit);
        assert_eq!(locked, failures == limit, "failure {failures} of {limit}");
        counts.push(failures);
    }
    counts.sort_unstable();
    assert_eq!(counts, (1..=limit).collect::<Vec<_>>());
}

/// How many checks run (low half) and how many have failed (high half), in one word, so that one
/// look tells both. A check counts after it was admitted until before it is settled, and as failed
/// from then on: the gauge never tells more than is true.
#[derive(Default)]
pub(crate) struct Gauge(AtomicUsize);

impl Gauge {
    const FAILED: usize = 1 << 32;

    pub(crate) fn runs(&self, limit: u32) {
        self.add(1, limit);
    }

    pub(crate) fn ends(&self) {
        self.0.fetch_sub(1, SeqCst);
    }

    pub(crate) fn failed(&self, limit: u32) {
        self.add(Self::FAILED, limit);
    }

    fn add(&self, what: usize, limit: u32) {
        let now = self.0.fetch_add(what, SeqCst) + what;
        let (running, failed) = (now % Self::FAILED, now / Self::FAILED);
        assert!(running + failed <= limit as usize, "{running} run and {failed} failed of {limit}");
    }
}

/// Pseudo-random numbers (`SplitMix64`).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: usize) -> Self {
        Self(seed as u64)
    }

    /// A number less than `sides`.
    pub(crate) fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((bits ^ (bits >> 31)) % sides as u64).unwrap()
    }
}

/// Writes down what an engine tells, in the order in which it is told.
#[derive(Clone, Default)]
pub(crate) struct Witness(Arc<Mutex<Vec<Told>>>);

pub(crate) enum Told {
    Event(Recorded),
    Verdict(UserId, Factor, Verdict),
}

impl Observer for Witness {
    fn event(&self, recorded: &Recorded) {
        self.0.lock().unwrap().push(Told::Event(recorded.clone()));
    }

    fn verdict(&self, _: &OrgId, user: &UserId, factor: Factor, verdict: &Verdict) {
        self.0.lock().unwrap().push(Told::Verdict(user.clone(), factor, verdict.clone()));
    }
}

/// What a user has come to, by what was told.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) lock: Option<LockCause>,
    pub(crate) failures: [u32; 5],
}

impl Witness {
    pub(crate) fn told(&self) -> Vec<Told> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Goes through what was told, event by event and verdict by verdict: each verdict must rest on
/// the events before it, and nothing may happen to a locked user but what unlocks.
pub(crate) fn judge(told: &[Told]) -> BTreeMap<UserId, Record> {
    let mut users: BTreeMap<UserId, Record> = BTreeMap::new();
    for told in told {
        match told {
            Told::Event(Recorded { aggregate: Aggregate::User { user, .. }, event, .. }) => {
                users.entry(user.clone()).or_default().take(event);
            }
            Told::Event(_) => {}
            Told::Verdict(user, factor, verdict) => {
                users.entry(user.clone()).or_default().hear(*factor, verdict);
            }
        }
    }
    users
}

impl Record {
    fn take(&mut self, event: &Event) {
        match event {
            Event::CheckFailed { factor, .. } => {
                assert_eq!(self.lock, None, "a failure was counted under a lock");
                self.failures[*factor as usize] += 1;
            }
            Event::CheckSucceeded { factor, .. } => {
                assert_eq!(self.lock, None, "a success took effect under a lock");
                self.failures[*factor as usize] = 0;
            }
            Event::Locked(cause) => assert_eq!(self.lock.replace(*cause), None, "locked twice"),
            Event::Unlocked => {
                assert!(self.lock.is_some(), "unlocked twice");
                *self = Self::default();
            }
            Event::Removed => *self = Self::default(),
            Event::CredentialChanged(factor) => self.failures[*factor as usize] = 0,
            Event::InstancePolicy(_) | Event::OrgPolicy(_) | Event::Host { .. } => {}
        }
    }

    fn hear(&self, factor: Factor, verdict: &Verdict) {
        let counted = self.failures[factor as usize];
        match verdict {
            Verdict::Accepted => assert_eq!((self.lock, counted), (None, 0)),
            Verdict::Rejected { failures, limit, locked } => {
                assert_eq!(*failures, counted, "a failure was lost");
                assert_eq!(*locked, limit.get() > 0 && counted >= limit.get());
                let cause = locked.then_some(LockCause::Failures(factor));
                assert_eq!(self.lock, cause);
            }
            Verdict::Locked(lock) => assert_eq!(self.lock, Some(lock.cause)),
            Verdict::Superseded => {}
        }
    }
}

/// How often each verdict was given; `Superseded` is not told of users who are not on record.
pub(crate) fn tally(
    verdicts: impl Iterator<Item = (UserId, Factor, Verdict)>,
) -> HashMap<String, usize> {
    let mut tally = HashMap::new();
    for verdict in verdicts.filter(|(_, _, verdict)| *verdict != Verdict::Superseded) {
        *tally.entry(format!("{verdict:?}")).or_default() += 1;
    }
    tally
}

/// Four users, two of each of two organizations.
pub(crate) fn people() -> Vec<(OrgId, UserId)> {
    let id = |number: usize| (format!("o{}", number % 2), format!("u{number}"));
    (0..4).map(id).map(|(org, user)| (org.parse().unwrap(), user.parse().unwrap())).collect()
}

/// A storm of everything at once on four users of two organizations: what was told, and the
/// verdicts that the callers were given.
pub(crate) fn mixed_storm(
    engine: &Engine,
    people: &[(OrgId, UserId)],
) -> Vec<(UserId, Factor, Verdict)> {
    let storm = |number| {
        let (mut dice, mut held, mut given) = (Dice::new(number), Vec::new(), Vec::new());
        for _ in 0..scaled(10_000) {
            let (org, user) = &people[dice.below(people.len())];
            let factor = Factor::ALL[dice.below(2)];
            let limit = u32::try_from(dice.below(6)).unwrap();
            let policy = LockoutPolicy::new(limit, 5 - limit);
            let what = dice.below(40);
            // Errors are among what may come: the user is locked already, the policy is the same.
            let _ = match what {
                0..15 => {
                    if let Admission::Admitted(attempt) = engine.begin(org, user, factor) {
                        held.push(attempt);
                    }
                    continue;
                }
                15..32 if held.is_empty() => continue,
                15..32 => {
                    let attempt = held.swap_remove(dice.below(held.len()));
                    let (user, factor) = (attempt.user().clone(), attempt.factor());
                    match what {
                        15..27 => given.push((user, factor, attempt.fail())),
                        27..30 => given.push((user, factor, attempt.succeed())),
                        30 => attempt.cancel(),
                        _ => drop(attempt),
                    }
                    continue;
                }
                32 => engine.lock(org, user).is_ok(),
                33..36 => engine.unlock(user).is_ok(),
                36 => engine.credential_changed(org, user, factor).is_ok(),
                37 => engine.remove_user(org, user).is_ok(),
                38 => engine.set_instance_policy(policy).is_ok(),
                _ if limit < 3 => engine.reset_to_default(org).is_ok(),
                _ => engine.put_override(org, policy).is_ok(),
            };
        }
        given
    };
    together(6, storm).into_iter().flatten().collect()
}
