//! `events`.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use portcullis::{Aggregate, OrgId, UserId};
use serde_json::{Value, json};

use super::{Place, fail, wait};

fn positions(place: &Place, args: &[&str]) -> Vec<u64> {
    let events = place.run(&[&["events", "--output", "json"], args].concat()).lines();
    events.iter().map(|event| event["position"].as_u64().unwrap()).collect()
}

#[test]
fn filters_combine() {
    // 1 policy, 2 and 3 ada, 4 bob and his lock 5.
    let place = Place::with_failures(2, &[("ada", 1)]);
    place.json(&["lock", "bob", "--org", "globex"]);
    place.json(&["policy", "set", "--org", "acme", "--max-otp-attempts", "1"]);
    let between = jiff::Timestamp::now().to_string();
    place.json(&["unlock", "bob"]);
    assert_eq!(positions(&place, &[]), [1, 2, 3, 4, 5]);
    assert_eq!(positions(&place, &["--user", "bob"]), [3, 5]);
    assert_eq!(positions(&place, &["--org", "acme"]), [2, 4]);
    assert_eq!(positions(&place, &["--type", "user.*"]), [2, 3, 5]);
    assert_eq!(positions(&place, &["--type", "user.locked", "--type", "org.*"]), [3, 4]);
    assert_eq!(positions(&place, &["--type", "user"]), [0; 0]);
    assert_eq!(positions(&place, &["--after", "3"]), [4, 5]);
    assert_eq!(positions(&place, &["--since", &between]), [5]);
    assert_eq!(positions(&place, &["--user", "bob", "--type", "*.unlocked"]), [0; 0]);
    assert_eq!(positions(&place, &["--user", "bob", "--type", "user.unlocked"]), [5]);
    assert_eq!(place.run(&["events", "--user", "zoe"]).stdout, "No event.\n");
}

#[test]
fn d4_an_event_is_told_whole() {
    let place = Place::with_failures(2, &[("ada", 2)]);
    let events = place.run(&["events", "--output", "json"]).lines();
    assert_eq!(
        events[0],
        json!({
            "position": 1, "sequence": 1, "at": events[0]["at"], "aggregate": "instance",
            "type": "instance.policy.lockout.added", "id": "main", "actor": "SYSTEM",
            "payload": {"maxPasswordAttempts": 2, "maxOTPAttempts": 2, "showLockOutFailures": false},
        })
    );
    assert_eq!(
        events[3],
        json!({
            "position": 4, "sequence": 4, "at": events[3]["at"], "type": "user.locked",
            "aggregate": "user", "id": "ada", "org": "acme", "actor": "ada",
            "payload": {"factor": "password"},
        })
    );
    let table = place.run(&["events"]).stdout;
    assert_eq!(table.lines().count(), 2 + 4);
    assert!(table.lines().nth(5).unwrap().contains("ada of acme"), "{table}");
}

/// What a host or a client writes into the trail must not reach a terminal as a command.
#[test]
fn a_table_shows_no_control_characters() {
    let place = Place::new(1, 1);
    wait(async {
        let engine = place.engine().await;
        let (org, user): (OrgId, UserId) = ("acme".parse().unwrap(), "ada".parse().unwrap());
        let hostile = "{\"a\":\"\u{9b}2J\u{202e}\"}\n\u{1b}[2J";
        let aggregate = Aggregate::User { org, user };
        engine.record(aggregate, "host.\u{1b}[31m", Some(hostile)).await.unwrap();
        engine.close().await;
    });
    let table = place.run(&["events"]).stdout;
    assert_eq!(table.lines().count(), 2 + 2, "{table}");
    let bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!table.contains(bad), "{table:?}");
    let json = place.run(&["events", "--after", "1", "--output", "json"]);
    assert!(json.lines()[0]["payload"].is_string());
}

#[test]
fn follow_shows_what_others_write_and_ends_with_its_reader() {
    let place = Place::new(5, 5);
    let program = assert_cmd::cargo::cargo_bin!("portcullis");
    let mut child = Command::new(program)
        .args(["events", "--follow", "--type", "user.*", "--output", "json"])
        .current_dir(place.folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    wait(async {
        let engine = place.engine().await;
        for failures in 1..=3 {
            fail(&engine, "acme", "ada").await;
            let event: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
            assert_eq!(event["position"], 1 + failures);
        }
        drop(lines);
        fail(&engine, "acme", "ada").await;
        engine.close().await;
    });
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_pruned_trail_begins_where_it_begins() {
    let place = Place::with_failures(9, &[("ada", 3)]);
    assert_eq!(place.json(&["prune", "--older-than", "1h"])["removed"], 0);
    assert_eq!(place.json(&["prune", "--older-than", "0s"])["removed"], 4);
    assert_eq!(place.run(&["events"]).stdout, "No event.\n");
    place.json(&["lock", "bob", "--org", "acme"]);
    assert_eq!(positions(&place, &[]), [5]);
    place.run(&["events", "--after", "2"]).fails(2, "up to position 4 were pruned");
    // Counts and policies stay.
    assert_eq!(place.json(&["status", "ada"])["failures"]["password"], 3);
    assert_eq!(place.json(&["policy", "show"])["policy"]["max_password_attempts"], 9);
}
