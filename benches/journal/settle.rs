//! Failures, settled by so many callers at a time.
//!
//! The rival is what is written today: each failure reads its user's row, counts, and writes the row
//! in a transaction of its own, with a file as durable as the journal's. It comes in two forms, with
//! one connection that the callers take turns with and with a pool of them, whose waits for the
//! file's lock are SQLite's own and grow to 100 ms. A claim takes the quicker one. Its callers are
//! threads, which spares it the way from a task to a thread that may block. It does less: it keeps no
//! trail, and nothing guards its limit between the look at a row and the check of a secret.
//!
//! The floor writes bytes and waits until they are durable, nothing else: as many as the events of a
//! batch have, over a file that has its length already, as SQLite does with a log that it uses again.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, LazyLock, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use criterion::Criterion;
use portcullis::durable::Admission;
use portcullis::{DurableEngine, Factor, OrgId, UserId, Verdict};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::common::{Bound, ROUNDS, bench, median, test_mode};
use super::{claim, folder, open, org, runtime, user};

/// How many callers settle at a time.
fn callers() -> [u64; 4] {
    if test_mode() { [1, 2, 4, 8] } else { [1, 16, 64, 256] }
}

/// How many connections the second rival's callers share. With more of them it only gets slower.
const POOL: u64 = 8;

/// The subjects, in the order in which a round measures them.
const NAMES: [&str; 4] = ["engine", "row, one connection", "row, pool of 8", "floor"];

fn rounds() -> usize {
    if test_mode() { 1 } else { ROUNDS }
}

/// What is left to be done, shared by those who do it: so all of them are busy until the end.
struct Left(AtomicUsize);

impl Left {
    fn take(&self) -> bool {
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
            .is_ok()
    }
}

/// Begins and fails one attempt.
pub(crate) async fn fail(engine: &Arc<DurableEngine>, org: &OrgId, user: &UserId) {
    let Admission::Admitted(attempt) = engine.begin_owned(org, user, Factor::Password) else {
        unreachable!("without a limit everybody is admitted")
    };
    let verdict = attempt.fail().await.unwrap();
    assert!(matches!(verdict, Verdict::Rejected { .. }), "{verdict:?}");
}

/// The engine on a journal of its own.
struct OnJournal {
    engine: Arc<DurableEngine>,
    runtime: Runtime,
    file: PathBuf,
    callers: u64,
    _folder: TempDir,
}

impl OnJournal {
    fn new(callers: u64) -> Self {
        let (folder, runtime) = (folder(), runtime());
        let file = folder.path().join("journal.db");
        let engine = Arc::new(runtime.block_on(open(&file)));
        Self { engine, runtime, file, callers, _folder: folder }
    }

    fn settle(&self, failures: usize) -> Duration {
        let left = Arc::new(Left(failures.into()));
        let caller = |i| {
            let (engine, left) = (Arc::clone(&self.engine), Arc::clone(&left));
            let (org, user) = (org(i), user(i));
            async move {
                while left.take() {
                    fail(&engine, &org, &user).await;
                }
            }
        };
        self.runtime.block_on(async {
            let start = Instant::now();
            let tasks: Vec<_> = (0..self.callers).map(|i| tokio::spawn(caller(i))).collect();
            for task in tasks {
                task.await.unwrap();
            }
            start.elapsed()
        })
    }

