//! Clients without a network, for the benches of delivery and for the count of instructions (`benches/instructions`)
//! that repeats them.
//!
//! - [`Turn`] — what one client says at once, and what it hears;
//! - [`InMemory`] — clients on a connection of our own, so that Socket.IO alone is measured;
//! - [`WebSockets`] — clients on real sessions and WebSockets, whose bytes come from memory and go nowhere.
//!
//! `cargo bench -p bench-delivery`
// A case that goes wrong measures nothing: it ends the run.
#![allow(clippy::missing_panics_doc)]

mod memory;
mod server;
mod turn;
mod websocket;

pub use memory::InMemory;
pub use turn::Turn;
pub use websocket::WebSockets;
