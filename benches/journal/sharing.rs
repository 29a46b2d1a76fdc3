//! Two processes on one file, both as busy as they can be: what each gets, and how long it waits.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::common::{Bound, test_mode};
use super::{child, claim, folder, open, org, runtime, settle, user};

/// The first argument of a process that settles failures until its time is over.
pub(crate) const SETTLE: &str = "--settle";

const ROUNDS: usize = 3;
const TASKS: u64 = 16;

/// The child: opens, waits for its parent's word, settles, and tells how long the longest took.
pub(crate) fn settle(file: &str) {
    runtime().block_on(async {
        let engine = Arc::new(open(Path::new(file)).await);
        println!("OPENED");
        let mut word = String::new();
        std::io::stdin().lock().read_line(&mut word).unwrap();
        let end = Instant::now() + Duration::from_millis(word.trim().parse().unwrap());
        // Users of this process alone: nothing but the file is shared.
        let first = u64::from(std::process::id()) * TASKS;
        let caller = |i| {
            let engine = Arc::clone(&engine);
            let (org, user) = (org(i), user(i));
            async move {
                let mut longest = Duration::ZERO;
                while Instant::now() < end {
                    let start = Instant::now();
                    settle::fail(&engine, &org, &user).await;
                    longest = longest.max(start.elapsed());
                }
                longest
            }
        };
        let tasks: Vec<_> = (first..first + TASKS).map(|i| tokio::spawn(caller(i))).collect();
        let mut longest = Duration::ZERO;
        for task in tasks {
            longest = longest.max(task.await.unwrap());
        }
        println!("{}", longest.as_micros());
        engine.close().await;
    });
}

/// What two processes got of a file.
struct Shares {
    /// The smaller share of all appends.
    smaller: f64,
    appends_per_second: f64,
    events_per_append: f64,
    /// The longest wait of all, in seconds.
    longest: f64,
}

fn round(time: Duration) -> Shares {
    let folder = folder();
    let file = folder.path().join("journal.db");
    let mut processes = Vec::new();
    for _ in 0..2 {
        let mut process =
            child(SETTLE, &file).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "OPENED");
        processes.push((process, lines));
    }
    for (process, _) in &mut processes {
        writeln!(process.stdin.as_mut().unwrap(), "{}", time.as_millis()).unwrap();
    }
    let mut longest: f64 = 0.0;
    for (mut process, mut lines) in processes {
        let micros: f64 = lines.next().unwrap().unwrap().parse().unwrap();
        longest = longest.max(micros / 1e6);
        assert!(process.wait().unwrap().success());
    }
    let connection = Connection::open(&file).unwrap();
    let mut query = connection
        .prepare(
            "SELECT count(DISTINCT batch), count(*) FROM event WHERE position > 1 GROUP BY writer",
        )
        .unwrap();
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let each: Vec<(f64, f64)> = rows.map(Result::unwrap).collect();
    let appends: f64 = each.iter().map(|(appends, _)| appends).sum();
    let events: f64 = each.iter().map(|(_, events)| events).sum();
    // A process that never got the file is not in it at all.
    let smallest = each.iter().map(|(appends, _)| *appends).fold(f64::INFINITY, f64::min);
    let smaller = if each.len() < 2 { 0.0 } else { smallest / appends };
    Shares {
        smaller,
        appends_per_second: appends / time.as_secs_f64(),
        events_per_append: events / appends,
        longest,
    }
}

/// Measures and prints the claims, of the worst round: one that starves a process is one too many.
pub(crate) fn ratios() {
    let (rounds, millis) = if test_mode() { (1, 100) } else { (ROUNDS, 3_000) };
    println!("two processes on one file, {TASKS} callers each, {rounds} rounds of {millis} ms");
    let (mut smaller, mut longest): (f64, f64) = (1.0, 0.0);
    for _ in 0..rounds {
        let shares = round(Duration::from_millis(millis));
        println!(
            "  smaller share {:.2}, longest wait {:.3} s, {:.0} appends/s of {:.1} events",
            shares.smaller, shares.longest, shares.appends_per_second, shares.events_per_append
        );
        smaller = smaller.min(shares.smaller);
        longest = longest.max(shares.longest);
    }
    claim("smaller share of the appends, two processes", smaller, &Bound::AtLeast(0.33));
    claim("seconds of the longest wait, two processes", longest, &Bound::AtMost(1.0));
}
