//! Every answer over the wire is the library's for the same history.

use portcullis_server::directory::Directory;
use portcullis_server::proto::portcullis::v1 as proto;
use proto::begin_attempt_response::Admission;

use super::histories::{TABLE, drawn, org_of};
use super::library::{Library, done, policy_step};
use super::said::{Said, factor};
use super::wires::How;
use super::{World, begin, org, record, settle, tester, user};

/// The wire, driven step by step as the library is.
struct OnWire {
    world: World,
    how: How,
    /// The ids of those that were admitted, by the number of their begin.
    ids: Vec<Option<String>>,
}

impl OnWire {
    async fn new(how: How) -> Self {
        Self { world: World::new().await, how, ids: Vec::new() }
    }

    async fn step(&mut self, step: &str) -> String {
        let (world, how) = (&self.world, self.how);
        let words: Vec<_> = step.split_whitespace().collect();
        match words[..] {
            ["begin", name, of_factor] => {
                let answer = world.ask(how, begin(org_of(name), name, of_factor)).await;
                let said = answer.said();
                self.ids.push(match answer.unwrap().admission {
                    Some(Admission::Admitted(it)) => Some(it.attempt_id),
                    _ => None,
                });
                said
            }
            ["settle", at, what] => match self.ids.get(at.parse::<usize>().unwrap()) {
                Some(Some(id)) => world.ask(how, settle(id, what)).await.said(),
                _ => String::from("nothing to settle"),
            },
            ["record", name, of_factor, what] => {
                world.ask(how, record(org_of(name), name, of_factor, what)).await.said()
            }
            ["status", name] => {
                let user_id = name.to_owned();
                world.ask(how, proto::GetLockStatusRequest { user_id }).await.said()
            }
            ["credential", name, of_factor] => {
                let (user_id, factor) = (name.to_owned(), factor(of_factor).0);
                let request = proto::ReportCredentialChangeRequest { user_id, factor };
                done(world.ask(how, request).await.is_ok())
            }
            // ZITADEL's calls have states of their own between these and the engine.
            ["lock", name] => {
                done(world.engine.lock(&org(org_of(name)), &user(name)).await.is_ok())
            }
            ["unlock", name] => done(world.engine.unlock(&user(name)).await.is_ok()),
            ["deactivate" | "reactivate", name] => {
                let (name, active) = (user(name), words[0] == "reactivate");
                let set = world.directory.set_active(&tester(), &name, active).await.unwrap();
                done(set.is_some())
            }
            ["remove", name] => {
                let removed =
                    world.order(proto::RemoveUserRequest { user_id: name.to_owned() }).await;
                world.add(org_of(name), name).await;
                done(removed.is_ok())
            }
            _ => done(policy_step(&world.engine, &words).await),
        }
    }
}

async fn compare(name: &str, steps: &[String], how: How) {
    let (mut library, mut wire) = (Library::new().await, OnWire::new(how).await);
    for (at, step) in steps.iter().enumerate() {
        let (expected, found) = (library.step(step).await, wire.step(step).await);
        assert_eq!(found, expected, "{how:?}, {name}: {:#?}", &steps[..=at]);
    }
}

fn steps(text: &str) -> Vec<String> {
    text.split(';').map(|step| step.trim().to_owned()).collect()
}

#[tokio::test]
async fn a14_m36_every_answer_over_the_wire_is_the_librarys_for_the_same_history() {
    for (name, text) in TABLE {
        for how in [How::Rest, How::Grpc] {
            compare(name, &steps(text), how).await;
        }
    }
}

#[tokio::test]
async fn a14_whatever_history_is_drawn_the_wire_answers_as_the_library_does() {
    for seed in 0..16 {
        let name = format!("seed {seed}");
        let how = How::ALL[usize::try_from(seed).unwrap() % How::ALL.len()];
        compare(&name, &drawn(seed, 60), how).await;
    }
}

/// What the two tests above compare would be equal too if both sides always said the same.
#[tokio::test]
async fn the_histories_reach_every_kind_of_answer() {
    let mut library = Library::new().await;
    let mut met = std::collections::BTreeSet::new();
    for (_, text) in TABLE {
        for step in steps(text) {
            let said = library.step(&step).await;
            let first = said.split([' ', ';']).next().unwrap().to_owned();
            met.insert(first);
        }
        library = Library::new().await;
    }
    for kind in ["admitted", "locked", "busy", "accepted", "rejected", "superseded", "cancelled"] {
        assert!(met.contains(kind), "{kind}: {met:?}");
    }
}
