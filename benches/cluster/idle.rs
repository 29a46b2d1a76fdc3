//! One caller on an idle cluster: what a failure costs to one committed row, and what a clean success
//! costs to one look at a row by its key. Each is measured by an engine alone on its journal and by one
//! that three other nodes follow.

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::Criterion;
use portcullis::durable::Admission;
use portcullis::{DurableEngine, Factor, OrgId, UserId, Verdict};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, Statement};

use super::common::{Bound, ROUNDS, bench, median, test_mode};
use super::node::Group;
use super::postgres::{Cluster, client};
use super::{claim, fail, node, open, org, rows, runtime, user};

const NAMES: [&str; 4] =
    ["one committed INSERT of a row", "a failure", "one SELECT by primary key", "a clean success"];

const FAILURE: usize = 1;
const SELECT: usize = 2;
const SUCCESS: usize = 3;

/// How many nodes follow the other journal.
const FOLLOWERS: usize = 3;

struct World {
    runtime: Runtime,
    calls: Arc<Calls>,
    _followers: Option<Group>,
}

struct Calls {
    client: Client,
    insert: Statement,
    select: Statement,
    engine: Arc<DurableEngine>,
    logins: Vec<(OrgId, UserId)>,
    ids: Vec<String>,
}

impl Calls {
    async fn new(url: &str) -> Self {
        let logins: Vec<_> = (0..64).map(|i| (org(i), user(i))).collect();
        let ids: Vec<_> = logins.iter().map(|(_, user)| user.to_string()).collect();
        let client = client(url).await;
        client.batch_execute(rows::TABLE).await.unwrap();
        let fill = "INSERT INTO login SELECT it, 0, NULL FROM unnest($1::text[]) AS it";
        client.execute(fill, &[&ids]).await.unwrap();
        let trail = "CREATE TABLE trail (
            number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            id text NOT NULL, failures integer NOT NULL)";
        client.batch_execute(trail).await.unwrap();
        let insert = "INSERT INTO trail (id, failures) VALUES ($1, $2)";
        let insert = client.prepare(insert).await.unwrap();
        let select = "SELECT failures, locked_at IS NULL FROM login WHERE id = $1";
        let select = client.prepare(select).await.unwrap();
        Self { client, insert, select, engine: open(url).await, logins, ids }
    }

    async fn call(&self, subject: usize, i: usize) {
        let (id, (org, user)) = (&self.ids[i % 64], &self.logins[i % 64]);
        match subject {
            0 => {
                self.client.execute(&self.insert, &[id, &1]).await.unwrap();
            }
            1 => fail(&self.engine, org, user).await,
            2 => {
                let row = self.client.query_one(&self.select, &[id]).await.unwrap();
                assert!(row.get::<_, bool>(1));
            }
            _ => self.succeed(i).await,
        }
    }

    /// Of somebody who has never failed.
    async fn succeed(&self, i: usize) {
        let (org, user) = (&self.logins[i % 64].0, &user_who_never_failed(i));
        let Admission::Admitted(attempt) = self.engine.begin_owned(org, user, Factor::Password)
        else {
            unreachable!("without a limit everybody is admitted")
        };
        assert_eq!(attempt.succeed().await, Ok(Verdict::Accepted));
    }
}

impl World {
    fn new(server: &Cluster, followers: usize) -> Self {
        let runtime = runtime();
        let (url, calls) = runtime.block_on(async {
            let url = server.database().await;
            let calls = Arc::new(Calls::new(&url).await);
            (url, calls)
        });
        let followers = (followers > 0).then(|| Group::new(node::ROLE, &url, followers, 16));
        Self { runtime, calls, _followers: followers }
    }

    /// Calls one of the subjects so often, one call after the other; the time of each. In a task, as a
    /// server does.
    fn times(&self, subject: usize, times: usize) -> Vec<Duration> {
        let calls = Arc::clone(&self.calls);
        let task = async move {
            let mut took = Vec::with_capacity(times);
            for i in 0..times {
                let start = Instant::now();
                calls.call(subject, i).await;
                took.push(start.elapsed());
            }
            took
        };
        self.runtime.block_on(async { tokio::spawn(task).await.unwrap() })
    }

    /// The median time of a call, in microseconds.
    fn median(&self, subject: usize, times: usize) -> f64 {
        let times = self.times(subject, times);
        median(times.into_iter().map(|time| time.as_nanos() as f64 / 1e3).collect())
    }

    /// The median times of two subjects, in microseconds, each in the best of some short runs that take turns.
    /// The kernel puts the caller and the server on one processor, or on two, where each message first wakes
    /// the other one, and leaves them so for thousands of calls: that is four times the time, of either subject.
    /// A few failures before each run have them placed anew.
    fn least(&self, subjects: [usize; 2], runs: usize, calls: usize) -> [f64; 2] {
        let mut least = [f64::INFINITY; 2];
        for _ in 0..runs {
            for (least, subject) in least.iter_mut().zip(subjects) {
                let _ = self.times(FAILURE, calls / 4);
                *least = least.min(self.median(subject, calls));
            }
        }
        least
    }
}

fn user_who_never_failed(i: usize) -> UserId {
    user(20_000_000 + i as u64 % 64)
}

impl Drop for World {
    fn drop(&mut self) {
        self.runtime.block_on(self.calls.engine.close());
    }
}

pub(crate) fn criterion_group(criterion: &mut Criterion, server: &Cluster) {
    let world = std::sync::LazyLock::new(|| World::new(server, 0));
    let mut group = criterion.benchmark_group("one caller on an idle cluster");
    for (subject, name) in NAMES.into_iter().enumerate() {
        bench(&mut group, name, |calls| world.times(subject, calls).into_iter().sum());
    }
}

/// Measures and prints the claims.
pub(crate) fn ratios(server: &Cluster) {
    let (rounds, runs, calls) = if test_mode() { (1, 1, 4) } else { (ROUNDS, 16, 400) };
    for (followers, nodes) in [(0, "alone"), (FOLLOWERS, "beside 3 nodes")] {
        let world = World::new(server, followers);
        let round = |_| [0, 1, 2, 3].map(|subject| world.median(subject, calls));
        let _ = round(0);
        let measured: Vec<_> = (0..rounds).map(round).collect();
        let of = |value: &dyn Fn(&[f64; 4]) -> f64| median(measured.iter().map(value).collect());
        println!("us a call (ratio to the SELECT), an engine {nodes}, medians of {rounds} rounds");
        for (subject, name) in NAMES.iter().enumerate() {
            let (time, ratio) = (of(&|it| it[subject]), of(&|it| it[subject] / it[SELECT]));
            println!("{name:46}  {time:.0} ({ratio:.2})");
        }
        let label = format!("time of a failure / one INSERT, {nodes}");
        claim(&label, of(&|it| it[FAILURE] / it[0]), &Bound::AtMost(2.0));
        let least = |_| world.least([SELECT, SUCCESS], runs, calls.div_ceil(8));
        let least: Vec<_> = (0..rounds).map(least).collect();
        let of = |value: &dyn Fn(&[f64; 2]) -> f64| median(least.iter().map(value).collect());
        let (select, success) = (of(&|it| it[0]), of(&|it| it[1]));
        println!(
            "the best of {runs} short runs: {} {select:.0}, {} {success:.0}",
            NAMES[2], NAMES[3]
        );
        let label = format!("time of a clean success / one SELECT, {nodes}");
        claim(&label, of(&|it| it[1] / it[0]), &Bound::AtMost(1.5));
    }
}
