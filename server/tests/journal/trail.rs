//! `replay --journal`: the trail under another policy.

use std::fmt::Write;
use std::fs;

use portcullis::durable::Admission;
use portcullis::journal::SqliteJournal;
use portcullis::{DurableEngine, Factor, ManualClock, OrgId, UserId};
use serde_json::{Value, json};

use super::{Place, limits, wait};

/// The locks without the number of refused attempts, of which a trail knows only some.
fn locks(report: &Value) -> Vec<Value> {
    let without = |lock: &Value| {
        let mut lock = lock.as_object().unwrap().clone();
        lock.remove("refused");
        Value::Object(lock)
    };
    report["locks"].as_array().unwrap().iter().map(without).collect()
}

/// Attempts of a few users, some right and some wrong, a second apart.
fn attempts() -> Vec<(u64, &'static str, &'static str, Factor, bool)> {
    let mut random = 7_u64;
    (0..600)
        .map(|second| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let user = ["ada", "bob", "carl", "dora"][(random >> 40) as usize % 4];
            let org = if user < "c" { "acme" } else { "globex" };
            let factor = [Factor::Password, Factor::Totp][(random >> 50) as usize % 2];
            (second, org, user, factor, (random >> 33).is_multiple_of(3))
        })
        .collect()
}

/// Nobody was locked when it was recorded: the trail has every failure and every success that a
/// stricter policy could look at.
#[test]
fn the_trail_of_attempts_locks_whom_the_attempts_lock() {
    let place = Place::empty();
    let mut lines = String::new();
    wait(async {
        let clock = ManualClock::default();
        let journal = SqliteJournal::open(place.file()).await.unwrap();
        let engine = DurableEngine::builder()
            .clock(clock.clone())
            .open("main".parse().unwrap(), limits(0, 0), journal)
            .await
            .unwrap();
        for (second, org, user, factor, right) in attempts() {
            let at = jiff::Timestamp::from_second(1_800_000_000 + i64::try_from(second).unwrap());
            let at = at.unwrap();
            let outcome = if right { "success" } else { "failure" };
            let line = json!({"at": at.to_string(), "org": org, "user": user, "factor": factor.name(), "outcome": outcome});
            writeln!(lines, "{line}").unwrap();
            clock.set(at.try_into().unwrap());
            let (org, user): (OrgId, UserId) = (org.parse().unwrap(), user.parse().unwrap());
            let Admission::Admitted(attempt) = engine.begin(&org, &user, factor) else {
                panic!("{user} is not admitted");
            };
            let _ = if right { attempt.succeed().await } else { attempt.fail().await }.unwrap();
        }
        engine.close().await;
    });
    fs::write(place.folder.path().join("attempts.jsonl"), lines).unwrap();
    for limit in ["1", "2", "3", "5", "8", "50"] {
        let policy = [
            "--max-password-attempts",
            limit,
            "--max-otp-attempts",
            "4",
            "--override",
            "globex=2/0",
        ];
        let of_file = place.json(&[&["replay", "attempts.jsonl"], &policy[..]].concat());
        let of_trail =
            place.json(&[&["replay", "--journal", "portcullis.db"], &policy[..]].concat());
        assert!(!locks(&of_file).is_empty());
        assert_eq!(locks(&of_trail), locks(&of_file), "limit {limit}");
        assert_eq!(of_trail["totals"]["rejected"], of_file["totals"]["rejected"]);
        assert_eq!(of_trail["lower_bound"], true);
        assert!(of_file.get("lower_bound").is_none());
    }
}

#[test]
fn what_administrators_did_is_done_in_the_replay_too() {
    let place = Place::with_failures(3, &[("ada", 3)]);
    place.json(&["unlock", "ada"]);
    wait(async {
        let engine = place.engine().await;
        for _ in 0..2 {
            super::fail(&engine, "acme", "ada").await;
        }
        let (org, ada) = ("acme".parse().unwrap(), "ada".parse().unwrap());
        engine.credential_changed(&org, &ada, Factor::Password).await.unwrap();
        super::fail(&engine, "acme", "ada").await;
        engine.close().await;
    });
    place.json(&["lock", "ada", "--org", "acme"]);
    let report = |limit| {
        place.json(&["replay", "--journal", "portcullis.db", "--max-password-attempts", limit])
    };
    // Locked at the second failure, the third refused; unlocked; locked again at the second.
    let strict = report("2");
    assert_eq!(strict["locks"].as_array().unwrap().len(), 2);
    assert_eq!(strict["locks"][0]["refused"], 1);
    assert_eq!(strict["locks"][1]["refused"], 1);
    assert_eq!(report("3")["locks"].as_array().unwrap().len(), 1);
    // The unlocking found no lock, so the count went on, up to the new credential.
    assert_eq!(report("5")["locks"].as_array().unwrap().len(), 1);
    assert_eq!(report("6")["locks"], json!([]));
    let table = place.run(&["replay", "--journal", "portcullis.db"]).stdout;
    assert!(table.contains("a lower bound"), "{table}");
}
