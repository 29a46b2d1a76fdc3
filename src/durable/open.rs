//! Opening: from a journal to an engine that has seen all of it.

use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::committer::{Committer, PAGE};
use super::memory::Memory;
use super::restore::{Included, restore};
use super::seen::Seen;
use super::snapshot::Snapshots;
use super::{DurableEngine, Shared};
use crate::clock::{Clock, SystemClock};
use crate::event::{Aggregate, Event, Recorded};
use crate::id::{Actor, InstanceId};
use crate::journal::{AppendError, Batch, Checkpoint, Journal, JournalError, Position};
use crate::policy::LockoutPolicy;
use crate::policy::decide::PolicyEvent;

/// How many commands may wait for the journal; more are refused.
const QUEUE: usize = 65_536;
/// Over how many shards users are spread.
pub(super) const SHARDS: usize = 256;
/// How many events make a new checkpoint worth its while.
const CHECKPOINT_EVERY: u64 = 100_000;

/// What a durable engine is built of; see [`DurableEngine::builder`].
#[derive(Clone)]
#[must_use = "an engine is opened by `open` or `open_existing`"]
pub struct DurableBuilder {
    clock: Arc<dyn Clock>,
    capacity: Option<usize>,
    shards: usize,
    queue: usize,
    checkpoint_every: u64,
    stale_success: Duration,
}

impl DurableEngine {
    /// Opens the engine of an instance on its journal. A new journal gets `default` as the
    /// instance's policy; in one that exists its own stands.
    ///
    /// # Errors
    ///
    /// [`JournalError::OtherInstance`], or the journal's own: whatever it holds that cannot be read
    /// stops the opening.
    pub async fn open(
        instance: InstanceId,
        default: LockoutPolicy,
        journal: impl Journal,
    ) -> Result<Self, JournalError> {
        Self::builder().open(instance, default, journal).await
    }

    /// Opens the engine of a journal that exists. Never creates one.
    ///
    /// # Errors
    ///
    /// [`JournalError::Missing`] if it is empty, or as [`DurableEngine::open`].
    pub async fn open_existing(journal: impl Journal) -> Result<Self, JournalError> {
        Self::builder().open_existing(journal).await
    }

    /// A durable engine with more to choose.
    pub fn builder() -> DurableBuilder {
        let clock = Arc::new(SystemClock);
        DurableBuilder {
            clock,
            capacity: None,
            shards: SHARDS,
            queue: QUEUE,
            checkpoint_every: CHECKPOINT_EVERY,
            stale_success: Duration::ZERO,
        }
    }
}

impl DurableBuilder {
    /// The clock to stamp events with; without this call, the system's.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The most users to track; see [`EngineBuilder::capacity`](crate::EngineBuilder::capacity).
    pub fn capacity(mut self, users: usize) -> Self {
        self.capacity = Some(users);
        self
    }

    /// Over how many shards users are spread; see
    /// [`EngineBuilder::shards`](crate::EngineBuilder::shards).
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = shards;
        self
    }

    /// How many commands may wait for the journal, at least 1; without this call, 65,536. More are
    /// [`JournalError::Overloaded`].
    pub fn queue(mut self, commands: usize) -> Self {
        self.queue = commands.clamp(1, usize::MAX >> 4);
        self
    }

    /// After how many events a new checkpoint is begun, at least 1; without this call, 100,000. At
    /// a close, where nobody waits, a tenth of that is enough.
    ///
    /// Opening reads the newest checkpoint and the events after it, and only what a checkpoint
    /// covers can be pruned. A checkpoint writes every tracked user and every organization.
    pub fn checkpoint_every(mut self, events: u64) -> Self {
        self.checkpoint_every = events.max(1);
        self
    }

    /// How old what a clean success has seen of the journal may be; without this call, zero: each one
    /// looks at the journal's head after it was settled (rule D7), which on a PostgreSQL journal is a
    /// round trip, shared by all who wait.
    ///
    /// With more, a success that has nothing to reset here is `Accepted` without a look if this
    /// engine has seen the head within that time: counted from the beginning of the newest look, or
    /// append, whose answer came. **What that gives up:** a right password may be accepted although
    /// another engine has locked the user up to that long before, and may leave a failure standing
    /// that another engine has counted up to that long before. If the journal is lost, right
    /// passwords are accepted for up to that long before anybody notices. The limit on failures
    /// stays exact, for a failure is always decided at the head, and an engine that knows that its
    /// journal cannot write accepts nobody.
    pub fn stale_success(mut self, limit: Duration) -> Self {
        self.stale_success = limit;
        self
    }

    /// As [`DurableEngine::open`].
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn open(
        self,
        instance: InstanceId,
        default: LockoutPolicy,
        journal: impl Journal,
    ) -> Result<DurableEngine, JournalError> {
        self.start(Some((instance, default)), Box::new(journal)).await
    }

    /// As [`DurableEngine::open_existing`].
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn open_existing(self, journal: impl Journal) -> Result<DurableEngine, JournalError> {
        self.start(None, Box::new(journal)).await
    }

    /// Starts the committer and has it open: where the journal's connections are driven, or else on a
    /// thread of its own, which a journal may block.
    async fn start(
        self,
        create: Option<(InstanceId, LockoutPolicy)>,
        journal: Box<dyn Journal>,
    ) -> Result<DurableEngine, JournalError> {
        let (queue, waiting) = mpsc::channel(self.queue);
        let checkpoint_every = self.checkpoint_every;
        let (opened, opening) = oneshot::channel();
        let (ends, committer) = oneshot::channel();
        let place = journal.runtime();
        let work = async move {
            let writer = RandomState::new().build_hasher().finish();
            match self.load(create, journal, writer).await {
                Err(fault) => drop(opened.send(Err(fault))),
                Ok((shared, checkpoint)) => {
                    let shared = Arc::new(shared);
                    let snapshots = Snapshots::new(writer, checkpoint, checkpoint_every);
                    let committer = Committer::new(Arc::clone(&shared), waiting, writer, snapshots);
                    if opened.send(Ok(shared)).is_ok() {
                        committer.run().await;
                    }
                }
            }
            drop(ends);
        };
        match place {
            Some(runtime) => drop(runtime.spawn(work)),
            None => on_a_thread(work)?,
        }
        let shared = opening.await.unwrap_or(Err(JournalError::Closed))?;
        Ok(DurableEngine { shared, queue, committer: Mutex::new(Some(committer)) })
    }

    /// Reads a journal into memory; also the position of the checkpoint that it began from.
    async fn load(
        self,
        create: Option<(InstanceId, LockoutPolicy)>,
        journal: Box<dyn Journal>,
        writer: u64,
    ) -> Result<(Shared, Position), JournalError> {
        if journal.head().await? == 0 {
            let Some((instance, default)) = &create else {
                return Err(JournalError::Missing {
                    journal: String::from("this place"),
                    cause: String::from("no engine has written to it yet"),
                });
            };
            found(&*journal, writer, instance, *default, &*self.clock).await?;
        }
        let instance = journal.instance().await?;
        if let Some((asked, _)) = create
            && asked != instance
        {
            return Err(JournalError::OtherInstance { found: instance, asked });
        }
        let empty = || Memory::new(instance.clone(), self.shards, self.capacity);
        let start = Instant::now();
        let (memory, begun) = read(&*journal, empty).await?;
        let shared = Shared {
            appended: watch::Sender::new(memory.position()),
            memory,
            journal,
            clock: self.clock,
            healthy: AtomicBool::new(true),
            seen: Seen::new(start, self.stale_success),
            closing: Notify::new(),
        };
        Ok((shared, begun))
    }
}

