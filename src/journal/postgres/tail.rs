//! Hearing of what others append: the server tells, and if it does not, a look now and then. While there
//! is so much that to be told each time would be most of the work, a look every few milliseconds.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::task::{JoinHandle, JoinSet};
use tokio_postgres::{AsyncMessage, Client, Statement};

use super::Node;
use super::connection::{begin_session, check};
use super::fault::{Fault, answered};
use super::read::HEAD;
use super::thread::Thread;
use crate::journal::Position;

/// How often to look although nothing was told. This also finds a connection that is dead.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// So often to look instead of listening when there were more than so many notices in that time.
const LOOK_OFTEN: Duration = Duration::from_millis(10);
const MANY: u32 = 3;
/// A lock of the database's that all who listen share: where nobody has it nobody needs to be told, see
/// `past.sql`. Had first and given back last, so that whoever is not told finds by looking what there is.
const LISTEN: &str = "SELECT pg_advisory_lock_shared(1349481077, 0); LISTEN portcullis";
const UNLISTEN: &str = "UNLISTEN portcullis; SELECT pg_advisory_unlock_shared(1349481077, 0)";
/// How long to wait before connecting anew: first, and at most.
const AGAIN_FIRST: Duration = Duration::from_millis(20);
const AGAIN_LONGEST: Duration = Duration::from_millis(500);

/// What is known of the journal without asking.
///
/// INVARIANT: whoever follows has taken over all that was in the journal at `current`. So what counts of a
/// look is the moment before it was asked for, and it counts once that far was followed.
#[derive(Debug, Default)]
pub(super) struct News {
    /// The head as far as is known; a crash of the server may take back what is above `durable`.
    pub(super) head: Position,
    /// The highest position that is certainly in the journal for good.
    durable: Position,
    /// How often listening has failed.
    pub(super) faults: u64,
    /// The position from which on whoever follows waits for more.
    followed: Position,
    /// A look that found more than was followed: what it found, and its moment.
    ahead: Option<(Position, Instant)>,
    /// `None` while nobody follows.
    pub(super) current: Option<Instant>,
}

/// What was known before something was asked. The answer can only show more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Before {
    head: Position,
    durable: Position,
}

impl From<Position> for Before {
    /// Whoever asks relies on a position.
    fn from(durable: Position) -> Self {
        Self { head: durable, durable }
    }
}

impl News {
    pub(super) fn before(&self) -> Before {
        Before { head: self.head, durable: self.durable }
    }

    /// The head is at least there; whether that is news.
    pub(super) fn told(&mut self, position: Position) -> bool {
        let newer = position > self.head;
        self.head = self.head.max(position);
        newer
    }

    /// All up to a position is in the journal for good.
    pub(super) fn reached(&mut self, position: Position) -> bool {
        self.durable = self.durable.max(position);
        self.told(position)
    }

    /// The head was found there by whoever asked when it was known `before`; whether that is news.
    /// `Err` with what is lost.
    pub(super) fn found(&mut self, before: Before, head: Position) -> Result<bool, Position> {
        if head < before.durable {
            return Err(before.durable);
        }
        // Something that was not durable yet is gone, unless more was heard of since.
        if head < before.head && self.head == before.head {
            self.head = head;
        }
        Ok(self.told(head))
    }

    /// Whoever follows has taken over all up to a position. This alone is no news.
    pub(super) fn follow(&mut self, position: Position) -> bool {
        self.followed = self.followed.max(position);
        // It begins to wait when it has read all there was.
        self.current.get_or_insert_with(Instant::now);
        if let Some((head, at)) = self.ahead
            && head <= self.followed
        {
            (self.current, self.ahead) = (Some(at), None);
        }
        false
    }

    /// A look that was begun at a moment found the head.
    fn looked(&mut self, at: Instant, head: Position) -> bool {
        if head <= self.followed {
            (self.current, self.ahead) = (Some(at), None);
        } else {
            // An older one is still to be reached: or who is always a little behind would never be current.
            self.ahead.get_or_insert((head, at));
        }
        false
    }
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
    let statement = answered(client.prepare(HEAD)).await?;
    loop {
        answered(client.batch_execute(LISTEN)).await?;
        loop {
            look(node, &client, &statement).await?;
            *heard = true;
            if are_many(node, &mut notices).await? {
                break;
            }
        }
        answered(client.batch_execute(UNLISTEN)).await?;
        let mut before = None;
        while before != Some(node.before()) {
            before = Some(node.before());
            tokio::time::sleep(LOOK_OFTEN).await;
            look(node, &client, &statement).await?;
        }
    }
}

/// Takes notices until they are too many, or until it is time to look because none comes; which it is.
async fn are_many(node: &Node, notices: &mut UnboundedReceiver<String>) -> Result<bool, Fault> {
    let began = Instant::now();
    let (mut since, mut count) = (began, 0_u32);
    // A look is due also while there is always something to be told.
    let left = || LOOK_EVERY.saturating_sub(began.elapsed());
    while let Ok(Some(notice)) = tokio::time::timeout(left(), notices.recv()).await {
        let Some(instance) = node.instance.get() else { break };
        if let Some((position, of)) = notice.split_once(' ')
            && of == instance.as_str()
            && let Ok(position) = position.parse()
        {
            node.news.send_if_modified(|news| news.told(position));
        }
        if since.elapsed() > LOOK_OFTEN {
            (since, count) = (Instant::now(), 0);
        }
        count = count.saturating_add(1);
        if count > MANY {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Looks where the head is.
async fn look(node: &Node, client: &Client, statement: &Statement) -> Result<(), Fault> {
    let (before, at) = (node.before(), Instant::now());
    let Some(instance) = node.known_instance().await? else { return Ok(()) };
    let row = answered(client.query_opt(statement, &[&instance.as_str()])).await?;
    let head = row.map(|row| row.try_get::<_, i64>(0)).transpose()?.unwrap_or(0);
    node.saw(before, head.cast_unsigned())?;
    node.news.send_if_modified(|news| news.looked(at, head.cast_unsigned()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_heard_of_may_be_lost_and_what_is_durable_may_not() {
        let mut news = News::default();
        news.reached(5);
        news.told(9);
        let before = news.before();
        assert_eq!(news.found(before, 7), Ok(false));
        assert_eq!((news.head, news.durable), (7, 5));
        assert_eq!(news.found(news.before(), 4), Err(5));
        assert_eq!(news.found(news.before(), 8), Ok(true));
    }

    #[test]
    fn an_answer_that_comes_late_takes_nothing_back() {
        let mut news = News::default();
        news.told(3);
        let before = news.before();
        news.told(9);
        assert_eq!(news.found(before, 3), Ok(false));
        assert_eq!(news.found(before, 2), Ok(false), "more was heard of since");
        news.reached(9);
        assert_eq!(news.found(before, 8), Ok(false), "it was asked before that was reached");
        assert_eq!((news.head, news.durable), (9, 9));
    }
}
