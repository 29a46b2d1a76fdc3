//! What the benchmarks share: ids, subjects, timing in interleaved rounds, and the claims.
//!
//! Times on a machine that does other things too are worth little by themselves. So each round
//! measures every subject once, one after the other, and what counts is the median of the ratios
//! within the rounds (for what two threads do, the best one: a disturbed round tells nothing).

#![allow(dead_code, reason = "each benchmark uses a part of this file")]

use std::env;
use std::hint::{black_box, spin_loop};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use criterion::Criterion;
use criterion::measurement::WallTime;

/// How many rounds of one thread, and how many of two.
pub(crate) const ROUNDS: usize = 7;
pub(crate) const ROUNDS_OF_TWO: usize = 5;

/// Whether everything is only to be tried once: `cargo bench -- --test`, `cargo test --benches`.
pub(crate) fn test_mode() -> bool {
    env::args().any(|arg| arg == "--test") || !env::args().any(|arg| arg == "--bench")
}

/// Whether the claims are to be measured: in a plain `cargo bench`, and alone with the filter
/// `ratios`, which no criterion benchmark matches.
pub(crate) fn wants_ratios() -> bool {
    let mut others = env::args().skip(1).filter(|arg| arg != "--bench").peekable();
    !test_mode() && (others.peek().is_none() || others.any(|arg| arg == "ratios"))
}

/// Short runs: there are many of them, and the claims do not rest on them.
pub(crate) fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(300))
        .configure_from_args()
}

/// The sizes that are measured, with their names.
pub(crate) fn sizes() -> [(u64, &'static str); 3] {
    if test_mode() {
        [(100, "100"), (200, "200"), (400, "400")]
    } else {
        [(1_000, "1k"), (100_000, "100k"), (1_000_000, "1M")]
    }
}

/// An even, fixed scatter of numbers (splitmix64).
pub(crate) fn scatter(n: u64) -> u64 {
    let mut x = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The `i`-th id of a generator like sonyflake: time, sequence and machine in one number of 17 to
/// 19 digits, such as `69629023906488334`.
pub(crate) fn id(i: u64) -> String {
    let time = 4_150_000_000 + i * 37 + scatter(i) % 37;
    let era = [0, 0, 6_000_000_000, 60_000_000_000][(i % 4) as usize];
    (((time + era) << 24) | ((i % 4) << 16) | 0x1234).to_string()
}

/// 131,072 random numbers below `n`: whom the queries ask for.
pub(crate) fn random(n: u64) -> impl Iterator<Item = u64> {
    let queries = if test_mode() { 1 << 7 } else { 1 << 17 };
    (0..queries).map(move |i| scatter(i ^ 0x5eed) % n)
}

/// One way of answering queries, by its name.
pub(crate) struct Subject<'a> {
    pub(crate) name: &'static str,
    calls: Box<dyn Calls + 'a>,
}

impl<'a> Subject<'a> {
    /// `call` answers one query with a number that is made of the answer. Each subject has queries
    /// of its own, so that none drags the keys of another through the caches.
    pub(crate) fn new<Q: Sync>(
        name: &'static str,
        queries: &'a [Q],
        call: impl Fn(&Q) -> u64 + Clone + Sync + 'a,
    ) -> Self {
        Self::per_thread(name, queries, move || call.clone())
    }

    /// As [`Self::new`], for calls on something that each thread has of its own.
    pub(crate) fn per_thread<Q: Sync, F: FnMut(&Q) -> u64 + 'a>(
        name: &'static str,
        queries: &'a [Q],
        make_call: impl Fn() -> F + Sync + 'a,
    ) -> Self {
        assert!(queries.len().is_power_of_two());
        Self { name, calls: Box::new((queries, make_call)) }
    }

    /// The sum of the answers to all queries.
    pub(crate) fn sum(&self) -> u64 {
        self.calls.chain(0, self.calls.queries())
    }
}

/// Loops around a call, compiled together with it.
trait Calls: Sync {
    fn queries(&self) -> usize;
    fn chain(&self, first: usize, calls: usize) -> u64;
    fn each(&self) -> Vec<u64>;
}

