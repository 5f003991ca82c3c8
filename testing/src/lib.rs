//! What the black-box tests share: clients that control every byte, server processes, and heap figures.
//!
//! Everything here is written against the protocol, not against the crates under test: a client that shared their
//! parser would share their mistakes.
//!
//! - [`http`] — HTTP/1.1 by hand, from whole requests down to half of one;
//! - [`polling`] — an Engine.IO session over long polling;
//! - [`ws`] — a WebSocket client for ordinary use;
//! - [`frames`] — a WebSocket client that writes any frame, legal or not;
//! - [`process`] — servers and scripts as child processes;
//! - [`load`] — every workload of the load generator against such a server;
//! - [`heap`] — what a test's process holds on the heap;
//! - [`wait`] — deadlines.
//!
//! A helper that does not get what it waits for panics and says what that was.
// Failing is what these helpers do for a living, and a test reads better without `Result`s.
#![allow(clippy::panic, clippy::unwrap_used, clippy::missing_panics_doc)]

pub mod frames;
pub mod heap;
pub mod http;
pub mod load;
pub mod polling;
pub mod process;
pub mod wait;
pub mod ws;

mod io;
