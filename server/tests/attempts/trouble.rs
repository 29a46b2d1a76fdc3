//! A journal that cannot write, beneath the wire.

use std::sync::atomic::Ordering;

use portcullis_server::api::Settings;

use super::broken::Broken;
use super::said::Said;
use super::wires::How;
use super::{World, begin, eventually, record};

#[tokio::test]
async fn d3_m29_while_the_journal_cannot_write_nothing_is_told_and_nobody_admitted() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, is_broken) = Broken::open(&folder.path().join("journal.db")).await;
    let world = World::on(folder, journal, Settings::default()).await;
    let (wrong, right, cancelled) =
        (world.begun("ada").await, world.begun("ada").await, world.begun("ada").await);
    let before = world.state("ada");
    is_broken.store(true, Ordering::SeqCst);

    assert_eq!(world.settle(&wrong, "failure").await, "error Unavailable");
    // A right password would change nothing, and is not told either.
    assert_eq!(world.settle(&right, "success").await, "error Unavailable");
    for id in [&wrong, &right] {
        for what in ["failure", "success"] {
            assert_eq!(world.settle(id, what).await, "superseded; Denied");
        }
    }
    for how in How::ALL {
        let begun = world.ask(how, begin("acme", "ada", "password")).await;
        assert_eq!(begun.said(), "error Unavailable", "{how:?}");
        for what in ["failure", "success"] {
            let recorded = world.ask(how, record("acme", "bob", "password", what)).await;
            assert_eq!(recorded.said(), "error Unavailable", "{how:?} {what}");
        }
    }
    assert_eq!(world.settle(&cancelled, "cancelled").await, "cancelled; Denied");
    assert_eq!(world.state("ada"), before);

    is_broken.store(false, Ordering::SeqCst);
    eventually("attempts are admitted again", async || {
        world.ask(How::Rest, begin("acme", "ada", "password")).await.said() == "admitted; Pending"
    })
    .await;
    assert_eq!(world.settle(&wrong, "failure").await, "superseded; Denied");
    let recorded = world.record("ada", "password", "failure").await;
    assert_eq!(recorded, "rejected 1 of 5, locked: false; Denied");
}
