//! The use cases, without a transport: who may call what, and what each call answers.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::panic,
    reason = "helpers of tests may panic as tests may"
)]

mod attempts;
mod lists;
mod permissions;
mod policies;
mod users;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use portcullis::journal::{BoxFuture, JournalError, MemoryJournal};
use portcullis::{Actor, Aggregate, Details, DurableEngine, LockoutPolicy, OrgId, UserId};
use portcullis_server::api::error::ApiError;
use portcullis_server::api::roles::Role;
use portcullis_server::api::{Api, Meta, Settings};
use portcullis_server::callers::{Caller, CallerError, Callers, Membership};
use portcullis_server::directory::{
    Directory, TextMatch, User, UserFilter, UserKind, UserPage, UserQuery,
};

/// A directory and callers in memory, as a service that mounts the API may bring them.
#[derive(Clone, Default)]
struct People {
    users: Arc<Mutex<BTreeMap<UserId, User>>>,
    callers: Arc<Mutex<BTreeMap<String, Caller>>>,
    engine: Arc<Mutex<Option<Arc<DurableEngine>>>>,
}

impl People {
    fn engine(&self) -> Arc<DurableEngine> {
        Arc::clone(self.engine.lock().unwrap().as_ref().unwrap())
    }

    fn all(&self) -> Vec<User> {
        let engine = self.engine();
        let locked = |user: &User| User { is_locked: engine.is_locked(&user.id), ..user.clone() };
        self.users.lock().unwrap().values().map(locked).collect()
    }
}

fn matches(user: &User, filter: &UserFilter) -> bool {
    match filter {
        UserFilter::State(state) => user.state() == *state,
        UserFilter::Ids(ids) => ids.iter().any(|id| **id == *user.id),
        UserFilter::UserName(text, TextMatch::Equals) => user.user_name == *text,
        UserFilter::UserName(text, TextMatch::StartsWith) => user.user_name.starts_with(text),
        UserFilter::UserName(..) => panic!("not used here"),
        UserFilter::IsHuman(human) => matches!(user.kind, UserKind::Human { .. }) == *human,
        UserFilter::Org(org) => **org == *user.org,
        UserFilter::Nobody => false,
        UserFilter::And(all) => all.iter().all(|filter| matches(user, filter)),
        UserFilter::Or(any) => any.iter().any(|filter| matches(user, filter)),
        UserFilter::Not(filter) => !matches(user, filter),
    }
}

impl Directory for People {
    fn has_org<'a>(&'a self, org: &'a OrgId) -> BoxFuture<'a, Result<bool, JournalError>> {
        Box::pin(async move { Ok(self.all().iter().any(|user| user.org == *org)) })
    }

    fn user<'a>(&'a self, user: &'a UserId) -> BoxFuture<'a, Result<Option<User>, JournalError>> {
        Box::pin(async move { Ok(self.all().into_iter().find(|it| it.id == *user)) })
    }

    fn users<'a>(&'a self, query: &'a UserQuery) -> BoxFuture<'a, Result<UserPage, JournalError>> {
        Box::pin(async move {
            let in_orgs = |user: &User| query.orgs.as_ref().is_none_or(|it| it.contains(&user.org));
            let mut users = self.all();
            users.retain(|user| in_orgs(user) && matches(user, &query.filter));
            if !query.ascending {
                users.reverse();
            }
            let total = users.len() as u64;
            let limit = if query.limit == 0 { 100 } else { query.limit as usize };
            let users = users.into_iter().skip(query.offset as usize).take(limit).collect();
            let position = self.engine().health().position;
            Ok(UserPage { users, total, position, at: SystemTime::UNIX_EPOCH })
        })
    }

    fn set_active<'a>(
        &'a self,
        actor: &'a Actor,
        user: &'a UserId,
        active: bool,
    ) -> BoxFuture<'a, Result<Option<Details>, JournalError>> {
        Box::pin(async move {
            let org = match self.users.lock().unwrap().get_mut(user) {
                Some(found) if found.is_active != active => {
                    found.is_active = active;
                    found.org.clone()
                }
                _ => return Ok(None),
            };
            let aggregate = Aggregate::User { org, user: user.clone() };
            let name = if active { "user.reactivated" } else { "user.deactivated" };
            self.engine().record_by(actor, aggregate, name, None).await.map(Some)
        })
    }
}

impl Callers for People {
    fn caller<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Option<Caller>, CallerError>> {
        Box::pin(async move { Ok(self.callers.lock().unwrap().get(token).cloned()) })
    }
}

/// An API on two organizations: `acme` with the users `ada` and `bot`, `globex` with `hank`.
struct World {
    api: Api,
    people: People,
}

impl World {
    async fn new() -> Self {
        let people = People::default();
        let policy = LockoutPolicy { show_lockout_failures: true, ..LockoutPolicy::new(10, 10) };
        let engine =
            DurableEngine::open("main".parse().unwrap(), policy, MemoryJournal::new()).await;
        let engine = Arc::new(engine.unwrap());
        *people.engine.lock().unwrap() = Some(Arc::clone(&engine));
        let (directory, callers) = (Arc::new(people.clone()), Arc::new(people.clone()));
        let api = Api::new(engine, directory, callers, Settings::default());
        let world = Self { api, people };
        for (org, user) in [("acme", "ada"), ("acme", "bot"), ("globex", "hank")] {
            world.add_user(org, user);
        }
        world.add_caller("root", "acme", "admin", &[(Role::IamOwner, None)]);
        world
    }

    fn add_user(&self, org: &str, user: &str) {
        let kind = match user {
            "bot" => UserKind::Machine { name: user.into(), description: String::new() },
            _ => UserKind::Human {
                first_name: user.into(),
                last_name: String::from("Doe"),
                email: format!("{user}@{org}.example"),
            },
        };
        let user = User {
            id: user.parse().unwrap(),
            org: org.parse().unwrap(),
            user_name: format!("{user}@{org}"),
            kind,
            is_active: true,
            is_locked: false,
            sequence: 7,
            created_at: SystemTime::UNIX_EPOCH,
            changed_at: SystemTime::UNIX_EPOCH,
        };
        self.people.users.lock().unwrap().insert(user.id.clone(), user);
    }

    /// A token of that name, whose user has these roles.
    fn add_caller(&self, token: &str, org: &str, user: &str, roles: &[(Role, Option<&str>)]) {
        let memberships = roles.iter().map(|(role, org)| Membership {
            role: *role,
            org: org.map(|org| org.parse().unwrap()),
        });
        let caller = Caller {
            user: user.parse().unwrap(),
            org: org.parse().unwrap(),
            memberships: memberships.collect(),
        };
        self.people.callers.lock().unwrap().insert(token.to_owned(), caller);
    }
}

fn by(token: &str) -> Meta {
    Meta { authorization: vec![format!("Bearer {token}")], ..Meta::default() }
}

fn about(org: &str, token: &str) -> Meta {
    Meta { org: Some(org.to_owned()), ..by(token) }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// The code and message of an error, or that there is none.
fn told<T>(answer: Result<T, ApiError>) -> String {
    match answer {
        Ok(_) => String::from("ok"),
        Err(error) => format!("{:?}: {error}", error.code()),
    }
}
