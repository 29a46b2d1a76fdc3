//! Any bytes as a line of a replay: an attempt, or a reason with a column inside the line.
#![no_main]

use libfuzzer_sys::fuzz_target;

/// The parser's own files: a crate that depends on the server would build all of it with the fuzzer's
/// flags, to reach these.
#[path = "../../server/src/replay"]
mod replay {
    #[allow(dead_code)]
    pub mod line;
}
use replay::line;

/// The ids again, by a plain derive. Other fields are passed over by both, so that an escape in one
/// of them may be nonsense.
#[derive(serde::Deserialize)]
struct Ids {
    org: String,
    user: String,
}

fuzz_target!(|bytes: &[u8]| {
    match line::parse(bytes) {
        Ok(attempt) => {
            let ids: Ids = serde_json::from_slice(bytes).expect("what was accepted is JSON");
            assert_eq!(ids.user, attempt.user);
            assert_eq!(ids.org, attempt.org);
        }
        Err(bad) => {
            assert!(bad.column >= 1 && bad.column <= bytes.len() + 1, "{bad}");
            assert!(!bad.reason.is_empty() && !bad.reason.contains(char::is_control));
        }
    }
});
