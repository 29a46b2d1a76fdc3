//! Tokens: which ones are callers, and that their secrets are nowhere.

use std::fs;
use std::time::{Duration, SystemTime};

use portcullis::ManualClock;
use portcullis_server::api::roles::Role;
use portcullis_server::callers::Callers;
use portcullis_server::directory::{Directory, DirectoryError, JournalDirectory};

use super::{Place, fill, org, tester, user, wait};

async fn is_caller(directory: &JournalDirectory, token: &str) -> bool {
    directory.caller(token).await.unwrap().is_some()
}

#[test]
fn only_the_whole_text_of_a_token_that_holds_is_a_caller() {
    let place = Place::new();
    wait(async {
        let clock = ManualClock::at(SystemTime::now());
        let directory = place.directory_at(clock.clone()).await;
        fill(&directory, "acme", &["ada", "eve"]).await;
        let (ada, actor) = (user("ada"), tester());
        directory.add_member(&actor, &ada, Role::OrgUserManager, Some(&org("acme"))).await.unwrap();
        let token = directory.add_token(&actor, &ada, None).await.unwrap();
        let other = directory.add_token(&actor, &user("eve"), None).await.unwrap();
        let text = token.text.as_str();
        let caller = directory.caller(text).await.unwrap().unwrap();
        assert_eq!((caller.user, caller.org), (ada.clone(), org("acme")));
        assert_eq!(caller.memberships[0].role, Role::OrgUserManager);
        // A role that is given later holds for a token that was made before.
        directory.add_member(&actor, &ada, Role::IamOwner, None).await.unwrap();
        assert_eq!(directory.caller(text).await.unwrap().unwrap().memberships.len(), 2);

        let (id, secret) = text.split_once('.').unwrap();
        assert_eq!(id, token.id);
        let other_id = &other.id;
        for wrong in [
            "",
            ".",
            id,
            secret,
            &format!("{id}."),
            &format!(".{secret}"),
            &format!("{id}.{}", &secret[1..]),
            &format!("{id}.{}", secret.to_uppercase() + "x"),
            &format!("{other_id}.{secret}"),
            &format!("{id}.{secret}.{secret}"),
            &format!("{id}.{}", "0".repeat(64)),
            &format!("none.{secret}"),
            &format!(" {text}"),
            &"x".repeat(1 << 20),
        ] {
            assert!(!is_caller(&directory, wrong).await, "{wrong}");
        }

        let expires = SystemTime::now() + Duration::from_mins(1);
        clock.set(SystemTime::now());
        let short = directory.add_token(&actor, &ada, Some(expires)).await.unwrap();
        assert!(is_caller(&directory, short.text.as_str()).await);
        clock.set(expires);
        assert!(!is_caller(&directory, short.text.as_str()).await);
        assert!(is_caller(&directory, text).await);

        directory.set_active(&actor, &ada, false).await.unwrap().unwrap();
        assert!(!is_caller(&directory, text).await);
        assert!(is_caller(&directory, other.text.as_str()).await);
        directory.set_active(&actor, &ada, true).await.unwrap().unwrap();
        assert!(is_caller(&directory, text).await);

        directory.revoke_token(&actor, &token.id).await.unwrap();
        assert!(!is_caller(&directory, text).await);
        let again = directory.revoke_token(&actor, &token.id).await.unwrap_err();
        assert_eq!(again, DirectoryError::NoSuchToken(token.id.clone()));

        directory.engine().remove_user(&org("acme"), &user("eve")).await.unwrap();
        assert!(!is_caller(&directory, other.text.as_str()).await);
        let none = directory.add_token(&actor, &user("eve"), None).await.unwrap_err();
        assert_eq!(none, DirectoryError::NoSuchUser(user("eve")));
        directory
            .add_user(&actor, &org("acme"), &user("eve"), "eve", super::machine(""))
            .await
            .unwrap();
        assert!(!is_caller(&directory, other.text.as_str()).await, "its token does not come back");
        directory.engine().close().await;
    });
}

