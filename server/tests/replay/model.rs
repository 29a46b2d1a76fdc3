//! The command against a naive model of the rules, over traces by chance.

use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{line, report};

const FACTORS: [&str; 5] = ["password", "totp", "otp_sms", "otp_email", "recovery_code"];
const ORGS: [&str; 3] = ["acme", "globex", "initech"];

#[derive(Clone, Copy, Debug)]
struct Step {
    at: u32,
    org: usize,
    user: usize,
    factor: usize,
    success: bool,
}

/// A password's limit and the others', 0 for never.
type Limits = (u32, u32);

#[derive(Default)]
struct User {
    org: usize,
    failures: [u32; 5],
    locked: Option<usize>,
}

/// What the report should be, computed as plainly as can be.
fn expected(steps: &[Step], default: Limits, overrides: &HashMap<usize, Limits>) -> Value {
    let mut users: HashMap<usize, User> = HashMap::new();
    let mut locks: Vec<(u32, Value, u64)> = Vec::new();
    let (mut granted, mut rejected, mut refused, mut out_of_order, mut latest) = (0, 0, 0, 0, 0);
    for step in steps {
        out_of_order += u64::from(step.at < latest);
        latest = latest.max(step.at);
        let user = users.entry(step.user).or_insert(User { org: step.org, ..User::default() });
        if user.org != step.org {
            refused += 1;
        } else if let Some(lock) = user.locked {
            refused += 1;
            locks[lock].2 += 1;
        } else if step.success {
            granted += 1;
            user.failures[step.factor] = 0;
        } else {
            rejected += 1;
            user.failures[step.factor] += 1;
            let (password, otp) = *overrides.get(&step.org).unwrap_or(&default);
            let limit = if step.factor == 0 { password } else { otp };
            let failures = user.failures[step.factor];
            if limit > 0 && failures >= limit {
                user.locked = Some(locks.len());
                let lock = json!({
                    "at": format!("2026-03-01T09:00:{:02}Z", step.at),
                    "org": ORGS[step.org],
                    "user": format!("user{}", step.user),
                    "factor": FACTORS[step.factor],
                    "failures": failures,
                });
                locks.push((step.at, lock, 0));
            }
        }
        // Who has nothing on record belongs to nobody.
        users.retain(|_, user| user.locked.is_some() || user.failures != [0; 5]);
    }
    let locked = locks.len();
    locks.sort_by_key(|(at, _, _)| *at);
    let locks: Vec<Value> = locks
        .into_iter()
        .map(|(_, mut lock, refused)| {
            lock["refused"] = refused.into();
            lock
        })
        .collect();
    json!({
        "locks": locks,
        "totals": {
            "attempts": steps.len(),
            "granted": granted,
            "rejected": rejected,
            "refused": refused,
            "locked": locked,
            "tracked": users.len(),
            "out_of_order": out_of_order,
            "bad_lines": 0,
        },
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Few users, each mostly of one organization, so that they meet their limits.
    let step = (0..60_u32, 0..6_usize, 0..12_usize, 0..5_usize, prop::bool::weighted(0.2));
    let step = step.prop_map(|(at, user, stray, factor, success)| {
        let org = if stray == 0 { (user + 1) % 3 } else { user % 3 };
        Step { at, org, user, factor: factor.saturating_sub(2), success }
    });
    prop::collection::vec(step, 0..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_report_is_what_the_rules_say(
        mut steps in steps(),
        in_order in any::<bool>(),
        default in (0..6_u32, 0..4_u32),
        overrides in prop::collection::hash_map(0..3_usize, (0..6_u32, 0..4_u32), 0..3),
    ) {
        if in_order {
            steps.sort_by_key(|step| step.at);
        }
        let mut args = vec![
            format!("--max-password-attempts={}", default.0),
            format!("--max-otp-attempts={}", default.1),
        ];
        for (org, (password, otp)) in &overrides {
            args.push(format!("--override={}={password}/{otp}", ORGS[*org]));
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let input: String = steps
            .iter()
            .map(|step| {
                let outcome = if step.success { "success" } else { "failure" };
                let user = format!("user{}", step.user);
                line(step.at, ORGS[step.org], &user, FACTORS[step.factor], outcome)
            })
            .collect();
        prop_assert_eq!(report(&args, input), expected(&steps, default, &overrides));
    }
}
