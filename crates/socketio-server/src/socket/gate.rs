//! Orders what is sent to a socket against its leaving, without a lock.

use std::sync::atomic::{AtomicU32, Ordering};

/// Counts the senders that are at work on one socket, and closes behind them.
///
/// No event may reach a client after the packet that tells it that it has left. A sender enters, queues its frames
/// and leaves; closing lets nobody in any more, and the last sender to leave (or the closer, if nobody is inside)
/// learns that everything has been queued and that the farewell is due. Nobody ever waits, so a connection that
/// closes itself from inside a send can't deadlock.
#[derive(Debug)]
pub(super) struct Gate(AtomicU32);

/// What the one who closed the gate wants to be told to the client, once all senders are out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Farewell {
    /// The client knows, or is not reachable any more.
    Silent,
    /// The client gets a DISCONNECT packet.
    Disconnect,
}

/// What the one who closed the gate learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closed {
    /// Nobody was inside: the farewell is to be sent by the closer, now.
    pub(super) is_farewell_due: bool,
    /// It had been opened.
    pub(super) was_open: bool,
}

impl Gate {
    /// A gate that lets nobody in yet.
    pub(super) const fn new() -> Self {
        Self(AtomicU32::new(SHUT))
    }

    /// Lets senders in from now on. Has no effect on a gate that was closed.
    pub(super) fn open(&self) -> bool {
        self.0.compare_exchange(SHUT, 0, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Whether senders are let in.
    pub(super) fn is_open(&self) -> bool {
        self.0.load(Ordering::Acquire) & (SHUT | CLOSED) == 0
    }

    /// Enters, unless the gate is shut or closed.
    pub(super) fn enter(&self) -> bool {
        let mut state = self.0.load(Ordering::Acquire);
        while state & (SHUT | CLOSED) == 0 {
            match self.0.compare_exchange_weak(state, state + 1, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return true,
                Err(now) => state = now,
            }
        }
        false
    }

    /// Leaves after [`enter`](Self::enter) returned true; returns whether a farewell is due now.
    #[must_use]
    pub(super) fn leave(&self) -> bool {
        let before = self.0.fetch_sub(1, Ordering::AcqRel);
        before == (CLOSED | FAREWELL | 1)
    }

    /// Closes the gate for good; `None` if it was closed before.
    pub(super) fn close(&self, farewell: Farewell) -> Option<Closed> {
        let bits = match farewell {
            Farewell::Silent => CLOSED,
            Farewell::Disconnect => CLOSED | FAREWELL,
        };
        let mut state = self.0.load(Ordering::Acquire);
        loop {
            if state & CLOSED != 0 {
                return None;
            }
            match self.0.compare_exchange_weak(state, state | bits, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    return Some(Closed {
                        is_farewell_due: farewell == Farewell::Disconnect && state & SENDERS == 0,
                        was_open: state & SHUT == 0,
                    });
                }
                Err(now) => state = now,
            }
        }
    }
}

/// Not opened yet.
const SHUT: u32 = 1 << 31;
const CLOSED: u32 = 1 << 30;
const FAREWELL: u32 = 1 << 29;
const SENDERS: u32 = FAREWELL - 1;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn nobody_enters_before_it_opens_or_after_it_closed() {
        let gate = Gate::new();
        assert!(!gate.enter());
        assert!(gate.open());
        assert!(gate.enter());
        assert!(!gate.leave());
        assert_eq!(gate.close(Farewell::Disconnect), Some(Closed { is_farewell_due: true, was_open: true }));
        assert!(!gate.enter() && !gate.open() && !gate.is_open());
        assert_eq!(gate.close(Farewell::Silent), None);
    }

    #[test]
    fn a_gate_closed_before_it_opened_says_so() {
        let gate = Gate::new();
        assert_eq!(gate.close(Farewell::Silent), Some(Closed { is_farewell_due: false, was_open: false }));
        assert!(!gate.open());
    }

    #[test]
    fn the_last_sender_out_says_farewell() {
        let gate = Gate::new();
        gate.open();
        assert!(gate.enter() && gate.enter());
        assert!(gate.close(Farewell::Disconnect).is_some_and(|closed| !closed.is_farewell_due));
        assert!(!gate.leave());
        assert!(gate.leave());
    }

    #[test]
    fn a_silent_close_owes_nothing() {
        let gate = Gate::new();
        gate.open();
        assert!(gate.enter());
        assert!(gate.close(Farewell::Silent).is_some_and(|closed| !closed.is_farewell_due));
        assert!(!gate.leave());
    }

    #[test]
    fn exactly_one_farewell_whatever_the_threads_do() {
        for _ in 0..200 {
            let gate = Arc::new(Gate::new());
            gate.open();
            let farewells = Arc::new(AtomicUsize::new(0));
            std::thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| {
                        for _ in 0..50 {
                            if gate.enter() && gate.leave() {
                                farewells.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                    });
                }
                scope.spawn(|| {
                    if gate.close(Farewell::Disconnect).is_some_and(|closed| closed.is_farewell_due) {
                        farewells.fetch_add(1, Ordering::Relaxed);
                    }
                });
            });
            assert_eq!(farewells.load(Ordering::Relaxed), 1);
        }
    }
}
