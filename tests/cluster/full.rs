//! A server that takes no more: its disk is full, or it only reads. Nobody is admitted, nothing is told,
//! and once the cause is gone the same engine goes on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis::durable::Admission;
use portcullis::journal::{Journal, JournalError, PostgresJournal};
use portcullis::{DurableEngine, Factor, Refusal, Verdict};

use super::{begin, failures, open, org, postgres, until, user};

/// Settles failures of one user, who has one, until the server takes no more; how many were told, and the
/// fault.
async fn fill(engine: &Arc<DurableEngine>) -> (u32, JournalError) {
    let mut told = 1;
    loop {
        match begin(engine, "ada").fail().await {
            Ok(Verdict::Rejected { failures, .. }) => told = failures,
            Ok(other) => panic!("{other:?}"),
            Err(fault) => return (told, fault),
        }
    }
}

/// While the server takes nothing: neither right nor wrong is told, and nobody admitted, however often
/// the engine tries whether it can write again.
async fn refuses(engine: &Arc<DurableEngine>, in_flight: [super::Attempt<'static>; 3]) {
    let [right, wrong, clean] = in_flight;
    for settled in [right.succeed().await, wrong.fail().await, clean.succeed().await] {
        assert!(matches!(settled, Err(JournalError::Unavailable(_))), "{settled:?}");
    }
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(1500) {
        let refused = engine.begin(&org(), &user("eve"), Factor::Password);
        assert!(matches!(refused, Admission::Refused(Refusal::Unavailable)), "{refused:?}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Everything that was told is in the trail, and what was in doubt is there once at most.
async fn goes_on(engine: &Arc<DurableEngine>, url: &str, told: u32) {
    until("the engine to recover", || engine.health().writable).await;
    let verdict = begin(engine, "ada").fail().await;
    assert!(matches!(verdict, Ok(Verdict::Rejected { failures, .. }) if failures == told + 1));
    assert_eq!(failures(engine, "ada"), told + 1);
    assert_eq!(begin(engine, "clean").succeed().await, Ok(Verdict::Accepted));
    let journal = PostgresJournal::connect_to(url, engine.instance()).await.unwrap();
    let events = journal.read_after(0, usize::MAX).await.unwrap();
    assert_eq!(events.len() as u64, u64::from(told) + 2);
}

/// The database has another journal as well, so long that no file is to grow beyond what the server's
/// log needs. `PostgresJournal` knows nothing of it.
const OTHERS: &str = "
    INSERT INTO portcullis.event
    SELECT 'other', number, '', '', '', 'user', repeat('x', 400), NULL, 0, NULL, 0, 0, 0
    FROM generate_series(1, 45000) AS number";

#[tokio::test(flavor = "multi_thread")]
async fn d3_m29_a_server_whose_disk_is_full_admits_nobody_until_there_is_room() {
    let Some(server) = postgres::Cluster::start(&[]) else { return };
    let url = server.database().await;
    let engine = open(&url, 0).await;
    let admin = postgres::client(&url).await;
    admin.batch_execute(OTHERS).await.unwrap();
    let _ = begin(&engine, "ada").fail().await.unwrap();
    let in_flight = [begin(&engine, "ada"), begin(&engine, "ada"), begin(&engine, "clean")];
    let size = "SELECT pg_relation_size('portcullis.event')";
    let size: i64 = admin.query_one(size, &[]).await.unwrap().get(0);
    assert!(size > 17 << 20, "{size}");
    server.allow_files_of(Some(size));

    let (told, fault) = fill(&engine).await;
    assert!(fault.to_string().contains("could not extend file"), "{fault}");
    refuses(&engine, in_flight).await;
    server.allow_files_of(None);
    goes_on(&engine, &url, told).await;
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d3_m29_a_server_that_only_reads_admits_nobody_until_it_writes() {
    let Some(server) = postgres::Cluster::start(&[]) else { return };
    let url = server.database().await;
    let engine = open(&url, 0).await;
    let _ = begin(&engine, "ada").fail().await.unwrap();
    let in_flight = [begin(&engine, "ada"), begin(&engine, "ada"), begin(&engine, "clean")];
    let admin = postgres::client(&server.url("postgres")).await;
    let only_reads = async |on: bool| {
        let set = format!("ALTER SYSTEM SET default_transaction_read_only = {on}");
        admin.batch_execute("SET default_transaction_read_only = false").await.unwrap();
        admin.batch_execute(&set).await.unwrap();
        admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    };
    only_reads(true).await;
    let (told, fault) = fill(&engine).await;
    assert!(fault.to_string().contains("read-only transaction"), "{fault}");
    refuses(&engine, in_flight).await;
    only_reads(false).await;
    goes_on(&engine, &url, told).await;
    engine.close().await;
}