    /// How many events a batch had on average after a position, and how many bytes an event.
    fn batches_after(&self, position: u64) -> (f64, f64) {
        let look = Connection::open_with_flags(&self.file, OpenFlags::SQLITE_OPEN_READ_ONLY);
        look.unwrap()
            .query_row(
                "SELECT count(*) * 1.0 / count(DISTINCT batch),
                        avg(octet_length(at) + octet_length(actor) + octet_length(type)
                            + octet_length(aggregate) + octet_length(id) + octet_length(org)
                            + 5 * 8) -- position, sequence, writer, batch, crc
                 FROM event WHERE position > ?1",
                [position.cast_signed()],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .unwrap()
    }
}

impl Drop for OnJournal {
    /// Waits for the committer, which else would be at work beside what is measured next.
    fn drop(&mut self) {
        self.runtime.block_on(self.engine.close());
    }
}

/// The rival: a table with a row for each user.
struct InTable {
    connections: Vec<Mutex<Connection>>,
    users: Vec<String>,
    _folder: TempDir,
}

impl InTable {
    fn new(callers: u64, connections: u64) -> Self {
        let folder = folder();
        let file = folder.path().join("users.db");
        let connections = (0..connections).map(|_| Mutex::new(Self::connect(&file))).collect();
        let users = (0..callers).map(|i| user(i).to_string()).collect();
        Self { connections, users, _folder: folder }
    }

    fn connect(file: &Path) -> Connection {
        let connection = Connection::open(file).unwrap();
        connection.busy_timeout(Duration::from_secs(5)).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        connection.pragma_update(None, "synchronous", "FULL").unwrap();
        connection
            .execute_batch(
                "CREATE TABLE IF NOT EXISTS user (
                    id        TEXT PRIMARY KEY,
                    failures  INTEGER NOT NULL,
                    locked_at TEXT
                ) STRICT, WITHOUT ROWID",
            )
            .unwrap();
        connection
    }

    fn settle(&self, failures: usize) -> Duration {
        let (left, all_there) = (&Left(failures.into()), &Barrier::new(self.users.len() + 1));
        let caller = |i: usize| {
            let connection = &self.connections[i % self.connections.len()];
            move || {
                all_there.wait();
                while left.take() {
                    // Whoever has waited too long for the file's lock asks again.
                    while count(&mut connection.lock().unwrap(), &self.users[i]).is_none() {}
                }
            }
        };
        thread::scope(|scope| {
            let callers: Vec<_> = (0..self.users.len()).map(|i| scope.spawn(caller(i))).collect();
            all_there.wait();
            let start = Instant::now();
            for caller in callers {
                caller.join().unwrap();
            }
            start.elapsed()
        })
    }
}

/// Reads, counts and writes one row; `None` if others kept the file for too long.
fn count(connection: &mut Connection, user: &str) -> Option<u32> {
    let counted = (|| {
        // To begin by reading only would be to fail whenever somebody writes in between.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found: Option<(u32, Option<String>)> = transaction
            .prepare_cached("SELECT failures, locked_at FROM user WHERE id = ?1")?
            .query_row([user], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let failures = found.map_or(0, |(failures, _)| failures) + 1;
        transaction
            .prepare_cached("INSERT OR REPLACE INTO user VALUES (?1, ?2, NULL)")?
            .execute((user, failures))?;
        transaction.commit()?;
        Ok(failures)
    })();
    match counted {
        Ok(failures) => Some(failures),
        Err(error) => {
            let error: rusqlite::Error = error;
            assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy), "{error}");
            None
        }
    }
}

/// The floor: durable bytes.
struct Floor {
    file: File,
    at: u64,
}

impl Floor {
    /// As long as SQLite's log becomes before it is used from the beginning again.
    const LENGTH: u64 = 4 << 20;

    fn new() -> Self {
        let file = tempfile::tempfile_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        file.write_all_at(&vec![1; Self::LENGTH as usize], 0).unwrap();
        file.sync_all().unwrap();
        Self { file, at: 0 }
    }

    /// Makes so many bytes durable so many times.
    fn write(&mut self, bytes: usize, times: usize) -> Duration {
        let bytes = vec![7; bytes];
        let start = Instant::now();
        for _ in 0..times {
            if self.at + bytes.len() as u64 > Self::LENGTH {
                self.at = 0;
            }
            self.file.write_all_at(&bytes, self.at).unwrap();
            self.file.sync_data().unwrap();
            self.at += bytes.len() as u64;
        }
        start.elapsed()
    }
}

/// All subjects, for so many callers.
struct World {
    engine: OnJournal,
    rivals: [InTable; 2],
    floor: Floor,
}

