//! Organizations and users come and go, and leave nothing behind.

use portcullis_server::api::Settings;
use portcullis_server::api::roles::Role;
use portcullis_server::directory::Directory;
use portcullis_server::proto::portcullis::v1 as proto;

use super::said::Said;
use super::wires::{self, How, Refusal, Request};
use super::{World, begin, eventually, org, record, user};

fn new_user(of: &str, name: &str, user_name: &str) -> proto::RegisterUserRequest {
    let (org_id, user_id) = (of.to_owned(), name.to_owned());
    let user_name = user_name.to_owned();
    proto::RegisterUserRequest { org_id, user_id, user_name, human: None, machine: None }
}

fn new_org(id: &str, name: &str) -> proto::RegisterOrgRequest {
    proto::RegisterOrgRequest { org_id: id.to_owned(), name: name.to_owned() }
}

fn no_user(name: &str) -> proto::RemoveUserRequest {
    proto::RemoveUserRequest { user_id: name.to_owned() }
}

fn no_org(id: &str) -> proto::RemoveOrgRequest {
    proto::RemoveOrgRequest { org_id: id.to_owned() }
}

fn code<T>(answer: Result<T, Refusal>) -> String {
    answer.map_or_else(|refusal| refusal.code, |_| String::from("done"))
}

async fn created<R: Request>(
    world: &World,
    how: How,
    request: R,
    of: impl Fn(R::Answer) -> Option<bool>,
) -> Option<bool> {
    of(wires::call(&world.router, how, &world.root, &request).await.unwrap())
}

#[tokio::test]
async fn what_is_there_as_asked_for_is_no_error_and_what_differs_is_one() {
    let world = World::new().await;
    for (how, id) in How::ALL.into_iter().zip(["o1", "o2", "o3", "o4"]) {
        for expected in [true, false] {
            let org = created(&world, how, new_org(id, "One"), |it| it.created).await;
            assert_eq!(org, Some(expected), "{how:?}");
            let name = format!("u-{id}");
            let user = created(&world, how, new_user(id, &name, ""), |it| it.created).await;
            assert_eq!(user, Some(expected), "{how:?}");
        }
    }
    for (request, expected) in [
        (new_user("o1", "u-o1", "other"), "AlreadyExists"),
        (new_user("o2", "u-o1", ""), "AlreadyExists"),
        (new_user("o1", "new", "u-o1"), "AlreadyExists"),
        (new_user("nowhere", "new", ""), "NotFound"),
        (new_user("o1", "new", " x"), "InvalidArgument"),
        (new_user("o1", "", ""), "InvalidArgument"),
        (new_user("", "new", ""), "InvalidArgument"),
        // A name is one organization's: in another it is free.
        (new_user("o2", "new", "u-o1"), "done"),
    ] {
        assert_eq!(code(world.order(request.clone()).await), expected, "{request:?}");
    }
    assert_eq!(code(world.order(new_org("o1", "Two")).await), "AlreadyExists");
    assert_eq!(code(world.order(new_org("", "")).await), "InvalidArgument");
    assert_eq!(code(world.order(no_user("nobody")).await), "NotFound");
    assert_eq!(code(world.order(no_org("nowhere")).await), "NotFound");
}

#[tokio::test]
async fn m22_no_caller_removes_itself_or_its_own_organization() {
    let world = World::new().await;
    assert_eq!(code(world.order(no_user("root")).await), "FailedPrecondition");
    assert_eq!(code(world.order(no_org("home")).await), "FailedPrecondition");
    assert_eq!(code(world.order(new_org("still", "")).await), "done");
}

