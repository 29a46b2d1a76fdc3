//! Flags, files, help and exit codes.

use std::fs;

use super::{Place, Run};

impl Run {
    /// It ends with that code and says so on stderr, beside its report.
    #[track_caller]
    pub(crate) fn fails_with_report(&self, code: i32, part: &str) {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        assert!(self.stderr.contains(part), "{}", self.stderr);
    }
}

/// Every command, as it would be typed on a journal.
const COMMANDS: [&[&str]; 12] = [
    &["policy", "show"],
    &["policy", "set", "--max-otp-attempts", "1"],
    &["policy", "reset", "--org", "acme"],
    &["policy", "list"],
    &["lock", "ada", "--org", "acme"],
    &["unlock", "ada"],
    &["locked"],
    &["status", "ada"],
    &["events"],
    &["check"],
    &["prune", "--older-than", "1d"],
    &["replay", "--journal", "portcullis.db"],
];

#[test]
fn a_mistyped_path_is_an_error_and_makes_no_file() {
    let place = Place::empty();
    for command in COMMANDS {
        let run = place.run(command);
        run.fails(2, "there is no journal at portcullis.db");
        assert!(fs::read_dir(place.folder.path()).unwrap().next().is_none(), "{command:?}");
    }
}

#[test]
fn what_is_no_journal_is_an_error_that_says_what_it_is() {
    for (content, part) in [(&b"hello"[..], "too short"), (&[7; 4096], "not an SQLite file")] {
        let place = Place::empty();
        fs::write(place.file(), content).unwrap();
        for command in COMMANDS {
            place.run(command).fails(2, part);
            assert_eq!(fs::read(place.file()).unwrap(), content, "{command:?}");
        }
    }
    let place = Place::empty();
    fs::write(place.file(), b"").unwrap();
    place.run(&["locked"]).fails(2, "the file is empty");
    let place = Place::empty();
    fs::create_dir(place.file()).unwrap();
    place.run(&["locked"]).fails(2, "it is a folder");
    let place = Place::empty();
    let other = rusqlite::Connection::open(place.file()).unwrap();
    other.execute_batch("CREATE TABLE t (x)").unwrap();
    drop(other);
    place.run(&["locked"]).fails(2, "another program's");
    place.run(&["locked", "--journal", "no/such/folder.db"]).fails(2, "no/such/folder.db");
}

#[test]
fn a_file_of_a_newer_version_is_refused() {
    let place = Place::new(1, 1);
    let newer = rusqlite::Connection::open(place.file()).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    drop(newer);
    for command in COMMANDS {
        place.run(command).fails(2, "its version is 99");
    }
}

#[test]
fn a_wrong_command_line_is_usage() {
    let place = Place::new(1, 1);
    for (args, part) in [
        (&["policy"][..], "Usage"),
        (&["policy", "set"], "--max-password-attempts"),
        (&["policy", "set", "--max-otp-attempts", "-1"], "unexpected argument"),
        (&["policy", "set", "--max-otp-attempts", "4294967296"], "4294967296"),
        (&["policy", "set", "--org", "a", "--create", "--show-failures"], "cannot be used with"),
        (&["policy", "set", "--instance", "a", "--show-failures"], "instance main, not to a"),
        (&["policy", "show", "--org", " a"], "white space"),
        (&["lock", "ada"], "--org"),
        (&["lock", "", "--org", "a"], "an id must not be empty"),
        (&["unlock", "--since", "soon"], "so long ago"),
        (&["locked", "--output", "xml"], "xml"),
        (&["status"], "<USER>"),
        (&["events", "--after", "x"], "--after"),
        (&["prune"], "--older-than"),
        (&["replay", "x.jsonl", "--journal", "portcullis.db"], "cannot be used with"),
        (&["locked", "--actor", "x"], "unexpected argument"),
    ] {
        place.run(args).fails(2, part);
    }
}

#[test]
fn help_shows_examples_and_the_exit_codes() {
    let place = Place::empty();
    for command in
        ["policy", "lock", "unlock", "locked", "status", "events", "check", "prune", "replay"]
    {
        for help in [&[command, "--help"][..], &["help", command]] {
            let run = place.run(help);
            assert_eq!(run.code, 0);
            assert!(run.stdout.contains(&format!("  portcullis {command}")), "{}", run.stdout);
            assert!(run.stdout.contains("3  refused by a rule"), "{}", run.stdout);
        }
    }
}

#[test]
fn the_environment_names_journal_and_actor() {
    let place = Place::new(1, 1);
    let elsewhere = Place::empty();
    let mut command = assert_cmd::cargo::cargo_bin_cmd!("portcullis");
    let done = command
        .current_dir(elsewhere.folder.path())
        .env("PORTCULLIS_JOURNAL", place.file())
        .env("PORTCULLIS_ACTOR", "night shift")
        .args(["lock", "ada", "--org", "acme"])
        .output()
        .unwrap();
    assert!(done.status.success());
    let trail = place.run(&["events", "--user", "ada", "--output", "json"]).lines();
    assert_eq!(trail[0]["actor"], "night shift");
}

/// A file and a folder that whoever runs the command cannot write. Root can write everything, so root
/// has somebody else run it.
#[cfg(unix)]
#[test]
fn a_journal_that_cannot_be_written_is_read_and_says_why_it_is_not_written() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::path::Path;
    use std::process::Command;

    let place = Place::new(3, 3);
    place.json(&["lock", "ada", "--org", "acme"]);
    let program = place.folder.path().join("portcullis");
    fs::copy(assert_cmd::cargo::cargo_bin!("portcullis"), &program).unwrap();
    let allow = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    allow(&place.file(), 0o444);
    allow(place.folder.path(), 0o555);
    let is_root = fs::metadata(place.folder.path()).unwrap().uid() == 0;
    let run = |args: &[&str]| {
        let mut command = if is_root {
            let mut other = Command::new("setpriv");
            other.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program);
            other
        } else {
            Command::new(&program)
        };
        let output = command.current_dir(&place.folder).args(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Run {
            code: output.status.code().unwrap(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    };
    assert_eq!(run(&["locked", "--output", "json"]).json()["total"], 1);
    assert_eq!(run(&["check"]).code, 0);
    assert_eq!(run(&["events", "--output", "json"]).lines().len(), 2);
    for writing in [
        &["unlock", "ada"][..],
        &["lock", "bob", "--org", "acme"],
        &["policy", "set", "--max-otp-attempts", "1"],
        &["prune", "--older-than", "0s"],
    ] {
        run(writing).fails(1, "readonly database");
    }
    assert_eq!(place.trail().len(), 2);
    allow(place.folder.path(), 0o755);
}
