//! Each shape that a login may have over the wire comes to the same count.

use portcullis_server::api::roles::Role;
use portcullis_server::proto::portcullis::v1 as proto;

use super::said::Said;
use super::wires::{self, How};
use super::{World, begin, record, settle};

/// The ways to fail once; the last one that is told is the verdict.
const SHAPES: [&str; 7] = [
    "begin and settle",
    "record",
    "a check that was given up before",
    "two attempts at once, the younger settled first",
    "begun by one transport, settled by another",
    "a second factor in between",
    "settled twice",
];

async fn fail(world: &World, shape: &str, at: usize) -> String {
    let how = How::ALL[at % How::ALL.len()];
    let id = async || world.begun("ada").await;
    match shape {
        "begin and settle" => world.settle(&id().await, "failure").await,
        "record" => world.ask(how, record("acme", "ada", "password", "failure")).await.said(),
        "a check that was given up before" => {
            for _ in 0..7 {
                assert_eq!(world.settle(&id().await, "cancelled").await, "cancelled; Denied");
            }
            world.settle(&id().await, "failure").await
        }
        "two attempts at once, the younger settled first" => {
            let older = id().await;
            let Ok(answer) = world.ask(how, begin("acme", "ada", "password")).await else {
                panic!("not begun")
            };
            if let "busy; Denied" = answer.said().as_str() {
                return world.settle(&older, "failure").await;
            }
            let Some(proto::begin_attempt_response::Admission::Admitted(younger)) =
                answer.admission
            else {
                panic!("{answer:?}")
            };
            let said = world.settle(&younger.attempt_id, "failure").await;
            assert_eq!(world.settle(&older, "cancelled").await, "cancelled; Denied");
            said
        }
        "begun by one transport, settled by another" => {
            world.ask(how, settle(&id().await, "failure")).await.said()
        }
        "a second factor in between" => {
            assert_eq!(world.record("ada", "totp", "success").await, "accepted; Granted");
            world.settle(&id().await, "failure").await
        }
        _ => {
            let id = id().await;
            let said = world.settle(&id, "failure").await;
            assert_eq!(world.settle(&id, "failure").await, said);
            said
        }
    }
}

#[tokio::test]
async fn m36_every_shape_of_a_login_locks_at_the_same_failure() {
    for shape in SHAPES {
        let world = World::new().await;
        for number in 1..=5 {
            let said = fail(&world, shape, number).await;
            let expected = format!("rejected {number} of 5, locked: {}; Denied", number == 5);
            assert_eq!(said, expected, "{shape}");
        }
        for how in How::ALL {
            let begun = world.ask(how, begin("acme", "ada", "password")).await.said();
            assert_eq!(begun, "locked by password; Denied", "{shape}");
        }
    }
}

#[tokio::test]
async fn m16_guesses_spread_over_ids_services_and_transports_are_one_budget() {
    let world = World::new().await;
    let mut tokens = vec![world.login.clone()];
    for number in 0..4 {
        let name = format!("service{number}");
        let role = Role::OrgLoginService;
        tokens.push(world.token(&name, "acme", role, Some("acme")).await);
    }
    let mut rejected = 0;
    for guess in 0..100 {
        let (token, how) = (&tokens[guess % tokens.len()], How::ALL[guess % How::ALL.len()]);
        let begun = wires::call(&world.router, how, token, &begin("acme", "ada", "password")).await;
        let Some(proto::begin_attempt_response::Admission::Admitted(it)) = begun.unwrap().admission
        else {
            continue;
        };
        // Whoever may attempt for the organization may settle.
        let other = &tokens[(guess + 1) % tokens.len()];
        let said =
            wires::call(&world.router, how, other, &settle(&it.attempt_id, "failure")).await.said();
        rejected += usize::from(said.starts_with("rejected"));
    }
    assert_eq!(rejected, 5);
}

#[tokio::test]
async fn m27_a_success_never_counts_and_a_failure_counts_one() {
    let world = World::new().await;
    for _ in 0..20 {
        assert_eq!(world.record("ada", "password", "success").await, "accepted; Granted");
        let id = world.begun("ada").await;
        assert_eq!(world.settle(&id, "success").await, "accepted; Granted");
    }
    assert_eq!(world.engine.status(&super::user("ada")), portcullis::UserStatus::default());
    let said = world.record("ada", "password", "failure").await;
    assert_eq!(said, "rejected 1 of 5, locked: false; Denied");
    // Nothing of the first twenty is in the trail.
    let before = world.engine.health().position;
    assert_eq!(world.record("bob", "password", "success").await, "accepted; Granted");
    assert_eq!(world.engine.health().position, before);
}

#[tokio::test]
async fn m21_who_has_no_attempt_permission_for_the_organization_counts_nothing_there() {
    let world = World::new().await;
    let mut tokens = Vec::new();
    for role in Role::ALL {
        // Every role, where the user is not; and those that may not attempt where the user is.
        let of_instance = role.is_of_instance();
        if !of_instance {
            let name = format!("far{}", tokens.len());
            tokens.push(world.token(&name, "globex", *role, Some("globex")).await);
        }
        let may = role.permits(portcullis_server::api::roles::Permission::AttemptWrite);
        if !may {
            let name = format!("near{}", tokens.len());
            let on = (!of_instance).then_some("acme");
            tokens.push(world.token(&name, "acme", *role, on).await);
        }
    }
    let before = world.state("ada");
    for token in &tokens {
        for what in ["failure", "success"] {
            let request = record("acme", "ada", "password", what);
            let refused = wires::call(&world.router, How::Rest, token, &request).await;
            assert_eq!(refused.said(), "error PermissionDenied");
        }
        let begun =
            wires::call(&world.router, How::Grpc, token, &begin("acme", "ada", "password")).await;
        assert_eq!(begun.said(), "error PermissionDenied");
    }
    assert_eq!(world.state("ada"), before);
}
