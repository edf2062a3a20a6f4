//! Choosing and learning do not allocate.
#![allow(unsafe_code)] // A counting allocator cannot be written without.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use aimds_learn::{Action, Context, Features, Outcome, PolicyConfig, ResponsePolicy, Trust};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: passes every call on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn choosing_and_learning_do_not_allocate() {
    let mut config = PolicyConfig::new(16, 8);
    config.sources.quota = u32::MAX;
    let mut policy = ResponsePolicy::new(config, 1).unwrap();
    let mut run = |from: u64, n: u64| {
        let before = ALLOCATIONS.with(Cell::get);
        for at_ms in from..from + n {
            let mut numbers = [0.1; 16];
            numbers[(at_ms % 16) as usize] = 1.0;
            let context = Context { features: Features::new(&numbers).unwrap(), explore: true, at_ms };
            let choice = policy.select(&context, Action(2)).unwrap();
            let outcome = Outcome { reward: 0.5, source: at_ms % 9, trust: Trust::Trusted, at_ms };
            policy.feedback(choice.id, &outcome).unwrap();
        }
        ALLOCATIONS.with(Cell::get) - before
    };
    assert_eq!(run(0, 900), 0);
    // One arm in each thousand of its updates.
    assert!(run(900, 20_000) < 200);
}
