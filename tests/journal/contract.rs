//! The suite. Each test is named for the sentence of the contract that it holds.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use portcullis::journal::{
    AppendError, Batch, CheckpointId, CheckpointPart, Journal, JournalError, Position,
};
use portcullis::{
    Actor, Aggregate, AttemptInfo, Event, Factor, LockCause, LockoutPolicy, PolicyEvent, Recorded,
};

use super::Place;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000 + seconds, 123_456_789)
}

fn recorded(position: Position, aggregate: Aggregate, event: Event) -> Recorded {
    Recorded {
        position,
        sequence: position,
        at: at(position),
        actor: Actor::system(),
        aggregate,
        event,
    }
}

/// A failure of a user as the event at a position; at the first one, the instance's policy.
fn event(position: Position) -> Recorded {
    if position == 1 {
        let policy = PolicyEvent::Added(LockoutPolicy::new(5, 5));
        let instance = Aggregate::Instance("main".parse().unwrap());
        return recorded(1, instance, Event::InstancePolicy(policy));
    }
    let user = Aggregate::User { org: "acme".parse().unwrap(), user: "ada".parse().unwrap() };
    recorded(position, user, Event::CheckFailed { factor: Factor::Password, info: None })
}

fn batch(number: u64, after: Position, events: u64) -> Batch {
    batch_of(7, number, after, events)
}

fn batch_of(writer: u64, number: u64, after: Position, events: u64) -> Batch {
    Batch { writer, number, events: (after + 1..=after + events).map(event).collect() }
}

async fn all(journal: &impl Journal) -> Vec<Recorded> {
    journal.read_after(0, usize::MAX).await.unwrap()
}

pub(crate) async fn c01_positions_follow_each_other_in_the_order_of_appends(place: &impl Place) {
    let journal = place.open().await;
    assert_eq!(journal.head().await, Ok(0));
    assert_eq!(journal.append(0, &batch(1, 0, 2)).await, Ok(2));
    assert_eq!(place.open().await.append(2, &batch(2, 2, 3)).await, Ok(5));
    assert_eq!(journal.head().await, Ok(5));
    assert_eq!(all(&journal).await, (1..=5).map(event).collect::<Vec<_>>());
    assert_eq!(journal.instance().await.unwrap().as_str(), "main");
}

