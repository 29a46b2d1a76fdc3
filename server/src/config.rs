//! The settings of the server: what there is, and where the value of each comes from.
//!
//! One [table](TABLE) names every setting once. Its flag, its environment variable, its key in a file,
//! its help and its row in `docs/configuration.md` all follow from there. A flag goes before the
//! environment, the environment before the file, the file before the default.

mod file;
pub mod flags;
pub(crate) mod report;
mod table;
pub mod value;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::exit::Failure;
use file::Entry;
use flags::SettingArgs;
pub use table::{Settings, TABLE};

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its key in a file; the other names follow from it.
    pub key: &'static str,
    /// What kind of value it takes, for help.
    pub form: &'static str,
    /// The value that holds if nothing else is said.
    pub default: Option<&'static str>,
    /// What it is for.
    pub help: &'static str,
    /// Whether the flag alone, without a value, says `true`.
    pub(crate) is_switch: bool,
    /// A value's text without what is secret in it.
    pub(crate) shown: fn(&str) -> String,
}

impl Setting {
    /// Its flag, without the dashes before it.
    #[must_use]
    pub fn flag(&self) -> String {
        self.key.replace('_', "-")
    }

    /// Its environment variable.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("PORTCULLIS_{}", self.key.to_uppercase())
    }
}

/// The file that is read if it exists and no other is named.
pub const FILE: &str = "portcullis.toml";

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Flag,
    Environment,
    /// With line and column of the value.
    File(PathBuf, usize, usize),
    Default,
}

/// What holds for one setting.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    pub(crate) setting: &'static Setting,
    /// `None` for a setting without a default that is not set.
    pub(crate) text: Option<String>,
    pub(crate) source: Source,
}

impl Chosen {
    /// The value, or an error that says where the bad one was given.
    pub(crate) fn parse<T: value::Value>(&self) -> Result<T, Failure> {
        let parsed = match &self.text {
            Some(text) => T::parse(text).map_err(|why| format!("{:?} {why}", T::shown(text))),
            None => T::unset().ok_or_else(|| String::from("it must be set")),
        };
        parsed.map_err(|why| Failure::bad_input(format!("{}: {why}", Place(self))))
    }
}

/// Names where a value was given, as one would look for it.
struct Place<'a>(&'a Chosen);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Chosen { setting, source, .. } = self.0;
        match source {
            Source::Flag => write!(f, "--{}", setting.flag()),
            Source::Environment => f.write_str(&setting.variable()),
            Source::File(file, line, column) => {
                let file = file.display();
                write!(f, "{file}: line {line}, column {column}: {}", setting.key)
            }
            Source::Default => f.write_str(setting.key),
        }
    }
}

/// Looks up what holds for every setting, in the order of the table.
///
/// # Errors
///
/// If the file cannot be read or understood.
pub(crate) fn choose(args: &SettingArgs) -> Result<Vec<Chosen>, Failure> {
    let (file, mut entries) = match &args.file {
        Some(file) => (file.clone(), file::read(file)?),
        None if Path::new(FILE).exists() => (PathBuf::from(FILE), file::read(Path::new(FILE))?),
        None => (PathBuf::new(), Vec::new()),
    };
    let mut given = args.given.iter().cloned();
    let choose = |setting: &'static Setting| {
        let in_file = entries.iter().position(|entry| entry.key == setting.key);
        let in_file = in_file.map(|index| entries.swap_remove(index));
        let (text, source) = match (given.next().flatten(), in_file) {
            (Some((text, source)), _) => (Some(text), source),
            (None, Some(Entry { text, line, column, .. })) => {
                (Some(text), Source::File(file.clone(), line, column))
            }
            (None, None) => (setting.default.map(String::from), Source::Default),
        };
        Chosen { setting, text, source }
    };
    Ok(TABLE.iter().map(choose).collect())
}

impl Settings {
    /// The settings that hold.
    ///
    /// # Errors
    ///
    /// A value that is none, or two that do not go together.
    pub fn from_args(args: &SettingArgs) -> Result<Self, Failure> {
        let settings = Self::read(&choose(args)?)?;
        if settings.tls_cert.is_some() != settings.tls_key.is_some() {
            let why = "tls_cert and tls_key go together: one of them is set and the other is not";
            return Err(Failure::bad_input(why));
        }
        if settings.oidc_issuer.is_some() != settings.oidc_audience.is_some() {
            let why = "oidc_issuer and oidc_audience go together: one of them is set and the other is not";
            return Err(Failure::bad_input(why));
        }
        // Heads, and what each request takes, count as well.
        let least = settings.max_body.0.saturating_add(1 << 20);
        if settings.max_buffered.0 < least {
            let why = format!("max_buffered is too small for one max_body: it must be {least}");
            return Err(Failure::bad_input(why));
        }
        Ok(settings)
    }
}
