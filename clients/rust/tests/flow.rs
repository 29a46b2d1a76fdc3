//! What an administrator does, by ZITADEL's own crate, over gRPC. `clients/run` starts the server.

use std::env;
use std::fmt::Debug;

use prost::Message;
use tonic::metadata::MetadataValue;
use tonic::service::Interceptor;
use tonic::{Code, Request, Response, Status};
use zitadel::api::clients::ClientBuilder;
use zitadel::api::zitadel::management::v1 as management;
use zitadel::api::zitadel::object::v2::RequestContext;
use zitadel::api::zitadel::object::v2::request_context::ResourceOwner;
use zitadel::api::zitadel::settings::v2 as settings;
use zitadel::api::zitadel::user::{v1 as user_v1, v2 as user};
use zitadel::api::zitadel::{admin::v1 as admin, v1::ErrorDetail};

/// `google.rpc.Status`, which the crate has not.
#[derive(Clone, PartialEq, Message)]
struct Details {
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

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: start this by clients/run"))
}

/// A builder whose clients send a token.
fn with_token(token: &str) -> ClientBuilder<impl Interceptor + use<>> {
    let value: MetadataValue<_> = format!("Bearer {token}").parse().unwrap();
    let send = move |mut request: Request<()>| {
        request.metadata_mut().insert("authorization", value.clone());
        Ok(request)
    };
    ClientBuilder::new(&variable("PORTCULLIS_URL")).with_interceptor(send)
}

fn builder() -> ClientBuilder<impl Interceptor + use<>> {
    with_token(&variable("PORTCULLIS_TOKEN"))
}

fn done<T>(answer: Result<Response<T>, Status>) -> T {
    answer.unwrap().into_inner()
}

/// A call has failed: with this code, and with this id in the message and in the one detail.
#[track_caller]
fn refused<T: Debug>(answer: Result<Response<T>, Status>, code: Code, id: &str, text: &str) {
    let status = answer.unwrap_err();
    assert_eq!(status.code(), code, "{status}");
    assert_eq!(status.message(), format!("{text} ({id})"));
    let details = Details::decode(status.details()).unwrap().details;
    assert_eq!(details.len(), 1);
    assert_eq!(details[0].type_url, "type.googleapis.com/zitadel.v1.ErrorDetail");
    let detail = ErrorDetail::decode(details[0].value.as_slice()).unwrap();
    assert_eq!((detail.id.as_str(), detail.message.as_str()), (id, text));
}

#[tokio::test]
async fn policies() {
    let org = variable("PORTCULLIS_ORG");
    let mut management = builder().build_management_client().await.unwrap();
    let mut admin = builder().build_admin_client().await.unwrap();
    let mut settings = builder().build_settings_client().await.unwrap();

    // The instance's.
    let before = done(admin.get_lockout_policy(admin::GetLockoutPolicyRequest {}).await);
    let before = before.policy.unwrap();
    assert!(before.is_default);
    let update = admin::UpdateLockoutPolicyRequest {
        max_password_attempts: u32::try_from(before.max_password_attempts).unwrap() + 1,
        max_otp_attempts: u32::try_from(before.max_otp_attempts).unwrap(),
    };
    let details = done(admin.update_lockout_policy(update).await).details.unwrap();
    assert_eq!(details.resource_owner, "main");
    refused(
        admin.update_lockout_policy(update).await,
        Code::FailedPrecondition,
        "INSTANCE-0psjF",
        "Errors.Instance.LockoutPolicy.NotChanged",
    );
    let default = done(admin.get_lockout_policy(admin::GetLockoutPolicyRequest {}).await);
    let default = default.policy.unwrap();
    assert_eq!(default.max_password_attempts, before.max_password_attempts + 1);
    assert_eq!(default.details.as_ref().unwrap().sequence, details.sequence);

    // An organization's.
    let get = management::GetLockoutPolicyRequest {};
    let answer = done(management.get_lockout_policy(get).await);
    assert!(answer.is_default);
    assert_eq!(answer.policy.as_ref(), Some(&default));
    let add =
        management::AddCustomLockoutPolicyRequest { max_password_attempts: 5, max_otp_attempts: 3 };
    let added = done(management.add_custom_lockout_policy(add).await).details.unwrap();
    assert_eq!(added.resource_owner, org);
    assert!(added.creation_date.is_some() && added.change_date.is_none());
    refused(
        management.add_custom_lockout_policy(add).await,
        Code::AlreadyExists,
        "ORG-0olDf",
        "Errors.ORG.LockoutPolicy.AlreadyExists",
    );
    let answer = done(management.get_lockout_policy(get).await);
    let own = answer.policy.unwrap();
    assert!(!answer.is_default && !own.is_default);
    assert_eq!((own.max_password_attempts, own.max_otp_attempts), (5, 3));
    let same = management::UpdateCustomLockoutPolicyRequest {
        max_password_attempts: 5,
        max_otp_attempts: 3,
    };
    refused(
        management.update_custom_lockout_policy(same).await,
        Code::FailedPrecondition,
        "ORG-0JFSr",
        "Errors.Org.LockoutPolicy.NotChanged",
    );
    let other = management::UpdateCustomLockoutPolicyRequest { max_otp_attempts: 0, ..same };
    let changed = done(management.update_custom_lockout_policy(other).await).details.unwrap();
    assert!(changed.creation_date.is_none() && changed.change_date.is_some());
    assert_eq!(changed.sequence, added.sequence + 1);

    // As a login reads them.
    let ask = |owner| settings::GetLockoutSettingsRequest {
        ctx: Some(RequestContext { resource_owner: Some(owner) }),
    };
    let of_org = ask(ResourceOwner::OrgId(org.clone()));
    let answer = done(settings.get_lockout_settings(of_org.clone()).await).settings.unwrap();
    assert_eq!((answer.max_password_attempts, answer.max_otp_attempts), (5, 0));
    assert_eq!(answer.resource_owner_type(), settings::ResourceOwnerType::Org);
    let of_instance = ask(ResourceOwner::Instance(true));
    let answer = done(settings.get_lockout_settings(of_instance).await).settings.unwrap();
    assert_eq!(answer.max_password_attempts, default.max_password_attempts);
    assert_eq!(answer.resource_owner_type(), settings::ResourceOwnerType::Instance);

    // The reset.
    let reset = management::ResetLockoutPolicyToDefaultRequest {};
    let gone = done(management.reset_lockout_policy_to_default(reset).await).details.unwrap();
    assert_eq!((gone.resource_owner, gone.sequence), (org, changed.sequence + 1));
    refused(
        management.reset_lockout_policy_to_default(reset).await,
        Code::NotFound,
        "ORG-D4zuz",
        "Errors.Org.LockoutPolicy.NotFound",
    );
    assert_eq!(done(management.get_lockout_policy(get).await).policy, Some(default));
    let answer = done(settings.get_lockout_settings(of_org).await).settings.unwrap();
    assert_eq!(answer.resource_owner_type(), settings::ResourceOwnerType::Instance);
}

