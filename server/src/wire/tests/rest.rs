//! REST: routing, fields from everywhere, and errors.

use http::StatusCode;
use serde_json::json;

use super::send;

const LOCKOUT: &str = "/management/v1/policies/lockout";

#[tokio::test]
async fn an_answer_is_json_that_nobody_keeps() {
    let got = send(&format!("GET {LOCKOUT}"), &[("accept", "text/html")], "").await;
    assert_eq!(got.status, StatusCode::OK);
    let expected = json!({"policy": {
        "details": {
            "sequence": "18446744073709551615",
            "creationDate": "2026-01-02T03:03:04.123456Z",
            "changeDate": "2026-01-02T03:03:04Z",
            "resourceOwner": "org",
        },
        "maxPasswordAttempts": "5",
    }});
    assert_eq!(got.json(), expected);
    assert_eq!(got.header("cache-control"), "no-store");
    assert_eq!(got.header("pragma"), "no-cache");
    assert!(got.header("expires").ends_with(" GMT"), "{:?}", got.headers);
}

#[tokio::test]
async fn a_body_is_json_whatever_its_type_says() {
    for content_type in ["application/json", "text/plain", "application/x-www-form-urlencoded"] {
        let body = r#"{"maxPasswordAttempts":5,"max_otp_attempts":"3"}"#;
        let headers = [("content-type", content_type)];
        let got = send(&format!("POST {LOCKOUT}"), &headers, body).await;
        assert_eq!(got.json(), json!({"details": {"resourceOwner": "(5, 3)"}}));
    }
    let got = send(&format!("POST {LOCKOUT}"), &[], "").await;
    assert_eq!(got.json(), json!({"details": {"resourceOwner": "(0, 0)"}}));
}

