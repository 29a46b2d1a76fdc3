//! The stored form of events: a type's name and a payload in JSON, with ZITADEL's field names. Live
//! types are not serializable, so that neither form dictates the other.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Event;
use crate::lockout::{AttemptInfo, Factor, LockCause};
use crate::policy::decide::PolicyEvent;
use crate::policy::{AttemptLimit, LockoutPolicy};

/// A policy as it is stored: whole, zeros included. A missing field reads as zero.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredPolicy {
    #[serde(default)]
    max_password_attempts: u32,
    #[serde(default, rename = "maxOTPAttempts")]
    max_otp_attempts: u32,
    #[serde(default, rename = "showLockOutFailures")]
    show_lockout_failures: bool,
}

/// What is stored of an attempt's origin.
#[derive(Serialize, Deserialize, Default)]
struct StoredInfo {
    #[serde(skip_serializing_if = "Option::is_none", rename = "id")]
    request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", rename = "remoteIP")]
    remote_ip: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none", rename = "userAgent")]
    user_agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", rename = "acceptLanguage")]
    accept_language: Option<String>,
}

/// Why a user is locked. ZITADEL stores nothing here; without a factor it was an administrator.
#[derive(Serialize, Deserialize, Default)]
struct StoredLock {
    #[serde(skip_serializing_if = "Option::is_none")]
    factor: Option<String>,
}

impl Event {
    /// What there is to say of the event beyond its type, as JSON; `None` where that is nothing.
    #[must_use]
    pub fn payload(&self) -> Option<String> {
        match self {
            Self::InstancePolicy(policy) | Self::OrgPolicy(policy) => match policy {
                PolicyEvent::Added(policy) | PolicyEvent::Changed(policy) => {
                    json(&StoredPolicy::from(*policy))
                }
                PolicyEvent::Removed => None,
            },
            Self::CheckFailed { info, .. } | Self::CheckSucceeded { info, .. } => {
                info.as_deref().and_then(|info| json(&StoredInfo::from(info)))
            }
            Self::Locked(LockCause::Failures(factor)) => {
                json(&StoredLock { factor: Some(String::from(factor.name())) })
            }
            Self::Locked(LockCause::Administrator)
            | Self::Unlocked
            | Self::CredentialChanged(_)
            | Self::Removed => None,
            Self::Host { payload, .. } => payload.clone(),
        }
    }

    /// The event of a type's name and a payload. A type that is not the engine's is the host's.
    ///
    /// # Errors
    ///
    /// What is wrong with the payload.
    pub fn from_stored(type_name: &str, payload: Option<&str>) -> Result<Self, String> {
        let event = match Kind::of(type_name) {
            Kind::Policy { of_org, event } => {
                let event = match event {
                    "added" => PolicyEvent::Added(parse::<StoredPolicy>(payload)?.into()),
                    "changed" => PolicyEvent::Changed(parse::<StoredPolicy>(payload)?.into()),
                    _ => PolicyEvent::Removed,
                };
                if of_org { Self::OrgPolicy(event) } else { Self::InstancePolicy(event) }
            }
            Kind::Check { factor, failed } => {
                let info = match payload {
                    Some(_) => Some(Box::new(parse::<StoredInfo>(payload)?.into())),
                    None => None,
                };
                if failed {
                    Self::CheckFailed { factor, info }
                } else {
                    Self::CheckSucceeded { factor, info }
                }
            }
            Kind::Locked => Self::Locked(match parse::<StoredLock>(payload)?.factor {
                Some(name) => LockCause::Failures(factor_of(&name)?),
                None => LockCause::Administrator,
            }),
            Kind::Plain(event) => event,
            Kind::OfHost => Self::Host {
                type_name: String::from(type_name),
                payload: payload.map(String::from),
            },
        };
        Ok(event)
    }
}

/// Whether only the engine may write events of this type.
pub(crate) fn is_reserved(type_name: &str) -> bool {
    !matches!(Kind::of(type_name), Kind::OfHost)
}

/// What a type's name says.
enum Kind<'n> {
    Policy { of_org: bool, event: &'n str },
    Check { factor: Factor, failed: bool },
    Locked,
    Plain(Event),
    OfHost,
}

impl<'n> Kind<'n> {
    fn of(type_name: &'n str) -> Self {
        if let Some((owner, event)) = type_name.split_once(".policy.lockout.")
            && matches!(owner, "instance" | "org")
            && matches!(event, "added" | "changed" | "removed")
        {
            return Self::Policy { of_org: owner == "org", event };
        }
        if type_name == "user.locked" {
            return Self::Locked;
        }
        for factor in Factor::ALL {
            let failed = Event::CheckFailed { factor, info: None };
            let succeeded = Event::CheckSucceeded { factor, info: None };
            if type_name == failed.type_name() || type_name == succeeded.type_name() {
                return Self::Check { factor, failed: type_name == failed.type_name() };
            }
        }
        let changed = Factor::ALL.into_iter().map(Event::CredentialChanged);
        [Event::Unlocked, Event::Removed]
            .into_iter()
            .chain(changed)
            .find(|event| event.type_name() == type_name)
            .map_or(Self::OfHost, Self::Plain)
    }
}

fn factor_of(name: &str) -> Result<Factor, String> {
    let found = Factor::ALL.into_iter().find(|factor| factor.name() == name);
    found.ok_or_else(|| format!("`{name}` is no factor"))
}

/// Serializing plain structs of numbers and texts cannot fail; were it to, the payload is empty.
fn json<T: Serialize>(value: &T) -> Option<String> {
    serde_json::to_string(value).ok()
}

fn parse<'p, T: Deserialize<'p>>(payload: Option<&'p str>) -> Result<T, String> {
    serde_json::from_str(payload.unwrap_or("{}")).map_err(|error| format!("payload: {error}"))
}

impl From<LockoutPolicy> for StoredPolicy {
    fn from(policy: LockoutPolicy) -> Self {
        Self {
            max_password_attempts: policy.max_password_attempts.get(),
            max_otp_attempts: policy.max_otp_attempts.get(),
            show_lockout_failures: policy.show_lockout_failures,
        }
    }
}

impl From<StoredPolicy> for LockoutPolicy {
    fn from(stored: StoredPolicy) -> Self {
        Self {
            max_password_attempts: AttemptLimit::from(stored.max_password_attempts),
            max_otp_attempts: AttemptLimit::from(stored.max_otp_attempts),
            show_lockout_failures: stored.show_lockout_failures,
        }
    }
}

impl From<&AttemptInfo> for StoredInfo {
    fn from(info: &AttemptInfo) -> Self {
        let AttemptInfo { remote_ip, user_agent, accept_language, request_id } = info.clone();
        Self { request_id, remote_ip, user_agent, accept_language }
    }
}

impl From<StoredInfo> for AttemptInfo {
    fn from(stored: StoredInfo) -> Self {
        let StoredInfo { request_id, remote_ip, user_agent, accept_language } = stored;
        Self { remote_ip, user_agent, accept_language, request_id }
    }
}
