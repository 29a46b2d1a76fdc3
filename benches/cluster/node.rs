//! A process that settles failures when it is told to, and tells how long each took. It works as a login
//! service does: so many tasks, each with users of its own.

use std::env;
use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis::{DurableEngine, OrgId, UserId};

use super::{fail, open, org, runtime, user};

/// The first argument of such a process; the second is the database.
pub(crate) const ROLE: &str = "--node";

/// How many users a task has.
const USERS: u64 = 64;

/// Something that settles failures.
pub(crate) trait Settles: Send + Sync + 'static {
    /// What a task needs of its own.
    type Task: Send;

    fn task(&self, users: std::ops::Range<u64>) -> impl Future<Output = Self::Task> + Send;

    /// Settles a failure of one of the task's users.
    fn fail(&self, task: &mut Self::Task, user: usize) -> impl Future<Output = ()> + Send;
}

/// The engine.
pub(crate) struct Nodes(Arc<DurableEngine>);

impl Nodes {
    pub(crate) async fn of(url: &str) -> Self {
        Self(open(url).await)
    }
}

impl Settles for Nodes {
    type Task = Vec<(OrgId, UserId)>;

    async fn task(&self, users: std::ops::Range<u64>) -> Self::Task {
        users.map(|i| (org(i), user(i))).collect()
    }

    async fn fail(&self, task: &mut Self::Task, user: usize) {
        let (org, user) = &task[user];
        fail(&self.0, org, user).await;
    }
}

/// The process: each line asks for so many tasks for so many milliseconds, and each answer is the
/// microseconds that each failure took.
pub(crate) fn serve<S: Settles>(of: impl Future<Output = S>) {
    runtime().block_on(async {
        let settles = Arc::new(of.await);
        println!("READY");
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let (tasks, millis) = line.split_once(' ').unwrap();
            let time = Duration::from_millis(millis.parse().unwrap());
            let first = u64::from(std::process::id()) << 12;
            let mut made = Vec::new();
            for task in 0..tasks.parse().unwrap() {
                let users = first + task * USERS..first + (task + 1) * USERS;
                made.push(settles.task(users).await);
            }
            let end = Instant::now() + time;
            let run = |task| tokio::spawn(run(Arc::clone(&settles), task, end));
            let running: Vec<_> = made.into_iter().map(run).collect();
            let mut took = Vec::new();
            for task in running {
                took.extend(task.await.unwrap());
            }
            println!("{}", took.join(" "));
        }
    });
}

async fn run<S: Settles>(settles: Arc<S>, mut task: S::Task, end: Instant) -> Vec<String> {
    let mut took = Vec::new();
    let mut start = Instant::now();
    for user in (0..USERS as usize).cycle() {
        settles.fail(&mut task, user).await;
        let now = Instant::now();
        if now > end {
            break;
        }
        took.push((now - start).as_micros().to_string());
        start = now;
    }
    took
}

/// Processes that work at the same time.
pub(crate) struct Group {
    tasks: u64,
    members: Vec<(Child, Lines<BufReader<ChildStdout>>)>,
}

/// What they did: the microseconds of each failure, by process.
pub(crate) struct Done {
    pub(crate) seconds: f64,
    pub(crate) took: Vec<Vec<u64>>,
}

impl Group {
    pub(crate) fn new(role: &str, with: &str, members: usize, tasks: u64) -> Self {
        let member = |_| {
            let mut command = Command::new(env::current_exe().unwrap());
            command.args([role, with]).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut process = command.spawn().unwrap();
            let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
            assert_eq!(lines.next().unwrap().unwrap(), "READY");
            (process, lines)
        };
        Self { tasks, members: (0..members).map(member).collect() }
    }

    pub(crate) fn work(&mut self, millis: u64) -> Done {
        for (process, _) in &mut self.members {
            writeln!(process.stdin.as_mut().unwrap(), "{} {millis}", self.tasks).unwrap();
        }
        let read = |(_, lines): &mut (Child, Lines<_>)| {
            let line: String = lines.next().unwrap().unwrap();
            line.split_whitespace().map(|it| it.parse().unwrap()).collect()
        };
        let took = self.members.iter_mut().map(read).collect();
        Done { seconds: millis as f64 / 1e3, took }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for (process, _) in &mut self.members {
            drop(process.stdin.take());
            let _ = process.wait();
        }
    }
}

impl Done {
    /// Failures per second of all together.
    pub(crate) fn rate(&self) -> f64 {
        self.took.iter().map(Vec::len).sum::<usize>() as f64 / self.seconds
    }

    /// What the slowest got, in terms of an even share.
    pub(crate) fn smallest_share(&self) -> f64 {
        let slowest = self.took.iter().map(Vec::len).min().unwrap();
        slowest as f64 * self.took.len() as f64 / (self.rate() * self.seconds)
    }

    /// The microseconds that so many of a hundred failures do not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let mut all: Vec<u64> = self.took.iter().flatten().copied().collect();
        all.sort_unstable();
        all[(all.len() - 1) * percent / 100] as f64
    }
}
