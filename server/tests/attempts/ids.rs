//! The attempts between their two calls: ids, deadlines, room, and who may settle.

use std::time::Duration;

use portcullis::Factor;
use portcullis::durable::Admission;
use portcullis_server::api::Settings;
use portcullis_server::api::roles::Role;

use super::said::Said;
use super::wires::{self, How};
use super::{World, begin, eventually, org, settle, user};

/// Lets so much time pass at once.
async fn later(by: Duration) {
    tokio::time::pause();
    tokio::time::advance(by).await;
    tokio::time::resume();
}

/// How long an attempt may take, in seconds.
const TIMEOUT: u64 = 30;

fn is_admitted(world: &World, name: &str) -> bool {
    let admission = world.engine.begin_owned(&org("acme"), &user(name), Factor::Password);
    matches!(admission, Admission::Admitted(_))
}

async fn one_at_a_time() -> World {
    let world = World::new().await;
    world.engine.put_override(&org("acme"), portcullis::LockoutPolicy::new(1, 1)).await.unwrap();
    world
}

#[tokio::test]
async fn a7_an_attempt_past_its_deadline_is_cancelled_counts_nothing_and_settles_as_superseded() {
    let world = one_at_a_time().await;
    let id = world.begun("ada").await;
    let before = world.state("ada");
    let busy = world.ask(How::Rest, begin("acme", "ada", "password")).await.said();
    assert_eq!(busy, "busy; Denied");
    later(Duration::from_secs(TIMEOUT - 5)).await;
    assert_eq!(world.ask(How::Rest, begin("acme", "ada", "password")).await.said(), busy);
    later(Duration::from_secs(6)).await;
    let next = world.begun("ada").await;
    for what in ["failure", "success", "cancelled"] {
        assert_eq!(world.settle(&id, what).await, "superseded; Denied", "{what}");
    }
    assert_eq!(world.state("ada"), before);
    assert_eq!(world.settle(&next, "failure").await, "rejected 1 of 1, locked: true; Denied");
}

#[tokio::test]
async fn a7_the_slot_of_an_attempt_past_its_deadline_comes_back_by_itself() {
    let world = one_at_a_time().await;
    world.begun("ada").await;
    assert!(!is_admitted(&world, "ada"));
    later(Duration::from_secs(TIMEOUT + 1)).await;
    // Nothing here looks at the attempts that are held.
    eventually("the slot is free", async || is_admitted(&world, "ada")).await;
    assert_eq!(world.api.open_attempts(), 0);
}

#[tokio::test]
async fn m27_m35_a_second_settling_is_given_the_first_answer_and_counts_nothing() {
    let world = World::new().await;
    for (first, said) in [
        ("failure", "rejected 1 of 5, locked: false; Denied"),
        ("success", "accepted; Granted"),
        ("cancelled", "cancelled; Denied"),
    ] {
        let id = world.begun("ada").await;
        assert_eq!(world.settle(&id, first).await, said);
        let before = world.state("ada");
        for how in How::ALL {
            for second in ["failure", "success", "cancelled"] {
                let again = world.ask(how, settle(&id, second)).await.said();
                assert_eq!(again, said, "{first}, then {second} by {how:?}");
            }
        }
        assert_eq!(world.state("ada"), before, "{first}");
    }
}

#[tokio::test]
async fn an_answer_is_remembered_for_five_minutes() {
    let world = World::new().await;
    let id = world.begun("ada").await;
    let said = world.settle(&id, "failure").await;
    later(Duration::from_secs(4 * 60 + 50)).await;
    assert_eq!(world.settle(&id, "failure").await, said);
    later(Duration::from_secs(11)).await;
    let before = world.state("ada");
    assert_eq!(world.settle(&id, "failure").await, "superseded; Denied");
    assert_eq!(world.state("ada"), before);
}

#[tokio::test]
async fn m40_one_id_is_one_guess_however_it_is_written() {
    let world = World::new().await;
    // Ten is a number whose digit has an upper case.
    let mut ids = Vec::new();
    for _ in 0..11 {
        let id = world.begun("ada").await;
        ids.push(id.clone());
        if ids.len() < 11 {
            world.settle(&id, "cancelled").await;
        }
    }
    let id = &ids[10];
    let (rest, number) = id.rsplit_once('.').unwrap();
    assert_eq!(number, "a");
    let said = world.settle(id, "failure").await;
    let before = world.state("ada");
    for other in [format!("{rest}.A"), format!("{rest}.00a")] {
        let again = world.settle(&other, "failure").await;
        assert!(again == said || again == "superseded; Denied", "{other}: {again}");
    }
    assert_eq!(world.state("ada"), before);
}

