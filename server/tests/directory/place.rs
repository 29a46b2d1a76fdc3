//! Where a test has its journal: in a file, or in a database of its own.

use std::path::PathBuf;
use std::sync::Arc;

use portcullis::journal::{Journal, PostgresJournal, SqliteJournal};
use portcullis::{Clock, DurableEngine, InstanceId, LockoutPolicy, SystemClock};
use portcullis_server::directory::{JournalDirectory, Tables};
use serde_json::Value;
use tempfile::TempDir;

use super::{Run, postgres, wait};

/// A folder, and a journal in it or in a database.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    url: Option<String>,
}

/// Whether the tests run on PostgreSQL.
pub(crate) fn on_postgres() -> bool {
    std::env::var_os("PORTCULLIS_TESTS_ON").is_some_and(|it| it == "postgres")
}

impl Place {
    /// One with a journal.
    pub(crate) fn new() -> Self {
        let place = Self::empty();
        wait(async { place.engine().await.close().await });
        place
    }

    pub(crate) fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = on_postgres()
            .then(|| wait(postgres::shared().expect("a PostgreSQL was asked for").database()));
        Self { folder, url }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("portcullis.db")
    }

    async fn opened(&self) -> (Arc<dyn Journal>, Tables) {
        match &self.url {
            None => {
                let journal = SqliteJournal::open(self.file()).await.unwrap();
                (Arc::new(journal), Tables::from(&self.file()))
            }
            Some(url) => {
                let journal = PostgresJournal::connect(url).await.unwrap();
                let tables = Tables::from(journal.tables());
                (Arc::new(journal), tables)
            }
        }
    }

    pub(crate) async fn journal(&self) -> Arc<dyn Journal> {
        self.opened().await.0
    }

    pub(crate) async fn engine_and_tables(&self) -> (Arc<DurableEngine>, Tables) {
        let (journal, tables) = self.opened().await;
        let instance: InstanceId = "main".parse().unwrap();
        let policy = LockoutPolicy::new(3, 3);
        let engine = DurableEngine::open(instance, policy, journal).await.unwrap();
        (Arc::new(engine), tables)
    }

    pub(crate) async fn engine(&self) -> Arc<DurableEngine> {
        self.engine_and_tables().await.0
    }

    pub(crate) async fn directory(&self) -> JournalDirectory {
        self.directory_at(SystemClock).await
    }

    pub(crate) async fn directory_at(&self, clock: impl Clock + 'static) -> JournalDirectory {
        let (engine, tables) = self.engine_and_tables().await;
        JournalDirectory::open_with_clock(engine, tables, clock).await.unwrap()
    }

    /// Does something to the tables, as another program might.
    pub(crate) fn sql(&self, statements: &str) {
        let url = self.url.clone();
        let (file, statements) = (self.file(), statements.to_owned());
        // A thread of its own: whoever asks may be driving futures.
        let done = std::thread::spawn(move || match url {
            None => rusqlite::Connection::open(file).unwrap().execute_batch(&statements).unwrap(),
            Some(url) => wait(async {
                let client = as_main(&url).await;
                client.batch_execute(&statements).await.unwrap();
            }),
        });
        done.join().unwrap();
    }

    /// The number that a query answers with.
    pub(crate) fn number(&self, query: &str) -> i64 {
        let url = self.url.clone();
        let (file, query) = (self.file(), query.to_owned());
        let done = std::thread::spawn(move || match url {
            None => {
                let connection = rusqlite::Connection::open(file).unwrap();
                connection.query_row(&query, [], |row| row.get(0)).unwrap()
            }
            Some(url) => {
                wait(async { as_main(&url).await.query_one(&query, &[]).await.unwrap().get(0) })
            }
        });
        done.join().unwrap()
    }

    pub(crate) fn run(&self, args: &[&str]) -> Run {
        self.run_with(args, "")
    }

    /// Runs `portcullis` in the folder with that input.
    pub(crate) fn run_with(&self, args: &[&str], input: &str) -> Run {
        let mut command = assert_cmd::cargo::cargo_bin_cmd!("portcullis");
        let command = command.current_dir(self.folder.path()).args(args).write_stdin(input);
        if let Some(url) = &self.url {
            command.env("PORTCULLIS_JOURNAL", url);
        }
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Run {
            code: output.status.code().unwrap(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    #[track_caller]
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        self.run(&[args, &["--output", "json"]].concat()).json()
    }

    /// The types of the events, in order.
    pub(crate) fn types(&self) -> Vec<String> {
        let events = self.run(&["events", "--output", "json"]);
        let event = |line| serde_json::from_str::<Value>(line).unwrap();
        let of = |line| event(line)["type"].as_str().unwrap().to_owned();
        events.stdout.lines().map(of).collect()
    }

    /// All that is stored, as bytes: of the files, or of every row of every table.
    pub(crate) fn stored(&self) -> Vec<Vec<u8>> {
        match &self.url {
            None => {
                // With another connection open, so that the log stays.
                let held = rusqlite::Connection::open(self.file()).unwrap();
                self.run(&["token", "list"]);
                let files = std::fs::read_dir(self.folder.path()).unwrap();
                let bytes = files.map(|file| std::fs::read(file.unwrap().path()).unwrap());
                let bytes = bytes.collect();
                drop(held);
                bytes
            }
            Some(url) => wait(async {
                let client = as_main(url).await;
                let tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'portcullis'";
                let mut rows = Vec::new();
                for table in client.query(tables, &[]).await.unwrap() {
                    let name: String = table.get(0);
                    let all = format!("SELECT row_to_json(it)::text FROM {name} AS it");
                    for row in client.query(&all, &[]).await.unwrap() {
                        rows.push(row.get::<_, String>(0).into_bytes());
                    }
                }
                rows
            }),
        }
    }
}

/// A connection that sees what the instance `main` sees.
async fn as_main(url: &str) -> tokio_postgres::Client {
    let client = postgres::client(url).await;
    let see = "SET search_path = portcullis; SET portcullis.instance = 'main'";
    client.batch_execute(see).await.unwrap();
    client
}
