//! The head, held: a transaction whose turn it is to move it.
//!
//! A hold ends by itself: the server ends the session that does nothing, for this process may be frozen or
//! cut off. Here nothing is appended when its time is up. Little is done under the lock: whoever is far
//! behind reads on before it queues.

use std::sync::Arc;
use std::time::Instant;

use futures_util::future::join;

use super::append::{self, APPEND, Appended, Place, Rows};
use super::connection::Leased;
use super::fault::{Fault, answered};
use super::read::{AFTER, PAGE};
use super::{Node, PostgresJournal};
use crate::event::Recorded;
use crate::journal::{AppendError, Batch, BoxFuture, HOLD_LIMIT, Held, Position};

/// What a hold has when it begins.
pub(super) struct Locked {
    connection: Leased,
    since: Instant,
    head: Position,
    events: Vec<Recorded>,
}

impl Node {
    pub(super) async fn hold(&self, after: Position) -> Result<Locked, Fault> {
        let Some(instance) = self.known_instance().await? else { return Err(self.missing()) };
        let mut events = Vec::new();
        let turn = append::turn(instance);
        let queue = format!("BEGIN; SELECT pg_advisory_xact_lock(1349481076, {turn})");
        loop {
            let read = events.last().map_or(after, |event: &Recorded| event.position);
            let connection = self.connections.to_write().await?;
            // Not while others wait.
            connection.prepare(AFTER).await?;
            connection.prepare(APPEND).await?;
            // Sent one after the other without waiting; each sees what was committed when it begins.
            let queued = answered(connection.client()?.batch_execute(&queue));
            let page = self.read_page(&connection, instance, read, PAGE);
            let (queued, page) = join(queued, page).await;
            queued?;
            let Some(page) = page? else { return Err(self.missing()) };
            self.saw(after.into(), page.head)?;
            let all = page.events.len() < PAGE;
            self.rely_on(&page).await?;
            events.extend(page.events);
            if all {
                let (since, head) = (Instant::now(), page.head);
                return Ok(Locked { connection, since, head, events });
            }
            // So much that others would wait: let go, and read on first.
            roll_back(connection).await;
            let read = events.last().map_or(after, |event: &Recorded| event.position);
            events.extend(self.read_after(read, usize::MAX).await?);
        }
    }
}

/// The head of the journal, held until it is dropped or its time is up.
pub(super) struct HeldHead<'j> {
    journal: &'j PostgresJournal,
    /// Absent once the hold has ended.
    connection: Option<Leased>,
    since: Instant,
    head: Position,
    events: Vec<Recorded>,
}

impl<'j> HeldHead<'j> {
    pub(super) fn new(journal: &'j PostgresJournal, locked: Locked) -> Self {
        let Locked { connection, since, head, events } = locked;
        Self { journal, connection: Some(connection), since, head, events }
    }
}

impl Held for HeldHead<'_> {
    fn events(&self) -> &[Recorded] {
        &self.events
    }

    fn append<'a>(
        mut self: Box<Self>,
        batch: &'a Batch,
    ) -> BoxFuture<'a, Result<Position, AppendError>>
    where
        Self: 'a,
    {
        let (rows, node) = (Rows::of(batch, Place::Known), Arc::clone(&self.journal.node));
        let (connection, head, since) = (self.connection.take(), self.head, self.since);
        Box::pin(async move {
            let appended = self.journal.thread.run(async move {
                match connection {
                    Some(connection) if since.elapsed() < HOLD_LIMIT => {
                        append_held(&node, connection, head, &rows).await
                    }
                    _ => Err(Fault::Refused(format!("the hold has ended after {HOLD_LIMIT:?}"))),
                }
            });
            append::answer(&self.journal.node, appended.await)
        })
    }
}

/// Appends and commits in one round trip.
async fn append_held(
    node: &Node,
    connection: Leased,
    head: Position,
    rows: &Rows,
) -> Result<Appended, Fault> {
    let Some(instance) = node.known_instance().await? else { return Err(node.missing()) };
    let client = connection.client()?;
    if client.is_closed() {
        return Err(Fault::Refused(String::from("the hold has ended: the connection is closed")));
    }
    connection.prepare(APPEND).await?; // so that both are sent at once
    let moved = rows.send(APPEND, &connection, instance, head);
    let (moved, committed) = join(moved, answered(client.batch_execute("COMMIT"))).await;
    // After an error of the server's to the first, the second has rolled back.
    let moved = moved?;
    committed?;
    connection.done();
    if moved.is_none() {
        return Ok(None);
    }
    let last = rows.last(head);
    node.reached(last);
    Ok(Some(last))
}

async fn roll_back(connection: Leased) {
    let rolled_back = match connection.client() {
        Ok(client) => answered(client.batch_execute("ROLLBACK")).await,
        Err(closed) => Err(closed),
    };
    if rolled_back.is_ok() {
        connection.done();
    }
}

impl Drop for HeldHead<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.journal.thread.handle.spawn(roll_back(connection));
        }
    }
}
