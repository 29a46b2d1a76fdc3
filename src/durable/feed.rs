//! The events, as a stream: the audit trail, and a feed of what is yet to come.

use futures_core::Stream;

use super::DurableEngine;
use super::committer::PAGE;
use crate::event::Recorded;
use crate::journal::{JournalError, Position};

impl DurableEngine {
    /// The next event after a position and up to another whose type does not have `.check.` in it, as
    /// [`Journal::next_change`](crate::journal::Journal::next_change) has it: a host that follows its own
    /// events passes over the checks.
    ///
    /// # Errors
    ///
    /// The journal's.
    pub async fn next_change(
        &self,
        after: Position,
        up_to: Position,
    ) -> Result<Option<Position>, JournalError> {
        self.shared.journal.next_change(after, up_to).await
    }

    /// The events after a position, in order and without a gap: first those there are, then each
    /// new one once it is in the journal, whoever wrote it. The stream ends with the engine; after
    /// an error it goes on where it was.
    ///
    /// An error is the journal's; [`JournalError::Pruned`] tells from which position on there are
    /// events. `health().position` tells where what there is ends.
    pub fn events_after(
        &self,
        after: Position,
    ) -> impl Stream<Item = Result<Recorded, JournalError>> + Send + use<> {
        let shared = std::sync::Arc::clone(&self.shared);
        let moved = shared.appended.subscribe();
        let page = Vec::new().into_iter();
        futures_util::stream::unfold((shared, moved, after, page), |state| async move {
            let (shared, mut moved, mut after, mut page) = state;
            loop {
                if let Some(recorded) = page.next() {
                    let recorded: Recorded = recorded;
                    after = recorded.position;
                    return Some((Ok(recorded), (shared, moved, after, page)));
                }
                moved.wait_for(|position| *position > after).await.ok()?;
                match shared.journal.read_after(after, PAGE).await {
                    Ok(read) => page = read.into_iter(),
                    Err(fault) => return Some((Err(fault), (shared, moved, after, page))),
                }
            }
        })
    }
}
