//! `portcullis policy`: the instance's policy and the overrides.

use portcullis::journal::Journal;
use portcullis::{
    Details, DurableEngine, InstanceId, LockoutPolicy, OrgId, Origin, PolicyError, Resolved,
    WriteError,
};
use serde::Serialize;

use super::{failure, read, run, unwritten, write};
use crate::cli::Output;
use crate::cli::journal::{
    JournalArgs, PolicyCommand, PolicyListArgs, PolicyResetArgs, PolicySetArgs, PolicyShowArgs,
    PolicyValues,
};
use crate::exit::Failure;
use crate::output::json::{self, DetailsJson, PolicyJson, ResolvedJson};
use crate::output::table::{Columns, write_fields};
use crate::output::{print, rfc3339};
use crate::place::Opened;

/// Runs `policy show`, `set`, `reset` or `list`.
///
/// # Errors
///
/// The journal's, or the rule that refuses a change.
pub fn command(command: &PolicyCommand) -> Result<(), Failure> {
    match command {
        PolicyCommand::Show(args) => show(args),
        PolicyCommand::Set(args) => set(args),
        PolicyCommand::Reset(args) => reset(args),
        PolicyCommand::List(args) => list(args),
    }
}

/// The instance of a new journal that is not told one.
pub(crate) const INSTANCE: &str = "main";

/// The policy in force, for a report.
struct InForce {
    instance: InstanceId,
    org: Option<OrgId>,
    resolved: Resolved,
    details: Details,
}

impl InForce {
    fn of(engine: &DurableEngine, org: Option<&OrgId>) -> Self {
        let (resolved, details) = if let Some(org) = org {
            engine.policy(org)
        } else {
            let (policy, details) = engine.instance_policy();
            (Resolved { policy, origin: Origin::InstanceDefault }, details)
        };
        Self { instance: engine.instance().clone(), org: org.cloned(), resolved, details }
    }

    /// Reports it; `changed` after a change that was asked for.
    fn report(self, args: &JournalArgs, changed: Option<bool>) -> Result<(), Failure> {
        print(|to| match args.output {
            Output::Table => write_fields(self.fields(changed), to),
            Output::Json => json::write(&self.json(changed), to),
        })
    }

    fn fields(&self, changed: Option<bool>) -> Vec<(&'static str, String)> {
        let limit = |limit: u32| match limit {
            0 => String::from("never lock"),
            limit => limit.to_string(),
        };
        let Resolved { policy, origin } = self.resolved;
        let mut fields = vec![("instance", self.instance.to_string())];
        fields.extend(self.org.iter().map(|org| ("organization", org.to_string())));
        fields.extend([
            ("password attempts", limit(policy.max_password_attempts.get())),
            ("otp attempts", limit(policy.max_otp_attempts.get())),
            ("show failures", String::from(yes_or_no(policy.show_lockout_failures))),
            ("policy of", String::from(owner(origin))),
            ("sequence", self.details.sequence.to_string()),
            ("created", rfc3339(self.details.created_at)),
            ("changed", rfc3339(self.details.changed_at)),
        ]);
        fields.extend(changed.map(|changed| ("changed now", String::from(yes_or_no(changed)))));
        fields
    }

    fn json(self, changed: Option<bool>) -> PolicyReport {
        PolicyReport {
            instance: self.instance.to_string(),
            org: self.org.map(|org| org.to_string()),
            policy: self.resolved.into(),
            details: self.details.into(),
            changed,
        }
    }
}

fn owner(origin: Origin) -> &'static str {
    match origin {
        Origin::InstanceDefault => "the instance",
        Origin::OrgOverride => "the organization",
    }
}

fn yes_or_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

#[derive(Serialize)]
struct PolicyReport {
    instance: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    org: Option<String>,
    policy: ResolvedJson,
    details: DetailsJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<bool>,
}

fn show(args: &PolicyShowArgs) -> Result<(), Failure> {
    run(async {
        let (engine, _) = read(&args.journal).await?;
        InForce::of(&engine, args.org.as_ref()).report(&args.journal, None)
    })
}

