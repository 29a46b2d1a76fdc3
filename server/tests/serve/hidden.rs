//! Where the policy hides it, nothing that a login may pass on, and nothing in the log, tells a locked
//! user from an unknown one or from a wrong password.

use serde_json::{Value, json};

use super::client::Answer;
use super::{Place, Server, eventually};

const USERS: &str = r#"{"org":"acme","name":"Acme"}
{"org":"globex","name":"Globex"}
{"org":"acme","user":"wrong","userName":"wrong","human":{}}
{"org":"acme","user":"locked","userName":"locked","human":{}}
{"org":"acme","user":"by-failures","userName":"by-failures","human":{}}
{"org":"acme","user":"inactive","userName":"inactive","human":{}}
{"org":"acme","user":"busy","userName":"busy","human":{}}
{"org":"globex","user":"elsewhere","userName":"elsewhere","human":{}}
"#;

/// Those whose login is denied for another reason than a wrong password.
const DENIED: [&str; 5] = ["locked", "by-failures", "inactive", "elsewhere", "nobody"];

fn attempts(server: &Server<'_>, path: &str, user: &str, outcome: &str) -> Answer {
    let mut body = json!({"orgId": "acme", "userId": user, "factor": "FACTOR_PASSWORD"});
    if !outcome.is_empty() {
        body["outcome"] = json!(outcome);
    }
    let answer =
        server.authorized("POST", &format!("/portcullis/v1/attempts{path}"), &body.to_string());
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

fn settle(server: &Server<'_>, id: &str, outcome: &str) -> Answer {
    let body = json!({"outcome": outcome}).to_string();
    server.authorized("POST", &format!("/portcullis/v1/attempts/{id}/settle"), &body)
}

fn begun(server: &Server<'_>, user: &str) -> String {
    let answer = attempts(server, "", user, "");
    answer.json()["admitted"]["attemptId"].as_str().unwrap().to_owned()
}

/// Status, headers and public answer, without what is of one request alone. The length is that of the
/// whole answer, which is for the login service.
fn told(answer: &Answer) -> (String, Value) {
    let own = ["x-request-id", "date", "expires", "content-length"];
    let is_own = |line: &&str| own.iter().any(|name| line.starts_with(&format!("{name}:")));
    let head: Vec<_> = answer.head.lines().filter(|line| !is_own(line)).collect();
    (head.join("\n"), answer.json()["publicAnswer"].clone())
}

/// The lines of the log that are of attempts, without id, time and duration.
fn lines(server: &Server<'_>) -> Vec<Value> {
    let log = server.log();
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of_attempts = lines.filter(|line| {
        line["route"].as_str().is_some_and(|route| route.starts_with("/portcullis/v1/attempts"))
    });
    let without_own = |mut line: Value| {
        for own in ["id", "timestamp", "millis"] {
            assert!(line.as_object_mut().unwrap().remove(own).is_some(), "{line}");
        }
        line
    };
    of_attempts.map(without_own).collect()
}

/// A server with one user in each state.
fn served<'p>(place: &'p Place, shown: &str) -> Server<'p> {
    let settings = ["--max-password-attempts", "2", "--show-failures", shown];
    let server =
        place.serve(&[&settings[..], &["--log-format", "json", "--log-level", "trace"]].concat());
    place.write("users.jsonl", USERS);
    assert_eq!(place.run(&["import", "users.jsonl"]).code, 0);
    let known = || server.authorized("GET", "/v2/users/elsewhere", "").status == 200;
    eventually("the users are known", known);
    for (user, what) in [("locked", "lock"), ("inactive", "deactivate")] {
        let path = format!("/v2/users/{user}/{what}");
        assert_eq!(server.authorized("POST", &path, "{}").status, 200);
    }
    for _ in 0..2 {
        attempts(&server, "/record", "by-failures", "OUTCOME_FAILURE");
    }
    server
}

