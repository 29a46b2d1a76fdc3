//! Policies that change on one node while others settle failures: each failure is judged by the policy at
//! its own position, and each change is in force everywhere soon.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join;
use portcullis::durable::Admission;
use portcullis::journal::{Journal, PostgresJournal};
use portcullis::{
    Aggregate, AttemptInfo, DurableEngine, Event, Factor, LockoutPolicy, PolicyEvent, Recorded,
    Verdict,
};
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::{AsyncMessage, Client, NoTls};

use super::{open, org, postgres, user};

const DEFAULT: u32 = 6;
/// How soon a change that was acknowledged is in force on the other nodes, where nothing else delays it.
const SOON: Duration = Duration::from_millis(100);
/// How often to change and to reset during the storm, and after it.
const ROUNDS: u32 = 25;
const QUIET_ROUNDS: u32 = 8;
const TASKS: u64 = 4;

/// What was told of each attempt that was rejected: the failures, the limit, whether it locked.
type Told = Mutex<HashMap<String, (u32, u32, bool)>>;

/// Fails one user after the other until each is locked.
async fn fail(node: Arc<DurableEngine>, task: String, told: Arc<Told>, over: Arc<AtomicBool>) {
    let (mut victim, mut number) = (0, 0);
    while !over.load(Ordering::SeqCst) {
        let id = format!("{task}-{victim}");
        let attempt = match node.begin_owned(&org(), &user(&id), Factor::Password) {
            Admission::Admitted(attempt) => attempt,
            other => panic!("{other:?}"),
        };
        number += 1;
        let name = format!("{task} {number}");
        let info = AttemptInfo { request_id: Some(name.clone()), ..AttemptInfo::default() };
        let verdict = attempt.with_info(info).fail().await.unwrap();
        let Verdict::Rejected { failures, limit, locked } = verdict else { panic!("{verdict:?}") };
        told.lock().unwrap().insert(name, (failures, limit.get(), locked));
        victim += u64::from(locked);
    }
}

/// A bare listener, and somebody who writes a row and tells it: how long that takes on this machine, as
/// busy as it and its disk are at the moment.
struct Control {
    speaker: Client,
    listener: Client,
    heard: mpsc::UnboundedReceiver<()>,
}

impl Control {
    async fn on(url: &str) -> Self {
        let (listener, mut connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        let (tell, heard) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
                if matches!(message, AsyncMessage::Notification(_)) && tell.send(()).is_err() {
                    return;
                }
            }
        });
        listener.batch_execute("CREATE TABLE control (it int); LISTEN control").await.unwrap();
        Self { speaker: postgres::client(url).await, listener, heard }
    }

    /// The time of a commit, its notice and the look that follows it.
    async fn time(&mut self) -> Duration {
        let began = Instant::now();
        let tell = "BEGIN; INSERT INTO control VALUES (1); NOTIFY control; COMMIT";
        self.speaker.batch_execute(tell).await.unwrap();
        self.heard.recv().await.unwrap();
        self.listener.batch_execute("SELECT position FROM portcullis.journal").await.unwrap();
        began.elapsed()
    }
}

