//! `policy show`, `set`, `reset`, `list`.

use serde_json::json;

use super::{Place, limits, wait};

#[test]
fn p1_a_new_journal_is_made_only_when_asked_and_has_its_policy() {
    let place = Place::empty();
    place.run(&["policy", "set", "--max-password-attempts", "5"]).fails(2, "no journal");
    assert!(!place.file().exists());
    let made = place.json(&["policy", "set", "--create", "--max-password-attempts", "5"]);
    assert_eq!(made["instance"], "main");
    assert_eq!(
        made["policy"],
        json!({
            "max_password_attempts": 5,
            "max_otp_attempts": 0,
            "show_lockout_failures": false,
            "origin": "instance_default",
        })
    );
    assert_eq!(
        (&made["details"]["sequence"], &made["details"]["resource_owner"]),
        (&json!(1), &json!("main"))
    );
    assert_eq!(place.trail().len(), 1);
    // Making it again changes it, and what is not named stays.
    let again = place.json(&["policy", "set", "--create", "--max-otp-attempts", "3"]);
    assert_eq!(again["policy"]["max_password_attempts"], 5);
    assert_eq!(again["policy"]["max_otp_attempts"], 3);
    place
        .run(&["policy", "set", "--create", "--instance", "other", "--max-otp-attempts", "4"])
        .fails(2, "belongs to the instance main, not to other");
    let other = Place::empty();
    let made = other.json(&["policy", "set", "--create", "--instance", "eu", "--show-failures"]);
    assert_eq!(made["instance"], "eu");
    assert_eq!(made["policy"]["show_lockout_failures"], true);
}

#[test]
fn p2_p6_an_override_is_whole_and_setting_it_twice_is_one_event() {
    let place = Place::new(5, 7);
    let set =
        &["policy", "set", "--org", "acme", "--max-password-attempts", "2", "--actor", "boss"];
    let first = place.json(set);
    assert_eq!(
        (&first["org"], &first["changed"], &first["policy"]["origin"]),
        (&json!("acme"), &json!(true), &json!("org_override"))
    );
    // What was not named is as it was in force, and no longer follows the instance.
    assert_eq!(first["policy"]["max_otp_attempts"], 7);
    place.json(&["policy", "set", "--max-otp-attempts", "9"]);
    assert_eq!(place.json(&["policy", "show", "--org", "acme"])["policy"]["max_otp_attempts"], 7);
    assert_eq!(place.json(&["policy", "show", "--org", "other"])["policy"]["max_otp_attempts"], 9);
    let events = place.trail().len();
    assert_eq!(place.json(set)["changed"], false);
    assert_eq!(place.json(&["policy", "set", "--max-otp-attempts", "9"])["changed"], false);
    assert_eq!(place.trail().len(), events);
    let shown = place.json(&["policy", "set", "--org", "acme", "--show-failures", "true"]);
    assert_eq!(shown["policy"]["show_lockout_failures"], true);
    let hidden = place.json(&["policy", "set", "--org", "acme", "--show-failures", "false"]);
    assert_eq!(hidden["policy"]["show_lockout_failures"], false);

    assert_eq!(
        place.json(&["policy", "list"])["overrides"],
        json!([{
            "org": "acme",
            "max_password_attempts": 2,
            "max_otp_attempts": 7,
            "show_lockout_failures": false,
        }])
    );
    let by = place.run(&["events", "--org", "acme", "--output", "json"]).lines();
    assert_eq!(by[0]["actor"], "boss");
    assert_eq!(by[1]["actor"], "operator");
}

#[test]
fn p5_a_reset_falls_back_and_a_second_one_is_refused() {
    let place = Place::new(5, 5);
    place.json(&["policy", "set", "--org", "acme", "--max-password-attempts", "2"]);
    let reset = place.json(&["policy", "reset", "--org", "acme"]);
    assert_eq!(
        (&reset["policy"]["origin"], &reset["policy"]["max_password_attempts"]),
        (&json!("instance_default"), &json!(5))
    );
    assert_eq!(
        (&reset["details"]["sequence"], &reset["details"]["resource_owner"]),
        (&json!(2), &json!("acme"))
    );
    place.run(&["policy", "reset", "--org", "acme"]).fails(3, "no lockout policy of its own");
    place.run(&["policy", "reset"]).fails(2, "--org");
    assert_eq!(place.run(&["policy", "list"]).stdout, "No organization has an override.\n");
}

#[test]
fn a_table_says_the_same_as_the_engine() {
    let place = Place::new(4, 0);
    let shown = place.run(&["policy", "show"]);
    let fields: Vec<Vec<&str>> =
        shown.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(fields[1], ["password", "attempts", "4"]);
    assert_eq!(fields[2], ["otp", "attempts", "never", "lock"]);
    wait(async {
        let engine = place.engine().await;
        assert_eq!(engine.instance_policy().0, limits(4, 0));
        engine.close().await;
    });
}
