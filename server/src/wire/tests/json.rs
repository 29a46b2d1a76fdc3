//! Messages as JSON.

use prost_reflect::MessageDescriptor;
use serde_json::{Value, json};

use crate::wire::call::DESCRIPTORS;
use crate::wire::json;

fn kind(name: &str) -> MessageDescriptor {
    DESCRIPTORS.get_message_by_name(name).unwrap()
}

fn read(name: &str, text: &str) -> Result<Vec<u8>, String> {
    json::read(&kind(name), text.as_bytes()).map_err(|error| error.to_string())
}

/// Reads a message and writes it again.
fn again(name: &str, text: &str) -> Value {
    let message = read(name, text).unwrap();
    let text = json::write(&kind(name), &message).unwrap();
    serde_json::from_slice(&text).unwrap()
}

const ADD: &str = "zitadel.management.v1.AddCustomLockoutPolicyRequest";
const POLICY: &str = "zitadel.policy.v1.LockoutPolicy";
const DETAILS: &str = "zitadel.object.v2.Details";
const LIST: &str = "zitadel.user.v2.ListUsersRequest";

#[test]
fn numbers_names_and_defaults() {
    let cases = [
        (ADD, "", json!({})),
        (ADD, " \n", json!({})),
        (ADD, "{}", json!({})),
        (ADD, r#"{"maxPasswordAttempts":0}"#, json!({})),
        (ADD, r#"{"maxPasswordAttempts":3}"#, json!({"maxPasswordAttempts": 3})),
        (ADD, r#"{"max_password_attempts":3}"#, json!({"maxPasswordAttempts": 3})),
        (ADD, r#"{"maxPasswordAttempts":"3"}"#, json!({"maxPasswordAttempts": 3})),
        (ADD, r#"{"maxPasswordAttempts":3.0}"#, json!({"maxPasswordAttempts": 3})),
        (ADD, r#"{"maxPasswordAttempts":1e1}"#, json!({"maxPasswordAttempts": 10})),
        (ADD, r#"{"maxPasswordAttempts":null}"#, json!({})),
        (ADD, r#"{"maxOtpAttempts":4294967295}"#, json!({"maxOtpAttempts": 4_294_967_295_u32})),
        (ADD, r#"{"nobody":{"knows":[1]},"maxOtpAttempts":1}"#, json!({"maxOtpAttempts": 1})),
        (POLICY, r#"{"maxOtpAttempts":7}"#, json!({"maxOtpAttempts": "7"})),
        (
            POLICY,
            r#"{"maxOtpAttempts":"18446744073709551615","isDefault":true}"#,
            json!({"maxOtpAttempts": "18446744073709551615", "isDefault": true}),
        ),
        (POLICY, r#"{"isDefault":false,"details":{}}"#, json!({"details": {}})),
    ];
    for (name, text, expected) in cases {
        assert_eq!(again(name, text), expected, "{text}");
    }
}

#[test]
fn times_are_utc_with_as_many_digits_as_needed() {
    let cases = [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05.1Z", "2026-01-02T03:04:05.100Z"),
        ("2026-01-02T03:04:05.123456Z", "2026-01-02T03:04:05.123456Z"),
        ("2026-01-02T03:04:05.000000001Z", "2026-01-02T03:04:05.000000001Z"),
        ("2026-01-02T05:04:05+02:00", "2026-01-02T03:04:05Z"),
    ];
    for (text, expected) in cases {
        let text = json!({ "changeDate": text }).to_string();
        assert_eq!(again(DETAILS, &text), json!({ "changeDate": expected }));
    }
}

#[test]
fn enums_are_names_and_queries_may_be_nested() {
    let text = r#"{"sortingColumn":1,"queries":[
        {"stateQuery":{"state":"USER_STATE_LOCKED"}},
        {"not_query":{"query":{"inUserIdsQuery":{"userIds":["a"]}}}}]}"#;
    let expected = json!({
        "sortingColumn": "USER_FIELD_NAME_USER_NAME",
        "queries": [
            {"stateQuery": {"state": "USER_STATE_LOCKED"}},
            {"notQuery": {"query": {"inUserIdsQuery": {"userIds": ["a"]}}}},
        ],
    });
    assert_eq!(again(LIST, text), expected);
}

#[test]
fn what_is_no_message_is_refused() {
    let deep = "[".repeat(10_000);
    let wrong = [
        r#"{"maxPasswordAttempts":4294967296}"#,
        r#"{"maxPasswordAttempts":-1}"#,
        r#"{"maxPasswordAttempts":3.5}"#,
        r#"{"maxPasswordAttempts":true}"#,
        r#"{"maxPasswordAttempts":""}"#,
        r#"{"maxPasswordAttempts":[3]}"#,
        r#"{"maxPasswordAttempts":3} {}"#,
        r#"{"maxPasswordAttempts":3"#,
        "[]",
        "null",
        "3",
        "\u{feff}{}",
        &deep,
    ];
    for text in wrong {
        assert!(read(ADD, text).is_err(), "{text}");
    }
    assert!(json::read(&kind(LIST), b"{\"queries\":[{\"loginNameQuery\":\"\xff\"}]}").is_err());
}
