//! P1 to P4, P7 and P8: which policy is in force, and what a change of it does to users.

use portcullis::{AttemptLimit, Engine, Factor, LockoutPolicy, Origin, Resolved};

use Factor::{Password, Totp};

use crate::common::scenario::Then::{Accepted, Admitted, Busy, Done, Locks, Rejected};
use crate::common::scenario::{
    ADA, BOB, EVE, adds, at, begins, changes, fails, given, locks, org, puts, resets, right,
    sets_default, succeeds, wrong,
};

const MILD: LockoutPolicy = LockoutPolicy::new(10, 10);
const STRICT: LockoutPolicy = LockoutPolicy::new(2, 2);

fn default(policy: LockoutPolicy) -> Resolved {
    Resolved { policy, origin: Origin::InstanceDefault }
}

fn own(policy: LockoutPolicy) -> Resolved {
    Resolved { policy, origin: Origin::OrgOverride }
}

/// Limits around those that fit a packed word, and a flag that differs from policy to policy.
fn edge_policies() -> Vec<LockoutPolicy> {
    let limits = [0, 1, 2, (1 << 25) - 1, 1 << 25, (1 << 31) - 1, 1 << 31, u32::MAX];
    let pairs = limits.into_iter().flat_map(|password| limits.map(|otp| (password, otp)));
    let flags = pairs.flat_map(|pair| [(pair, false), (pair, true)]);
    flags
        .map(|((password, otp), show_lockout_failures)| LockoutPolicy {
            show_lockout_failures,
            ..LockoutPolicy::new(password, otp)
        })
        .collect()
}

#[test]
fn p1_an_engine_has_an_instance_default_from_the_start() {
    let engine = Engine::new("main".parse().unwrap(), MILD);
    let (policy, details) = engine.instance_policy();
    assert_eq!(policy, MILD);
    assert_eq!((details.sequence, details.resource_owner.as_str()), (1, "main"));
    assert_eq!(details.created_at, details.changed_at);
    assert_eq!(engine.instance().as_str(), "main");
}

#[test]
fn p1_the_instance_default_outlives_every_change() {
    let scenario = given(MILD).table([
        (sets_default(STRICT), Done),
        (adds("acme", MILD), Done),
        (resets("acme"), Done),
    ]);
    assert_eq!(scenario.engine().instance_policy().0, STRICT);
    assert_eq!(scenario.engine().resolve("acme"), default(STRICT));
}

#[test]
fn p2_an_org_without_an_override_resolves_to_the_default() {
    let scenario = given(MILD).after([adds("acme", STRICT)]);
    for unheard_of in ["globex", "ACME", "acme2", "", " acme", "acme\n", &"x".repeat(10_000)] {
        let resolved = scenario.engine().resolve(unheard_of);
        assert_eq!(resolved, default(MILD), "{unheard_of:?}");
        assert!(resolved.is_default());
    }
}

#[test]
fn p2_an_override_replaces_the_default_as_a_whole() {
    let shown = LockoutPolicy { show_lockout_failures: true, ..MILD };
    let off = LockoutPolicy::new(0, 0);
    let scenario = given(shown).after([adds("acme", off)]);
    let resolved = scenario.engine().resolve("acme");
    // Neither the zeros nor the flag that is off let anything of the default through.
    assert_eq!(resolved, own(off));
    assert!(!resolved.is_default());
}

#[test]
fn p2_the_admin_read_tells_the_details_of_the_level_that_answers() {
    let scenario = given(MILD).after([adds("acme", STRICT)]);
    let (resolved, details) = scenario.engine().policy(&org("acme"));
    assert_eq!(resolved, own(STRICT));
    assert_eq!((details.sequence, details.resource_owner.as_str()), (1, "acme"));
    assert_eq!((details.created_at, details.changed_at), (at(1), at(1)));

    let (resolved, details) = scenario.engine().policy(&org("globex"));
    assert_eq!(resolved, default(MILD));
    assert_eq!(details, scenario.engine().instance_policy().1);
    assert_eq!(details.resource_owner, "instance");
    assert_eq!((details.created_at, details.changed_at), (at(0), at(0)));
}

