//! Benches of the room table; there is nothing in the library itself.
//!
//! `cargo bench -p bench-rooms`