pub(crate) async fn c02_a_batch_is_there_as_a_whole(place: &impl Place) {
    let (writer, reader) = (place.open().await, place.open().await);
    writer.append(0, &batch(0, 0, 1)).await.unwrap();
    let appends = async {
        for number in 1..=50 {
            let after = 1 + (number - 1) * 7;
            writer.append(after, &batch(number, after, 7)).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let reads = async {
        while reader.head().await.unwrap() < 351 {
            let seen = all(&reader).await.len();
            assert_eq!(seen % 7, 1, "a part of a batch was seen");
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(appends, reads);
}

pub(crate) async fn c04_an_append_expects_its_head(place: &impl Place) {
    let journal = place.open().await;
    journal.append(0, &batch(1, 0, 3)).await.unwrap();
    for wrong in [0, 1, 2, 4, 900] {
        let stale = batch_of(8, 1, wrong, 1);
        assert_eq!(journal.append(wrong, &stale).await, Err(AppendError::Behind), "{wrong}");
    }
    assert_eq!(all(&journal).await.len(), 3);
}

/// It may go past what others wrote of other users; what it says is where it stands.
pub(crate) async fn c04_a_batch_that_may_go_past_others_says_what_it_passed(place: &impl Place) {
    let (one, two) = (place.open().await, place.open().await);
    one.append(0, &batch(1, 0, 2)).await.unwrap();
    let (ada, bob) = (["ada".parse().unwrap()], ["bob".parse().unwrap()]);
    one.append(2, &batch(2, 2, 3)).await.unwrap();
    // Of the same user, and the user on whom something was decided that came to no event.
    let late = two.append_past(3, &batch_of(8, 2, 3, 1), &ada).await;
    assert_eq!((late, one.head().await), (Err(AppendError::Behind), Ok(5)));
    let mut other = batch_of(8, 3, 3, 2);
    for event in &mut other.events {
        event.aggregate =
            Aggregate::User { org: "acme".parse().unwrap(), user: "bob".parse().unwrap() };
    }
    for _ in 0..2 {
        match two.append_past(3, &other, &bob).await {
            Ok(passed) => {
                assert_eq!(passed, [event(4), event(5)]);
                assert_eq!(all(&one).await[5..].iter().map(|it| it.position).max(), Some(7));
            }
            Err(fault) => {
                assert_eq!((fault, one.head().await), (AppendError::Behind, Ok(5)));
            }
        }
    }
    assert_eq!(all(&one).await[..5], (1..=5).map(event).collect::<Vec<_>>());
}

pub(crate) async fn c05_a_batch_sent_again_is_written_once(place: &impl Place) {
    let journal = place.open().await;
    journal.append(0, &batch(1, 0, 1)).await.unwrap();
    let sent = batch(2, 1, 3);
    assert_eq!(journal.append(1, &sent).await, Ok(4));
    assert_eq!(journal.append(1, &sent).await, Ok(4));
    // Also after others have gone on, and by another opening.
    journal.append(4, &batch(3, 4, 2)).await.unwrap();
    assert_eq!(place.open().await.append(1, &sent).await, Ok(4));
    assert_eq!(all(&journal).await.len(), 6);
}

pub(crate) async fn c05_another_batch_at_its_place_is_not_taken_for_it(place: &impl Place) {
    let journal = place.open().await;
    journal.append(0, &batch(1, 0, 1)).await.unwrap();
    journal.append(1, &batch_of(7, 2, 1, 1)).await.unwrap();
    for (writer, number) in [(8, 2), (7, 3), (7, 1)] {
        let other = batch_of(writer, number, 1, 1);
        assert_eq!(journal.append(1, &other).await, Err(AppendError::Behind));
    }
    // The same batch, but a place further on: there it is not.
    assert_eq!(journal.append(0, &batch_of(7, 2, 0, 1)).await, Err(AppendError::Behind));
}

pub(crate) async fn c07_a_hold_sees_all_and_nothing_moves_the_head(place: &impl Place) {
    let (one, other) = (place.open().await, place.open().await);
    one.append(0, &batch(1, 0, 4)).await.unwrap();
    let held = other.hold(2).await.unwrap();
    assert_eq!(held.events(), [event(3), event(4)]);
    let last = batch_of(9, 1, 4, 2);
    assert_eq!(held.append(&last).await, Ok(6));
    assert_eq!(one.append(4, &batch(2, 4, 1)).await, Err(AppendError::Behind));
    assert_eq!(one.append(6, &batch(3, 6, 1)).await, Ok(7));
    assert_eq!(all(&one).await.len(), 7);
}

pub(crate) async fn c07_a_hold_let_go_leaves_nothing(place: &impl Place) {
    let (one, other) = (place.open().await, place.open().await);
    one.append(0, &batch(1, 0, 1)).await.unwrap();
    drop(other.hold(0).await.unwrap());
    assert_eq!(one.append(1, &batch(2, 1, 1)).await, Ok(2));
    drop(other.hold(2).await.unwrap());
    assert_eq!(other.append(2, &batch_of(9, 1, 2, 1)).await, Ok(3));
}

pub(crate) async fn c08_those_who_wait_for_a_hold_all_get_it(place: &impl Place) {
    place.open().await.append(0, &batch(0, 0, 1)).await.unwrap();
    // Three writers, each with a thread of its own as a committer has, each always wanting more.
    let mut threads = Vec::new();
    for writer in 1..=3 {
        let journal = place.open().await;
        threads.push(std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                for number in 1..=60 {
                    let held = journal.hold(0).await.unwrap();
                    let last = held.events().last().unwrap().position;
                    held.append(&batch_of(writer, number, last, 1)).await.unwrap();
                }
            });
        }));
    }
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(all(&place.open().await).await.len(), 181);
}

