//! Appending past what others wrote meanwhile, and what it asks of readers: it is seen before it is on the disk.

use std::future::poll_fn;

use portcullis::journal::{AppendError, Batch, Journal, Position, PostgresJournal};
use portcullis::{Actor, Aggregate, Event, LockoutPolicy, PolicyEvent, Recorded, UserId, Verdict};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_postgres::{AsyncMessage, Client, NoTls};

use super::network::by_proxy;
use super::proxy::Mode;
use super::{batch, begin, failures, open, org, postgres, user};

/// Failures of a user, decided after a position.
pub(super) fn of(id: &str, writer: u64, number: u64, after: Position, events: u64) -> Batch {
    let mut batch = batch(writer, number, after, events);
    for event in &mut batch.events {
        event.aggregate = Aggregate::User { org: org(), user: user(id) };
        event.actor = Actor::from(&user(id));
    }
    batch
}

/// As it comes to stand when so many events are passed.
pub(super) fn moved(batch: &Batch, by: u64) -> Vec<Recorded> {
    let mut events = batch.events.clone();
    for event in &mut events {
        (event.position, event.sequence) = (event.position + by, event.sequence + by);
    }
    events
}

pub(super) async fn all(journal: &PostgresJournal) -> Vec<Recorded> {
    journal.read_after(0, usize::MAX).await.unwrap()
}

