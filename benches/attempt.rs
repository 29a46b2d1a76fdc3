//! Attempts and the look at a lock, beside what one would write instead.
//!
//! The rivals do less: governor's keyed limiter takes one step for each key where an attempt takes
//! two (begin, settle), and the maps know neither factors nor attempts in flight.
//!
//! `cargo bench --bench attempt -- ratios` measures the claims alone.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a benchmark prints, and stops at the first surprise"
)]

mod common;

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::iter;
use std::num::NonZeroU32;
use std::sync::{LazyLock, Mutex};

use common::{Bound, Rounds, Subject, bench, claim, time};
use criterion::Criterion;
use dashmap::DashMap;
use foldhash::fast::RandomState;
use governor::clock::DefaultClock;
use governor::state::keyed::{DashMapStateStore, DefaultHasher};
use governor::{Quota, RateLimiter};
use portcullis::{Admission, Engine, Factor, LockoutPolicy, OrgId, UserId, Verdict};

type Governor<S> = RateLimiter<String, DashMapStateStore<String, S>, DefaultClock>;

/// How many organizations the users are of.
const ORGS: u64 = 1_000;

/// Failures that lock where a rival's user is locked.
const LIMIT: u32 = 5;

/// A limit that nobody reaches here: the highest one that is looked up quickly.
const HUGE: u32 = (1 << 25) - 1;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    /// begin + fail under the default: no number of failures locks.
    Fail,
    /// begin + fail under an override of each organization, with a limit that nobody reaches.
    FailUnderLimit,
    /// begin + succeed of users who are not tracked, while so many others are.
    Succeed,
    /// begin of a locked user.
    BeginLocked,
    /// `is_locked` of a locked user.
    IsLocked,
    /// `is_locked` of a user never heard of, while so many others have a failure.
    IsLockedUnknown,
    /// The same while so many others are locked.
    IsLockedUnknownAmongLocked,
}

const OPS: [(Op, &str); 7] = [
    (Op::Fail, "begin+fail"),
    (Op::FailUnderLimit, "begin+fail (huge limit)"),
    (Op::Succeed, "begin+succeed, clean user"),
    (Op::BeginLocked, "begin, locked user"),
    (Op::IsLocked, "is_locked"),
    (Op::IsLockedUnknown, "is_locked, unknown user"),
    (Op::IsLockedUnknownAmongLocked, "is_locked, unknown user, others locked"),
];

/// Who logs in: for the engine, and for the rivals.
struct Logins {
    engine: Vec<(OrgId, UserId)>,
    rivals: Vec<String>,
}

impl Logins {
    fn of(users: impl Iterator<Item = u64>) -> Self {
        let (engine, rivals) = users.map(|i| (login(i), common::id(i))).unzip();
        Self { engine, rivals }
    }
}

fn login(user: u64) -> (OrgId, UserId) {
    (org(user), common::id(user).parse().unwrap())
}

fn org(user: u64) -> OrgId {
    common::id(50_000_000 + user % ORGS).parse().unwrap()
}

/// All structures, with the same users on record.
struct World {
    op: Op,
    engine: Engine,
    governor: Governor<DefaultHasher>,
    governor_foldhash: Governor<RandomState>,
    mutex: Mutex<HashMap<String, u32, RandomState>>,
    dash_map: DashMap<String, u32, RandomState>,
}

