//! The server goes away in the middle of the work, as in a power cut, and comes back.

use portcullis::Factor;
use portcullis::Refusal;
use portcullis::durable::Admission;

use super::storm::Storm;
use super::{open, org, postgres, until, user};

#[tokio::test(flavor = "multi_thread")]
async fn d2_d3_m28_a_server_that_goes_away_and_comes_back_loses_nothing_and_admits_nobody() {
    goes_away_and_comes_back(5).await;
}

/// The nodes' batches go past each other then, and are seen before they are on the disk.
#[tokio::test(flavor = "multi_thread")]
async fn d2_d3_m28_the_same_holds_where_nodes_write_of_different_users() {
    goes_away_and_comes_back(2_000).await;
}

async fn goes_away_and_comes_back(users: u64) {
    let Some(mut server) = postgres::Cluster::start(&[]) else { return };
    let url = server.database().await;
    let nodes = [open(&url, 1_000_000).await, open(&url, 1_000_000).await];
    let storm = Storm::over(&nodes, users);
    for _ in 0..3 {
        let before = storm.told();
        until("the storm to rage", || storm.told() > before + 300).await;
        tokio::task::block_in_place(|| server.stop_at_once());

        // Each node notices by itself, and admits nobody. Nothing is told from then on.
        for node in &nodes {
            until("the node to notice", || !node.health().writable).await;
            let refused = node.begin(&org(), &user("eve"), Factor::Password);
            assert!(matches!(refused, Admission::Refused(Refusal::Unavailable)), "{refused:?}");
        }
        // (What had been decided before may still have been on its way to its caller.)
        let (mut tried, mut told) = (storm.tried(), 0);
        for _ in 0..2 {
            told = storm.told();
            until("callers to try again", || storm.tried() > tried + 400).await;
            tried = storm.tried();
        }
        assert_eq!(storm.told(), told, "a verdict was told without a server");
        for node in &nodes {
            assert!(!node.health().writable);
        }

        tokio::task::block_in_place(|| server.start_again());
        for node in &nodes {
            until("the node to recover", || node.health().writable).await;
        }
    }
    let before = storm.told();
    until("the storm to rage again", || storm.told() > before + 100).await;
    storm.end(&url, &nodes).await;
    for node in nodes {
        node.close().await;
    }
}
