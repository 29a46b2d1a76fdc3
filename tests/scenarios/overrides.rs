//! P5 and P6: adding, changing, putting and resetting, their errors and their details.

use portcullis::{Details, LockoutPolicy, PolicyError};

use crate::common::scenario::Then::{Done, NoPolicy};
use crate::common::scenario::{
    Scenario, adds, at, changes, given, org, puts, resets, sets_default,
};

const DEFAULT: LockoutPolicy = LockoutPolicy::new(10, 10);
const ONE: LockoutPolicy = LockoutPolicy::new(1, 2);
const OTHER: LockoutPolicy = LockoutPolicy::new(3, 4);

const ADDED: &str = "org.policy.lockout.added";
const CHANGED: &str = "org.policy.lockout.changed";
const REMOVED: &str = "org.policy.lockout.removed";

/// The details that the last command answered with, made of the numbers of the commands that
/// created and that last changed the policy.
#[track_caller]
fn assert_details(scenario: &Scenario, owner: &str, sequence: u64, created: u64, changed: u64) {
    let expected = Details {
        sequence,
        created_at: at(created),
        changed_at: at(changed),
        resource_owner: String::from(owner),
    };
    assert_eq!(scenario.details(), expected);
}

#[test]
fn p5_reset_deletes_the_override_and_answers_with_details() {
    let scenario = given(DEFAULT)
        .after([adds("acme", ONE), changes("acme", OTHER)])
        .when(resets("acme"))
        .then(Done)
        .events(&[REMOVED]);
    assert_details(&scenario, "acme", 3, 1, 3);
    assert!(scenario.engine().resolve("acme").is_default());
    assert_eq!(scenario.engine().overrides().count(), 0);
    assert_eq!(scenario.engine().policy(&org("acme")).1.resource_owner, "instance");
}

#[test]
fn p5_reset_touches_no_other_org() {
    let scenario = given(DEFAULT).after([adds("acme", ONE), adds("globex", OTHER), resets("acme")]);
    assert_eq!(scenario.engine().resolve("globex").policy, OTHER);
    assert!(scenario.engine().overrides().eq([(org("globex"), OTHER)]));
}

#[test]
fn p5_reset_without_an_override_is_not_found_and_changes_nothing() {
    let scenario = given(DEFAULT)
        .when(resets("acme"))
        .then(NoPolicy(PolicyError::NotFound))
        .events(&[])
        .after([adds("acme", ONE), resets("acme")])
        .when(resets("acme"))
        .then(NoPolicy(PolicyError::NotFound))
        .events(&[])
        // The refused ones took no number: after added 1 and removed 2 comes 3.
        .when(adds("acme", OTHER))
        .then(Done);
    assert_details(&scenario, "acme", 3, 5, 5);
}

#[test]
fn p5_an_org_keeps_its_sequence_over_a_reset_and_starts_a_new_creation_date() {
    let mut scenario = given(DEFAULT);
    for round in 0..20 {
        let before = round * 3;
        scenario = scenario.when(puts("acme", ONE)).events(&[ADDED]);
        assert_details(&scenario, "acme", before + 1, before + 1, before + 1);
        scenario = scenario.when(puts("acme", OTHER)).events(&[CHANGED]);
        assert_details(&scenario, "acme", before + 2, before + 1, before + 2);
        scenario = scenario.when(resets("acme")).events(&[REMOVED]);
        assert_details(&scenario, "acme", before + 3, before + 1, before + 3);
    }
}

#[test]
fn p6_each_level_counts_its_own_changes_from_one() {
    let scenario = given(DEFAULT).when(adds("acme", ONE));
    assert_details(&scenario, "acme", 1, 1, 1);
    let scenario = scenario.when(adds("globex", ONE));
    assert_details(&scenario, "globex", 1, 2, 2);
    let scenario = scenario.when(sets_default(OTHER)).events(&["instance.policy.lockout.changed"]);
    assert_details(&scenario, "instance", 2, 0, 3);
    let scenario = scenario.when(changes("acme", OTHER));
    assert_details(&scenario, "acme", 2, 1, 4);
    let scenario = scenario.when(sets_default(DEFAULT));
    assert_details(&scenario, "instance", 3, 0, 5);
    let scenario = scenario.when(changes("globex", OTHER));
    assert_details(&scenario, "globex", 2, 2, 6);
}

