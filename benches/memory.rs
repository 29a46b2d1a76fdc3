//! Bytes per override and per tracked user, as the system counts them.
//!
//! Each structure grows in a fresh process, this program run again, so that none finds memory that
//! another has freed. What counts is the growth of the resident set, at the end and at its peak:
//! a table that doubles holds the old and the new one for a while.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a benchmark prints, and stops at the first surprise"
)]

mod common;

use std::collections::{BTreeMap, HashMap};
use std::env;
use std::fs;
use std::hint::black_box;
use std::num::NonZeroU32;
use std::process::Command;

use common::{Bound, claim, id};
use dashmap::DashMap;
use foldhash::fast::RandomState;
use governor::{Quota, RateLimiter};
use portcullis::{Admission, Engine, Factor, LockoutPolicy, OrgId, UserId, Verdict};

const STATUS: &str = "/proc/self/status";

const POLICY: LockoutPolicy = LockoutPolicy::new(5, 5);

/// The first argument of a process that is to let one structure grow.
const GROW: &str = "--grow";

/// The first argument of a process that is to change the overrides of one engine again and again.
const CHURN: &str = "--churn";

/// What claims are made of.
const ENGINE_USER: &str = "user: engine, one failure";
const ENGINE_OVERRIDE: &str = "override: engine";
/// What an engine keeps of an override besides its index: an id and a record of 64 bytes.
const LEDGER: &str = "override: BTreeMap<OrgId, [u64; 8]>";

/// How a structure grows to so many entries.
type Grow = fn(u64) -> Growth;

const STRUCTURES: [(&str, Grow); 9] = [
    ("override: HashMap<String, LockoutPolicy>", |n| {
        grow(HashMap::<_, _, RandomState>::default(), n, |map, i| {
            map.insert(id(i), POLICY);
        })
    }),
    ("override: DashMap<String, LockoutPolicy>", |n| {
        grow(DashMap::<_, _, RandomState>::default(), n, |map, i| {
            map.insert(id(i), POLICY);
        })
    }),
    (LEDGER, |n| {
        grow(BTreeMap::new(), n, |map, i| {
            map.insert(org_of(i), [i; 8]);
        })
    }),
    (ENGINE_OVERRIDE, |n| {
        grow(engine(), n, |engine, i| {
            engine.add_override(&org_of(i), POLICY).unwrap();
        })
    }),
    ("user: HashMap<String, u32>", |n| {
        grow(HashMap::<_, u32, RandomState>::default(), n, |map, i| {
            map.insert(id(i), 1);
        })
    }),
    ("user: DashMap<String, u32>", |n| {
        grow(DashMap::<_, u32, RandomState>::default(), n, |map, i| {
            map.insert(id(i), 1);
        })
    }),
    ("user: governor, keyed by String", |n| {
        let quota = Quota::per_hour(NonZeroU32::MIN);
        grow(RateLimiter::dashmap(quota), n, |governor, i| {
            governor.check_key(&id(i)).unwrap();
        })
    }),
    (ENGINE_USER, |n| {
        grow(engine(), n, |engine, i| {
            let Admission::Admitted(attempt) = engine.begin(&org(i), &user(i), Factor::Password)
            else {
                unreachable!("a clean user is admitted")
            };
            assert!(matches!(attempt.fail(), Verdict::Rejected { failures: 1, .. }));
        })
    }),
    ("user: engine, locked", |n| {
        grow(engine(), n, |engine, i| {
            engine.lock(&org(i), &user(i)).unwrap();
        })
    }),
];

fn engine() -> Engine {
    Engine::new("bench".parse().unwrap(), POLICY)
}

fn user(i: u64) -> UserId {
    id(i).parse().unwrap()
}

/// An organization with an override.
fn org_of(i: u64) -> OrgId {
    id(i).parse().unwrap()
}

fn org(user: u64) -> OrgId {
    id(50_000_000 + user % 1_000).parse().unwrap()
}

