//! Names for handlers, by which they are taken off again.

use std::sync::atomic::{AtomicU64, Ordering};

/// Names a handler, so that it can be taken off again; see [`Socket::off`](crate::Socket::off).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HandlerId(u64);

impl HandlerId {
    /// One that names nothing yet.
    pub(crate) fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed))
    }
}

/// Refuses the names that no client can send, where a handler of them would wait for ever.
///
/// # Panics
///
/// Panics if the name is reserved.
#[track_caller]
pub(crate) fn assert_not_reserved(event: &str) {
    let instead = match event {
        "connect" => "`on_connect`",
        "disconnect" => "`on_disconnect`",
        "disconnecting" => "`on_disconnecting`",
        _ => "another name",
    };
    assert!(
        !socketio_parser::is_reserved_event(event),
        "`{event}` is a reserved event name, which no client can send: use {instead}"
    );
}
