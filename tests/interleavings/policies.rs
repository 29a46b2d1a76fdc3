//! Policies under change. Each policy's two limits and its flag tell one version, so that a mixture
//! shows.

use std::sync::Arc;

use portcullis::Origin::{InstanceDefault as Default, OrgOverride as Override};
use portcullis::{Engine, Factor, LockoutPolicy, Origin, Resolved, Verdict};

use super::{begin, explore, guess, org, rejected, spawn};

const WIDE: u32 = 1 << 31;

fn policy(version: u32) -> LockoutPolicy {
    LockoutPolicy {
        show_lockout_failures: version % 2 == 1,
        ..LockoutPolicy::new(version, version ^ 1)
    }
}

/// Carries out what makes the given answers of a resolve one after the other, while another
/// thread resolves twice: it is given answers of that list, and never an older one after a newer.
fn resolved_meanwhile(
    first: u32,
    prepare: fn(&Engine),
    changes: &'static [fn(&Engine)],
    answers: &'static [(Origin, u32)],
) {
    explore(Some(5), move || {
        let engine = Arc::new(Engine::new("i".parse().unwrap(), policy(first)));
        prepare(&engine);
        let reading = spawn(&engine, |engine| [engine.resolve("o"), engine.resolve("o")]);
        for change in changes {
            change(&engine);
        }
        let answer =
            |(origin, version): (Origin, u32)| Resolved { policy: policy(version), origin };
        let (at_last, read) = (engine.resolve("o"), reading.join().unwrap());
        assert_eq!(at_last, answer(answers[answers.len() - 1]), "rule P4");
        let mut from = 0;
        for seen in read {
            let step = answers[from..].iter().position(|one| answer(*one) == seen);
            from += step.unwrap_or_else(|| panic!("{seen:?} is not to come after step {from}"));
        }
    });
}

fn set_default<const VERSION: u32>(engine: &Engine) {
    engine.set_instance_policy(policy(VERSION)).unwrap();
}

fn add<const VERSION: u32>(engine: &Engine) {
    engine.add_override(&org(), policy(VERSION)).unwrap();
}

fn change<const VERSION: u32>(engine: &Engine) {
    engine.change_override(&org(), policy(VERSION)).unwrap();
}

fn reset(engine: &Engine) {
    engine.reset_to_default(&org()).unwrap();
}

#[test]
fn p3_p4_the_default_changes_between_narrow_and_wide() {
    const WIDE_BOTH: &[(Origin, u32)] = &[(Default, WIDE + 2), (Default, WIDE + 4)];
    const CHANGES: &[fn(&Engine)] = &[set_default::<3>, set_default::<{ WIDE + 4 }>];
    const ANSWERS: &[(Origin, u32)] = &[(Default, WIDE + 2), (Default, 3), (Default, WIDE + 4)];
    resolved_meanwhile(WIDE + 2, |_| {}, CHANGES, ANSWERS);
    resolved_meanwhile(2, |_| {}, &[set_default::<3>], &[(Default, 2), (Default, 3)]);
    resolved_meanwhile(WIDE + 2, |_| {}, &[set_default::<{ WIDE + 4 }>], WIDE_BOTH);
}

#[test]
fn p2_p4_an_override_comes_changes_and_goes() {
    const WIDE_FIRST: &[(Origin, u32)] = &[(Override, WIDE + 3), (Default, 2)];
    const CHANGES: &[fn(&Engine)] = &[add::<3>, change::<4>, reset];
    const ANSWERS: &[(Origin, u32)] = &[(Default, 2), (Override, 3), (Override, 4), (Default, 2)];
    resolved_meanwhile(2, |_| {}, CHANGES, ANSWERS);
    resolved_meanwhile(2, add::<{ WIDE + 3 }>, &[reset], WIDE_FIRST);
}

#[test]
fn p2_p3_an_override_that_only_changes_never_gives_way() {
    const CHANGES: &[fn(&Engine)] = &[change::<{ WIDE + 4 }>, change::<5>];
    const ANSWERS: &[(Origin, u32)] = &[(Override, 3), (Override, WIDE + 4), (Override, 5)];
    resolved_meanwhile(2, add::<3>, CHANGES, ANSWERS);
}

