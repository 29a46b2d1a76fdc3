//! The table of settings as flags and environment variables.

use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, value_parser};

use super::{FILE, Source, TABLE};

/// What flags and environment say of the settings.
#[derive(Clone, Debug, Default)]
pub struct SettingArgs {
    /// The file with the others.
    pub(super) file: Option<PathBuf>,
    /// In the order of the table.
    pub(super) given: Vec<Option<(String, Source)>>,
}

impl Args for SettingArgs {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .env("PORTCULLIS_CONFIG")
            .hide_env_values(true)
            .value_parser(value_parser!(PathBuf))
            .help(format!("A TOML file with settings; without this flag {FILE}, if it exists"));
        let flags = TABLE.iter().map(|setting| {
            let flag = Arg::new(setting.key)
                .long(setting.flag())
                .value_name(setting.form)
                .env(setting.variable())
                .hide_env_values(true)
                .help(setting.help.trim_start());
            let flag = match setting.default {
                Some(default) => flag.default_value(default),
                None => flag,
            };
            if setting.is_switch {
                flag.num_args(0..=1).default_missing_value("true")
            } else {
                flag
            }
        });
        command.arg(file).args(flags)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = TABLE.iter().map(|setting| {
            let text = matches.get_one::<String>(setting.key)?;
            match matches.value_source(setting.key)? {
                ValueSource::CommandLine => Some((text.clone(), Source::Flag)),
                // An empty variable is how most tools that start a program say "none".
                ValueSource::EnvVariable if !text.is_empty() => {
                    Some((text.clone(), Source::Environment))
                }
                _ => None,
            }
        });
        let file = matches.get_one::<PathBuf>("config");
        Ok(Self {
            file: file.filter(|file| !file.as_os_str().is_empty()).cloned(),
            given: given.collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
