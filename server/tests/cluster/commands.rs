//! Every command on a file and on a database: the same output.

use super::database;
use super::node::Place;

const PEOPLE: &str = r#"{"org":"acme","name":"Acme"}
{"org":"acme","user":"ada","userName":"ada@acme","human":{"firstName":"Ada"}}
{"org":"acme","user":"bob","userName":"bob@acme","human":{},"state":"locked"}
{"org":"acme","user":"ci","userName":"ci","machine":{"name":"CI"},"state":"inactive"}
"#;

const AGAIN: &str = r#"{"org":"acme","user":"ada","userName":"other","human":{}}
{"org":"none","user":"eve","userName":"eve","human":{}}
not JSON
"#;

/// The commands in their order, and what they read.
const COMMANDS: &[(&[&str], &str)] = &[
    (&["status", "ada"], ""),
    (&["policy", "set", "--create", "--max-password-attempts", "5"], ""),
    (&["policy", "set", "--create", "--max-password-attempts", "5"], ""),
    (&["policy", "set", "--org", "acme", "--max-password-attempts", "3"], ""),
    (&["policy", "show"], ""),
    (&["policy", "show", "--org", "acme"], ""),
    (&["policy", "list"], ""),
    (&["policy", "reset", "--org", "acme"], ""),
    (&["policy", "reset", "--org", "acme"], ""),
    (&["import", "-", "--dry-run"], PEOPLE),
    (&["import", "-"], PEOPLE),
    (&["import", "-"], PEOPLE),
    (&["import", "-", "--keep-going"], AGAIN),
    (&["token", "create", "--user", "ops", "--org", "ops", "--role", "IAM_OWNER"], ""),
    (&["token", "create", "--user", "ops", "--org", "acme", "--role", "IAM_OWNER"], ""),
    (&["token", "list"], ""),
    (&["token", "revoke", "1"], ""),
    (&["lock", "ada", "--org", "acme"], ""),
    (&["lock", "ada", "--org", "acme"], ""),
    (&["lock", "ada", "--org", "other"], ""),
    (&["locked"], ""),
    (&["locked", "--count"], ""),
    (&["status", "ada"], ""),
    (&["unlock", "--org", "acme", "--dry-run"], ""),
    (&["unlock", "ada", "nobody", "--reason", "called"], ""),
    (&["locked", "--org", "acme"], ""),
    (&["events"], ""),
    (&["events", "--type", "user.*", "--org", "acme"], ""),
    (&["check"], ""),
    (&["prune", "--older-than", "2000-01-01"], ""),
    (&["prune", "--older-than", "0s"], ""),
    (&["events", "--after", "1"], ""),
    (&["token", "list"], ""),
    (&["check"], ""),
    (&["status", "bob"], ""),
];

/// What differs from one run to the next is told by its form: times, and numbers of many digits.
fn alike(text: &str, journal: &str) -> String {
    let shown = journal.replacen(":hidden@", "@", 1);
    let text = text.replace(&shown, "JOURNAL");
    let words = text.split_inclusive([' ', '\n', '"', ',']).map(|word| {
        let digits = word.chars().filter(char::is_ascii_digit).count();
        if digits >= 12 { "#" } else { word }
    });
    let words: String = words.collect();
    // The width of a table's lines follows from theirs.
    let lines = words.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.map(|line| line.trim_matches('-').to_owned()).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_command_says_of_a_database_what_it_says_of_a_file() {
    let Some(url) = database() else { return };
    for output in ["table", "json"] {
        // A database for each, as there is a file for each.
        let url = if output == "table" { url.clone() } else { database().unwrap() };
        let places = [Place::on("portcullis.db"), Place::on(&url)];
        for (args, input) in COMMANDS {
            let args = [args, &["--output", output][..]].concat();
            let [file, database] = [0, 1].map(|number: usize| {
                let place = &places[number];
                let run = place.run_with(&args, input);
                let alike = |text: &str| alike(text, &place.journal);
                (run.code, alike(&run.stdout), alike(&run.stderr))
            });
            if args[0] == "status" && file.0 == 2 {
                // There is no journal yet, and each says that in its own words.
                assert!(file.2.starts_with("portcullis: there is no journal at JOURNAL: "));
                assert!(database.2.starts_with("portcullis: there is no journal at JOURNAL: "));
                assert_eq!(database.0, 2);
                continue;
            }
            assert_eq!(file, database, "{args:?}");
        }
    }
}

#[test]
fn a_trail_is_replayed_and_followed_from_a_database() {
    let Some(url) = database() else { return };
    let place = Place::on(&url);
    place.run(&["policy", "set", "--create", "--max-password-attempts", "5"]).done();
    let replay = ["replay", "--journal", &url, "--max-password-attempts", "1"];
    let report = place.run(&replay).done();
    assert!(report.contains("attempts"), "{report}");
    let mut follow = place.command(&["events", "--follow", "--output", "json"]);
    let mut following = follow.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufReader::new(following.stdout.take().unwrap());
    let mut next = || {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut lines, &mut line).unwrap();
        serde_json::from_str::<serde_json::Value>(&line).unwrap()["type"].clone()
    };
    assert_eq!(next(), "instance.policy.lockout.added");
    for _ in 0..3 {
        place.run(&["lock", "ada", "--org", "acme"]).done();
        assert_eq!(next(), "user.locked");
        place.run(&["unlock", "ada"]).done();
        assert_eq!(next(), "user.unlocked");
    }
    following.kill().unwrap();
    following.wait().unwrap();
}
