//! Connection state recovery: a client that lost its connection comes back and gets what it missed.

mod adapter;
mod log;
mod session;

pub use adapter::{SessionAwareAdapter, SessionAwareAdapterFactory};
pub use log::LogLimits;
pub use session::{Replay, Restored, RoomChange, Session};
