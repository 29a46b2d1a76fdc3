//! What has to be recorded so that the directory is as somebody wants it, if it may be.

use std::collections::HashMap;

use portcullis::{DurableEngine, OrgId, UserId};

use super::events::Fact;
use super::there::There;
use crate::directory::{DirectoryError, UserKind};

/// Something that is to be in the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewEntry {
    /// An organization.
    Org {
        /// The id.
        org: OrgId,
        /// The name.
        name: String,
    },
    /// A user.
    User {
        /// The id.
        user: UserId,
        /// The organization.
        org: OrgId,
        /// The name to log in with.
        user_name: String,
        /// What kind of user it is.
        kind: UserKind,
        /// What is to be done to the user beyond.
        state: Option<WantedState>,
    },
}

/// A state that a user is to be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WantedState {
    /// Deactivated.
    Inactive,
    /// Locked.
    Locked,
}

/// Something to do.
#[derive(Clone, Debug)]
pub(super) enum Action {
    Record(Fact),
    Lock(OrgId, UserId),
}

/// What was planned before and is not in the tables yet.
#[derive(Debug, Default)]
pub(super) struct Planned {
    orgs: HashMap<OrgId, String>,
    users: HashMap<UserId, PlannedUser>,
    names: HashMap<(OrgId, String), UserId>,
}

#[derive(Clone, Debug)]
struct PlannedUser {
    org: OrgId,
    user_name: String,
    kind: UserKind,
    is_active: bool,
    is_locked: bool,
}

/// The actions of one entry, or why it may not be.
pub(super) type Plan = Result<Vec<Action>, DirectoryError>;

/// Plans an entry after what is there already and what was planned before.
pub(super) fn plan(
    tables: &There,
    engine: &DurableEngine,
    planned: &mut Planned,
    entry: &NewEntry,
) -> Plan {
    match entry {
        NewEntry::Org { org, name } => plan_org(tables, planned, org, name),
        NewEntry::User { user, org, user_name, kind, state } => {
            let wanted = PlannedUser {
                org: org.clone(),
                user_name: user_name.clone(),
                kind: kind.clone(),
                is_active: true,
                is_locked: engine.is_locked(user),
            };
            plan_user(tables, planned, user, wanted, *state)
        }
    }
}

fn plan_org(tables: &There, planned: &mut Planned, org: &OrgId, name: &str) -> Plan {
    let there = match planned.orgs.get(org) {
        Some(name) => Some(name.clone()),
        None => tables.orgs.get(org).cloned(),
    };
    match there {
        Some(there) if there == name => Ok(Vec::new()),
        Some(name) => Err(DirectoryError::OrgDiffers { org: org.clone(), name }),
        None => check("the organization's name", name, 1, 200).map(|()| {
            planned.orgs.insert(org.clone(), String::from(name));
            vec![Action::Record(Fact::OrgAdded { org: org.clone(), name: String::from(name) })]
        }),
    }
}

fn plan_user(
    tables: &There,
    planned: &mut Planned,
    user: &UserId,
    wanted: PlannedUser,
    state: Option<WantedState>,
) -> Plan {
    let there = match planned.users.get(user) {
        Some(there) => Some(there.clone()),
        None => tables.users.get(user).cloned().map(|there| PlannedUser {
            org: there.org,
            user_name: there.user_name,
            kind: there.kind,
            is_active: there.is_active,
            is_locked: wanted.is_locked,
        }),
    };
    let mut actions = Vec::new();
    let mut now = if let Some(there) = there {
        if let Some(difference) = differs(user, &there, &wanted) {
            return Err(difference);
        }
        there
    } else {
        may_be_added(tables, planned, &wanted)?;
        let PlannedUser { org, user_name, kind, .. } = wanted.clone();
        actions.push(Action::Record(Fact::UserAdded { org, user: user.clone(), user_name, kind }));
        wanted
    };
    match state {
        Some(WantedState::Inactive) if now.is_active => {
            now.is_active = false;
            let (org, user) = (now.org.clone(), user.clone());
            actions.push(Action::Record(Fact::Active { org, user, active: false }));
        }
        Some(WantedState::Locked) if !now.is_locked => {
            now.is_locked = true;
            actions.push(Action::Lock(now.org.clone(), user.clone()));
        }
        _ => {}
    }
    if !actions.is_empty() {
        planned.names.insert((now.org.clone(), now.user_name.clone()), user.clone());
        planned.users.insert(user.clone(), now);
    }
    Ok(actions)
}

/// How a user who is there is not as wanted.
fn differs(user: &UserId, there: &PlannedUser, wanted: &PlannedUser) -> Option<DirectoryError> {
    let user = user.clone();
    if there.org != wanted.org {
        return Some(DirectoryError::OtherOrg { user, org: there.org.clone() });
    }
    let what = if there.user_name != wanted.user_name {
        format!("the user name {:?}", there.user_name)
    } else if there.kind != wanted.kind {
        match &there.kind {
            UserKind::Human { first_name, last_name, email } => {
                format!("the names {first_name:?} and {last_name:?} and the email {email:?}")
            }
            UserKind::Machine { name, description } => {
                format!("the name {name:?} and the description {description:?}, as a machine")
            }
        }
    } else {
        return None;
    };
    Some(DirectoryError::UserDiffers { user, what })
}

fn may_be_added(
    tables: &There,
    planned: &Planned,
    wanted: &PlannedUser,
) -> Result<(), DirectoryError> {
    let PlannedUser { org, user_name, kind, .. } = wanted;
    if !planned.orgs.contains_key(org) && !tables.orgs.contains_key(org) {
        return Err(DirectoryError::NoSuchOrg(org.clone()));
    }
    let name = (org.clone(), user_name.clone());
    if let Some(user) = planned.names.get(&name).or_else(|| tables.holders.get(&name)) {
        let (user_name, org) = (user_name.clone(), org.clone());
        return Err(DirectoryError::UserNameTaken { user_name, org, user: user.clone() });
    }
    check("the user name", user_name, 1, 200)?;
    match kind {
        UserKind::Human { first_name, last_name, email } => {
            check("the first name", first_name, 0, 200)?;
            check("the last name", last_name, 0, 200)?;
            check("the email", email, 0, 200)
        }
        UserKind::Machine { name, description } => {
            check("the name", name, 0, 200)?;
            check("the description", description, 0, 500)
        }
    }
}

/// A text as the directory takes it.
fn check(what: &'static str, text: &str, least: usize, most: usize) -> Result<(), DirectoryError> {
    let bad = |rule| Err(DirectoryError::BadText { what, rule });
    let length = text.chars().count();
    if length < least {
        return bad("must not be empty");
    }
    if length > most {
        return bad("is too long: texts have at most 200 characters, descriptions 500");
    }
    if text.contains(char::is_control) {
        return bad("must not contain control characters");
    }
    if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
        return bad("must not start or end with white space");
    }
    Ok(())
}
