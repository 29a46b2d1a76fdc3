//! A PostgreSQL server of the tests' own, from the binaries that the machine has, in a folder for the
//! time being.
#![allow(dead_code, reason = "each test uses a part")]

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Once};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

/// How long a server may take to start or to stop.
const PATIENCE: Duration = Duration::from_mins(1);

/// Runs the server. When the test process ends, however that comes, the pipe is closed, and the server
/// and its folder go. A line in the pipe says that the folder is still needed.
const WATCH: &str = r#"
    "$@" & server=$!
    read -r _ && keep=yes
    kill -QUIT $server 2>/dev/null
    wait $server
    [ "$keep" ] || { cd /; rm -rf "$0"; }
"#;

/// Whether it was said that there is no PostgreSQL.
static SAID: Once = Once::new();

/// A server with its data.
pub(crate) struct Cluster {
    binaries: PathBuf,
    folder: TempDir,
    pub(crate) port: u16,
    options: Vec<String>,
    process: Option<Child>,
}

/// The server that tests share which do it no harm; `None` where there is no PostgreSQL.
pub(crate) fn shared() -> Option<&'static Cluster> {
    // Never dropped; it goes with the process.
    static SHARED: LazyLock<Option<Cluster>> = LazyLock::new(|| Cluster::start(&[]));
    SHARED.as_ref()
}

impl Cluster {
    /// Makes and starts a server with settings of its own. Where there is no PostgreSQL it says so, in
    /// one loud line that no test's capture swallows; `PORTCULLIS_POSTGRES=required` makes that a fault.
    pub(crate) fn start(options: &[&str]) -> Option<Self> {
        let Some(binaries) = binaries() else {
            let required =
                std::env::var_os("PORTCULLIS_POSTGRES").is_some_and(|it| it == "required");
            assert!(!required, "there is no PostgreSQL on this machine");
            SAID.call_once(|| {
                let line =
                    "!!! SKIPPED: the tests on PostgreSQL (initdb and postgres were not found)";
                let _ = writeln!(std::io::stderr(), "{line}");
            });
            return None;
        };
        let folder = tempfile::Builder::new().prefix("portcullis-pg-").tempdir().unwrap();
        if let Some((user, group)) = other_user() {
            chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let options = options.iter().map(ToString::to_string).collect();
        let mut cluster = Self { binaries, folder, port: free_port(), options, process: None };
        cluster.run_to_end("initdb", |initdb| {
            initdb.args(["--encoding=UTF8", "--locale=C", "--username=postgres", "--auth=trust"]);
            initdb.args(["--no-sync", "--pgdata"]).arg(cluster.data());
        });
        cluster.start_again();
        Some(cluster)
    }

    /// Starts the server on its data, and waits until it answers.
    pub(crate) fn start_again(&mut self) {
        let mut command = self.as_other_user("sh");
        command.args(["-c", WATCH]).arg(self.folder.path()).arg(self.binaries.join("postgres"));
        command.arg("-D").arg(self.data()).arg("-k").arg(self.folder.path());
        command.args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
        command.args(["-c", "max_connections=300"]);
        for option in &self.options {
            command.args(["-c", option]);
        }
        let log = std::fs::File::options().create(true).append(true).open(self.log()).unwrap();
        let process = command
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.process = Some(process);
        self.wait("the server to answer", || self.answers());
    }

    /// Stops it as a power cut would: no session is ended well, and the log is replayed at the start.
    pub(crate) fn stop_at_once(&mut self) {
        self.run_to_end("pg_ctl", |pg_ctl| {
            pg_ctl.args(["stop", "--mode=immediate", "--pgdata"]).arg(self.data());
        });
        let mut process = self.process.take().unwrap();
        process.stdin.take().unwrap().write_all(b"keep\n").unwrap();
        process.wait().unwrap();
    }

    /// Lets the server's files grow to a size, or to any, as a disk does.
    pub(crate) fn allow_files_of(&self, bytes: Option<i64>) {
        let file = std::fs::read_to_string(self.data().join("postmaster.pid")).unwrap();
        let parent = file.lines().next().unwrap();
        let soft = bytes.map_or(String::from("unlimited"), |bytes| bytes.to_string());
        let limit = |process: &str| {
            let mut prlimit = self.as_other_user("/usr/bin/prlimit");
            prlimit.args(["--pid", process, &format!("--fsize={soft}:unlimited")]);
            let done = prlimit.output().unwrap();
            // A child may have ended since it was listed.
            let is_there = Path::new("/proc").join(process).exists();
            assert!(done.status.success() || !is_there, "{process}: {done:?}");
        };
        // Whoever is born from now on has the parent's.
        limit(parent);
        let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
        children.unwrap().split_whitespace().for_each(limit);
    }

    /// A new, empty database; its URL.
    pub(crate) async fn database(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let client = client(&self.url("postgres")).await;
        client.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        self.url(&name)
    }

    pub(crate) fn url(&self, database: &str) -> String {
        url(self.port, database)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn answers(&self) -> bool {
        let mut command = self.as_other_user(self.binaries.join("pg_isready"));
        command.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        // Where it is missing, a connection says the same.
        command.status().map_or_else(
            |_| std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok(),
            |status| status.success(),
        )
    }

    fn wait(&self, what: &str, holds: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds() {
            let log = || std::fs::read_to_string(self.log()).unwrap_or_default();
            assert!(Instant::now() < deadline, "waited for {what}; the server's log:\n{}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// One of PostgreSQL's programs, or another with its path.
    fn run_to_end(&self, program: &str, arguments: impl FnOnce(&mut Command)) {
        let mut command = self.as_other_user(self.binaries.join(program));
        arguments(&mut command);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{program}: {output:?}");
    }

    /// PostgreSQL refuses to run as root.
    fn as_other_user(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.current_dir(self.folder.path());
        if let Some((user, group)) = other_user() {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.stdin.take());
            let _: std::io::Result<ExitStatus> = process.wait();
        }
    }
}

/// The URL of a database behind a port of this machine.
pub(crate) fn url(port: u16, database: &str) -> String {
    format!("postgres://postgres@127.0.0.1:{port}/{database}")
}

/// A connection that is driven as long as it is used.
pub(crate) async fn client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// Where initdb and postgres are: Debian's folders, newest first, else the path.
fn binaries() -> Option<PathBuf> {
    let mut folders: Vec<_> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    folders.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path);
    folders.into_iter().rev().map(|(_, folder)| folder).chain(on_path).find(|folder| {
        ["initdb", "postgres", "pg_ctl"].iter().all(|program| folder.join(program).is_file())
    })
}

/// For root: the user and group of `postgres`, or else of `nobody`.
pub(crate) fn other_user() -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt;
    if std::fs::metadata("/proc/self").map_or(1, |metadata| metadata.uid()) != 0 {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let find = |name: &str| {
        let line = users.lines().find(|line| line.starts_with(&format!("{name}:")))?;
        let fields: Vec<_> = line.split(':').collect();
        Some((fields[2].parse().ok()?, fields[3].parse().ok()?))
    };
    find("postgres").or_else(|| find("nobody"))
}