/// A journal of one event.
pub(super) async fn founded(url: &str) -> PostgresJournal {
    let journal = PostgresJournal::connect(url).await.unwrap();
    assert_eq!(journal.append(0, &batch(1, 0, 0, 1)).await, Ok(1));
    journal
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_a_batch_goes_past_what_others_wrote_of_other_users_and_only_once() {
    let Some(server) = postgres::shared() else { return };
    let url = server.database().await;
    let (one, two) = (founded(&url).await, PostgresJournal::connect(&url).await.unwrap());
    let (first, second) = (of("ada", 1, 1, 1, 2), of("bob", 2, 1, 1, 3));
    assert_eq!(one.append(1, &first).await, Ok(3));
    let bob = [user("bob")];
    for _ in 0..2 {
        assert_eq!(two.append_past(1, &second, &bob).await.as_ref(), Ok(&first.events));
        let expected = [&batch(1, 0, 0, 1).events[..], &first.events, &moved(&second, 2)].concat();
        assert_eq!(all(&one).await, expected);
    }
    // Where nothing is to be passed, nothing is; and what was written after it changes no answer.
    let third = of("eve", 1, 2, 6, 1);
    assert_eq!(one.append_past(6, &third, &[user("eve")]).await, Ok(Vec::new()));
    assert_eq!(two.append_past(1, &second, &bob).await.as_ref(), Ok(&first.events));
    assert_eq!(two.head().await, Ok(7));
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_a_batch_goes_past_nothing_that_it_was_decided_on() {
    let Some(server) = postgres::shared() else { return };
    let failure = || of("ada", 1, 1, 1, 1);
    let mut policy = failure();
    policy.events[0].aggregate = Aggregate::Org(org());
    policy.events[0].event = Event::OrgPolicy(PolicyEvent::Added(LockoutPolicy::new(2, 2)));
    let mut instance = failure();
    instance.events[0].aggregate = Aggregate::Instance("main".parse().unwrap());
    instance.events[0].event =
        Event::InstancePolicy(PolicyEvent::Changed(LockoutPolicy::new(2, 2)));
    // (What the others wrote, on whom it was decided.)
    let cases: [(Batch, &[UserId]); 5] = [
        (failure(), &[user("ada")]),
        (failure(), &[user("bob"), user("ada")]),
        (policy, &[user("bob")]),
        (instance, &[user("bob")]),
        (of("ada", 1, 1, 1, 1_024), &[user("bob")]),
    ];
    for (written, users) in cases {
        let url = server.database().await;
        let (one, two) = (founded(&url).await, PostgresJournal::connect(&url).await.unwrap());
        let head = one.append(1, &written).await.unwrap();
        // It stays so: also for a call that arrives late, when somebody has written more.
        for more in 0..2 {
            let late = two.append_past(1, &of("bob", 2, 1, 1, 1), users).await;
            assert_eq!(late, Err(AppendError::Behind), "{:?}", written.events[0]);
            assert_eq!(one.head().await, Ok(head + more));
            one.append(head + more, &of("eve", 1, 2 + more, head + more, 1)).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d2_a_batch_that_goes_past_others_and_whose_answer_is_lost_is_in_doubt() {
    let Some(server) = postgres::shared() else { return };
    let (url, proxy, half_open) = by_proxy(server).await;
    let (one, two) = (founded(&url).await, PostgresJournal::connect(&half_open).await.unwrap());
    let bob = [user("bob")];
    assert_eq!(two.append_past(1, &of("bob", 2, 1, 1, 1), &bob).await, Ok(Vec::new()));
    let first = of("ada", 1, 1, 2, 2);
    assert_eq!(one.append(2, &first).await, Ok(4));
    proxy.set(Mode::Mute);
    let second = of("bob", 2, 2, 2, 1);
    let lost = two.append_past(2, &second, &bob).await;
    assert!(matches!(lost, Err(AppendError::InDoubt(_))), "{lost:?}");
    proxy.set(Mode::Open);
    assert_eq!(two.append_past(2, &second, &bob).await.as_ref(), Ok(&first.events));
    assert_eq!(all(&one).await[4..], moved(&second, 2));
}

/// The call commits on its way, so one that the server gives up may be done.
#[tokio::test(flavor = "multi_thread")]
async fn c06_a_batch_that_the_server_gives_up_on_its_way_is_in_doubt() {
    let Some(server) = postgres::shared() else { return };
    let url = server.database().await;
    let journal = founded(&url).await;
    let client = postgres::client(&url).await;
    client.batch_execute("BEGIN; SELECT FROM portcullis.journal FOR UPDATE").await.unwrap();
    let (sent, bob) = (of("bob", 2, 1, 1, 1), [user("bob")]);
    let given_up = journal.append_past(1, &sent, &bob).await;
    assert!(matches!(given_up, Err(AppendError::InDoubt(_))), "{given_up:?}");
    client.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(journal.append_past(1, &sent, &bob).await, Ok(Vec::new()));
    assert_eq!(journal.head().await, Ok(2));
}

/// A session that listens, and the notices that it was sent.
async fn listening(url: &str) -> (Client, UnboundedReceiver<String>) {
    let (client, mut connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let (told, notices) = unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notification(notice) = message {
                let _ = told.send(notice.payload().to_owned());
            }
        }
    });
    client.batch_execute("LISTEN portcullis").await.unwrap();
    (client, notices)
}

#[tokio::test(flavor = "multi_thread")]
async fn c10_who_listens_is_told_of_each_append_and_where_nobody_does_nobody_is() {
    let Some(server) = postgres::shared() else { return };
    let url = server.database().await;
    let (journal, bob) = (founded(&url).await, [user("bob")]);
    let (client, mut notices) = listening(&url).await;
    journal.append_past(1, &of("bob", 2, 1, 1, 1), &bob).await.unwrap();
    // What was sent before an answer is there when the answer is.
    client.batch_execute("SELECT 1").await.unwrap();
    assert!(notices.try_recv().is_err(), "a notice for nobody");
    assert_eq!(journal.append(2, &of("bob", 2, 2, 2, 1)).await, Ok(3));
    client.batch_execute("SELECT 1").await.unwrap();
    assert!(notices.try_recv().is_err(), "a notice for nobody of an append");

    let other = PostgresJournal::connect(&url).await.unwrap();
    let heard = tokio::spawn(async move {
        other.changed(3).await;
        other
    });
    let listens =
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 1349481077
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    super::until_async("another journal to listen", async || {
        client.query_one(listens, &[]).await.unwrap().get::<_, i64>(0) == 1
    })
    .await;
    journal.append_past(3, &of("bob", 2, 3, 3, 3), &bob).await.unwrap();
    assert_eq!(journal.append(6, &of("bob", 2, 4, 6, 1)).await, Ok(7));
    let _other = heard.await.unwrap();
    client.batch_execute("SELECT 1").await.unwrap();
    assert_eq!([notices.try_recv().unwrap(), notices.try_recv().unwrap()], ["6 main", "7 main"]);
}

/// One more event of the last one's user, committed without waiting for the disk.
async fn write_lazily(client: &Client) {
    let sql = "
        SET synchronous_commit = off;
        WITH moved AS (UPDATE portcullis.journal SET position = position + 1 RETURNING position)
        INSERT INTO portcullis.event
        SELECT instance, moved.position, at, actor, type, aggregate, id, org, moved.position, payload,
               writer, batch, crc # (it.position & 4294967295) # (moved.position & 4294967295)
        FROM portcullis.event AS it, moved WHERE it.position = moved.position - 1";
    client.batch_execute(sql).await.unwrap();
}

fn power_cut(server: &mut postgres::Cluster) {
    tokio::task::block_in_place(|| {
        server.stop_at_once();
        server.start_again();
    });
}

async fn is_back(journal: &PostgresJournal) {
    super::until_async("the journal to come back", async || journal.head().await.is_ok()).await;
}

/// The server's own writer comes by too seldom to help.
const LAZY: [&str; 1] = ["wal_writer_delay=10s"];

#[tokio::test(flavor = "multi_thread")]
async fn m28_what_was_read_of_others_is_there_after_a_power_cut() {
    let Some(mut server) = postgres::Cluster::start(&LAZY) else { return };
    let url = server.database().await;
    let journal = founded(&url).await;
    assert_eq!(
        journal.append_past(1, &of("bob", 2, 1, 1, 1), &[user("bob")]).await,
        Ok(Vec::new())
    );
    let mut head = 2;
    let mut lost = 0;
    for round in 0..12 {
        write_lazily(&postgres::client(&url).await).await;
        match round % 3 {
            // Nobody reads it: such a thing can be lost, or this test would show nothing.
            0 => {}
            1 => assert_eq!(journal.read_after(head, 10).await.unwrap().len(), 1),
            _ => assert_eq!(journal.hold(head).await.unwrap().events().len(), 1),
        }
        power_cut(&mut server);
        let there = PostgresJournal::connect(&url).await.unwrap().head().await.unwrap();
        if round % 3 == 0 {
            lost += head + 1 - there;
        } else {
            assert_eq!(there, head + 1, "what was read is lost");
        }
        head = there;
        is_back(&journal).await;
    }
    assert!(lost > 0, "the server lost nothing, whatever was read");
}

/// What was only heard of and never read may go; whoever heard of it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn m28_a_head_that_a_power_cut_took_back_is_no_loss_to_who_only_heard_of_it() {
    let Some(mut server) = postgres::Cluster::start(&LAZY) else { return };
    let url = server.database().await;
    let journal = founded(&url).await;
    assert_eq!(
        journal.append_past(1, &of("bob", 2, 1, 1, 1), &[user("bob")]).await,
        Ok(Vec::new())
    );
    let (mut lost, mut rounds) = (false, 0);
    while !lost {
        rounds += 1;
        assert!(rounds < 20, "the server lost nothing");
        write_lazily(&postgres::client(&url).await).await;
        let heard = journal.head().await.unwrap();
        power_cut(&mut server);
        is_back(&journal).await;
        lost = journal.head().await.unwrap() < heard;
    }
    let head = journal.head().await.unwrap();
    let next = of("bob", 2, 2, head, 1);
    assert_eq!(journal.append(head, &next).await, Ok(head + 1));
    // Of more than that there is no news.
    let changed = journal.changed(head + 1);
    assert!(futures_util::FutureExt::now_or_never(changed).is_none(), "it believes what it heard");
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_nodes_whose_users_are_others_pass_each_other_and_know_of_each_other() {
    let Some(server) = postgres::Cluster::start(&["track_functions=pl"]) else { return };
    let url = server.database().await;
    let nodes = [open(&url, 40).await, open(&url, 40).await];
    for round in 1..=30 {
        // At once, so that one of them comes too late.
        let (one, two) =
            tokio::join!(begin(&nodes[0], "ada").fail(), begin(&nodes[1], "bob").fail());
        for verdict in [one.unwrap(), two.unwrap()] {
            assert!(matches!(verdict, Verdict::Rejected { failures, .. } if failures == round));
        }
    }
    let journal = PostgresJournal::connect(&url).await.unwrap();
    let head = journal.head().await.unwrap();
    for node in &nodes {
        super::until("a node to catch up", || node.health().position == head).await;
        assert_eq!((failures(node, "ada"), failures(node, "bob")), (30, 30));
    }
    // The statistics come a little later.
    let client = postgres::client(&url).await;
    let calls = "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_user_functions";
    for node in nodes {
        node.close().await;
    }
    super::until_async("appends to have gone past others", async || {
        client.query_one(calls, &[]).await.unwrap().get::<_, i64>(0) > 0
    })
    .await;
}
