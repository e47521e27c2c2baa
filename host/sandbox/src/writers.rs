//! What an instance has open for writing.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize},
    },
};

/// What an instance has open for writing.
#[derive(Default)]
pub(super) struct Writers {
    /// The numbers of descriptors, of which some may be closed.
    pub(super) descriptors: BTreeSet<u32>,
    pub(super) streams: Arc<Streams>,
}

/// The streams that write to files.
#[derive(Default)]
pub(super) struct Streams {
    pub(super) open: AtomicUsize,
    /// Whether a stream was closed while its bytes were being written: a measurement could miss them.
    pub(super) left_writing: AtomicBool,
}
