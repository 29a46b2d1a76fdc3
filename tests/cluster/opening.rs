//! Opening: what is refused and by which name, and what several nodes do at once.

use std::sync::Arc;

use futures_util::future::join_all;
use portcullis::journal::{AppendError, Journal, JournalError, PostgresJournal};
use portcullis::{DurableEngine, LockoutPolicy};

use super::{batch, begin, org, postgres, user};

/// The SQL that the operators' handbook gives for a service's own role.
fn documented_grants() -> &'static str {
    let handbook = include_str!("../../docs/operations.md");
    let (_, from) = handbook.split_once("```sql\nCREATE ROLE").unwrap();
    let (grants, _) = from.split_once("```").unwrap();
    grants
}

async fn refused(url: &str) -> String {
    let fault = PostgresJournal::connect(url).await.unwrap_err();
    assert!(matches!(fault, JournalError::Foreign { .. }), "{fault:?}");
    fault.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_open_a_new_database_at_once_all_get_it() {
    let Some(server) = postgres::shared() else { return };
    for _ in 0..3 {
        let url = server.database().await;
        let opened = join_all((0..8).map(|_| PostgresJournal::connect(&url))).await;
        let instance = || "main".parse().unwrap();
        let engines = join_all(opened.into_iter().map(|journal| {
            DurableEngine::open(instance(), LockoutPolicy::new(5, 5), journal.unwrap())
        }));
        for engine in engines.await {
            assert_eq!(engine.unwrap().health().position, 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn m28_a_server_that_loses_what_it_confirms_is_refused_by_the_settings_name() {
    let Some(server) = postgres::Cluster::start(&["fsync=off"]) else { return };
    let fault = refused(&server.database().await).await;
    assert!(fault.contains("its setting fsync is off"), "{fault}");

    let Some(server) = postgres::shared() else { return };
    let url = server.database().await;
    let lazy = refused(&format!("{url}?options=-c%20synchronous_commit%3Doff")).await;
    assert!(lazy.contains("its setting synchronous_commit is off"), "{lazy}");

    // Also of a server that was turned lazy later.
    let journal = PostgresJournal::connect(&url).await.unwrap();
    journal.append(0, &batch(1, 1, 0, 1)).await.unwrap();
    let name = url.rsplit('/').next().unwrap();
    let admin = postgres::client(&server.url("postgres")).await;
    let lazy = format!("ALTER DATABASE {name} SET synchronous_commit = off");
    admin.batch_execute(&lazy).await.unwrap();
    journal.release();
    let Err(AppendError::Unavailable(fault)) = journal.append(1, &batch(1, 2, 1, 1)).await else {
        panic!("it was written without being durable");
    };
    assert!(fault.contains("its setting synchronous_commit is off"), "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_no_journal_of_ours_is_refused() {
    let Some(server) = postgres::shared() else { return };
    let url = server.database().await;
    drop(PostgresJournal::connect(&url).await.unwrap());
    let client = postgres::client(&url).await;
    client.batch_execute("UPDATE portcullis.version SET version = 999").await.unwrap();
    let newer = refused(&url).await;
    assert!(newer.contains("its version is 999"), "{newer}");

    let admin = postgres::client(&server.url("postgres")).await;
    admin
        .batch_execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
        .await
        .unwrap();
    let latin = refused(&server.url("latin")).await;
    assert!(latin.contains("its encoding is LATIN1") || latin.contains("encoding is LATIN1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn c10_a_server_that_takes_no_writes_is_not_read_either() {
    let Some(server) = postgres::shared() else { return };
    let url = server.database().await;
    drop(PostgresJournal::connect(&url).await.unwrap());
    let name = url.rsplit('/').next().unwrap();
    let like_a_standby = format!("ALTER DATABASE {name} SET default_transaction_read_only = on");
    postgres::client(&url).await.batch_execute(&like_a_standby).await.unwrap();
    let fault = PostgresJournal::connect(&url).await.unwrap_err();
    assert!(matches!(&fault, JournalError::Unavailable(_)), "{fault:?}");
    assert!(fault.to_string().contains("does not allow writes"), "{fault}");
}

#[tokio::test]
async fn a_url_that_is_none_is_refused_and_no_password_is_told() {
    for url in [
        "",
        "portcullis.db",
        "postgres://ada:secret@host/db?sslmode=maybe",
        "postgres://ada:secret@host/db?sslrootcert=%2Fnowhere",
    ] {
        let fault = refused(url).await;
        assert!(!fault.contains("secret"), "{fault}");
    }
    let nobody = "postgres://ada:secret@127.0.0.1:1/db";
    let fault = PostgresJournal::connect(nobody).await.unwrap_err();
    assert!(matches!(fault, JournalError::Unavailable(_)), "{fault:?}");
    let text = fault.to_string();
    assert!(text.contains("127.0.0.1:1/db") && !text.contains("secret"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_went_back_is_not_taken_for_the_same() {
    let Some(server) = postgres::shared() else { return };
    let url = server.database().await;
    let journal = PostgresJournal::connect(&url).await.unwrap();
    journal.append(0, &batch(1, 1, 0, 5)).await.unwrap();
    let restored = "DELETE FROM portcullis.event WHERE position > 3;
                    UPDATE portcullis.journal SET position = 3";
    postgres::client(&url).await.batch_execute(restored).await.unwrap();
    let went_back =
        |fault: &JournalError| matches!(fault, JournalError::Corrupt { position: 3, .. });
    assert!(went_back(&journal.head().await.unwrap_err()));
    assert!(went_back(&journal.read_after(5, 10).await.unwrap_err()));
    assert!(journal.hold(5).await.is_err_and(|fault| went_back(&fault)));
    // Whoever opens it now takes it as it is.
    let anew = PostgresJournal::connect(&url).await.unwrap();
    assert!(anew.hold(5).await.is_err_and(|fault| went_back(&fault)), "it was told of 5");
    assert_eq!(anew.append(3, &batch(2, 1, 3, 1)).await, Ok(4));
}

/// Versions 3 and 4 had the procedure with other parameters and results.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_an_older_version_is_brought_up() {
    let Some(server) = postgres::shared() else { return };
    let results = [
        "INOUT text[], INOUT text[], INOUT text[], INOUT text[], INOUT text[], INOUT text[],
         INOUT bigint[], OUT bigint[], OUT bigint[], OUT bigint",
        "text[], text[], text[], text[], text[], text[], bigint[], OUT bigint, OUT text[], OUT text[],
         OUT text[], OUT text[], OUT text[], OUT text[], OUT bigint[], OUT bigint[], OUT bigint[]",
    ];
    for (version, lists) in (3..).zip(results) {
        let url = server.database().await;
        let journal = PostgresJournal::connect(&url).await.unwrap();
        journal.append(0, &batch(1, 1, 0, 1)).await.unwrap();
        let older = format!(
            "DROP PROCEDURE portcullis.append_past;
             DROP TABLE portcullis.batch;
             CREATE PROCEDURE portcullis.append_past(
                 text, integer, bigint, bigint, text[], bigint, bigint, {lists}
             ) LANGUAGE plpgsql AS 'BEGIN END';
             UPDATE portcullis.version SET version = {version}"
        );
        let client = postgres::client(&url).await;
        client.batch_execute(&older).await.unwrap();
        let journal = PostgresJournal::connect(&url).await.unwrap();
        assert_eq!(
            journal.append_past(1, &batch(1, 2, 1, 1), &[user("eve")]).await,
            Ok(Vec::new())
        );
        let procedures = "SELECT count(*) FROM pg_proc WHERE proname = 'append_past'";
        let procedures = client.query_one(procedures, &[]).await.unwrap();
        assert_eq!(procedures.get::<_, i64>(0), 1, "the older one is gone");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_with_the_documented_rights_works_and_cannot_rewrite_the_trail() {
    let Some(server) = postgres::shared() else { return };
    let url = server.database().await;
    let instance = "main".parse().unwrap();
    drop(PostgresJournal::connect(&url).await.unwrap());
    let owner = postgres::client(&url).await;
    // As in a database that grants nothing by itself.
    let nothing = "REVOKE ALL ON ALL ROUTINES IN SCHEMA portcullis FROM PUBLIC";
    owner.batch_execute(nothing).await.unwrap();
    owner.batch_execute(&format!("CREATE ROLE{}", documented_grants())).await.unwrap();
    let as_service = url.replacen("postgres@", "portcullis_service@", 1);

    let journal = PostgresJournal::connect(&as_service).await.unwrap();
    let builder = DurableEngine::builder().checkpoint_every(1);
    let engine = builder.open(instance, LockoutPolicy::new(2, 2), journal).await.unwrap();
    let engine = Arc::new(engine);
    for _ in 0..2 {
        let _ = begin(&engine, "ada").fail().await.unwrap();
    }
    engine.unlock(&user("ada")).await.unwrap();
    engine.lock(&org(), &user("eve")).await.unwrap();
    engine.close().await;
    let journal = PostgresJournal::connect(&as_service).await.unwrap();
    assert!(journal.checkpoint().await.unwrap().is_some(), "checkpoints are written");
    let head = journal.head().await.unwrap();
    let mut failure = batch(9, 1, head, 1);
    assert_eq!(journal.append_past(head, &failure, &[user("ada")]).await, Ok(Vec::new()));
    failure.number = 2;
    let past = journal.append_past(head, &failure, &[user("bob")]).await.unwrap();
    assert_eq!(past.len(), 1, "it goes past others");
    let pruned = journal.prune(std::time::SystemTime::now()).await.unwrap_err();
    assert!(pruned.to_string().contains("permission denied"), "{pruned}");

    let service = postgres::client(&as_service).await;
    for forbidden in [
        "UPDATE portcullis.event SET actor = 'nobody'",
        "DELETE FROM portcullis.event",
        "TRUNCATE portcullis.event",
        "DELETE FROM portcullis.journal",
        "UPDATE portcullis.journal SET pruned = 1",
        "UPDATE portcullis.batch SET events = ''",
        "UPDATE portcullis.version SET version = 0",
        "CREATE TABLE portcullis.mine ()",
    ] {
        let fault = service.batch_execute(forbidden).await.unwrap_err();
        let denied = fault.as_db_error().is_some_and(|it| it.code().code() == "42501");
        assert!(denied, "{forbidden}: {fault}");
    }
}
