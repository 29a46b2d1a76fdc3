//! All connections that are open: there are never too many, and none is kept that its client has
//! forgotten.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::MissedTickBehavior;

use super::connection::{Connection, Patience};
use super::metrics;
use crate::limits::Limit;

/// How many have to go when there are too many: a part of all, since finding them takes a look at all.
const PART: usize = 64;

/// The connections.
#[derive(Debug)]
pub(super) struct Connections {
    most: usize,
    patience: Patience,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    all: HashMap<u64, Arc<Connection>>,
}

impl Connections {
    pub(super) fn new(most: usize, patience: Patience) -> Self {
        Self { most, patience, open: Mutex::default() }
    }

    /// Takes a connection in. If there are too many, those have to go of which least is to be expected;
    /// `None` if the server is at work for every one of them.
    pub(super) fn open(self: &Arc<Self>) -> Option<(Membership, oneshot::Receiver<()>)> {
        let mut open = self.held();
        if open.all.len() >= self.most {
            open.make_room(self.most.div_ceil(PART));
        }
        if open.all.len() >= self.most {
            Limit::Connections.refused();
            return None;
        }
        let (connection, ended) = Connection::open(Instant::now());
        let connection = Arc::new(connection);
        let id = open.next;
        open.next = id.wrapping_add(1);
        open.all.insert(id, Arc::clone(&connection));
        metrics::connection_opened();
        Some((Membership { connections: Arc::clone(self), connection, id }, ended))
    }

    /// Ends what is overdue, for as long as the server runs.
    pub(super) async fn watch(self: Arc<Self>) {
        let shortest = self.patience.idle.min(self.patience.unread);
        let (least, most) = (Duration::from_millis(10), Duration::from_secs(1));
        let mut clock = tokio::time::interval(shortest.div_f32(4.0).clamp(least, most));
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            clock.tick().await;
            let now = Instant::now();
            for connection in self.held().all.values() {
                if let Some(why) = connection.overdue(now, &self.patience)
                    && connection.end()
                {
                    metrics::connection_ended(why);
                }
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Has so many end; they count no longer, though their sockets are closed a moment later.
    fn make_room(&mut self, number: usize) {
        let ranked = self.all.iter().filter_map(|(id, it)| Some((it.rank()?, *id)));
        let mut ranked: Vec<_> = ranked.collect();
        if number < ranked.len() {
            ranked.select_nth_unstable(number);
        }
        for (_, id) in ranked.into_iter().take(number) {
            if let Some(connection) = self.all.remove(&id)
                && connection.end()
            {
                metrics::connection_ended("evicted");
            }
        }
    }
}

/// A connection among the others, until it is dropped.
#[derive(Debug)]
pub(super) struct Membership {
    connections: Arc<Connections>,
    connection: Arc<Connection>,
    id: u64,
}

impl Membership {
    pub(super) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.connections.held().all.remove(&self.id);
        metrics::connection_closed(self.connection.is_served());
    }
}

#[cfg(test)]
mod tests {
    use super::super::connection::{Request, Stage};
    use super::*;

    fn connections(most: usize) -> Arc<Connections> {
        let hour = Duration::from_hours(1);
        Arc::new(Connections::new(most, Patience { idle: hour, unread: hour }))
    }

    /// A request, up to its answer.
    fn answered(membership: &Membership) {
        let request = Request::begin(Arc::clone(membership.connection()));
        request.received();
        request.go(|_| Stage::Unread);
    }

    #[test]
    fn who_was_never_answered_goes_first_then_who_did_nothing_for_longest() {
        let connections = connections(3);
        let mut open: Vec<_> = (0..3).map(|_| connections.open().unwrap()).collect();
        answered(&open[1].0);
        answered(&open[0].0);
        let told = |open: &mut Vec<(Membership, oneshot::Receiver<()>)>| -> Vec<usize> {
            let told = |(at, it): (usize, &mut (_, oneshot::Receiver<()>))| {
                it.1.try_recv().is_ok().then_some(at)
            };
            open.iter_mut().enumerate().filter_map(told).collect()
        };
        let fourth = connections.open().unwrap();
        answered(&fourth.0);
        open.push(fourth);
        assert_eq!(told(&mut open), [2]);
        open.push(connections.open().unwrap());
        assert_eq!(told(&mut open), [1]);
        open.push(connections.open().unwrap());
        assert_eq!(told(&mut open), [4], "the one that was never answered, though it is new");
    }

    #[test]
    fn who_is_being_worked_for_stays() {
        let connections = connections(1);
        let (membership, mut told) = connections.open().unwrap();
        let request = Request::begin(Arc::clone(membership.connection()));
        request.received();
        assert!(connections.open().is_none());
        // Now its client is to read.
        request.go(|_| Stage::Unread);
        let newer = connections.open();
        assert!(newer.is_some() && told.try_recv().is_ok());
        drop(newer);
        assert!(connections.held().all.is_empty());
    }

    #[test]
    fn a_client_is_overdue_when_it_is_its_turn() {
        let (connection, _told) = Connection::open(Instant::now());
        let connection = Arc::new(connection);
        let (idle, unread) = (Duration::from_secs(9), Duration::from_secs(3));
        let overdue = |after| {
            let now = Instant::now() + Duration::from_secs(after);
            connection.overdue(now, &Patience { idle, unread })
        };
        assert_eq!((overdue(8), overdue(10)), (None, Some("idle")));
        let request = Request::begin(Arc::clone(&connection));
        assert_eq!(overdue(99), None, "the guard has the time of a request");
        request.received();
        assert_eq!(overdue(99), None, "our turn");
        request.go(|_| Stage::Unread);
        assert_eq!((overdue(2), overdue(4)), (None, Some("unread")));
        // A stream that has nothing to tell.
        request.go(|_| Stage::Quiet);
        assert_eq!(overdue(99), None);
        drop(request);
        assert_eq!((overdue(8), overdue(10)), (None, Some("idle")));
        connection.set_blocked(Some(Instant::now()));
        assert_eq!((overdue(2), overdue(4)), (None, Some("unread")));
    }
}
