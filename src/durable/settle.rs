//! Attempts on a durable engine, and settling: at once where nothing is to be written, else by the
//! committer.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tokio::sync::mpsc;

use super::admin::answer;
use super::command::{Command, Receipt, Reply, Settle};
use super::{DurableEngine, Shared};
use crate::engine::attempt::EngineRef;
use crate::id::UserId;
use crate::journal::{BoxFuture, JournalError, Position};
use crate::lockout::decide::{Outcome, Ticket};
use crate::lockout::public::PublicAnswer;
use crate::lockout::{AttemptInfo, Factor, Lock, Refusal, Verdict};
use crate::policy::LockoutPolicy;

/// As [`crate::Admission`], of a [`DurableEngine`].
#[derive(Debug)]
#[must_use = "only `Admission::Admitted` may run the check"]
pub enum Admission<'e> {
    /// Run the check, then settle the attempt.
    Admitted(Attempt<'e>),
    /// The user is locked. Run no check.
    Locked(Lock),
    /// As many checks of this factor are running as may still fail: try again when one has settled.
    Busy,
    /// The attempt is refused for another reason.
    Refused(Refusal),
}

impl Admission<'_> {
    /// As [`crate::Admission::public`].
    #[must_use]
    pub fn public(&self, policy: &LockoutPolicy) -> PublicAnswer {
        let open = match self {
            Self::Admitted(_) => PublicAnswer::Pending,
            Self::Locked(_) => PublicAnswer::Locked,
            Self::Busy | Self::Refused(_) => PublicAnswer::TryAgain,
        };
        open.under(policy)
    }
}

/// As [`crate::Attempt`], of a [`DurableEngine`]: settling answers once the verdict is durable.
#[must_use = "an attempt that is dropped is cancelled: settle it after the check"]
pub struct Attempt<'e> {
    engine: EngineRef<'e, DurableEngine>,
    user: UserId,
    ticket: Ticket,
    info: Option<Box<AttemptInfo>>,
    settled: bool,
}

impl<'e> Attempt<'e> {
    pub(super) fn new(engine: EngineRef<'e, DurableEngine>, user: UserId, ticket: Ticket) -> Self {
        Self { engine, user, ticket, info: None, settled: false }
    }

    /// Adds what is known of the client; it goes into the event.
    pub fn with_info(mut self, info: AttemptInfo) -> Self {
        self.info = Some(Box::new(info));
        self
    }

    /// The user whose factor is checked.
    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// The factor that is checked.
    #[must_use]
    pub fn factor(&self) -> Factor {
        self.ticket.factor
    }

    /// Gives the slot back; nothing is counted and nothing answered (rule A7).
    pub fn cancel(self) {}

    /// Settles: the check succeeded. It takes effect now, also if the future is dropped.
    ///
    /// # Errors
    ///
    /// The future's: the journal could not take the verdict. Then there is none: let nobody in.
    pub fn succeed(self) -> impl Future<Output = Result<Verdict, JournalError>> + Send + use<> {
        self.settle(Outcome::Success)
    }

    /// Settles: the check failed. It takes effect now, also if the future is dropped.
    ///
    /// # Errors
    ///
    /// The future's: the journal could not take the verdict. The failure may have been counted or
    /// not; either way nobody was told anything about the secret.
    pub fn fail(self) -> impl Future<Output = Result<Verdict, JournalError>> + Send + use<> {
        self.settle(Outcome::Failure)
    }

    fn settle(
        mut self,
        outcome: Outcome,
    ) -> impl Future<Output = Result<Verdict, JournalError>> + Send + use<> {
        self.settled = true;
        let settling = self.engine.settle(&self.user, self.ticket, outcome, self.info.take());
        async move {
            match settling {
                Settling::Clean => Ok(Verdict::Accepted),
                Settling::Looking(looking, look) => looking.settle(look).await,
                Settling::Asked(asked) => answer(asked).await,
            }
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.settled {
            self.engine.shared.memory.register.release(&self.user, self.ticket);
        }
    }
}

impl fmt::Debug for Attempt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("user", &self.user)
            .field("factor", &self.ticket.factor)
            .finish_non_exhaustive()
    }
}

/// How far settling got at once.
enum Settling {
    Clean,
    Looking(Looking, BoxFuture<'static, Result<Position, JournalError>>),
    Asked(Result<Receipt<Verdict>, JournalError>),
}

impl DurableEngine {
    fn settle(
        &self,
        user: &UserId,
        ticket: Ticket,
        outcome: Outcome,
        info: Option<Box<AttemptInfo>>,
    ) -> Settling {
        if outcome == Outcome::Success && self.is_clean(user, ticket) {
            return Settling::Clean;
        }
        let (reply, receipt) = Reply::new();
        let settle = Settle { user: user.clone(), ticket, outcome, info, reply };
        if outcome == Outcome::Success && self.gives_verdicts() {
            let began = Instant::now();
            if let Some(look) = self.shared.journal.look() {
                let (shared, queue) = (Arc::clone(&self.shared), self.queue.clone());
                return Settling::Looking(
                    Looking { shared, queue, began, asked: Some((settle, receipt)) },
                    look,
                );
            }
        }
        Settling::Asked(self.ask(Command::Settle(settle), receipt))
    }

    /// Whether a success changes nothing, as of a head that was looked at after it was settled
    /// (rule D7), or lately enough.
    fn is_clean(&self, user: &UserId, ticket: Ticket) -> bool {
        let shared = &self.shared;
        self.gives_verdicts()
            && (shared.seen.lately() || self.is_at_head())
            && shared.memory.register.settle_clean(user, ticket)
    }

    /// A look at the head. A journal that cannot tell it at once leaves that to the committer, where
    /// one look serves all who wait.
    fn is_at_head(&self) -> bool {
        let mut head = self.shared.journal.head();
        let head = head.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        matches!(head, Poll::Ready(Ok(head)) if head <= self.shared.memory.position())
    }
}

/// A success that may change nothing, while its caller looks at the head by itself. If it does change
/// something, or the caller goes away, the committer has it.
struct Looking {
    shared: Arc<Shared>,
    queue: mpsc::Sender<Command>,
    /// Before the look.
    began: Instant,
    /// Absent once it is settled.
    asked: Option<(Settle, Receipt<Verdict>)>,
}

impl Looking {
    async fn settle(
        mut self,
        look: BoxFuture<'static, Result<Position, JournalError>>,
    ) -> Result<Verdict, JournalError> {
        let head = look.await;
        if self.is_clean_at(head) {
            self.asked = None;
            return Ok(Verdict::Accepted);
        }
        match self.ask() {
            Some(asked) => answer(asked).await,
            None => Err(JournalError::Closed),
        }
    }

    /// Whether the success changes nothing as of that head, see `DurableEngine::is_clean`.
    fn is_clean_at(&self, head: Result<Position, JournalError>) -> bool {
        let (shared, memory) = (&self.shared, &self.shared.memory);
        let Some((settle, _)) = &self.asked else { return false };
        if !shared.is_healthy()
            || self.queue.is_closed()
            || head.map_or(true, |head| head > memory.position())
        {
            return false;
        }
        shared.seen.all_of(self.began);
        memory.register.settle_clean(&settle.user, settle.ticket)
    }

    /// Leaves it to the committer.
    fn ask(&mut self) -> Option<Result<Receipt<Verdict>, JournalError>> {
        let (settle, receipt) = self.asked.take()?;
        let handed = self.shared.hand(&self.queue, Command::Settle(settle));
        Some(handed.map(|()| receipt))
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        // Nobody waits for it any more, and it takes effect.
        let _ = self.ask();
    }
}
