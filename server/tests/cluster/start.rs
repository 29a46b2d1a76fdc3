//! Starting: two at once, on nothing, and on a server that keeps nothing.

use super::node::{Node, Place};
use super::{database, postgres, until, wait};

#[test]
fn of_two_first_starts_at_once_one_makes_the_owner_and_both_serve() {
    for _ in 0..4 {
        let Some(url) = database() else { return };
        let starting = [(); 3].map(|()| Node::begin(Place::on(&url), &[]));
        let nodes = starting.map(super::node::Starting::listens);
        let file = |node: &Node| node.place.folder.path().join("portcullis.token");
        let owners: Vec<_> = nodes.iter().filter(|node| file(node).exists()).collect();
        assert_eq!(owners.len(), 1);
        assert!(owners[0].said.contains("IAM_OWNER"), "{}", owners[0].said);
        let token = std::fs::read_to_string(file(owners[0])).unwrap().trim().to_owned();
        for node in &nodes {
            assert_eq!(node.said.contains("token in"), file(node).exists());
            until("the token to be known", || node.knows(&token) == 200);
            let files = std::fs::read_dir(node.place.folder.path()).unwrap();
            let expected = if file(node).exists() { 2 } else { 1 };
            assert_eq!(files.count(), expected, "the log, and the token of who made it");
        }
        let operator = Place::on(&url);
        let listed = operator.run(&["token", "list", "--output", "json"]).done();
        let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
        assert_eq!(listed["total"], 1, "{listed}");
        // Again, on what is there.
        let again = Node::start(&url, &[]);
        assert!(!again.said.contains("token in"), "{}", again.said);
        again.stop();
        nodes.into_iter().for_each(Node::stop);
    }
}

#[test]
fn m28_a_server_that_loses_what_it_confirms_is_refused_with_the_settings_name_as_bad_input() {
    let Some(lazy) = postgres::Cluster::start(&["fsync=off"]) else { return };
    let place = Place::on(&wait(lazy.database()));
    for args in [
        &["serve", "--listen", "127.0.0.1:0"][..],
        &["policy", "set", "--create", "--show-failures"],
        &["status", "ada"],
    ] {
        place.run(args).fails(2, "its setting fsync is off");
    }
    let Some(url) = database() else { return };
    let place = Place::on(&format!("{url}?options=-c%20synchronous_commit%3Doff"));
    let serve = place.run(&["serve", "--listen", "127.0.0.1:0"]);
    serve.fails(2, "its setting synchronous_commit is off");
    assert_eq!(serve.stdout, "");
}

#[test]
fn a_database_that_is_none_is_told_and_nothing_is_made_in_a_wrong_one() {
    let Some(url) = database() else { return };
    let place = Place::on(&url);
    for args in
        [&["status", "ada"][..], &["check"], &["lock", "ada", "--org", "acme"], &["token", "list"]]
    {
        place.run(args).fails(2, "there is no journal at postgres://postgres@127.0.0.1:");
    }
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'portcullis'";
    let count: i64 =
        wait(async { postgres::client(&url).await.query_one(schemas, &[]).await.unwrap().get(0) });
    assert_eq!(count, 0);
    let nobody = Place::on("postgres://ada@127.0.0.1:1/db");
    nobody.run(&["status", "ada"]).fails(1, "PostgreSQL at 127.0.0.1:1/db");
    nobody.run(&["serve", "--listen", "127.0.0.1:0"]).fails(1, "PostgreSQL at 127.0.0.1:1/db");
    let wrong = Place::on("postgres://ada@127.0.0.1:1/db?sslmode=maybe");
    wrong.run(&["status", "ada"]).fails(2, "its sslmode is `maybe`");
    let gone = Place::on(&format!("{url}_gone"));
    gone.run(&["status", "ada"]).fails(1, "does not exist");
}
