//! Every call of `openapi.json` on the real server: what is wrong with a request is told in the
//! same form and with the same code, whichever call it is.

use serde_json::Value;

use super::client::{Answer, head};
use super::{Place, Server};

/// Method and path of every call, and whether it has a body.
fn calls(server: &Server<'_>) -> Vec<(String, String, bool)> {
    let document = server.get("/openapi.json").json();
    let mut calls = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let has_body = operation.get("requestBody").is_some();
            calls.push((method.to_uppercase(), path.clone(), has_body));
        }
    }
    assert_eq!(calls.len(), 38);
    calls
}

fn send(
    server: &Server<'_>,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let length = body.len().to_string();
    let headers = [headers, &[("content-length", &length)]].concat();
    Answer::read(server.begin(&(head(method, path, &headers) + "\r\n" + body)))
}

/// The status, gRPC's code, and the id of the detail, if there is one.
fn told(answer: &Answer) -> (u16, u64, String) {
    assert_eq!(answer.header("content-type"), Some("application/json"), "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
    let body = answer.json();
    let id = body["details"][0]["id"].as_str().unwrap_or_default().to_owned();
    let message = body["message"].as_str().unwrap();
    assert!(id.is_empty() || message.ends_with(&format!(" ({id})")), "{message}");
    (answer.status, body["code"].as_u64().unwrap(), id)
}

#[test]
fn whatever_is_wrong_with_a_request_has_its_own_answer_on_every_call() {
    let place = Place::new();
    let mut server = place.serve(&[]);
    let token = format!("Bearer {}", server.token());
    let good = ("authorization", token.as_str());
    for (method, path, has_body) in calls(&server) {
        let fields = ["{id}", "{user_id}", "{org_id}", "{attempt_id}"];
        let of = |id: &str| fields.iter().fold(path.clone(), |path, name| path.replace(name, id));
        let (known, body) = (of("nobody"), if has_body { "{}" } else { "" });
        let call = format!("{method} {path}");
        let answer = |path: &str, headers: &[_], body: &str| {
            told(&send(&server, &method, path, headers, body))
        };
        let id = |id: &str| id.to_owned();
        assert_eq!(answer(&known, &[], body), (401, 16, id("")), "{call}");
        let bad = ("authorization", "Bearer 1.secret");
        assert_eq!(answer(&known, &[bad], body), (401, 16, id("AUTH-7fs1e")), "{call}");
        let basic = ("authorization", "Basic abc");
        assert_eq!(answer(&known, &[basic], body), (401, 16, id("AUTH-toLo1")), "{call}");
        let nowhere = ("x-zitadel-orgid", "nowhere");
        assert_eq!(answer(&known, &[good, nowhere], body), (403, 7, id("AUTH-Bs7Ds")), "{call}");
        if path.contains('{') {
            let (status, code, found) = answer(&known, &[good], body);
            if path.starts_with("/portcullis/") {
                // Our own errors have no ids; of an empty body the missing fields are told first.
                let expected = if has_body { (400, 3) } else { (404, 5) };
                assert_eq!((status, code, found), (expected.0, expected.1, id("")), "{call}");
            } else {
                assert_eq!((status, code), (404, 5), "{call}");
                let is_zitadels = found.starts_with("COMMAND-") || found.starts_with("QUERY-");
                assert!(is_zitadels, "{call}: {found}");
            }
            let long = of(&"x".repeat(201));
            assert_eq!(answer(&long, &[good], body), (400, 3, id("")), "{call}");
            assert_eq!(answer(&of("%ff"), &[good], body), (400, 3, id("")), "{call}");
        }
        if has_body {
            for wrong in ["{", "[]", "7", "{\"maxOtpAttempts\":}", "\u{0}"] {
                assert_eq!(answer(&known, &[good], wrong), (400, 3, id("")), "{call} {wrong}");
            }
        }
        if path.ends_with("lockout") && has_body {
            for number in ["4294967296", "-1", "1.5", "\"x\"", "true", "1e20", "[]"] {
                let wrong = format!("{{\"maxPasswordAttempts\":{number}}}");
                assert_eq!(answer(&known, &[good], &wrong), (400, 3, id("")), "{call} {wrong}");
            }
        }
        let other = told(&send(&server, "PATCH", &known, &[good], ""));
        assert_eq!(other, (405, 12, id("")), "PATCH {path}");
    }
    assert_eq!(told(&send(&server, "GET", "/v2/nothing", &[good], "")), (404, 5, String::new()));
    // None of all this has changed anything.
    assert_eq!(server.limit(), "10");
    server.stop();
}

/// The answer without its times, which differ from one to the next.
fn timeless(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            fields.retain(|name, _| {
                !name.ends_with("Date") && !name.to_lowercase().contains("timestamp")
            });
            for field in fields.values_mut() {
                *field = timeless(field.take());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = timeless(item.take())),
        _ => {}
    }
    value
}

/// By Connect, which has gRPC's paths, and by REST.
#[test]
fn one_request_has_one_answer_by_either_way() {
    let place = Place::new();
    let mut server = place.serve(&[]);
    let json = ("content-type", "application/json");
    let token = format!("Bearer {}", server.token());
    let good = ("authorization", token.as_str());
    for (service, method, verb, path, body) in [
        (
            "management.v1.Management",
            "GetLockoutPolicy",
            "GET",
            "/management/v1/policies/lockout",
            "{}",
        ),
        (
            "management.v1.Management",
            "ResetLockoutPolicyToDefault",
            "DELETE",
            "/management/v1/policies/lockout",
            "{}",
        ),
        (
            "management.v1.Management",
            "GetUserByID",
            "GET",
            "/management/v1/users/me",
            r#"{"id":"me"}"#,
        ),
        ("management.v1.Management", "ListUsers", "POST", "/management/v1/users/_search", "{}"),
        ("admin.v1.Admin", "GetLockoutPolicy", "GET", "/admin/v1/policies/lockout", "{}"),
        (
            "admin.v1.Admin",
            "UpdateLockoutPolicy",
            "PUT",
            "/admin/v1/policies/password/lockout",
            r#"{"maxPasswordAttempts":10,"maxOtpAttempts":10}"#,
        ),
        (
            "settings.v2.Settings",
            "GetLockoutSettings",
            "GET",
            "/v2/settings/lockout?ctx.instance=true",
            r#"{"ctx":{"instance":true}}"#,
        ),
        ("settings.v2beta.Settings", "GetLockoutSettings", "GET", "/v2beta/settings/lockout", "{}"),
        ("user.v2.User", "LockUser", "POST", "/v2/users/me/lock", r#"{"userId":"me"}"#),
        ("user.v2beta.User", "ListUsers", "POST", "/v2beta/users", "{}"),
    ] {
        let by_rest = send(
            &server,
            verb,
            path,
            &[good, json],
            if verb == "POST" || verb == "PUT" { body } else { "" },
        );
        let rpc = format!("/zitadel.{service}Service/{method}");
        let by_connect = send(&server, "POST", &rpc, &[good, json], body);
        if by_rest.status == 200 {
            assert_eq!(timeless(by_connect.json()), timeless(by_rest.json()), "{rpc}");
        } else {
            // The same text with the same id; the codes have names there and numbers here.
            assert_eq!(by_connect.json()["message"], by_rest.json()["message"], "{rpc}");
            assert!(by_connect.json()["code"].is_string() && by_rest.json()["code"].is_u64());
        }
    }
    server.stop();
}
