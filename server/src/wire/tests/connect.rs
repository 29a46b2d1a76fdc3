//! Connect.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use http::StatusCode;
use prost::Message;
use serde_json::json;

use super::send;
use crate::proto::zitadel::management::v1::{
    AddCustomLockoutPolicyRequest, AddCustomLockoutPolicyResponse,
};
use crate::proto::zitadel::v1::ErrorDetail;

const ADD: &str = "POST /zitadel.management.v1.ManagementService/AddCustomLockoutPolicy";
const LOCK: &str = "POST /zitadel.management.v1.ManagementService/LockUser";
const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");

#[tokio::test]
async fn a_message_is_json_or_protobuf() {
    let got =
        send(ADD, &[JSON, ("connect-protocol-version", "1")], r#"{"maxOtpAttempts":2}"#).await;
    assert_eq!(got.status, StatusCode::OK);
    assert_eq!(got.json(), json!({"details": {"resourceOwner": "(0, 2)"}}));

    let request = AddCustomLockoutPolicyRequest { max_password_attempts: 7, max_otp_attempts: 0 };
    let got = send(ADD, &[("content-type", "application/proto")], request.encode_to_vec()).await;
    assert_eq!(got.header("content-type"), "application/proto");
    let response = AddCustomLockoutPolicyResponse::decode(got.body.as_slice()).unwrap();
    assert_eq!(response.details.unwrap().resource_owner, "(7, 0)");
}

#[tokio::test]
async fn an_error_has_its_detail_in_base64() {
    let got = send(LOCK, &[JSON], r#"{"id":"missing"}"#).await;
    assert_eq!(got.status, StatusCode::NOT_FOUND);
    let body = got.json();
    assert_eq!(body["code"], "not_found");
    assert_eq!(body["message"], "User could not be found (COMMAND-5M9fs)");
    assert_eq!(body["details"][0]["type"], "zitadel.v1.ErrorDetail");
    let value = STANDARD_NO_PAD.decode(body["details"][0]["value"].as_str().unwrap()).unwrap();
    let expected = ErrorDetail {
        id: "COMMAND-5M9fs".to_owned(),
        message: "User could not be found".to_owned(),
    };
    assert_eq!(ErrorDetail::decode(value.as_slice()).unwrap(), expected);

    let got = send(LOCK, &[JSON], r#"{"id":"nobody"}"#).await;
    assert_eq!(got.json(), json!({"code": "unauthenticated", "message": "auth header missing"}));
    assert_eq!(got.header("www-authenticate"), "auth header missing");
}

/// What is sent, the status and the code.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [u8], u16, &'a str);

#[tokio::test]
async fn whatever_goes_wrong_is_told_in_connects_form() {
    let big = format!("{{\"x\":\"{}\"}}", "y".repeat(5000));
    let lock = LOCK.replace("POST", "GET");
    let version = [JSON, ("connect-protocol-version", "2")];
    let coding = [JSON, ("content-encoding", "gzip")];
    let timeout = [JSON, ("connect-timeout-ms", "1")];
    let proto = [("content-type", "application/proto")];
    let cases: [Case; 10] = [
        (&lock, &[JSON], b"", 405, "unimplemented"),
        (LOCK, &[], b"{}", 415, "unimplemented"),
        (LOCK, &[("content-type", "text/plain")], b"{}", 415, "unimplemented"),
        (LOCK, &version, b"{}", 400, "invalid_argument"),
        (LOCK, &coding, b"{}", 501, "unimplemented"),
        (LOCK, &[JSON], b"{", 400, "invalid_argument"),
        (LOCK, &proto, b"\xff", 400, "invalid_argument"),
        (LOCK, &[JSON], big.as_bytes(), 413, "resource_exhausted"),
        (LOCK, &[JSON], br#"{"id":"panic"}"#, 500, "internal"),
        (LOCK, &timeout, br#"{"id":"slow"}"#, 504, "deadline_exceeded"),
    ];
    for (line, headers, body, status, code) in cases {
        let got = send(line, headers, body.to_vec()).await;
        let what = format!("{line} {headers:?}");
        assert_eq!((got.status.as_u16(), &got.json()["code"]), (status, &json!(code)), "{what}");
    }
    assert_eq!(send(&lock, &[JSON], "").await.header("allow"), "POST");
}