fn set(args: &PolicySetArgs) -> Result<(), Failure> {
    run(async {
        let PolicySetArgs { values, actor, .. } = args;
        let (engine, creates) =
            if args.create { create(args).await? } else { (write(&args.journal).await?.0, false) };
        let before = InForce::of(&engine, args.org.as_ref());
        let policy = with(before.resolved.policy, values);
        let changed = match &args.org {
            // A new journal has it already. Setting what is there is no mistake.
            None => match engine.set_instance_policy_by(&actor.actor, policy).await {
                Err(WriteError::Refused(PolicyError::NotChanged)) => creates,
                other => {
                    other.map_err(|error| unwritten("the instance", error))?;
                    true
                }
            },
            Some(org) => {
                let put = engine.put_override_by(&actor.actor, org, policy).await;
                let details = put.map_err(|error| unwritten(org, error))?;
                let was = (before.resolved.origin, before.details.sequence);
                was != (Origin::OrgOverride, details.sequence)
            }
        };
        let now = InForce::of(&engine, args.org.as_ref());
        engine.close().await;
        now.report(&args.journal, Some(changed))
    })
}

/// The engine of a journal that is made if there is none, and whether it was.
async fn create(args: &PolicySetArgs) -> Result<(DurableEngine, bool), Failure> {
    let JournalArgs { journal: place, instance, .. } = &args.journal;
    let Opened { journal, .. } = place.open(instance.as_ref(), true).await.map_err(failure)?;
    if journal.head().await.map_err(failure)? > 0 {
        return Ok((DurableEngine::open_existing(journal).await.map_err(failure)?, false));
    }
    let instance = match instance {
        Some(instance) => instance.clone(),
        None => InstanceId::try_from(INSTANCE).map_err(Failure::fault)?,
    };
    let policy = with(LockoutPolicy::default(), &args.values);
    let engine = DurableEngine::open(instance, policy, journal).await.map_err(failure)?;
    Ok((engine, true))
}

/// A policy with those values that are given.
fn with(policy: LockoutPolicy, values: &PolicyValues) -> LockoutPolicy {
    LockoutPolicy {
        max_password_attempts: values
            .max_password_attempts
            .map_or(policy.max_password_attempts, Into::into),
        max_otp_attempts: values.max_otp_attempts.map_or(policy.max_otp_attempts, Into::into),
        show_lockout_failures: values.show_failures.unwrap_or(policy.show_lockout_failures),
    }
}

fn reset(args: &PolicyResetArgs) -> Result<(), Failure> {
    run(async {
        let (engine, _) = write(&args.journal).await?;
        let done = engine.reset_to_default_by(&args.actor.actor, &args.org).await;
        let now = InForce::of(&engine, Some(&args.org));
        engine.close().await;
        // The details of the reset, which is the organization's own event.
        let details = done.map_err(|error| unwritten(&args.org, error))?;
        InForce { details, ..now }.report(&args.journal, Some(true))
    })
}

fn list(args: &PolicyListArgs) -> Result<(), Failure> {
    run(async {
        let (engine, _) = read(&args.journal).await?;
        let overrides: Vec<_> = engine.overrides().collect();
        print(|to| match args.journal.output {
            Output::Json => {
                let overrides = overrides.into_iter().map(|(org, policy)| OverrideJson {
                    org: org.to_string(),
                    policy: policy.into(),
                });
                json::write(&OverridesReport { overrides: overrides.collect() }, to)
            }
            Output::Table if overrides.is_empty() => {
                writeln!(to, "No organization has an override.")
            }
            Output::Table => Columns::new(HEADER, &[1, 2]).write_all(&overrides, cells, to),
        })
    })
}

const HEADER: [&str; 4] = ["organization", "password attempts", "otp attempts", "show failures"];

fn cells((org, policy): &(OrgId, LockoutPolicy)) -> [String; 4] {
    [
        org.to_string(),
        policy.max_password_attempts.get().to_string(),
        policy.max_otp_attempts.get().to_string(),
        String::from(yes_or_no(policy.show_lockout_failures)),
    ]
}

#[derive(Serialize)]
struct OverrideJson {
    org: String,
    #[serde(flatten)]
    policy: PolicyJson,
}

#[derive(Serialize)]
struct OverridesReport {
    overrides: Vec<OverrideJson>,
}