#[test]
fn p2_both_levels_change_and_the_default_was_never_in_force() {
    const BACK: &[fn(&Engine)] = &[set_default::<4>, reset];
    const CHANGES: &[fn(&Engine)] = &[add::<3>, set_default::<4>];
    resolved_meanwhile(2, |_| {}, CHANGES, &[(Default, 2), (Override, 3)]);
    resolved_meanwhile(2, add::<3>, BACK, &[(Override, 3), (Default, 4)]);
}

/// From a limit of 2 to one of 3, at either level.
#[test]
fn p4_no_verdict_is_under_an_older_limit_than_its_thread_has_seen() {
    const TO_THREE: [(fn(&Engine), fn(&Engine)); 4] = [
        (|_| {}, set_default::<3>),
        (|_| {}, add::<3>),
        (add::<2>, change::<3>),
        (|engine| (add::<2>(engine), set_default::<3>(engine)).1, reset),
    ];
    for (prepare, change) in TO_THREE {
        explore(None, move || {
            let engine = Arc::new(Engine::new("i".parse().unwrap(), policy(2)));
            prepare(&engine);
            let guessing = spawn(&engine, |engine| {
                let attempt = begin(engine, Factor::Password);
                let seen = engine.resolve("o").policy.max_password_attempts;
                match attempt.fail() {
                    Verdict::Rejected { limit, .. } => (seen, limit),
                    other => panic!("{other:?}"),
                }
            });
            change(&engine);
            assert_eq!(engine.resolve("o").policy, policy(3));
            let (seen, limit) = guessing.join().unwrap();
            assert!(limit >= seen, "{limit:?} after {seen:?}");
            assert_eq!(guess(&engine), Some(rejected(2, 3)));
        });
    }
}

/// How a thread resolves the organization `7`, whose policy lies in a table of numbers.
type Look = fn(&Engine) -> Box<dyn FnMut(&Engine) -> Resolved>;

const LOOKS: [Look; 3] = [
    |_| Box::new(|engine| engine.resolve("7")),
    |engine| {
        let mut reader = engine.reader();
        Box::new(move |_| reader.resolve("7"))
    },
    |engine| {
        let handle = engine.org(&"7".parse().unwrap());
        Box::new(move |_| handle.resolve())
    },
];

/// Overrides come, change and go, tables are filled and replaced; another thread looks twice, each
/// time in one of two ways: an answer never gives way to an older one.
fn seen_in_order(
    looks: [usize; 2],
    prepare: fn(&Engine),
    changes: &'static [fn(&Engine)],
    answers: &'static [(Origin, u32)],
) {
    explore(Some(3), move || {
        let engine = Arc::new(Engine::new("i".parse().unwrap(), policy(2)));
        prepare(&engine);
        let mut looks = looks.map(|look| LOOKS[look](&engine));
        let reading = spawn(&engine, move |engine| {
            let [first, second] = &mut looks;
            [first(engine), second(engine)]
        });
        changes.iter().for_each(|change| change(&engine));
        let answer =
            |(origin, version): (Origin, u32)| Resolved { policy: policy(version), origin };
        let (at_last, read) = (engine.resolve("7"), reading.join().unwrap());
        assert_eq!(at_last, answer(answers[answers.len() - 1]), "rule P4");
        let mut from = 0;
        for seen in read {
            let step = answers[from..].iter().position(|one| answer(*one) == seen);
            from += step.unwrap_or_else(|| panic!("{seen:?} is not to come after step {from}"));
        }
    });
}

fn put<const ORG: u32, const VERSION: u32>(engine: &Engine) {
    engine.put_override(&ORG.to_string().parse().unwrap(), policy(VERSION)).unwrap();
}

fn drop_of<const ORG: u32>(engine: &Engine) {
    engine.reset_to_default(&ORG.to_string().parse().unwrap()).unwrap();
}

const ALL_LOOKS: [[usize; 2]; 7] = [[0, 0], [1, 1], [2, 2], [0, 1], [2, 1], [0, 2], [2, 0]];