/// How long it takes until the others resolve as the first node does, less what two commits that are told
/// take at that moment: who is about to append hears of the change when that is done, and in its turn.
async fn heard(
    first: &DurableEngine,
    others: &[Arc<DurableEngine>],
    control: &mut Control,
) -> Duration {
    let (began, wanted) = (Instant::now(), first.resolve("acme"));
    let (stop, mut stopped) = oneshot::channel::<()>();
    let seen = async {
        let all = || others.iter().all(|node| node.resolve("acme") == wanted);
        super::until("the change to be heard", all).await;
        let took = began.elapsed();
        drop(stop);
        took
    };
    let slowest = async {
        let mut slowest = control.time().await;
        while stopped.try_recv() == Err(TryRecvError::Empty) {
            slowest = slowest.max(control.time().await);
        }
        slowest
    };
    let (took, slowest) = join(seen, slowest).await;
    took.saturating_sub(slowest * 2)
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_m38_each_failure_is_judged_by_the_policy_at_its_position_whichever_node_changed_it() {
    let Some(server) = postgres::shared() else { return };
    let url = server.database().await;
    let first = open(&url, DEFAULT).await;
    // Two that settle, and one that only follows.
    let others = [(); 3].map(|()| open(&url, DEFAULT));
    let others = futures_util::future::join_all(others).await;
    let (told, over) = (Arc::<Told>::default(), Arc::new(AtomicBool::new(false)));
    let mut tasks = Vec::new();
    for (number, node) in others[..2].iter().enumerate() {
        for task in 0..TASKS {
            let name = format!("node{number}task{task}");
            let (told, over) = (Arc::clone(&told), Arc::clone(&over));
            tasks.push(tokio::spawn(fail(Arc::clone(node), name, told, over)));
        }
    }
    let mut control = Control::on(&url).await;
    let mut took = Vec::new();
    for round in 0..ROUNDS + QUIET_ROUNDS {
        if round == ROUNDS {
            over.store(true, Ordering::SeqCst);
            for task in std::mem::take(&mut tasks) {
                task.await.unwrap();
            }
        }
        let policy = |limit| LockoutPolicy::new(limit, 1);
        first.add_override(&org(), policy(1 + round % 3)).await.unwrap();
        took.push(heard(&first, &others, &mut control).await);
        first.change_override(&org(), policy(4 + round % 3)).await.unwrap();
        took.push(heard(&first, &others, &mut control).await);
        first.reset_to_default(&org()).await.unwrap();
        took.push(heard(&first, &others, &mut control).await);
    }
    let slowest = took.iter().max().unwrap();
    println!("the slowest of {} changes was in force after {slowest:?}", took.len());
    assert!(tasks.is_empty());
    assert!(*slowest <= SOON, "{took:?}");

    let journal = PostgresJournal::connect(&url).await.unwrap();
    let events = journal.read_after(0, usize::MAX).await.unwrap();
    let limits = judge(&events, &told.lock().unwrap());
    println!("failures judged anew, by limit: {limits:?}");
    assert!(limits.len() > 4, "{limits:?}");
}

/// Judges each failure of the trail anew, by the policies before it there; how many, by limit.
fn judge(events: &[Recorded], told: &HashMap<String, (u32, u32, bool)>) -> HashMap<u32, u32> {
    let (mut limit, mut counts) = (DEFAULT, HashMap::<String, u32>::new());
    let (mut judged, mut limits) = (0, HashMap::<u32, u32>::new());
    for (event, next) in events.iter().zip(events.iter().skip(1).map(Some).chain([None])) {
        match (&event.aggregate, &event.event) {
            (_, Event::OrgPolicy(PolicyEvent::Added(policy) | PolicyEvent::Changed(policy))) => {
                limit = policy.limit(Factor::Password).get();
            }
            (_, Event::OrgPolicy(PolicyEvent::Removed)) => limit = DEFAULT,
            (Aggregate::User { user, .. }, Event::CheckFailed { info, .. }) => {
                let count = counts.entry(user.to_string()).or_default();
                *count += 1;
                let locks = next.is_some_and(|it| {
                    it.aggregate == event.aggregate && matches!(it.event, Event::Locked(_))
                });
                assert_eq!(locks, *count >= limit, "{}: {count} of {limit}", event.position);
                let name = info.as_ref().unwrap().request_id.clone().unwrap();
                assert_eq!(told.get(&name), Some(&(*count, limit, locks)), "{}", event.position);
                judged += 1;
                *limits.entry(limit).or_default() += 1;
            }
            _ => {}
        }
    }
    assert_eq!(judged, told.len(), "what was told is not in the trail");
    limits
}
