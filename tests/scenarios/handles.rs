//! A thread's reader and an organization's handle tell what the engine tells.

use portcullis::{Engine, LockoutPolicy, OrgHandle, Reader};

use crate::common::scenario::org;

fn engine() -> Engine {
    Engine::new("i".parse().unwrap(), LockoutPolicy::new(2, 2))
}

#[test]
fn p2_p4_a_handle_and_a_reader_follow_every_change() {
    let engine = engine();
    let wide = LockoutPolicy::new(u32::MAX, 1 << 31);
    for id in ["7", "007", "acme", "18446744073709551615"] {
        let (org, mut reader) = (org(id), engine.reader());
        let handle = engine.org(&org);
        let mut same = |expected: LockoutPolicy, is_default: bool| {
            let resolved = engine.resolve(id);
            assert_eq!((resolved.policy, resolved.is_default()), (expected, is_default), "{id}");
            assert_eq!(reader.resolve(id), resolved);
            assert_eq!(handle.resolve(), resolved);
            assert_eq!(engine.org(&org).resolve(), resolved);
        };
        let default = engine.instance_policy().0;
        same(default, true);
        engine.add_override(&org, LockoutPolicy::new(9, 8)).unwrap();
        same(LockoutPolicy::new(9, 8), false);
        engine.change_override(&org, wide).unwrap();
        same(wide, false);
        engine.set_instance_policy(LockoutPolicy::new(1 << 31, 7)).unwrap();
        same(wide, false);
        engine.reset_to_default(&org).unwrap();
        same(LockoutPolicy::new(1 << 31, 7), true);
        engine.set_instance_policy(default).unwrap();
        same(default, true);
    }
}

#[test]
fn handles_and_readers_outlive_their_engine_and_go_where_threads_go() {
    fn sent<T: Send + 'static>(value: T) -> T {
        std::thread::spawn(move || value).join().unwrap()
    }
    fn shared<T: Clone + Sync>(_: &T) {}
    let engine = engine();
    let acme = org("acme");
    let (mut reader, handle): (Reader, OrgHandle) = (engine.reader(), engine.org(&acme));
    shared(&handle);
    engine.add_override(&acme, LockoutPolicy::new(9, 8)).unwrap();
    let expected = engine.resolve("acme");
    drop(engine);
    let other = handle.clone();
    assert_eq!(sent(handle).resolve(), expected);
    assert_eq!(other.resolve(), expected);
    assert_eq!(other.id(), &acme);
    reader = sent(reader);
    assert_eq!(reader.resolve("acme"), expected);
    assert!(reader.resolve("globex").is_default());
}

/// Thousands of handles come and go beside those that stay.
#[test]
fn handles_that_are_gone_leave_those_that_stay_alone() {
    let engine = engine();
    let kept: Vec<_> = (1..20).map(|n| engine.org(&org(&n.to_string()))).collect();
    for n in 100..3000 {
        drop(engine.org(&org(&n.to_string())));
    }
    for handle in &kept {
        engine.add_override(handle.id(), LockoutPolicy::new(9, 8)).unwrap();
        assert_eq!(handle.resolve(), engine.resolve(handle.id()));
        assert!(!handle.resolve().is_default());
    }
}
