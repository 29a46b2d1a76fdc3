//! How often one may call: an address, as long as its requests are nobody's, and a caller.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use governor::clock::MonotonicClock;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use portcullis::UserId;

/// After so many requests the buckets that are full again are thrown away. A bucket is full again after
/// a second at most, so this bounds how many there are.
const SWEEP: usize = 1 << 16;

/// The rates, and who has used how much of theirs.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    address: Option<Addresses>,
    caller: Option<Buckets<UserId>>,
}

impl Rates {
    /// Requests a second; 0 for any number.
    pub(crate) fn new(per_address: u32, per_caller: u32) -> Self {
        Self {
            address: NonZeroU32::new(per_address).map(Addresses::new),
            caller: NonZeroU32::new(per_caller).map(Buckets::new),
        }
    }

    /// Whether an address may send a request; if not, how long it has to wait. Uses up nothing: whether
    /// the request counts for the address is known only once its caller is known.
    pub(crate) fn look(&self, address: IpAddr) -> Result<(), Duration> {
        self.address.as_ref().map_or(Ok(()), |addresses| addresses.look(source(address)))
    }

    /// Counts a request that was no known caller's.
    pub(crate) fn count(&self, address: IpAddr) {
        if let Some(addresses) = &self.address {
            addresses.count(source(address));
        }
    }

    /// Counts a request of a caller, unless there were too many; then, how long the caller has to wait.
    pub(crate) fn call(&self, caller: &UserId) -> Result<(), Duration> {
        let Some(buckets) = &self.caller else { return Ok(()) };
        let until = |until: Instant| until.saturating_duration_since(Instant::now());
        buckets.take(caller).map_err(until)
    }
}

/// What counts as one source: whoever has one IPv6 address has the 2^64 of its network.
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

/// A bucket for each address, and the addresses whose bucket is empty, with the time when it no longer
/// is: governor tells that only to whoever takes.
#[derive(Debug)]
struct Addresses {
    buckets: Buckets<IpAddr>,
    empty: RwLock<HashMap<IpAddr, Instant>>,
}

impl Addresses {
    fn new(rate: NonZeroU32) -> Self {
        Self { buckets: Buckets::new(rate), empty: RwLock::default() }
    }

    fn look(&self, address: IpAddr) -> Result<(), Duration> {
        let empty = self.empty.read().unwrap_or_else(PoisonError::into_inner);
        let Some(until) = empty.get(&address) else { return Ok(()) };
        match until.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Ok(()),
            wait => Err(wait),
        }
    }

    fn count(&self, address: IpAddr) {
        let Err(until) = self.buckets.take(&address) else { return };
        let mut empty = self.empty.write().unwrap_or_else(PoisonError::into_inner);
        if empty.len() >= SWEEP {
            let now = Instant::now();
            empty.retain(|_, until| *until > now);
        }
        if empty.len() < SWEEP {
            empty.insert(address, until);
        }
    }
}

type Limiter<K> = RateLimiter<K, DashMapStateStore<K>, MonotonicClock, NoOpMiddleware<Instant>>;

/// A bucket for each key, which holds what may be used in a second and fills up as fast.
struct Buckets<K: Clone + Eq + Hash> {
    limiter: Limiter<K>,
    taken: AtomicUsize,
}

impl<K: Clone + Eq + Hash> Buckets<K> {
    fn new(rate: NonZeroU32) -> Self {
        let limiter = RateLimiter::dashmap_with_clock(Quota::per_second(rate), MonotonicClock);
        Self { limiter, taken: AtomicUsize::new(1) }
    }

    /// Takes one from a bucket; from an empty one, the time when there is one again.
    fn take(&self, key: &K) -> Result<(), Instant> {
        if self.taken.fetch_add(1, Ordering::Relaxed).is_multiple_of(SWEEP) {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(key).map_err(|not_until| not_until.earliest_possible())
    }
}

impl<K: Clone + Eq + Hash> fmt::Debug for Buckets<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buckets").field("keys", &self.limiter.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn m24_a_network_of_64_bits_is_one_address() {
        let rates = Rates::new(3, 0);
        for last in 0..4_u16 {
            rates.count(ip(&format!("2001:db8:1:2:{last}::{last}")));
        }
        assert!(rates.look(ip("2001:db8:1:2:ffff::")).is_err());
        assert_eq!(rates.look(ip("2001:db8:1:3::")), Ok(()));
        // An address of IPv4 is that address, however it is written, and not its neighbours.
        for _ in 0..4 {
            rates.count(ip("::ffff:192.0.2.1"));
        }
        assert!(rates.look(ip("192.0.2.1")).is_err());
        assert_eq!(rates.look(ip("::ffff:192.0.2.2")), Ok(()));
    }

    #[test]
    fn looking_uses_up_nothing_and_an_empty_bucket_says_how_long() {
        let rates = Rates::new(2, 0);
        let address = ip("192.0.2.1");
        for _ in 0..9 {
            assert_eq!(rates.look(address), Ok(()));
        }
        rates.count(address);
        rates.count(address);
        assert_eq!(rates.look(address), Ok(()));
        rates.count(address);
        let wait = rates.look(address).unwrap_err();
        assert!(wait <= Duration::from_millis(500), "{wait:?}");
    }

    #[test]
    fn callers_have_a_bucket_each_and_0_is_no_limit() {
        let (ada, bob) = ("ada".parse().unwrap(), "bob".parse().unwrap());
        let rates = Rates::new(0, 1);
        assert_eq!(rates.call(&ada), Ok(()));
        assert!(rates.call(&ada).is_err());
        assert_eq!(rates.call(&bob), Ok(()));
        let rates = Rates::new(0, 0);
        for _ in 0..9 {
            assert_eq!(rates.call(&ada), Ok(()));
            rates.count(ip("192.0.2.1"));
        }
        assert_eq!(rates.look(ip("192.0.2.1")), Ok(()));
    }

    #[test]
    fn buckets_that_are_full_again_are_thrown_away() {
        // A bucket of a million a second is full again after a microsecond.
        let addresses = Addresses::new(NonZeroU32::new(1_000_000).unwrap());
        for number in 0..300_000_u32 {
            addresses.count(IpAddr::V4(number.into()));
        }
        let kept = addresses.buckets.limiter.len();
        assert!(kept <= 2 * SWEEP, "{kept}");
    }
}
