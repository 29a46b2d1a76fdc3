//! The tags of a group of slots, and which of them are what is looked for: sixteen are compared in a few steps
//! on two words.

/// Slots of a group.
pub(super) const GROUP: usize = 16;

/// A byte, in each of eight, and the top bit of each.
const EACH: u64 = 0x0101_0101_0101_0101;
const TOP: u64 = 0x8080_8080_8080_8080;

/// Eight bits of the digest that pick neither group nor table. 0 says that the slot is free, and no key has
/// the tag 1, see [`zeros`].
#[inline]
pub(super) fn tag_of(digest: u64) -> u64 {
    (digest >> 16 & 0xff).max(2)
}

/// The top bits of the bytes that are 0, and of a 1 behind one of them: to take 1 away from each byte sets the
/// top bit of a 0, and of a 1 from which a lower byte has borrowed.
#[inline]
fn zeros(bytes: u64) -> u64 {
    bytes.wrapping_sub(EACH) & !bytes & TOP
}

/// Whether a slot of the group is free.
#[inline]
pub(super) fn has_free([low, high]: [u64; 2]) -> bool {
    zeros(low) | zeros(high) != 0
}

/// Some lanes of a group: every fourth bit is one. Those of the two halves take turns.
pub(super) struct Lanes(u64);

impl Lanes {
    /// The lanes whose bytes have their top bit set.
    #[inline]
    fn of([low, high]: [u64; 2]) -> Self {
        Self(low >> 7 | high >> 3)
    }

    /// Those that have a tag, and now and then another used one behind one that has it.
    #[inline]
    pub(super) fn tagged(tag: u64, tags: [u64; 2]) -> Self {
        let wanted = tag.wrapping_mul(EACH);
        Self::of(tags.map(|tags| zeros(tags ^ wanted)))
    }

    pub(super) fn free(tags: [u64; 2]) -> Self {
        Self::of(tags.map(zeros))
    }

    pub(super) fn used(tags: [u64; 2]) -> Self {
        Self::of(tags.map(|tags| !zeros(tags) & TOP))
    }

    /// The half of the tags where a lane's tag lies, and by how many bits it is shifted there.
    pub(super) fn half_of(lane: usize) -> usize {
        lane % 2
    }

    #[expect(clippy::cast_possible_truncation, reason = "there are sixteen lanes")]
    pub(super) fn shift_of(lane: usize) -> u32 {
        (lane as u32 / 2).wrapping_mul(8)
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// Whether any is among so many, up to four, from a lane on.
    #[inline]
    pub(super) fn has_any(&self, lane: usize, many: usize) -> bool {
        self.from(lane).0.trailing_zeros() as usize / 4 < many
    }

    /// The first one from a lane on, and from the first lane on after the last.
    pub(super) fn next_from(&self, lane: usize) -> Option<usize> {
        let next = self.from(lane).next()?;
        Some(next.wrapping_add(lane) % GROUP)
    }

    /// Counted from a lane on.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "there are sixteen lanes")]
    fn from(&self, lane: usize) -> Self {
        Self(self.0.rotate_right((lane as u32).wrapping_mul(4)))
    }
}

impl Iterator for Lanes {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        let lane = (self.0.trailing_zeros() / 4) as usize;
        self.0 &= self.0.wrapping_sub(1);
        (lane < GROUP).then_some(lane)
    }
}

#[cfg(all(test, not(portcullis_loom)))]
mod tests {
    use super::*;

    /// The tags of sixteen lanes as they lie in two words.
    fn tags_of(lanes: [u8; GROUP]) -> [u64; 2] {
        let mut tags = [0; 2];
        for (lane, tag) in lanes.into_iter().enumerate() {
            if let Some(half) = tags.get_mut(Lanes::half_of(lane)) {
                *half |= u64::from(tag) << Lanes::shift_of(lane);
            }
        }
        tags
    }

    #[test]
    fn a_lane_is_free_or_used_and_whoever_has_a_tag_is_found_whatever_the_others_have() {
        let tag = |n: u64| u8::try_from(tag_of(n << 16)).unwrap();
        for n in 0..0x100 {
            assert!(tag(n) >= 2 && (n < 2 || u64::from(tag(n)) == n));
        }
        for seed in 0..2_000_u64 {
            // Many that are free, or alike, or next to each other in value.
            let mix =
                |lane: u64| (seed * GROUP as u64 + lane).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
            let lanes: [u8; GROUP] = std::array::from_fn(|lane| match mix(lane as u64) {
                n if n & 1 == 0 => 0,
                n => tag(n >> 1 & if n & 2 == 0 { 3 } else { 0xff }),
            });
            let (tags, all) = (tags_of(lanes), || 0..GROUP);
            let free: Vec<_> = all().filter(|lane| lanes[*lane] == 0).collect();
            let used: Vec<_> = all().filter(|lane| lanes[*lane] != 0).collect();
            assert_eq!(
                (Lanes::free(tags).collect(), Lanes::used(tags).collect()),
                (free.clone(), used)
            );
            assert_eq!(has_free(tags), !free.is_empty());
            for first in all() {
                let next =
                    (first..first + GROUP).map(|lane| lane % GROUP).find(|lane| lanes[*lane] == 0);
                assert_eq!(Lanes::free(tags).next_from(first), next);
            }
            for wanted in 2..=u8::MAX {
                let found: Vec<_> = Lanes::tagged(u64::from(wanted), tags).collect();
                assert!(all().all(|lane| lanes[lane] != wanted || found.contains(&lane)));
                assert!(found.iter().all(|lane| lanes[*lane] != 0), "a free one was found");
                assert_eq!(
                    Lanes::tagged(u64::from(wanted), tags).is_empty(),
                    !lanes.contains(&wanted)
                );
                for (lane, many) in all().zip([1, 2, 3, 4].into_iter().cycle()) {
                    let any = (lane..lane + many).any(|lane| found.contains(&(lane % GROUP)));
                    assert_eq!(Lanes::tagged(u64::from(wanted), tags).has_any(lane, many), any);
                }
            }
        }
    }
}
