//! A counter in Redis, as is written today: a script that looks whether the user is locked and counts if
//! not. As it is set up most often a crash forgets counts and locks; made to wait for the disk it is as
//! durable as the journal. It keeps no trail either way.

use std::fmt::Write;
use std::net::TcpListener;
use std::ops::Range;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::node::Settles;
use super::user;

/// The first argument of a process that counts so; the second is the server's port.
pub(crate) const ROLE: &str = "--redis";

const SCRIPT: &str = "if redis.call('EXISTS', KEYS[2]) == 1 then return -1 end \
                      return redis.call('INCR', KEYS[1])";

/// A server of the benchmark's own.
pub(crate) struct Server {
    process: Child,
    pub(crate) port: u16,
    _folder: TempDir,
}

impl Server {
    /// `None` where there is no Redis.
    pub(crate) fn start(durable: bool) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""]);
        command.args(["--appendonly", if durable { "yes" } else { "no" }]);
        command.args(["--appendfsync", "always", "--dir"]).arg(folder.path());
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let server = Self { process, port, _folder: folder };
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "redis-server does not answer");
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) struct Redis {
    port: String,
    script: String,
}

impl Redis {
    pub(crate) async fn of(port: &str) -> Self {
        let mut connection = Connection::to(port).await;
        let loaded = connection.ask(&["SCRIPT", "LOAD", SCRIPT]).await;
        assert!(loaded.starts_with('$'), "{loaded}");
        let script = connection.line().await;
        Self { port: String::from(port), script }
    }
}

struct Connection(BufReader<TcpStream>);

impl Connection {
    async fn to(port: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port.parse().unwrap())).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    /// The first line of the answer.
    async fn ask(&mut self, words: &[&str]) -> String {
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            let _ = write!(request, "${}\r\n{word}\r\n", word.len());
        }
        self.0.get_mut().write_all(request.as_bytes()).await.unwrap();
        self.line().await
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        String::from(line.trim_end())
    }
}

impl Settles for Redis {
    type Task = Task;

    async fn task(&self, users: Range<u64>) -> Self::Task {
        let keys = users.map(|i| (format!("failures:{}", user(i)), format!("locked:{}", user(i))));
        Task { connection: Connection::to(&self.port).await, keys: keys.collect() }
    }

    async fn fail(&self, task: &mut Self::Task, user: usize) {
        let (failures, locked) = &task.keys[user];
        let counted = task.connection.ask(&["EVALSHA", &self.script, "2", failures, locked]).await;
        assert!(counted.starts_with(':') && !counted.starts_with(":-"), "{counted}");
    }
}

pub(crate) struct Task {
    connection: Connection,
    keys: Vec<(String, String)>,
}