#[test]
fn m18_m19_a_denied_login_is_denied_alike_whatever_the_reason() {
    let place = Place::new();
    let mut server = served(&place, "false");
    eventually("the log is up to date", || lines(&server).len() == 2);
    let denied = json!({"kind": "DENIED"});

    let mut settled = Vec::new();
    // A wrong password; locked meanwhile, right or wrong; an id that is not known any more.
    let (first, second, third, right) = (
        begun(&server, "wrong"),
        begun(&server, "wrong"),
        begun(&server, "busy"),
        begun(&server, "busy"),
    );
    settled.push(settle(&server, &first, "OUTCOME_FAILURE"));
    settled.push(settle(&server, &second, "OUTCOME_FAILURE"));
    assert_eq!(server.authorized("POST", "/v2/users/busy/lock", "{}").status, 200);
    settled.push(settle(&server, &third, "OUTCOME_FAILURE"));
    settled.push(settle(&server, &right, "OUTCOME_SUCCESS"));
    settled.push(settle(&server, "main.0000000000000000.0", "OUTCOME_SUCCESS"));
    assert_eq!(server.authorized("POST", "/v2/users/busy/unlock", "{}").status, 200);
    let again = begun(&server, "busy");
    settled.push(settle(&server, &again, "OUTCOME_FAILURE"));

    // Where no check may be run the begin is the answer; nothing is written for any of them.
    let mut refused: Vec<_> = DENIED.map(|user| attempts(&server, "", user, "")).into();
    begun(&server, "busy");
    refused.push(attempts(&server, "", "busy", ""));

    let mut recorded = Vec::new();
    for user in DENIED {
        for outcome in ["OUTCOME_FAILURE", "OUTCOME_SUCCESS"] {
            recorded.push(attempts(&server, "/record", user, outcome));
        }
    }
    recorded.push(attempts(&server, "/record", "busy", "OUTCOME_FAILURE"));

    for (name, answers) in [("settle", &settled), ("begin", &refused), ("record", &recorded)] {
        let expected = told(&answers[0]);
        assert_eq!(expected.1, denied, "{name}");
        for answer in answers {
            assert_eq!(told(answer), expected, "{name}: {}", answer.body);
        }
        // The login service itself is told the reason.
        let reasons: std::collections::BTreeSet<_> = answers.iter().map(|it| &it.body).collect();
        assert!(reasons.len() > 2, "{name}: {reasons:?}");
    }

    let number = 2 + 4 + settled.len() + 1 + refused.len() + 1 + recorded.len();
    eventually("a line for each", || lines(&server).len() == number);
    let mut by_route = std::collections::BTreeMap::<String, Vec<Value>>::new();
    for line in lines(&server) {
        by_route.entry(line["route"].to_string()).or_default().push(line);
    }
    assert_eq!(by_route.len(), 3);
    for (route, lines) in by_route {
        for line in &lines {
            assert_eq!(line, &lines[0], "{route}");
        }
    }
    server.stop();
    for user in ["by-failures", "elsewhere", "nobody", "inactive"] {
        assert!(!server.log().contains(user), "{user} is in the log");
    }
}

/// What is compared above could tell: it does where the policy shows failures.
#[test]
fn where_the_policy_shows_failures_the_public_answer_tells_them_apart() {
    let place = Place::new();
    let mut server = served(&place, "true");
    let kind = |answer: &Answer| answer.json()["publicAnswer"]["kind"].clone();
    let kinds = DENIED.map(|user| kind(&attempts(&server, "", user, "")));
    assert_eq!(kinds, ["LOCKED", "LOCKED", "LOCKED", "TRY_AGAIN", "DENIED"]);
    let id = begun(&server, "wrong");
    let answer = settle(&server, &id, "OUTCOME_FAILURE");
    let expected = json!({"kind": "REJECTED", "failures": 1, "limit": 2});
    assert_eq!(answer.json()["publicAnswer"], expected);
    server.stop();
}
