//! How lockout was broken elsewhere, tried on the administrators' wire of the real server.

use portcullis::DurableEngine;
use portcullis::journal::SqliteJournal;
use serde_json::{Value, json};

use super::client::{Answer, head};
use super::{Place, Server, eventually};

/// Two organizations with a user each, and a machine with a token of its own.
fn served(place: &Place) -> Server<'_> {
    let server = place.serve(&[]);
    place.write(
        "users.jsonl",
        r#"{"org":"acme","name":"Acme"}
{"org":"globex","name":"Globex"}
{"org":"acme","user":"ada","userName":"ada@acme","human":{}}
{"org":"globex","user":"hank","userName":"hank","human":{}}
{"org":"acme","user":"bot","userName":"bot","machine":{"name":"Bot"}}
"#,
    );
    assert_eq!(place.run(&["import", "users.jsonl"]).code, 0);
    server
}

fn state(server: &Server<'_>, user: &str) -> Value {
    let answer = server.authorized("GET", &format!("/v2/users/{user}"), "");
    answer.json()["user"]["state"].clone()
}

fn change(server: &Server<'_>, user: &str, what: &str) -> u16 {
    server.authorized("POST", &format!("/v2/users/{user}/{what}"), "{}").status
}

/// A request with another token.
fn by(server: &Server<'_>, token: &str, headers: &[(&str, &str)], path: &str) -> Answer {
    let token = format!("Bearer {}", token.trim());
    let headers = [headers, &[("authorization", token.as_str())]].concat();
    Answer::read(server.begin(&(head("GET", path, &headers) + "\r\n")))
}

#[test]
fn m11_a_user_is_one_user_however_the_path_is_written_and_no_other_spelling_is_that_user() {
    let place = Place::new();
    let mut server = served(&place);
    assert_eq!(change(&server, "%61d%61", "lock"), 200);
    assert_eq!(state(&server, "ada"), "USER_STATE_LOCKED");
    for other in ["ADA", "Ada", "ada%20", "%20ada", "ada%00", "a%CC%88da", "ada@acme"] {
        assert_eq!(change(&server, other, "unlock"), 404, "{other}");
    }
    assert_eq!(state(&server, "ada"), "USER_STATE_LOCKED");
    assert_eq!(change(&server, "ada", "unlock"), 200);
    server.stop();
}