#[tokio::test]
async fn m34_who_was_removed_and_is_registered_elsewhere_brings_nothing_along() {
    let world = World::new().await;
    for by_lock in [false, true] {
        let id = world.begun("ada").await;
        world.record("ada", "totp", "failure").await;
        if by_lock {
            world.engine.lock(&org("acme"), &user("ada")).await.unwrap();
        }
        assert_eq!(code(world.order(no_user("ada")).await), "done");
        let gone = world.ask(How::Rest, begin("acme", "ada", "password")).await.said();
        assert_eq!(gone, "refused UNKNOWN_USER; Denied");
        assert_eq!(code(world.order(new_user("globex", "ada", "")).await), "done");
        let request = proto::GetLockStatusRequest { user_id: String::from("ada") };
        let status = world.ask(How::Rest, request).await.said();
        assert_eq!(status, "not locked; []; (5, 5) of the org: false; globex");
        let before = world.state("ada");
        assert_eq!(world.settle(&id, "success").await, "superseded; Denied");
        assert_eq!(world.state("ada"), before);
        let there = world.ask(How::Rest, begin("acme", "ada", "password")).await.said();
        assert_eq!(there, "refused ORG_MISMATCH; Denied");
        let here = world.ask(How::Rest, record("globex", "ada", "totp", "failure")).await.said();
        assert_eq!(here, "rejected 1 of 5, locked: false; Denied");
        assert_eq!(code(world.order(no_user("ada")).await), "done");
        assert_eq!(code(world.order(new_user("acme", "ada", "")).await), "done");
    }
}

#[tokio::test]
async fn m34_an_organization_that_comes_back_has_no_users_no_override_and_no_members() {
    let world = World::new().await;
    let service = world.token("service", "home", Role::OrgLoginService, Some("acme")).await;
    let inside = world.token("inside", "acme", Role::OrgOwner, Some("acme")).await;
    world.engine.put_override(&org("acme"), portcullis::LockoutPolicy::new(1, 1)).await.unwrap();
    world.record("ada", "password", "failure").await;
    assert!(world.engine.is_locked("ada"));
    let ask = async |token: &str| {
        wires::call(&world.router, How::Rest, token, &begin("acme", "bob", "password")).await.said()
    };
    assert_eq!(ask(&service).await, "admitted; Pending");
    assert_eq!(code(world.order(no_org("acme")).await), "done");
    assert_eq!(ask(&service).await, "error PermissionDenied");
    assert_eq!(ask(&inside).await, "error Unauthenticated");

    assert_eq!(code(world.order(new_org("acme", "Another")).await), "done");
    let gone = world.ask(How::Rest, begin("acme", "ada", "password")).await.said();
    assert_eq!(gone, "refused UNKNOWN_USER; Denied");
    for name in ["ada", "bob", "inside"] {
        assert_eq!(code(world.order(new_user("acme", name, "")).await), "done");
    }
    assert_eq!(ask(&service).await, "error PermissionDenied");
    assert_eq!(ask(&inside).await, "error Unauthenticated");
    let recorded = world.record("ada", "password", "failure").await;
    assert_eq!(recorded, "rejected 1 of 5, locked: false; Denied");
}

