//! What the engine and the directory have to say of a token's user.

use portcullis::Actor;
use portcullis_server::directory::Directory;
use serde_json::json;

use super::{KEY, RESOURCE_OWNER, ROLES, World, org, user, wait};

#[test]
fn m20_the_jwt_of_who_is_locked_or_inactive_is_refused_when_the_call_has_returned() {
    wait(async {
        let world = World::new().await;
        let token = world.token().signed(&KEY);
        assert_eq!(world.told(&token).await, "200");

        world.engine.lock(&org("acme"), &user("ada")).await.unwrap();
        assert_eq!(world.told(&token).await, "401");
        world.engine.unlock(&user("ada")).await.unwrap();
        assert_eq!(world.told(&token).await, "200");

        let actor: Actor = "tester".parse().unwrap();
        world.directory.set_active(&actor, &user("ada"), false).await.unwrap().unwrap();
        assert_eq!(world.told(&token).await, "401 inactive");
        world.directory.set_active(&actor, &user("ada"), true).await.unwrap().unwrap();
        assert_eq!(world.told(&token).await, "200");

        // A lock is the engine's: also of a user whom the directory does not have.
        let stranger = world.token().claim("sub", "stranger").signed(&KEY);
        assert_eq!(world.told(&stranger).await, "200");
        world.engine.lock(&org("acme"), &user("stranger")).await.unwrap();
        assert_eq!(world.told(&stranger).await, "401");
    });
}

#[test]
fn the_directory_goes_before_the_token() {
    wait(async {
        let world = World::new().await;
        let of = |sub: &str, owner: &str| {
            let token = world.token().claim("sub", sub).claim(RESOURCE_OWNER, owner);
            token.claim(ROLES, json!({"ORG_OWNER": {"acme": "a", "globex": "g"}})).signed(&KEY)
        };
        for (sub, owner, told) in [
            ("ada", "acme", "200"),
            ("ada", "globex", "401 organization"),
            ("hank", "globex", "200"),
            ("hank", "acme", "401 organization"),
            ("stranger", "acme", "200"),
            ("stranger", "", "401 organization"),
            ("ada", "acme\n", "401 organization"),
        ] {
            assert_eq!(world.told(&of(sub, owner)).await, told, "{sub} of {owner:?}");
        }
        // Whoever is in the directory has an organization, whether the token says so or not.
        let unsaid =
            |sub: &str| world.token().claim("sub", sub).without(RESOURCE_OWNER).signed(&KEY);
        assert_eq!(world.told(&unsaid("ada")).await, "200");
        assert_eq!(world.told(&unsaid("hank")).await, "404");
        assert_eq!(world.told(&unsaid("stranger")).await, "401 organization");
        // Own roles of the user's are no roles of the token.
        let bare = world.token().claim(ROLES, json!({})).signed(&KEY);
        assert_eq!(world.told(&bare).await, "404");
        assert_eq!(world.told(&world.own_token).await, "200");
    });
}
