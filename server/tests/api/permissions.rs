//! Who may call what: every role, on the instance, on the organization at hand and on another one.

use portcullis_server::api::error::ApiError;
use portcullis_server::api::policies::*;
use portcullis_server::api::roles::Role;
use portcullis_server::api::users::{v1, v2};
use portcullis_server::api::{Api, Meta};
use portcullis_server::proto::zitadel::settings::v2::GetLockoutSettingsRequest;
use portcullis_server::proto::zitadel::{admin, management, user};

use super::{World, about, by, told, wait};

/// Every call, by its permission; one of several is enough. The first letter says where it is looked at:
/// `c` for the organization at hand, `t` for that of the user whom the call is about, `e` everywhere,
/// `s` somewhere, for that call then passes over what is elsewhere.
const CALLS: [(&str, &str); 39] = [
    ("get_lockout_policy", "c policy.read"),
    ("get_default_lockout_policy", "c policy.read"),
    ("add_custom_lockout_policy", "c policy.write"),
    ("update_custom_lockout_policy", "c policy.write"),
    ("reset_lockout_policy_to_default", "c policy.delete"),
    ("get_lockout_settings", "c policy.read"),
    ("admin_get_lockout_policy", "c iam.policy.read"),
    ("admin_update_lockout_policy", "c iam.policy.write"),
    ("lock_user_v1", "c user.write"),
    ("unlock_user_v1", "c user.write"),
    ("deactivate_user_v1", "c user.write"),
    ("reactivate_user_v1", "c user.write"),
    ("get_user_by_id_v1", "c user.read"),
    ("list_users_v1", "c user.read"),
    ("lock_user", "t user.write"),
    ("unlock_user", "t user.write"),
    ("deactivate_user", "t user.write"),
    ("reactivate_user", "t user.write"),
    ("get_user_by_id", "t user.read"),
    ("list_users", "t authenticated"),
    // Of a user who does not exist nobody is told who may not change users here.
    ("lock_user, unknown", "t user.write"),
    ("get_user_by_id, unknown", "t user.read"),
    ("begin_attempt", "t attempt.write"),
    ("settle_attempt", "t attempt.write"),
    ("record_attempt", "t attempt.write"),
    ("get_lock_status", "t user.read attempt.write"),
    ("get_lock_status, unknown", "t user.read attempt.write"),
    ("report_credential_change", "t attempt.write"),
    ("report_credential_change, unknown", "t user.read attempt.write"),
    ("register_org", "e org.write"),
    ("remove_org", "e org.write"),
    ("register_user", "t user.register"),
    ("remove_user", "t user.write"),
    ("list_locked_users", "t user.read"),
    ("list_locked_users, everywhere", "s user.read"),
    ("unlock_users", "t user.write"),
    ("unlock_users, everywhere", "s user.write"),
    ("stream_events", "t events.read"),
    ("stream_events, everywhere", "e events.read"),
];

/// The columns of ZITADEL's table, and of our own permissions.
const TABLE: [(&str, &str); 22] = [
    ("IAM_OWNER", "xxxxxxx xxx-x"),
    ("IAM_OWNER_VIEWER", "x--x-x- ----x"),
    ("IAM_ORG_MANAGER", "xxx--xx xx---"),
    ("IAM_USER_MANAGER", "-----xx x----"),
    ("IAM_LOGIN_CLIENT", "x--x-xx -----"),
    ("IAM_LOGIN_SERVICE", "------- x-xxx"),
    ("ORG_OWNER", "xxx--xx x-x-x"),
    ("ORG_OWNER_VIEWER", "x----x- ----x"),
    ("ORG_USER_MANAGER", "x----xx x----"),
    ("ORG_LOGIN_SERVICE", "------- x-xxx"),
    ("ORG_SETTINGS_MANAGER", "xxx---- -----"),
    ("ORG_USER_PERMISSION_EDITOR", "x----x- -----"),
    ("ORG_PROJECT_PERMISSION_EDITOR", "x----x- -----"),
    ("ORG_PROJECT_CREATOR", "x------ -----"),
    ("PROJECT_OWNER", "x----x- -----"),
    ("PROJECT_OWNER_VIEWER", "x----x- -----"),
    ("PROJECT_GRANT_OWNER", "x----x- -----"),
    ("PROJECT_GRANT_OWNER_VIEWER", "x----x- -----"),
    ("PROJECT_OWNER_GLOBAL", "x------ -----"),
    ("PROJECT_OWNER_VIEWER_GLOBAL", "x------ -----"),
    ("SELF_MANAGEMENT_GLOBAL", "x------ -----"),
    ("ORG_USER_SELF_MANAGER", "x------ -----"),
];

