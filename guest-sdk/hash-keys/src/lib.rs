//! Sets the keys with which the standard library hashes the next `HashMap`.
//!
//! The standard library draws two keys when a thread creates its first map, and then counts: map `n` of the thread has
//! the keys `(k0 + n, k1)`. The iteration order of a map therefore depends on how many maps *any* code of the thread
//! created before it. In a durable handler some code runs only on the first run (the bodies of steps, the code of
//! contexts that have ended), so a replay would give the same map another order. The standard library has no function
//! to set its counter. This crate finds the counter in the memory of the instance, and reads and writes it, so that
//! each section of the code can have its own keys.
//!
//! **What it relies on.** A WebAssembly guest has one thread, so the standard library keeps the keys in a static at a
//! fixed address of the linear memory, between `__global_base` and `__data_end`. The host reports which keys the
//! instance drew. They are 128 random bits, so no other address holds the same value. [`HashKeys::locate`] returns a
//! handle only after it has observed that the standard library counts at that address and uses what is written there.
//! With a standard library that works otherwise it returns `None`, and maps behave as they do without this crate.
//!
//! **Why this is unsafe, and why it is sound.** The address is not derived from a reference to the static, which is
//! private to the standard library. Reads and writes are volatile and go through a function that is opaque to the
//! compiler, so the compiler has to assume that any static may be read and written there, including that of the
//! standard library.
//!
//! On all targets other than a WebAssembly guest the crate does nothing.

/// The standard library's counter for the keys of hash maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashKeys {
    access: Access,
}

impl HashKeys {
    /// Finds the counter. `drawn` are the two keys that the standard library drew in this instance: the first 128
    /// random bits that the guest requested from its host, as two little-endian numbers. Returns `None` if the counter
    /// is not found, or if the standard library does not use it as expected.
    pub fn locate(drawn: (u64, u64)) -> Option<Self> {
        let access = Access::locate(drawn)?;
        let keys = Self { access };
        keys.obeys().then_some(keys)
    }

    /// The first key of the next map.
    pub fn next(&self) -> u64 {
        self.access.read()
    }

    /// Sets the first key of the next map, and returns the previous one. Later maps count on from the new key.
    pub fn replace_next(&self, key: u64) -> u64 {
        self.access.replace(key)
    }

    /// Whether the standard library counts here, and continues from what is written. Leaves the counter unchanged.
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
        /// Defined by the linker: where statics begin.
        static __global_base: u8;
        /// Defined by the linker: where statics end.
        static __data_end: u8;
    }

    /// The address of the counter.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct Access(usize);

    impl Access {
        pub(super) fn locate((first, second): (u64, u64)) -> Option<Self> {
            // The keys read `(first + number of maps created, second)`. One map is created here, so that keys exist.
            drop(black_box(RandomState::new()));
            const MOST_MAPS: u64 = 1 << 20;
            let (begin, end) = (&raw const __global_base as usize, &raw const __data_end as usize);
            // The static is initialized with zeros, and the linker places such statics last: search from the end.
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
        // SAFETY: `at` is aligned and between the first and the last static, which is always inside the linear memory.
        unsafe { at.read_volatile() }
    }

    fn exchange(at: usize, value: u64) -> u64 {
        let at = std::ptr::with_exposed_provenance_mut::<u64>(at);
        // SAFETY: as for `peek`. In addition this is the counter: it held 128 bits that nothing else holds. Any value
        // is a valid key.
        unsafe {
            let before = at.read_volatile();
            at.write_volatile(value);
            before
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod elsewhere {
    /// The counter does not exist on this target.
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