impl World {
    fn new(op: Op, users: u64) -> Self {
        // A quota that always admits, so that each check counts, as each failure does.
        let quota = Quota::per_second(NonZeroU32::new(1_000_000_000).unwrap());
        let default = if op == Op::Fail { 0 } else { LIMIT };
        let world = Self {
            op,
            engine: Engine::new("bench".parse().unwrap(), LockoutPolicy::new(default, default)),
            governor: RateLimiter::dashmap(quota),
            governor_foldhash: RateLimiter::dashmap_with_hasher(quota, RandomState::default()),
            mutex: Mutex::default(),
            dash_map: DashMap::default(),
        };
        if op == Op::FailUnderLimit {
            for i in 0..ORGS {
                world.engine.add_override(&org(i), LockoutPolicy::new(HUGE, HUGE)).unwrap();
            }
        }
        let locked = matches!(op, Op::BeginLocked | Op::IsLocked | Op::IsLockedUnknownAmongLocked);
        for i in 0..users {
            let (login, key) = (login(i), common::id(i));
            if locked {
                world.engine.lock(&login.0, &login.1).unwrap();
            } else {
                assert_eq!(fail(&world.engine, &login), 1);
            }
            check(&world.governor, &key);
            check(&world.governor_foldhash, &key);
            let failures = if locked { LIMIT } else { 1 };
            world.mutex.lock().unwrap().insert(key.clone(), failures);
            world.dash_map.insert(key, failures);
        }
        world
    }

    /// The rivals, first the one that a claim compares with, and last the engine.
    fn subjects<'a>(
        &'a self,
        Logins { engine: logins, rivals: keys }: &'a Logins,
    ) -> Vec<Subject<'a>> {
        let Self { engine, governor, governor_foldhash, dash_map, .. } = self;
        let governors = || {
            [
                Subject::new("governor", keys, |key| check(governor, key)),
                Subject::new("governor (foldhash)", keys, |key| check(governor_foldhash, key)),
            ]
        };
        let maps = || {
            [
                Subject::new("DashMap get", keys, |key: &String| {
                    u64::from(dash_map.get(key).is_some_and(|failures| *failures >= LIMIT))
                }),
                Subject::new("Mutex<HashMap>", keys, |key: &String| self.mutex_is_locked(key)),
            ]
        };
        let mut subjects = Vec::new();
        match self.op {
            Op::Fail | Op::FailUnderLimit => {
                subjects.extend(governors());
                subjects.push(Subject::new("Mutex<HashMap>", keys, |key| self.mutex_fail(key)));
                subjects.push(Subject::new("engine", logins, |login| fail(engine, login)));
            }
            Op::Succeed => {
                subjects.push(Subject::new("Mutex<HashMap>", keys, |key| self.mutex_succeed(key)));
                subjects.push(Subject::new("engine", logins, |login| succeed(engine, login)));
            }
            Op::BeginLocked => {
                subjects.extend(maps());
                subjects.push(Subject::new("engine", logins, |login| begin_locked(engine, login)));
            }
            Op::IsLocked | Op::IsLockedUnknown | Op::IsLockedUnknownAmongLocked => {
                subjects.extend(maps());
                subjects.push(Subject::new("engine", logins, |(_, user)| {
                    u64::from(engine.is_locked(user))
                }));
            }
        }
        subjects
    }

    /// Begin and settle as two steps, as the check of a password lies between them.
    fn mutex_fail(&self, key: &str) -> u64 {
        if self.mutex_failures(key) == u32::MAX {
            return 0;
        }
        let mut failures = self.mutex.lock().unwrap();
        let Some(failures) = failures.get_mut(key) else {
            failures.insert(String::from(key), 1);
            return 1;
        };
        *failures += 1;
        u64::from(*failures)
    }

    fn mutex_succeed(&self, key: &str) -> u64 {
        let before = self.mutex_failures(key);
        self.mutex.lock().unwrap().remove(key);
        u64::from(before < LIMIT)
    }

    fn mutex_is_locked(&self, key: &str) -> u64 {
        u64::from(self.mutex_failures(key) >= LIMIT)
    }

    fn mutex_failures(&self, key: &str) -> u32 {
        self.mutex.lock().unwrap().get(key).copied().unwrap_or(0)
    }
}

fn check<S: BuildHasher + Clone>(governor: &Governor<S>, key: &String) -> u64 {
    u64::from(governor.check_key(key).is_ok())
}

fn fail(engine: &Engine, (org, user): &(OrgId, UserId)) -> u64 {
    match engine.begin(org, user, Factor::Password) {
        Admission::Admitted(attempt) => match attempt.fail() {
            Verdict::Rejected { failures, .. } => u64::from(failures),
            _ => 0,
        },
        _ => 0,
    }
}

