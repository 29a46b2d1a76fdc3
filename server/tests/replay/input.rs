//! What may come in, and what happens if it may not.

use serde_json::json;

use super::{line, lines, replay, report};

const GOOD: &str = r#"{"at":"2026-03-01T09:00:00Z","org":"a","user":"ada","factor":"password","outcome":"failure"}"#;

/// Bad lines, with the column and a part of the reason.
fn bad_lines() -> Vec<(Vec<u8>, u32, &'static str)> {
    let text = |text: &str, column, reason| (text.as_bytes().to_vec(), column, reason);
    let with = |from: &str, to: &str, column, reason| {
        assert!(GOOD.contains(from), "{from}");
        text(&GOOD.replace(from, to), column, reason)
    };
    vec![
        text("nonsense", 2, "expected ident"),
        text("[]", 1, "invalid type: sequence"),
        text("{}", 2, "missing field `at`"),
        text("null", 4, "invalid type: null"),
        with(r#","outcome":"failure""#, "", 72, "missing field `outcome`"),
        with("09:00:00Z", "09:00:00", 27, "no RFC 3339 time"),
        with("03-01", "02-30", 28, "no time"),
        with(r#""a""#, r#""""#, 37, "an id must not be empty"),
        with("ada", "a\\u0007a", 56, "control characters"),
        with("ada", " ada", 52, "start or end with white space"),
        with(r#""ada""#, "7", 47, "invalid type: integer `7`, expected a user id"),
        with("password", "Password", 71, "unknown factor \"Password\""),
        with("failure", "fail", 88, "unknown outcome \"fail\""),
        with("}", r#","org":"b"}"#, 97, "duplicate field `org`"),
        with("}", "}}", 93, "trailing characters"),
        (b"{\"x\":\"\xc3\x28\"}".to_vec(), 7, "not UTF-8"),
        (vec![b' '; (1 << 20) + 1], (1 << 20) + 1, "longer than 1048576 bytes"),
    ]
}

#[test]
fn a_bad_line_ends_the_replay_without_a_report() {
    for (bad, column, reason) in bad_lines() {
        let input = [GOOD.as_bytes(), b"\n\n", &bad, b"\n", GOOD.as_bytes()].concat();
        for output in ["table", "json"] {
            let run = replay(&["--output", output], input.as_slice());
            assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{reason}");
            let place = format!("portcullis: stdin: line 3, column {column}: ");
            assert!(run.stderr.starts_with(&place), "{reason}: {}", run.stderr);
            assert!(run.stderr.contains(reason), "{reason}: {}", run.stderr);
            assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
        }
    }
}

#[test]
fn keep_going_tells_and_counts_every_bad_line_and_runs_the_others() {
    let mut input = Vec::new();
    for (bad, _, _) in bad_lines() {
        input.extend([GOOD.as_bytes(), b"\n", &bad, b"\n"].concat());
    }
    let count = bad_lines().len();
    let run = replay(&["--keep-going", "--output", "json", "--max-password-attempts", "3"], input);
    let report = run.json();
    assert_eq!(report["totals"]["bad_lines"], count);
    assert_eq!(report["totals"]["attempts"], count);
    assert_eq!(report["locks"][0]["refused"], count - 3);
    assert_eq!(run.stderr.lines().count(), count);
    for (index, line) in run.stderr.lines().enumerate() {
        assert!(line.contains(&format!(": line {}, column ", 2 * index + 2)), "{line}");
    }
}

#[test]
fn marks_blanks_and_line_ends_of_all_kinds_are_taken() {
    let text = lines("a", "ada", "ppp");
    let expected = report(&["--max-password-attempts", "2"], text.as_str());
    for same in [
        format!("\u{feff}{text}"),
        text.replace('\n', "\r\n"),
        format!("\n  \n\t\r\n{}\n \n", text.replace('\n', "\n\n")),
        text.trim_end().to_owned(),
        format!("\u{feff}\r\n{}", text.replace('\n', " \r\n\r\n")),
    ] {
        assert_eq!(report(&["--max-password-attempts", "2"], same.as_str()), expected, "{same:?}");
        assert_eq!(report(&["-", "--max-password-attempts", "2"], same), expected);
    }
    for nothing in ["", "\n", "\u{feff}", "\r\n  "] {
        assert_eq!(report(&[], nothing)["totals"]["attempts"], 0, "{nothing:?}");
    }
    assert_eq!(replay(&[], "\n\u{feff}\n").code, 2);
}

#[test]
fn a_line_up_to_the_limit_is_read() {
    let padding = (1 << 20) - GOOD.len();
    for padded in [
        format!("{GOOD}{}", " ".repeat(padding)),
        GOOD.replace('}', &format!(r#","x":"{}"}}"#, "x".repeat(padding - 7))),
    ] {
        assert_eq!(padded.len(), 1 << 20);
        assert_eq!(report(&[], format!("{padded}\r\n"))["totals"]["attempts"], 1);
        assert_eq!(replay(&[], format!("{padded} \r\n")).code, 2);
    }
}

#[test]
fn fields_that_do_not_matter_may_hold_anything() {
    let fields = r#""source":{"at":[null,-1e3,"\ud800"]},"source":"","At":7,"":{},"#;
    let strange = GOOD.replace('{', &format!("{{{fields}"));
    assert_eq!(report(&[], strange)["totals"]["attempts"], 1);
    let deep = format!(r#"{{"x":{}{},"#, "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(report(&[], GOOD.replacen('{', &deep, 1))["totals"]["attempts"], 1);
}

#[test]
fn ids_are_compared_byte_for_byte_after_escapes_are_resolved() {
    let input = [
        line(0, "a", "ada", "password", "failure"),
        line(1, "\\u0061", "\\u0061da", "password", "failure").replace("\\\\", "\\"),
        line(2, "a", "Ada", "password", "failure"),
        line(3, "a", "é", "password", "failure"),
        line(4, "a", "e\u{301}", "password", "failure"),
    ];
    let report = report(&["--max-password-attempts", "2"], input.concat());
    assert_eq!(report["locks"].as_array().unwrap().len(), 1);
    assert_eq!(report["locks"][0]["user"], "ada");
    assert_eq!(report["totals"]["tracked"], json!(4));
}

#[test]
fn many_batches_make_one_trace() {
    let input: String = (0..20_000)
        .map(|n| line(n / 1_000, "a", &format!("user{}", n % 7), "password", "failure"))
        .collect();
    let report = report(&["--max-password-attempts", "1000"], input);
    let totals = &report["totals"];
    assert_eq!([&totals["rejected"], &totals["refused"], &totals["locked"]], [7_000, 13_000, 7]);
}
