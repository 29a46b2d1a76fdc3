//! The projection equals a naive model that is made of the same events.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::SystemTime;

use futures_util::StreamExt;
use futures_util::future::join_all;
use portcullis::{Aggregate, DurableEngine, Recorded};
use portcullis_server::api::roles::Role;
use portcullis_server::callers::Membership;
use portcullis_server::directory::{
    Directory, JournalDirectory, TokenInfo, User, UserFilter, UserKind,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Place, org, query, tester, user, wait};

/// An event to come, on one of a few users in one of two organizations.
#[derive(Clone, Debug)]
enum Op {
    Org,
    Human(u8),
    Machine(u8),
    Deactivate,
    Reactivate,
    Lock,
    Unlock,
    Remove,
    Member(bool, u8),
    Token(u8),
    Revoke(u8),
    Failure,
}

fn op() -> impl Strategy<Value = (Op, u8, u8)> {
    let op = prop_oneof![
        Just(Op::Org),
        (0..4_u8).prop_map(Op::Human),
        (0..4_u8).prop_map(Op::Human),
        (0..4_u8).prop_map(Op::Machine),
        Just(Op::Deactivate),
        Just(Op::Reactivate),
        Just(Op::Lock),
        Just(Op::Unlock),
        Just(Op::Remove),
        (any::<bool>(), 0..3_u8).prop_map(|(on, role)| Op::Member(on, role)),
        (0..6_u8).prop_map(Op::Token),
        (0..6_u8).prop_map(Op::Revoke),
        Just(Op::Failure),
    ];
    (op, 0..2_u8, 0..4_u8)
}

const ROLES: [&str; 3] = ["IAM_OWNER", "ORG_OWNER", "A_ROLE_OF_LATER"];

/// Hands the operations to the engine, as they come.
async fn record(engine: &DurableEngine, ops: &[(Op, u8, u8)]) {
    let mut asked: Vec<portcullis::journal::BoxFuture<'static, ()>> = Vec::new();
    for (op, of, who) in ops {
        let (of, who) = (org(&format!("org{of}")), user(&format!("user{who}")));
        let whose = Aggregate::User { org: of.clone(), user: who.clone() };
        let on_org = Aggregate::Org(of.clone());
        let actor = tester();
        let hash = "00".repeat(32);
        let (aggregate, name, payload) = match op {
            Op::Org => (on_org, "org.added", json!({"name": "An org"})),
            Op::Human(name) => {
                let name = format!("Name{name}");
                let payload = json!({"userName": name, "firstName": "A", "lastName": "B"});
                (whose, "user.human.added", payload)
            }
            Op::Machine(name) => {
                let payload = json!({"userName": format!("Name{name}"), "name": "M"});
                (whose, "user.machine.added", payload)
            }
            Op::Deactivate => (whose, "user.deactivated", Value::Null),
            Op::Reactivate => (whose, "user.reactivated", Value::Null),
            Op::Member(true, role) => {
                let payload = json!({"userId": who.as_str(), "roles": [ROLES[usize::from(*role)]]});
                (on_org, "org.member.added", payload)
            }
            Op::Member(false, role) => {
                let payload = json!({"userId": who.as_str(), "roles": [ROLES[usize::from(*role)]]});
                let instance = Aggregate::Instance(engine.instance().clone());
                (instance, "instance.member.added", payload)
            }
            Op::Token(id) => {
                let payload = json!({"tokenId": format!("token{id}"), "hash": hash});
                (whose, "user.pat.added", payload)
            }
            Op::Revoke(id) => (whose, "user.pat.removed", json!({"tokenId": format!("token{id}")})),
            Op::Lock => {
                let done = engine.lock_by(&actor, &of, &who);
                asked.push(Box::pin(async move { drop(done.await) }));
                continue;
            }
            Op::Unlock => {
                let done = engine.unlock_by(&actor, &who);
                asked.push(Box::pin(async move { drop(done.await) }));
                continue;
            }
            Op::Remove => {
                let done = engine.remove_user_by(&actor, &of, &who);
                asked.push(Box::pin(async move { drop(done.await) }));
                continue;
            }
            Op::Failure => (on_org, "something.else", json!({"any": "thing"})),
        };
        let payload = (!payload.is_null()).then(|| payload.to_string());
        let done = engine.record_by(&actor, aggregate, name, payload.as_deref());
        asked.push(Box::pin(async move { drop(done.await.unwrap()) }));
    }
    join_all(asked).await;
}

#[derive(Debug, Default)]
struct Model {
    orgs: Vec<String>,
    users: Vec<User>,
    locked: Vec<String>,
    members: BTreeMap<String, Vec<Membership>>,
    tokens: Vec<(String, String, SystemTime)>,
}

impl Model {
    async fn of(engine: &DurableEngine) -> Self {
        let mut model = Self::default();
        let head = engine.health().position;
        let mut events = pin!(engine.events_after(0));
        while let Some(Ok(event)) = events.next().await {
            model.apply(&event);
            if event.position == head {
                break;
            }
        }
        model
    }

    fn touch(&mut self, id: &str, event: &Recorded, change: impl Fn(&mut User)) {
        for user in self.users.iter_mut().filter(|user| user.id.as_str() == id) {
            change(user);
            (user.sequence, user.changed_at) = (event.position, event.at);
        }
    }

