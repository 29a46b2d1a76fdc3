//! A replay beside a mere parse of the same lines into the same fields: how much of the time is
//! the engine's?

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark is no interface and may panic")]

use std::fmt::Write;
use std::hint::black_box;
use std::io::{BufRead, Cursor};
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use portcullis::LockoutPolicy;
use portcullis_server::exit::Failure;
use portcullis_server::replay::policy::Policies;
use portcullis_server::replay::{Watch, replay};
use serde::Deserialize;

const LINES: u64 = 200_000;
const ORGS: u64 = 50;
const USERS: u64 = 20_000;

/// What a line holds, copied.
#[derive(Deserialize)]
#[expect(dead_code, reason = "it is only parsed")]
struct Owned {
    at: String,
    org: String,
    user: String,
    factor: String,
    outcome: String,
}

/// What a line holds, borrowed: the least that a parse can cost.
#[derive(Deserialize)]
#[expect(dead_code, reason = "it is only parsed")]
struct Borrowed<'a> {
    at: &'a str,
    org: &'a str,
    user: &'a str,
    factor: &'a str,
    outcome: &'a str,
}

/// Two failures in five, so that some users get locked and most do not.
fn trace() -> String {
    let mut trace = String::new();
    let mut random = 1_u64;
    for second in 0..LINES {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let user = (random >> 33) % USERS;
        let outcome = if (random >> 20) % 5 < 2 { "failure" } else { "success" };
        let factor = if (random >> 24).is_multiple_of(4) { "totp" } else { "password" };
        writeln!(
            trace,
            r#"{{"at":"2026-03-1{}T{:02}:{:02}:{:02}Z","org":"org-{}","user":"user{user}@org-{}.example","factor":"{factor}","outcome":"{outcome}","source":"192.0.2.{}"}}"#,
            second / 86_400,
            second / 3_600 % 24,
            second / 60 % 60,
            second % 60,
            user % ORGS,
            user % ORGS,
            random >> 56,
        )
        .unwrap();
    }
    trace
}

struct Nobody;

impl Watch for Nobody {
    fn at(&mut self, _bytes: u64) {}

    fn bad_line(&mut self, bad: Failure) -> Result<(), Failure> {
        Err(bad)
    }
}

fn replays(criterion: &mut Criterion) {
    let trace = trace();
    let policies = Policies { default: LockoutPolicy::new(5, 5), ..Policies::default() };
    let mut group = criterion.benchmark_group("replay");
    group.throughput(Throughput::Elements(LINES)).sample_size(20);
    group.bench_function("parse_only", |bencher| {
        bencher.iter(|| {
            let mut input = Cursor::new(&trace);
            let mut line = Vec::new();
            while input.read_until(b'\n', &mut line).unwrap() > 0 {
                black_box(serde_json::from_slice::<Borrowed<'_>>(&line).unwrap());
                line.clear();
            }
        });
    });
    group.bench_function("parse_only_owned", |bencher| {
        bencher.iter(|| {
            for line in Cursor::new(&trace).lines() {
                black_box(serde_json::from_str::<Owned>(&line.unwrap()).unwrap());
            }
        });
    });
    group.bench_function("full", |bencher| {
        let trace: Arc<[u8]> = trace.as_bytes().into();
        bencher.iter(|| {
            let input = Cursor::new(Arc::clone(&trace));
            replay(input, "trace", &policies, &mut Nobody).unwrap()
        });
    });
    group.finish();
}

criterion_group!(benches, replays);
criterion_main!(benches);
