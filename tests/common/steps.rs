//! Sequences of commands, as proptest makes them up.

use std::time::{Duration, SystemTime};

use portcullis::{Factor, LockoutPolicy, OrgId, UserId};
use proptest::prelude::*;

use crate::common::drive::Command;
use crate::common::naive::Token;

pub(crate) const ORGS: [&str; 3] = ["acme", "globex", "initech"];
pub(crate) const USERS: [&str; 4] = ["ada", "bob", "eve", "zoe"];

/// Small limits for short ways to a lock, and those around the widest that fit one word.
const LIMITS: [u32; 10] = [0, 1, 2, 3, 5, (1 << 25) - 1, 1 << 25, (1 << 31) - 1, 1 << 31, u32::MAX];

/// A command before it is known which attempts are in flight.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Do(Command),
    Begin(OrgId, UserId, Factor),
    /// Settles one of the attempts in flight, picked by the number.
    Settle(usize, fn(Token) -> Command),
}

pub(crate) fn policy() -> impl Strategy<Value = LockoutPolicy> {
    let limit = || prop_oneof![4 => Just(2), 4 => Just(3), 3 => prop::sample::select(&LIMITS[..])];
    (limit(), limit(), any::<bool>()).prop_map(|(password, otp, show_lockout_failures)| {
        LockoutPolicy { show_lockout_failures, ..LockoutPolicy::new(password, otp) }
    })
}

fn org_of(ids: &'static [&'static str]) -> impl Strategy<Value = OrgId> {
    prop::sample::select(ids).prop_map(|id| id.parse().unwrap())
}

/// A user and an organization: mostly the same one for each user, sometimes another.
fn who() -> impl Strategy<Value = (OrgId, UserId)> {
    (0..USERS.len(), prop_oneof![9 => Just(0), 1 => 1..ORGS.len()]).prop_map(|(user, away)| {
        let org = ORGS[(user + away) % ORGS.len()];
        (org.parse().unwrap(), USERS[user].parse().unwrap())
    })
}

fn factor() -> impl Strategy<Value = Factor> {
    prop_oneof![3 => Just(Factor::Password), 2 => prop::sample::select(&Factor::ALL[..])]
}

pub(crate) fn policy_command(orgs: &'static [&'static str]) -> impl Strategy<Value = Command> {
    let org = move || org_of(orgs);
    prop_oneof![
        2 => policy().prop_map(Command::SetDefault),
        2 => (org(), policy()).prop_map(|(org, policy)| Command::Add(org, policy)),
        2 => (org(), policy()).prop_map(|(org, policy)| Command::Change(org, policy)),
        2 => (org(), policy()).prop_map(|(org, policy)| Command::Put(org, policy)),
        2 => org().prop_map(Command::Reset),
    ]
}

fn user_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        2 => who().prop_map(|(org, user)| Command::Lock(org, user)),
        5 => who().prop_map(|(_, user)| Command::Unlock(user)),
        3 => (who(), factor())
            .prop_map(|((org, user), factor)| Command::CredentialChanged(org, user, factor)),
        1 => who().prop_map(|(org, user)| Command::Remove(org, user)),
    ]
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let settled = prop::sample::select(&[Command::Succeed, Command::Fail, Command::Cancel][..]);
    prop_oneof![
        3 => policy_command(&ORGS).prop_map(Step::Do),
        4 => user_command().prop_map(Step::Do),
        8 => (who(), factor()).prop_map(|((org, user), factor)| Step::Begin(org, user, factor)),
        8 => (any::<usize>(), settled).prop_map(|(pick, how)| Step::Settle(pick, how)),
        8 => (who(), factor(), prop::bool::weighted(0.25)).prop_map(|((org, user), factor, right)| {
            Step::Do(Command::Guess(org, user, factor, right))
        }),
    ]
}

/// Seconds since the Unix epoch, in no order: nothing depends on the clock but what it stamps.
pub(crate) fn time() -> impl Strategy<Value = SystemTime> {
    (0..1000_u64).prop_map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}
