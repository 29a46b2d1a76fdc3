//! What one node does is so on all.

use serde_json::{Value, json};

use super::node::{Node, Place};
use super::{database, mostly_soon, until};

/// How often what has to be soon is tried.
const ROUNDS: u32 = 11;

/// Nodes on a database of their own, an operator's place beside them, and a token.
fn nodes<const N: usize>() -> Option<([Node; N], Place, String)> {
    let url = database()?;
    let operator = Place::on(&url);
    let create = ["policy", "set", "--create", "--max-password-attempts", "5"];
    operator.run(&create).done();
    let token = operator.token();
    let node = |number| Node::start(&url, &["--node", ["a", "b", "c"][number]]);
    let nodes = std::array::from_fn(node);
    let people = "{\"org\":\"acme\",\"name\":\"Acme\"}
        {\"org\":\"acme\",\"user\":\"ada\",\"userName\":\"ada\",\"human\":{}}
        {\"org\":\"acme\",\"user\":\"eve\",\"userName\":\"eve\",\"human\":{}}";
    operator.run_with(&["import", "-"], people).done();
    Some((nodes, operator, token))
}

#[test]
fn m01_m28_the_limit_is_one_over_all_servers_however_many_guess_at_once() {
    let Some((nodes, operator, token)) = nodes::<3>() else { return };
    let mut verdicts = Vec::new();
    std::thread::scope(|scope| {
        let guess = |node| (0..10).map(|_| Node::guess(node, &token, "ada")).collect::<Vec<_>>();
        let guessing: Vec<_> = nodes
            .iter()
            .flat_map(|node| [node; 4])
            .map(|node| scope.spawn(move || guess(node)))
            .collect();
        for told in guessing {
            verdicts.extend(told.join().unwrap());
        }
    });
    let rejected = verdicts.iter().filter(|it| **it == "rejected").count();
    assert_eq!(rejected, 5, "{verdicts:?}");
    assert!(!verdicts.contains(&"accepted"), "{verdicts:?}");
    for node in &nodes {
        until("all nodes to refuse", || node.admission(&token, "ada") == "locked");
    }
    let status = operator.run(&["status", "ada", "--output", "json"]).done();
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["failures"]["password"], 5, "{status}");
    nodes.into_iter().for_each(Node::stop);
}

#[test]
fn p4_p5_a_policy_that_is_added_and_reset_on_one_server_is_in_force_on_all() {
    let Some((nodes, _operator, token)) = nodes::<3>() else { return };
    let (mut added, mut reset) = (Vec::new(), Vec::new());
    let path = "/management/v1/policies/lockout";
    let stricter = json!({"maxPasswordAttempts": 2, "maxOtpAttempts": 2});
    for _ in 0..ROUNDS {
        nodes[0].does(&token, "POST", path, &stricter);
        let seen = nodes
            .iter()
            .map(|node| until("the override", || node.limit(&token, "acme") == Some(2)));
        added.push(seen.max().unwrap());
        nodes[0].does(&token, "DELETE", path, &Value::Null);
        let seen =
            nodes.iter().map(|node| until("the default", || node.limit(&token, "acme") == Some(5)));
        reset.push(seen.max().unwrap());
    }
    mostly_soon("added", added);
    mostly_soon("reset", reset);
    nodes.into_iter().for_each(Node::stop);
}

#[test]
fn m20_m28_a_token_that_is_revoked_beside_the_servers_is_refused_by_all() {
    let Some((nodes, operator, _)) = nodes::<3>() else { return };
    let mut refused = Vec::new();
    for _ in 0..ROUNDS {
        let token = operator.token();
        for node in &nodes {
            until("the token to be known", || node.knows(&token) == 200);
        }
        let (id, _) = token.split_once('.').unwrap();
        operator.run(&["token", "revoke", id]).done();
        let times =
            nodes.iter().map(|node| until("the token to be refused", || node.knows(&token) == 401));
        refused.push(times.max().unwrap());
    }
    mostly_soon("refused", refused);
    nodes.into_iter().for_each(Node::stop);
}

#[test]
fn what_is_imported_locked_and_deactivated_on_one_server_is_so_on_the_others() {
    let Some(([a, b], operator, token)) = nodes::<2>() else { return };
    let becomes = |user: &str, admission: &str| {
        until(&format!("{user} to be {admission}"), || b.admission(&token, user) == admission)
    };
    let line = r#"{"org":"acme","user":"new1","userName":"new1","human":{}}"#;
    operator.run_with(&["import", "-"], line).done();
    becomes("new1", "admitted");
    a.register(&token, &["new2"]);
    becomes("new2", "admitted");

    let mut locked = Vec::new();
    for _ in 0..ROUNDS {
        a.change_user(&token, "ada", "lock");
        locked.push(becomes("ada", "locked"));
        a.change_user(&token, "ada", "unlock");
        becomes("ada", "admitted");
    }
    mostly_soon("locked", locked);
    a.change_user(&token, "eve", "deactivate");
    becomes("eve", "locked");
    assert_eq!(b.begin_attempt(&token, "eve").body["locked"]["cause"], "LOCK_CAUSE_INACTIVE");
    a.does(&token, "DELETE", "/portcullis/v1/users/new1", &Value::Null);
    becomes("new1", "refused");
    a.stop();
    b.stop();
}

#[test]
fn two_instances_in_one_database_know_nothing_of_each_other() {
    let Some(url) = database() else { return };
    let place = Place::on(&url);
    let on = |instance: &str, args: &[&str]| place.run(&[args, &["--instance", instance]].concat());
    for (instance, limit) in [("eu", "3"), ("us", "4")] {
        on(instance, &["policy", "set", "--create", "--max-password-attempts", limit]).done();
    }
    let create = ["token", "create", "--user", "admin", "--org", "ops", "--role", "IAM_OWNER"];
    let tokens = ["eu", "us"].map(|instance| on(instance, &create).done().trim().to_owned());
    place.run(&["status", "ada"]).fails(2, "several instances (eu, us)");
    on("asia", &["status", "ada"]).fails(2, "the database has none of the instance asia");
    let listed = on("eu", &["token", "list"]).done();
    assert!(listed.contains(tokens[0].split('.').next().unwrap()), "{listed}");
    assert!(!listed.contains(tokens[1].split('.').next().unwrap()), "{listed}");

    let nodes = ["eu", "us"].map(|instance| Node::start(&url, &["--instance", instance]));
    for (number, (node, limit)) in nodes.iter().zip([3, 4]).enumerate() {
        until("its own limit", || node.limit(&tokens[number], "ops") == Some(limit));
        until("the other to be unknown", || node.knows(&tokens[1 - number]) == 401);
    }
    // The user is another one in each.
    for (node, token) in nodes.iter().zip(&tokens) {
        node.register(token, &["ada"]);
    }
    nodes[0].change_user(&tokens[0], "ada", "lock");
    let state = |number: usize| {
        let found = nodes[number].get(&tokens[number], "/v2/users/ada");
        found.body["user"]["state"].as_str().unwrap_or_default().to_owned()
    };
    until("the lock", || state(0) == "USER_STATE_LOCKED");
    assert_eq!(state(1), "USER_STATE_ACTIVE");
    nodes.into_iter().for_each(Node::stop);
}
