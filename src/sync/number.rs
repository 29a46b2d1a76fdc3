//! A slot whose key is a number: two words, so that a cache line has four of them.
//!
//! ```text
//!   63 … 52             51 … 0
//!   last sixteen digits of the number
//!   digits before them  the key's word
//! ```

use super::table::{ABSENT, Slot};
use super::{AtomicU64, Ordering};
use crate::id::Number;

#[derive(Default)]
pub(crate) struct NumberSlot {
    low: AtomicU64,
    high_and_word: AtomicU64,
}

/// Where the digits begin beside the word.
const HIGH: u32 = ABSENT.trailing_ones();

/// The digits before the last sixteen as they lie beside a word: four bits a digit.
#[inline]
fn packed(Number { high, .. }: Number) -> u64 {
    (high | high >> 4) & 0xff | high >> 8 & 0xf00
}

fn unpacked(high: u64) -> u64 {
    (high & 0xf00) << 8 | (high & 0xf0) << 4 | high & 0xf
}

impl NumberSlot {
    /// Whether it is the number's, if it was filled.
    #[inline]
    pub(crate) fn is_of(&self, number: Number) -> bool {
        self.low.load(Ordering::Relaxed) == number.low
            && self.high_and_word.load(Ordering::Relaxed) >> HIGH == packed(number)
    }

    #[inline]
    pub(crate) fn word(&self) -> u64 {
        self.high_and_word.load(Ordering::Acquire) & ABSENT
    }

    pub(crate) fn replace(&self, word: u64) {
        let high = self.high_and_word.load(Ordering::Relaxed) & !ABSENT;
        self.high_and_word.store(high | word & ABSENT, Ordering::Release);
    }
}

impl Slot for NumberSlot {
    type Key = Number;

    fn fill(&self, number: Number, word: u64) {
        self.low.store(number.low, Ordering::Relaxed);
        self.high_and_word.store(packed(number) << HIGH | word & ABSENT, Ordering::Relaxed);
    }

    fn entry(&self) -> Option<(Number, u64)> {
        let high_and_word = self.high_and_word.load(Ordering::Acquire);
        let low = self.low.load(Ordering::Relaxed);
        let number = Number { low, high: unpacked(high_and_word >> HIGH) };
        Some((number, high_and_word & ABSENT))
    }
}
