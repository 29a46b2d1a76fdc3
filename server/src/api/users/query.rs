//! Queries of lists, as conditions on the directory's users.

use super::super::error::{ApiError, Code};
use crate::directory::{TextMatch, UserFilter, UserQuery, UserState};
use crate::proto::zitadel::user::{v1, v2};
use portcullis::OrgId;

/// How deep queries may be nested, and how many may stand beside each other.
const DEEPEST: usize = 20;
const MOST: usize = 100;

/// Which part of a list; without one, all of it from the newest on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Page {
    pub(super) offset: u64,
    pub(super) limit: u32,
    pub(super) asc: bool,
}

impl Page {
    pub(super) fn query(
        self,
        orgs: Option<Vec<OrgId>>,
        filter: UserFilter,
        by_user_name: bool,
    ) -> UserQuery {
        let Self { offset, limit, asc: ascending } = self;
        UserQuery { orgs, filter, offset, limit, ascending, by_user_name }
    }
}

/// The two services' queries differ in their types alone, and in the few that only one has.
macro_rules! translation {
    ($name:ident, $all:ident, $version:ident $(, $only:ident($field:ident) => $filter:expr)*) => {
        /// What all of a request's queries ask for.
        pub(super) fn $all(queries: Vec<$version::SearchQuery>) -> Result<UserFilter, ApiError> {
            let filters = at_most(queries)?.into_iter().map(|query| $name(query, DEEPEST));
            Ok(UserFilter::And(filters.collect::<Result<_, _>>()?))
        }

        fn $name(query: $version::SearchQuery, depth: usize) -> Result<UserFilter, ApiError> {
            use $version::search_query::Query;
            let depth = depth.checked_sub(1).ok_or_else(|| invalid("the queries are nested too deep"))?;
            let nested = |queries: Vec<$version::SearchQuery>| -> Result<Vec<UserFilter>, ApiError> {
                at_most(queries)?.into_iter().map(|query| $name(query, depth)).collect()
            };
            match query.query.ok_or_else(|| invalid("invalid SearchQuery.Query: value is required"))? {
                Query::UserNameQuery(query) => text(query.user_name, query.method),
                // A user's only login name is the user name.
                Query::LoginNameQuery(query) => text(query.login_name, query.method),
                Query::StateQuery(query) => state($version::UserState::try_from(query.state)
                    .map(|state| state.as_str_name())),
                Query::TypeQuery(query) => match $version::Type::try_from(query.r#type) {
                    Ok($version::Type::Human) => Ok(UserFilter::IsHuman(true)),
                    Ok($version::Type::Machine) => Ok(UserFilter::IsHuman(false)),
                    Ok($version::Type::Unspecified) => Ok(UserFilter::Nobody),
                    Err(_) => Err(undefined("TypeQuery.Type")),
                },
                Query::InUserIdsQuery(query) => Ok(UserFilter::Ids(query.user_ids)),
                Query::AndQuery(query) => Ok(UserFilter::And(nested(query.queries)?)),
                Query::OrQuery(query) => Ok(UserFilter::Or(nested(query.queries)?)),
                Query::NotQuery(query) => {
                    let query = query.query.ok_or_else(|| {
                        invalid("invalid NotQuery.Query: value is required")
                    })?;
                    Ok(UserFilter::Not(Box::new($name(*query, depth)?)))
                }
                $(Query::$only(query) => Ok($filter(query.$field)),)*
                _ => Err(invalid(
                    "this directory knows the queries by state, ids, user name, login name, type and \
                     organization, and their and, or and not",
                )),
            }
        }
    };
}

translation!(of_v1, all_of_v1, v1);
translation!(of_v2, all_of_v2, v2, OrganizationIdQuery(organization_id) => UserFilter::Org);

fn at_most<T>(queries: Vec<T>) -> Result<Vec<T>, ApiError> {
    if queries.len() > MOST { Err(invalid("there are too many queries")) } else { Ok(queries) }
}

/// The name of a state, where it is one.
fn state<E>(name: Result<&'static str, E>) -> Result<UserFilter, ApiError> {
    Ok(match name.map_err(|_| undefined("StateQuery.State"))? {
        "USER_STATE_ACTIVE" => UserFilter::State(UserState::Active),
        "USER_STATE_INACTIVE" => UserFilter::State(UserState::Inactive),
        "USER_STATE_LOCKED" => UserFilter::State(UserState::Locked),
        // States that no user of this directory is in.
        _ => UserFilter::Nobody,
    })
}

/// The methods have the same numbers in both services.
fn text(text: String, method: i32) -> Result<UserFilter, ApiError> {
    let method = match method {
        0 => TextMatch::Equals,
        1 => TextMatch::EqualsIgnoreCase,
        2 => TextMatch::StartsWith,
        3 => TextMatch::StartsWithIgnoreCase,
        4 => TextMatch::Contains,
        5 => TextMatch::ContainsIgnoreCase,
        6 => TextMatch::EndsWith,
        7 => TextMatch::EndsWithIgnoreCase,
        _ => return Err(undefined("UserNameQuery.Method")),
    };
    Ok(UserFilter::UserName(text, method))
}

fn undefined(field: &str) -> ApiError {
    invalid(&format!("invalid {field}: value must be one of the defined enum values"))
}

fn invalid(text: &str) -> ApiError {
    ApiError::plain(Code::InvalidArgument, text)
}