const COLUMNS: [&str; 12] = [
    "policy.read",
    "policy.write",
    "policy.delete",
    "iam.policy.read",
    "iam.policy.write",
    "user.read",
    "user.write",
    "user.register",
    "org.write",
    "attempt.write",
    "attempt.client.write",
    "events.read",
];

fn may(role: &str, permissions: &str) -> bool {
    permissions.split(' ').any(|permission| may_one(role, permission))
}

fn may_one(role: &str, permission: &str) -> bool {
    let (_, row) = TABLE.iter().find(|(name, _)| *name == role).unwrap();
    permission == "authenticated"
        || COLUMNS
            .iter()
            .zip(row.bytes().filter(|mark| *mark != b' '))
            .any(|(it, mark)| *it == permission && mark == b'x')
}

/// Calls one of them about `ada` of `acme`, or about nobody.
async fn call(api: &Api, meta: &Meta, name: &str) -> Result<(), ApiError> {
    use management::v1 as m;
    use user::v2 as u;
    let (call, id) = match name.split_once(", ") {
        Some((call, _)) => (call, String::from("nobody")),
        None => (name, String::from("ada")),
    };
    macro_rules! call {
        ($function:path, $request:expr) => {
            $function(api, meta, $request).await.map(drop)
        };
    }
    match call {
        "get_lockout_policy" => call!(get_lockout_policy, m::GetLockoutPolicyRequest {}),
        "get_default_lockout_policy" => {
            call!(get_default_lockout_policy, m::GetDefaultLockoutPolicyRequest {})
        }
        "add_custom_lockout_policy" => {
            call!(add_custom_lockout_policy, m::AddCustomLockoutPolicyRequest::default())
        }
        "update_custom_lockout_policy" => {
            call!(update_custom_lockout_policy, m::UpdateCustomLockoutPolicyRequest::default())
        }
        "reset_lockout_policy_to_default" => {
            call!(reset_lockout_policy_to_default, m::ResetLockoutPolicyToDefaultRequest {})
        }
        "get_lockout_settings" => call!(get_lockout_settings, GetLockoutSettingsRequest::default()),
        "admin_get_lockout_policy" => {
            call!(admin_get_lockout_policy, admin::v1::GetLockoutPolicyRequest {})
        }
        "admin_update_lockout_policy" => call!(
            admin_update_lockout_policy,
            admin::v1::UpdateLockoutPolicyRequest { max_password_attempts: 3, max_otp_attempts: 3 }
        ),
        "lock_user_v1" => call!(v1::lock_user_v1, m::LockUserRequest { id }),
        "unlock_user_v1" => call!(v1::unlock_user_v1, m::UnlockUserRequest { id }),
        "deactivate_user_v1" => call!(v1::deactivate_user_v1, m::DeactivateUserRequest { id }),
        "reactivate_user_v1" => call!(v1::reactivate_user_v1, m::ReactivateUserRequest { id }),
        "get_user_by_id_v1" => call!(v1::get_user_by_id_v1, m::GetUserByIdRequest { id }),
        "list_users_v1" => call!(v1::list_users_v1, m::ListUsersRequest::default()),
        "lock_user" => call!(v2::lock_user, u::LockUserRequest { user_id: id }),
        "unlock_user" => call!(v2::unlock_user, u::UnlockUserRequest { user_id: id }),
        "deactivate_user" => call!(v2::deactivate_user, u::DeactivateUserRequest { user_id: id }),
        "reactivate_user" => call!(v2::reactivate_user, u::ReactivateUserRequest { user_id: id }),
        "get_user_by_id" => call!(v2::get_user_by_id, u::GetUserByIdRequest { user_id: id }),
        "list_users" => call!(v2::list_users, u::ListUsersRequest::default()),
        _ => super::attempts::call(api, meta, name).await,
    }
}

/// Whether the answer is one that only a caller gets who may call.
fn is_let_in(answer: &str) -> bool {
    !answer.contains("AUTH") && !answer.contains("auth header")
}