fn succeed(engine: &Engine, (org, user): &(OrgId, UserId)) -> u64 {
    match engine.begin(org, user, Factor::Password) {
        Admission::Admitted(attempt) => u64::from(attempt.succeed() == Verdict::Accepted),
        _ => 0,
    }
}

fn begin_locked(engine: &Engine, (org, user): &(OrgId, UserId)) -> u64 {
    let admission = engine.begin(org, user, Factor::Password);
    u64::from(matches!(admission, Admission::Locked(_)))
}

/// Logins of many users, and of one hot one.
fn logins(op: Op, users: u64) -> [(&'static str, Logins); 2] {
    // Clean and unknown users are others than those on record.
    let others = matches!(op, Op::Succeed | Op::IsLockedUnknown | Op::IsLockedUnknownAmongLocked);
    let first = if others { 20_000_000 } else { 0 };
    let spread = Logins::of(common::random(users).map(|i| first + i));
    let hot = Logins::of(iter::repeat_n(first + users / 2, 1 << 10));
    [("spread", spread), ("hot user", hot)]
}

fn criterion_groups(criterion: &mut Criterion) {
    let (users, size) = common::sizes()[1];
    for (op, name) in OPS {
        // Built only if the filter selects something of this operation.
        let world = LazyLock::new(move || World::new(op, users));
        let logins = LazyLock::new(move || logins(op, users));
        let subjects: Vec<_> = {
            let none = Logins::of(iter::once(0));
            World::new(op, 1).subjects(&none).iter().map(|it| it.name).collect()
        };
        for (kind, kind_name) in ["spread", "hot user"].into_iter().enumerate() {
            let mut group = criterion.benchmark_group(format!("{name}/{kind_name}/{size}"));
            for (subject, name) in subjects.iter().enumerate() {
                for threads in [1, 2] {
                    bench(&mut group, &format!("{name}/{threads}T"), |calls| {
                        time(&world.subjects(&logins[kind].1)[subject], threads, calls)
                    });
                }
            }
        }
    }
}

/// Measures and prints the claims.
fn ratios() {
    println!("\nns per call (ratio to the first), medians of {} rounds", common::ROUNDS);
    for (users, size) in common::sizes() {
        for (op, name) in OPS {
            let (world, logins) = (World::new(op, users), logins(op, users));
            for (kind, logins) in &logins {
                let subjects = world.subjects(logins);
                let label = format!("{name}, {kind} {size}");
                let (one, two) = (Rounds::of(&subjects, 1), Rounds::of(&subjects, 2));
                one.print(&label, &subjects);
                two.print(&format!("{label}, 2 threads"), &subjects);
                let engine = subjects.len() - 1;
                if matches!((op, *kind), (Op::BeginLocked | Op::IsLocked, "hot user")) {
                    let label = format!("{label} engine, throughput of 2 threads/1 thread");
                    claim(&label, common::scaling(&subjects[engine]), &Bound::AtLeast(1.9));
                }
                let label = format!("{label} engine/{}", subjects[0].name);
                if matches!((op, *kind), (Op::IsLockedUnknown, "hot user")) {
                    let label = format!("{label}, 2 threads");
                    claim(&label, two.best_ratio(engine, 0), &Bound::AtMost(0.35));
                }
                let bound = match (op, *kind) {
                    (Op::Fail | Op::FailUnderLimit, "spread") => 2.5,
                    (Op::BeginLocked, _) => 1.5,
                    (Op::IsLockedUnknown, "spread") => 1.2,
                    _ => continue,
                };
                claim(&label, one.ratio(engine, 0), &Bound::AtMost(bound));
            }
        }
    }
}

fn main() {
    let mut criterion = common::criterion();
    criterion_groups(&mut criterion);
    criterion.final_summary();
    if common::wants_ratios() {
        ratios();
    }
}
