//! Any sequence of commands on the engine and on the naive model: the same answers, the same state.
#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use portcullis::{AttemptLimit, Factor, LockoutPolicy, OrgId, UserId};

#[path = "../../tests/common/mod.rs"]
mod common;

use common::drive::{Command, Live};
use common::naive::Status;

const ORGS: [&str; 3] = ["7", "007", "acme"];
const USERS: [&str; 4] = ["1", "01", "ada", "an-id-that-is-longer-than-24-bytes"];

fn pick<T: std::str::FromStr<Err: std::fmt::Debug>>(from: &[&str], input: &mut Unstructured<'_>) -> arbitrary::Result<T> {
    Ok(input.choose(from)?.parse().expect("a valid id"))
}

fn policy(input: &mut Unstructured<'_>) -> arbitrary::Result<LockoutPolicy> {
    let limits = [0, 1, 2, 3, 5, (1 << 25) - 1, 1 << 25, (1 << 31) - 1, 1 << 31, u32::MAX];
    Ok(LockoutPolicy {
        max_password_attempts: AttemptLimit::from(*input.choose(&limits)?),
        max_otp_attempts: AttemptLimit::from(*input.choose(&limits)?),
        show_lockout_failures: bool::arbitrary(input)?,
    })
}

fn command(input: &mut Unstructured<'_>) -> arbitrary::Result<Command> {
    let org: OrgId = pick(&ORGS, input)?;
    let user: UserId = pick(&USERS, input)?;
    let factor = *input.choose(&Factor::ALL)?;
    let token = input.int_in_range(0..=7)?;
    Ok(match input.int_in_range(0..=13)? {
        0 => Command::SetDefault(policy(input)?),
        1 => Command::Add(org, policy(input)?),
        2 => Command::Change(org, policy(input)?),
        3 => Command::Put(org, policy(input)?),
        4 => Command::Reset(org),
        5 => Command::Begin(token, org, user, factor),
        6 => Command::Succeed(token),
        7 => Command::Fail(token),
        8 => Command::Cancel(token),
        9 => Command::Lock(org, user),
        10 => Command::Unlock(user),
        11 => Command::CredentialChanged(org, user, factor),
        12 => Command::Remove(org, user),
        _ => Command::Guess(org, user, factor, bool::arbitrary(input)?),
    })
}

fn compare(input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let capacity = input.int_in_range(0..=6)?;
    let capped = (capacity < 4).then_some(capacity);
    let default = policy(input)?;
    let mut live = Live::watched(default, |builder| match capped {
        Some(users) => builder.capacity(users),
        None => builder,
    });
    let mut twin = live.twin();
    if let Some(users) = capped {
        twin = twin.capacity(users);
    }
    let mut busy = std::collections::BTreeSet::new();
    while !input.is_empty() {
        let command = command(input)?;
        match &command {
            // A token names one attempt at a time, and only one that was admitted is settled.
            Command::Begin(token, ..) if busy.contains(token) => continue,
            Command::Succeed(token) | Command::Fail(token) | Command::Cancel(token)
                if !busy.contains(token) =>
            {
                continue;
            }
            _ => {}
        }
        let answer = live.run(&command);
        match &command {
            Command::Begin(token, ..)
                if answer == common::drive::Answer::Begun(common::naive::Begun::Admitted) =>
            {
                busy.insert(*token);
            }
            Command::Succeed(token) | Command::Fail(token) | Command::Cancel(token) => {
                busy.remove(token);
            }
            _ => {}
        }
        assert_eq!(answer, twin.run(&command), "{command:?}");
    }
    for org in ORGS {
        assert_eq!(live.engine.resolve(org), twin.resolve(org));
    }
    for user in USERS {
        let user: UserId = user.parse().expect("a valid id");
        assert_eq!(Status::from(&live.engine.status(&user)), twin.status(&user));
    }
    assert_eq!(live.engine.tracked_users(), twin.tracked_users());
    Ok(())
}

fuzz_target!(|bytes: &[u8]| {
    // Bytes that run out in the middle of a command end the sequence.
    let _ = compare(&mut Unstructured::new(bytes));
});
