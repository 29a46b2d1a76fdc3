//! Adding to the directory: look, then record, one after the other within the process.
//!
//! Another process may record in between. Of what does not go together the first one holds; so after
//! recording this looks again whether it was.

use std::sync::Arc;

use futures_util::future::join_all;
use portcullis::journal::{BoxFuture, JournalError};
use portcullis::{Actor, LockError, OrgId, UserId, WriteError};

use super::JournalDirectory;
use super::plan::{Action, NewEntry, Plan, Planned, plan};
use super::there::There;
use crate::directory::{DirectoryError, Outcome, UserKind};

/// A rehearsal: what would become of entries, one batch after the other, without recording any. It
/// keeps in memory what would be there.
#[derive(Debug, Default)]
pub struct DryRun(Planned);

type Outcomes = Vec<Result<Outcome, DirectoryError>>;

impl JournalDirectory {
    /// Adds an organization; one that is there with the same name is no error.
    ///
    /// # Errors
    ///
    /// [`DirectoryError`].
    pub async fn add_org(
        &self,
        actor: &Actor,
        org: &OrgId,
        name: &str,
    ) -> Result<Outcome, DirectoryError> {
        self.add(actor, NewEntry::Org { org: org.clone(), name: String::from(name) }).await
    }

    /// Adds a user; one who is there with the same values is no error.
    ///
    /// # Errors
    ///
    /// [`DirectoryError`].
    pub async fn add_user(
        &self,
        actor: &Actor,
        org: &OrgId,
        user: &UserId,
        user_name: &str,
        kind: UserKind,
    ) -> Result<Outcome, DirectoryError> {
        let (user, org, user_name) = (user.clone(), org.clone(), String::from(user_name));
        self.add(actor, NewEntry::User { user, org, user_name, kind, state: None }).await
    }

    /// Adds an entry.
    ///
    /// # Errors
    ///
    /// [`DirectoryError`].
    pub async fn add(&self, actor: &Actor, entry: NewEntry) -> Result<Outcome, DirectoryError> {
        let mut outcomes = self.add_all(actor, vec![entry], false).await?;
        outcomes.pop().unwrap_or(Ok(Outcome::Unchanged))
    }

    /// Adds entries in their order, so that they wait for the journal together. What may not be does
    /// not keep the others from being added if this is to `keep_going`; else the first such entry is the
    /// last one that has an outcome. Outcomes are in the order of the entries.
    ///
    /// # Errors
    ///
    /// The journal's; it may have taken some.
    pub async fn add_all(
        &self,
        actor: &Actor,
        entries: Vec<NewEntry>,
        keep_going: bool,
    ) -> Result<Outcomes, JournalError> {
        let _turn = self.0.changing.lock().await;
        self.catch_up().await?;
        let (plans, entries, _) = self.plan(entries, Planned::default(), keep_going).await?;
        // All are asked for here, in this order.
        let doing: Vec<_> = plans.into_iter().map(|plan| self.execute(actor, plan)).collect();
        let mut outcomes = Vec::with_capacity(entries.len());
        for done in join_all(doing).await {
            outcomes.push(match done {
                Err(DirectoryError::Journal(fault)) => return Err(fault),
                done => done,
            });
        }
        self.catch_up().await?;
        let (again, ..) = self.plan(entries, Planned::default(), true).await?;
        for (outcome, again) in outcomes.iter_mut().zip(again) {
            if let (Ok(Outcome::Changed), Err(overtaken)) = (&outcome, again) {
                *outcome = Err(overtaken);
            }
        }
        Ok(outcomes)
    }

    /// What would become of entries after those that the rehearsal has seen.
    ///
    /// # Errors
    ///
    /// The journal's.
    pub async fn rehearse(
        &self,
        dry_run: &mut DryRun,
        entries: Vec<NewEntry>,
    ) -> Result<Outcomes, JournalError> {
        self.catch_up().await?;
        let (plans, _, planned) = self.plan(entries, std::mem::take(&mut dry_run.0), true).await?;
        dry_run.0 = planned;
        Ok(plans.into_iter().map(|plan| plan.map(|actions| outcome(&actions))).collect())
    }

    async fn plan(
        &self,
        entries: Vec<NewEntry>,
        mut planned: Planned,
        keep_going: bool,
    ) -> Result<(Vec<Plan>, Vec<NewEntry>, Planned), JournalError> {
        let engine = Arc::clone(self.engine());
        self.read(move |tables| {
            let there = There::of(&entries, tables)?;
            let mut plans = Vec::with_capacity(entries.len());
            for entry in &entries {
                plans.push(plan(&there, &engine, &mut planned, entry));
                if !keep_going && plans.last().is_some_and(Result::is_err) {
                    break;
                }
            }
            Ok((plans, entries, planned))
        })
        .await
    }

    /// Asks for all actions now; the answer is there once they are in the journal.
    fn execute(
        &self,
        actor: &Actor,
        plan: Plan,
    ) -> BoxFuture<'static, Result<Outcome, DirectoryError>> {
        let actions = match plan {
            Ok(actions) => actions,
            Err(refusal) => return Box::pin(std::future::ready(Err(refusal))),
        };
        let outcome = outcome(&actions);
        let asked: Vec<BoxFuture<'static, Result<(), DirectoryError>>> =
            actions.into_iter().map(|action| self.act(actor, action)).collect();
        Box::pin(async move {
            for done in asked {
                done.await?;
            }
            Ok(outcome)
        })
    }

    fn act(&self, actor: &Actor, action: Action) -> BoxFuture<'static, Result<(), DirectoryError>> {
        match action {
            Action::Record(fact) => {
                let recorded = self.record(actor, fact);
                Box::pin(async move { Ok(recorded.await.map(drop)?) })
            }
            Action::Lock(org, user) => {
                let locked = self.engine().lock_by(actor, &org, &user);
                Box::pin(async move {
                    match locked.await {
                        Ok(_) | Err(WriteError::Refused(LockError::AlreadyLocked)) => Ok(()),
                        Err(WriteError::Journal(fault)) => Err(fault.into()),
                        // The engine has failures on record for it, with another organization.
                        Err(WriteError::Refused(_)) => {
                            let what = String::from("failed logins in another organization");
                            Err(DirectoryError::UserDiffers { user, what })
                        }
                    }
                })
            }
        }
    }
}

fn outcome(actions: &[Action]) -> Outcome {
    if actions.is_empty() { Outcome::Unchanged } else { Outcome::Changed }
}
