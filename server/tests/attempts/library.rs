//! The library's own answers: what the wire has to say as well.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portcullis::durable::{Admission, Attempt};
use portcullis::journal::MemoryJournal;
use portcullis::{
    DurableEngine, Factor, LockCause, LockoutPolicy, OrgId, Origin, PublicAnswer, Refusal, UserId,
    Verdict,
};

use super::histories::org_of;
use super::said::factor;
use super::{org, user};

/// An engine, and what a server adds to it: who is inactive, and the answers of settled attempts.
pub(crate) struct Library {
    engine: Arc<DurableEngine>,
    inactive: BTreeSet<UserId>,
    open: BTreeMap<usize, (OrgId, Attempt<'static>)>,
    settled: BTreeMap<usize, String>,
    begun: usize,
}

impl Library {
    pub(crate) async fn new() -> Self {
        let main = "main".parse().unwrap();
        let opened = DurableEngine::open(main, LockoutPolicy::new(5, 5), MemoryJournal::new());
        Self {
            engine: Arc::new(opened.await.unwrap()),
            inactive: BTreeSet::new(),
            open: BTreeMap::new(),
            settled: BTreeMap::new(),
            begun: 0,
        }
    }

    fn policy(&self, of: &OrgId) -> LockoutPolicy {
        self.engine.resolve(of).policy
    }

    fn inactive(&self, of: &OrgId) -> String {
        let hides = !self.policy(of).show_lockout_failures;
        let public = if hides { PublicAnswer::Denied } else { PublicAnswer::Locked };
        format!("locked as inactive; {public:?}")
    }

    /// Does a step and tells its answer.
    pub(crate) async fn step(&mut self, step: &str) -> String {
        let words: Vec<_> = step.split_whitespace().collect();
        match words[..] {
            ["begin", name, of_factor] => {
                let of = org(org_of(name));
                let at = self.begun;
                self.begun += 1;
                match self.begin(&of, name, of_factor) {
                    Ok((said, attempt)) => {
                        self.open.insert(at, (of, attempt));
                        said
                    }
                    Err(said) => said,
                }
            }
            ["settle", at, what] => self.settle(at.parse().unwrap(), what).await,
            ["record", name, of_factor, what] => {
                let of = org(org_of(name));
                match self.begin(&of, name, of_factor) {
                    Ok((_, attempt)) => self.end(&of, attempt, what).await,
                    Err(said) => said,
                }
            }
            ["status", name] => self.status(name),
            ["lock", name] => done(self.engine.lock(&org(org_of(name)), &user(name)).await.is_ok()),
            ["unlock", name] => done(self.engine.unlock(&user(name)).await.is_ok()),
            ["credential", name, of_factor] => {
                let (of, name) = (org(org_of(name)), user(name));
                let changed = self.engine.credential_changed(&of, &name, factor(of_factor).1);
                done(changed.await.is_ok())
            }
            ["remove", name] => {
                self.inactive.remove(name);
                done(self.engine.remove_user(&org(org_of(name)), &user(name)).await.is_ok())
            }
            ["deactivate", name] => done(self.inactive.insert(user(name))),
            ["reactivate", name] => done(self.inactive.remove(name)),
            _ => done(policy_step(&self.engine, &words).await),
        }
    }

    fn begin(
        &self,
        of: &OrgId,
        name: &str,
        of_factor: &str,
    ) -> Result<(String, Attempt<'static>), String> {
        if self.inactive.contains(name) {
            return Err(self.inactive(of));
        }
        let admission = self.engine.begin_owned(of, &user(name), factor(of_factor).1);
        let public = admission.public(&self.policy(of));
        let said = match admission {
            Admission::Admitted(attempt) => return Ok((format!("admitted; {public:?}"), attempt)),
            Admission::Locked(lock) => locked(lock.cause),
            Admission::Busy => String::from("busy"),
            Admission::Refused(Refusal::Capacity) => String::from("refused CAPACITY"),
            Admission::Refused(Refusal::OrgMismatch) => String::from("refused ORG_MISMATCH"),
            Admission::Refused(Refusal::Unavailable) => return Err("error Unavailable".to_owned()),
        };
        Err(format!("{said}; {public:?}"))
    }

    async fn settle(&mut self, at: usize, what: &str) -> String {
        if let Some(said) = self.settled.get(&at) {
            return said.clone();
        }
        let Some((of, attempt)) = self.open.remove(&at) else {
            return String::from("nothing to settle");
        };
        let said = if what == "cancelled" {
            attempt.cancel();
            let hides = !self.policy(&of).show_lockout_failures;
            let public = if hides { PublicAnswer::Denied } else { PublicAnswer::TryAgain };
            format!("cancelled; {public:?}")
        } else if self.inactive.contains(attempt.user()) {
            self.inactive(&of)
        } else {
            self.end(&of, attempt, what).await
        };
        self.settled.insert(at, said.clone());
        said
    }

    async fn end(&self, of: &OrgId, attempt: Attempt<'static>, what: &str) -> String {
        let verdict = match what {
            "success" => attempt.succeed().await.unwrap(),
            _ => attempt.fail().await.unwrap(),
        };
        let public = verdict.public(&self.policy(of));
        let said = match verdict {
            Verdict::Accepted => String::from("accepted"),
            Verdict::Rejected { failures, limit, locked } => {
                format!("rejected {failures} of {}, locked: {locked}", limit.get())
            }
            Verdict::Locked(lock) => locked(lock.cause),
            Verdict::Superseded => String::from("superseded"),
        };
        format!("{said}; {public:?}")
    }

    fn status(&self, name: &str) -> String {
        let of = org_of(name);
        let status = self.engine.status(&user(name));
        let lock = match &status.lock {
            Some(lock) => locked(lock.cause),
            None if self.inactive.contains(name) => String::from("locked as inactive"),
            None => String::from("not locked"),
        };
        let count = |factor: &Factor| {
            let failures = status.failures(*factor);
            (failures > 0).then(|| format!("{} {failures}", factor.name()))
        };
        let factors: Vec<_> = Factor::ALL.iter().filter_map(count).collect();
        let resolved = self.engine.resolve(of);
        let policy = resolved.policy;
        let limits = (policy.max_password_attempts.get(), policy.max_otp_attempts.get());
        let is_override = resolved.origin == Origin::OrgOverride;
        format!("{lock}; {factors:?}; {limits:?} of the org: {is_override}; {of}")
    }
}

fn locked(cause: LockCause) -> String {
    match cause {
        LockCause::Failures(factor) => format!("locked by {}", factor.name()),
        LockCause::Administrator => String::from("locked by an administrator"),
    }
}

pub(crate) fn done(is_done: bool) -> String {
    String::from(if is_done { "done" } else { "not done" })
}

/// A change of a policy, which the wire of attempts has no part in.
pub(crate) async fn policy_step(engine: &DurableEngine, words: &[&str]) -> bool {
    let policy = |password: &str, otp: &str, shown: &str| LockoutPolicy {
        show_lockout_failures: shown == "shown",
        ..LockoutPolicy::new(password.parse().unwrap(), otp.parse().unwrap())
    };
    match *words {
        ["policy", of, password, otp, shown] => {
            engine.put_override(&org(of), policy(password, otp, shown)).await.is_ok()
        }
        ["reset", of] => engine.reset_to_default(&org(of)).await.is_ok(),
        ["default", password, otp, shown] => {
            engine.set_instance_policy(policy(password, otp, shown)).await.is_ok()
        }
        _ => panic!("no step: {words:?}"),
    }
}
