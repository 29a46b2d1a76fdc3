//! Roles of the issuer's, and where each holds.

use serde_json::{Value, json};

use super::issuer::TestIssuer;
use super::{KEY, READ, RESOURCE_OWNER, ROLES, ROLES_OF_CLIENT, World, org, wait};

const LOCKOUT: &str = "POST /management/v1/policies/lockout";
const DEFAULT: &str = "PUT /admin/v1/policies/password/lockout";

/// Which of reading and adding `acme`'s policy, the same of `globex`, and changing the instance's is
/// permitted.
async fn may(world: &World, token: &str) -> String {
    let mut may = Vec::new();
    for (name, org, line) in [
        ("read acme", Some("acme"), &*format!("GET {READ}")),
        ("change acme", Some("acme"), LOCKOUT),
        ("read globex", Some("globex"), &*format!("GET {READ}")),
        ("change globex", Some("globex"), LOCKOUT),
        ("change all", None, DEFAULT),
    ] {
        let (status, body) = world.call(token, org, line).await;
        match (status, body["code"].as_i64()) {
            (200, _) => may.push(name),
            (404, Some(5)) | (403, Some(7)) => {}
            _ => panic!("{name}: {status} {body}"),
        }
        // For the next one to add.
        for id in ["acme", "globex"] {
            let _ = world.engine.reset_to_default(&self::org(id)).await;
        }
        let before = portcullis::LockoutPolicy::new(3, 3);
        let _ = world.engine.set_instance_policy(before).await;
    }
    may.join(", ")
}

const ALL: &str = "read acme, change acme, read globex, change globex, change all";

#[test]
fn m31_a_role_by_jwt_holds_where_it_is_granted_and_nowhere_else() {
    wait(async {
        let world = World::with(TestIssuer::start(vec![KEY.jwk()]), |options| {
            options.instance_org = Some(org("operators"));
        });
        let (world, mut wrong) = (world.await, Vec::new());
        for (roles, told) in [
            (json!({}), ""),
            (json!({"ORG_OWNER": {"acme": "a"}}), "read acme, change acme"),
            (json!({"ORG_OWNER_VIEWER": {"acme": "a"}}), "read acme"),
            (json!({"ORG_OWNER": {"globex": "g"}}), "read globex, change globex"),
            (
                json!({"ORG_OWNER": {"acme": "a"}, "ORG_OWNER_VIEWER": {"globex": "g", "none": "n"}}),
                "read acme, change acme, read globex",
            ),
            // Granted by an organization that speaks for the instance, and by one that does not.
            (json!({"IAM_OWNER": {"operators": "o"}}), ALL),
            (json!({"IAM_OWNER": {"acme": "a"}}), ""),
            (json!({"IAM_OWNER": {"acme": "a", "operators": "o"}}), ALL),
            (json!({"IAM_OWNER_VIEWER": {"operators": "o"}}), "read acme, read globex"),
            // An owner of that organization is an owner of that organization.
            (json!({"ORG_OWNER": {"operators": "o"}}), ""),
            // Roles of others, and what is none.
            (json!({"admin": {"acme": "a"}, "org_owner": {"acme": "a"}, "": {"acme": "a"}}), ""),
            (json!({"ORG_OWNER ": {"acme": "a"}, "ORG_OWNER": {"acme\n": "a", "": "a"}}), ""),
            (json!({"ORG_OWNER": {}}), ""),
            (json!({"ORG_OWNER": ["acme"]}), ""),
            (json!({"ORG_OWNER": "acme"}), ""),
            (json!(["ORG_OWNER"]), ""),
            (json!("ORG_OWNER"), ""),
            (json!({"admin": "acme", "ORG_OWNER": {"acme": null}}), "read acme, change acme"),
        ] {
            let token = world.token().claim(ROLES, roles.clone()).signed(&KEY);
            let may = may(&world, &token).await;
            if may != told {
                wrong.push(format!("{roles}: {may:?}, not {told:?}"));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        let without = world.token().without(ROLES).signed(&KEY);
        assert_eq!(may(&world, &without).await, "");
        assert_eq!(world.told(&without).await, "404");
    });
}

#[test]
fn without_a_setting_nobody_is_of_the_instance() {
    wait(async {
        let world = World::new().await;
        let everywhere = json!({"acme": "a", "globex": "g", "operators": "o", "main": "m"});
        let token = world.token().claim(ROLES, json!({"IAM_OWNER": everywhere})).signed(&KEY);
        assert_eq!(may(&world, &token).await, "");
    });
}

#[test]
fn m31_roles_by_jwt_of_another_project_are_none_here() {
    wait(async {
        let world = World::new().await;
        let owner = || json!({"ORG_OWNER": {"acme": "a"}});
        let other = "urn:zitadel:iam:org:project:another:roles";
        let by = |claims: Vec<(&str, Value)>, client: &str| {
            let token = world.token().without(ROLES).claim("client_id", client);
            claims
                .into_iter()
                .fold(token, |token, (name, value)| token.claim(name, value))
                .signed(&KEY)
        };
        let here = super::AUDIENCE;
        for (claims, client, told) in [
            (vec![(other, owner())], "client", "404"),
            // The claim without a project is about the project of the client, whoever made that.
            (vec![(ROLES_OF_CLIENT, owner())], "client", "404"),
            (vec![(ROLES_OF_CLIENT, owner())], here, "200"),
            (vec![(ROLES_OF_CLIENT, owner()), (ROLES, json!({}))], here, "404"),
            (vec![(ROLES_OF_CLIENT, json!({})), (ROLES, owner())], "client", "200"),
            (vec![("roles", owner()), ("groups", json!(["ORG_OWNER"]))], here, "404"),
        ] {
            assert_eq!(
                world.told(&by(claims.clone(), client)).await,
                told,
                "{claims:?} by {client}"
            );
        }
        let nobody =
            world.token().without(ROLES).without("client_id").claim(ROLES_OF_CLIENT, owner());
        assert_eq!(world.told(&nobody.signed(&KEY)).await, "404");
    });
}

#[test]
fn without_a_header_a_call_is_about_the_resource_owner() {
    wait(async {
        let world = World::new().await;
        let stranger = world.token().claim("sub", "stranger").claim(RESOURCE_OWNER, "globex");
        let in_acme = stranger.clone().signed(&KEY);
        assert_eq!(world.told(&in_acme).await, "404");
        assert_eq!(world.told_of(&in_acme, Some("acme")).await, "200");
        let in_globex = stranger.claim(ROLES, json!({"ORG_OWNER": {"globex": "g"}})).signed(&KEY);
        assert_eq!(world.told(&in_globex).await, "200");
        assert_eq!(world.told_of(&in_globex, Some("acme")).await, "404");
    });
}
