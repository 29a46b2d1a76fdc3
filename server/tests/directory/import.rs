//! `portcullis import`.

use std::fmt::Write;
use std::fs;
use std::time::Instant;

use super::{Place, user};

const LINES: &str = r#"
{"org":"acme","name":"Acme"}
{"org":"acme","user":"ada","userName":"ada@acme","human":{"firstName":"Ada","lastName":"Lovelace","email":"ada@acme.example"}}
{"org":"acme","user":"job","userName":"job","machine":{"name":"Job"},"state":"inactive"}
{"org":"acme","user":"eve","userName":"eve","human":{},"state":"locked"}
"#;

#[test]
fn an_import_may_be_repeated() {
    let place = Place::new();
    fs::write(place.folder.path().join("users.jsonl"), LINES).unwrap();
    let rehearsed = place.json(&["import", "users.jsonl", "--dry-run"]);
    assert_eq!((&rehearsed["changed"], &rehearsed["dry_run"]), (&4.into(), &true.into()));
    assert_eq!(place.types().len(), 1);
    let first = place.json(&["import", "users.jsonl", "--actor", "hr"]);
    assert_eq!((&first["changed"], &first["unchanged"]), (&4.into(), &0.into()));
    let types = place.types();
    assert_eq!(
        types[1..],
        [
            "org.added",
            "user.human.added",
            "user.machine.added",
            "user.deactivated",
            "user.human.added",
            "user.locked"
        ]
    );
    let again = place.run_with(&["import", "-", "--output", "json"], LINES).json();
    assert_eq!((&again["changed"], &again["unchanged"]), (&0.into(), &4.into()));
    assert_eq!(place.types(), types);
    // Without a state who is there stays as is; with one it is done.
    let line =
        LINES.lines().nth(2).unwrap().replace('}', "},").replace("},},", "},\"state\":\"locked\"}");
    let locked = place.run_with(&["import", "-"], &line);
    assert_eq!(locked.code, 0, "{line} {}", locked.stderr);
    let first: Vec<_> = locked.stdout.split_whitespace().take(2).collect();
    assert_eq!(first, ["changed", "1"]);
    assert_eq!(place.json(&["locked"])["total"], 2);
}

#[test]
fn a_bad_line_ends_the_import_after_what_comes_before_it() {
    for (bad, part) in [
        ("{", "EOF"),
        (r#"{"org":"acme","name":"Other"}"#, "is there already with the name"),
        (r#"{"org":"acme","user":"bob","userName":"ada","machine":{}}"#, "is taken"),
        (r#"{"org":"none","user":"bob","userName":"bob","machine":{}}"#, "no organization none"),
        (r#"{"org":"acme","user":"ada","userName":"ada","human":{}}"#, "is there already with"),
        (r#"{"org":"acme","user":"bob","userName":"","machine":{}}"#, "must not be empty"),
    ] {
        let text = format!(
            "{}\n{}\n\n{bad}\n{}\n",
            r#"{"org":"acme","name":"Acme"}"#,
            r#"{"org":"acme","user":"ada","userName":"ada","machine":{}}"#,
            r#"{"org":"acme","user":"eve","userName":"eve","machine":{}}"#,
        );
        let place = Place::new();
        let run = place.run_with(&["import", "-"], &text);
        run.fails(2, part);
        assert!(run.stderr.contains("stdin: line 4, "), "{}", run.stderr);
        assert_eq!(run.stdout, "");
        assert_eq!(place.types().len(), 3, "{bad}");

        for dry_run in [&["--dry-run"][..], &[]] {
            let args = [&["import", "-", "--keep-going", "--output", "json"], dry_run].concat();
            let run = place.run_with(&args, &text);
            run.fails(2, part);
            assert!(run.stderr.contains("1 line was not imported"), "{}", run.stderr);
            let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
            assert_eq!(report["bad_lines"], 1);
            assert_eq!((&report["changed"], &report["unchanged"]), (&1.into(), &2.into()));
        }
        assert_eq!(place.types().len(), 4);
    }
    Place::new().run(&["import", "none.jsonl"]).fails(2, "cannot read none.jsonl");
}

#[test]
fn a_rehearsal_sees_what_the_lines_before_would_have_done() {
    let place = Place::new();
    let mut text = String::from("{\"org\":\"acme\",\"name\":\"Acme\"}\n");
    for number in 0..1_500 {
        let user = user(&format!("u{number}"));
        let line =
            format!(r#"{{"org":"acme","user":"{user}","userName":"{user}","machine":{{}}}}"#);
        writeln!(text, "{line}").unwrap();
    }
    text.push_str(r#"{"org":"acme","user":"other","userName":"u0","machine":{}}"#);
    for args in [&["import", "-", "--dry-run"][..], &["import", "-"]] {
        place.run_with(args, &text).fails(2, "line 1502, the user name \"u0\" is taken");
    }
}

#[test]
fn twenty_thousand_users_are_imported_quickly() {
    let place = Place::new();
    let mut text = String::from("{\"org\":\"acme\",\"name\":\"Acme\"}\n");
    for n in 0..20_000 {
        let human = r#"{"firstName":"A","lastName":"B","email":"a@b.example"}"#;
        writeln!(text, r#"{{"org":"acme","user":"{n}","userName":"name{n}","human":{human}}}"#)
            .unwrap();
    }
    let started = Instant::now();
    let run = place.run_with(&["import", "-", "--output", "json"], &text).json();
    let taken = started.elapsed();
    assert_eq!(run["changed"], 20_001);
    assert!(taken.as_secs() < 60, "{taken:?}");
    let started = Instant::now();
    let run = place.run_with(&["import", "-", "--output", "json"], &text).json();
    assert_eq!(run["unchanged"], 20_001);
    println!("{taken:?}, again {:?}", started.elapsed());
    assert_eq!(place.json(&["check"])["sound"], true);
}
