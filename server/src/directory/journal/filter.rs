//! Queries as SQL. What a caller says is bound, never written into the text.

use portcullis::OrgId;
use rusqlite::{Connection, params_from_iter};

use super::rows::{USER_COLUMNS, lower, user};
use crate::directory::{TextMatch, User, UserFilter, UserQuery, UserState};

/// How many users are answered with where nobody says how many.
const USUAL: u32 = 100;
/// The most that are answered with at once.
const MOST: u32 = 1_000;

/// A condition, and the texts to bind to it in the order of its question marks.
#[derive(Default)]
struct Condition {
    sql: String,
    texts: Vec<String>,
}

/// The users that a query asks for, and how many there are in all.
pub(super) fn users(from: &Connection, query: &UserQuery) -> rusqlite::Result<(Vec<User>, u64)> {
    let mut condition = Condition::default();
    if let Some(orgs) = &query.orgs {
        condition.orgs(orgs);
        condition.sql.push_str(" AND ");
    }
    condition.push(&query.filter);
    let Condition { sql, texts } = condition;
    let count = format!("SELECT count(*) FROM directory_user WHERE {sql}");
    let total: i64 = from.prepare(&count)?.query_row(params_from_iter(&texts), |row| row.get(0))?;
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
    let mut statement = from.prepare(&page)?;
    let rows = statement.query_map(params_from_iter(&texts), user)?;
    Ok((rows.collect::<rusqlite::Result<_>>()?, total.cast_unsigned()))
}

impl Condition {
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
            UserFilter::Nobody => self.sql.push('0'),
            UserFilter::And(filters) => self.all(filters, " AND ", "1"),
            UserFilter::Or(filters) => self.all(filters, " OR ", "0"),
            UserFilter::Not(filter) => {
                self.sql.push_str("NOT (");
                self.push(filter);
                self.sql.push(')');
            }
        }
    }

    fn bound(&mut self, sql: &str, text: impl Into<String>) {
        self.sql.push_str(sql);
        self.texts.push(text.into());
    }

    /// Any number of texts is one parameter, a JSON array.
    fn one_of(&mut self, column: &str, texts: &[String]) {
        self.sql.push_str(column);
        self.bound(" IN (SELECT value FROM json_each(?))", serde_json::json!(texts).to_string());
    }

    /// One organization is the usual case, and only for one there is an index in order.
    fn orgs(&mut self, orgs: &[OrgId]) {
        match orgs {
            [org] => self.bound("org = ?", org.as_str()),
            _ => self.one_of("org", &orgs.iter().map(ToString::to_string).collect::<Vec<_>>()),
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
            _ if length == 0 => return self.sql.push('1'),
            TextMatch::StartsWith | TextMatch::StartsWithIgnoreCase => {
                format!("substr({column}, 1, {length}) = ?")
            }
            TextMatch::Contains | TextMatch::ContainsIgnoreCase => {
                format!("instr({column}, ?) > 0")
            }
            TextMatch::EndsWith | TextMatch::EndsWithIgnoreCase => {
                format!("substr({column}, -{length}) = ?")
            }
        };
        self.bound(&sql, text);
    }
}
