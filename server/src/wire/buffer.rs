//! The memory of all requests that are still being sent. Clients decide how long that takes, so what
//! they may hold together is bounded; if there is no room, the request that takes longest has to go.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// What a request takes beside its head and its body.
const OVERHEAD: usize = 4 << 10;

/// Room for so many bytes.
#[derive(Debug)]
pub(super) struct Buffer {
    most: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    bytes: usize,
    next: u64,
    /// Those that are still being sent, the oldest first.
    sent: BTreeMap<u64, Sent>,
}

#[derive(Debug)]
struct Sent {
    bytes: usize,
    stop: oneshot::Sender<()>,
}

impl Held {
    /// Makes room, and stops for that whoever takes longest, `asking` included.
    fn make_room(&mut self, bytes: usize, most: usize, asking: Option<u64>) -> bool {
        while self.bytes.saturating_add(bytes) > most {
            let Some((id, oldest)) = self.sent.pop_first() else { return false };
            self.bytes = self.bytes.saturating_sub(oldest.bytes);
            // The request may be over by itself at this moment.
            let _ = oldest.stop.send(());
            if Some(id) == asking {
                return false;
            }
        }
        true
    }
}

impl Buffer {
    pub(super) fn new(most: usize) -> Self {
        Self { most, held: Mutex::default() }
    }

    /// Room for a request whose head has so many bytes, and who tells when it has to go. `None` if there
    /// is no room and nobody who takes too long.
    pub(super) fn admit(self: &Arc<Self>, bytes: usize) -> Option<(Share, oneshot::Receiver<()>)> {
        let bytes = bytes.saturating_add(OVERHEAD);
        let mut held = self.held();
        if !held.make_room(bytes, self.most, None) {
            return None;
        }
        let id = held.next;
        held.next = id.wrapping_add(1);
        held.bytes = held.bytes.saturating_add(bytes);
        let (stop, stopped) = oneshot::channel();
        held.sent.insert(id, Sent { bytes, stop });
        Some((Share { buffer: Arc::clone(self), id, complete: Mutex::new(0) }, stopped))
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request's part of the room; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    buffer: Arc<Buffer>,
    id: u64,
    /// What it holds since all of it has come.
    complete: Mutex<usize>,
}

impl Share {
    /// Room for more of the body; if there is none, this request has to go.
    pub(super) fn grow(&self, bytes: usize) -> bool {
        let mut held = self.buffer.held();
        let is_sent = held.sent.contains_key(&self.id);
        if !is_sent || !held.make_room(bytes, self.buffer.most, Some(self.id)) {
            return false;
        }
        held.bytes = held.bytes.saturating_add(bytes);
        if let Some(sent) = held.sent.get_mut(&self.id) {
            sent.bytes = sent.bytes.saturating_add(bytes);
        }
        true
    }

    /// All of it has come: from now on it is not its client who takes long.
    pub(super) fn complete(&self) {
        let mut held = self.buffer.held();
        if let Some(sent) = held.sent.remove(&self.id) {
            *self.complete.lock().unwrap_or_else(PoisonError::into_inner) = sent.bytes;
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.complete();
        let bytes = *self.complete.lock().unwrap_or_else(PoisonError::into_inner);
        let mut held = self.buffer.held();
        held.bytes = held.bytes.saturating_sub(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_told(stopped: &mut oneshot::Receiver<()>) -> bool {
        stopped.try_recv().is_ok()
    }

    #[test]
    fn who_takes_longest_goes_for_who_comes() {
        let buffer = Arc::new(Buffer::new(3 * OVERHEAD));
        let (first, mut first_told) = buffer.admit(0).unwrap();
        let (second, mut second_told) = buffer.admit(0).unwrap();
        let (third, mut third_told) = buffer.admit(0).unwrap();
        assert!(!is_told(&mut first_told));
        let (_fourth, _told) = buffer.admit(0).unwrap();
        assert!(is_told(&mut first_told) && !is_told(&mut second_told));
        assert!(!first.grow(1), "it has gone");
        // A body that grows makes room in the same way, and may be the one that goes.
        assert!(third.grow(1) && is_told(&mut second_told));
        assert!(!third.grow(3 * OVERHEAD) && is_told(&mut third_told));
        drop((first, second, third));
        assert_eq!(buffer.held().bytes, OVERHEAD);
    }

    #[test]
    fn who_has_sent_all_is_not_sent_away() {
        let buffer = Arc::new(Buffer::new(2 * OVERHEAD));
        let (first, mut told) = buffer.admit(0).unwrap();
        first.complete();
        let (second, _told) = buffer.admit(0).unwrap();
        second.complete();
        assert!(buffer.admit(0).is_none());
        assert!(!is_told(&mut told));
        drop(first);
        assert!(buffer.admit(0).is_some());
        drop(second);
        assert_eq!(buffer.held().bytes, 0);
    }
}
