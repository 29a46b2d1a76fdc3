//! The committer: the one task that appends. It takes all that waits, decides it in order against
//! the head that memory reflects, appends the batch expecting that head, and only then applies it
//! to memory and answers.
//!
//! ```text
//!   waiting ──► draft ──► append ──Ok──────► apply ──► answer
//!                 ▲          │Behind: from now on past what comes between, or with the head held
//!                 └──────────┤InDoubt: send the same again until it is known
//!                            └Unavailable: answer the fault, admit nobody, probe until it writes
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::Shared;
use super::command::Command;
use super::draft::{Decided, Draft};
use super::gather::Gather;
use super::memory::Memory;
use super::open::{self, SHARDS};
use super::snapshot::Snapshots;
use crate::event::Recorded;
use crate::id::UserId;
use crate::journal::{AppendError, Batch, Journal, JournalError, Position};

/// The most commands in a batch: enough to share a sync widely, few enough to answer soon.
const BATCH_LIMIT: usize = 512;
/// After how many batches to try again whether others write of other users.
const CLASHES: u8 = 16;
/// How long to wait before asking a journal again that could not write: first, and at most.
const RETRY_FIRST: Duration = Duration::from_millis(10);
const RETRY_LONGEST: Duration = Duration::from_millis(500);
/// How many events to read at a time.
pub(super) const PAGE: usize = 4096;

pub(super) struct Committer {
    shared: Arc<Shared>,
    waiting: mpsc::Receiver<Command>,
    writer: u64,
    batches: u64,
    /// Whether others wrote between this engine's last two appends: then the next one is likely to come
    /// too late as well, and expects no head.
    crowded: bool,
    /// How many batches are to queue for the head at once, since one could not go past what others wrote.
    clashes: u8,
    gather: Gather,
    snapshots: Snapshots,
}

impl Committer {
    pub(super) fn new(
        shared: Arc<Shared>,
        waiting: mpsc::Receiver<Command>,
        writer: u64,
        snapshots: Snapshots,
    ) -> Self {
        Self {
            shared,
            waiting,
            writer,
            batches: 0,
            crowded: false,
            clashes: 0,
            gather: Gather::default(),
            snapshots,
        }
    }