pub(crate) async fn c09_every_kind_of_event_reads_as_it_was_written(place: &impl Place) {
    let org: portcullis::OrgId = "ä org".parse().unwrap();
    let user = || Aggregate::User { org: org.clone(), user: "007".parse().unwrap() };
    let wide =
        LockoutPolicy { show_lockout_failures: true, ..LockoutPolicy::new(u32::MAX, 1 << 31) };
    let info = AttemptInfo {
        remote_ip: Some(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        user_agent: Some(String::from("a \"browser\"\n\u{0}\u{1f512}")),
        accept_language: Some(String::new()),
        request_id: None,
    };
    let mut events = vec![event(1)];
    let mut add = |aggregate, event| {
        let position = events.len() as u64 + 1;
        events.push(recorded(position, aggregate, event));
    };
    for policy in [
        PolicyEvent::Added(LockoutPolicy::new(0, 0)),
        PolicyEvent::Changed(wide),
        PolicyEvent::Removed,
    ] {
        add(Aggregate::Org(org.clone()), Event::OrgPolicy(policy));
    }
    add(
        Aggregate::Instance("main".parse().unwrap()),
        Event::InstancePolicy(PolicyEvent::Changed(wide)),
    );
    for factor in Factor::ALL {
        add(user(), Event::CheckFailed { factor, info: Some(Box::new(info.clone())) });
        add(user(), Event::CheckFailed { factor, info: Some(Box::default()) });
        add(user(), Event::CheckSucceeded { factor, info: None });
        add(user(), Event::Locked(LockCause::Failures(factor)));
        add(user(), Event::CredentialChanged(factor));
    }
    add(user(), Event::Locked(LockCause::Administrator));
    add(user(), Event::Unlocked);
    add(user(), Event::Removed);
    for payload in [None, Some(String::from("{\"name\":\"Ada\"}")), Some(String::new())] {
        add(user(), Event::Host { type_name: String::from("user.human.added"), payload });
    }
    for (seconds, nanos) in [(0, 0), (5, 1), (253_402_200_000, 999_999_999)] {
        let mut odd = events[0].clone();
        odd.event = Event::OrgPolicy(PolicyEvent::Removed);
        odd.aggregate = Aggregate::Org(org.clone());
        odd.position = events.len() as u64 + 1;
        odd.sequence = u64::from(u32::MAX) + 1;
        odd.at = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
        odd.actor = "an administrator".parse().unwrap();
        events.push(odd);
    }
    let journal = place.open().await;
    let written = Batch { writer: u64::MAX, number: 1, events: events.clone() };
    journal.append(0, &written).await.unwrap();
    assert_eq!(all(&place.open().await).await, events);
}

pub(crate) async fn c09_reading_in_pages_misses_nothing(place: &impl Place) {
    let journal = place.open().await;
    journal.append(0, &batch(1, 0, 25)).await.unwrap();
    let mut read = Vec::new();
    loop {
        let after = read.last().map_or(0, |last: &Recorded| last.position);
        let page = journal.read_after(after, 4).await.unwrap();
        assert!(page.len() <= 4);
        if page.is_empty() {
            break;
        }
        read.extend(page);
    }
    assert_eq!(read, (1..=25).map(event).collect::<Vec<_>>());
    assert_eq!(journal.read_after(25, 4).await, Ok(vec![]));
}

pub(crate) async fn c09_a_pruned_position_is_an_error_that_names_the_oldest(place: &impl Place) {
    let journal = place.open().await;
    journal.append(0, &batch(1, 0, 9)).await.unwrap();
    checkpoint(&journal, 1, 6, 1).await;
    assert_eq!(journal.prune(at(5)).await, Ok(4));
    for before in 0..4 {
        let pruned = journal.read_after(before, 10).await;
        assert_eq!(pruned, Err(JournalError::Pruned { oldest: 5 }));
    }
    assert_eq!(journal.read_after(4, 10).await.unwrap().len(), 5);
}

pub(crate) async fn c09_the_next_change_is_found_past_any_number_of_checks(place: &impl Place) {
    // Shared, so that a journal in an `Arc` is looked at as well.
    let journal = Arc::new(place.open().await);
    assert_eq!(journal.next_change(0, 10).await, Ok(None));
    assert_eq!(journal.append(0, &batch(1, 0, 5_000)).await, Ok(5_000));
    let added = |position, of: &str| {
        let user = Aggregate::User { org: "acme".parse().unwrap(), user: "ada".parse().unwrap() };
        recorded(position, user, Event::Host { type_name: of.to_owned(), payload: None })
    };
    let events = vec![added(5_001, "user.otp.check.seen"), added(5_002, "user.human.added")];
    assert_eq!(journal.append(5_000, &Batch { writer: 7, number: 2, events }).await, Ok(5_002));
    for (after, up_to, found) in [
        (0, 5_002, Some(1)),
        (0, 1, Some(1)),
        (1, 5_002, Some(5_002)),
        (1, 9_999, Some(5_002)),
        (4_321, 5_002, Some(5_002)),
        (1, 5_001, None),
        (5_001, 5_002, Some(5_002)),
        (5_002, 9_999, None),
        (0, 0, None),
    ] {
        assert_eq!(journal.next_change(after, up_to).await, Ok(found), "{after} to {up_to}");
    }
    checkpoint(&journal, 1, 5_001, 2).await;
    assert!(journal.prune(at(5_001)).await.unwrap() > 0);
    let oldest = match journal.next_change(0, 5_002).await {
        Err(JournalError::Pruned { oldest }) => oldest,
        other => panic!("{other:?}"),
    };
    assert_eq!(journal.next_change(oldest - 1, 5_002).await, Ok(Some(5_002)));
}

pub(crate) async fn c10_a_head_is_seen_by_others_at_once(place: &impl Place) {
    let (writer, reader) = (place.open().await, place.open().await);
    for position in 0..100 {
        writer.append(position, &batch(position, position, 1)).await.unwrap();
        assert_eq!(reader.head().await, Ok(position + 1));
    }
}

pub(crate) async fn c10_a_change_wakes_those_who_wait(place: &impl Place) {
    let (writer, reader) = (place.open().await, place.open().await);
    writer.append(0, &batch(1, 0, 1)).await.unwrap();
    reader.changed(0).await; // it has changed already
    let waits = async {
        reader.changed(1).await;
        assert_eq!(reader.head().await, Ok(2));
    };
    let appends = async {
        tokio::task::yield_now().await;
        writer.append(1, &batch(2, 1, 1)).await.unwrap();
    };
    tokio::join!(waits, appends);
}

pub(crate) async fn c11_a_probe_changes_nothing(place: &impl Place) {
    let journal = place.open().await;
    journal.append(0, &batch(1, 0, 2)).await.unwrap();
    journal.probe().await.unwrap();
    assert_eq!(all(&journal).await.len(), 2);
    assert_eq!(journal.append(2, &batch(2, 2, 1)).await, Ok(3));
}

fn part(number: u32, position: Position) -> CheckpointPart {
    CheckpointPart { number, position, state: vec![u8::try_from(number).unwrap(), 0, 255] }
}

async fn checkpoint(journal: &impl Journal, writer: u64, begun: Position, parts: u32) {
    let id = CheckpointId { writer, begun };
    for number in 0..parts {
        journal.save_part(id, &part(number, begun)).await.unwrap();
    }
    journal.finish_checkpoint(id, parts).await.unwrap();
}

pub(crate) async fn c12_pruning_removes_only_what_a_finished_checkpoint_covers(place: &impl Place) {
    let journal = place.open().await;
    journal.append(0, &batch(1, 0, 9)).await.unwrap();
    assert_eq!(journal.prune(at(1_000)).await, Ok(0), "no checkpoint covers anything");
    checkpoint(&journal, 1, 6, 2).await;
    assert_eq!(journal.prune(at(1)).await, Ok(0), "nothing is that old");
    assert_eq!(journal.prune(at(4)).await, Ok(3));
    assert_eq!(journal.prune(at(1_000)).await, Ok(3), "as far as it covers, whatever the age");
    assert_eq!(journal.head().await, Ok(9));
    assert_eq!(journal.read_after(6, 10).await.unwrap().len(), 3);
    let found = place.open().await.checkpoint().await.unwrap().unwrap();
    assert_eq!((found.position, found.parts), (6, vec![part(0, 6), part(1, 6)]));
    assert_eq!(journal.append(9, &batch(2, 9, 1)).await, Ok(10));
}

pub(crate) async fn c12_the_newest_finished_checkpoint_counts(place: &impl Place) {
    let journal = place.open().await;
    journal.append(0, &batch(1, 0, 9)).await.unwrap();
    checkpoint(&journal, 1, 3, 1).await;
    checkpoint(&journal, 2, 8, 3).await;
    checkpoint(&journal, 1, 5, 2).await; // finished later, and older all the same
    let found = journal.checkpoint().await.unwrap().unwrap();
    assert_eq!((found.position, found.parts.len()), (8, 3));
}

pub(crate) async fn c12_an_unfinished_checkpoint_is_none(place: &impl Place) {
    let journal = place.open().await;
    journal.append(0, &batch(1, 0, 9)).await.unwrap();
    assert_eq!(journal.checkpoint().await, Ok(None));
    let id = CheckpointId { writer: 1, begun: 9 };
    journal.save_part(id, &part(0, 9)).await.unwrap();
    journal.save_part(id, &part(0, 9)).await.unwrap(); // the same again is the same
    assert_eq!(journal.checkpoint().await, Ok(None));
    journal.finish_checkpoint(id, 2).await.unwrap();
    assert_eq!(journal.checkpoint().await, Ok(None), "a part is missing");
    assert_eq!(journal.prune(at(1_000)).await, Ok(0));
    journal.save_part(id, &part(1, 9)).await.unwrap();
    journal.finish_checkpoint(id, 2).await.unwrap();
    assert!(journal.checkpoint().await.unwrap().is_some());
}
