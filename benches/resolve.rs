//! `Engine::resolve` beside its floor and its rivals.
//!
//! The floor is std's `HashMap`, without any synchronisation and with the engine's hasher: what a
//! look-up costs if nothing may ever change. The rivals are what one would write instead.
//!
//! `cargo bench --bench resolve -- ratios` measures the claims alone.

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
use std::hint::black_box;
use std::sync::{LazyLock, RwLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use common::{Bound, Pace, Rounds, Subject, bench, beside_writer, claim, time};
use criterion::Criterion;
use dashmap::DashMap;
use foldhash::fast::RandomState;
use portcullis::{Engine, LockoutPolicy, OrgId};

const DEFAULT: LockoutPolicy = LockoutPolicy::new(5, 5);

/// The places of the subjects in [`World::subjects`].
const FLOOR: usize = 0;
const RW_LOCK: usize = 1;
const DASH_MAP: usize = 2;
const ENGINE: usize = 3;
const READER: usize = 4;

type Map = HashMap<String, LockoutPolicy, RandomState>;

/// The same overrides in all structures.
struct World {
    floor: Map,
    rw_lock: RwLock<Map>,
    dash_map: DashMap<String, LockoutPolicy, RandomState>,
    default: ArcSwap<LockoutPolicy>,
    engine: Engine,
    /// Whose overrides a writer changes.
    changed: Vec<OrgId>,
}

fn override_of(n: u64) -> LockoutPolicy {
    LockoutPolicy::new(3 + (n % 7) as u32, 5 + (n % 3) as u32)
}

fn org(i: u64) -> OrgId {
    common::id(i).parse().unwrap()
}

impl World {
    fn new(overrides: u64) -> Self {
        let world = Self {
            floor: (0..overrides).map(|i| (common::id(i), override_of(i))).collect(),
            rw_lock: RwLock::default(),
            dash_map: DashMap::default(),
            default: ArcSwap::from_pointee(DEFAULT),
            engine: Engine::new("bench".parse().unwrap(), DEFAULT),
            changed: common::random(overrides).take(4096).map(org).collect(),
        };
        for i in 0..overrides {
            for subject in RW_LOCK..=ENGINE {
                world.change(subject, &org(i), Some(override_of(i)));
            }
        }
        world
    }

    fn subjects<'a>(&'a self, queries: &'a [OrgId]) -> [Subject<'a>; 5] {
        let default = || number(*self.default.load().as_ref());
        [
            Subject::new("floor", queries, |org| {
                self.floor.get(org.as_str()).map_or(number(DEFAULT), |policy| number(*policy))
            }),
            Subject::new("RwLock<HashMap>", queries, move |org| {
                let policy = self.rw_lock.read().unwrap().get(org.as_str()).copied();
                policy.map_or_else(default, number)
            }),
            Subject::new("DashMap", queries, move |org| {
                let policy = self.dash_map.get(org.as_str()).map(|policy| *policy);
                policy.map_or_else(default, number)
            }),
            Subject::new("engine", queries, |org| number(self.engine.resolve(org).policy)),
            Subject::per_thread("reader", queries, || {
                let mut reader = self.engine.reader();
                move |org: &OrgId| number(reader.resolve(org).policy)
            }),
        ]
    }

    /// Sets an override, or removes it.
    fn change(&self, subject: usize, org: &OrgId, policy: Option<LockoutPolicy>) {
        match (subject, policy) {
            (RW_LOCK, Some(policy)) => {
                self.rw_lock.write().unwrap().insert(org.to_string(), policy);
            }
            (RW_LOCK, None) => {
                self.rw_lock.write().unwrap().remove(org.as_str());
            }
            (DASH_MAP, Some(policy)) => {
                self.dash_map.insert(org.to_string(), policy);
            }
            (DASH_MAP, None) => {
                self.dash_map.remove(org.as_str());
            }
            (ENGINE | READER, Some(policy)) => {
                self.engine.put_override(org, policy).unwrap();
            }
            (ENGINE | READER, None) => {
                // An error where it was removed before.
                let _ = self.engine.reset_to_default(org);
            }
            _ => unreachable!("nothing changes the floor"),
        }
    }

    /// Runs `read` beside a writer of whose changes three quarters set and a quarter removes.
    fn beside_writer<R>(&self, subject: usize, pace: Pace, read: impl FnOnce() -> R) -> R {
        let write = |n| {
            let which = common::scatter(n);
            let policy = (which >> 32 & 3 != 0).then(|| override_of(n));
            self.change(subject, &self.changed[which as usize % self.changed.len()], policy);
        };
        let read = beside_writer(&write, pace, read);
        // Those who come next find all overrides set.
        self.changed.iter().for_each(|org| self.change(subject, org, Some(override_of(0))));
        read
    }
}

/// A number that takes the whole policy to tell.
fn number(policy: LockoutPolicy) -> u64 {
    let limits = [policy.max_password_attempts, policy.max_otp_attempts];
    limits.iter().map(|limit| u64::from(limit.get())).sum::<u64>()
        + u64::from(policy.show_lockout_failures)
}

