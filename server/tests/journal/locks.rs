//! `lock`, `unlock`, `locked`, `status`.

use serde_json::{Value, json};

use super::{Place, fail, wait};

fn users(locked: &Value) -> Vec<&str> {
    locked.as_array().unwrap().iter().map(|lock| lock["user"].as_str().unwrap()).collect()
}

#[test]
fn a9_a_lock_of_an_administrator_is_shown_and_opened() {
    let place = Place::with_failures(5, &[("ada", 2)]);
    let locked = place.json(&["lock", "ada", "--org", "acme", "--actor", "desk"]);
    assert_eq!((&locked["user"], &locked["org"]), (&json!("ada"), &json!("acme")));
    place.run(&["lock", "ada", "--org", "acme"]).fails(3, "already locked");
    place.run(&["lock", "ada", "--org", "globex"]).fails(3, "another organization");
    let status = place.json(&["status", "ada"]);
    assert_eq!(status["lock"]["cause"], "administrator");
    assert_eq!(status["failures"]["password"], 2);
    assert_eq!(status["policy"]["max_password_attempts"], 5);
    assert_eq!(place.run(&["unlock", "ada"]).code, 0);
    let status = place.json(&["status", "ada"]);
    assert_eq!((&status["locked"], &status["org"]), (&json!(false), &Value::Null));
    place.run(&["unlock", "ada"]).fails_with_report(3, "ada: the user is not locked");
    let trail = place.run(&["events", "--user", "ada", "--output", "json"]).lines();
    assert_eq!((&trail[2]["type"], &trail[2]["actor"]), (&json!("user.locked"), &json!("desk")));
}

#[test]
fn locked_filters_by_org_and_time_and_counts() {
    let place = Place::with_failures(1, &[("ada", 1), ("bob", 1)]);
    let between = jiff::Timestamp::now().to_string();
    place.json(&["lock", "carl", "--org", "globex"]);
    let all = place.json(&["locked"]);
    assert_eq!((users(&all["locked"]), &all["total"]), (vec!["ada", "bob", "carl"], &json!(3)));
    assert_eq!(all["locked"][0]["cause"], "failures");
    assert_eq!(all["locked"][0]["factor"], "password");
    assert_eq!(users(&place.json(&["locked", "--org", "acme"])["locked"]), ["ada", "bob"]);
    assert_eq!(users(&place.json(&["locked", "--since", &between])["locked"]), ["carl"]);
    assert_eq!(users(&place.json(&["locked", "--since", "1h"])["locked"]).len(), 3);
    assert_eq!(
        place.json(&["locked", "--count"]),
        json!({"orgs": [{"org": "acme", "locked": 2}, {"org": "globex", "locked": 1}], "total": 3})
    );
    assert_eq!(
        place.json(&["locked", "--count", "--since", &between])["orgs"],
        json!([{"org": "globex", "locked": 1}])
    );
    assert_eq!(place.run(&["locked", "--org", "nobody"]).stdout, "No user is locked.\n");
}

#[test]
fn unlock_takes_many_and_a_dry_run_takes_none() {
    let place = Place::with_failures(1, &[("ada", 1), ("bob", 1), ("carl", 1), ("dora", 1)]);
    place.json(&["lock", "eve", "--org", "globex"]);
    let dry = place.json(&["unlock", "--org", "acme", "--dry-run"]);
    assert_eq!(users(&dry["unlocked"]), ["ada", "bob", "carl", "dora"]);
    assert_eq!(dry["dry_run"], true);
    assert_eq!(place.json(&["locked"])["total"], 5);

    // Those who can be are unlocked, the others are told.
    let some = place.run(&["unlock", "ada", "frank", "eve", "ada", "--org", "acme"]);
    some.fails_with_report(3, "portcullis: frank: the user is not locked");
    assert!(some.stderr.contains("portcullis: eve: the user belongs to another organization"));
    assert_eq!(users(&place.json(&["locked"])["locked"]), ["bob", "carl", "dora", "eve"]);

    let rest =
        place.json(&["unlock", "--since", "1h", "--reason", "a \"storm\"", "--actor", "ops"]);
    assert_eq!(users(&rest["unlocked"]), ["bob", "carl", "dora", "eve"]);
    assert_eq!(place.json(&["unlock", "--since", "1h"])["unlocked"], json!([]));
    let trail = place.run(&["events", "--user", "eve", "--output", "json"]).lines();
    assert_eq!(trail[1]["type"], "user.unlock.reason");
    assert_eq!(trail[1]["payload"], json!({"reason": "a \"storm\""}));
    assert_eq!((&trail[2]["type"], &trail[2]["actor"]), (&json!("user.unlocked"), &json!("ops")));
    place.run(&["unlock"]).fails(2, "required");
}

#[test]
fn m07_a_lock_by_failures_outlives_the_process_and_is_opened_by_the_break_glass() {
    let place = Place::with_failures(3, &[("ada", 3)]);
    let shown = place.json(&["status", "ada"])["lock"].clone();
    assert_eq!((&shown["cause"], &shown["factor"]), (&json!("failures"), &json!("password")));
    wait(async {
        let engine = place.engine().await;
        assert!(fail(&engine, "acme", "ada").await.is_none());
        engine.close().await;
    });
    assert_eq!(place.run(&["unlock", "ada"]).code, 0);
    wait(async {
        let engine = place.engine().await;
        assert!(fail(&engine, "acme", "ada").await.is_some());
        engine.close().await;
    });
}

/// Thousands of locks are opened in a few batches, and the table of them stays one.
#[test]
fn unlock_opens_thousands() {
    let place = Place::new(1, 1);
    wait(async {
        let engine = place.engine().await;
        let lock = |number| {
            let (org, user) = ("acme".parse().unwrap(), format!("user{number}").parse().unwrap());
            engine.lock(&org, &user)
        };
        let locks: Vec<_> = (0..2_500).map(lock).collect();
        for locked in locks {
            locked.await.unwrap();
        }
        engine.close().await;
    });
    let table = place.run(&["locked"]).stdout;
    assert_eq!(table.lines().filter(|line| line.contains("locked since")).count(), 1);
    assert_eq!(table.lines().last(), Some("2500 locked"));
    let unlocked = place.run(&["unlock", "--org", "acme"]);
    assert_eq!(unlocked.stdout.lines().last(), Some("2500 unlocked"));
    assert_eq!(place.json(&["locked"])["total"], 0);
}
