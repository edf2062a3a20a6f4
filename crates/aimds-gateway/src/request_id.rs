//! Request identifiers: made here for every request, never taken from a client.

use std::cell::Cell;

/// 122 random bits in the form of a version 4 UUID, which every drop-in shape accepts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestId([u8; 36]);

thread_local! {
    /// xoshiro256++, seeded once for each thread from the operating system. Identifiers must be unique, not secret.
    static STATE: Cell<[u64; 4]> = const { Cell::new([0; 4]) };
}

impl RequestId {
    pub(crate) fn new() -> Self {
        let high = next() & 0xffff_ffff_ffff_0fff | 0x4000;
        let low = next() & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000;
        let random = (u128::from(high) << 64) | u128::from(low);
        let mut text = [b'-'; 36];
        let mut nibbles = (0..32).rev().map(|nibble| (random >> (nibble * 4)) & 15);
        for (position, slot) in text.iter_mut().enumerate() {
            if !matches!(position, 8 | 13 | 18 | 23) {
                let digit =
                    nibbles.next().and_then(|nibble| char::from_digit(u32::try_from(nibble).ok()?, 16));
                *slot = digit.and_then(|digit| u8::try_from(digit).ok()).unwrap_or(b'0');
            }
        }
        Self(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

fn next() -> u64 {
    STATE.with(|state| {
        let [mut a, mut b, mut c, mut d] = state.get();
        if [a, b, c, d] == [0; 4] {
            [a, b, c, d] = seed();
        }
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let shifted = b << 17;
        c ^= a;
        d ^= b;
        b ^= c;
        a ^= d;
        c ^= shifted;
        d = d.rotate_left(45);
        state.set([a, b, c, d]);
        result
    })
}

/// Without a random source, the clock and the address of a thread's stack still keep identifiers apart.
fn seed() -> [u64; 4] {
    let mut words = [0_u64; 4];
    for word in &mut words {
        *word = getrandom::u64().unwrap_or_else(|_| {
            let since =
                std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            let place = std::ptr::from_ref(&since).addr();
            u64::try_from(since.as_nanos() & u128::from(u64::MAX)).unwrap_or(1)
                ^ (place as u64).rotate_left(32)
        });
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_version_4_uuids_and_do_not_repeat_across_threads() {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                std::thread::spawn(|| {
                    (0..10_000).map(|_| RequestId::new().as_str().to_owned()).collect::<Vec<_>>()
                })
            })
            .collect();
        let all: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        for id in &all {
            let bytes = id.as_bytes();
            assert_eq!((bytes.len(), bytes[14]), (36, b'4'));
            assert!(matches!(bytes[19], b'8' | b'9' | b'a' | b'b'), "{id}");
        }
        let unique: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(unique.len(), all.len());
    }
}