/// Queries, by name: organizations with an override, without one, and one asked for all the time.
fn queries(overrides: u64) -> [(&'static str, Vec<OrgId>); 3] {
    // These ids lie far behind those of the overrides.
    let unknown = |i| org(20_000_000 + i);
    [
        ("hit", common::random(overrides).map(org).collect()),
        ("fallback", common::random(overrides).map(unknown).collect()),
        ("hot", vec![org(overrides / 2); 1 << 10]),
    ]
}

fn criterion_groups(criterion: &mut Criterion) {
    for (overrides, size) in common::sizes() {
        // Built only if the filter selects something of this size.
        let world = LazyLock::new(move || World::new(overrides));
        let queries = LazyLock::new(move || queries(overrides));
        let names = ["floor", "RwLock", "DashMap", "engine", "reader"];
        for (kind, kind_name) in ["hit", "fallback", "hot"].into_iter().enumerate() {
            let mut group = criterion.benchmark_group(format!("resolve/{kind_name}/{size}"));
            for (subject, name) in names.into_iter().enumerate() {
                for threads in [1, 2] {
                    bench(&mut group, &format!("{name}/{threads}T"), |calls| {
                        time(&world.subjects(&queries[kind].1)[subject], threads, calls)
                    });
                }
            }
        }
        let mut group = criterion.benchmark_group(format!("resolve/hit-beside-writer/{size}"));
        for (subject, name) in names.into_iter().enumerate().skip(RW_LOCK) {
            for (pace, per_second) in [(Pace::PerSecond(10_000), "10k"), (Pace::FullSpeed, "full")]
            {
                bench(&mut group, &format!("{name}/{per_second}"), |calls| {
                    world.beside_writer(subject, pace, || {
                        time(&world.subjects(&queries[0].1)[subject], 1, calls)
                    })
                });
            }
        }
    }
}

/// Faster is worth nothing if the answers differ.
fn assert_agreement(subjects: &[Subject<'_>]) {
    let expected = subjects[FLOOR].sum();
    for subject in subjects {
        assert_eq!(subject.sum(), expected, "{}", subject.name);
    }
}

/// What is claimed of one size.
struct Bounds {
    engine_to_floor: f64,
    reader_to_floor: f64,
    fallback_to_dash_map: f64,
    paced_writer_to_quiet: f64,
    full_writer_to_floor: f64,
}

/// For 1 k, 100 k and 1 M.
const BOUNDS: [Bounds; 3] = [
    Bounds {
        engine_to_floor: 1.4,
        reader_to_floor: 1.25,
        fallback_to_dash_map: 0.7,
        paced_writer_to_quiet: 1.1,
        full_writer_to_floor: 2.5,
    },
    Bounds {
        engine_to_floor: 1.1,
        reader_to_floor: 1.0,
        fallback_to_dash_map: 0.7,
        paced_writer_to_quiet: 1.15,
        full_writer_to_floor: 1.5,
    },
    Bounds {
        engine_to_floor: 0.65,
        reader_to_floor: 0.6,
        fallback_to_dash_map: 0.85,
        paced_writer_to_quiet: 1.2,
        full_writer_to_floor: 0.7,
    },
];

/// Measures and prints the claims.
fn ratios() {
    println!("\nns per call (ratio to the floor), medians of {} rounds", common::ROUNDS);
    handles();
    for ((overrides, size), bounds) in common::sizes().into_iter().zip(BOUNDS) {
        let (world, queries) = (World::new(overrides), queries(overrides));
        for (kind, queries) in &queries {
            let subjects = world.subjects(queries);
            assert_agreement(&subjects);
            let label = format!("resolve {kind} {size}");
            let one = Rounds::of(&subjects, 1);
            one.print(&label, &subjects);
            Rounds::of(&subjects, 2).print(&format!("{label}, 2 threads"), &subjects);
            let claim_of = |what: &str, ratio, bound| {
                claim(&format!("{label} {what}"), ratio, &Bound::AtMost(bound));
            };
            if *kind == "hit" {
                claim_of("engine/floor", one.ratio(ENGINE, FLOOR), bounds.engine_to_floor);
                claim_of("reader/floor", one.ratio(READER, FLOOR), bounds.reader_to_floor);
            }
            if *kind == "fallback" {
                let (ratio, bound) = (one.ratio(ENGINE, DASH_MAP), bounds.fallback_to_dash_map);
                claim_of("engine/DashMap with ArcSwap", ratio, bound);
            } else {
                let label = format!("{label} engine, throughput of 2 threads/1 thread");
                let scaling = common::scaling(&subjects[ENGINE]);
                claim(&label, scaling, &Bound::AtLeast(1.9));
            }
        }
        let subjects = world.subjects(&queries[0].1);
        writers(&world, &subjects, size, &bounds);
        writers_p999(&world, &subjects, size);
    }
    growth();
}

/// An organization's handle beside the load of a policy that never changes.
fn handles() {
    let world = World::new(common::sizes()[0].0);
    let (plain, handle) = (override_of(7), world.engine.org(&org(7)));
    let without = world.engine.org(&org(20_000_000));
    let queries = [(); 1 << 10];
    let subjects = [
        Subject::new("plain struct", &queries, |()| number(*black_box(&plain))),
        Subject::new("handle", &queries, |()| number(black_box(&handle).resolve().policy)),
        Subject::new("handle, fallback", &queries, |()| {
            number(black_box(&without).resolve().policy)
        }),
    ];
    let one = Rounds::of(&subjects, 1);
    one.print("resolve by handle", &subjects);
    claim("resolve by handle/plain struct", one.ratio(1, 0), &Bound::AtMost(2.0));
    let scaling = common::scaling(&subjects[1]);
    let label = "resolve by handle, throughput of 2 threads/1 thread";
    claim(label, scaling, &Bound::AtLeast(1.9));
}

/// What a writer does to the readers' mean times, each compared within a round; the best one.
fn writers(world: &World, subjects: &[Subject<'_>], size: &str, bounds: &Bounds) {
    let calls = 1 << 17;
    let per_call = |subject: usize| {
        let run = |_| time(&subjects[subject], 1, calls);
        (0..3).map(run).min().unwrap().as_nanos() as f64 / calls as f64
    };
    let ratio = |subject: usize, pace, to: usize| {
        let round = |_| {
            let compared = per_call(to);
            let beside = world.beside_writer(subject, pace, || per_call(subject));
            beside / compared
        };
        (0..common::ROUNDS_OF_TWO).map(round).fold(f64::INFINITY, f64::min)
    };
    for (subject, Subject { name, .. }) in subjects.iter().enumerate().skip(RW_LOCK) {
        let paced = ratio(subject, Pace::PerSecond(10_000), subject);
        let full = ratio(subject, Pace::FullSpeed, FLOOR);
        let label = format!("resolve hit {size} {name} beside a writer");
        println!("{label}, 10k/s/quiet {paced:.2}, full speed/floor {full:.2}");
        if subject == ENGINE {
            let bound = Bound::AtMost(bounds.paced_writer_to_quiet);
            claim(&format!("{label}, 10k/s/quiet"), paced, &bound);
            let bound = Bound::AtMost(bounds.full_writer_to_floor);
            claim(&format!("{label}, full speed/floor"), full, &bound);
        }
    }
}

/// What a writer does to the readers' slowest calls.
fn writers_p999(world: &World, subjects: &[Subject<'_>], size: &str) {
    for (subject, Subject { name, .. }) in subjects.iter().enumerate().skip(RW_LOCK) {
        for (pace, speed) in [(Pace::PerSecond(10_000), "10k/s"), (Pace::FullSpeed, "full speed")] {
            let run = || common::p999(&subjects[subject]);
            let round = |_| {
                run();
                let quiet = run();
                (quiet, world.beside_writer(subject, pace, run))
            };
            let (quiet, beside) = (0..common::ROUNDS_OF_TWO)
                .map(round)
                .min_by(|(a, b), (c, d)| f64::total_cmp(&(b / a), &(d / c)))
                .unwrap();
            println!(
                "resolve hit {size} beside a writer, {speed}  {name} p99.9 {beside} ns, quiet {quiet} ns ({:.2})",
                beside / quiet
            );
            if subject == ENGINE && size == "1M" && matches!(pace, Pace::FullSpeed) {
                let label = "resolve hit 1M engine, p99.9 beside a full-speed writer/quiet";
                claim(label, beside / quiet, &Bound::AtMost(2.0));
            }
        }
    }
}

/// The slowest single insertion on the way to a million, in processor time of the thread.
fn growth() {
    let (overrides, size) = common::sizes()[2];
    let orgs: Vec<OrgId> = (0..overrides).map(org).collect();
    let round = |_| {
        let mut map = Map::default();
        let floor = slowest(&orgs, |org| {
            map.insert(org.to_string(), DEFAULT);
        });
        let engine = Engine::new("bench".parse().unwrap(), DEFAULT);
        let ours = slowest(&orgs, |org| {
            engine.add_override(org, DEFAULT).unwrap();
        });
        println!("slowest insertion to {size}  floor {floor:?}  engine {ours:?}");
        ours.as_secs_f64() / floor.as_secs_f64()
    };
    let ratio = common::median((0..3).map(round).collect());
    let label = format!("slowest insertion while growing to {size} engine/floor");
    claim(&label, ratio, &Bound::AtMost(0.05));
}

fn slowest(orgs: &[OrgId], mut insert: impl FnMut(&OrgId)) -> Duration {
    let timed = |org| {
        let start = common::thread_time();
        insert(org);
        common::thread_time().saturating_sub(start)
    };
    orgs.iter().map(timed).max().unwrap()
}

fn main() {
    let mut criterion = common::criterion();
    criterion_groups(&mut criterion);
    criterion.final_summary();
    if common::wants_ratios() {
        ratios();
    } else if common::test_mode() {
        let world = World::new(100);
        for (_, queries) in &queries(100) {
            assert_agreement(&world.subjects(queries));
        }
    }
}
