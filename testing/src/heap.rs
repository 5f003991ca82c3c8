//! What a test's process holds on the heap, to measure the bytes that one session costs.
//!
//! A test binary that measures counts its allocations with the allocator of this module:
//!
//! ```
//! use test_support::heap;
//!
//! #[global_allocator]
//! static ALLOCATOR: heap::Counting = heap::COUNTING;
//!
//! let (boxes, cost) = heap::cost_of(|| vec![0u8; 4096]);
//! assert_eq!(cost.live_bytes, 4096);
//! # drop(boxes);
//! ```
//!
//! The figures are of the whole process: give such a test a binary of its own, or run it alone.

use std::alloc::System;
use std::ops::Sub;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

/// The type of an allocator that counts, for a `#[global_allocator]`.
pub type Counting = &'static StatsAlloc<System>;

/// The system's allocator, counting.
pub const COUNTING: Counting = &INSTRUMENTED_SYSTEM;

/// The heap at one moment, or the difference of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heap {
    /// Bytes allocated and not freed.
    pub live_bytes: i64,
    /// Blocks allocated and not freed.
    pub live_blocks: i64,
    /// Bytes allocated, ever.
    pub allocated_bytes: i64,
    /// Calls that allocated or grew a block, ever.
    pub allocations: i64,
}

impl Heap {
    /// The figures now.
    pub fn now() -> Self {
        assert!(
            is_counting(),
            "declare `#[global_allocator] static ALLOCATOR: heap::Counting = heap::COUNTING`"
        );
        let stats = INSTRUMENTED_SYSTEM.stats();
        let difference = |a: usize, b: usize| a.wrapping_sub(b).cast_signed() as i64;
        Self {
            live_bytes: difference(stats.bytes_allocated, stats.bytes_deallocated),
            live_blocks: difference(stats.allocations, stats.deallocations),
            allocated_bytes: difference(stats.bytes_allocated, 0),
            allocations: difference(stats.allocations.wrapping_add(stats.reallocations), 0),
        }
    }
}

impl Sub for Heap {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            live_bytes: self.live_bytes - earlier.live_bytes,
            live_blocks: self.live_blocks - earlier.live_blocks,
            allocated_bytes: self.allocated_bytes - earlier.allocated_bytes,
            allocations: self.allocations - earlier.allocations,
        }
    }
}

/// Runs `make` and says what its value added to the heap.
pub fn cost_of<T>(make: impl FnOnce() -> T) -> (T, Heap) {
    let before = Heap::now();
    let value = make();
    let cost = Heap::now() - before;
    (value, cost)
}

fn is_counting() -> bool {
    let before = INSTRUMENTED_SYSTEM.stats().allocations;
    drop(std::hint::black_box(Box::new(1u8)));
    INSTRUMENTED_SYSTEM.stats().allocations != before
}
