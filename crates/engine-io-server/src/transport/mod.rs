//! The ways over which a session's packets travel.

pub(crate) mod polling;
pub(crate) mod websocket;