    /// Works until every sender is gone and all that waited is answered.
    pub(super) async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH_LIMIT);
        loop {
            let known = self.shared.memory.position();
            let shared = Arc::clone(&self.shared);
            tokio::select! {
                biased;
                // First, or who never stops asking would keep the engine from closing.
                () = shared.closing.notified() => self.waiting.close(),
                taken = self.waiting.recv_many(&mut batch, BATCH_LIMIT) => {
                    if taken == 0 {
                        break;
                    }
                    // Whoever queues for the head takes those along who come meanwhile.
                    if shared.journal.gathers() && !(self.crowded && self.clashes > 0) {
                        self.gather
                            .fill(&mut batch, &mut self.waiting, BATCH_LIMIT, self.crowded)
                            .await;
                    }
                    self.commit(&mut batch).await;
                }
                () = shared.journal.changed(known) => {
                    if let Err(fault) = self.catch_up().await {
                        self.recover(&fault).await;
                    }
                }
                () = std::future::ready(()), if self.snapshots.is_under_way() => {}
            }
            self.snapshots.advance(&self.shared).await;
        }
        self.snapshots.finish(&self.shared).await;
        self.shared.journal.release();
    }

    /// Decides, appends, applies and answers a batch, whatever comes between.
    async fn commit(&mut self, commands: &mut Vec<Command>) {
        let began = Instant::now();
        match self.try_commit(commands).await {
            Ok(()) => {
                self.gather.done(commands.len(), self.waiting.len(), began.elapsed());
                commands.drain(..).for_each(|command| command.tell(None));
            }
            Err(fault) => {
                self.fail(commands, &fault);
                self.recover(&fault).await;
            }
        }
    }

    async fn try_commit(&mut self, commands: &mut Vec<Command>) -> Result<(), JournalError> {
        let shared = Arc::clone(&self.shared);
        loop {
            let Decided { events, ends } = self.decide(commands);
            let began = Instant::now();
            if events.is_empty() {
                // Nothing to write: the answers stand if memory has seen all there is (rule D7).
                let head = shared.journal.head().await?;
                if head <= shared.memory.position() {
                    shared.seen.all_of(began);
                    self.apply(commands, &ends, &[]);
                    return Ok(());
                }
                self.catch_up().await?;
                continue;
            }
            // What is decided on users alone may come after whatever is of others.
            let apart = self.crowded && self.clashes == 0;
            let past = if apart { settled_users(commands) } else { None };
            if self.crowded && past.is_none() {
                self.clashes = self.clashes.saturating_sub(1);
                if self.commit_held(commands).await? {
                    return Ok(());
                }
                continue;
            }
            let append =
                Append { expected: shared.memory.position(), batch: self.batch(events), past };
            match append.to(&*shared.journal).await {
                Ok(passed) => {
                    self.crowded = !passed.is_empty();
                    self.take(commands, &ends, append.batch, &passed);
                    shared.seen.all_of(began);
                    return Ok(());
                }
                Err(AppendError::Behind) if apart => self.clashes = CLASHES,
                Err(AppendError::Behind) => self.crowded = true,
                Err(AppendError::InDoubt(_)) => {
                    if self.resolve(commands, &ends, append).await {
                        return Ok(());
                    }
                }
                Err(AppendError::Unavailable(cause)) => {
                    return Err(JournalError::Unavailable(cause));
                }
            }
        }
    }

    /// Queues for the head and commits with it held, also what has come to wait meanwhile; whether
    /// that was the end of it.
    async fn commit_held(&mut self, commands: &mut Vec<Command>) -> Result<bool, JournalError> {
        let (shared, began) = (Arc::clone(&self.shared), Instant::now());
        let held = shared.journal.hold(shared.memory.position()).await?;
        shared.memory.apply_all(held.events());
        shared.seen.all_of(began);
        self.crowded = !held.events().is_empty();
        while commands.len() < BATCH_LIMIT
            && let Ok(command) = self.waiting.try_recv()
        {
            commands.push(command);
        }
        let Decided { events, ends } = self.decide(commands);
        if events.is_empty() {
            drop(held);
            self.apply(commands, &ends, &[]);
            return Ok(true);
        }
        let expected = self.shared.memory.position();
        let append = Append { expected, batch: self.batch(events), past: None };
        match held.append(&append.batch).await {
            Ok(_) => {
                self.apply(commands, &ends, &append.batch.events);
                Ok(true)
            }
            // The hold was lost: begin again.
            Err(AppendError::Behind) => Ok(false),
            Err(AppendError::InDoubt(_)) => Ok(self.resolve(commands, &ends, append).await),
            Err(AppendError::Unavailable(cause)) => Err(JournalError::Unavailable(cause)),
        }
    }

    /// Sends the same batch again until it is known whether it is in the journal; whether it is.
    /// Callers are told of the fault if that takes more than one try, for they hold slots.
    async fn resolve(
        &mut self,
        commands: &mut Vec<Command>,
        ends: &[usize],
        append: Append,
    ) -> bool {
        let mut pause = Duration::ZERO;
        loop {
            self.wait(pause).await;
            match append.to(&*self.shared.journal).await {
                Ok(passed) => {
                    self.take(commands, ends, append.batch, &passed);
                    self.shared.set_healthy(true);
                    return true;
                }
                Err(AppendError::Behind) => {
                    self.shared.set_healthy(true);
                    return false;
                }
                Err(AppendError::InDoubt(cause) | AppendError::Unavailable(cause)) => {
                    self.fail(commands, &JournalError::Unavailable(cause));
                }
            }
            if self.waiting.is_closed() {
                // Nobody waits any more, and whoever opens the journal next sees what is in it.
                return false;
            }
            pause = pause.saturating_mul(2).clamp(RETRY_FIRST, RETRY_LONGEST);
        }
    }

    /// Waits before the next try, or only until the engine is to close.
    async fn wait(&mut self, pause: Duration) {
        tokio::select! {
            () = self.shared.closing.notified() => self.waiting.close(),
            () = tokio::time::sleep(pause) => {}
        }
    }

    fn decide(&self, commands: &mut [Command]) -> Decided {
        Draft::new(&self.shared.memory, self.shared.clock.now()).decide_all(commands)
    }

    fn batch(&mut self, events: Vec<Recorded>) -> Batch {
        self.batches = self.batches.saturating_add(1);
        Batch { writer: self.writer, number: self.batches, events }
    }

    /// Shows memory what was passed and, after it, the batch.
    fn take(&self, commands: &[Command], ends: &[usize], mut batch: Batch, passed: &[Recorded]) {
        let by = u64::try_from(passed.len()).unwrap_or(u64::MAX);
        for event in &mut batch.events {
            event.position = event.position.saturating_add(by);
            event.sequence = event.sequence.saturating_add(by);
        }
        self.shared.memory.apply_all(passed);
        self.apply(commands, ends, &batch.events);
    }

    /// Shows memory what is in the journal now. An attempt's slot is given back in the same step as
    /// its failure is counted: in between, one more would be let in.
    fn apply(&self, commands: &[Command], ends: &[usize], events: &[Recorded]) {
        let memory = &self.shared.memory;
        let mut rest = events;
        let mut start = 0_usize;
        for (command, end) in commands.iter().zip(ends) {
            let (mine, others) =
                rest.split_at_checked(end.saturating_sub(start)).unwrap_or_default();
            (start, rest) = (*end, others);
            match command {
                Command::Settle(settle) => memory.settle(&settle.user, settle.ticket, mine),
                _ => memory.apply_all(mine),
            }
        }
        // Whatever no waiting command stands for any more, see `resolve`.
        memory.apply_all(rest);
        self.shared.appended.send_replace(memory.position());
    }

    /// Answers the fault to all who wait, and admits nobody from now on.
    fn fail(&mut self, commands: &mut Vec<Command>, fault: &JournalError) {
        self.shared.set_healthy(false);
        while let Ok(command) = self.waiting.try_recv() {
            commands.push(command);
        }
        for command in commands.drain(..) {
            if let Command::Settle(settle) = &command {
                self.shared.memory.register.release(&settle.user, settle.ticket);
            }
            command.tell(Some(fault));
        }
    }

    /// Probes until the journal writes again and memory has seen all that is in it (rule D3).
    async fn recover(&mut self, fault: &JournalError) {
        self.shared.set_healthy(false);
        let (mut fault, mut pause) = (fault.clone(), RETRY_FIRST);
        loop {
            self.fail(&mut Vec::new(), &fault);
            if self.waiting.is_closed() && self.waiting.is_empty() {
                return;
            }
            self.wait(pause).await;
            pause = pause.saturating_mul(2).min(RETRY_LONGEST);
            let probed = self.shared.journal.probe().await;
            let again = match probed {
                Ok(()) => match self.catch_up().await {
                    Err(JournalError::Pruned { .. }) => self.read_anew().await,
                    caught_up => caught_up,
                },
                Err(fault) => Err(fault),
            };
            match again {
                Ok(()) => break,
                Err(now) => fault = now,
            }
        }
        self.shared.set_healthy(true);
    }

    /// Begins at the newest checkpoint: others have written and pruned what this engine had not read.
    async fn read_anew(&self) -> Result<(), JournalError> {
        let shared = &self.shared;
        let instance = shared.memory.hierarchy.instance();
        let empty = || Memory::new(instance.clone(), SHARDS, None);
        let (memory, _) = open::read(&*shared.journal, empty).await?;
        shared.memory.adopt(&memory);
        shared.appended.send_replace(memory.position());
        Ok(())
    }

    /// Applies what others have appended.
    async fn catch_up(&self) -> Result<(), JournalError> {
        let shared = &self.shared;
        loop {
            let began = Instant::now();
            let events = shared.journal.read_after(shared.memory.position(), PAGE).await?;
            shared.memory.apply_all(&events);
            if events.len() < PAGE {
                shared.seen.all_of(began);
                shared.appended.send_replace(shared.memory.position());
                return Ok(());
            }
        }
    }
}

/// A batch on its way to the journal.
struct Append {
    expected: Position,
    batch: Batch,
    /// The users that it was decided on, if it may come after what others have written of others.
    past: Option<Vec<UserId>>,
}

impl Append {
    /// Appends it; what it came to stand after.
    async fn to(&self, journal: &dyn Journal) -> Result<Vec<Recorded>, AppendError> {
        match &self.past {
            Some(users) => journal.append_past(self.expected, &self.batch, users).await,
            None => journal.append(self.expected, &self.batch).await.map(|_| Vec::new()),
        }
    }
}

/// Whose attempts commands settle, if they do nothing else: such commands are decided on these users, on
/// policies, and on nothing else.
fn settled_users(commands: &[Command]) -> Option<Vec<UserId>> {
    let user = |command: &Command| match command {
        Command::Settle(settle) => Some(settle.user.clone()),
        Command::Policy(_) | Command::User(_) | Command::Host(_) => None,
    };
    commands.iter().map(user).collect()
}
