//! `check`: it passes on what is whole, and finds what is not.

use portcullis::journal::{Batch, CheckpointId, Journal, SqliteJournal};
use portcullis::{Actor, Aggregate, DurableEngine, Event, Recorded};
use serde_json::json;

use super::{Place, wait};

/// Writes a checkpoint.
fn checkpoint(place: &Place) {
    wait(async {
        let journal = SqliteJournal::open(place.file()).await.unwrap();
        let builder = DurableEngine::builder().checkpoint_every(1);
        builder.open_existing(journal).await.unwrap().close().await;
    });
}

/// Not sound: exit code 1, and the report names the problem.
#[track_caller]
fn finds(place: &Place, problem: &str) {
    let run = place.run(&["check", "--output", "json"]);
    assert_eq!(run.code, 1, "{}", run.stdout);
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["sound"], false);
    assert!(report["problems"].to_string().contains(problem), "{}", report["problems"]);
    assert!(run.stderr.contains("is not sound"), "{}", run.stderr);
    let table = place.run(&["check"]);
    assert_eq!(table.code, 1);
    assert!(table.stdout.contains(problem) && table.stdout.contains("NO"), "{}", table.stdout);
}

#[test]
fn d2_a_whole_journal_is_sound_with_and_without_a_checkpoint_and_when_pruned() {
    let place = Place::with_failures(3, &[("ada", 3), ("bob", 1)]);
    place.json(&["policy", "set", "--org", "acme", "--max-password-attempts", "2"]);
    let sound = json!({
        "sound": true, "first": 1, "head": 7, "events": 7, "users": 2, "checkpoint": null,
        "compared": false, "problems": [],
    });
    // The policy, three failures and a lock, one failure, the override.
    assert_eq!(place.json(&["check"]), sound);
    checkpoint(&place);
    place.json(&["unlock", "ada"]);
    let report = place.json(&["check"]);
    assert_eq!(
        (&report["checkpoint"], &report["compared"], &report["head"]),
        (&json!(7), &json!(true), &json!(8))
    );
    place.json(&["prune", "--older-than", "0s"]);
    place.json(&["lock", "ada", "--org", "acme"]);
    let report = place.json(&["check"]);
    assert_eq!(
        (&report["sound"], &report["first"], &report["events"], &report["compared"]),
        (&json!(true), &json!(9), &json!(1), &json!(false))
    );
}

#[test]
fn a_row_that_was_changed_by_hand_is_found() {
    let place = Place::with_failures(3, &[("ada", 3)]);
    let connection = rusqlite::Connection::open(place.file()).unwrap();
    let changed = connection.execute("UPDATE event SET id = 'bob' WHERE position = 3", []).unwrap();
    assert_eq!(changed, 1);
    drop(connection);
    finds(&place, "position 3");
}

#[test]
fn a_row_that_is_missing_is_found() {
    let place = Place::with_failures(3, &[("ada", 3)]);
    let connection = rusqlite::Connection::open(place.file()).unwrap();
    assert_eq!(connection.execute("DELETE FROM event WHERE position = 3", []).unwrap(), 1);
    drop(connection);
    finds(&place, "3");
}

#[test]
fn d4_a_wrong_sequence_is_found() {
    let place = Place::new(3, 3);
    wait(async {
        let journal = SqliteJournal::open(place.file()).await.unwrap();
        let event = Recorded {
            position: 2,
            sequence: 7,
            at: std::time::SystemTime::UNIX_EPOCH,
            actor: Actor::system(),
            aggregate: Aggregate::Org("acme".parse().unwrap()),
            event: Event::OrgPolicy(portcullis::PolicyEvent::Removed),
        };
        let batch = Batch { writer: 1, number: 1, events: vec![event] };
        journal.append(1, &batch).await.unwrap();
    });
    finds(&place, "position 2: sequence 7, not 1");
}

/// A checkpoint of another journal of the same length.
#[test]
fn d5_a_checkpoint_that_says_something_else_than_the_events_is_found() {
    let place = Place::with_failures(9, &[("ada", 3), ("bob", 2)]);
    let other = Place::with_failures(9, &[("ada", 2), ("carl", 3)]);
    checkpoint(&other);
    wait(async {
        let from = SqliteJournal::open(other.file()).await.unwrap();
        let to = SqliteJournal::open(place.file()).await.unwrap();
        let lie = from.checkpoint().await.unwrap().unwrap();
        let id = CheckpointId { writer: 7, begun: lie.position };
        for part in &lie.parts {
            to.save_part(id, part).await.unwrap();
        }
        to.finish_checkpoint(id, u32::try_from(lie.parts.len()).unwrap()).await.unwrap();
    });
    finds(&place, "user ada: the checkpoint says");
    finds(&place, "user bob: the checkpoint says");
}
