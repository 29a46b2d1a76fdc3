//! The flag that lets a right password be accepted without a look at the database.

use super::node::{Node, Place};
use super::proxy::{Mode, Proxy};
use super::{database, postgres, until};

#[test]
fn d7_only_with_the_flag_is_a_right_password_accepted_while_the_database_is_out_of_reach() {
    let Some(server) = postgres::shared() else { return };
    let Some(url) = database() else { return };
    let proxy = Proxy::to(server.port);
    let by_proxy = postgres::url(proxy.port, url.rsplit('/').next().unwrap());
    let operator = Place::on(&url);
    operator.run(&["policy", "set", "--create", "--max-password-attempts", "5"]).done();
    let token = operator.token();
    let exact = Node::start(&by_proxy, &["--node", "a"]);
    let stale = Node::start(&by_proxy, &["--node", "b", "--stale-success", "1h"]);
    exact.register(&token, &["ada"]);

    // A node that has heard nothing for 2 s knows no caller: on a busy machine that may be too short.
    until("a success without a look", || {
        let ids = [&stale, &exact].map(|node| {
            let mut id = None;
            until("an attempt to begin", || {
                let begun = node.begin_attempt(&token, "ada").body;
                id = begun["admitted"]["attemptId"].as_str().map(str::to_owned);
                id.is_some()
            });
            id.unwrap()
        });
        proxy.set(Mode::Frozen);
        let accepted = [(&stale, &ids[0]), (&exact, &ids[1])].map(|(node, id)| {
            let settled = node.settle(&token, id, "OUTCOME_SUCCESS");
            assert!([200, 503].contains(&settled.status), "{settled:?}");
            settled.status == 200 && !settled.body["accepted"].is_null()
        });
        proxy.set(Mode::Open);
        assert!(!accepted[1], "it was accepted without a look");
        accepted[0]
    });
    stale.stop();
    exact.stop();
}
