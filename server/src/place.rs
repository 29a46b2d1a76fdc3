//! Where a journal is: in a file, or in a PostgreSQL database.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis::InstanceId;
use portcullis::journal::{Journal, JournalError, PostgresJournal, SqliteJournal};

use crate::directory::Tables;

/// The place of a journal. Displayed, and in `Debug`, it has no password in it.
#[derive(Clone, PartialEq, Eq)]
pub enum Place {
    /// An SQLite file.
    File(PathBuf),
    /// A PostgreSQL database, by its URL.
    Database(Url),
}

/// The URL of a database.
#[derive(Clone, PartialEq, Eq)]
pub struct Url(String);

/// A journal, and where the tables of its directory are.
pub(crate) struct Opened {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) tables: Tables,
}

impl Place {
    /// Opens the journal of an instance, or the only one that there is. It may be empty; of a file or a
    /// database that has none it may `make` one.
    pub(crate) async fn open(
        &self,
        instance: Option<&InstanceId>,
        make: bool,
    ) -> Result<Opened, JournalError> {
        let opened = match self {
            Self::File(file) => {
                if !make {
                    exists(file)?;
                }
                let journal = Arc::new(SqliteJournal::open(file).await?);
                Opened { journal, tables: Tables::from(file) }
            }
            Self::Database(Url(url)) => {
                let journal = match instance {
                    _ if !make => PostgresJournal::connect_existing(url, instance).await?,
                    None => PostgresJournal::connect(url).await?,
                    Some(instance) => PostgresJournal::connect_to(url, instance).await?,
                };
                let tables = Tables::from(journal.tables());
                Opened { journal: Arc::new(journal), tables }
            }
        };
        // A file has one instance, whatever was asked for.
        if let Some(asked) = instance
            && opened.journal.head().await? > 0
        {
            let found = opened.journal.instance().await?;
            if found != *asked {
                return Err(JournalError::OtherInstance { found, asked: asked.clone() });
            }
        }
        Ok(opened)
    }

    /// A file that belongs to the journal: beside its own, or in the working folder.
    pub(crate) fn beside(&self, ending: &str) -> PathBuf {
        let mut path = match self {
            Self::File(file) => file.as_os_str().to_owned(),
            Self::Database(_) => OsString::from("portcullis"),
        };
        path.push(ending);
        path.into()
    }
}

fn exists(file: &Path) -> Result<(), JournalError> {
    let missing = |error: std::io::Error| JournalError::Missing {
        journal: file.display().to_string(),
        cause: error.to_string(),
    };
    std::fs::metadata(file).map(drop).map_err(missing)
}

impl From<OsString> for Place {
    fn from(text: OsString) -> Self {
        match text.to_str() {
            Some(url) if is_url(url) => Self::Database(Url(String::from(url))),
            _ => Self::File(text.into()),
        }
    }
}

fn is_url(text: &str) -> bool {
    SCHEMES.iter().any(|scheme| text.starts_with(scheme))
}

const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => file.display().fmt(f),
            Self::Database(Url(url)) => f.write_str(&without_password(url)),
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Place").field(&self.to_string()).finish()
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Url").field(&without_password(&self.0)).finish()
    }
}

/// A text that may be a place, without the password in it.
pub(crate) fn without_password(place: &str) -> String {
    match SCHEMES.iter().find_map(|scheme| Some((scheme, place.strip_prefix(scheme)?))) {
        Some((scheme, url)) => format!("{scheme}{}", hidden(url)),
        None => String::from(place),
    }
}

/// Lines for people, without the passwords of the URLs in them. Where a URL ends nobody can say, so what comes
/// after its beginning is taken for one: more than a password may be missing.
pub(crate) fn without_passwords(text: &str) -> String {
    let line = |line: &str| match SCHEMES.iter().filter_map(|scheme| line.find(scheme)).min() {
        Some(start) => {
            let (before, url) = line.split_at(start);
            format!("{before}{}", without_password(url))
        }
        None => String::from(line),
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// A URL after its scheme. A password may have any character in it, so what goes before the last `@` is
/// the user and the password; among the options only such are shown as can be no password.
fn hidden(url: &str) -> String {
    let (user, place) = match url.rsplit_once('@') {
        Some((user, place)) => (user.split(':').next().unwrap_or_default(), place),
        None => ("", url),
    };
    let (place, options) = place.split_once('?').unwrap_or((place, ""));
    let is_shown = |option: &&str| {
        let name = option.split('=').next().unwrap_or_default();
        name.starts_with("ssl") && !name.contains("pass") && !name.contains('%')
    };
    let options: Vec<_> = options.split('&').filter(is_shown).collect();
    let at = if user.is_empty() { "" } else { "@" };
    let query = if options.is_empty() { String::new() } else { format!("?{}", options.join("&")) };
    format!("{user}{at}{place}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_database_and_all_else_a_file() {
        for url in ["postgres://db/x", "postgresql://db/x"] {
            assert!(matches!(Place::from(OsString::from(url)), Place::Database(_)), "{url}");
        }
        for file in ["portcullis.db", "postgres:/x", "postgres", "./postgres://x"] {
            assert!(matches!(Place::from(OsString::from(file)), Place::File(_)), "{file}");
        }
    }

    #[test]
    fn no_password_is_shown_wherever_it_stands() {
        for (url, shown) in [
            ("postgres://db/x", "postgres://db/x"),
            ("postgres://ada@db:1/x", "postgres://ada@db:1/x"),
            ("postgresql://ada:secret@db/x", "postgresql://ada@db/x"),
            ("postgres://ada:se@cr:et@db/x", "postgres://ada@db/x"),
            ("postgres://ada:se/cr?et@db/x", "postgres://ada@db/x"),
            ("postgres://:secret@db/x", "postgres://db/x"),
            ("postgres://db/x?password=secret", "postgres://db/x"),
            (
                "postgres://db/x?pass%77ord=secret&sslmode=require",
                "postgres://db/x?sslmode=require",
            ),
            ("postgres://db/x?user=ada&sslpassword=secret", "postgres://db/x"),
            ("postgres://ada:se cr'et@db/x", "postgres://ada@db/x"),
        ] {
            let place = Place::from(OsString::from(url));
            assert_eq!(place.to_string(), shown);
            assert_eq!(format!("{place:?}"), format!("Place({shown:?})"));
            let told = without_passwords(&format!("error: '{url}' was found\n\nUsage: x\n"));
            assert!(!told.contains("secret") && !told.contains("se "), "{told}");
            assert!(told.starts_with("error: 'postgres") && told.ends_with("\n\nUsage: x\n"));
        }
        let (two, shown) =
            ("postgres://a:secret@b/c or postgres://d:secret@e/f", "postgres://a@e/f");
        assert_eq!(without_passwords(two), shown);
        assert_eq!(without_passwords("no place\n"), "no place\n");
    }
}
