//! What the tables have of all that some entries are about, in as few questions as there are
//! organizations.

use std::collections::{BTreeMap, HashMap};

use portcullis::journal::JournalError;
use portcullis::{OrgId, UserId};

use super::plan::NewEntry;
use super::rows::{USER_COLUMNS, user};
use super::tables::{Sql, list};
use crate::directory::User;

#[derive(Debug, Default)]
pub(super) struct There {
    /// The names of organizations.
    pub(super) orgs: HashMap<OrgId, String>,
    pub(super) users: HashMap<UserId, User>,
    /// Who has a user name in an organization.
    pub(super) holders: HashMap<(OrgId, String), UserId>,
}

impl There {
    pub(super) fn of(entries: &[NewEntry], tables: &dyn Sql) -> Result<Self, JournalError> {
        let (mut names, mut ids) = (BTreeMap::<&OrgId, Vec<&str>>::new(), Vec::new());
        for entry in entries {
            match entry {
                NewEntry::Org { org, .. } => drop(names.entry(org).or_default()),
                NewEntry::User { user, org, user_name, .. } => {
                    names.entry(org).or_default().push(user_name);
                    ids.push(user.as_str());
                }
            }
        }
        let mut there = Self::default();
        let orgs = list(names.keys().map(|org| org.as_str()));
        let is_listed = tables.is_one_of("id", 1);
        let sql = format!("SELECT id, name FROM directory_org WHERE {is_listed}");
        for row in tables.query_once(&sql, &[orgs])? {
            there.orgs.insert(row.id(0)?, row.text(1)?);
        }
        let sql = format!("SELECT {USER_COLUMNS} FROM directory_user WHERE {is_listed}");
        for row in tables.query_once(&sql, &[list(ids)])? {
            let found = user(&row)?;
            there.users.insert(found.id.clone(), found);
        }
        let is_listed = tables.is_one_of("user_name", 2);
        let sql =
            format!("SELECT user_name, id FROM directory_user WHERE org = ?1 AND {is_listed}");
        for (org, names) in names.into_iter().filter(|(_, names)| !names.is_empty()) {
            for row in tables.query_once(&sql, &[org.as_str().into(), list(names)])? {
                there.holders.insert((org.clone(), row.text(0)?), row.id(1)?);
            }
        }
        Ok(there)
    }
}
