//! The policies of a replay: from a file, from flags, or from both.

use std::collections::BTreeMap;
use std::fs;
use std::str::FromStr;

use portcullis::{Clock, Engine, InstanceId, LockoutPolicy, OrgId};
use serde::{Deserialize, Deserializer, de};

use crate::cli::replay::PolicyArgs;
use crate::exit::Failure;

/// An instance default and the overrides of organizations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    /// The policy of every organization without an override.
    pub default: LockoutPolicy,
    /// The policies of organizations that have their own.
    pub overrides: BTreeMap<OrgId, LockoutPolicy>,
}

impl Policies {
    /// What the flags say, over what their policy file says.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or understood, or two flags override one organization.
    pub fn from_args(args: &PolicyArgs) -> Result<Self, Failure> {
        let mut policies = match &args.policy {
            None => Self::default(),
            Some(path) => {
                let text =
                    fs::read(path).map_err(|error| Failure::reading(path.display(), &error))?;
                Self::from_toml(&text)
                    .map_err(|why| Failure::bad_input(format!("{}: {why}", path.display())))?
            }
        };
        if let Some(limit) = args.max_password_attempts {
            policies.default.max_password_attempts = limit.into();
        }
        if let Some(limit) = args.max_otp_attempts {
            policies.default.max_otp_attempts = limit.into();
        }
        let mut flags = BTreeMap::new();
        for OrgOverride { org, policy } in &args.overrides {
            if flags.insert(org.clone(), *policy).is_some() {
                return Err(Failure::bad_input(format!("--override for {org} is given twice")));
            }
        }
        policies.overrides.append(&mut flags);
        Ok(policies)
    }

    /// Reads the text of a policy file.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and where.
    pub fn from_toml(text: &[u8]) -> Result<Self, String> {
        let file: PolicyFile = toml::from_slice(text).map_err(|error| error.to_string())?;
        let default = LockoutPolicy::new(file.max_password_attempts, file.max_otp_attempts);
        let overrides = file.overrides.into_iter().map(|(OrgKey(org), limits)| {
            (org, LockoutPolicy::new(limits.max_password_attempts, limits.max_otp_attempts))
        });
        Ok(Self { default, overrides: overrides.collect() })
    }

    /// An engine in memory under these policies, with this clock.
    ///
    /// # Errors
    ///
    /// If the engine refuses a policy.
    pub(crate) fn engine(&self, clock: impl Clock + 'static) -> Result<Engine, Failure> {
        let instance = InstanceId::try_from("replay").map_err(Failure::fault)?;
        let engine = Engine::builder(instance, self.default).clock(clock).shards(2).build();
        for (org, policy) in &self.overrides {
            engine.put_override(org, *policy).map_err(Failure::fault)?;
        }
        Ok(engine)
    }
}

/// One `--override`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrgOverride {
    org: OrgId,
    policy: LockoutPolicy,
}

impl FromStr for OrgOverride {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // The last one: an organization's id may have the sign in it, a number may not.
        let (org, limits) = text.rsplit_once('=').ok_or("expected ORG=PASSWORD/OTP")?;
        let (password, otp) = limits.split_once('/').ok_or("expected PASSWORD/OTP after the =")?;
        let number = |text: &str| {
            text.parse::<u32>().map_err(|error| format!("{text:?} is no limit: {error}"))
        };
        Ok(Self {
            org: OrgId::try_from(org).map_err(|error| error.to_string())?,
            policy: LockoutPolicy::new(number(password)?, number(otp)?),
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    #[serde(default)]
    max_password_attempts: u32,
    #[serde(default)]
    max_otp_attempts: u32,
    #[serde(default)]
    overrides: BTreeMap<OrgKey, Limits>,
}

/// An override replaces a policy as a whole: a limit left out must not quietly mean "never".
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    max_password_attempts: u32,
    max_otp_attempts: u32,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct OrgKey(OrgId);

impl<'de> Deserialize<'de> for OrgKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        OrgId::try_from(text).map(Self).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_override_is_split_at_the_last_sign() {
        let parsed: OrgOverride = "a=b/c=3/0".parse().unwrap();
        assert_eq!((parsed.org.as_str(), parsed.policy), ("a=b/c", LockoutPolicy::new(3, 0)));
        for wrong in [
            "",
            "a",
            "a=",
            "a=1",
            "a=1/",
            "a=/1",
            "a=1/2/3",
            "a=-1/2",
            "a=x/2",
            "=1/2",
            " a=1/2",
            "a=4294967296/1",
        ] {
            assert!(wrong.parse::<OrgOverride>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_policy_file_is_read_as_a_whole_or_not_at_all() {
        let text = "max_otp_attempts = 4\n[overrides.\"a b\"]\nmax_password_attempts = 1\nmax_otp_attempts = 2";
        let policies = Policies::from_toml(text.as_bytes()).unwrap();
        assert_eq!(policies.default, LockoutPolicy::new(0, 4));
        let org = "a b".parse().unwrap();
        assert_eq!(policies.overrides, BTreeMap::from([(org, LockoutPolicy::new(1, 2))]));
        assert_eq!(Policies::from_toml(b""), Ok(Policies::default()));
        for (text, reason) in [
            ("max_password_attempts = -1", "line 1, column 25"),
            ("max_otp_attempts = 4294967296", "line 1, column 20"),
            ("max_otp_attempts = \"3\"", "line 1, column 20"),
            ("\nmax_pasword_attempts = 1", "line 2, column 1"),
            ("max_otp_attempts = 1\nmax_otp_attempts = 1", "line 2, column 1"),
            ("[overrides.a]\nmax_otp_attempts = 1", "missing field `max_password_attempts`"),
            (
                "[overrides.a]\nmax_otp_attempts = 1\nmax_password_attempts = 1\nx = 1",
                "line 4, column 1",
            ),
            (
                "[overrides.\" a\"]\nmax_otp_attempts = 1\nmax_password_attempts = 1",
                "invalid organization id",
            ),
        ] {
            let error = Policies::from_toml(text.as_bytes()).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
        assert!(Policies::from_toml(b"# \xff").is_err());
    }
}