/// Runs a committer on a thread of its own.
fn on_a_thread(work: impl Future<Output = ()> + Send + 'static) -> Result<(), JournalError> {
    let unstarted = |error: std::io::Error| {
        JournalError::Unavailable(format!("the committer's thread could not be started: {error}"))
    };
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().map_err(unstarted)?;
    let thread = std::thread::Builder::new().name(String::from("portcullis-committer"));
    thread.spawn(move || runtime.block_on(work)).map(drop).map_err(unstarted)
}

/// What a journal comes to, and the position of the checkpoint that it was read from.
pub(super) async fn read(
    journal: &dyn Journal,
    empty: impl Fn() -> Memory,
) -> Result<(Memory, Position), JournalError> {
    let mut tried = None;
    loop {
        let memory = empty();
        let checkpoint = journal.checkpoint().await?;
        let begun = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.position);
        match replay(journal, &memory, checkpoint).await {
            // Another process has finished a newer checkpoint since, and what it covers is gone.
            Err(JournalError::Pruned { .. }) if tried != Some(begun) => tried = Some(begun),
            read => return read.map(|()| (memory, begun)),
        }
    }
}

/// Brings an empty memory to the journal's head.
async fn replay(
    journal: &dyn Journal,
    memory: &Memory,
    checkpoint: Option<Checkpoint>,
) -> Result<(), JournalError> {
    let included = match checkpoint {
        Some(checkpoint) => restore(memory, checkpoint)?,
        None => Included::default(),
    };
    loop {
        let page = journal.read_after(memory.position(), PAGE).await?;
        for recorded in &page {
            if included.includes(recorded) {
                memory.set_position(recorded.position);
            } else {
                memory.apply(recorded);
            }
        }
        if page.len() < PAGE {
            return Ok(());
        }
    }
}

/// Writes the first event, the instance's policy, unless another engine is quicker.
async fn found(
    journal: &dyn Journal,
    writer: u64,
    instance: &InstanceId,
    default: LockoutPolicy,
    clock: &dyn Clock,
) -> Result<(), JournalError> {
    let first = Recorded {
        position: 1,
        sequence: 1,
        at: clock.now(),
        actor: Actor::system(),
        aggregate: Aggregate::Instance(instance.clone()),
        event: Event::InstancePolicy(PolicyEvent::Added(default)),
    };
    let batch = Batch { writer, number: 0, events: vec![first] };
    loop {
        return match journal.append(0, &batch).await {
            Ok(_) | Err(AppendError::Behind) => Ok(()),
            Err(AppendError::InDoubt(_)) => continue,
            Err(AppendError::Unavailable(cause)) => Err(JournalError::Unavailable(cause)),
        };
    }
}

impl fmt::Debug for DurableBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DurableBuilder")
            .field("capacity", &self.capacity)
            .field("shards", &self.shards)
            .field("queue", &self.queue)
            .field("checkpoint_every", &self.checkpoint_every)
            .field("stale_success", &self.stale_success)
            .finish_non_exhaustive()
    }
}