/// Bytes per entry.
struct Growth {
    end: f64,
    peak: f64,
}

fn grow<T>(structure: T, entries: u64, mut add: impl FnMut(&mut T, u64)) -> Growth {
    let (mut structure, before) = (structure, resident("VmRSS"));
    for i in 0..entries {
        add(&mut structure, i);
    }
    let per_entry = |bytes: u64| bytes.saturating_sub(before) as f64 / entries as f64;
    let growth = Growth { end: per_entry(resident("VmRSS")), peak: per_entry(resident("VmHWM")) };
    black_box(structure);
    growth
}

/// A figure of this process in bytes; the system counts in KiB.
fn resident(figure: &str) -> u64 {
    let status = fs::read_to_string(STATUS).unwrap();
    let line = status.lines().find(|line| line.starts_with(figure)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// What so many times ten random sets and removals of so many overrides, all of them set at first,
/// do to what is resident.
fn churn(overrides: u64) -> f64 {
    let engine = engine();
    (0..overrides).for_each(|i| drop(engine.add_override(&org_of(i), POLICY).unwrap()));
    let before = resident("VmRSS");
    for n in 0..10 * overrides {
        let (org, which) = (org_of(common::scatter(n) % overrides), common::scatter(!n));
        if which & 1 == 0 {
            engine.put_override(&org, LockoutPolicy::new(which as u32 >> 8, 5)).unwrap();
        } else {
            // An error where it was removed before.
            let _ = engine.reset_to_default(&org);
        }
    }
    let after = resident("VmRSS");
    black_box(engine);
    after as f64 / before as f64
}

/// Has a fresh process run this program with some arguments, and takes the numbers of its answer.
fn apart<const N: usize>(arguments: [String; N]) -> Vec<f64> {
    let child = Command::new(env::current_exe().unwrap()).args(arguments).output().unwrap();
    let answer = String::from_utf8(child.stdout).unwrap();
    let complaint = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{complaint}");
    answer.split_whitespace().map(|number| number.parse().unwrap()).collect()
}

/// Has a fresh process let a structure grow.
fn grow_apart(structure: usize, entries: u64) -> Growth {
    let numbers = apart([String::from(GROW), structure.to_string(), entries.to_string()]);
    Growth { end: numbers[0], peak: numbers[1] }
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [grow, structure, entries] = arguments.as_slice()
        && grow == GROW
    {
        let (_, grow) = STRUCTURES[structure.parse::<usize>().unwrap()];
        let Growth { end, peak } = grow(entries.parse().unwrap());
        println!("{end} {peak}");
        return;
    }
    if let [churn_word, overrides] = arguments.as_slice()
        && churn_word == CHURN
    {
        println!("{}", churn(overrides.parse().unwrap()));
        return;
    }
    if !fs::exists(STATUS).unwrap_or(false) {
        println!("MEMORY IS NOT MEASURED: there is no {STATUS} here, which tells it.");
        return;
    }
    if !common::test_mode() && !common::wants_ratios() {
        return;
    }
    let entries = if common::test_mode() { 1_000 } else { 1_000_000 };
    println!("bytes per entry at {entries} entries (peak while growing)");
    let mut ledger = 0.0;
    for (structure, (name, _)) in STRUCTURES.iter().enumerate() {
        let Growth { end, peak } = grow_apart(structure, entries);
        println!("{name:42} {end:6.1} ({peak:.1})");
        match *name {
            LEDGER => ledger = end,
            ENGINE_OVERRIDE => {
                let label = "bytes per override of the index at 1M (the engine's less the map's)";
                claim(label, end - ledger, &Bound::AtMost(35.0));
            }
            ENGINE_USER => claim("bytes per tracked user at 1M", end, &Bound::AtMost(150.0)),
            _ => {}
        }
    }
    let [churned] = apart([String::from(CHURN), entries.to_string()])[..] else { unreachable!() };
    let label = "resident after ten sets and removals an override/before";
    claim(label, churned, &Bound::AtMost(1.1));
}