#[tokio::test]
async fn a_path_may_have_a_field() {
    let headers = [("x-zitadel-orgid", "o"), ("authorization", "a"), ("authorization", "b")];
    let cases = [
        ("/management/v1/users/7/_lock", r#"7 Some("o") ["a", "b"]"#),
        ("/management/v1/users/%C3%A9%2F+/_lock", r#"é/+ Some("o") ["a", "b"]"#),
        ("/management/v1/users//_lock", r#" Some("o") ["a", "b"]"#),
    ];
    for (path, owner) in cases {
        // The path's id goes before the body's.
        let got = send(&format!("POST {path}"), &headers, r#"{"id":"other"}"#).await;
        assert_eq!(got.json(), json!({"details": {"resourceOwner": owner}}), "{path}");
    }
    let got = send("POST /management/v1/users/7/_lock", &[("x-zitadel-orgid", "")], "").await;
    assert_eq!(got.json(), json!({"details": {"resourceOwner": "7 None []"}}));

    let got = send("GET /management/v1/users/_search", &[], "").await;
    assert_eq!(got.json(), json!({"user": {"id": "_search"}}));
}

#[tokio::test]
async fn a_query_is_a_message() {
    let cases = [
        ("", "None"),
        ("?", "None"),
        ("?ctx.orgId=1", r#"Some(OrgId("1"))"#),
        ("?ctx.org_id=%C3%A9+1", r#"Some(OrgId("é 1"))"#),
        ("?ctx.instance=true", "Some(Instance(true))"),
        ("?ctx.instance=0", "Some(Instance(false))"),
        ("?nobody.knows=1&ctx.nobody=2&", "None"),
    ];
    for (query, owner) in cases {
        let got = send(&format!("GET /v2/settings/lockout{query}"), &[], "").await;
        assert_eq!(got.json(), json!({"details": {"resourceOwner": owner}}), "{query}");
    }
    let wrong = [
        "?ctx.instance=yes",
        "?ctx.instance=",
        "?ctx.orgId=1&ctx.orgId=1",
        "?ctx.orgId=1&ctx.instance=true",
        "?ctx=1",
        "?ctx.orgId.x=1",
        "?ctx.orgId=%FF",
    ];
    for query in wrong {
        let got = send(&format!("GET /v2/settings/lockout{query}"), &[], "").await;
        assert_eq!(
            (got.status, &got.json()["code"]),
            (StatusCode::BAD_REQUEST, &json!(3)),
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_message_of_v2beta_has_the_fields_of_v2beta() {
    let user = json!({"userId": "1", "state": "USER_STATE_LOCKED", "human": {}});
    assert_eq!(send("GET /v2beta/users/1", &[], "").await.json(), json!({"user": user}));
    let got = send("GET /v2/users/1", &[], "").await.json();
    assert_eq!(got["user"]["human"]["mfaInitSkipped"], "1970-01-01T00:00:01Z");
}

#[tokio::test]
async fn errors_have_a_code_a_text_and_a_detail() {
    let got = send("POST /management/v1/users/missing/_lock", &[], "").await;
    let expected = json!({
        "code": 5,
        "message": "User could not be found (COMMAND-5M9fs)",
        "details": [{
            "@type": "type.googleapis.com/zitadel.v1.ErrorDetail",
            "id": "COMMAND-5M9fs",
            "message": "User could not be found",
        }],
    });
    assert_eq!((got.status, got.json()), (StatusCode::NOT_FOUND, expected));

    let got = send("POST /management/v1/users/nobody/_lock", &[], "").await;
    assert_eq!(got.json(), json!({"code": 16, "message": "auth header missing"}));
    assert_eq!(got.status, StatusCode::UNAUTHORIZED);
    assert_eq!(got.header("www-authenticate"), "auth header missing");
}

#[tokio::test]
async fn whatever_goes_wrong_is_told_in_json() {
    let big = format!("{{\"x\":\"{}\"}}", "y".repeat(5000));
    let cases: [(&str, &[u8], u16, u8); 13] = [
        ("GET /", b"", 404, 5),
        ("GET /v2/settings/lockout/", b"", 404, 5),
        ("POST /v3/users", b"{}", 404, 5),
        ("POST /zitadel.user.v2.UserService/Nothing", b"{}", 404, 5),
        ("PATCH /management/v1/policies/lockout", b"", 405, 12),
        ("POST /v2/settings/lockout", b"", 405, 12),
        ("POST /management/v1/policies/lockout", b"{", 400, 3),
        ("POST /management/v1/policies/lockout", b"{\"x\":\"\xff\"}", 400, 3),
        ("POST /management/v1/policies/lockout", b"{\"maxOtpAttempts\":4294967296}", 400, 3),
        ("POST /management/v1/users/%FF/_lock", b"", 400, 3),
        ("POST /management/v1/policies/lockout", big.as_bytes(), 413, 8),
        ("POST /management/v1/users/panic/_lock", b"", 500, 13),
        ("POST /management/v1/users/slow/_lock", b"", 504, 4),
    ];
    for (line, body, status, code) in cases {
        let got = send(line, &[], body.to_vec()).await;
        assert_eq!((got.status.as_u16(), &got.json()["code"]), (status, &json!(code)), "{line}");
    }
    let got = send("GET /nowhere", &[], "").await;
    assert_eq!(got.json(), json!({"code": 5, "message": "Not Found"}));
    let got = send("PUT /v2/settings/lockout", &[], "").await;
    assert_eq!(got.json(), json!({"code": 12, "message": "Method Not Allowed"}));
    assert_eq!(got.header("allow"), "GET, HEAD, OPTIONS");
}

#[tokio::test]
async fn head_is_get_without_its_body() {
    let got = send(&format!("HEAD {LOCKOUT}"), &[], "").await;
    assert_eq!((got.status, got.body.len()), (StatusCode::OK, 0));
    assert_eq!(got.header("content-type"), "application/json");
    let get = send(&format!("GET {LOCKOUT}"), &[], "").await;
    assert_eq!(got.header("content-length"), get.body.len().to_string());
    for (line, status) in [("HEAD /nowhere", 404), ("HEAD /management/v1/users/1/_lock", 405)] {
        let got = send(line, &[], "").await;
        assert_eq!((got.status.as_u16(), got.body.len()), (status, 0), "{line}");
    }
}

#[tokio::test]
async fn options_tells_the_methods() {
    let got = send(&format!("OPTIONS {LOCKOUT}"), &[], "").await;
    assert_eq!((got.status, got.body.len()), (StatusCode::NO_CONTENT, 0));
    assert_eq!(got.header("allow"), "GET, POST, HEAD, OPTIONS");
    let got = send("OPTIONS /zitadel.user.v2.UserService/GetUserByID", &[], "").await;
    assert_eq!(got.header("allow"), "POST, OPTIONS");
    let got = send("OPTIONS /nowhere", &[], "").await;
    assert_eq!((got.status, &got.json()["code"]), (StatusCode::NOT_FOUND, &json!(5)));
}

#[tokio::test]
async fn pages_may_call() {
    let origin = ("origin", "https://console.example");
    let asks = [
        origin,
        ("access-control-request-method", "PUT"),
        ("access-control-request-headers", "authorization,x-zitadel-orgid"),
    ];
    let got = send(&format!("OPTIONS {LOCKOUT}"), &asks, "").await;
    assert_eq!(got.status, StatusCode::OK);
    assert_eq!(got.header("access-control-allow-origin"), "https://console.example");
    assert_eq!(got.header("access-control-allow-credentials"), "true");
    let allowed = got.header("access-control-allow-headers");
    for name in ["authorization", "x-zitadel-orgid", "content-type", "x-grpc-web", "grpc-timeout"] {
        assert!(allowed.contains(name), "{name} in {allowed}");
    }
    assert!(got.header("access-control-allow-methods").contains("PUT"));

    for line in [format!("GET {LOCKOUT}"), "GET /nowhere".to_owned()] {
        let got = send(&line, &[origin], "").await;
        assert_eq!(got.header("access-control-allow-origin"), "https://console.example");
        let exposed = got.header("access-control-expose-headers");
        assert!(exposed.contains("grpc-status-details-bin"), "{exposed}");
    }
}
