//! Callers that attempt and settle all the time, on several nodes, whatever happens; and what must be
//! found in the trail afterwards. Each attempt has a name that goes into its event.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use portcullis::durable::Admission;
use portcullis::journal::{Journal, PostgresJournal};
use portcullis::{Aggregate, AttemptInfo, DurableEngine, Event, Factor, Verdict};
use tokio::task::JoinHandle;

use super::{failures, org, user};

pub(crate) struct Storm {
    shared: Arc<Shared>,
    callers: Vec<JoinHandle<()>>,
}

#[derive(Default)]
pub(crate) struct Shared {
    over: AtomicBool,
    attempts: AtomicU64,
    /// How many verdicts were told.
    pub(crate) told: AtomicU64,
    /// What was told of each attempt that was rejected: the user, and the failures.
    rejected: Mutex<HashMap<String, (String, u32)>>,
}

impl Storm {
    /// With so many users: few are shared by the nodes all the time, of many each node has others.
    pub(crate) fn over(nodes: &[Arc<DurableEngine>], users: u64) -> Self {
        let shared = Arc::new(Shared::default());
        let mut callers = Vec::new();
        for node in nodes {
            for _ in 0..8 {
                callers.push(tokio::spawn(call(Arc::clone(&shared), Arc::clone(node), users)));
            }
        }
        Self { shared, callers }
    }

    pub(crate) fn told(&self) -> u64 {
        self.shared.told.load(Ordering::SeqCst)
    }

    /// How many attempts were made or refused.
    pub(crate) fn tried(&self) -> u64 {
        self.shared.attempts.load(Ordering::SeqCst)
    }

    /// Ends it, and compares what was told with the trail, and every node with the trail.
    pub(crate) async fn end(self, url: &str, nodes: &[Arc<DurableEngine>]) {
        self.shared.over.store(true, Ordering::SeqCst);
        for caller in self.callers {
            caller.await.unwrap();
        }
        let journal = PostgresJournal::connect(url).await.unwrap();
        let events = journal.read_after(0, usize::MAX).await.unwrap();
        let mut counts: HashMap<String, u32> = HashMap::new();
        let mut recorded: HashMap<String, (String, u32)> = HashMap::new();
        for event in &events {
            let Aggregate::User { user, .. } = &event.aggregate else { continue };
            let count = counts.entry(user.to_string()).or_default();
            match &event.event {
                Event::CheckFailed { info, .. } => {
                    *count += 1;
                    let name = info.as_ref().unwrap().request_id.clone().unwrap();
                    let twice = recorded.insert(name, (user.to_string(), *count));
                    assert_eq!(twice, None, "an attempt was counted twice");
                }
                Event::CheckSucceeded { .. } => *count = 0,
                other => panic!("{other:?}"),
            }
        }
        let rejected = std::mem::take(&mut *self.shared.rejected.lock().unwrap());
        assert!(!rejected.is_empty());
        for (name, told) in rejected {
            assert_eq!(recorded.get(&name), Some(&told), "what was told is not in the trail");
        }
        for node in nodes {
            let head = events.last().unwrap().position;
            super::until("a node to catch up", || node.health().position == head).await;
            for (user, count) in &counts {
                assert_eq!(failures(node, user), *count, "{user}");
            }
        }
    }
}

async fn call(shared: Arc<Shared>, node: Arc<DurableEngine>, users: u64) {
    while !shared.over.load(Ordering::SeqCst) {
        let number = shared.attempts.fetch_add(1, Ordering::SeqCst);
        let (id, name) = (format!("user{}", number % users), format!("attempt {number}"));
        let Admission::Admitted(attempt) = node.begin_owned(&org(), &user(&id), Factor::Password)
        else {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            continue;
        };
        let info = AttemptInfo { request_id: Some(name.clone()), ..AttemptInfo::default() };
        let attempt = attempt.with_info(info);
        let right = number.is_multiple_of(97);
        let settled = if right { attempt.succeed().await } else { attempt.fail().await };
        match settled {
            Ok(Verdict::Rejected { failures, .. }) => {
                shared.told.fetch_add(1, Ordering::SeqCst);
                shared.rejected.lock().unwrap().insert(name, (id, failures));
            }
            Ok(Verdict::Accepted) => {
                shared.told.fetch_add(1, Ordering::SeqCst);
            }
            Ok(other) => panic!("{other:?}"),
            // The journal is away: whoever asks again is refused, or told when it is back.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(1)).await,
        }
    }
}
