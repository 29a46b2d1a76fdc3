//! What attempts ask of the directory is answered from memory, and is never old news.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use portcullis_server::directory::Directory;

use super::said::Said;
use super::wires::{self, How};
use super::{World, begin, eventually, human, org, tester, user};

/// Attempts of `ada` in a storm, which nobody settles: her organization has no limit.
fn storm(world: &World, until: &Arc<AtomicBool>) -> Vec<tokio::task::JoinHandle<usize>> {
    let one = |_| {
        let (router, token) = (world.router.clone(), world.login.clone());
        let until = Arc::clone(until);
        tokio::spawn(async move {
            let mut asked = 0;
            while !until.load(Ordering::Relaxed) {
                let request = begin("acme", "ada", "password");
                wires::call(&router, How::Grpc, &token, &request).await.unwrap();
                asked += 1;
            }
            asked
        })
    };
    (0..3).map(one).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_is_deactivated_or_moved_is_refused_at_the_next_attempt_also_in_a_storm_of_them() {
    let world = World::new().await;
    world.engine.put_override(&org("acme"), portcullis::LockoutPolicy::new(0, 0)).await.unwrap();
    let until = Arc::new(AtomicBool::new(false));
    let storm = storm(&world, &until);
    // An organization that goes takes all that is in memory along, so that much is being read.
    let (directory, ending) = (Arc::clone(&world.directory), Arc::clone(&until));
    let forgetting = tokio::spawn(async move {
        while !ending.load(Ordering::Relaxed) {
            directory.register_org(&tester(), &org("brief"), "brief").await.unwrap();
            directory.remove_org(&tester(), &org("brief")).await.unwrap();
        }
    });
    let ask = async |of: &str| world.ask(How::Grpc, begin(of, "ada", "password")).await.said();
    let directory = &world.directory;
    for round in 0..60 {
        for (active, expected) in
            [(false, "locked as inactive; Denied"), (true, "admitted; Pending")]
        {
            directory.set_active(&tester(), &user("ada"), active).await.unwrap().unwrap();
            for _ in 0..5 {
                assert_eq!(ask("acme").await, expected, "round {round}");
            }
        }
        if round % 6 == 0 {
            directory.remove_user(&tester(), &user("ada")).await.unwrap();
            assert_eq!(ask("acme").await, "refused UNKNOWN_USER; Denied");
            let register = async |of: &str| {
                let (id, of) = (user("ada"), org(of));
                directory.register_user(&tester(), &of, &id, "ada", human()).await.unwrap();
            };
            register("globex").await;
            for _ in 0..5 {
                assert_eq!(ask("acme").await, "refused ORG_MISMATCH; Denied", "round {round}");
            }
            // No attempt that was overtaken is left on record for the other organization.
            eventually("nothing is on record", async || {
                world.engine.status(&user("ada")).org.is_none()
            })
            .await;
            directory.remove_user(&tester(), &user("ada")).await.unwrap();
            register("acme").await;
        }
    }
    until.store(true, Ordering::Relaxed);
    forgetting.await.unwrap();
    for one in storm {
        assert!(one.await.unwrap() > 0);
    }
}

/// What was read before a change, and comes back after it, is not kept.
#[tokio::test]
async fn what_was_read_before_a_change_is_not_remembered_after_it() {
    let world = World::new().await;
    let mut overtaken = 0;
    for number in 0..20 {
        let name = format!("user{number}");
        world.add("acme", &name).await;
        let id = user(&name);
        // It is read on another thread, while the change is on its way.
        let mut reading = world.directory.standing(&id);
        let first = std::future::poll_fn(|context| Poll::Ready(reading.as_mut().poll(context)));
        if first.await.is_ready() {
            continue;
        }
        world.directory.set_active(&tester(), &id, false).await.unwrap().unwrap();
        world.directory.catch_up().await.unwrap();
        overtaken += usize::from(reading.await.unwrap().unwrap().is_active);
        let said = world.record(&name, "password", "success").await;
        assert_eq!(said, "locked as inactive; Denied");
    }
    assert!(overtaken > 0, "nothing was read before its change");
}
