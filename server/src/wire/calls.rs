//! Every call: its service and method, its place in REST, and what does it.

use super::call::{Call, calls};
use crate::api::{attempts, events, locks, policies, registry, users};

pub(super) static CALLS: &[Call] = calls! {
    "zitadel.management.v1.ManagementService" {
        GetLockoutPolicy: GET "/management/v1/policies/lockout" => policies::get_lockout_policy;
        GetDefaultLockoutPolicy: GET "/management/v1/policies/default/lockout"
            => policies::get_default_lockout_policy;
        AddCustomLockoutPolicy: POST "/management/v1/policies/lockout"
            => policies::add_custom_lockout_policy;
        UpdateCustomLockoutPolicy: PUT "/management/v1/policies/lockout"
            => policies::update_custom_lockout_policy;
        ResetLockoutPolicyToDefault: DELETE "/management/v1/policies/lockout"
            => policies::reset_lockout_policy_to_default;
        LockUser: POST "/management/v1/users/{id}/_lock" => users::v1::lock_user_v1;
        UnlockUser: POST "/management/v1/users/{id}/_unlock" => users::v1::unlock_user_v1;
        DeactivateUser: POST "/management/v1/users/{id}/_deactivate" => users::v1::deactivate_user_v1;
        ReactivateUser: POST "/management/v1/users/{id}/_reactivate" => users::v1::reactivate_user_v1;
        GetUserByID: GET "/management/v1/users/{id}" => users::v1::get_user_by_id_v1;
        ListUsers: POST "/management/v1/users/_search" => users::v1::list_users_v1;
    }
    "zitadel.admin.v1.AdminService" {
        GetLockoutPolicy: GET "/admin/v1/policies/lockout" => policies::admin_get_lockout_policy;
        UpdateLockoutPolicy: PUT "/admin/v1/policies/password/lockout"
            => policies::admin_update_lockout_policy;
    }
    "zitadel.settings.v2.SettingsService" {
        GetLockoutSettings: GET "/v2/settings/lockout" => policies::get_lockout_settings;
    }
    "zitadel.settings.v2beta.SettingsService" {
        GetLockoutSettings: GET "/v2beta/settings/lockout" => policies::get_lockout_settings;
    }
    "zitadel.user.v2.UserService" {
        LockUser: POST "/v2/users/{user_id}/lock" => users::v2::lock_user;
        UnlockUser: POST "/v2/users/{user_id}/unlock" => users::v2::unlock_user;
        DeactivateUser: POST "/v2/users/{user_id}/deactivate" => users::v2::deactivate_user;
        ReactivateUser: POST "/v2/users/{user_id}/reactivate" => users::v2::reactivate_user;
        GetUserByID: GET "/v2/users/{user_id}" => users::v2::get_user_by_id;
        ListUsers: POST "/v2/users" => users::v2::list_users;
    }
    "zitadel.user.v2beta.UserService" {
        LockUser: POST "/v2beta/users/{user_id}/lock" => users::v2::lock_user;
        UnlockUser: POST "/v2beta/users/{user_id}/unlock" => users::v2::unlock_user;
        DeactivateUser: POST "/v2beta/users/{user_id}/deactivate" => users::v2::deactivate_user;
        ReactivateUser: POST "/v2beta/users/{user_id}/reactivate" => users::v2::reactivate_user;
        GetUserByID: GET "/v2beta/users/{user_id}" => users::v2::get_user_by_id;
        ListUsers: POST "/v2beta/users" => users::v2::list_users;
    }
    "portcullis.v1.AttemptService" {
        BeginAttempt: POST "/portcullis/v1/attempts" => attempts::begin_attempt;
        SettleAttempt: POST "/portcullis/v1/attempts/{attempt_id}/settle" => attempts::settle_attempt;
        RecordAttempt: POST "/portcullis/v1/attempts/record" => attempts::record_attempt;
        GetLockStatus: GET "/portcullis/v1/users/{user_id}/lock" => attempts::get_lock_status;
        ReportCredentialChange: POST "/portcullis/v1/users/{user_id}/credential_changes"
            => attempts::report_credential_change;
    }
    "portcullis.v1.DirectoryService" {
        RegisterOrg: POST "/portcullis/v1/orgs" => registry::register_org;
        RemoveOrg: DELETE "/portcullis/v1/orgs/{org_id}" => registry::remove_org;
        RegisterUser: POST "/portcullis/v1/users" => registry::register_user;
        RemoveUser: DELETE "/portcullis/v1/users/{user_id}" => registry::remove_user;
    }
    "portcullis.v1.LockService" {
        ListLockedUsers: POST "/portcullis/v1/locked_users/search" => locks::list_locked_users;
        UnlockUsers: POST "/portcullis/v1/locked_users/unlock" => locks::unlock_users;
    }
    "portcullis.v1.EventService" {
        StreamEvents: GET "/portcullis/v1/events" => @stream events::stream_events;
    }
};