#[test]
fn p2_a_factor_has_the_limit_of_its_kind() {
    let policy = LockoutPolicy::new(3, 7);
    for factor in Factor::ALL {
        let expected = if factor == Password { 3 } else { 7 };
        assert_eq!(policy.limit(factor), AttemptLimit::from(expected), "{factor}");
    }
}

#[test]
fn p3_one_resolve_answers_from_one_policy_wide_limits_included() {
    let policies = edge_policies();
    // Each to each, so that narrow ones follow wide ones and the other way round.
    for first in &policies {
        for second in &policies {
            if first == second {
                continue;
            }
            let engine = Engine::new("main".parse().unwrap(), *first);
            engine.add_override(&org("acme"), *second).unwrap();
            assert_eq!(engine.resolve("acme"), own(*second));
            assert_eq!(engine.resolve("globex"), default(*first));

            engine.set_instance_policy(*second).unwrap();
            engine.change_override(&org("acme"), *first).unwrap();
            assert_eq!(engine.resolve("acme"), own(*first));
            assert_eq!(engine.resolve("globex"), default(*second));

            engine.reset_to_default(&org("acme")).unwrap();
            assert_eq!(engine.resolve("acme"), default(*second));
        }
    }
}

#[test]
fn p4_a_change_that_has_returned_is_seen_by_the_next_resolve() {
    let rows = [
        (sets_default(STRICT), default(STRICT), default(STRICT)),
        (adds("acme", MILD), own(MILD), default(STRICT)),
        (changes("acme", STRICT), own(STRICT), default(STRICT)),
        (sets_default(MILD), own(STRICT), default(MILD)),
        (puts("acme", MILD), own(MILD), default(MILD)),
        (sets_default(STRICT), own(MILD), default(STRICT)),
        (resets("acme"), default(STRICT), default(STRICT)),
        (puts("acme", MILD), own(MILD), default(STRICT)),
    ];
    let mut scenario = given(MILD);
    for (command, acme, globex) in rows {
        scenario = scenario.when(command.clone()).then(Done);
        let engine = scenario.engine();
        let resolve = || (engine.resolve("acme"), engine.resolve("globex"));
        assert_eq!(resolve(), (acme, globex), "{command:?}");
        let elsewhere = std::thread::scope(|scope| scope.spawn(resolve).join().unwrap());
        assert_eq!(elsewhere, (acme, globex), "{command:?}, in another thread");
    }
}

/// An index grows and shrinks in steps that may last over many calls: what stands in the part that
/// has not moved yet must not be taken for what is in force.
#[test]
fn p4_a_change_is_seen_also_while_the_number_of_overrides_grows_and_shrinks() {
    const ORGS: u32 = 10_000;
    let engine = Engine::new("main".parse().unwrap(), MILD);
    let ids: Vec<_> = (0..ORGS).map(|number| org(&format!("org {number}"))).collect();
    let mut in_force: Vec<Option<LockoutPolicy>> = vec![None; ORGS as usize];
    let check = |number: usize, in_force: &[Option<LockoutPolicy>]| {
        let expected = in_force[number].map_or(default(MILD), own);
        assert_eq!(engine.resolve(&ids[number]), expected, "{number}");
    };
    for step in 0..4 * ORGS {
        // In the first half organizations come, in the second they go; old ones change all along.
        let newest = if step < 2 * ORGS { step / 2 } else { ORGS - 1 - (step - 2 * ORGS) / 2 };
        let picked = (step.wrapping_mul(2_654_435_761) >> 8) % (newest + 1);
        let (newest, picked) = (newest as usize, picked as usize);
        let policy = LockoutPolicy::new(step + 1, step % 7);
        if step < 2 * ORGS || newest != picked {
            engine.put_override(&ids[picked], policy).unwrap();
            in_force[picked] = Some(policy);
        }
        if step >= 2 * ORGS && in_force[newest].is_some() {
            engine.reset_to_default(&ids[newest]).unwrap();
            in_force[newest] = None;
        } else if step < 2 * ORGS {
            engine.put_override(&ids[newest], policy).unwrap();
            in_force[newest] = Some(policy);
        }
        for number in [picked, newest, newest / 2, (step % ORGS) as usize] {
            check(number, &in_force);
        }
        if step % 2_000 == 0 {
            (0..ids.len()).for_each(|number| check(number, &in_force));
        }
    }
    assert_eq!(engine.overrides().count(), in_force.iter().flatten().count());
}