impl World {
    fn new(callers: u64) -> Self {
        let rivals = [InTable::new(callers, 1), InTable::new(callers, callers.min(POOL))];
        Self { engine: OnJournal::new(callers), rivals, floor: Floor::new() }
    }

    /// Failures per second of each subject in one round, and the size of the engine's batches.
    fn round(&mut self, [ours, one, pool, floor]: [usize; 4]) -> ([f64; 4], f64) {
        let rate = |failures: usize, time: Duration| failures as f64 / time.as_secs_f64();
        let before = self.engine.engine.health().position;
        let engine = rate(ours, self.engine.settle(ours));
        let (batch, bytes) = self.engine.batches_after(before);
        let rivals =
            [rate(one, self.rivals[0].settle(one)), rate(pool, self.rivals[1].settle(pool))];
        let syncs = (floor as f64 / batch).ceil() as usize;
        let time = self.floor.write((batch * bytes).ceil() as usize, syncs);
        let floor = batch * rate(syncs, time);
        ([engine, rivals[0], rivals[1], floor], batch)
    }
}

pub(crate) fn criterion_group(criterion: &mut Criterion) {
    for callers in callers() {
        // Built only if the filter selects something of it.
        let world = LazyLock::new(move || Mutex::new(World::new(callers)));
        let mut group = criterion.benchmark_group(format!("settle a failure/{callers} callers"));
        bench(&mut group, NAMES[0], |failures| world.lock().unwrap().engine.settle(failures));
        for rival in 0..2 {
            bench(&mut group, NAMES[1 + rival], |failures| {
                world.lock().unwrap().rivals[rival].settle(failures)
            });
        }
        let name = format!("floor, batches of {callers} events of 150 bytes");
        bench(&mut group, &name, |failures| {
            let batch = callers as usize;
            world.lock().unwrap().floor.write(150 * batch, failures.div_ceil(batch))
        });
    }
}

/// How many failures keep each subject busy for long enough that starting does not matter.
fn enough(world: &mut World, callers: u64) -> [usize; 4] {
    let few = [2 * callers as usize; 4];
    if test_mode() {
        return few;
    }
    let mut failures = few;
    // The first ones open connections and let files grow; a longer try tells more.
    for seconds in [0.1, 0.3] {
        let (rates, _) = world.round(failures);
        failures = rates.map(|rate| (rate * seconds) as usize + 2 * callers as usize);
    }
    failures
}

/// Measures and prints the claims.
pub(crate) fn ratios() {
    let rounds = rounds();
    println!("failures settled per second (ratio to the first), medians of {rounds} rounds");
    for callers in callers() {
        let mut world = World::new(callers);
        let failures = enough(&mut world, callers);
        let measured: Vec<_> = (0..rounds).map(|_| world.round(failures)).collect();
        let of = |value: &dyn Fn(&[f64; 4]) -> f64| {
            median(measured.iter().map(|(rates, _)| value(rates)).collect())
        };
        let batch = median(measured.iter().map(|(_, batch)| *batch).collect());
        print!("{:46}", format!("{callers} callers, {batch:.1} events a batch"));
        for (i, name) in NAMES.iter().enumerate() {
            print!("  {name} {:.0} ({:.2})", of(&|rates| rates[i]), of(&|it| it[i] / it[0]));
        }
        println!();
        match callers {
            1 => {
                let label = "time of one failure, 1 caller, engine/floor";
                claim(label, of(&|rates| rates[3] / rates[0]), &Bound::AtMost(2.5));
            }
            64 => {
                let to_rival = of(&|rates| rates[0] / rates[1].max(rates[2]));
                claim(
                    "failures/s, 64 callers, engine/quicker rival",
                    to_rival,
                    &Bound::AtLeast(10.0),
                );
                let to_floor = of(&|rates| rates[0] / rates[3]);
                claim("failures/s, 64 callers, engine/floor", to_floor, &Bound::AtLeast(0.3));
            }
            _ => {}
        }
    }
}