#[tokio::test]
async fn an_id_of_another_node_or_life_is_superseded_and_garbage_is_refused() {
    let (world, other) = (World::new().await, World::new().await);
    let id = world.begun("ada").await;
    let of_other_life = other.begun("ada").await;
    let of_other_node = id.replace("main.", "other.");
    let before = world.state("ada");
    for unknown in [&of_other_life, &of_other_node, &id.replace(".0", ".7")] {
        assert_eq!(world.settle(unknown, "failure").await, "superseded; Denied", "{unknown}");
    }
    for garbage in ["x", "main", "main.1", "main.1.2.3", "main.+1.0", "main..0", "ä.1.0"] {
        assert_eq!(world.settle(garbage, "failure").await, "error InvalidArgument", "{garbage}");
    }
    let long = format!("main.{}.0", "0".repeat(500));
    assert_eq!(world.settle(&long, "failure").await, "error InvalidArgument");
    assert_eq!(world.state("ada"), before);
    assert_eq!(world.settle(&id, "failure").await, "rejected 1 of 5, locked: false; Denied");
}

#[tokio::test]
async fn where_all_places_are_open_attempts_none_is_begun_and_no_slot_is_lost() {
    let world = World::with(Settings { max_attempts: 3, ..Settings::default() }).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(world.begun("ada").await);
    }
    for _ in 0..9 {
        let refused = world.ask(How::Rest, begin("acme", "ada", "password")).await;
        assert_eq!(refused.said(), "error Unavailable");
    }
    assert_eq!(world.api.open_attempts(), 3);
    // Two of five slots are left, as if nothing had been refused.
    let engine = &world.engine;
    let taken = [(); 3].map(|()| engine.begin_owned(&org("acme"), &user("ada"), Factor::Password));
    assert!(matches!(taken, [Admission::Admitted(_), Admission::Admitted(_), Admission::Busy]));
    drop(taken);
    // Answers that are remembered give way, the oldest first.
    let said = world.settle(&open[1], "failure").await;
    assert_eq!(said, "rejected 1 of 5, locked: false; Denied");
    world.settle(&open[0], "cancelled").await;
    world.begun("bob").await;
    assert_eq!(world.settle(&open[1], "failure").await, "superseded; Denied");
    assert_eq!(world.settle(&open[0], "failure").await, "cancelled; Denied");
    world.begun("bob").await;
    assert_eq!(world.settle(&open[0], "failure").await, "superseded; Denied");
    let refused = world.ask(How::Rest, begin("acme", "bob", "password")).await;
    assert_eq!(refused.said(), "error Unavailable");
    assert_eq!(world.settle(&open[2], "success").await, "accepted; Granted");
}

#[tokio::test]
async fn m21_who_may_not_attempt_for_an_organization_settles_nothing_of_it() {
    let world = World::new().await;
    let stranger = world.token("there", "globex", Role::OrgLoginService, Some("globex")).await;
    let viewer = world.token("viewer", "acme", Role::OrgOwnerViewer, Some("acme")).await;
    let own = world.token("here", "acme", Role::OrgLoginService, Some("acme")).await;
    let id = world.begun("ada").await;
    let before = world.state("ada");
    for how in How::ALL {
        for token in [&stranger, &viewer] {
            for what in ["failure", "success", "cancelled"] {
                let refused = wires::call(&world.router, how, token, &settle(&id, what)).await;
                assert_eq!(refused.said(), "error PermissionDenied", "{how:?} {what}");
            }
        }
    }
    assert_eq!(world.state("ada"), before);
    let settled = wires::call(&world.router, How::Rest, &own, &settle(&id, "failure")).await;
    assert_eq!(settled.said(), "rejected 1 of 5, locked: false; Denied");
    // Nor is a stranger told what it came to.
    let refused = wires::call(&world.router, How::Rest, &stranger, &settle(&id, "failure")).await;
    assert_eq!(refused.said(), "error PermissionDenied");
}
