//! Who gets locked, when, and what a report says of it.

use serde_json::json;

use super::{file, line, lines, portcullis, replay, report};

#[test]
fn a_report_has_these_keys_and_no_others() {
    let report = report(&["--max-password-attempts", "2"], lines("acme", "ada", "pPppPp"));
    let expected = json!({
        "locks": [{
            "at": "2026-03-01T09:00:03Z",
            "org": "acme",
            "user": "ada",
            "factor": "password",
            "failures": 2,
            "refused": 2,
        }],
        "totals": {
            "attempts": 6,
            "granted": 1,
            "rejected": 3,
            "refused": 2,
            "locked": 1,
            "tracked": 1,
            "out_of_order": 0,
            "bad_lines": 0,
        },
    });
    assert_eq!(report, expected);
}

#[test]
fn nothing_given_never_locks() {
    let report = report(&[], lines("acme", "ada", &"pt".repeat(25)));
    assert_eq!(report["locks"], json!([]));
    assert_eq!(
        (&report["totals"]["rejected"], &report["totals"]["tracked"]),
        (&json!(50), &json!(1))
    );
}

#[test]
fn each_factor_counts_for_itself_and_a_success_clears_its_own_alone() {
    let args = ["--max-password-attempts", "3", "--max-otp-attempts", "2"];
    for (attempts, locked_by) in [
        ("ppts", None),
        ("ppTp", Some("password")),
        ("ppPpp", None),
        ("tPsTs", Some("otp_sms")),
        ("tpptp", Some("totp")),
    ] {
        let report = report(&args, lines("acme", "ada", attempts));
        let factor = locked_by.map(serde_json::Value::from);
        assert_eq!(
            report["locks"].get(0).map(|lock| &lock["factor"]),
            factor.as_ref(),
            "{attempts}"
        );
    }
}

#[test]
fn an_override_replaces_the_whole_policy_of_its_organization() {
    let input = [
        lines("a", "ada", "pppptttt"),
        lines("b", "bob", "pppptttt"),
        lines("c", "cy", "pppptttt"),
    ];
    let args = ["--max-password-attempts", "4", "--max-otp-attempts", "1"];
    let overrides = ["--override", "a=0/3", "--override", "b=2/0"];
    let report = report(&[args, overrides].concat(), input.concat());
    let locks: Vec<_> = report["locks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|lock| {
            (
                lock["user"].as_str().unwrap(),
                lock["factor"].as_str().unwrap(),
                lock["failures"].as_u64().unwrap(),
                lock["refused"].as_u64().unwrap(),
            )
        })
        .collect();
    let expected = [("bob", "password", 2, 6), ("cy", "password", 4, 4), ("ada", "totp", 3, 1)];
    assert_eq!(locks, expected);
}

#[test]
fn a_policy_file_says_the_same_as_flags_and_flags_go_before_it() {
    let policy = file(
        "max_password_attempts = 1\nmax_otp_attempts = 2\n\
         [overrides.a]\nmax_password_attempts = 3\nmax_otp_attempts = 0\n\
         [overrides.b]\nmax_password_attempts = 4\nmax_otp_attempts = 0\n",
    );
    let policy = ["--policy", policy.path().to_str().unwrap()];
    let input = ["a", "b", "c"].map(|org| lines(org, org, "pppptttt")).concat();
    let flags = ["--max-password-attempts", "1", "--max-otp-attempts", "2"];
    let overrides = ["--override", "a=3/0", "--override", "b=4/0"];
    let from_file = report(&policy, input.as_str());
    assert_eq!(from_file, report(&[flags, overrides].concat(), input.as_str()));
    assert_eq!(from_file["totals"]["locked"], json!(3));

    let changed = ["--max-password-attempts", "0", "--override", "a=0/1"];
    let both = report(&[&policy[..], &changed].concat(), input.as_str());
    let flags = ["--max-otp-attempts", "2", "--override", "a=0/1", "--override", "b=4/0"];
    assert_eq!(both, report(&flags, input.as_str()));
}