#[test]
fn what_another_process_does_to_a_token_holds_at_once() {
    let place = Place::new();
    wait(async {
        let server = place.directory().await;
        let created =
            place.run(&["token", "create", "--user", "ci", "--org", "ops", "--role", "IAM_OWNER"]);
        assert_eq!((created.code, created.stderr.as_str()), (0, ""));
        let token = created.stdout.trim();
        // The server learns of it as its engine does.
        while !is_caller(&server, token).await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let id = token.split_once('.').unwrap().0;
        assert_eq!(place.run(&["token", "revoke", id]).code, 0);
        while is_caller(&server, token).await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server.engine().close().await;
    });
}

#[test]
fn a_token_is_shown_once_and_its_secret_is_nowhere() {
    let place = Place::new();
    let create = ["token", "create", "--user", "ci", "--org", "ops", "--role", "IAM_OWNER"];
    let created = place.json(&[&create[..], &["--role", "ORG_OWNER", "--expires", "90d"]].concat());
    let token = created["token"].as_str().unwrap();
    let (id, secret) = token.split_once('.').unwrap();
    assert_eq!((created["id"].as_str(), created["user"].as_str()), (Some(id), Some("ci")));
    let list = place.json(&["token", "list"]);
    assert_eq!(list["total"], 1);
    let first = &list["tokens"][0];
    assert_eq!((first["id"].as_str(), first["user"].as_str()), (Some(id), Some("ci")));
    assert_eq!(first["roles"][0]["role"], "IAM_OWNER");
    assert_eq!(
        (&first["roles"][1]["role"], &first["roles"][1]["org"]),
        (&"ORG_OWNER".into(), &"ops".into())
    );
    assert_eq!(first["expired"], false);
    assert_eq!(place.json(&["token", "list", "--user", "nobody"])["total"], 0);
    let table = place.run(&["token", "list"]).stdout;
    assert!(table.contains(id) && table.contains("ORG_OWNER"), "{table}");
    for shown in [list.to_string(), table, place.run(&["events", "--output", "json"]).stdout] {
        assert!(!shown.contains(secret), "{shown}");
    }
    let stored = place.stored();
    let has = |bytes: &Vec<u8>, text: &str| {
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    assert!(stored.iter().any(|bytes| has(bytes, id)));
    assert!(!stored.iter().any(|bytes| has(bytes, secret)));
    assert_eq!(
        place.types()[1..],
        [
            "org.added",
            "user.machine.added",
            "instance.member.added",
            "org.member.added",
            "user.pat.added"
        ]
    );
}

#[test]
fn token_commands_end_as_the_others_do() {
    let place = Place::new();
    let create = |user, org, role| {
        place.run(&["token", "create", "--user", user, "--org", org, "--role", role])
    };
    create("ci", "ops", "IAM_OWNR").fails(2, "there is no role");
    let again = ["token", "create", "--user", "ci", "--org", "ops", "--role", "ORG_OWNER"];
    place.run(&[&again[..], &["--expires", "2020-01-01"]].concat()).fails(2, "past");
    place.run(&again[..6]).fails(2, "--role");
    assert_eq!(place.types().len(), 1);
    assert_eq!(create("ci", "ops", "IAM_OWNER").code, 0);
    create("ci", "acme", "IAM_OWNER").fails(3, "of the organization ops");
    place.run(&["token", "revoke", "1"]).fails(3, "there is no token");
    let empty = Place::empty();
    for command in [&["token", "list"][..], &["token", "revoke", "1"], &again] {
        empty.run(command).fails(2, "there is no journal");
    }
    assert!(fs::read_dir(empty.folder.path()).unwrap().next().is_none());
    for command in ["import", "token"] {
        let help = place.run(&[command, "--help"]).stdout;
        assert!(help.contains(&format!("  portcullis {command}")), "{help}");
        assert!(help.contains("3  refused by a rule"), "{help}");
    }
}
