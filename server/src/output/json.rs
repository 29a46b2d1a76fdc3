//! Parts of JSON reports that several commands share.

use std::fmt::Display;
use std::io::{self, Write};
use std::time::SystemTime;

use portcullis::{Details, Factor, Lock, LockCause, LockoutPolicy, Origin, Resolved};
use serde::{Serialize, Serializer};

use super::rfc3339;

/// Writes a value as JSON on a line of its own.
pub(crate) fn write(value: &impl Serialize, to: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *to, value)?;
    writeln!(to)
}

/// For `serialize_with`: a time as RFC 3339 has it.
pub(crate) fn as_time<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*at))
}

/// For `serialize_with`: what displays, as a text.
pub(crate) fn as_text<S: Serializer>(
    value: &impl Display,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// A policy.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct PolicyJson {
    max_password_attempts: u32,
    max_otp_attempts: u32,
    show_lockout_failures: bool,
}

impl From<LockoutPolicy> for PolicyJson {
    fn from(policy: LockoutPolicy) -> Self {
        Self {
            max_password_attempts: policy.max_password_attempts.get(),
            max_otp_attempts: policy.max_otp_attempts.get(),
            show_lockout_failures: policy.show_lockout_failures,
        }
    }
}

/// A policy and whose it is.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct ResolvedJson {
    #[serde(flatten)]
    policy: PolicyJson,
    origin: &'static str,
}

impl From<Resolved> for ResolvedJson {
    fn from(resolved: Resolved) -> Self {
        Self { policy: resolved.policy.into(), origin: origin(resolved.origin) }
    }
}

/// The name of an origin.
pub(crate) fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::InstanceDefault => "instance_default",
        Origin::OrgOverride => "org_override",
    }
}

/// The details of a record.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DetailsJson {
    sequence: u64,
    #[serde(serialize_with = "as_time")]
    created_at: SystemTime,
    #[serde(serialize_with = "as_time")]
    changed_at: SystemTime,
    resource_owner: String,
}

impl From<Details> for DetailsJson {
    fn from(details: Details) -> Self {
        let Details { sequence, created_at, changed_at, resource_owner } = details;
        Self { sequence, created_at, changed_at, resource_owner }
    }
}

/// A lock, without its user.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LockJson {
    #[serde(serialize_with = "as_time")]
    since: SystemTime,
    /// `failures` or `administrator`.
    cause: &'static str,
    /// Whose failures locked.
    #[serde(skip_serializing_if = "Option::is_none")]
    factor: Option<&'static str>,
}

impl From<&Lock> for LockJson {
    fn from(lock: &Lock) -> Self {
        let (cause, factor) = match lock.cause {
            LockCause::Failures(factor) => ("failures", Some(Factor::name(factor))),
            LockCause::Administrator => ("administrator", None),
        };
        Self { since: lock.since, cause, factor }
    }
}
