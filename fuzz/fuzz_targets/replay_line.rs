//! Any bytes as a line of a replay: an attempt, or a reason with a column inside the line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_server::replay::line;

fuzz_target!(|bytes: &[u8]| {
    match line::parse(bytes) {
        Ok(attempt) => {
            // What is accepted is an object of text, and its ids are ids.
            let value: serde_json::Value = serde_json::from_slice(bytes).expect("accepted JSON");
            assert_eq!(value["user"].as_str(), Some(attempt.user.as_str()));
            assert_eq!(value["org"].as_str(), Some(attempt.org.as_str()));
        }
        Err(bad) => {
            assert!(bad.column >= 1 && bad.column <= bytes.len() + 1, "{bad}");
            assert!(!bad.reason.is_empty() && !bad.reason.contains(char::is_control));
        }
    }
});
