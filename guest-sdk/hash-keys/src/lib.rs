//! Sets the keys that the standard library hashes the next `HashMap` with.
//!
//! std draws two keys when a thread makes its first map, and then counts: map `n` of the thread has the keys
//! `(k0 + n, k1)`. So the order of a map depends on how many maps *any* code of the thread made before it. In a durable
//! handler some of that code runs on the first run only (the bodies of steps, the code of contexts that are over), so a
//! replay would give the same map another order. std has no way to set its counter. This crate has one: it finds the
//! counter in the instance's memory, and then reads and writes it, so that each piece of code can have keys of its own.
//!
//! **What it relies on.** A WebAssembly guest has one thread, so std keeps the keys in a static at a fixed address of
//! the linear memory, between `__global_base` and `__data_end`. The host says which keys the instance drew. They are
//! 128 random bits, so the address that holds them is unmistakable. Nothing is assumed silently: [`HashKeys::locate`]
//! returns a handle only after it has seen std count at that address and obey what is written there. With a standard
//! library that works otherwise it returns none, and maps are as they are without it.
//!
//! **Why this is unsafe, and why it holds.** The address was not derived from a reference to the static, which is
//! private to std. Reads and writes are volatile and go through a function that the compiler cannot see through, so it
//! has to assume that any static may be read and written there, std's among them.
//!
//! Everywhere but in a WebAssembly guest the crate does nothing.

/// std's counter for the keys of hash maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashKeys {
    access: Access,
}

impl HashKeys {
    /// Finds the counter. `drawn` are the two keys that std drew in this instance: the first 128 random bits that the
    /// guest asked its host for, as two little-endian numbers. None where the counter is not found, or does not obey.
    pub fn locate(drawn: (u64, u64)) -> Option<Self> {
        let access = Access::locate(drawn)?;
        let keys = Self { access };
        keys.obeys().then_some(keys)
    }

    /// The first key of the next map.
    pub fn next(&self) -> u64 {
        self.access.read()
    }

    /// Sets the first key of the next map, and returns what it was. The maps after it count on from there.
    pub fn replace_next(&self, key: u64) -> u64 {
        self.access.replace(key)
    }

    /// Whether std counts here, and goes on from what is written. Leaves the counter as it was.
    fn obeys(self) -> bool {
        use std::hash::{BuildHasher, RandomState};

        let before = self.next();
        let hash = |key| {
            self.replace_next(key);
            let state = std::hint::black_box(RandomState::new());
            (state.hash_one(0_u8), self.next())
        };
        let other = before.wrapping_add(0x9e37_79b9);
        let (first, second, again) = (hash(before), hash(other), hash(before));
        self.replace_next(before);
        first == again
            && first.0 != second.0
            && first.1 == before.wrapping_add(1)
            && second.1 == other.wrapping_add(1)
    }
}

#[cfg(not(target_arch = "wasm32"))]
use self::elsewhere::Access;
#[cfg(target_arch = "wasm32")]
use self::guest::Access;

#[cfg(target_arch = "wasm32")]
mod guest {
    use std::hash::RandomState;
    use std::hint::black_box;

    unsafe extern "C" {
        /// The linker's: where statics begin.
        static __global_base: u8;
        /// The linker's: where they end.
        static __data_end: u8;
    }

    /// The address of the counter.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct Access(usize);

    impl Access {
        pub(super) fn locate((first, second): (u64, u64)) -> Option<Self> {
            // With the counter at rest the keys read `(first + maps made, second)`. One map is made here, so that there
            // are keys.
            drop(black_box(RandomState::new()));
            const MOST_MAPS: u64 = 1 << 20;
            let (begin, end) = (&raw const __global_base as usize, &raw const __data_end as usize);
            // std's keys start as zeros, and such statics come last.
            let mut at = end.checked_sub(16)? & !7;
            while at >= begin {
                let here = Self(at);
                if Self(at + 8).read() == second && here.read().wrapping_sub(first) <= MOST_MAPS {
                    return Some(here);
                }
                at = at.checked_sub(8)?;
            }
            None
        }

        pub(super) fn read(self) -> u64 {
            black_box(peek as fn(usize) -> u64)(self.0)
        }

        pub(super) fn replace(self, value: u64) -> u64 {
            black_box(exchange as fn(usize, u64) -> u64)(self.0, value)
        }
    }

    fn peek(at: usize) -> u64 {
        let at = std::ptr::with_exposed_provenance::<u64>(at);
        // SAFETY: `at` is aligned and between the first and the last static, which linear memory always holds.
        unsafe { at.read_volatile() }
    }

    fn exchange(at: usize, value: u64) -> u64 {
        let at = std::ptr::with_exposed_provenance_mut::<u64>(at);
        // SAFETY: as for `peek`; and it is the counter: it held 128 bits that nothing else holds. Any value is a valid
        // key.
        unsafe {
            let before = at.read_volatile();
            at.write_volatile(value);
            before
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod elsewhere {
    /// There is none.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) enum Access {}

    impl Access {
        pub(super) fn locate(_: (u64, u64)) -> Option<Self> {
            None
        }

        pub(super) fn read(self) -> u64 {
            match self {}
        }

        pub(super) fn replace(self, _: u64) -> u64 {
            match self {}
        }
    }
}
