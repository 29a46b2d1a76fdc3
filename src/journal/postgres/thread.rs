//! A thread of the journal's own, which drives its connections whatever becomes of the callers'
//! runtimes: the committer's lives as long as an engine, a caller's may block.

use std::future::Future;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::fault::Fault;
use crate::journal::JournalError;

/// The thread. It ends when this is dropped, and with it all that runs on it.
pub(super) struct Thread {
    pub(super) handle: Handle,
    _running: oneshot::Sender<()>,
}

impl Thread {
    pub(super) fn start() -> Result<Self, JournalError> {
        let failed = |error: std::io::Error| {
            JournalError::Unavailable(format!("the journal's thread could not be started: {error}"))
        };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let (running, ends) = oneshot::channel::<()>();
        std::thread::Builder::new()
            .name(String::from("portcullis-postgres"))
            .spawn(move || drop(runtime.block_on(ends)))
            .map_err(failed)?;
        Ok(Self { handle, _running: running })
    }

    /// Runs something there and waits for it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Fault>> + Send + 'static,
    ) -> Result<T, Fault> {
        let ended = |error| Fault::Lost(format!("the journal's thread gave no answer: {error}"));
        self.handle.spawn(work).await.unwrap_or_else(|error| Err(ended(error)))
    }
}