#[test]
fn m31_a_role_permits_what_the_table_says_where_it_is_held_and_nothing_elsewhere() {
    assert_eq!(Role::ALL.len(), TABLE.len());
    wait(async {
        // What the calls leave behind decides nothing about who may make them.
        let world = World::new().await;
        world.add_user("acme", "eve");
        for role in Role::ALL {
            for (name, needs) in CALLS {
                let (place, permission) = needs.split_once(' ').unwrap();
                for level in ["instance", "here", "elsewhere", "nowhere"] {
                    let org = match level {
                        "instance" => None,
                        "here" => Some("acme"),
                        _ => Some("globex"),
                    };
                    let roles = if level == "nowhere" { vec![] } else { vec![(*role, org)] };
                    world.add_caller("one", "acme", "somebody", &roles);
                    let answer = told(call(&world.api, &by("one"), name).await);
                    let holds = match place {
                        "e" => level == "instance",
                        "s" => level != "nowhere",
                        _ => matches!(level, "instance" | "here"),
                    };
                    let expected = match (place, holds, may(role.name(), permission)) {
                        _ if permission == "authenticated" => "let in",
                        (_, true, true) => "let in",
                        ("t" | "e" | "s", ..) => {
                            "PermissionDenied: No matching permissions found (AUTH-AWfge)"
                        }
                        (_, true, false) => {
                            "PermissionDenied: No matching permissions found (AUTH-5mWD2)"
                        }
                        (_, false, _) => "NotFound: membership not found (AUTHZ-cdgFk)",
                    };
                    let found = if is_let_in(&answer) { "let in" } else { answer.as_str() };
                    assert_eq!(found, expected, "{role} {level}: {name}: {answer}");
                }
            }
        }
    });
}

#[test]
fn every_call_wants_a_good_token_before_anything_else() {
    wait(async {
        let world = World::new().await;
        world.add_user("acme", "eve");
        world.add_caller("locked", "globex", "hank", &[(Role::IamOwner, None)]);
        world
            .api
            .engine()
            .lock(&"globex".parse().unwrap(), &"hank".parse().unwrap())
            .await
            .unwrap();
        let header = |values: &[&str]| Meta {
            authorization: values.iter().map(|value| (*value).to_owned()).collect(),
            org: Some(String::from("no such org")),
            ..Meta::default()
        };
        for (name, _) in CALLS {
            for (meta, expected) in [
                (header(&[]), "Unauthenticated: auth header missing"),
                (header(&["root"]), "Unauthenticated: invalid auth header (AUTH-toLo1)"),
                (header(&["bearer root"]), "Unauthenticated: invalid auth header (AUTH-toLo1)"),
                (
                    header(&["Bearer root", "Bearer root"]),
                    "Unauthenticated: invalid auth header (AUTH-toLo1)",
                ),
                (header(&["Bearer other"]), "Unauthenticated: Errors.Token.Invalid (AUTH-7fs1e)"),
                (header(&["Bearer locked"]), "Unauthenticated: Errors.Token.Invalid (AUTH-7fs1e)"),
                (
                    about("no such org", "root"),
                    "PermissionDenied: Organisation doesn't exist (AUTH-Bs7Ds)",
                ),
                (about(" ", "root"), "PermissionDenied: Organisation doesn't exist (AUTH-Bs7Ds)"),
                (
                    about(&"o".repeat(201), "root"),
                    "PermissionDenied: Organisation doesn't exist (AUTH-Bs7Ds)",
                ),
            ] {
                assert_eq!(told(call(&world.api, &meta, name).await), expected, "{name} {meta:?}");
            }
        }
    });
}

/// An organization's owner is nobody in another one, whichever header is sent (CVE-2026-105209).
#[test]
fn m31_the_permission_is_looked_at_where_the_user_is_and_not_where_the_header_points() {
    wait(async {
        let world = World::new().await;
        world.add_user("acme", "eve");
        let owner = &[(Role::OrgOwner, Some("globex"))];
        world.add_caller("owner", "globex", "boss", owner);
        let denied = "PermissionDenied: No matching permissions found (AUTH-AWfge)";
        for name in ["lock_user", "unlock_user", "deactivate_user", "get_user_by_id"] {
            for meta in [by("owner"), about("globex", "owner"), about("acme", "owner")] {
                assert_eq!(told(call(&world.api, &meta, name).await), denied, "{name} {meta:?}");
            }
        }
        for name in ["lock_user_v1", "deactivate_user_v1"] {
            let there = told(call(&world.api, &about("acme", "owner"), name).await);
            assert_eq!(there, "NotFound: membership not found (AUTHZ-cdgFk)");
            // In the own organization the user of another one does not exist.
            let here = told(call(&world.api, &by("owner"), name).await);
            assert!(here.starts_with("NotFound: User could not be found"), "{here}");
        }
        assert!(!world.api.engine().is_locked("ada"));
    });
}