#[test]
fn p4_a_change_holds_for_the_next_verdict_and_the_next_admission() {
    given(MILD).table([
        (begins(1, ADA, Password), Admitted),
        (puts("acme", LockoutPolicy::new(1, 1)), Done),
        (begins(2, ADA, Password), Busy),
        (wrong(1), Locks(1, 1)),
    ]);
}

#[test]
fn p7_limit_zero_never_locks_and_counts_all_the_same() {
    let mut scenario = given(LockoutPolicy::new(0, 0));
    for failures in 1..=300 {
        for factor in Factor::ALL {
            scenario = scenario.when(fails(ADA, factor)).then(Rejected(failures, 0));
        }
    }
    scenario.locked(ADA, false).failures(ADA, [300; 5]);
}

#[test]
fn p7_failures_under_limit_zero_count_when_a_positive_limit_comes() {
    given(LockoutPolicy::new(0, 0))
        .after([fails(ADA, Password), fails(ADA, Password), fails(ADA, Password)])
        .table([
            (sets_default(LockoutPolicy::new(5, 5)), Done),
            (fails(ADA, Password), Rejected(4, 5)),
            (fails(ADA, Password), Locks(5, 5)),
        ]);
}

#[test]
fn p7_a_zero_for_one_kind_leaves_the_other_kind_its_limit() {
    given(LockoutPolicy::new(0, 1))
        .table([(fails(ADA, Password), Rejected(1, 0)), (fails(ADA, Totp), Locks(1, 1))]);
    given(LockoutPolicy::new(1, 0))
        .table([(fails(ADA, Totp), Rejected(1, 0)), (fails(ADA, Password), Locks(1, 1))]);
}

#[test]
fn p8_no_change_of_a_policy_locks_unlocks_or_zeroes() {
    let one = LockoutPolicy::new(1, 1);
    let never = LockoutPolicy::new(0, 0);
    let every_change = [
        sets_default(one),
        sets_default(never),
        adds("acme", one),
        changes("acme", never),
        puts("acme", one),
        resets("acme"),
        puts("acme", never),
        resets("acme"),
    ];
    let mut scenario = given(MILD).after([
        fails(ADA, Password),
        fails(ADA, Password),
        fails(ADA, Totp),
        fails(BOB, Password),
        locks(BOB),
        locks(EVE),
    ]);
    for change in every_change {
        scenario = scenario
            .when(change)
            .then(Done)
            .locked(ADA, false)
            .failures(ADA, [2, 1, 0, 0, 0])
            .locked(BOB, true)
            .failures(BOB, [1, 0, 0, 0, 0])
            .locked(EVE, true)
            .tracked(3);
    }
}

#[test]
fn p8_the_limit_is_looked_at_when_a_failure_settles() {
    // Lowered below the count: not the change locks, the next failure does.
    given(MILD)
        .after([fails(ADA, Password), fails(ADA, Password), fails(ADA, Password)])
        .when(sets_default(STRICT))
        .locked(ADA, false)
        .when(fails(ADA, Password))
        .then(Locks(4, 2));
    // And a success clears as ever.
    given(MILD).after([fails(ADA, Password), fails(ADA, Password), fails(ADA, Password)]).table([
        (sets_default(STRICT), Done),
        (succeeds(ADA, Password), Accepted),
        (fails(ADA, Password), Rejected(1, 2)),
    ]);
    // Changed between begin and settle: the later one counts.
    given(STRICT).table([
        (fails(ADA, Password), Rejected(1, 2)),
        (begins(1, ADA, Password), Admitted),
        (adds("acme", MILD), Done),
        (wrong(1), Rejected(2, 10)),
        (begins(2, ADA, Password), Admitted),
        (resets("acme"), Done),
        (wrong(2), Locks(3, 2)),
    ]);
}

#[test]
fn p8_a_reset_gives_back_the_defaults_limit_with_the_count_as_it_stands() {
    given(STRICT).table([
        (adds("acme", MILD), Done),
        (fails(ADA, Password), Rejected(1, 10)),
        (fails(ADA, Password), Rejected(2, 10)),
        (begins(1, ADA, Password), Admitted),
        (resets("acme"), Done),
        (right(1), Accepted),
        (fails(ADA, Password), Rejected(1, 2)),
    ]);
}