#[tokio::test]
async fn users() {
    let org = variable("PORTCULLIS_ORG");

    // v1
    let mut management = builder().build_management_client().await.unwrap();
    let id = String::from("ada");
    let lock = management::LockUserRequest { id: id.clone() };
    let details = done(management.lock_user(lock.clone()).await).details.unwrap();
    assert_eq!(details.resource_owner, org);
    refused(
        management.lock_user(lock).await,
        Code::FailedPrecondition,
        "COMMAND-3NN8v",
        "User is not active or initial",
    );
    let state = user_v1::StateQuery { state: user_v1::UserState::Locked.into() };
    let query = user_v1::search_query::Query::StateQuery(state);
    let list = management::ListUsersRequest {
        queries: vec![user_v1::SearchQuery { query: Some(query) }],
        ..Default::default()
    };
    let found = done(management.list_users(list).await);
    assert_eq!(found.details.unwrap().total_result, 1);
    assert_eq!(found.result[0].id, id);
    let get = management::GetUserByIdRequest { id: id.clone() };
    let got = done(management.get_user_by_id(get).await).user.unwrap();
    assert_eq!(got.state(), user_v1::UserState::Locked);
    assert_eq!(got.details.unwrap().sequence, details.sequence);
    let unlock = management::UnlockUserRequest { id };
    done(management.unlock_user(unlock.clone()).await);
    refused(
        management.unlock_user(unlock).await,
        Code::FailedPrecondition,
        "COMMAND-4M0ds",
        "User is not locked",
    );

    // v2
    let mut users = builder().build_user_client().await.unwrap();
    let user_id = String::from("nightly");
    let lock = user::LockUserRequest { user_id: user_id.clone() };
    let details = done(users.lock_user(lock.clone()).await).details.unwrap();
    assert_eq!(details.resource_owner, org);
    refused(
        users.lock_user(lock).await,
        Code::FailedPrecondition,
        "COMMAND-lgws8wtsqf",
        "User is not active or initial",
    );
    let state = user::StateQuery { state: user::UserState::Locked.into() };
    let query = user::search_query::Query::StateQuery(state);
    let list = user::ListUsersRequest {
        queries: vec![user::SearchQuery { query: Some(query) }],
        ..Default::default()
    };
    let found = done(users.list_users(list).await);
    assert_eq!(found.details.unwrap().total_result, 1);
    assert_eq!(found.result[0].user_id, user_id);
    let get = user::GetUserByIdRequest { user_id: user_id.clone() };
    let got = done(users.get_user_by_id(get).await).user.unwrap();
    assert_eq!(got.state(), user::UserState::Locked);
    let unlock = user::UnlockUserRequest { user_id };
    done(users.unlock_user(unlock.clone()).await);
    refused(
        users.unlock_user(unlock).await,
        Code::FailedPrecondition,
        "COMMAND-olb9vb0oca",
        "User is not locked",
    );
}

#[tokio::test]
async fn a_token_that_is_none() {
    let text = "Errors.Token.Invalid";
    let stranger = || with_token("not-a-token");
    let mut management = stranger().build_management_client().await.unwrap();
    let get = management::GetLockoutPolicyRequest {};
    let answer = management.get_lockout_policy(get).await;
    refused(answer, Code::Unauthenticated, "AUTH-7fs1e", text);
    let mut users = stranger().build_user_client().await.unwrap();
    let lock = user::LockUserRequest { user_id: String::from("ada") };
    refused(users.lock_user(lock).await, Code::Unauthenticated, "AUTH-7fs1e", text);
}
