#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::needless_pass_by_value,
    reason = "a test may panic"
)]

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use proptest::prelude::*;

use super::*;

/// An id whose digest is one of [`DIGESTS`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Id<const D: usize>(String);

impl<const D: usize> Keyed for Id<D> {
    fn digest(&self) -> u64 {
        Self::digest_of_text(&self.0)
    }
}

impl<const D: usize> IndexKey for Id<D> {
    fn digest_of_number(number: Number) -> u64 {
        DIGESTS[D](number.digest(), number.text().len())
    }

    fn digest_of_text(text: &str) -> u64 {
        DIGESTS[D](text.digest(), text.len())
    }
}

impl<const D: usize> AsRef<str> for Id<D> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl<const D: usize> Borrow<str> for Id<D> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

fn key<const D: usize>(text: impl ToString) -> Id<D> {
    Id(text.to_string())
}

fn new<const D: usize>() -> ReadIndex<Id<D>> {
    ReadIndex::new()
}

/// An even scatter of numbers, none of which is 0 or has more than 19 digits.
fn scatter(n: u64) -> u64 {
    let x = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((x ^ (x >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 1) | 1
}

fn get<const D: usize>(index: &ReadIndex<Id<D>>, text: &str) -> Option<u64> {
    index.get(text)
}

fn bytes<const D: usize>(index: &ReadIndex<Id<D>>) -> u64 {
    index.numbers.bytes() as u64
}

/// Digests that collide in everything: table, group, tag and cell.
fn all_alike(_: u64, _: usize) -> u64 {
    0x5eed
}

/// Digests that collide by the text's length: `12` and `21` do, `12` and `123` do not.
fn by_length(_: u64, length: usize) -> u64 {
    (length as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Digests of which each collides with many in the tag and none in the group, or the other way
/// round.
fn tag_or_group(digest: u64, _: usize) -> u64 {
    if digest & 1 == 0 { digest & !0xff_0000 } else { digest & 0xff_0000 }
}

/// Digests of which those of short ids collide in everything.
fn short_alike(digest: u64, length: usize) -> u64 {
    if length < 8 { 0x5eed } else { digest }
}

/// Digests of which those of short ids collide in the group, and many of them in the tag or in the line where
/// they are looked for first.
fn short_in_lines(digest: u64, length: usize) -> u64 {
    if length < 8 { 0x5ced | digest & 0x0001_0300 } else { digest }
}

/// Digests made of an id's own one and of its length.
const DIGESTS: [fn(u64, usize) -> u64; 6] =
    [|digest, _| digest, all_alike, by_length, tag_or_group, short_alike, short_in_lines];

/// Ids that are alike: as numbers, in their beginning or in their length.
fn alike() -> Vec<String> {
    let long = "9".repeat(199);
    let edges = [
        "7",
        "07",
        "007",
        "70",
        "0",
        "00",
        "0.7",
        "7a",
        "a7",
        "-7",
        "9999999999999999999",
        "09999999999999999999",
        "10000000000000000000",
        "18446744073709551615",
        "18446744073709551616",
        "18446744073709551622",
        "1000000000000000",
        "0100000000000000",
        "999999999999999",
        "100000000000000a",
        "10000000000000000",
        "1000000000000000000",
        "100000000000000000a",
        "10000000000000007",
        "100000000000000007",
        "1000000000000000007",
        "1010000000000000007",
        "9990000000000000007",
        "é",
        "٧",
    ];
    let edges = edges.into_iter().map(String::from);
    edges.chain([format!("{long}8"), format!("{long}9"), long]).collect()
}

fn alike_have_their_own_words<const D: usize>() {
    are_alike_told_apart(&new::<D>());
}

fn are_alike_told_apart<const D: usize>(index: &ReadIndex<Id<D>>) {
    let ids = alike();
    for (id, word) in ids.iter().zip(1..) {
        assert_eq!(get(index, id), None, "{id} is not there yet");
        index.set(&key(id), word);
    }
    for (id, word) in ids.iter().zip(1..) {
        assert_eq!(get(index, id), Some(word), "{id}");
    }
    for (i, id) in ids.iter().enumerate() {
        index.remove(&key(id));
        let left = ids.iter().filter(|id| get(index, id).is_some()).count();
        assert_eq!((get(index, id), left), (None, ids.len() - 1 - i), "{id}");
    }
}

#[test]
fn m11_ids_that_are_alike_have_their_own_words_under_any_digests() {
    alike_have_their_own_words::<0>();
    alike_have_their_own_words::<1>();
    alike_have_their_own_words::<2>();
    alike_have_their_own_words::<3>();
}

fn are_told_apart<const D: usize>(index: &ReadIndex<Id<D>>, id: impl Fn(u64) -> u64) {
    let mut reader = index.reader();
    for n in 0..600 {
        index.set(&key(id(n)), n);
    }
    for n in (0..600).step_by(3) {
        index.remove(&key(id(n)));
    }
    for n in 0..1200 {
        let text = id(n).to_string();
        let word = (n < 600 && n % 3 != 0).then_some(n);
        assert_eq!(get(index, &text), word);
        assert_eq!(reader.get(index, &text), word);
    }
}

fn colliding_are_told_apart<const D: usize>() {
    are_told_apart(&new::<D>(), scatter);
}

/// Where there are many, a number is looked for in another way.
fn colliding_among_many_are_told_apart<const D: usize>() {
    let index = new::<D>();
    for n in 0..5_000 {
        index.set(&key(scatter(n)), n);
    }
    are_alike_told_apart(&index);
    are_told_apart(&index, |n| n + 1);
    for n in 0..5_000 {
        assert_eq!(get(&index, &scatter(n).to_string()), Some(n));
    }
}

#[test]
fn m11_hundreds_of_ids_that_collide_in_digest_and_tag_are_told_apart() {
    colliding_are_told_apart::<0>();
    colliding_are_told_apart::<1>();
    colliding_are_told_apart::<2>();
    colliding_are_told_apart::<3>();
    colliding_among_many_are_told_apart::<0>();
    colliding_among_many_are_told_apart::<2>();
    colliding_among_many_are_told_apart::<4>();
    colliding_among_many_are_told_apart::<5>();
}

#[derive(Clone, Debug)]
enum Op {
    Set(usize, u64),
    Remove(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (0..160_usize, 0..1000_u64).prop_map(|(id, word)| Op::Set(id, word)),
        1 => (0..160_usize).prop_map(Op::Remove),
    ]
}

fn is_a_map<const D: usize>(ops: &[Op]) {
    let index = new::<D>();
    let scattered = (0..140).map(|n| scatter(n).to_string());
    let ids: Vec<String> = alike().into_iter().chain(scattered).collect();
    let (mut model, mut reader) = (HashMap::new(), index.reader());
    for op in ops {
        let (Op::Set(id, _) | Op::Remove(id)) = op;
        let text = &ids[*id];
        match op {
            Op::Set(_, word) => {
                index.set(&key(text), *word);
                model.insert(text, *word);
            }
            Op::Remove(_) => {
                index.remove(&key(text));
                model.remove(text);
            }
        }
        assert_eq!(get(&index, text), model.get(text).copied());
        assert_eq!(reader.get(&index, text), model.get(text).copied());
    }
    for text in &ids {
        assert_eq!(get(&index, text), model.get(text).copied());
    }
}

proptest! {
    #[test]
    fn it_is_a_map(ops in prop::collection::vec(op(), 1..600)) {
        is_a_map::<0>(&ops);
        is_a_map::<1>(&ops);
        is_a_map::<2>(&ops);
        is_a_map::<3>(&ops);
    }
}

/// Raised at the end, also of a test that fails.
struct Raise<'a>(&'a AtomicBool);

impl Drop for Raise<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A word tells whose it is, and its version.
fn word(n: u64, version: u64) -> u64 {
    n << 32 | version
}

#[test]
fn p3_p4_through_growth_and_purge_no_reader_finds_anothers_word_or_an_older_one() {
    const STEADY: u64 = 40;
    let rounds = if cfg!(debug_assertions) { 6_000 } else { 60_000 };
    let index = new::<3>();
    let steady: Vec<_> = (0..STEADY).map(|n| key(scatter(n))).collect();
    let told: Vec<_> = steady.iter().map(|_| AtomicU64::new(1)).collect();
    steady.iter().zip(0..).for_each(|(key, n)| index.set(key, word(n, 1)));
    let (done, writing) = (AtomicBool::new(false), Mutex::new(()));
    let write = |writer: u64| {
        let _done = Raise(&done);
        for round in 0..rounds {
            // Never seen before, and half of them soon gone: a table is full again and again, and there
            // come to be several.
            let passing = 1000 + round * 2 + writer;
            let passing = (passing, key(scatter(passing)));
            let (key, n) = (&steady[(round % STEADY) as usize], round % STEADY);
            let _one = writing.lock().unwrap();
            index.set(&passing.1, word(passing.0, 1));
            let version = told[n as usize].load(Ordering::SeqCst) + 1;
            index.set(key, word(n, version));
            told[n as usize].store(version, Ordering::SeqCst);
            if round % 2 != 0 {
                index.remove(&passing.1);
            }
        }
    };
    let read = |own: bool| {
        let mut reader = index.reader();
        let mut get = |text: &str| {
            if own { reader.get(&index, text) } else { index.get(text) }
        };
        let mut newest = [0; STEADY as usize];
        for round in 0.. {
            for (n, key) in (0..).zip(&steady) {
                let oldest = told[n as usize].load(Ordering::SeqCst).max(newest[n as usize]);
                let found = get(&key.0).expect("it was never removed");
                assert_eq!(found >> 32, n, "another's word");
                newest[n as usize] = found & 0xffff_ffff;
                assert!(newest[n as usize] >= oldest, "version {found:#x} after {oldest:#x}");
            }
            let passing = 1000 + scatter(round) % (2 * rounds);
            let found = get(&scatter(passing).to_string());
            assert!(found.is_none_or(|found| found == word(passing, 1)), "another's word");
            if done.load(Ordering::SeqCst) {
                break;
            }
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| write(0));
        scope.spawn(|| write(1));
        scope.spawn(|| read(false));
        scope.spawn(|| read(true));
    });
    for (n, key) in (0..).zip(&steady) {
        assert_eq!(get(&index, &key.0), Some(word(n, told[n as usize].load(Ordering::SeqCst))));
    }
}

#[test]
fn a_number_takes_at_most_35_bytes_and_a_removed_one_none_for_long() {
    const MOST: u64 = 35;
    let numbers = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };
    let index = new::<0>();
    let id = |n| key(scatter(n));
    for n in 0..numbers {
        index.set(&id(n), n);
        if n % (numbers / 50) == numbers / 50 - 1 {
            assert!(bytes(&index) <= MOST * n, "{} bytes for {n}", bytes(&index));
        }
    }
    for n in numbers..3 * numbers {
        index.remove(&id(n - numbers));
        index.set(&id(n), n);
    }
    assert!(bytes(&index) <= MOST * numbers, "{} bytes for {numbers}", bytes(&index));
    assert_eq!(get(&index, &id(3 * numbers - 1).0), Some(3 * numbers - 1));
    assert_eq!(get(&index, &id(0).0), None);
}