#[tokio::test]
async fn a_first_attempt_registers_whom_it_names_only_where_that_is_set() {
    for register_on_attempt in [false, true] {
        let settings = Settings { register_on_attempt, ..Settings::default() };
        let world = World::with(settings).await;
        let before = world.engine.health().position;
        let said = world.ask(How::Rest, begin("fresh", "eve", "password")).await.said();
        if !register_on_attempt {
            assert_eq!(said, "refused UNKNOWN_USER; Denied");
            assert_eq!(world.engine.health().position, before);
            continue;
        }
        assert_eq!(said, "admitted; Pending");
        let eve = world.directory.user(&user("eve")).await.unwrap().unwrap();
        assert_eq!((eve.org, eve.user_name.as_str()), (org("fresh"), "eve"));
        let before = world.engine.health().position;
        let recorded = world.ask(How::Rest, record("fresh", "eve", "totp", "failure")).await.said();
        assert_eq!(recorded, "rejected 1 of 5, locked: false; Denied");
        assert_eq!(world.engine.health().position, before + 1);
        // Who is there is not registered anew in another organization, nor under another's name.
        let moved = world.ask(How::Rest, begin("acme", "eve", "password")).await.said();
        assert_eq!(moved, "refused ORG_MISMATCH; Denied");
        assert_eq!(code(world.order(new_user("fresh", "mallory", "carol")).await), "done");
        let taken = world.ask(How::Rest, begin("fresh", "carol", "password")).await.said();
        assert_eq!(taken, "error FailedPrecondition");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn first_attempts_of_one_user_at_once_register_the_user_once() {
    let world = World::with(Settings { register_on_attempt: true, ..Settings::default() }).await;
    let before = world.engine.health().position;
    let one = |_| {
        let (router, token) = (world.router.clone(), world.login.clone());
        tokio::spawn(async move {
            let request = begin("fresh", "eve", "password");
            wires::call(&router, How::Rest, &token, &request).await.said()
        })
    };
    let tasks: Vec<_> = (0..20).map(one).collect();
    let mut admitted = 0;
    for task in tasks {
        let said = task.await.unwrap();
        assert!(["admitted; Pending", "busy; Denied"].contains(&said.as_str()), "{said}");
        admitted += usize::from(said.starts_with("admitted"));
    }
    assert_eq!(admitted, 5);
    assert_eq!(world.engine.health().position, before + 2, "an organization and a user");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn d6_two_processes_agree_on_who_is_there() {
    let world = World::new().await;
    let other = world.beside().await;
    let there = async |name: &str, of: &str| {
        wires::call(&other.router, How::Rest, &world.login, &begin(of, name, "password"))
            .await
            .said()
    };
    assert_eq!(code(world.order(new_user("acme", "eve", "")).await), "done");
    eventually("the other knows her", async || there("eve", "acme").await.starts_with("admitted"))
        .await;
    // The other has her in memory by now.
    assert_eq!(code(world.order(no_user("eve")).await), "done");
    assert_eq!(code(world.order(new_user("globex", "eve", "")).await), "done");
    eventually("the other knows that she has moved", async || {
        there("eve", "acme").await == "refused ORG_MISMATCH; Denied"
            && there("eve", "globex").await.starts_with("admitted")
    })
    .await;

    // Both register one user at the same time, in two organizations: one of them does.
    for number in 0..10 {
        let name = format!("both{number}");
        let (here, there) = (new_user("acme", &name, ""), new_user("globex", &name, ""));
        let (here, there) = tokio::join!(
            wires::call(&world.router, How::Rest, &world.root, &here),
            wires::call(&other.router, How::Rest, &world.root, &there),
        );
        let codes = [code(here), code(there)];
        let mut sorted = codes.clone();
        sorted.sort();
        assert_eq!(sorted, ["AlreadyExists", "done"], "{name}");
        let of = org(if codes[0] == "done" { "acme" } else { "globex" });
        for directory in [&world.directory, &other.directory] {
            eventually("both say whose she is", async || {
                let found = directory.user(&user(&name)).await.unwrap();
                found.is_some_and(|found| found.org == of)
            })
            .await;
        }
    }
}

/// The name of the login service's own user is no secret, and whoever guesses at it often enough must not
/// keep everybody else from logging in.
#[tokio::test]
async fn m21_nobody_locks_the_login_service_itself_by_its_name() {
    let world = World::new().await;
    for _ in 0..20 {
        let said =
            world.ask(How::Rest, record("home", "login", "password", "failure")).await.said();
        assert!(said.starts_with("refused"), "{said}");
    }
    assert!(!world.engine.is_locked("login"));
    assert_eq!(world.record("ada", "password", "success").await, "accepted; Granted");
}

#[tokio::test]
async fn a_user_is_a_person_or_a_program_and_not_both() {
    let world = World::new().await;
    let both = proto::RegisterUserRequest {
        human: Some(proto::Human::default()),
        machine: Some(proto::Machine::default()),
        ..new_user("acme", "both", "both")
    };
    assert_eq!(code(world.order(both).await), "InvalidArgument");
    let program = proto::RegisterUserRequest {
        machine: Some(proto::Machine::default()),
        ..new_user("acme", "program", "program")
    };
    assert_eq!(code(world.order(program).await), "done");
    let said = world.record("program", "password", "success").await;
    assert_eq!(said, "refused MACHINE_USER; Denied");
}
