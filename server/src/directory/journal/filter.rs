//! Queries as SQL. What a caller says is bound, never written into the text.

use portcullis::OrgId;
use portcullis::journal::JournalError;

use super::rows::{USER_COLUMNS, lower, user};
use super::tables::{Sql, Value, list};
use crate::directory::{TextMatch, User, UserFilter, UserQuery, UserState};

/// How many users are answered with where nobody says how many.
const USUAL: u32 = 100;
/// The most that are answered with at once.
const MOST: u32 = 1_000;

/// A condition, and the texts to bind to it.
struct Condition<'t> {
    tables: &'t dyn Sql,
    sql: String,
    texts: Vec<Value>,
}

/// The users that a query asks for, and how many there are in all.
pub(super) fn users(from: &dyn Sql, query: &UserQuery) -> Result<(Vec<User>, u64), JournalError> {
    let mut condition = Condition { tables: from, sql: String::new(), texts: Vec::new() };
    if let Some(orgs) = &query.orgs {
        condition.orgs(orgs);
        condition.sql.push_str(" AND ");
    }
    condition.push(&query.filter);
    let Condition { sql, texts, .. } = condition;
    let count = format!("SELECT count(*) FROM directory_user WHERE {sql}");
    let counted = from.query_once(&count, &texts)?;
    let total = counted.first().map_or(Ok(0), |row| row.number(0))?;
    let direction = if query.ascending { "ASC" } else { "DESC" };
    let order = if query.by_user_name {
        format!("lower_name {direction}, number {direction}")
    } else {
        format!("number {direction}")
    };
    let limit = if query.limit == 0 { USUAL } else { query.limit.min(MOST) };
    let offset = i64::try_from(query.offset).unwrap_or(i64::MAX);
    let page = format!(
        "SELECT {USER_COLUMNS} FROM directory_user WHERE {sql}
         ORDER BY {order} LIMIT {limit} OFFSET {offset}"
    );
    let rows = from.query_once(&page, &texts)?;
    Ok((rows.iter().map(user).collect::<Result<_, _>>()?, total.cast_unsigned()))
}

impl Condition<'_> {
    fn push(&mut self, filter: &UserFilter) {
        match filter {
            UserFilter::State(state) => self.sql.push_str(match state {
                UserState::Locked => "is_locked = 1",
                UserState::Active => "(is_locked = 0 AND is_active = 1)",
                UserState::Inactive => "(is_locked = 0 AND is_active = 0)",
            }),
            UserFilter::Ids(ids) => self.one_of("id", ids),
            UserFilter::UserName(text, how) => self.user_name(text, *how),
            UserFilter::IsHuman(true) => self.sql.push_str("is_human = 1"),
            UserFilter::IsHuman(false) => self.sql.push_str("is_human = 0"),
            UserFilter::Org(org) => self.bound("org = ?", org),
            UserFilter::Nobody => self.sql.push_str("FALSE"),
            UserFilter::And(filters) => self.all(filters, " AND ", "TRUE"),
            UserFilter::Or(filters) => self.all(filters, " OR ", "FALSE"),
            UserFilter::Not(filter) => {
                self.sql.push_str("NOT (");
                self.push(filter);
                self.sql.push(')');
            }
        }
    }

    /// A condition with one question mark, for the text. No text that is stored has a control character,
    /// and PostgreSQL would refuse to be asked for one with a NUL.
    fn bound(&mut self, sql: &str, text: &str) {
        if text.contains('\0') {
            return self.sql.push_str("FALSE");
        }
        self.texts.push(text.into());
        self.sql.push_str(&sql.replace('?', &format!("?{}", self.texts.len())));
    }

    /// Any number of texts is one parameter, a JSON array.
    fn one_of(&mut self, column: &str, texts: &[impl AsRef<str>]) {
        self.texts.push(list(texts.iter().map(AsRef::as_ref)));
        self.sql.push_str(&self.tables.is_one_of(column, self.texts.len()));
    }

    /// One organization is the usual case, and only for one there is an index in order.
    fn orgs(&mut self, orgs: &[OrgId]) {
        match orgs {
            [org] => self.bound("org = ?", org.as_str()),
            _ => self.one_of("org", orgs),
        }
    }

    /// In halves, not one after the other: so it is not nested deeper than SQLite reads.
    fn all(&mut self, filters: &[UserFilter], operator: &str, of_none: &str) {
        match filters {
            [] => self.sql.push_str(of_none),
            [one] => self.push(one),
            _ => {
                let (left, right) = filters.split_at(filters.len() >> 1);
                self.sql.push('(');
                self.all(left, operator, of_none);
                self.sql.push_str(operator);
                self.all(right, operator, of_none);
                self.sql.push(')');
            }
        }
    }

    /// Without `LIKE`, which takes some characters for patterns and knows the case of ASCII alone.
    fn user_name(&mut self, text: &str, how: TextMatch) {
        let (column, text) = match how {
            TextMatch::Equals
            | TextMatch::StartsWith
            | TextMatch::Contains
            | TextMatch::EndsWith => ("user_name", String::from(text)),
            TextMatch::EqualsIgnoreCase
            | TextMatch::StartsWithIgnoreCase
            | TextMatch::ContainsIgnoreCase
            | TextMatch::EndsWithIgnoreCase => ("lower_name", lower(text)),
        };
        let length = text.chars().count();
        let sql = match how {
            TextMatch::Equals | TextMatch::EqualsIgnoreCase => format!("{column} = ?"),
            // Each text begins and ends with the empty one.
            _ if length == 0 => return self.sql.push_str("TRUE"),
            TextMatch::StartsWith | TextMatch::StartsWithIgnoreCase => {
                format!("substr({column}, 1, {length}) = ?")
            }
            TextMatch::Contains | TextMatch::ContainsIgnoreCase => {
                format!("replace({column}, ?, '') <> {column}")
            }
            TextMatch::EndsWith | TextMatch::EndsWithIgnoreCase => {
                format!("substr({column}, length({column}) - {length} + 1) = ?")
            }
        };
        self.bound(&sql, &text);
    }
}
