//! How long a connection may take to join its first namespace.

use std::time::{Duration, Instant};

/// Runs from the opening of the connection until it joins a namespace, and stands still while a CONNECT is decided.
#[derive(Debug)]
pub(crate) struct ConnectTimer(State);

#[derive(Debug)]
enum State {
    Running {
        due: Instant,
    },
    Paused {
        left: Duration,
    },
    /// The connection has joined a namespace, or is gone.
    Done,
}

impl ConnectTimer {
    pub(crate) fn new(timeout: Duration, now: Instant) -> Self {
        Self(match now.checked_add(timeout) {
            Some(due) => State::Running { due },
            // A timeout past the end of time never ends.
            None => State::Done,
        })
    }

    /// A CONNECT begins to be decided.
    pub(crate) fn pause(&mut self, now: Instant) {
        if let State::Running { due } = self.0 {
            self.0 = State::Paused { left: due.saturating_duration_since(now) };
        }
    }

    /// No CONNECT is being decided any more, and none was accepted.
    pub(crate) fn resume(&mut self, now: Instant) {
        if let State::Paused { left } = self.0 {
            self.0 = State::Running { due: now + left };
        }
    }

    /// The connection has joined a namespace, or is gone.
    pub(crate) fn stop(&mut self) {
        self.0 = State::Done;
    }

    /// When [`is_due`](Self::is_due) is to be asked next.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self.0 {
            State::Running { due } => Some(due),
            State::Paused { .. } | State::Done => None,
        }
    }

    /// Whether the time is up.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        matches!(self.0, State::Running { due } if due <= now)
    }
}
