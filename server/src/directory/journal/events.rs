//! The directory's events: how they are written to the journal, and which ones are read from it.

use std::time::SystemTime;

use jiff::Timestamp;
use portcullis::journal::Position;
use portcullis::{Aggregate, Event, InstanceId, OrgId, Recorded, UserId};
use serde::{Deserialize, Serialize};

use super::secret::{Hash, from_hex, to_hex};
use crate::directory::UserKind;

/// Something that the directory itself records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    OrgAdded {
        org: OrgId,
        name: String,
    },
    OrgRemoved {
        org: OrgId,
    },
    UserAdded {
        org: OrgId,
        user: UserId,
        user_name: String,
        kind: UserKind,
    },
    /// The user was deactivated, or activated again.
    Active {
        org: OrgId,
        user: UserId,
        active: bool,
    },
    /// Without an organization it is the instance.
    MemberAdded {
        org: Option<OrgId>,
        user: UserId,
        roles: Vec<String>,
    },
    TokenAdded {
        org: OrgId,
        user: UserId,
        token: String,
        hash: Hash,
        expires: Option<SystemTime>,
    },
    TokenRemoved {
        org: OrgId,
        user: UserId,
        token: String,
    },
}

/// What changes the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Fact(Fact),
    Locked(UserId),
    Unlocked(UserId),
    Removed { org: OrgId, user: UserId },
}

/// A change in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) position: Position,
    pub(super) at: SystemTime,
    pub(super) change: Change,
}

