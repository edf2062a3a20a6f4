//! The primitives of everything that threads share, so that loom and shuttle can put theirs in place.
//!
//! Histograms and clocks use the standard atomics directly: no decision of the scheduler depends on them.

#[cfg(not(any(loom, shuttle)))]
pub(crate) use std::{
    sync::{Condvar, Mutex, atomic},
    thread,
};

#[cfg(loom)]
pub(crate) use loom::{
    sync::{Condvar, Mutex, atomic},
    thread,
};

#[cfg(all(shuttle, not(loom)))]
pub(crate) use shuttle::{
    sync::{Condvar, Mutex, atomic},
    thread,
};