impl<Q: Sync, F: FnMut(&Q) -> u64, M: Fn() -> F + Sync> Calls for (&[Q], M) {
    fn queries(&self) -> usize {
        self.0.len()
    }

    /// Where the next query lies depends on the last answer: the processor cannot overlap calls,
    /// so the time is what a caller waits for one.
    #[inline(never)]
    fn chain(&self, first: usize, calls: usize) -> u64 {
        let (queries, mut call) = (self.0, self.1());
        let (mut at, mut sum, nothing) = (first, 0_u64, black_box(0));
        for _ in 0..calls {
            let answer = call(&queries[at & (queries.len() - 1)]);
            at += 1 + (answer & nothing) as usize;
            sum = sum.wrapping_add(answer);
        }
        sum
    }

    /// The nanoseconds of each call, with those of the clock that takes them.
    #[inline(never)]
    fn each(&self) -> Vec<u64> {
        let (queries, mut call) = (self.0, self.1());
        let time = |query| {
            let start = Instant::now();
            black_box(call(query));
            start.elapsed().as_nanos() as u64
        };
        queries.iter().map(time).collect()
    }
}

/// How long each of so many threads takes for so many calls (the slowest one).
pub(crate) fn time(subject: &Subject<'_>, threads: usize, calls: usize) -> Duration {
    let run = |first| {
        let start = Instant::now();
        black_box(subject.calls.chain(first, calls));
        start.elapsed()
    };
    if threads == 1 {
        return run(0);
    }
    let (all_there, run) = (&Barrier::new(threads), &run);
    thread::scope(|scope| {
        let start = |thread| {
            scope.spawn(move || {
                all_there.wait();
                run(thread * subject.calls.queries() / threads)
            })
        };
        let running: Vec<_> = (0..threads).map(start).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).max().unwrap()
    })
}

/// How fast a writer beside the reader writes.
#[derive(Clone, Copy)]
pub(crate) enum Pace {
    PerSecond(u32),
    FullSpeed,
}

/// Runs `read` beside a thread that calls `write` with 0, 1, 2, …
pub(crate) fn beside_writer<R>(
    write: &(impl Fn(u64) + Sync),
    pace: Pace,
    read: impl FnOnce() -> R,
) -> R {
    let (both_there, done) = (Barrier::new(2), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            both_there.wait();
            let start = Instant::now();
            for n in 0.. {
                write(n);
                if let Pace::PerSecond(rate) = pace {
                    let due = Duration::from_secs(n) / rate;
                    while start.elapsed() < due && !done.load(Ordering::Relaxed) {
                        spin_loop();
                    }
                }
                if done.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        both_there.wait();
        let read = read();
        done.store(true, Ordering::Relaxed);
        read
    })
}

/// The calls of a run, and in how long a run of two threads it is of no account that one of them begins a little
/// later: in a short one they may come one after the other, and get along well.
const CALLS: usize = 1 << 17;
const TOGETHER: Duration = Duration::from_millis(10);

/// How many calls each of two threads makes: as many as take so long, up to four times as many as one.
fn calls_together(subject: &Subject<'_>) -> usize {
    let once = time(subject, 1, CALLS);
    [1, 2].into_iter().find(|times| once * *times >= TOGETHER).unwrap_or(4) as usize * CALLS
}

/// The processor time that the calling thread has taken.
pub(crate) fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap()
}

/// The time that one call in a thousand exceeds, in nanoseconds.
pub(crate) fn p999(subject: &Subject<'_>) -> f64 {
    let mut times = subject.calls.each();
    times.sort_unstable();
    times[times.len() * 999 / 1000] as f64
}

/// Nanoseconds per call and thread: of each subject, in each round.
pub(crate) struct Rounds(Vec<Vec<f64>>);

