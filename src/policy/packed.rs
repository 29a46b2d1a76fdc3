//! A policy in one word, so that a reader takes it whole with one load (rule P3).
//!
//! ```text
//!   51     50     49 … 25        24 … 0
//!   wide   show   otp limit      password limit
//! ```
//!
//! A limit of 2²⁵ or more (33 million) does not fit. Its word is [`WIDE`], which sends the reader to the full
//! record: slower, and just as exact.

use super::{AttemptLimit, LockoutPolicy};

/// The word that says: look at the full record.
const WIDE: u64 = 1 << 51;
const SHOW: u64 = 1 << SHOW_BIT;
const SHOW_BIT: u32 = 50;
const LIMIT_BITS: u32 = 25;
const LIMIT_MASK: u64 = (1 << LIMIT_BITS) - 1;

pub(crate) fn pack(policy: LockoutPolicy) -> u64 {
    let password = u64::from(policy.max_password_attempts.get());
    let otp = u64::from(policy.max_otp_attempts.get());
    if password > LIMIT_MASK || otp > LIMIT_MASK {
        return WIDE;
    }
    let show = if policy.show_lockout_failures { SHOW } else { 0 };
    show | otp << LIMIT_BITS | password
}

/// The policy of a word, `None` for [`WIDE`].
#[inline]
pub(crate) fn unpack(word: u64) -> Option<LockoutPolicy> {
    let show = word >> SHOW_BIT;
    if show > 1 {
        return None;
    }
    Some(LockoutPolicy {
        max_password_attempts: limit(word & LIMIT_MASK),
        max_otp_attempts: limit(word >> LIMIT_BITS & LIMIT_MASK),
        show_lockout_failures: show == 1,
    })
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "masked to 25 bits by the callers")]
fn limit(bits: u64) -> AttemptLimit {
    AttemptLimit::from(bits as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::ABSENT;

    #[test]
    fn no_policy_is_packed_as_the_word_of_none() {
        // What has the top bit set is no policy, and only one such word is packed.
        assert_ne!(WIDE, ABSENT);
        assert_eq!(ABSENT & WIDE, WIDE);
    }

    #[test]
    fn each_policy_is_its_word_or_wide() {
        let edges = [0, 1, 5, (1 << 25) - 1, 1 << 25, 1 << 31, u32::MAX];
        for password in edges {
            for otp in edges {
                for show in [false, true] {
                    let policy = LockoutPolicy {
                        show_lockout_failures: show,
                        ..LockoutPolicy::new(password, otp)
                    };
                    let fits = password < 1 << 25 && otp < 1 << 25;
                    assert_eq!(unpack(pack(policy)), fits.then_some(policy));
                }
            }
        }
    }
}
