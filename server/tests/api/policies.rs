//! What the calls on policies answer.

use portcullis_server::api::policies::*;
use portcullis_server::proto::zitadel::admin::v1 as admin;
use portcullis_server::proto::zitadel::management::v1 as management;
use portcullis_server::proto::zitadel::object::v2::{RequestContext, request_context};
use portcullis_server::proto::zitadel::settings::v2::GetLockoutSettingsRequest;

use super::{World, about, by, told, wait};

type Policy = portcullis_server::proto::zitadel::policy::v1::LockoutPolicy;

async fn get(world: &World, org: &str) -> (Policy, bool) {
    let request = management::GetLockoutPolicyRequest {};
    let got = get_lockout_policy(&world.api, &about(org, "root"), request).await.unwrap();
    (got.policy.unwrap(), got.is_default)
}

fn add(password: u32, otp: u32) -> management::AddCustomLockoutPolicyRequest {
    management::AddCustomLockoutPolicyRequest {
        max_password_attempts: password,
        max_otp_attempts: otp,
    }
}

fn update(password: u32, otp: u32) -> management::UpdateCustomLockoutPolicyRequest {
    management::UpdateCustomLockoutPolicyRequest {
        max_password_attempts: password,
        max_otp_attempts: otp,
    }
}

#[test]
fn p5_p6_the_whole_life_of_an_override() {
    wait(async {
        let (world, meta) = (World::new().await, by("root"));
        let api = &world.api;
        let (policy, is_default) = get(&world, "acme").await;
        let details = policy.details.unwrap();
        assert!(is_default && policy.is_default);
        assert_eq!((details.sequence, details.resource_owner.as_str()), (1, "main"));
        assert_eq!((policy.max_password_attempts, policy.max_otp_attempts), (10, 10));

        let missing = "NotFound: Errors.Org.LockoutPolicy.NotFound";
        let changed = update_custom_lockout_policy(api, &meta, update(1, 1)).await;
        assert_eq!(told(changed), format!("{missing} (ORG-ADfs1)"));
        let reset = || management::ResetLockoutPolicyToDefaultRequest {};
        let gone = reset_lockout_policy_to_default(api, &meta, reset()).await;
        assert_eq!(told(gone), format!("{missing} (ORG-D4zuz)"));

        let added =
            add_custom_lockout_policy(api, &meta, add(5, 0)).await.unwrap().details.unwrap();
        assert_eq!((added.sequence, added.resource_owner.as_str()), (1, "acme"));
        assert!(added.creation_date.is_some() && added.change_date.is_none());
        let again = add_custom_lockout_policy(api, &meta, add(5, 0)).await;
        let exists = "AlreadyExists: Errors.ORG.LockoutPolicy.AlreadyExists (ORG-0olDf)";
        assert_eq!(told(again), exists);
        let (policy, is_default) = get(&world, "acme").await;
        assert!(!is_default && !policy.is_default);
        assert_eq!((policy.max_password_attempts, policy.max_otp_attempts), (5, 0));
        let details = policy.details.unwrap();
        assert_eq!(details.creation_date, added.creation_date);
        assert!(details.change_date.is_some());
        assert!(get(&world, "globex").await.1);

        let same = update_custom_lockout_policy(api, &meta, update(5, 0)).await;
        let not_changed = "FailedPrecondition: Errors.Org.LockoutPolicy.NotChanged (ORG-0JFSr)";
        assert_eq!(told(same), not_changed);
        let other = update_custom_lockout_policy(api, &meta, update(6, 2)).await.unwrap();
        let other = other.details.unwrap();
        assert_eq!((other.sequence, other.resource_owner.as_str()), (2, "acme"));
        assert!(other.creation_date.is_none() && other.change_date.is_some());

        let reset = reset_lockout_policy_to_default(api, &meta, reset()).await.unwrap();
        let reset = reset.details.unwrap();
        assert_eq!((reset.sequence, reset.resource_owner.as_str()), (3, "acme"));
        assert!(reset.creation_date.is_none() && reset.change_date.is_some());
        assert!(get(&world, "acme").await.1);
    });
}

#[test]
fn the_instances_policy_keeps_the_flag_that_no_field_has() {
    wait(async {
        let (world, meta) = (World::new().await, by("root"));
        let change = |password, otp| {
            let request = admin::UpdateLockoutPolicyRequest {
                max_password_attempts: password,
                max_otp_attempts: otp,
            };
            admin_update_lockout_policy(&world.api, &meta, request)
        };
        let not_changed =
            "FailedPrecondition: Errors.Instance.LockoutPolicy.NotChanged (INSTANCE-0psjF)";
        assert_eq!(told(change(10, 10).await), not_changed);
        let details = change(3, 0).await.unwrap().details.unwrap();
        assert_eq!((details.sequence, details.resource_owner.as_str()), (2, "main"));
        assert!(details.creation_date.is_none() && details.change_date.is_some());
        assert!(world.api.engine().instance_policy().0.show_lockout_failures);
        let request = admin::GetLockoutPolicyRequest {};
        let policy = admin_get_lockout_policy(&world.api, &meta, request).await.unwrap();
        let policy = policy.policy.unwrap();
        assert!(policy.is_default);
        assert_eq!((policy.max_password_attempts, policy.max_otp_attempts), (3, 0));
        assert_eq!(get(&world, "globex").await.0, policy);
        let default = management::GetDefaultLockoutPolicyRequest {};
        let default = get_default_lockout_policy(&world.api, &meta, default).await.unwrap();
        assert_eq!(default.policy.unwrap(), policy);
    });
}

#[test]
fn settings_are_those_of_the_context_that_is_asked_for() {
    use request_context::ResourceOwner::{Instance, OrgId};
    wait(async {
        let (world, meta) = (World::new().await, by("root"));
        add_custom_lockout_policy(&world.api, &meta, add(5, 4)).await.unwrap();
        for (owner, password, kind, of) in [
            (None, 5, 2, "acme"),
            (Some(Instance(true)), 10, 1, "main"),
            (Some(OrgId(String::from("acme"))), 5, 2, "acme"),
            (Some(OrgId(String::from("globex"))), 10, 1, "main"),
            (Some(OrgId(String::from("no such org"))), 10, 1, "main"),
            (Some(OrgId(String::from(" no id "))), 10, 1, "main"),
        ] {
            let ctx = Some(RequestContext { resource_owner: owner.clone() });
            let request = GetLockoutSettingsRequest { ctx };
            let got = get_lockout_settings(&world.api, &meta, request).await.unwrap();
            let (settings, details) = (got.settings.unwrap(), got.details.unwrap());
            assert_eq!(
                (settings.max_password_attempts, settings.resource_owner_type),
                (password, kind),
                "{owner:?}"
            );
            assert_eq!(details.resource_owner, of);
            assert!(details.creation_date.is_some() && details.change_date.is_some());
        }
        let ctx = Some(RequestContext { resource_owner: Some(Instance(false)) });
        let refused =
            get_lockout_settings(&world.api, &meta, GetLockoutSettingsRequest { ctx }).await;
        assert!(told(refused).contains("invalid RequestContext.Instance: value must equal true"));
    });
}
