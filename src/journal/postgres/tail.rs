//! Hearing of what others append: the server tells, and if it does not, a look now and then.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_postgres::{AsyncMessage, Client};

use super::Node;
use super::connection::{begin_session, check};
use super::fault::{Fault, answered};
use super::thread::Thread;
use crate::journal::Position;

/// How often to look although nothing was told. This also finds a connection that is dead.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long to wait before connecting anew: first, and at most.
const AGAIN_FIRST: Duration = Duration::from_millis(20);
const AGAIN_LONGEST: Duration = Duration::from_millis(500);

/// What is known of the journal without asking.
#[derive(Debug, Default)]
pub(super) struct News {
    /// The highest head that was seen.
    pub(super) head: Position,
    /// How often listening has failed.
    pub(super) faults: u64,
}

/// The task that listens, once somebody wants to hear.
#[derive(Default)]
pub(super) struct Tail(Mutex<Option<JoinHandle<()>>>);

impl Tail {
    pub(super) fn ensure(&self, thread: &Thread, node: &Arc<Node>) {
        let mut task = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if task.is_none() {
            *task = Some(thread.handle.spawn(follow(Arc::clone(node))));
        }
    }

    pub(super) fn release(&self) {
        let task = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            task.abort();
        }
    }
}

async fn follow(node: Arc<Node>) {
    let mut pause = AGAIN_FIRST;
    loop {
        let mut heard = false;
        // It only ends by a fault, which those who wait will meet themselves.
        let _ = listen(&node, &mut heard).await;
        node.news.send_modify(|news| news.faults = news.faults.saturating_add(1));
        pause = if heard { AGAIN_FIRST } else { pause.saturating_mul(2).min(AGAIN_LONGEST) };
        tokio::time::sleep(pause).await;
    }
}

async fn listen(node: &Node, heard: &mut bool) -> Result<(), Fault> {
    let (client, mut connection) = answered(node.server.connect()).await?;
    let (told, mut notices) = mpsc::unbounded_channel();
    // Ends with this set, that is with this function.
    let mut driver = JoinSet::new();
    driver.spawn(async move {
        while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notification(notice) = message {
                let _ = told.send(notice.payload().to_owned());
            }
        }
    });
    begin_session(&client).await?;
    check(&client, &node.server).await?;
    answered(client.batch_execute("LISTEN portcullis")).await?;
    loop {
        look(node, &client).await?;
        *heard = true;
        while let Ok(Some(notice)) = tokio::time::timeout(LOOK_EVERY, notices.recv()).await {
            let Some(instance) = node.instance.get() else { break };
            if let Some((position, of)) = notice.split_once(' ')
                && of == instance.as_str()
                && let Ok(position) = position.parse()
            {
                node.saw(0, position)?;
            }
        }
    }
}

/// Looks where the head is.
async fn look(node: &Node, client: &Client) -> Result<(), Fault> {
    let known = node.known_head();
    let Some(instance) = node.known_instance().await? else { return Ok(()) };
    let sql = "SELECT position FROM portcullis.journal WHERE instance = $1";
    let row = answered(client.query_opt(sql, &[&instance.as_str()])).await?;
    let head = row.map(|row| row.try_get::<_, i64>(0)).transpose()?.unwrap_or(0);
    node.saw(known, head.cast_unsigned())
}
