//! One engine session's Socket.IO state: which namespaces it joins, has joined and has left. Pure.

mod namespaces;
mod timers;

pub(crate) use namespaces::{Accepted, Connecting, Delivery, Departure, Limits, Namespaces, Violation};
pub(crate) use timers::ConnectTimer;

#[cfg(test)]
mod tests;
