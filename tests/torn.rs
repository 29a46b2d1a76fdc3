//! Policies read while they change: never a mixture of two (rule P3), never an older one after a
//! newer or after its change was told of (rule P4), and never the default for an organization that
//! has an override all the time (rule P2).
//!
//! Each policy tells its version in all three fields, and every few versions a limit is too wide
//! for the engine's one-word form. A reader looks at what was told before it resolves and at what
//! was begun after it: the version must lie between.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

#[path = "torn/numbers.rs"]
mod numbers;
#[path = "common/threads.rs"]
mod threads;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::mpsc;

use portcullis::{
    Admission, Details, Engine, Factor, LockoutPolicy, OrgId, PolicyError, Resolved, Verdict,
};
use threads::{Raise, race, scaled, together};

const WIDE: u32 = 1 << 31;

fn policy(version: u32) -> LockoutPolicy {
    let wide_if = |so: bool| if so { WIDE } else { 0 };
    let password = version | wide_if(version.is_multiple_of(3));
    let otp = (version ^ 0x2aaa_aaaa) | wide_if(version.is_multiple_of(4));
    LockoutPolicy {
        show_lockout_failures: !version.count_ones().is_multiple_of(2),
        ..LockoutPolicy::new(password, otp)
    }
}

fn version_of(seen: LockoutPolicy) -> u32 {
    let version = seen.max_password_attempts.get() & !WIDE;
    assert_eq!(seen, policy(version), "a mixture");
    version
}

fn engine() -> Engine {
    Engine::new("i".parse().unwrap(), policy(0))
}

fn org(name: &str) -> OrgId {
    name.parse().unwrap()
}

/// How far a writer is: each step is begun, done, then told.
#[derive(Default)]
struct Progress {
    begun: AtomicU32,
    told: AtomicU32,
    over: AtomicBool,
}

impl Progress {
    fn from(step: u32) -> Self {
        Self { begun: step.into(), told: step.into(), over: false.into() }
    }

    fn run(&self, steps: u32, mut change: impl FnMut(u32)) {
        let _over = Raise(&self.over);
        for step in self.told.load(SeqCst) + 1..=steps {
            self.begun.store(step, SeqCst);
            change(step);
            self.told.store(step, SeqCst);
        }
    }

    /// Reads until step `last` was told. `read` is given the oldest step that it may find, and
    /// answers with the step that it found.
    fn watch(&self, last: u32, mut read: impl FnMut(u32) -> u32) {
        let mut newest = 0;
        while newest < last {
            let over = self.over.load(SeqCst);
            assert!(!over || self.told.load(SeqCst) >= last, "the writer has failed");
            let oldest = self.told.load(SeqCst).max(newest);
            newest = read(oldest);
            let begun = self.begun.load(SeqCst);
            assert!(oldest <= newest, "step {newest} after step {oldest}");
            assert!(newest <= begun, "step {newest} before it was begun, at step {begun}");
        }
    }
}

fn steps(times: usize) -> u32 {
    u32::try_from(scaled(times)).unwrap()
}

#[test]
fn p3_p4_the_default_is_read_whole_and_forward() {
    let (engine, progress, last) = (engine(), Progress::default(), steps(60_000));
    let change = |step| drop(engine.set_instance_policy(policy(step)).unwrap());
    let resolve = |_| {
        let resolved = engine.resolve("anybody");
        assert!(resolved.is_default());
        version_of(resolved.policy)
    };
    let with_details = |_| {
        let (policy, details) = engine.instance_policy();
        assert_eq!(u64::from(version_of(policy)) + 1, details.sequence, "details of another");
        version_of(policy)
    };
    together(3, |number| match number {
        0 => progress.run(last, change),
        1 => progress.watch(last, resolve),
        _ => progress.watch(last, |oldest| with_details(resolve(oldest))),
    });
}

#[test]
fn p2_p3_p4_an_override_comes_changes_and_goes_in_order() {
    const RESET: u32 = 3;
    let (engine, org, last) = (engine(), org("o"), steps(60_000));
    let progress = Progress::from(RESET);
    let change = |step: u32| {
        let done = match step % 4 {
            0 => engine.add_override(&org, policy(step)),
            1 => engine.change_override(&org, policy(step)),
            2 => engine.put_override(&org, policy(step)),
            _ => engine.reset_to_default(&org),
        };
        drop(done.unwrap());
    };
    let step_of = |oldest: u32, resolved: Resolved| {
        let version = version_of(resolved.policy);
        if !resolved.is_default() {
            assert_ne!(version % 4, RESET, "an override of nobody's");
            return version;
        }
        assert_eq!(version, 0, "a default of nobody's");
        // The first reset that may have been it.
        (oldest..oldest + 4).find(|step| step % 4 == RESET).unwrap()
    };
    // The last step is a reset, which a reader must come to see.
    let last = last / 4 * 4 + RESET;
    together(3, |number| match number {
        0 => progress.run(last, change),
        1 => progress.watch(last, |oldest| step_of(oldest, engine.resolve("o"))),
        _ => progress.watch(last, |oldest| {
            let (resolved, details) = engine.policy(&org);
            let step = step_of(oldest, resolved);
            if !resolved.is_default() {
                assert_eq!(u64::from(step - RESET), details.sequence, "details of another");
            }
            step
        }),
    });
}

