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
}

const OPS: [(Op, &str); 5] = [
    (Op::Fail, "begin+fail"),
    (Op::FailUnderLimit, "begin+fail (huge limit)"),
    (Op::Succeed, "begin+succeed, clean user"),
    (Op::BeginLocked, "begin, locked user"),
    (Op::IsLocked, "is_locked"),
];

/// Who logs in. The key is the user again, ready for a rival that wants a `&String`.
#[derive(Clone)]
struct Login {
    org: OrgId,
    user: UserId,
    key: String,
}

fn login(i: u64) -> Login {
    let key = common::id(i);
    Login { org: org(i), user: key.parse().unwrap(), key }
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
                world.engine.add_override(&org(i), LockoutPolicy::new(1 << 30, 1 << 30)).unwrap();
            }
        }
        let locked = matches!(op, Op::BeginLocked | Op::IsLocked);
        for login in (0..users).map(login) {
            if locked {
                world.engine.lock(&login.org, &login.user).unwrap();
            } else {
                assert_eq!(fail(&world.engine, &login), 1);
            }
            check(&world.governor, &login);
            check(&world.governor_foldhash, &login);
            let failures = if locked { LIMIT } else { 1 };
            world.mutex.lock().unwrap().insert(login.key.clone(), failures);
            world.dash_map.insert(login.key, failures);
        }
        world
    }

    /// The rivals, first the one that a claim compares with, and last the engine.
    fn subjects(&self) -> Vec<Subject<'_, Login>> {
        let Self { engine, governor, governor_foldhash, dash_map, .. } = self;
        let governors = || {
            [
                Subject::new("governor", |login| check(governor, login)),
                Subject::new("governor (foldhash)", |login| check(governor_foldhash, login)),
            ]
        };
        let dash_map = || {
            Subject::new("DashMap get", |login: &Login| {
                u64::from(dash_map.get(&login.key).is_some_and(|failures| *failures >= LIMIT))
            })
        };
        let mut subjects = Vec::new();
        match self.op {
            Op::Fail | Op::FailUnderLimit => {
                subjects.extend(governors());
                subjects.push(Subject::new("Mutex<HashMap>", |login| self.mutex_fail(login)));
                subjects.push(Subject::new("engine", |login| fail(engine, login)));
            }
            Op::Succeed => {
                subjects.push(Subject::new("Mutex<HashMap>", |login| self.mutex_succeed(login)));
                subjects.push(Subject::new("engine", |login| succeed(engine, login)));
            }
            Op::BeginLocked => {
                subjects.push(dash_map());
                subjects.push(Subject::new("Mutex<HashMap>", |login| self.mutex_is_locked(login)));
                subjects.push(Subject::new("engine", |login| begin_locked(engine, login)));
            }
            Op::IsLocked => {
                subjects.push(dash_map());
                subjects.push(Subject::new("Mutex<HashMap>", |login| self.mutex_is_locked(login)));
                subjects.push(Subject::new("engine", |login: &Login| {
                    u64::from(engine.is_locked(&login.user))
                }));
            }
        }
        subjects
    }

    /// Begin and settle as two steps, as the check of a password lies between them.
    fn mutex_fail(&self, login: &Login) -> u64 {
        if self.mutex_failures(login) == u32::MAX {
            return 0;
        }
        let mut failures = self.mutex.lock().unwrap();
        let Some(failures) = failures.get_mut(&login.key) else {
            failures.insert(login.key.clone(), 1);
            return 1;
        };
        *failures += 1;
        u64::from(*failures)
    }

    fn mutex_succeed(&self, login: &Login) -> u64 {
        let before = self.mutex_failures(login);
        self.mutex.lock().unwrap().remove(&login.key);
        u64::from(before < LIMIT)
    }

    fn mutex_is_locked(&self, login: &Login) -> u64 {
        u64::from(self.mutex_failures(login) >= LIMIT)
    }

    fn mutex_failures(&self, login: &Login) -> u32 {
        self.mutex.lock().unwrap().get(&login.key).copied().unwrap_or(0)
    }
}

fn check<S: BuildHasher + Clone>(governor: &Governor<S>, login: &Login) -> u64 {
    u64::from(governor.check_key(&login.key).is_ok())
}

fn fail(engine: &Engine, login: &Login) -> u64 {
    match engine.begin(&login.org, &login.user, Factor::Password) {
        Admission::Admitted(attempt) => match attempt.fail() {
            Verdict::Rejected { failures, .. } => u64::from(failures),
            _ => 0,
        },
        _ => 0,
    }
}

fn succeed(engine: &Engine, login: &Login) -> u64 {
    match engine.begin(&login.org, &login.user, Factor::Password) {
        Admission::Admitted(attempt) => u64::from(attempt.succeed() == Verdict::Accepted),
        _ => 0,
    }
}

fn begin_locked(engine: &Engine, login: &Login) -> u64 {
    let admission = engine.begin(&login.org, &login.user, Factor::Password);
    u64::from(matches!(admission, Admission::Locked(_)))
}

/// Logins of many users, and of one hot one.
fn logins(op: Op, users: u64) -> [(&'static str, Vec<Login>); 2] {
    // Clean users are others than those on record.
    let first = if op == Op::Succeed { 20_000_000 } else { 0 };
    let hot = login(first + users / 2);
    let spread = common::random(users).map(|i| login(first + i)).collect();
    [("spread", spread), ("hot user", vec![hot; 1 << 10])]
}

fn criterion_groups(criterion: &mut Criterion) {
    let (users, size) = common::sizes()[1];
    for (op, name) in OPS {
        // Built only if the filter selects something of this operation.
        let world = LazyLock::new(move || World::new(op, users));
        let logins = LazyLock::new(move || logins(op, users));
        let subjects: Vec<_> = World::new(op, 1).subjects().iter().map(|it| it.name).collect();
        for (kind, kind_name) in ["spread", "hot user"].into_iter().enumerate() {
            let mut group = criterion.benchmark_group(format!("{name}/{kind_name}/{size}"));
            for (subject, name) in subjects.iter().enumerate() {
                for threads in [1, 2] {
                    bench(&mut group, &format!("{name}/{threads}T"), |calls| {
                        time(&world.subjects()[subject], &logins[kind].1, threads, calls)
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
            let subjects = world.subjects();
            let engine = subjects.len() - 1;
            for (kind, logins) in &logins {
                let label = format!("{name}, {kind} {size}");
                let one = Rounds::of(&subjects, logins, 1);
                one.print(&label, &subjects);
                Rounds::of(&subjects, logins, 2).print(&format!("{label}, 2 threads"), &subjects);
                let bound = match (op, *kind) {
                    (Op::Fail | Op::FailUnderLimit, "spread") => 2.5,
                    (Op::BeginLocked, _) => 1.5,
                    _ => continue,
                };
                let label = format!("{label} engine/{}", subjects[0].name);
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
