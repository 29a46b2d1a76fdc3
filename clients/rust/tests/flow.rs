//! The flow of an administrator by the crate `zitadel`, over gRPC.

use prost::Message;
use tonic::{Code, Status};
use zitadel::api::clients::ClientBuilder;
use zitadel::api::zitadel::management::v1 as management;
use zitadel::api::zitadel::settings::v2 as settings;
use zitadel::api::zitadel::user::v2 as user;
use zitadel::api::zitadel::v1::ErrorDetail;
use zitadel::api::zitadel::admin::v1 as admin;

fn variable(name: &str) -> String {
    std::env::var(format!("PORTCULLIS_{name}")).unwrap()
}

fn client() -> ClientBuilder {
    ClientBuilder::new(&variable("URL"))
}

/// What gRPC's `google.rpc.Status` has in it.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// It failed with that code, and that id in its message and its detail.
fn fails<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code, id: &str) {
    let status = answer.unwrap_err();
    assert_eq!(status.code(), code, "{status:?}");
    let rpc = RpcStatus::decode(status.details()).unwrap();
    assert_eq!(rpc.details[0].type_url, "type.googleapis.com/zitadel.v1.ErrorDetail");
    let detail = ErrorDetail::decode(&*rpc.details[0].value).unwrap();
    assert_eq!(detail.id, id);
    assert_eq!(status.message(), format!("{} ({id})", detail.message));
}

#[tokio::test]
async fn an_override_comes_changes_and_goes() {
    let mut client =
        client().with_access_token(&variable("TOKEN")).build_management_client().await.unwrap();
    let read = client.get_lockout_policy(management::GetLockoutPolicyRequest {}).await.unwrap();
    assert!(read.into_inner().is_default);
    let add = management::AddCustomLockoutPolicyRequest {
        max_password_attempts: 5,
        max_otp_attempts: 3,
    };
    let added = client.add_custom_lockout_policy(add).await.unwrap().into_inner().details.unwrap();
    assert_eq!(added.resource_owner, variable("ORG"));
    fails(client.add_custom_lockout_policy(add).await, Code::AlreadyExists, "ORG-0olDf");
    let update = management::UpdateCustomLockoutPolicyRequest {
        max_password_attempts: 5,
        max_otp_attempts: 3,
    };
    let same = client.update_custom_lockout_policy(update).await;
    fails(same, Code::FailedPrecondition, "ORG-0JFSr");
    let settings =
        ClientBuilder::new(&variable("URL")).with_access_token(&variable("TOKEN"));
    let mut settings = settings.build_settings_client().await.unwrap();
    let request = settings::GetLockoutSettingsRequest { ctx: None };
    let got = settings.get_lockout_settings(request).await.unwrap().into_inner();
    assert_eq!(got.settings.unwrap().max_password_attempts, 5);
    let reset = || management::ResetLockoutPolicyToDefaultRequest {};
    let gone = client.reset_lockout_policy_to_default(reset()).await.unwrap().into_inner();
    assert!(gone.details.unwrap().sequence > added.sequence);
    fails(client.reset_lockout_policy_to_default(reset()).await, Code::NotFound, "ORG-D4zuz");
}

#[tokio::test]
async fn the_instances_policy_and_a_user() {
    let token = variable("TOKEN");
    let mut admins = client().with_access_token(&token).build_admin_client().await.unwrap();
    let read = admins.get_lockout_policy(admin::GetLockoutPolicyRequest {}).await.unwrap();
    let policy = read.into_inner().policy.unwrap();
    let same = admin::UpdateLockoutPolicyRequest {
        max_password_attempts: policy.max_password_attempts as u32,
        max_otp_attempts: policy.max_otp_attempts as u32,
    };
    let unchanged = admins.update_lockout_policy(same).await;
    fails(unchanged, Code::FailedPrecondition, "INSTANCE-0psjF");
    let mut users = client().with_access_token(&token).build_user_client().await.unwrap();
    let user_id = String::from("nightly");
    let lock = || user::LockUserRequest { user_id: user_id.clone() };
    users.lock_user(lock()).await.unwrap();
    fails(users.lock_user(lock()).await, Code::FailedPrecondition, "COMMAND-lgws8wtsqf");
    let get = user::GetUserByIdRequest { user_id: user_id.clone() };
    let got = users.get_user_by_id(get).await.unwrap().into_inner().user.unwrap();
    assert_eq!(got.state, user::UserState::Locked as i32);
    let unlock = || user::UnlockUserRequest { user_id: user_id.clone() };
    users.unlock_user(unlock()).await.unwrap();
    fails(users.unlock_user(unlock()).await, Code::FailedPrecondition, "COMMAND-olb9vb0oca");
}

#[tokio::test]
async fn a_bad_token() {
    let mut client = client().with_access_token("1.wrong").build_management_client().await.unwrap();
    let read = client.get_lockout_policy(management::GetLockoutPolicyRequest {}).await;
    fails(read, Code::Unauthenticated, "AUTH-7fs1e");
}