#[test]
fn p6_add_where_one_exists_is_already_exists() {
    for again in [ONE, OTHER] {
        let scenario = given(DEFAULT)
            .after([adds("acme", ONE)])
            .when(adds("acme", again))
            .then(NoPolicy(PolicyError::AlreadyExists))
            .events(&[]);
        assert_eq!(scenario.engine().resolve("acme").policy, ONE);
        assert_eq!(scenario.engine().policy(&org("acme")).1.sequence, 1);
    }
}

#[test]
fn p6_change_where_none_exists_is_not_found() {
    let scenario = given(DEFAULT)
        .when(changes("acme", ONE))
        .then(NoPolicy(PolicyError::NotFound))
        .events(&[])
        // Not even with the values that are in force by fallback.
        .when(changes("acme", DEFAULT))
        .then(NoPolicy(PolicyError::NotFound))
        .after([adds("acme", ONE), resets("acme")])
        .when(changes("acme", ONE))
        .then(NoPolicy(PolicyError::NotFound))
        .events(&[]);
    assert!(scenario.engine().resolve("acme").is_default());
}

#[test]
fn p6_a_change_to_the_same_values_is_not_changed() {
    let scenario = given(DEFAULT)
        .when(sets_default(DEFAULT))
        .then(NoPolicy(PolicyError::NotChanged))
        .events(&[])
        .after([adds("acme", ONE)])
        .when(changes("acme", ONE))
        .then(NoPolicy(PolicyError::NotChanged))
        .events(&[]);
    assert_eq!(scenario.engine().policy(&org("acme")).1.sequence, 1);
    assert_eq!(scenario.engine().instance_policy().1.sequence, 1);
    assert_eq!(scenario.engine().instance_policy().1.changed_at, at(0));
}

#[test]
fn p6_any_one_field_makes_a_change() {
    let fields = [
        LockoutPolicy { show_lockout_failures: true, ..ONE },
        LockoutPolicy { max_password_attempts: OTHER.max_password_attempts, ..ONE },
        LockoutPolicy { max_otp_attempts: OTHER.max_otp_attempts, ..ONE },
    ];
    for changed in fields {
        let scenario = given(ONE).table([
            (adds("acme", ONE), Done),
            (changes("acme", changed), Done),
            (changes("acme", changed), NoPolicy(PolicyError::NotChanged)),
            (sets_default(changed), Done),
            (sets_default(changed), NoPolicy(PolicyError::NotChanged)),
        ]);
        assert_eq!(scenario.engine().resolve("acme").policy, changed);
        assert_eq!(scenario.engine().resolve("globex").policy, changed);
    }
}

#[test]
fn p6_an_override_with_the_defaults_values_is_an_override_all_the_same() {
    let scenario = given(DEFAULT).when(adds("acme", DEFAULT)).then(Done).events(&[ADDED]);
    assert!(!scenario.engine().resolve("acme").is_default());
    let scenario = scenario.after([sets_default(OTHER)]);
    assert_eq!(scenario.engine().resolve("acme").policy, DEFAULT);
}

#[test]
fn p6_put_adds_replaces_and_leaves_alone() {
    let scenario = given(DEFAULT).when(puts("acme", ONE)).then(Done).events(&[ADDED]);
    assert_details(&scenario, "acme", 1, 1, 1);
    let scenario = scenario.when(puts("acme", OTHER)).then(Done).events(&[CHANGED]);
    assert_details(&scenario, "acme", 2, 1, 2);
    // The same values: the details on record, of the change that brought them, and no event.
    let scenario = scenario.when(puts("acme", OTHER)).then(Done).events(&[]);
    assert_details(&scenario, "acme", 2, 1, 2);
    let scenario = scenario.when(changes("acme", ONE)).then(Done);
    assert_details(&scenario, "acme", 3, 1, 4);
}

#[test]
fn p6_overrides_are_those_in_force_in_order_of_their_orgs() {
    let scenario = given(DEFAULT).after([
        puts("zeta", ONE),
        puts("acme", ONE),
        puts("midway", LockoutPolicy::new(u32::MAX, 1 << 31)),
        puts("acme", OTHER),
        puts("gone", ONE),
        resets("gone"),
        sets_default(ONE),
    ]);
    let expected = [
        (org("acme"), OTHER),
        (org("midway"), LockoutPolicy::new(u32::MAX, 1 << 31)),
        (org("zeta"), ONE),
    ];
    assert!(scenario.engine().overrides().eq(expected));
}