#[test]
fn p2_p4_a_number_comes_changes_and_goes() {
    const CHANGES: &[fn(&Engine)] = &[put::<7, 3>, put::<7, 4>, drop_of::<7>];
    const ANSWERS: &[(Origin, u32)] = &[(Default, 2), (Override, 3), (Override, 4), (Default, 2)];
    for looks in ALL_LOOKS {
        seen_in_order(looks, |_| {}, CHANGES, ANSWERS);
    }
}

/// With two numbers a table is full: the third one, not asked for, has it replaced.
#[test]
fn p2_p4_a_number_changes_while_its_table_is_replaced() {
    const CHANGES: &[fn(&Engine)] = &[put::<9, 5>, put::<7, 4>];
    const ANSWERS: &[(Origin, u32)] = &[(Override, 3), (Override, 4)];
    const NEW: &[fn(&Engine)] = &[put::<7, 3>, put::<7, 4>];
    const ANSWERS_TO_NEW: &[(Origin, u32)] = &[(Default, 2), (Override, 3), (Override, 4)];
    let full = |engine: &Engine| (put::<8, 5>(engine), put::<6, 5>(engine)).1;
    for looks in ALL_LOOKS {
        seen_in_order(
            looks,
            |engine| (put::<7, 3>(engine), put::<8, 5>(engine)).1,
            CHANGES,
            ANSWERS,
        );
        seen_in_order(looks, full, NEW, ANSWERS_TO_NEW);
    }
}

/// With six numbers a table is full and they are too many for one: the seventh has several take over.
#[test]
fn p2_p4_a_number_comes_and_changes_while_one_table_becomes_several() {
    const FILL: &[fn(&Engine)] =
        &[put::<1, 5>, put::<2, 5>, put::<3, 5>, put::<4, 5>, put::<5, 5>, put::<7, 3>];
    const ANSWERS: &[(Origin, u32)] = &[(Default, 2), (Override, 3), (Override, 4)];
    let full = |engine: &Engine| FILL.iter().for_each(|put| put(engine));
    let full_without = |engine: &Engine| {
        FILL[..5].iter().for_each(|put| put(engine));
        put::<6, 5>(engine);
    };
    for looks in [[0, 0], [1, 1], [0, 1], [2, 0]] {
        seen_in_order(looks, full, &[put::<8, 5>, put::<7, 4>], &ANSWERS[1..]);
        seen_in_order(looks, full_without, &[put::<7, 3>, put::<7, 4>], ANSWERS);
    }
}

/// Who has begun when there was no table may look at the several ones before all others may.
#[test]
fn p2_p4_a_number_comes_while_there_come_to_be_several_tables_where_there_was_none() {
    // It has been there already, so it is not known in advance that it is not.
    const CHANGES: &[fn(&Engine)] = &[
        put::<7, 5>,
        drop_of::<7>,
        put::<1, 5>,
        put::<2, 5>,
        put::<3, 5>,
        put::<4, 5>,
        put::<7, 3>,
    ];
    const ANSWERS: &[(Origin, u32)] = &[(Default, 2), (Override, 5), (Default, 2), (Override, 3)];
    for looks in [[0, 0], [1, 1]] {
        seen_in_order(looks, |_| {}, CHANGES, ANSWERS);
    }
}

#[test]
fn p2_a_number_and_the_default_change_and_the_default_was_never_in_force() {
    const CHANGES: &[fn(&Engine)] = &[put::<7, 3>, set_default::<4>];
    const BACK: &[fn(&Engine)] = &[set_default::<4>, drop_of::<7>];
    for looks in ALL_LOOKS {
        seen_in_order(looks, |_| {}, CHANGES, &[(Default, 2), (Override, 3)]);
        seen_in_order(looks, put::<7, 3>, BACK, &[(Override, 3), (Default, 4)]);
    }
}

/// A slot that one number has left is not another's.
#[test]
fn p2_a_number_that_goes_leaves_its_place_to_nobody() {
    const CHANGES: &[fn(&Engine)] = &[drop_of::<7>, put::<9, 5>, put::<6, 6>];
    const ANSWERS: &[(Origin, u32)] = &[(Override, 3), (Default, 2)];
    for looks in ALL_LOOKS {
        seen_in_order(looks, put::<7, 3>, CHANGES, ANSWERS);
    }
}
