//! A service with the rights that the operators' handbook gives it.

use serde_json::json;

use super::node::{Node, Place};
use super::{postgres, sql, until, wait};

/// The SQL of the handbook: for the journal, and for the directory.
fn documented_grants() -> String {
    let handbook = include_str!("../../../docs/operations.md");
    let blocks = handbook.split("```sql\n").skip(1);
    let blocks = blocks.map(|block| block.split("```").next().unwrap());
    let grants: Vec<_> = blocks.filter(|sql| sql.contains("GRANT")).collect();
    // They are also among the commands to copy.
    let (_, copied) = handbook.split_once("<<'SQL'\n").unwrap();
    let (copied, _) = copied.split_once("SQL\n").unwrap();
    let without_role = grants.concat().replace("CREATE ROLE portcullis_service LOGIN;\n", "");
    assert_eq!(copied, without_role);
    grants.concat()
}

#[test]
fn a_service_with_the_documented_rights_serves_and_cannot_rewrite_the_trail() {
    let Some(server) = postgres::Cluster::start(&[]) else { return };
    let url = wait(server.database());
    let owner = Place::on(&url);
    owner.run(&["policy", "set", "--create", "--max-password-attempts", "2"]).done();
    let token = owner.token();
    sql(&url, &documented_grants());
    let as_service = url.replacen("postgres@", "portcullis_service@", 1);
    let service = Place::on(&as_service);
    let nodes =
        [Node::start(&as_service, &["--node", "a"]), Node::start(&as_service, &["--node", "b"])];
    let [a, b] = &nodes;
    a.register(&token, &["ada"]);
    until("the user", || b.guess(&token, "ada") == "rejected");
    until("the limit", || a.guess(&token, "ada") == "locked");
    service.run(&["unlock", "ada"]).done();
    service.run(&["policy", "set", "--org", "acme", "--max-password-attempts", "1"]).done();
    let mine = service.token();
    until("its own token", || a.knows(&mine) == 200);
    service.run(&["token", "revoke", mine.split('.').next().unwrap()]).done();
    until("its end", || a.knows(&mine) == 401);
    a.does(&token, "DELETE", "/portcullis/v1/users/ada", &json!(null));
    service.run(&["check"]).done();
    service.run(&["prune", "--older-than", "0s"]).fails(1, "permission denied");
    owner.run(&["prune", "--older-than", "1d"]).done();
    nodes.into_iter().for_each(Node::stop);
    for forbidden in [
        "UPDATE portcullis.event SET actor = 'nobody'",
        "DELETE FROM portcullis.event",
        "DELETE FROM portcullis.journal",
        "DELETE FROM portcullis.directory_user_all",
        "CREATE TABLE portcullis.mine ()",
        "DROP VIEW portcullis.directory_token",
    ] {
        let fault =
            wait(async { postgres::client(&as_service).await.batch_execute(forbidden).await });
        let code = fault.unwrap_err().as_db_error().map(|it| it.code().code().to_owned());
        assert_eq!(code.as_deref(), Some("42501"), "{forbidden}");
    }
}