impl Rounds {
    /// Measures all subjects in turn: three runs each, of which the first warms up and the best
    /// one counts.
    pub(crate) fn of(subjects: &[Subject<'_>], threads: usize) -> Self {
        let rounds = if threads == 1 { ROUNDS } else { ROUNDS_OF_TWO };
        let calls = if threads == 1 { CALLS } else { calls_together(&subjects[0]) };
        let one = |subject| {
            let run = |_| time(subject, threads, calls);
            (0..3).map(run).min().unwrap().as_nanos() as f64 / calls as f64
        };
        let mut all: Vec<_> = subjects.iter().map(|_| Vec::new()).collect();
        for _ in 0..rounds {
            for (times, subject) in all.iter_mut().zip(subjects) {
                times.push(one(subject));
            }
        }
        Self(all)
    }

    /// The median of one subject's times.
    pub(crate) fn ns(&self, subject: usize) -> f64 {
        median(self.0[subject].clone())
    }

    /// The median of the ratios of one subject's time to another's within a round.
    pub(crate) fn ratio(&self, subject: usize, to: usize) -> f64 {
        median(self.0[subject].iter().zip(&self.0[to]).map(|(one, other)| one / other).collect())
    }

    /// The least of those ratios.
    pub(crate) fn best_ratio(&self, subject: usize, to: usize) -> f64 {
        let ratios = self.0[subject].iter().zip(&self.0[to]).map(|(one, other)| one / other);
        ratios.fold(f64::INFINITY, f64::min)
    }

    /// The median of the differences of one subject's time to another's within a round.
    pub(crate) fn difference(&self, subject: usize, to: usize) -> f64 {
        median(self.0[subject].iter().zip(&self.0[to]).map(|(one, other)| one - other).collect())
    }

    /// One line: each subject's time, and its ratio to the first one's.
    pub(crate) fn print(&self, label: &str, subjects: &[Subject<'_>]) {
        print!("{label:46}");
        for (i, Subject { name, .. }) in subjects.iter().enumerate() {
            print!("  {name} {:.1} ns ({:.2})", self.ns(i), self.ratio(i, 0));
        }
        println!();
    }
}

/// For how long to look for a round in which there are two processors: for a second or more both may be threads of
/// one core, and then nothing scales.
const LOOK_FOR_BOTH: Duration = Duration::from_secs(4);

/// The throughput of two threads in terms of one thread's: the best round's.
pub(crate) fn scaling(subject: &Subject<'_>) -> f64 {
    // Long enough that it does not matter if one thread starts a little later.
    let calls = 1 << 20;
    let one_round = || {
        let one = time(subject, 1, calls);
        2.0 * one.as_secs_f64() / time(subject, 2, calls).as_secs_f64()
    };
    let (began, mut best) = (Instant::now(), one_round());
    while began.elapsed() < LOOK_FOR_BOTH {
        best = one_round().max(best);
    }
    best
}

pub(crate) fn median(mut of: Vec<f64>) -> f64 {
    of.sort_unstable_by(f64::total_cmp);
    of[of.len() / 2]
}

/// What is claimed of a ratio.
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

/// One line: a claim, what was measured, and the bound. When everything is only tried, there is nothing
/// to claim.
pub(crate) fn claim(label: &str, ratio: f64, bound: &Bound) {
    if test_mode() {
        return;
    }
    let (sign, limit, holds) = match bound {
        Bound::AtMost(limit) => ("<=", limit, ratio <= *limit),
        Bound::AtLeast(limit) => (">=", limit, ratio >= *limit),
    };
    let missed = if holds { "" } else { "   MISSED" };
    println!("  claim: {label:60} {ratio:.2}  ({sign} {limit}){missed}");
}

/// A group of criterion's.
pub(crate) type Group<'a> = criterion::BenchmarkGroup<'a, WallTime>;

/// One criterion benchmark: the time of one call of one thread. Whatever the first call makes is made
/// before: else criterion takes its making for the time of a call, and measures the subject by ten.
pub(crate) fn bench(group: &mut Group<'_>, id: &str, mut time: impl FnMut(usize) -> Duration) {
    group.bench_function(id, |bencher| {
        let _ = time(1);
        bencher.iter_custom(|calls| time(calls as usize));
    });
}
