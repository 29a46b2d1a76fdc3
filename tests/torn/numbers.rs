//! The same for ids that are numbers, which lie in tables of their own, and for all the ways to
//! resolve: by id, through a thread's reader, by the organization's handle.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use portcullis::{Engine, OrgHandle, OrgId, Reader, Resolved};

use super::threads::{Raise, scaled, together};
use super::{Progress, engine, policy, steps, version_of};

fn number(n: usize) -> OrgId {
    (69_629_023_906_488_334 + n * 65_536).to_string().parse().unwrap()
}

/// One thread's ways to resolve, in turn: what one has seen, no other may be behind.
struct Ways<'e> {
    engine: &'e Engine,
    reader: Reader,
    handle: OrgHandle,
    turn: usize,
}

impl<'e> Ways<'e> {
    fn of(engine: &'e Engine, org: &OrgId) -> Self {
        Self { engine, reader: engine.reader(), handle: engine.org(org), turn: 0 }
    }

    fn resolve(&mut self) -> Resolved {
        self.turn += 1;
        match self.turn % 3 {
            0 => self.engine.resolve(self.handle.id()),
            1 => self.reader.resolve(self.handle.id()),
            _ => self.handle.resolve(),
        }
    }
}

fn comes_changes_and_goes(org: &OrgId) {
    const RESET: u32 = 3;
    let (engine, last) = (engine(), steps(30_000) / 4 * 4 + RESET);
    let progress = Progress::from(RESET);
    let change = |step: u32| {
        let done = match step % 4 {
            0 => engine.add_override(org, policy(step)),
            1 => engine.change_override(org, policy(step)),
            2 => engine.put_override(org, policy(step)),
            _ => engine.reset_to_default(org),
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
        (oldest..oldest + 4).find(|step| step % 4 == RESET).unwrap()
    };
    together(3, |thread| {
        if thread == 0 {
            return progress.run(last, change);
        }
        let mut ways = Ways::of(&engine, org);
        progress.watch(last, |oldest| step_of(oldest, ways.resolve()));
    });
}

#[test]
fn p2_p3_p4_an_override_is_seen_in_order_in_every_way() {
    comes_changes_and_goes(&number(0));
    comes_changes_and_goes(&"no number".parse().unwrap());
}

#[test]
fn p2_a_default_that_changes_under_an_override_is_not_seen_through_a_handle() {
    // 0: an override comes, 1: the default changes, 2: once more, 3: the override goes.
    let (engine, org) = (engine(), number(0));
    let (progress, last) = (Progress::from(3), steps(30_000) / 4 * 4 + 3);
    let change = |step: u32| {
        let done = match step % 4 {
            0 => engine.add_override(&org, policy(step)),
            3 => engine.reset_to_default(&org),
            _ => engine.set_instance_policy(policy(step)),
        };
        drop(done.unwrap());
    };
    let step_of = |oldest: u32, resolved: Resolved| {
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
    together(3, |thread| {
        if thread == 0 {
            return progress.run(last, change);
        }
        let mut ways = Ways::of(&engine, &org);
        progress.watch(last, |oldest| step_of(oldest, ways.resolve()));
    });
}

#[test]
fn p2_p4_numbers_that_only_change_hold_while_their_tables_are_replaced() {
    const STRICT: usize = 150;
    let bulk = scaled(if cfg!(debug_assertions) { 20_000 } else { 200_000 });
    let engine = engine();
    let strict: Vec<_> = (0..STRICT).map(number).collect();
    for org in &strict {
        engine.add_override(org, policy(1)).unwrap();
    }
    let (progress, done) = (Progress::from(1), AtomicBool::new(false));
    let come_and_go = || {
        let _done = Raise(&done);
        // Each id once, three of four for a short time: the tables grow, and are purged.
        for n in STRICT..STRICT + bulk {
            engine.add_override(&number(n), policy(5)).unwrap();
            if n % 4 != 0 {
                engine.reset_to_default(&number(n)).unwrap();
            }
        }
    };
    let change_all = || {
        for step in 2..u32::MAX >> 1 {
            progress.begun.store(step, SeqCst);
            for org in &strict {
                engine.put_override(org, policy(step)).unwrap();
            }
            progress.told.store(step, SeqCst);
            if done.load(SeqCst) {
                return;
            }
        }
    };
    let read = || {
        let mut newest = [0; STRICT];
        let mut ways: Vec<_> = strict.iter().map(|org| Ways::of(&engine, org)).collect();
        while !done.load(SeqCst) {
            for (ways, newest) in ways.iter_mut().zip(&mut newest) {
                let oldest = progress.told.load(SeqCst).max(*newest);
                let resolved = ways.resolve();
                assert!(!resolved.is_default(), "the default in place of an override");
                *newest = version_of(resolved.policy);
                assert!(oldest <= *newest, "{newest} after {oldest}");
                assert!(*newest <= progress.begun.load(SeqCst));
            }
        }
    };
    together(4, |thread| match thread {
        0 => come_and_go(),
        1 => change_all(),
        _ => read(),
    });
    assert!(engine.resolve(&number(STRICT + bulk)).is_default());
}
