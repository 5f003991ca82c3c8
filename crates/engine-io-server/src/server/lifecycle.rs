//! Whether an engine serves, and how those who serve for it hear that it ends.

use tokio::sync::watch;

/// Serving, closing, closed, and serving again.
#[derive(Debug)]
pub(crate) struct Lifecycle(watch::Sender<State>);

#[derive(Debug, Clone, Copy, Default)]
struct State {
    phase: Phase,
    n_closings: u64,
    /// How many times all sessions were gone, or had had their time.
    n_drained: u64,
    n_listeners: usize,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Serving,
    Closing,
    Closed,
}

/// A listener, as long as it exists.
pub(crate) struct Listening {
    states: watch::Sender<State>,
    n_closings: u64,
}

impl Lifecycle {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(State::default()))
    }

    /// Whether no new session may open.
    pub(crate) fn is_closing(&self) -> bool {
        self.0.borrow().phase != Phase::Serving
    }

    /// Tells all listeners to end.
    pub(crate) fn close(&self) {
        self.0.send_modify(|state| {
            state.phase = Phase::Closing;
            state.n_closings += 1;
        });
    }

    /// Tells all connections to end.
    pub(crate) fn closed(&self) {
        self.0.send_modify(|state| {
            state.phase = Phase::Closed;
            state.n_drained += 1;
        });
    }

    /// Sessions may open again, if nobody is just closing them.
    pub(crate) fn reopen(&self) {
        self.0.send_if_modified(|state| {
            let is_closed = state.phase == Phase::Closed;
            if is_closed {
                state.phase = Phase::Serving;
            }
            is_closed
        });
    }

    /// Counts a listener, unless the engine is closing.
    pub(crate) fn listen(&self) -> Option<Listening> {
        self.reopen();
        let mut n_closings = None;
        self.0.send_if_modified(|state| {
            if state.phase == Phase::Serving {
                state.n_listeners += 1;
                n_closings = Some(state.n_closings);
            }
            false
        });
        n_closings.map(|n_closings| Listening { states: self.0.clone(), n_closings })
    }

    /// Waits until no listener is left: their ports are free then.
    pub(crate) async fn unbound(&self) {
        // The sender lives in here, so waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|state| state.n_listeners == 0).await;
    }

    /// Waits until sessions that are open now are through: until then a polling client needs its connection to fetch the
    /// close packet.
    pub(crate) async fn drained(&self) {
        let mut states = self.0.subscribe();
        let n_drained = states.borrow_and_update().n_drained;
        let _ = states.wait_for(|state| state.n_drained > n_drained).await;
    }
}

impl Listening {
    /// Waits for the listener's time to end.
    pub(crate) async fn closing(&self) {
        let _ = self.states.subscribe().wait_for(|state| state.n_closings > self.n_closings).await;
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.states.send_modify(|state| state.n_listeners -= 1);
    }
}