#[test]
fn an_attempt_under_another_organization_is_refused_while_its_user_is_on_record() {
    let input = [
        line(0, "a", "ada", "password", "failure"),
        line(1, "b", "ada", "password", "failure"),
        line(2, "a", "ada", "password", "success"),
        line(3, "b", "ada", "password", "failure"),
        line(4, "b", "ada", "password", "failure"),
        line(5, "a", "ada", "password", "failure"),
        line(6, "b", "ada", "password", "failure"),
    ];
    let report = report(&["--max-password-attempts", "2"], input.concat());
    assert_eq!(report["locks"].as_array().unwrap().len(), 1);
    let lock = &report["locks"][0];
    // The attempt at second 5 was refused for its organization and not by the lock.
    assert_eq!((&lock["org"], &lock["refused"]), (&json!("b"), &json!(1)));
    let totals = &report["totals"];
    assert_eq!([&totals["granted"], &totals["rejected"], &totals["refused"]], [1, 3, 3]);
}

#[test]
fn an_attempt_out_of_order_is_run_at_its_own_time_and_counted() {
    let seconds = [10, 12, 11, 12, 5];
    let input: String =
        seconds.map(|at| line(at, "a", &format!("user{at}"), "password", "failure")).concat();
    let report = report(&["--max-password-attempts", "1"], input);
    assert_eq!(report["totals"]["out_of_order"], 2);
    let locks = report["locks"].as_array().unwrap();
    let at: Vec<_> = locks.iter().map(|lock| lock["at"].as_str().unwrap()).collect();
    let seconds = ["05", "10", "11", "12"];
    assert_eq!(at, seconds.map(|at| format!("2026-03-01T09:00:{at}Z")));
}

#[test]
fn times_are_reported_in_utc_and_equal_ones_in_the_order_of_the_input() {
    let attempt = |at: &str, user: &str| {
        line(0, "a", user, "password", "failure").replace("2026-03-01T09:00:00Z", at)
    };
    let input = [
        attempt("1969-07-20T22:17:40.5+02:00", "zoe"),
        attempt("1969-07-20T20:17:40.500Z", "ada"),
        attempt("1969-07-20T20:17:40.499999999Z", "bob"),
    ];
    let report = report(&["--max-password-attempts", "1"], input.concat());
    let locks: Vec<_> = (0..3)
        .map(|index| {
            let lock = &report["locks"][index];
            (lock["user"].as_str().unwrap(), lock["at"].as_str().unwrap())
        })
        .collect();
    let expected = [
        ("bob", "1969-07-20T20:17:40.499999999Z"),
        ("zoe", "1969-07-20T20:17:40.5Z"),
        ("ada", "1969-07-20T20:17:40.5Z"),
    ];
    assert_eq!(locks, expected);
}

#[test]
fn a_table_lines_up_and_says_so_when_nobody_was_locked() {
    let input = [lines("acme", "ada@acme.example", "ppp"), lines("o", "日本", "ppppp")].concat();
    let run = replay(&["--max-password-attempts", "2"], input.as_str());
    assert_eq!(run.code, 0);
    let (locks, totals) = run.stdout.split_once("\n\n").unwrap();
    let expected = "
 locked at              organization   user               factor     failures   refused
----------------------------------------------------------------------------------------
 2026-03-01T09:00:01Z   acme           ada@acme.example   password          2         1
 2026-03-01T09:00:01Z   o              日本               password          2         3";
    assert_eq!(locks, expected.trim_start_matches('\n'));

    let totals: Vec<_> =
        totals.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let expected = [
        "attempts 8",
        "granted 0",
        "rejected 4",
        "refused 4",
        "users locked 2",
        "users tracked 2",
        "out of order 2",
        "bad lines 0",
    ];
    assert_eq!(totals[..8], expected);
    assert!(totals[8].starts_with("time taken 0.") && totals[8].ends_with(" s"), "{totals:?}");
    assert!(totals[9].starts_with("attempts per second "), "{totals:?}");
    assert_eq!(totals.len(), 10);

    let nobody = replay(&[], input);
    assert!(nobody.stdout.starts_with("No user was locked.\n"), "{}", nobody.stdout);
}

#[test]
fn the_example_shows_a_lock() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/attempts.jsonl");
    let output = portcullis(&["replay", path, "--max-password-attempts", "5"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.matches("alan@acme").count(), 1, "{text}");
}
