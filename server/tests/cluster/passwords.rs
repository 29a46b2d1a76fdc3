//! The password of the database is nowhere in what is said.

use super::node::{Node, Place};
use super::{database, until};

const SECRET: &str = "hunter2";

#[test]
fn the_password_of_the_database_is_never_said() {
    let Some(url) = database() else { return };
    // The server asks for none; the URL has one all the same.
    let with = |url: &str| url.replacen("postgres@", &format!("postgres:{SECRET}@"), 1);
    let (url, nowhere) = (with(&url), with("postgres://postgres@127.0.0.1:1/db"));
    let place = Place::on(&url);
    place.run(&["policy", "set", "--create", "--max-password-attempts", "3"]).done();
    let toml = format!("journal = \"{url}\"\n");
    std::fs::write(place.folder.path().join("settings.toml"), toml).unwrap();
    for journal in
        [&url, &nowhere, &format!("{url}?sslmode=maybe"), &format!("{nowhere}?password={SECRET}")]
    {
        let place = Place { folder: tempfile::tempdir().unwrap(), journal: journal.clone() };
        for args in [
            &["config"][..],
            &["config", "--output", "json"],
            &["config", "--journal", journal],
            &["status", "ada"],
            &["check", journal],
            &["replay", journal],
            &["import", journal],
            &["config", "--config", journal],
            &["status", "ada", "--journal", journal, "--wrong"],
            &["status", "--help"],
            &["serve", "--help"],
            &["replay", "--help"],
            &["replay", "--journal", journal],
            &["token", "list"],
            &["events", "--journal", journal],
            &["prune", "--older-than", "1d"],
        ] {
            let run = place.run(args);
            assert!(
                !run.stdout.contains(SECRET) && !run.stderr.contains(SECRET),
                "{args:?}: {run:?}"
            );
        }
        for level in ["trace", "info"] {
            let serve = ["serve", "--listen", "192.0.2.1:1", "--log-level", level];
            let run = place.run(&serve);
            assert!(!run.stdout.contains(SECRET) && !run.stderr.contains(SECRET), "{run:?}");
        }
    }
    let config = place.run(&["config", "--config", "settings.toml", "--output", "json"]).done();
    assert!(!config.contains(SECRET), "{config}");
    let node = Node::start(&url, &["--log-level", "trace"]);
    let token = place.token();
    until("the token to be known", || node.knows(&token) == 200);
    let log = node.log();
    assert!(log.contains("postgres@127.0.0.1") && !log.contains(SECRET), "{log}");
    assert!(!node.said.contains(SECRET));
    node.stop();
}