    fn apply(&mut self, event: &Recorded) {
        let payload =
            event.event.payload().map_or(Value::Null, |it| serde_json::from_str(&it).unwrap());
        let text = |key: &str| payload[key].as_str().unwrap_or_default().to_owned();
        let (of, who) = match &event.aggregate {
            Aggregate::Instance(_) => (String::new(), String::new()),
            Aggregate::Org(org) => (org.to_string(), String::new()),
            Aggregate::User { org, user } => (org.to_string(), user.to_string()),
        };
        let is_there = self.users.iter().any(|user| user.id.as_str() == who);
        let is_of = self.users.iter().any(|it| it.id.as_str() == who && it.org.as_str() == of);
        match event.event.type_name() {
            "org.added" if !self.orgs.contains(&of) => self.orgs.push(of),
            name @ ("user.human.added" | "user.machine.added") => {
                let taken = |it: &User| it.org.as_str() == of && it.user_name == text("userName");
                if is_there || self.users.iter().any(taken) {
                    return;
                }
                let kind = if name == "user.human.added" {
                    let (first_name, last_name) = (text("firstName"), text("lastName"));
                    UserKind::Human { first_name, last_name, email: String::new() }
                } else {
                    UserKind::Machine { name: text("name"), description: String::new() }
                };
                self.users.push(User {
                    id: user(&who),
                    org: org(&of),
                    user_name: text("userName"),
                    kind,
                    is_active: true,
                    is_locked: self.locked.contains(&who),
                    sequence: event.position,
                    created_at: event.at,
                    changed_at: event.at,
                });
            }
            "user.deactivated" if is_of => self.touch(&who, event, |it| it.is_active = false),
            "user.reactivated" if is_of => self.touch(&who, event, |it| it.is_active = true),
            "user.locked" => {
                self.locked.push(who.clone());
                self.touch(&who, event, |it| it.is_locked = true);
            }
            "user.unlocked" => {
                self.locked.retain(|it| *it != who);
                self.touch(&who, event, |it| it.is_locked = false);
            }
            "user.removed" => {
                if is_of {
                    self.users.retain(|it| it.id.as_str() != who);
                    self.members.remove(&who);
                    self.tokens.retain(|(_, user, _)| *user != who);
                } else if self.locked.contains(&who) {
                    self.touch(&who, event, |it| it.is_locked = false);
                }
                self.locked.retain(|it| *it != who);
            }
            "org.member.added" | "instance.member.added" => {
                let member = text("userId");
                let role = payload["roles"][0].as_str().unwrap().parse::<Role>();
                if !self.users.iter().any(|it| it.id.as_str() == member) {
                    return;
                }
                let memberships = self.members.entry(member).or_default();
                let org = (!of.is_empty()).then(|| org(&of));
                if let Ok(role) = role {
                    let membership = Membership { role, org };
                    if !memberships.contains(&membership) {
                        memberships.push(membership);
                    }
                }
            }
            "user.pat.added" if is_of => {
                let id = text("tokenId");
                if !self.tokens.iter().any(|(token, ..)| *token == id) {
                    self.tokens.push((id, who, event.at));
                }
            }
            "user.pat.removed" => {
                let id = text("tokenId");
                self.tokens.retain(|(token, user, _)| *token != id || *user != who);
            }
            _ => {}
        }
    }

    fn tokens(&self) -> Vec<TokenInfo> {
        let info = |(id, who, at): &(String, String, SystemTime)| {
            let mut memberships = self.members.get(who).cloned().unwrap_or_default();
            memberships.sort_by_key(|it| (it.org.clone(), it.role.name()));
            let of = self.users.iter().find(|it| it.id.as_str() == who).unwrap();
            TokenInfo {
                id: id.clone(),
                user: user(who),
                org: of.org.clone(),
                memberships,
                created_at: *at,
                expires_at: None,
            }
        };
        let mut tokens: Vec<_> = self.tokens.iter().map(info).collect();
        tokens.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        tokens
    }
}

async fn assert_equal(directory: &JournalDirectory) {
    let model = Model::of(directory.engine()).await;
    let page = directory.users(&query(UserFilter::And(vec![]))).await.unwrap();
    assert_eq!(page.users, model.users);
    assert_eq!(page.total, u64::try_from(model.users.len()).unwrap());
    for number in 0..2 {
        let id = format!("org{number}");
        assert_eq!(directory.has_org(&org(&id)).await.unwrap(), model.orgs.contains(&id));
    }
    for number in 0..4 {
        let id = user(&format!("user{number}"));
        let expected = model.users.iter().find(|it| it.id == id).cloned();
        if let Some(expected) = &expected {
            assert_eq!(expected.is_locked, directory.engine().is_locked(&id), "{id}");
        }
        assert_eq!(directory.user(&id).await.unwrap(), expected);
    }
    assert_eq!(directory.list_tokens(None).await.unwrap(), model.tokens());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn the_directory_equals_a_naive_model(
        ops in proptest::collection::vec(op(), 1..80),
        cuts in (0..80_usize, 0..80_usize),
    ) {
        let place = Place::new();
        let first = cuts.0.min(ops.len());
        let second = cuts.1.clamp(first, ops.len());
        wait(async {
            let directory = place.directory().await;
            record(directory.engine(), &ops[..first]).await;
            assert_equal(&directory).await;
            // Another engine and its directory on the same file, without a restart of the first.
            let other = place.directory().await;
            record(other.engine(), &ops[first..second]).await;
            assert_equal(&other).await;
            record(directory.engine(), &ops[second..]).await;
            // The tables may be ahead of an engine that has not looked yet, and so of the model.
            while directory.engine().health().position < other.engine().health().position {
                tokio::task::yield_now().await;
            }
            assert_equal(&directory).await;
            directory.engine().close().await;
            other.engine().close().await;
            drop((directory, other));
            let again = place.directory().await;
            assert_equal(&again).await;
            again.engine().close().await;
            drop(again);
            place.sql("UPDATE directory SET version = 99");
            let rebuilt = place.directory().await;
            assert_equal(&rebuilt).await;
            rebuilt.engine().close().await;
        });
    }
}
