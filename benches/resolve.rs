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
use std::sync::{LazyLock, RwLock};

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

    fn subjects<'a>(&'a self, queries: &'a [OrgId]) -> [Subject<'a>; 4] {
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
            (ENGINE, Some(policy)) => {
                self.engine.put_override(org, policy).unwrap();
            }
            (ENGINE, None) => {
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
        let names = ["floor", "RwLock", "DashMap", "engine"];
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

/// Measures and prints the claims.
fn ratios() {
    println!("\nns per call (ratio to the floor), medians of {} rounds", common::ROUNDS);
    for ((overrides, size), bound) in common::sizes().into_iter().zip([1.3, 2.5, 1.7]) {
        let (world, queries) = (World::new(overrides), queries(overrides));
        for (kind, queries) in &queries {
            let subjects = world.subjects(queries);
            assert_agreement(&subjects);
            let label = format!("resolve {kind} {size}");
            let one = Rounds::of(&subjects, 1);
            one.print(&label, &subjects);
            Rounds::of(&subjects, 2).print(&format!("{label}, 2 threads"), &subjects);
            if *kind == "hit" {
                let label = format!("{label} engine/floor");
                claim(&label, one.ratio(ENGINE, FLOOR), &Bound::AtMost(bound));
            }
            if *kind == "fallback" && size == "1k" {
                let label = format!("{label} engine/DashMap with ArcSwap");
                claim(&label, one.ratio(ENGINE, DASH_MAP), &Bound::AtMost(0.6));
            }
            if *kind != "fallback" {
                let label = format!("{label} engine, throughput of 2 threads/1 thread");
                let scaling = common::scaling(&subjects[ENGINE]);
                claim(&label, scaling, &Bound::AtLeast(1.9));
            }
        }
        writers(&world, &world.subjects(&queries[0].1), size);
    }
}

/// What a writer does to the readers' times.
fn writers(world: &World, subjects: &[Subject<'_>], size: &str) {
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
                claim(label, beside / quiet, &Bound::AtMost(4.0));
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
    } else if common::test_mode() {
        let world = World::new(100);
        for (_, queries) in &queries(100) {
            assert_agreement(&world.subjects(queries));
        }
    }
}
