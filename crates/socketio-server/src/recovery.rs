//! The options of connection state recovery.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use socketio_adapter::{LogLimits, SocketId};

/// Lets clients that lost their connection come back as the sockets they were: with their id, rooms and data, and with
/// all events that they missed; Node calls it `connectionStateRecovery`.
///
/// ```
/// use std::time::Duration;
///
/// use socketio_server::{Recovery, Server};
///
/// # fn main() -> Result<(), socketio_server::ConfigError> {
/// let recovery = Recovery::default().max_disconnection_duration(Duration::from_secs(60));
/// let io = Server::builder().connection_state_recovery(recovery).build()?;
/// # let _ = io;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Recovery {
    pub(crate) limits: LogLimits,
    pub(crate) skip_middlewares: bool,
    pub(crate) on_expired: Option<Arc<ExpiryHook>>,
}

/// Hears of clients that did not come back.
pub(crate) type ExpiryHook = dyn Fn(&SocketId) + Send + Sync;

impl Recovery {
    /// How long a client may be gone, and events are kept. Default: 2 minutes.
    #[must_use]
    pub fn max_disconnection_duration(mut self, duration: Duration) -> Self {
        self.limits.max_age = duration;
        self
    }

    /// Whether middlewares do not run for a client that comes back. Default: false (true in Node): who was banned
    /// meanwhile is to stay out.
    #[must_use]
    pub fn skip_middlewares(mut self, skip: bool) -> Self {
        self.skip_middlewares = skip;
        self
    }

    /// How many events of each namespace are kept in memory; clients that missed more get a new session. Default: 10 000.
    #[must_use]
    pub fn max_events(mut self, count: usize) -> Self {
        self.limits.max_events = count;
        self
    }

    /// How many bytes the kept events of each namespace may have together. Default: 64 MiB.
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.limits.max_bytes = bytes;
        self
    }

    /// How many clients of each namespace may be gone at a time; of more, those that left first cannot come back as they
    /// were. Default: 100 000.
    #[must_use]
    pub fn max_sessions(mut self, count: usize) -> Self {
        self.limits.max_sessions = count;
        self
    }

    /// Calls `hook` with the id of each socket that is gone for good: its client did not come back in time, has missed too
    /// much, or was refused. It must not block.
    #[must_use]
    pub fn on_expired(mut self, hook: impl Fn(&SocketId) + Send + Sync + 'static) -> Self {
        self.on_expired = Some(Arc::new(hook));
        self
    }
}

impl fmt::Debug for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recovery")
            .field("limits", &self.limits)
            .field("skip_middlewares", &self.skip_middlewares)
            .finish_non_exhaustive()
    }
}