#[test]
fn m12_a_name_that_is_anothers_id_moves_nobody_else() {
    let place = Place::new();
    let mut server = served(&place);
    // Whose user name is the id of another, in another organization.
    place.write("more.jsonl", r#"{"org":"acme","user":"eve","userName":"hank","human":{}}"#);
    assert_eq!(place.run(&["import", "more.jsonl"]).code, 0);
    assert_eq!(change(&server, "eve", "lock"), 200);
    assert_eq!(state(&server, "hank"), "USER_STATE_ACTIVE");
    assert_eq!(change(&server, "hank", "lock"), 200);
    assert_eq!(change(&server, "eve", "unlock"), 200);
    assert_eq!(state(&server, "hank"), "USER_STATE_LOCKED");
    // In one organization a name is one user's.
    place.write(
        "twice.jsonl",
        r#"{"org":"acme","user":"mallory","userName":"ada@acme","human":{}}"#,
    );
    assert_eq!(place.run(&["import", "twice.jsonl"]).code, 2);
    assert_eq!(change(&server, "mallory", "lock"), 404);
    server.stop();
}

#[test]
fn m20_the_token_of_who_is_locked_or_inactive_is_refused_when_the_call_has_returned() {
    let place = Place::new();
    let mut server = served(&place);
    let made =
        place.run(&["token", "create", "--user", "bot", "--org", "acme", "--role", "ORG_OWNER"]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    let path = "/management/v1/policies/lockout";
    let read = || by(&server, &made.stdout, &[], path).status;
    // The command is another process: its events come in by themselves.
    eventually("the token is known", || read() == 200);
    for (ends, begins) in [("lock", "unlock"), ("deactivate", "reactivate")] {
        assert_eq!(change(&server, "bot", ends), 200);
        assert_eq!(read(), 401, "after {ends}");
        assert_eq!(change(&server, "bot", begins), 200);
        assert_eq!(read(), 200, "after {begins}");
    }
    let listed = place.run(&["token", "list", "--user", "bot", "--output", "json"]);
    let id = serde_json::from_str::<Value>(&listed.stdout).unwrap()["tokens"][0]["id"].clone();
    assert_eq!(place.run(&["token", "revoke", id.as_str().unwrap()]).code, 0);
    eventually("the token is refused", || read() == 401);
    server.stop();
}

#[test]
fn m31_an_owner_of_one_organization_is_nobody_in_another() {
    let place = Place::new();
    let mut server = served(&place);
    let made =
        place.run(&["token", "create", "--user", "bot", "--org", "acme", "--role", "ORG_OWNER"]);
    let read = |headers: &[(&str, &str)], path: &str| {
        let answer = by(&server, &made.stdout, headers, path);
        (answer.status, answer.json()["details"][0]["id"].clone())
    };
    let policy = "/management/v1/policies/lockout";
    eventually("the token is known", || read(&[], policy).0 == 200);
    assert_eq!(read(&[("x-zitadel-orgid", "acme")], policy).0, 200);
    let globex = [("x-zitadel-orgid", "globex")];
    assert_eq!(read(&globex, policy), (404, json!("AUTHZ-cdgFk")));
    assert_eq!(read(&[], "/v2/users/hank"), (403, json!("AUTH-AWfge")));
    assert_eq!(read(&globex, "/v2/users/hank"), (403, json!("AUTH-AWfge")));
    assert_eq!(read(&[], "/management/v1/users/hank"), (404, json!("MANAG-fpo4B")));
    assert_eq!(read(&[], "/admin/v1/policies/lockout"), (403, json!("AUTH-5mWD2")));
    server.stop();
}

#[test]
fn m34_an_id_that_comes_back_in_another_organization_brings_nothing_along() {
    let place = Place::new();
    let mut server = served(&place);
    assert_eq!(change(&server, "ada", "lock"), 200);
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let journal = SqliteJournal::open(place.file("portcullis.db")).await.unwrap();
        let engine = DurableEngine::open_existing(journal).await.unwrap();
        let (acme, ada) = ("acme".parse().unwrap(), "ada".parse().unwrap());
        engine.remove_user(&acme, &ada).await.unwrap();
        engine.close().await;
    });
    eventually("the user is gone", || change(&server, "ada", "unlock") == 404);
    place
        .write("back.jsonl", r#"{"org":"globex","user":"ada","userName":"ada@globex","human":{}}"#);
    assert_eq!(place.run(&["import", "back.jsonl"]).code, 0);
    eventually("the user is back", || state(&server, "ada") == "USER_STATE_ACTIVE");
    let user = server.authorized("GET", "/v2/users/ada", "").json()["user"].clone();
    assert_eq!(user["details"]["resourceOwner"], "globex");
    assert_eq!(change(&server, "ada", "unlock"), 400);
    assert_eq!(change(&server, "ada", "lock"), 200);
    server.stop();
}

#[test]
fn m41_no_header_means_the_own_organization_and_the_trail_names_whose_it_is() {
    let place = Place::new();
    let mut server = served(&place);
    let token = server.token();
    let own =
        server.said.lines().find_map(|line| line.strip_prefix("organization")).unwrap().trim();
    assert_eq!(server.authorized("POST", "/management/v1/policies/lockout", "{}").status, 200);
    let policy = "/management/v1/policies/lockout";
    for (headers, is_default) in [
        (&[][..], Value::Null),
        (&[("x-zitadel-orgid", "")], Value::Null),
        (&[("x-zitadel-orgid", own)], Value::Null),
        (&[("x-zitadel-orgid", "acme")], json!(true)),
    ] {
        let answer = by(&server, &token, headers, policy);
        assert_eq!((answer.status, &answer.json()["isDefault"]), (200, &is_default), "{headers:?}");
    }
    assert_eq!(by(&server, &token, &[("x-zitadel-orgid", " ")], policy).status, 200);
    assert_eq!(change(&server, "hank", "lock"), 200);
    let trail =
        place.run(&["events", "--user", "hank", "--type", "user.locked", "--output", "json"]);
    let event: Value = serde_json::from_str(&trail.stdout).unwrap();
    assert_eq!(event["org"], "globex");
    let admin = server.said.lines().find_map(|line| line.strip_prefix("user")).unwrap();
    assert_eq!(event["actor"], admin.trim().split(' ').next().unwrap());
    server.stop();
}
