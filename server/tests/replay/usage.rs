//! Flags, files, help and exit codes.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use super::{file, lines, portcullis, replay};

/// Exit code, stdout and stderr of a command line.
fn run(args: &[&str]) -> (i32, String, String) {
    let output = portcullis(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn help_shows_an_example_and_the_exit_codes() {
    for args in [
        &["--help"][..],
        &["-h"],
        &["help"],
        &["replay", "--help"],
        &["replay", "-h"],
        &["help", "replay"],
    ] {
        let (code, help, _) = run(args);
        assert_eq!(code, 0, "{args:?}");
        for part in [
            "portcullis replay attempts.jsonl",
            "Exit codes:",
            "0  done",
            "1  fault",
            "2  bad input or usage",
            "3  refused by a rule",
        ] {
            assert!(help.contains(part), "{args:?}: {help}");
        }
    }
    let (code, version, _) = run(&["--version"]);
    assert_eq!((code, version), (0, format!("portcullis {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn the_policy_file_in_the_help_is_one() {
    let (_, help, _) = run(&["replay", "--help"]);
    let (_, example) = help.split_once("must be there):\n").unwrap();
    let (example, _) = example.split_once("\nExit codes").unwrap();
    let policy = file(example);
    let run = replay(
        &["--policy", policy.path().to_str().unwrap(), "--output", "json"],
        lines("acme", "ada", "ppp"),
    );
    assert_eq!(run.json()["totals"]["locked"], 1);
}

#[test]
fn a_wrong_command_line_is_usage() {
    for args in [
        &[][..],
        &["open"],
        &["replay", "--output", "xml"],
        &["replay", "--max-password-attempts", "-1"],
        &["replay", "--max-password-attempts", "4294967296"],
        &["replay", "--max-otp-attempts", "many"],
        &["replay", "--override", "acme"],
        &["replay", "--override", "acme=3"],
        &["replay", "--override", "=3/3"],
        &["replay", "--override", " acme=3/3"],
        &["replay", "--override", "acme=3/x"],
        &["replay", "--override", "acme=3/3", "--override", "acme=3/3"],
        &["replay", "--override", "acme=3/3", "--override", "b=1/1", "--override", "acme=4/4"],
        &["replay", "--max-otp-attempts", "1", "--max-otp-attempts", "1"],
        &["replay", "a", "b"],
    ] {
        let (code, stdout, stderr) = run(args);
        assert_eq!((code, stdout.as_str()), (2, ""), "{args:?}");
        assert!(!stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn a_file_that_is_not_there_or_no_file_is_bad_input() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing").to_str().unwrap().to_owned();
    let directory = directory.path().to_str().unwrap();
    let below_a_file = format!("{}/x", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    for path in [missing.as_str(), directory, &below_a_file] {
        for args in [&["replay", path][..], &["replay", "--policy", path]] {
            let (code, stdout, stderr) = run(args);
            assert_eq!((code, stdout.as_str()), (2, ""), "{args:?}");
            assert!(stderr.contains(&format!("cannot read {path}: ")), "{args:?}: {stderr}");
        }
    }
}

#[test]
fn a_wrong_policy_file_is_told_with_its_place() {
    for (text, place) in [
        ("max_password_attempts = 5\nmax_otp_attemps = 5\n", "line 2, column 1"),
        (
            "max_password_attempts = 5\n[overrides.acme]\nmax_password_attempts = 1.5\n",
            "line 3, column 25",
        ),
        ("max_password_attempts = \n", "line 1, column 25"),
        ("[overrides.acme]\nmax_password_attempts = 5\n", "line 1, column 1"),
    ] {
        let policy = file(text);
        let path = policy.path().to_str().unwrap();
        let (code, stdout, stderr) = run(&["replay", "--policy", path]);
        assert_eq!((code, stdout.as_str()), (2, ""), "{text}");
        assert!(stderr.contains(path) && stderr.contains(place), "{text}: {stderr}");
    }
}

#[test]
fn a_file_reads_as_stdin_does_and_its_name_is_in_messages() {
    let text = lines("acme", "ada", "ppp");
    let trace = file(&text);
    let path = trace.path().to_str().unwrap();
    let flags = ["--max-password-attempts", "2", "--output", "json"];
    let (code, from_file, stderr) = run(&[&["replay", path], &flags[..]].concat());
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert_eq!(from_file, replay(&flags, text.as_str()).stdout);
    fs::write(path, format!("{text}x\n")).unwrap();
    let (code, _, stderr) = run(&["replay", path]);
    assert_eq!(code, 2);
    assert!(stderr.starts_with(&format!("portcullis: {path}: line 4, column 1: ")), "{stderr}");
}

/// The input may be a pipe that nobody closes: a bad line must be told all the same.
#[test]
fn a_bad_line_is_told_while_more_may_come() {
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("portcullis"))
        .arg("replay")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"x\n").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2));
    drop(stdin);
}

/// `portcullis replay … | head -1`: a reader who has seen enough is no fault.
#[test]
fn a_closed_stdout_ends_quietly() {
    let input: String = (0..20_000).map(|n| lines("acme", &format!("user{n}"), "p")).collect();
    let trace = file(input);
    for output in ["table", "json"] {
        let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("portcullis"))
            .args(["replay", "--max-password-attempts", "1", "--output", output])
            .arg(trace.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_report_that_cannot_be_written_is_a_fault() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status = std::process::Command::new(assert_cmd::cargo::cargo_bin!("portcullis"))
        .arg("replay")
        .stdin(Stdio::null())
        .stdout(full)
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(1));
}
