//! `wasi:clocks` and `wasi:random`, virtualized.
//!
//! Invariants: between operations, the values that a guest reads depend only on the record and the execution. Within a
//! step's body it reads the live clock and live randomness.

use std::time::Duration;

use durawasm_core::{invocation::Ended, protocol::error_types};
use wasmtime::component::{HasData, Resource};
use wasmtime_wasi::p2::{
    DynPollable,
    bindings::{
        clocks::{monotonic_clock, wall_clock},
        random::{insecure, insecure_seed, random},
    },
};

use super::{resources::PollableKind, state::Durable};

/// The most random bytes in one call.
const MAX_RANDOM: u64 = 1 << 20;

/// Selects the durable part of a store's data.
pub(super) struct HasDurable;

impl HasData for HasDurable {
    type Data<'a> = &'a mut Durable;
}

impl wall_clock::Host for &mut Durable {
    fn now(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        let now = self.read_clock("wasi:clocks/wall-clock.now")?;
        Ok(wall_clock::Datetime { seconds: now.as_secs(), nanoseconds: now.subsec_nanos() })
    }

    fn resolution(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        Ok(wall_clock::Datetime { seconds: 0, nanoseconds: 1_000_000 })
    }
}

impl Durable {
    fn timer(&mut self, deadline: Duration) -> wasmtime::Result<Resource<DynPollable>> {
        self.called()?;
        let handle = self.timers.add(deadline).and_then(|index| PollableKind::Timer(index).handle());
        handle.ok_or_else(|| {
            let limit = self.timers.limit();
            let held = u64::from(limit) + 1;
            let reason = format!("the handler holds {held} timers at once; the limit is {limit}");
            self.end(Ended::Limit(error_types::TIMER_LIMIT, reason))
        })
    }

    fn random_bytes(&mut self, name: &'static str, count: u64) -> wasmtime::Result<Vec<u8>> {
        let Some(count) = usize::try_from(count).ok().filter(|_| count <= MAX_RANDOM) else {
            let reason =
                format!("the handler asked for {count} random bytes at once; {MAX_RANDOM} are allowed");
            return Err(self.end(Ended::Limit(error_types::RANDOM_LIMIT, reason)));
        };
        let mut bytes = vec![0; count];
        self.fill_random(name, &mut bytes)?;
        Ok(bytes)
    }

    fn random_u64(&mut self, name: &'static str) -> wasmtime::Result<u64> {
        let mut bytes = [0; 8];
        self.fill_random(name, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl monotonic_clock::Host for &mut Durable {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(nanos(self.read_clock("wasi:clocks/monotonic-clock.now")?))
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(1_000_000)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let deadline = self.deadline(Duration::from_nanos(when));
        self.timer(deadline)
    }

    fn subscribe_duration(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let deadline = Durable::now(self).saturating_add(Duration::from_nanos(when));
        self.timer(deadline)
    }
}

impl random::Host for &mut Durable {
    fn get_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.random_bytes("wasi:random/random.get-random-bytes", len)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.random_u64("wasi:random/random.get-random-u64")
    }
}

impl insecure::Host for &mut Durable {
    fn get_insecure_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.random_bytes("wasi:random/insecure.get-insecure-random-bytes", len)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.random_u64("wasi:random/insecure.get-insecure-random-u64")
    }
}

impl insecure_seed::Host for &mut Durable {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        let mut seed = [0; 16];
        self.fill_random("wasi:random/insecure-seed.insecure-seed", &mut seed)?;
        let [low, high] = [0, 8].map(|at| {
            let half = seed.get(at..at + 8).and_then(|half| <[u8; 8]>::try_from(half).ok());
            u64::from_le_bytes(half.unwrap_or_default())
        });
        Ok((low, high))
    }
}
