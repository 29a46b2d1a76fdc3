//! The management API's calls: they see the users of the organization that the request is about.

use super::super::auth::unavailable;
use super::super::error::ApiError;
use super::super::policies::{change_details, timestamp};
use super::super::roles::Permission::{UserRead, UserWrite};
use super::super::{Api, Meta};
use super::query::{self, Page};
use super::{Change, Kind, find, not_found, validate};
use crate::directory::{self, UserKind};
use crate::proto::zitadel::management::v1::{
    DeactivateUserRequest, DeactivateUserResponse, GetUserByIdRequest, GetUserByIdResponse,
    ListUsersRequest, ListUsersResponse, LockUserRequest, LockUserResponse, ReactivateUserRequest,
    ReactivateUserResponse, UnlockUserRequest, UnlockUserResponse,
};
use crate::proto::zitadel::user::v1::{
    Email, Human, Machine, Profile, User, UserFieldName, UserState, user,
};
use crate::proto::zitadel::v1::{ListDetails, ObjectDetails};

/// Generates the four calls that change a user.
macro_rules! changes {
    ($(
        $(#[$doc:meta])*
        $name:ident: $request:ident -> $response:ident,
        $kind:ident, $not_found:literal, $wrong_state:literal;
    )*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        ///
        /// The caller's, those of an unknown user and of a state that does not allow it, the journal's.
        pub async fn $name(
            api: &Api,
            meta: &Meta,
            request: $request,
        ) -> Result<$response, ApiError> {
            let change = Change {
                kind: Kind::$kind,
                not_found: $not_found,
                wrong_state: $wrong_state,
            };
            let field = concat!(stringify!($request), ".Id");
            let details = change_user(api, meta, change, field, &request.id).await?;
            Ok($response { details: Some(details) })
        }
    )*};
}

changes! {
    /// Locks a user.
    lock_user_v1: LockUserRequest -> LockUserResponse, Lock, "COMMAND-5M9fs", "COMMAND-3NN8v";
    /// Unlocks a user, active or not.
    unlock_user_v1: UnlockUserRequest -> UnlockUserResponse, Unlock, "COMMAND-M0dos", "COMMAND-4M0ds";
    /// Deactivates a user.
    deactivate_user_v1: DeactivateUserRequest -> DeactivateUserResponse,
        Deactivate, "COMMAND-3M9ds", "COMMAND-5M0sf";
    /// Activates a user who was deactivated; a lock stays.
    reactivate_user_v1: ReactivateUserRequest -> ReactivateUserResponse,
        Reactivate, "COMMAND-4M0sd", "COMMAND-6M0sf";
}

async fn change_user(
    api: &Api,
    meta: &Meta,
    change: Change,
    field: &str,
    id: &str,
) -> Result<ObjectDetails, ApiError> {
    let auth = api.authorize(meta, UserWrite).await?;
    validate(field, id)?;
    let user = find(api, id).await?.filter(|user| user.org == auth.org);
    let user = user.ok_or_else(|| change.not_found())?;
    Ok(change_details(change.carry_out(api, &auth, &user).await?))
}

/// A user of the organization.
///
/// # Errors
///
/// The caller's, `QUERY-Dfbg2` for an unknown user and `MANAG-fpo4B` for one of another organization.
pub async fn get_user_by_id_v1(
    api: &Api,
    meta: &Meta,
    request: GetUserByIdRequest,
) -> Result<GetUserByIdResponse, ApiError> {
    let auth = api.authorize(meta, UserRead).await?;
    validate("GetUserByIDRequest.Id", &request.id)?;
    let user = find(api, &request.id).await?.ok_or_else(|| not_found("QUERY-Dfbg2"))?;
    if user.org != auth.org {
        return Err(not_found("MANAG-fpo4B"));
    }
    Ok(GetUserByIdResponse { user: Some(message(user)) })
}

/// Users of the organization.
///
/// # Errors
///
/// The caller's, and a query that this directory cannot answer.
pub async fn list_users_v1(
    api: &Api,
    meta: &Meta,
    request: ListUsersRequest,
) -> Result<ListUsersResponse, ApiError> {
    let auth = api.authorize(meta, UserRead).await?;
    let filter = query::all_of_v1(request.queries)?;
    let page = request.query.map(|it| Page { offset: it.offset, limit: it.limit, asc: it.asc });
    let by_user_name = request.sorting_column == UserFieldName::UserName as i32;
    let query = page.unwrap_or_default().query(Some(vec![auth.org]), filter, by_user_name);
    let found = api.directory.users(&query).await.map_err(unavailable)?;
    Ok(ListUsersResponse {
        details: Some(ListDetails {
            total_result: found.total,
            processed_sequence: found.position,
            view_timestamp: Some(timestamp(found.at)),
        }),
        sorting_column: request.sorting_column,
        result: found.users.into_iter().map(message).collect(),
    })
}

fn message(found: directory::User) -> User {
    let state = match found.state() {
        directory::UserState::Active => UserState::Active,
        directory::UserState::Inactive => UserState::Inactive,
        directory::UserState::Locked => UserState::Locked,
    };
    let kind = match found.kind {
        UserKind::Human { first_name, last_name, email } => user::Type::Human(Human {
            profile: Some(Profile {
                display_name: display_name(&first_name, &last_name),
                first_name,
                last_name,
                ..Profile::default()
            }),
            email: Some(Email { email, ..Email::default() }),
            ..Human::default()
        }),
        UserKind::Machine { name, description } => {
            user::Type::Machine(Machine { name, description, ..Machine::default() })
        }
    };
    User {
        id: found.id.to_string(),
        details: Some(ObjectDetails {
            sequence: found.sequence,
            creation_date: Some(timestamp(found.created_at)),
            change_date: Some(timestamp(found.changed_at)),
            resource_owner: found.org.to_string(),
        }),
        state: state.into(),
        login_names: vec![found.user_name.clone()],
        preferred_login_name: found.user_name.clone(),
        user_name: found.user_name,
        r#type: Some(kind),
    }
}

pub(super) fn display_name(first_name: &str, last_name: &str) -> String {
    format!("{first_name} {last_name}").trim().to_owned()
}
