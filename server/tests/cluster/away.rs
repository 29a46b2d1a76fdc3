//! The database goes away, or a node is cut off from it.

use rustix::process::Signal;

use super::node::{Node, Place};
use super::proxy::{Mode, Proxy};
use super::{database, postgres, until, wait};

#[test]
fn d3_m29_while_the_database_is_away_nobody_is_admitted_and_then_it_goes_on_by_itself() {
    let Some(mut server) = postgres::Cluster::start(&[]) else { return };
    let url = wait(server.database());
    let operator = Place::on(&url);
    operator.run(&["policy", "set", "--create", "--max-password-attempts", "3"]).done();
    let token = operator.token();
    let nodes = [Node::start(&url, &["--node", "a"]), Node::start(&url, &["--node", "b"])];
    nodes[0].register(&token, &["ada"]);
    for node in &nodes {
        until("a first failure", || node.guess(&token, "ada") == "rejected");
    }
    for _ in 0..2 {
        server.stop_at_once();
        for node in &nodes {
            until("an error", || node.knows(&token) == 503);
            // And so it stays: neither a token nor an attempt is let in.
            for _ in 0..20 {
                assert_eq!(node.knows(&token), 503);
                assert_eq!(node.begin_attempt(&token, "ada").status, 503);
                assert_eq!(node.get(&token, "/debug/ready").status, 503);
                assert_eq!(node.get(&token, "/debug/healthz").status, 200);
            }
        }
        operator.run(&["status", "ada"]).fails(1, "unavailable");
        server.start_again();
        for node in &nodes {
            until("it to go on", || node.knows(&token) == 200);
            until("it to be ready", || node.get(&token, "/debug/ready").status == 200);
        }
    }
    // What was told is there, and the third one locks.
    assert_eq!(nodes[1].guess(&token, "ada"), "rejected");
    until("the lock", || nodes[0].guess(&token, "ada") == "locked");
    operator.run(&["check"]).done();
    nodes.into_iter().for_each(Node::stop);
}

#[test]
fn m28_a_server_that_hears_nothing_of_the_database_refuses_tokens_and_never_admits_a_revoked_one() {
    let Some(server) = postgres::shared() else { return };
    let Some(url) = database() else { return };
    let proxy = Proxy::to(server.port);
    let operator = Place::on(&url);
    operator.run(&["policy", "set", "--create", "--max-password-attempts", "3"]).done();
    let (token, other) = (operator.token(), operator.token());
    let by_proxy = postgres::url(proxy.port, url.rsplit('/').next().unwrap());
    let near = Node::start(&url, &[]);
    let far = Node::start(&by_proxy, &[]);
    assert_eq!((near.knows(&token), far.knows(&token), far.knows(&other)), (200, 200, 200));

    for mode in [Mode::Frozen, Mode::Mute] {
        let revoked = operator.token();
        until("the token to be known", || far.knows(&revoked) == 200);
        proxy.set(mode);
        let (id, _) = revoked.split_once('.').unwrap();
        operator.run(&["token", "revoke", id]).done();
        until("the near one to refuse", || near.knows(&revoked) == 401);
        // Nobody tells the far one; it refuses all once it has heard nothing for a while.
        until("the far one to refuse", || far.knows(&other) == 503);
        for _ in 0..20 {
            assert_eq!((far.knows(&revoked), far.knows(&other)), (503, 503));
        }
        assert_eq!(near.knows(&other), 200);
        proxy.cut();
        proxy.set(Mode::Open);
        let mut told = Vec::new();
        until("the far one to go on", || {
            told.push(far.knows(&revoked));
            far.knows(&other) == 200
        });
        assert!(told.iter().all(|status| [503, 401].contains(status)), "{told:?}");
        assert_eq!(far.knows(&revoked), 401);
    }
    near.stop();
    far.stop();
}

#[test]
fn m28_a_server_that_was_frozen_admits_nobody_on_what_it_knew_before() {
    let Some(url) = database() else { return };
    let operator = Place::on(&url);
    operator.run(&["policy", "set", "--create", "--max-password-attempts", "3"]).done();
    let node = Node::start(&url, &[]);
    for _ in 0..3 {
        let token = operator.token();
        until("the token to be known", || node.knows(&token) == 200);
        node.signal(Signal::STOP);
        let (id, _) = token.split_once('.').unwrap();
        operator.run(&["token", "revoke", id]).done();
        // Longer than what it knows may be old.
        std::thread::sleep(std::time::Duration::from_millis(2_100));
        node.signal(Signal::CONT);
        let mut told = Vec::new();
        until("it to know again", || {
            told.push(node.knows(&token));
            *told.last().unwrap() == 401
        });
        assert!(told.iter().all(|status| [503, 401].contains(status)), "{told:?}");
    }
    node.stop();
}
