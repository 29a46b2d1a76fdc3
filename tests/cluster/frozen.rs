//! A node that freezes: whoever holds the head and does nothing must not stop the others for long.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use portcullis::journal::{AppendError, HOLD_LIMIT, Journal, PostgresJournal};

use super::proxy::{Mode, Proxy};
use super::storm::Storm;
use super::{batch, open, postgres, until, until_async};

/// How much longer than a hold may last somebody may wait, on a busy machine.
const SLACK: Duration = Duration::from_millis(700);

#[tokio::test(flavor = "multi_thread")]
async fn c07_a_holder_that_is_cut_off_holds_for_a_second_at_most() {
    let Some(server) = postgres::shared() else { return };
    let url = server.database().await;
    let proxy = Proxy::to(server.port);
    let by_proxy = postgres::url(proxy.port, url.rsplit('/').next().unwrap());
    let (cut_off, other) = (
        PostgresJournal::connect(&by_proxy).await.unwrap(),
        PostgresJournal::connect(&url).await.unwrap(),
    );
    other.append(0, &batch(1, 1, 0, 1)).await.unwrap();
    let held = cut_off.hold(1).await.unwrap();
    let started = Instant::now();
    proxy.set(Mode::Frozen);
    assert_eq!(other.append(1, &batch(1, 2, 1, 1)).await, Ok(2));
    assert!(started.elapsed() < HOLD_LIMIT + SLACK, "{:?}", started.elapsed());
    // Nothing has told it, and it is sure all the same.
    until("the hold's time to be up", || started.elapsed() > HOLD_LIMIT).await;
    let late = held.append(&batch(2, 1, 1, 1)).await;
    assert!(matches!(late, Err(AppendError::Unavailable(_))), "{late:?}");
    proxy.set(Mode::Open);
    assert_eq!(other.head().await, Ok(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn c07_a_hold_that_nobody_uses_ends_by_itself_and_its_append_says_so() {
    let Some(server) = postgres::shared() else { return };
    let url = server.database().await;
    let journal = PostgresJournal::connect(&url).await.unwrap();
    let other = PostgresJournal::connect(&url).await.unwrap();
    journal.append(0, &batch(1, 1, 0, 1)).await.unwrap();
    let held = journal.hold(1).await.unwrap();
    let started = Instant::now();
    assert_eq!(other.append(1, &batch(2, 1, 1, 1)).await, Ok(2));
    assert!(started.elapsed() < HOLD_LIMIT + SLACK, "{:?}", started.elapsed());
    let late = held.append(&batch(1, 2, 1, 1)).await;
    assert!(matches!(late, Err(AppendError::Unavailable(_))), "{late:?}");
    assert_eq!(journal.append(2, &batch(1, 3, 2, 1)).await, Ok(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn c07_who_appends_while_the_head_is_held_waits_and_comes_too_late() {
    let Some(server) = postgres::shared() else { return };
    let url = server.database().await;
    let one = PostgresJournal::connect(&url).await.unwrap();
    let other = PostgresJournal::connect(&url).await.unwrap();
    one.append(0, &batch(1, 1, 0, 1)).await.unwrap();
    let held = one.hold(1).await.unwrap();
    let late = tokio::spawn(async move { other.append(1, &batch(2, 1, 1, 1)).await });
    let admin = postgres::client(&url).await;
    until_async("the append to wait", async || {
        let sql = "SELECT FROM pg_stat_activity WHERE datname = current_database()
                   AND application_name = 'portcullis' AND wait_event_type = 'Lock'";
        !admin.query(sql, &[]).await.unwrap().is_empty()
    })
    .await;
    assert_eq!(held.append(&batch(1, 2, 1, 1)).await, Ok(2));
    assert_eq!(late.await.unwrap(), Err(AppendError::Behind));
}

/// A process that ends with the test, also with one that fails.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The child: a node in a storm, until it is ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storms_until_ended() {
    let Ok(url) = std::env::var("PORTCULLIS_CLUSTER_URL") else { return };
    let nodes = [open(&url, 1_000_000).await];
    let storm = Storm::over(&nodes, 5);
    until("the storm to rage", || storm.told() > 100).await;
    println!("STORMS");
    std::io::stdin().lock().read_line(&mut String::new()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_a_process_that_is_frozen_at_any_moment_stops_the_others_for_a_second_at_most() {
    let Some(server) = postgres::shared() else { return };
    let url = server.database().await;
    let nodes = [open(&url, 1_000_000).await];
    let mut child = Ended(
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "frozen::storms_until_ended", "--nocapture"])
            .env("PORTCULLIS_CLUSTER_URL", &url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("STORMS")));
    let signal = |name: &str| {
        let kill =
            Command::new("sh").args(["-c", &format!("kill {name} {}", child.0.id())]).status();
        assert!(kill.unwrap().success());
    };
    let storm = Storm::over(&nodes, 5);
    let mut longest = Duration::ZERO;
    for _ in 0..12 {
        let before = storm.told();
        until("the storm to rage", || storm.told() > before + 20).await;
        signal("-STOP");
        let stopped = Instant::now();
        // Everybody who waits now is answered, and some who came after.
        let before = storm.told();
        until("the storm to go on", || storm.told() > before + 50).await;
        longest = longest.max(stopped.elapsed());
        assert!(nodes[0].health().writable);
        signal("-CONT");
    }
    println!("the longest that a frozen process stopped the others: {longest:?}");
    assert!(longest < HOLD_LIMIT + SLACK + SLACK, "{longest:?}");
}
