//! Failures of many users, settled as fast as they can be: by one node and by several, and by the rivals.

use super::common::{Bound, ROUNDS, median, test_mode};
use super::node::{Done, Group};
use super::postgres::Cluster;
use super::{claim, node, redis, rows, runtime};

/// How long each subject works in a round.
const MILLIS: u64 = 1_500;

const ONE: usize = 0;
const WIDE: usize = 3;
const FOUR: usize = 2;
const ROWS: usize = 4;

/// Measures and prints the claims.
pub(crate) fn ratios(server: &Cluster) {
    let database = || runtime().block_on(server.database());
    let (narrow, pair, four) = (database(), database(), database());
    let (wide, rival) = (database(), database());
    let mut subjects = vec![
        ("1 node x 16", Group::new(node::ROLE, &narrow, 1, 16)),
        ("2 nodes x 16", Group::new(node::ROLE, &pair, 2, 16)),
        ("4 nodes x 16", Group::new(node::ROLE, &four, 4, 16)),
        ("1 node x 64", Group::new(node::ROLE, &wide, 1, 64)),
        ("a transaction a failure, pool of 16, x 64", Group::new(rows::ROLE, &rival, 1, 64)),
    ];
    let stores = [false, true].map(redis::Server::start);
    let names = ["Redis, forgets in a crash, x 64", "Redis, waits for the disk, x 64"];
    for (store, name) in stores.iter().zip(names) {
        match store {
            Some(it) => subjects.push((name, Group::new(redis::ROLE, &it.port.to_string(), 1, 64))),
            None => println!("!!! NOT MEASURED: {name} (there is no redis-server)"),
        }
    }
    let (rounds, millis) = if test_mode() { (1, 50) } else { (ROUNDS, MILLIS) };
    // The first one warms up.
    let mut round = || subjects.iter_mut().map(|(_, it)| it.work(millis)).collect();
    let _: Vec<Done> = round();
    let done: Vec<Vec<Done>> = (0..rounds).map(|_| round()).collect();
    let of = |value: &dyn Fn(&[Done]) -> f64| median(done.iter().map(|it| value(it)).collect());

    println!(
        "failures settled, medians of {rounds} rounds (times in terms of the first row's p50)"
    );
    for (row, (name, _)) in subjects.iter().enumerate() {
        let to_first = of(&|it| it[row].rate() / it[ONE].rate());
        let time = |percent| of(&|it| it[row].percentile(percent) / it[ONE].percentile(50));
        print!("{name:46}  rate {:.0} ({to_first:.2})", of(&|it| it[row].rate()));
        print!("  p50 {:.2}  p99 {:.2}", time(50), time(99));
        println!("  smallest share {:.2}", of(&|it| it[row].smallest_share()));
    }
    let to = |row: usize, other: usize| of(&|it| it[row].rate() / it[other].rate());
    claim(
        "failures/s, 1 node x 64 / a transaction a failure",
        to(WIDE, ROWS),
        &Bound::AtLeast(8.0),
    );
    claim("failures/s, 4 nodes x 16 / 1 node x 64", to(FOUR, WIDE), &Bound::AtLeast(0.5));
    let share = of(&|it| it[FOUR].smallest_share());
    claim("slowest of 4 nodes / an even share", share, &Bound::AtLeast(0.8));
    let spread = of(&|it| it[FOUR].percentile(99) / it[FOUR].percentile(50));
    claim("p99 / p50, 4 nodes x 16", spread, &Bound::AtMost(10.0));
}