#[derive(Serialize, Deserialize)]
struct OrgPayload {
    name: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HumanPayload {
    user_name: String,
    #[serde(default)]
    first_name: String,
    #[serde(default)]
    last_name: String,
    #[serde(default)]
    email: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MachinePayload {
    user_name: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    description: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MemberPayload {
    user_id: String,
    roles: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenPayload {
    token_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expiration: Option<String>,
}

/// An event as the engine records it: whose it is, its type and its payload.
pub(super) type Entry = (Aggregate, &'static str, Option<String>);

impl Fact {
    /// The event to record.
    pub(super) fn entry(self, instance: &InstanceId) -> Entry {
        match self {
            Self::OrgAdded { org, name } => {
                (Aggregate::Org(org), "org.added", json(&OrgPayload { name }))
            }
            Self::OrgRemoved { org } => (Aggregate::Org(org), "org.removed", None),
            Self::UserAdded { org, user, user_name, kind } => {
                let (type_name, payload) = match kind {
                    UserKind::Human { first_name, last_name, email } => (
                        "user.human.added",
                        json(&HumanPayload { user_name, first_name, last_name, email }),
                    ),
                    UserKind::Machine { name, description } => (
                        "user.machine.added",
                        json(&MachinePayload { user_name, name, description }),
                    ),
                };
                (Aggregate::User { org, user }, type_name, payload)
            }
            Self::Active { org, user, active } => {
                let type_name = if active { "user.reactivated" } else { "user.deactivated" };
                (Aggregate::User { org, user }, type_name, None)
            }
            Self::MemberAdded { org, user, roles } => {
                let payload = json(&MemberPayload { user_id: user.to_string(), roles });
                match org {
                    None => {
                        (Aggregate::Instance(instance.clone()), "instance.member.added", payload)
                    }
                    Some(org) => (Aggregate::Org(org), "org.member.added", payload),
                }
            }
            Self::TokenAdded { org, user, token, hash, expires } => {
                let expiration = expires.map(crate::output::rfc3339);
                let hash = Some(to_hex(&hash));
                let payload = json(&TokenPayload { token_id: token, hash, expiration });
                (Aggregate::User { org, user }, "user.pat.added", payload)
            }
            Self::TokenRemoved { org, user, token } => {
                let payload = json(&TokenPayload { token_id: token, hash: None, expiration: None });
                (Aggregate::User { org, user }, "user.pat.removed", payload)
            }
        }
    }

    /// What a host's event says, if it is one of the directory's.
    fn of(
        aggregate: &Aggregate,
        name: &str,
        payload: Option<&str>,
    ) -> Result<Option<Self>, String> {
        let fact = match (aggregate.clone(), name) {
            (Aggregate::Org(org), "org.added") => {
                Self::OrgAdded { org, name: parse::<OrgPayload>(payload)?.name }
            }
            (Aggregate::Org(org), "org.removed") => Self::OrgRemoved { org },
            (Aggregate::User { org, user }, "user.human.added") => {
                let HumanPayload { user_name, first_name, last_name, email } = parse(payload)?;
                let kind = UserKind::Human { first_name, last_name, email };
                Self::UserAdded { org, user, user_name, kind }
            }
            (Aggregate::User { org, user }, "user.machine.added") => {
                let MachinePayload { user_name, name, description } = parse(payload)?;
                let kind = UserKind::Machine { name, description };
                Self::UserAdded { org, user, user_name, kind }
            }
            (Aggregate::User { org, user }, "user.deactivated") => {
                Self::Active { org, user, active: false }
            }
            (Aggregate::User { org, user }, "user.reactivated") => {
                Self::Active { org, user, active: true }
            }
            (Aggregate::Instance(_), "instance.member.added") => member(None, payload)?,
            (Aggregate::Org(org), "org.member.added") => member(Some(org), payload)?,
            (Aggregate::User { org, user }, "user.pat.added") => {
                let TokenPayload { token_id, hash, expiration } = parse(payload)?;
                let hash = from_hex(&hash.unwrap_or_default())?;
                let expires = expiration.as_deref().map(expiry).transpose()?;
                Self::TokenAdded { org, user, token: token_id, hash, expires }
            }
            (Aggregate::User { org, user }, "user.pat.removed") => {
                let token = parse::<TokenPayload>(payload)?.token_id;
                Self::TokenRemoved { org, user, token }
            }
            _ => return Ok(None),
        };
        Ok(Some(fact))
    }
}

fn member(org: Option<OrgId>, payload: Option<&str>) -> Result<Fact, String> {
    let MemberPayload { user_id, roles } = parse(payload)?;
    let user = UserId::try_from(user_id).map_err(|error| error.to_string())?;
    Ok(Fact::MemberAdded { org, user, roles })
}

fn expiry(text: &str) -> Result<SystemTime, String> {
    let at: Timestamp = text.parse().map_err(|error| format!("expiration: {error}"))?;
    SystemTime::try_from(at).map_err(|error| format!("expiration: {error}"))
}

impl Step {
    /// What an event changes in the directory, if it does.
    pub(super) fn of(recorded: &Recorded) -> Result<Option<Self>, String> {
        let change = match (&recorded.event, &recorded.aggregate) {
            (Event::Locked(_), Aggregate::User { user, .. }) => Change::Locked(user.clone()),
            (Event::Unlocked, Aggregate::User { user, .. }) => Change::Unlocked(user.clone()),
            (Event::Removed, Aggregate::User { org, user }) => {
                Change::Removed { org: org.clone(), user: user.clone() }
            }
            (Event::Host { type_name, payload }, aggregate) => {
                match Fact::of(aggregate, type_name, payload.as_deref())? {
                    Some(fact) => Change::Fact(fact),
                    None => return Ok(None),
                }
            }
            _ => return Ok(None),
        };
        Ok(Some(Self { position: recorded.position, at: recorded.at, change }))
    }
}

/// Serializing plain structs of texts cannot fail.
fn json<T: Serialize>(value: &T) -> Option<String> {
    serde_json::to_string(value).ok()
}

fn parse<'p, T: Deserialize<'p>>(payload: Option<&'p str>) -> Result<T, String> {
    serde_json::from_str(payload.unwrap_or("{}")).map_err(|error| format!("payload: {error}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let (org, user): (OrgId, UserId) = ("acme".parse().unwrap(), "ada".parse().unwrap());
        let text = String::from("\"%_\\");
        let kinds = [
            UserKind::Human {
                first_name: text.clone(),
                last_name: text.clone(),
                email: text.clone(),
            },
            UserKind::Machine { name: text.clone(), description: text.clone() },
        ];
        let mut facts = vec![
            Fact::OrgAdded { org: org.clone(), name: text.clone() },
            Fact::OrgRemoved { org: org.clone() },
            Fact::Active { org: org.clone(), user: user.clone(), active: true },
            Fact::Active { org: org.clone(), user: user.clone(), active: false },
            Fact::TokenRemoved { org: org.clone(), user: user.clone(), token: text.clone() },
        ];
        for kind in kinds {
            let (org, user, user_name) = (org.clone(), user.clone(), text.clone());
            facts.push(Fact::UserAdded { org, user, user_name, kind });
        }
        for org in [None, Some(org.clone())] {
            facts.push(Fact::MemberAdded { org, user: user.clone(), roles: vec![text.clone()] });
        }
        for expires in [None, Some(SystemTime::UNIX_EPOCH + Duration::from_nanos(1_500_000_001))] {
            let (org, user, token) = (org.clone(), user.clone(), text.clone());
            facts.push(Fact::TokenAdded { org, user, token, hash: [7; 32], expires });
        }
        for fact in facts {
            let (aggregate, name, payload) = fact.clone().entry(&"main".parse().unwrap());
            assert_eq!(Fact::of(&aggregate, name, payload.as_deref()), Ok(Some(fact)), "{name}");
        }
    }

    #[test]
    fn what_is_no_event_of_the_directory_is_left_and_a_bad_payload_is_told() {
        let user = Aggregate::User { org: "a".parse().unwrap(), user: "u".parse().unwrap() };
        assert_eq!(Fact::of(&user, "org.added", None), Ok(None));
        assert_eq!(Fact::of(&user, "user.unlock.reason", Some("x")), Ok(None));
        for (name, payload) in [
            ("user.human.added", None),
            ("user.human.added", Some("{")),
            ("user.pat.added", Some(r#"{"tokenId":"1","hash":"zz"}"#)),
            ("user.pat.added", Some(r#"{"tokenId":"1"}"#)),
        ] {
            assert!(Fact::of(&user, name, payload).is_err(), "{name} {payload:?}");
        }
    }
}
