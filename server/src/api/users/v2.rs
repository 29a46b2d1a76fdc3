//! The user service's calls: the permission is checked on the organization of the user whom a call is
//! about, before anything is told of that user.

use super::super::auth::{Auth, unavailable};
use super::super::error::ApiError;
use super::super::policies::timestamp;
use super::super::roles::Permission::{UserRead, UserWrite};
use super::super::{Api, Meta};
use super::query::{self, Page};
use super::v1::display_name;
use super::{Change, Kind, find, not_found, validate};
use crate::directory::{self, UserFilter, UserKind};
use crate::proto::zitadel::object::v2::{Details, ListDetails};
use crate::proto::zitadel::user::v2::{
    DeactivateUserRequest, DeactivateUserResponse, GetUserByIdRequest, GetUserByIdResponse,
    HumanEmail, HumanProfile, HumanUser, ListUsersRequest, ListUsersResponse, LockUserRequest,
    LockUserResponse, MachineUser, ReactivateUserRequest, ReactivateUserResponse,
    UnlockUserRequest, UnlockUserResponse, User, UserFieldName, UserState, user,
};

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
            let field = concat!(stringify!($request), ".UserId");
            let details = change_user(api, meta, change, field, &request.user_id).await?;
            Ok($response { details: Some(details) })
        }
    )*};
}

changes! {
    /// Locks a user.
    lock_user: LockUserRequest -> LockUserResponse, Lock, "COMMAND-450yxuqrh1", "COMMAND-lgws8wtsqf";
    /// Unlocks a user, active or not.
    unlock_user: UnlockUserRequest -> UnlockUserResponse,
        Unlock, "COMMAND-x377t913pw", "COMMAND-olb9vb0oca";
    /// Deactivates a user.
    deactivate_user: DeactivateUserRequest -> DeactivateUserResponse,
        Deactivate, "COMMAND-5gp2p62iin", "COMMAND-5gunjw0cd7";
    /// Activates a user who was deactivated; a lock stays.
    reactivate_user: ReactivateUserRequest -> ReactivateUserResponse,
        Reactivate, "COMMAND-9hy5kzbuk6", "COMMAND-s5qqcz97hf";
}

async fn change_user(
    api: &Api,
    meta: &Meta,
    change: Change,
    field: &str,
    id: &str,
) -> Result<Details, ApiError> {
    let auth = api.authenticate(meta).await?;
    validate(field, id)?;
    let Some(user) = find(api, id).await? else {
        // Only who may change users of the organization at hand is told that this is none.
        auth.require(UserWrite, &auth.org)?;
        return Err(change.not_found());
    };
    auth.require(UserWrite, &user.org)?;
    let details = change.carry_out(api, &auth, &user).await?;
    Ok(Details {
        sequence: details.sequence,
        change_date: Some(timestamp(details.changed_at)),
        resource_owner: details.resource_owner,
        creation_date: None,
    })
}

/// A user: the caller, or one whom the caller may read.
///
/// # Errors
///
/// The caller's, and `QUERY-Dfbg2` for an unknown user.
pub async fn get_user_by_id(
    api: &Api,
    meta: &Meta,
    request: GetUserByIdRequest,
) -> Result<GetUserByIdResponse, ApiError> {
    let auth = api.authenticate(meta).await?;
    validate("GetUserByIDRequest.UserId", &request.user_id)?;
    let Some(found) = find(api, &request.user_id).await? else {
        auth.require(UserRead, &auth.org)?;
        return Err(not_found("QUERY-Dfbg2"));
    };
    if found.id != auth.caller.user {
        auth.require(UserRead, &found.org)?;
    }
    let user = message(found);
    Ok(GetUserByIdResponse { details: user.details.clone(), user: Some(user) })
}

/// The users whom the caller may read: the caller, and those of the organizations where the caller
/// may.
///
/// # Errors
///
/// The caller's, and a query that this directory cannot answer.
pub async fn list_users(
    api: &Api,
    meta: &Meta,
    request: ListUsersRequest,
) -> Result<ListUsersResponse, ApiError> {
    let auth = api.authenticate(meta).await?;
    let filter = UserFilter::And(vec![readable_by(&auth), query::all_of_v2(request.queries)?]);
    let page = request.query.map(|it| Page { offset: it.offset, limit: it.limit, asc: it.asc });
    let by_user_name = request.sorting_column == UserFieldName::UserName as i32;
    let query = page.unwrap_or_default().query(None, filter, by_user_name);
    let found = api.directory.users(&query).await.map_err(unavailable)?;
    Ok(ListUsersResponse {
        details: Some(ListDetails {
            total_result: found.total,
            processed_sequence: found.position,
            timestamp: Some(timestamp(found.at)),
        }),
        sorting_column: request.sorting_column,
        result: found.users.into_iter().map(message).collect(),
    })
}

fn readable_by(auth: &Auth) -> UserFilter {
    let readable = auth.caller.memberships.iter().filter(|it| it.role.permits(UserRead));
    let mut any = vec![UserFilter::Ids(vec![auth.caller.user.to_string()])];
    for membership in readable {
        match &membership.org {
            None => return UserFilter::And(Vec::new()),
            Some(org) => any.push(UserFilter::Org(org.to_string())),
        }
    }
    UserFilter::Or(any)
}

fn message(found: directory::User) -> User {
    let state = match found.state() {
        directory::UserState::Active => UserState::Active,
        directory::UserState::Inactive => UserState::Inactive,
        directory::UserState::Locked => UserState::Locked,
    };
    let kind = match found.kind {
        UserKind::Human { first_name, last_name, email } => user::Type::Human(HumanUser {
            profile: Some(HumanProfile {
                display_name: Some(display_name(&first_name, &last_name)),
                given_name: first_name,
                family_name: last_name,
                ..HumanProfile::default()
            }),
            email: Some(HumanEmail { email, ..HumanEmail::default() }),
            ..HumanUser::default()
        }),
        UserKind::Machine { name, description } => {
            user::Type::Machine(MachineUser { name, description, ..MachineUser::default() })
        }
    };
    User {
        user_id: found.id.to_string(),
        state: state.into(),
        login_names: vec![found.user_name.clone()],
        preferred_login_name: found.user_name.clone(),
        username: found.user_name,
        r#type: Some(kind),
        details: Some(Details {
            sequence: found.sequence,
            change_date: Some(timestamp(found.changed_at)),
            resource_owner: found.org.to_string(),
            creation_date: Some(timestamp(found.created_at)),
        }),
    }
}
