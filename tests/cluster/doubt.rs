//! Appends without an answer: what is sure, what is in doubt, and what becomes of it.

use std::sync::Arc;

use portcullis::journal::{AppendError, Journal, PostgresJournal};
use tokio_postgres::Client;

use super::network::by_proxy;
use super::proxy::{Mode, Proxy};
use super::{batch, postgres, until_async};

#[tokio::test(flavor = "multi_thread")]
async fn d2_a_batch_whose_answer_was_lost_is_in_doubt_and_sent_again_it_is_found() {
    let Some(server) = postgres::shared() else { return };
    let (url, proxy, half_open) = by_proxy(server).await;
    let journal = PostgresJournal::connect(&half_open).await.unwrap();
    assert_eq!(journal.append(0, &batch(1, 1, 0, 1)).await, Ok(1));
    assert_eq!(journal.append(1, &batch(1, 2, 1, 1)).await, Ok(2));
    proxy.set(Mode::Mute);
    let sent = batch(1, 3, 2, 3);
    let lost = journal.append(2, &sent).await;
    assert!(matches!(lost, Err(AppendError::InDoubt(_))), "{lost:?}");
    // There is no other connection either, and of what could not be sent it is sure.
    let unsent = journal.append(2, &sent).await;
    assert!(matches!(unsent, Err(AppendError::Unavailable(_))), "{unsent:?}");
    proxy.set(Mode::Open);
    let other = PostgresJournal::connect(&url).await.unwrap();
    assert_eq!(other.append(5, &batch(2, 1, 5, 1)).await, Ok(6));
    let client = postgres::client(&url).await;
    let written_by = "SELECT xmin::text FROM portcullis.journal";
    let before: String = client.query_one(written_by, &[]).await.unwrap().get(0);
    assert_eq!(journal.append(2, &sent).await, Ok(5));
    let after: String = client.query_one(written_by, &[]).await.unwrap().get(0);
    assert_ne!(before, after, "what was found counts as durable only after a write that is");
    assert_eq!(journal.head().await, Ok(6));
    assert_eq!(journal.read_after(0, 100).await.unwrap().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn d2_one_dead_connection_is_the_end_of_those_beside_it() {
    let Some(server) = postgres::shared() else { return };
    let (_, proxy, half_open) = by_proxy(server).await;
    let journal = PostgresJournal::connect(&half_open).await.unwrap();
    assert_eq!(journal.append(0, &batch(1, 1, 0, 1)).await, Ok(1));
    // Two connections, each with the statement.
    let held = journal.hold(1).await.unwrap();
    let (one, two) = (batch(1, 2, 1, 1), batch(1, 3, 1, 1));
    let (one, two) = tokio::join!(held.append(&one), journal.append(1, &two));
    assert_eq!((one, two), (Ok(2), Err(AppendError::Behind)));
    proxy.silence();
    let lost = journal.append(2, &batch(1, 4, 2, 1)).await;
    assert!(matches!(lost, Err(AppendError::InDoubt(_))), "{lost:?}");
    assert_eq!(journal.append(2, &batch(1, 4, 2, 1)).await, Ok(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn c06_a_head_that_somebody_else_has_locked_is_a_sure_refusal() {
    let Some(server) = postgres::shared() else { return };
    let url = server.database().await;
    let journal = PostgresJournal::connect(&url).await.unwrap();
    assert_eq!(journal.append(0, &batch(1, 1, 0, 1)).await, Ok(1));
    let client = postgres::client(&url).await;
    client.batch_execute("BEGIN; SELECT FROM portcullis.journal FOR UPDATE").await.unwrap();
    let refused = journal.append(1, &batch(1, 2, 1, 1)).await;
    assert!(matches!(refused, Err(AppendError::Unavailable(_))), "{refused:?}");
    client.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(journal.append(1, &batch(1, 3, 1, 1)).await, Ok(2));
    assert_eq!(journal.head().await, Ok(2));
}

/// A journal with two events, by way of a proxy, and an append of the third that waits for its lock. The
/// database would have its transactions fail whose ground has moved.
struct Waiting {
    proxy: Proxy,
    journal: Arc<PostgresJournal>,
    append: tokio::task::JoinHandle<Result<u64, AppendError>>,
    /// Who has the lock.
    locker: Client,
}

impl Waiting {
    async fn on(server: &postgres::Cluster) -> Self {
        let (url, proxy, by_proxy) = by_proxy(server).await;
        let name = url.rsplit('/').next().unwrap();
        let stricter =
            format!("ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'");
        postgres::client(&url).await.batch_execute(&stricter).await.unwrap();
        let journal = Arc::new(PostgresJournal::connect(&by_proxy).await.unwrap());
        for position in 0..2 {
            let appended = journal.append(position, &batch(1, position, position, 1)).await;
            assert_eq!(appended, Ok(position + 1));
        }
        let locker = postgres::client(&url).await;
        locker.batch_execute("BEGIN; SELECT FROM portcullis.journal FOR UPDATE").await.unwrap();
        let appending = Arc::clone(&journal);
        let append = tokio::spawn(async move { appending.append(2, &batch(1, 2, 2, 1)).await });
        let waits = Self { proxy, journal, append, locker };
        until_async("the append to wait", async || waits.session().await.is_some()).await;
        waits
    }

    /// The journal's session that waits for the lock.
    async fn session(&self) -> Option<i32> {
        let sql = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()
                   AND application_name = 'portcullis' AND wait_event_type = 'Lock'";
        self.locker.query_opt(sql, &[]).await.unwrap().map(|row| row.get(0))
    }

    async fn unlock(&self) {
        self.locker.batch_execute("ROLLBACK").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c04_an_append_that_has_waited_sees_the_head_as_it_is_then() {
    let Some(server) = postgres::shared() else { return };
    for (moves, appended) in [(0, Ok(3)), (1, Err(AppendError::Behind))] {
        let mut waiting = Waiting::on(server).await;
        let commit = format!("UPDATE portcullis.journal SET position = position + {moves}; COMMIT");
        waiting.locker.batch_execute(&commit).await.unwrap();
        assert_eq!((&mut waiting.append).await.unwrap(), appended);
    }
}

/// The server has the statement and does not know that nobody waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn c06_an_append_whose_connection_was_cut_is_in_doubt_for_it_may_still_be_written() {
    let Some(server) = postgres::shared() else { return };
    let mut waiting = Waiting::on(server).await;
    waiting.proxy.cut();
    let cut = (&mut waiting.append).await.unwrap();
    assert!(matches!(cut, Err(AppendError::InDoubt(_))), "{cut:?}");
    waiting.unlock().await;
    until_async("it to be written", async || waiting.journal.head().await == Ok(3)).await;
    assert_eq!(waiting.journal.append(2, &batch(1, 2, 2, 1)).await, Ok(3));
    assert_eq!(waiting.journal.read_after(0, 10).await.unwrap().len(), 3);
}

/// The server says that it ends the session. It may say so of one whose commit is done.
#[tokio::test(flavor = "multi_thread")]
async fn c06_an_append_whose_session_the_server_ended_is_in_doubt() {
    let Some(server) = postgres::shared() else { return };
    let mut waiting = Waiting::on(server).await;
    let session = waiting.session().await.unwrap();
    waiting.locker.execute("SELECT pg_terminate_backend($1)", &[&session]).await.unwrap();
    let cut = (&mut waiting.append).await.unwrap();
    assert!(matches!(cut, Err(AppendError::InDoubt(_))), "{cut:?}");
    waiting.unlock().await;
    assert_eq!(waiting.journal.append(2, &batch(1, 2, 2, 1)).await, Ok(3));
    assert_eq!(waiting.journal.read_after(0, 10).await.unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn c06_an_append_that_was_not_sent_yet_is_a_sure_refusal() {
    let Some(server) = postgres::shared() else { return };
    let (_, proxy, half_open) = by_proxy(server).await;
    let journal = PostgresJournal::connect(&half_open).await.unwrap();
    assert_eq!(journal.append(0, &batch(1, 1, 0, 1)).await, Ok(1));
    proxy.set(Mode::Mute);
    // The connection has not prepared this statement yet: the first append was another one.
    let unsent = journal.append(1, &batch(1, 2, 1, 1)).await;
    assert!(matches!(unsent, Err(AppendError::Unavailable(_))), "{unsent:?}");
}
