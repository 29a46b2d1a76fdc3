//! Gathering: a batch waits a moment for those who are likely to join it.
//!
//! Callers that were answered often ask again at once. Without a wait half of them would always find the
//! next batch gone, and each batch would be half of what it could be, at the price of a sync each.

use std::time::{Duration, Instant};

use tokio::sync::mpsc::Receiver;

/// What part of the time that a batch takes may be waited for more, and the most: what waits costs all who
/// are in the batch already.
const PART: u32 = 4;
const LONGEST: Duration = Duration::from_micros(300);
/// The most in a crowd.
const CROWDED: Duration = Duration::from_millis(1);
/// How many batches do not wait after one that waited in vain.
const DOUBTS: u8 = 16;

/// Whom the next batch may wait for.
#[derive(Debug, Default)]
pub(super) struct Gather {
    /// How many were answered by the last batch, or waited already when it was done.
    about: usize,
    /// How long that batch took.
    took: Duration,
    /// How many batches are not to wait.
    doubts: u8,
}

impl Gather {
    /// Takes up to `most` in all, and waits for no more than were about. The wait is one of yielding, for
    /// timers are not that fine; a single caller never has one. In a crowd it is by a timer: others need the
    /// processor, and a turn among many is worth more.
    pub(super) async fn fill<T>(
        &mut self,
        batch: &mut Vec<T>,
        waiting: &mut Receiver<T>,
        most: usize,
        crowded: bool,
    ) {
        if crowded {
            let Some(all) = self.wanted(batch.len(), most) else { return };
            let come = async {
                while batch.len() < all
                    && waiting.recv_many(batch, all.saturating_sub(batch.len())).await > 0
                {
                }
            };
            // Whoever has come is in the batch, also when the time is up.
            let _ = tokio::time::timeout(CROWDED, come).await;
            self.waited(batch.len(), all);
        } else {
            let (began, part) = (Instant::now(), self.took.checked_div(PART).unwrap_or_default());
            self.fill_until(batch, waiting, most, || began.elapsed() >= part.min(LONGEST)).await;
        }
    }

    async fn fill_until<T>(
        &mut self,
        batch: &mut Vec<T>,
        waiting: &mut Receiver<T>,
        most: usize,
        mut is_over: impl FnMut() -> bool,
    ) {
        let Some(all) = self.wanted(batch.len(), most) else { return };
        while batch.len() < all && !is_over() {
            tokio::task::yield_now().await;
            while batch.len() < most
                && let Ok(one) = waiting.try_recv()
            {
                batch.push(one);
            }
        }
        self.waited(batch.len(), all);
    }

    /// How many to wait for, if at all.
    fn wanted(&mut self, have: usize, most: usize) -> Option<usize> {
        let all = self.about.min(most);
        if have >= all {
            return None;
        }
        if self.doubts > 0 {
            self.doubts = self.doubts.saturating_sub(1);
            return None;
        }
        Some(all)
    }

    fn waited(&mut self, have: usize, all: usize) {
        // Of callers that ask for themselves, about half of these come in such a time.
        if have < all.saturating_sub(all / 4) {
            self.doubts = DOUBTS;
        }
    }

    /// A batch is done and answers so many, while others wait.
    pub(super) fn done(&mut self, answers: usize, waiting: usize, took: Duration) {
        self.about = answers.saturating_add(waiting);
        self.took = took;
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    /// What a batch takes is of no account: each test says itself when the wait is over.
    const TOOK: Duration = Duration::ZERO;

    #[tokio::test]
    async fn who_was_answered_is_waited_for() {
        let (callers, mut waiting) = mpsc::channel(9);
        let mut gather = Gather::default();
        gather.done(2, 1, TOOK);
        let later = tokio::spawn(async move {
            for caller in [1, 2] {
                tokio::task::yield_now().await;
                callers.try_send(caller).unwrap();
            }
        });
        let mut batch = vec![0];
        gather.fill_until(&mut batch, &mut waiting, 9, || false).await;
        later.await.unwrap();
        assert_eq!((batch, gather.doubts), (vec![0, 1, 2], 0));
    }

    #[tokio::test]
    async fn no_more_than_a_batch_may_have_are_taken() {
        let (callers, mut waiting) = mpsc::channel(9);
        let mut gather = Gather::default();
        gather.done(9, 0, TOOK);
        for caller in 1..9 {
            callers.try_send(caller).unwrap();
        }
        let mut batch = vec![0];
        gather.fill_until(&mut batch, &mut waiting, 4, || false).await;
        assert_eq!((batch, waiting.len()), (vec![0, 1, 2, 3], 5));
    }

    #[tokio::test]
    async fn in_vain_is_not_waited_again() {
        let (callers, mut waiting) = mpsc::channel(9);
        let mut gather = Gather::default();
        let mut batch = vec![0];
        gather.done(5, 0, TOOK);
        let mut looks = 0;
        let is_over = || {
            looks += 1;
            looks > 3
        };
        gather.fill_until(&mut batch, &mut waiting, 9, is_over).await;
        assert_eq!((looks, batch.len(), gather.doubts), (4, 1, DOUBTS));
        for _ in 0..DOUBTS {
            // Had it been looked at, this one would be in the batch.
            let _ = callers.try_send(1);
            gather.fill_until(&mut batch, &mut waiting, 9, || false).await;
            assert_eq!(batch.len(), 1);
        }
        gather.fill_until(&mut batch, &mut waiting, 9, || false).await;
        assert!(batch.len() > 1);
    }

    #[tokio::test]
    async fn a_single_caller_waits_for_nobody() {
        let (callers, mut waiting) = mpsc::channel(9);
        let mut gather = Gather::default();
        gather.done(1, 0, TOOK);
        callers.try_send(1).unwrap();
        let mut batch = vec![0];
        gather.fill_until(&mut batch, &mut waiting, 9, || false).await;
        assert_eq!(batch, [0]);
    }
    #[tokio::test]
    async fn in_a_crowd_who_was_answered_is_waited_for_and_not_for_ever() {
        let (callers, mut waiting) = mpsc::channel(9);
        let mut gather = Gather::default();
        gather.done(3, 0, TOOK);
        let later = tokio::spawn(async move {
            callers.try_send(1).unwrap();
            callers.try_send(2).unwrap();
            callers
        });
        let mut batch = vec![0];
        gather.fill(&mut batch, &mut waiting, 9, true).await;
        let _callers = later.await.unwrap();
        assert_eq!((batch, gather.doubts), (vec![0, 1, 2], 0));

        let mut batch = vec![0];
        gather.fill(&mut batch, &mut waiting, 9, true).await;
        assert_eq!((batch, gather.doubts), (vec![0], DOUBTS));
    }
}
