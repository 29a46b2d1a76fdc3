//! Settings: where each comes from, and what is wrong with one.

use serde_json::Value;

use super::{Place, Run};

/// The value of a setting and where it comes from.
fn setting(run: &Run, key: &str) -> (String, String) {
    assert_eq!(run.code, 0, "{}", run.stderr);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let rows = report["settings"].as_array().unwrap();
    let row = rows.iter().find(|row| row["setting"] == key).unwrap();
    let text = |name: &str| row[name].as_str().map(String::from);
    let from = [text("from"), text("name"), row["line"].as_u64().map(|line| line.to_string())];
    let from: Vec<_> = from.into_iter().flatten().collect();
    (text("value").unwrap_or_default(), from.join(" "))
}

const CONFIG: [&str; 3] = ["config", "--output", "json"];

#[test]
fn flag_goes_before_environment_before_file_before_default() {
    let flag = ["--max-body", "1KiB"];
    let variable = [("PORTCULLIS_MAX_BODY", "2KiB")];
    let file = "# mine\nmax_body = \"3KiB\"\n";
    for (flag, variable, file, value, from) in [
        (&flag[..], &variable[..], file, "1KiB", "flag --max-body"),
        (&flag, &[], file, "1KiB", "flag --max-body"),
        (&flag, &[], "", "1KiB", "flag --max-body"),
        (&[], &variable, file, "2KiB", "environment PORTCULLIS_MAX_BODY"),
        (&[], &variable, "", "2KiB", "environment PORTCULLIS_MAX_BODY"),
        (&[], &[], file, "3KiB", "file portcullis.toml 2"),
        (&[], &[("PORTCULLIS_MAX_BODY", "")], file, "3KiB", "file portcullis.toml 2"),
        (&[], &[], "", "1MiB", "default"),
    ] {
        let place = Place::new();
        place.write("portcullis.toml", file);
        let run = place.run_with(&[&CONFIG[..], flag].concat(), variable);
        assert_eq!(setting(&run, "max_body"), (value.into(), from.into()));
        assert_eq!(setting(&run, "log_level"), ("info".into(), "default".into()));
    }
    let run = Place::new().run(&CONFIG);
    assert_eq!(setting(&run, "tls_key"), (String::new(), "default".into()));
}

#[test]
fn a_file_that_is_named_is_read_in_place_of_the_usual_one() {
    let place = Place::new();
    place.write("portcullis.toml", "max_otp_attempts = 1");
    place.write("other.toml", "max_password_attempts = 2");
    for (args, variables) in [
        (&["--config", "other.toml"][..], &[][..]),
        (&[], &[("PORTCULLIS_CONFIG", "other.toml")]),
        (&["--config", "other.toml"], &[("PORTCULLIS_CONFIG", "none.toml")]),
    ] {
        let run = place.run_with(&[&CONFIG[..], args].concat(), variables);
        let from = "file other.toml 1".into();
        assert_eq!(setting(&run, "max_password_attempts"), ("2".into(), from));
        assert_eq!(setting(&run, "max_otp_attempts"), ("10".into(), "default".into()));
    }
    place.run(&["config", "--config", "none.toml"]).fails(2, "cannot read none.toml");
}

#[test]
fn a_bad_value_is_told_with_its_place() {
    for (text, part) in [
        ("max_body = \"1MB\"", "portcullis.toml: line 1, column 12: max_body: \"1MB\" is no size"),
        (
            "\n\nlisten = \"here\"",
            "portcullis.toml: line 3, column 10: listen: \"here\" is no address",
        ),
        ("max_connections = 0", "portcullis.toml: line 1, column 19: max_connections: \"0\""),
        ("max_pasword_attempts = 1", "portcullis.toml: line 1, column 1: there is no setting"),
        (
            "max-body = 1",
            "line 1, column 1: there is no setting \"max-body\"; it is called max_body",
        ),
        ("max_body = ", "portcullis.toml: line 1, column"),
        ("request_timeout = 0", "line 1, column 19: request_timeout: \"0\" leaves no time"),
        ("max_buffered = \"1MiB\"", "max_buffered is too small for one max_body"),
        ("max_header = 1", "line 1, column 14: max_header: \"1\" is not between 8KiB and 16MiB"),
        ("trusted_proxies = \"a\"", "line 1, column 19: trusted_proxies: \"a\" has \"a\" in it"),
        ("forwarded_header = \"x\"", "line 1, column 20: forwarded_header: \"x\" is no header"),
        ("journal = \"\"", "line 1, column 11: journal: \"\" names no file"),
    ] {
        let place = Place::new();
        place.write("portcullis.toml", text);
        place.run(&["config"]).fails(2, part);
        place.run(&["serve"]).fails(2, part);
    }
    let place = Place::new();
    let run = place.run_with(&["config"], &[("PORTCULLIS_LOG_LEVEL", "loud")]);
    run.fails(2, "PORTCULLIS_LOG_LEVEL: \"loud\" is no level");
    let flag = ["serve", "--shutdown-timeout", "soon"];
    place.run(&flag).fails(2, "--shutdown-timeout: \"soon\" is no time");
    place.run(&["serve", "--max-bdy", "1"]).fails(2, "--max-bdy");
}

#[test]
fn a_server_takes_its_settings_from_all_three() {
    let place = Place::new();
    place.write("portcullis.toml", "max_password_attempts = 4\nlisten = \"no matter\"\n");
    let mut server = place.serve(&["--journal", "portcullis.db"]);
    assert_eq!(server.limit(), "4");
    server.stop();
}

#[test]
fn the_table_is_for_people() {
    let place = Place::new();
    place.write("portcullis.toml", "\nlog_format = \"json\"");
    let run = place.run(&["config", "--show-failures"]);
    let words = |line: &str| line.split_whitespace().map(String::from).collect::<Vec<_>>();
    let lines: Vec<_> = run.stdout.lines().map(words).collect();
    assert_eq!(lines[0], ["setting", "value", "from"]);
    assert!(lines.contains(&words("log_format json file portcullis.toml, line 2")), "{lines:?}");
    assert!(lines.contains(&words("show_failures true flag --show-failures")), "{lines:?}");
    assert!(lines.contains(&words("tls_key - default")), "{lines:?}");
}