#[test]
fn p2_a_default_that_changes_under_an_override_is_not_seen_through_it() {
    // 0: an override comes, 1: the default changes, 2: once more, 3: the override goes.
    let (engine, org) = (engine(), org("o"));
    let (progress, last) = (Progress::from(3), steps(60_000) / 4 * 4 + 3);
    let change = |step: u32| {
        let done = match step % 4 {
            0 => engine.add_override(&org, policy(step)),
            3 => engine.reset_to_default(&org),
            _ => engine.set_instance_policy(policy(step)),
        };
        drop(done.unwrap());
    };
    let resolve = |oldest: u32| {
        let resolved = engine.resolve("o");
        match (resolved.is_default(), version_of(resolved.policy)) {
            (false, version) if version % 4 == 0 => {
                (version..version + 3).find(|it| *it >= oldest).unwrap_or(version)
            }
            // In force from the step after it; the first default from the start.
            (true, version) if version % 4 == 2 => version + 1,
            (true, 0) => 3,
            (_, version) => panic!("version {version} was never in force: {resolved:?}"),
        }
    };
    together(3, |number| match number {
        0 => progress.run(last, change),
        _ => progress.watch(last, resolve),
    });
}

#[test]
fn p2_an_override_that_only_changes_holds_while_the_index_grows_and_shrinks() {
    const STRICT: usize = 4;
    const BULK: usize = 4000;
    let engine = engine();
    let strict: Vec<_> = (0..STRICT).map(|number| org(&format!("strict {number}"))).collect();
    let bulk: Vec<_> = (0..BULK).map(|number| org(&format!("bulk {number}"))).collect();
    for org in &strict {
        engine.add_override(org, policy(1)).unwrap();
    }
    let (progress, waves) =
        (Progress::from(1), scaled(if cfg!(debug_assertions) { 20 } else { 300 }));
    let done = AtomicBool::new(false);
    let last = u32::MAX >> 1;
    let grow_and_shrink = || {
        let _done = Raise(&done);
        for _ in 0..waves {
            for org in &bulk {
                engine.add_override(org, policy(5)).unwrap();
            }
            for org in &bulk {
                engine.reset_to_default(org).unwrap();
            }
        }
    };
    let change_all = || {
        for step in 2..last {
            progress.begun.store(step, SeqCst);
            for org in &strict {
                match step % 2 {
                    0 => engine.change_override(org, policy(step)).unwrap(),
                    _ => engine.put_override(org, policy(step)).unwrap(),
                };
            }
            progress.told.store(step, SeqCst);
            if done.load(SeqCst) {
                return;
            }
        }
    };
    let read = || {
        let mut newest = [0; STRICT];
        while !done.load(SeqCst) {
            for (org, newest) in strict.iter().zip(&mut newest) {
                let oldest = progress.told.load(SeqCst).max(*newest);
                let resolved = engine.resolve(org);
                assert!(!resolved.is_default(), "{org} has an override and was given the default");
                *newest = version_of(resolved.policy);
                assert!(oldest <= *newest, "{org}: {newest} after {oldest}");
                assert!(*newest <= progress.begun.load(SeqCst));
            }
        }
    };
    together(4, |number| match number {
        0 => grow_and_shrink(),
        1 => change_all(),
        _ => read(),
    });
}

#[test]
fn p4_whoever_is_told_of_a_change_sees_it() {
    type Change<'a> = &'a dyn Fn(LockoutPolicy) -> Result<Details, PolicyError>;
    let (engine, org, user) = (&engine(), &org("o"), "u".parse().unwrap());
    let (tell, told) = mpsc::channel::<(LockoutPolicy, bool)>();
    let (answer, answered) = mpsc::channel::<()>();
    let change = move || {
        let changes: [(bool, Change<'_>); 6] = [
            (true, &|policy| engine.set_instance_policy(policy)),
            (false, &|policy| engine.add_override(org, policy)),
            (false, &|policy| engine.change_override(org, policy)),
            (false, &|policy| engine.put_override(org, policy)),
            (true, &|_| engine.reset_to_default(org)),
            (false, &|policy| engine.put_override(org, policy)),
        ];
        let mut version = 0;
        for _ in 0..scaled(1000) {
            let default = policy(version + 1);
            for (is_default, change) in changes {
                version += 1;
                change(policy(version)).unwrap();
                let expected = if is_default { default } else { policy(version) };
                tell.send((expected, is_default)).unwrap();
                answered.recv().unwrap();
            }
            engine.reset_to_default(org).unwrap();
        }
    };
    let look = move || {
        for (expected, is_default) in told {
            let resolved = engine.resolve("o");
            assert_eq!((resolved.policy, resolved.is_default()), (expected, is_default));
            assert_eq!(engine.policy(org).0, resolved);
            let Admission::Admitted(attempt) = engine.begin(org, &user, Factor::Totp) else {
                panic!("not admitted")
            };
            let verdict = attempt.fail();
            assert!(
                matches!(verdict, Verdict::Rejected { limit, .. } if limit == expected.max_otp_attempts),
                "{verdict:?} under {expected:?}"
            );
            let _ = engine.unlock(&user);
            answer.send(()).unwrap();
        }
    };
    race(change, look);
}

#[test]
fn p3_the_list_of_overrides_is_of_one_moment() {
    let (engine, progress, last) = (engine(), Progress::from(1), steps(20_000));
    let pair = [org("a"), org("b")];
    for org in &pair {
        engine.add_override(org, policy(1)).unwrap();
    }
    let change = |step| {
        for org in &pair {
            engine.change_override(org, policy(step)).unwrap();
        }
    };
    let read = |_| {
        let versions: Vec<_> = engine.overrides().map(|(_, seen)| version_of(seen)).collect();
        assert!(versions[0] == versions[1] || versions[0] == versions[1] + 1, "{versions:?}");
        versions[1]
    };
    race(|| progress.run(last, change), || progress.watch(last, read));
}
