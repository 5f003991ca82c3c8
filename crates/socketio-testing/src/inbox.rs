//! What one client has received in one namespace, and what it waits for.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use socketio_parser::{Args, EncodedPacket, Payload};
use socketio_server::DisconnectReason;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::show;
use crate::sync::Mutex;
use crate::wire::Wire;

/// Filled by the [reader](crate::reader), emptied by the test.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) namespace: Arc<str>,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) phase: Phase,
    pub(crate) events: VecDeque<Received>,
    /// The acks that the test waits for.
    pub(crate) asked: HashMap<u64, oneshot::Sender<Args>>,
    pub(crate) answerers: HashMap<String, Answerer>,
    /// What went wrong where no test could be told at once.
    pub(crate) fault: Option<String>,
}

/// Where a client stands in its namespace.
///
/// ```text
///   Joining ──► Joined ──► Left
///      │                    ▲
///      ├────────────────────┘ the connection is closed
///      └──► Refused
/// ```
#[derive(Debug)]
pub(crate) enum Phase {
    Joining,
    Joined { id: Arc<str> },
    Refused(Payload),
    Left { reason: DisconnectReason, is_known: bool },
}

/// An event that has come in.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) name: String,
    pub(crate) id: Option<u64>,
    pub(crate) args: Args,
}

impl fmt::Display for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}{}", self.name, show::args(&self.args))
    }
}

/// Answers the events of one name; shared, for it runs without the lock.
#[derive(Clone)]
pub(crate) struct Answerer(pub(crate) Arc<Mutex<AnswerFn>>);

/// From the ack's id and the event's arguments to the packet that answers, or to what is wrong.
pub(crate) type AnswerFn = Box<dyn FnMut(&Wire, u64, &Args) -> Result<EncodedPacket, String> + Send>;

impl fmt::Debug for Answerer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answerer")
    }
}

impl Inbox {
    pub(crate) fn new(namespace: &str) -> Self {
        let state = State {
            phase: Phase::Joining,
            events: VecDeque::new(),
            asked: HashMap::new(),
            answerers: HashMap::new(),
            fault: None,
        };
        Self { namespace: namespace.into(), state: Mutex::new(state), changed: Notify::new() }
    }

    /// Looks at the state, or takes something out of it.
    pub(crate) fn with<R>(&self, look: impl FnOnce(&mut State) -> R) -> R {
        look(&mut self.state.lock())
    }

    /// Changes the state and tells whoever waits.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = self.with(change);
        self.changed.notify_waiters();
        result
    }

    /// Waits until `check` finds what it looks for, until something has gone wrong, or until the time is up.
    pub(crate) async fn wait<R>(
        &self,
        time: Duration,
        mut check: impl FnMut(&mut State) -> Option<R>,
    ) -> Option<R> {
        // A time past the end of the clock is as good as never.
        let end = Instant::now().checked_add(time);
        loop {
            // Made before the look, so that no change between the two is missed.
            let changed = self.changed.notified();
            let (found, is_faulty) = self.with(|state| (check(state), state.fault.is_some()));
            if found.is_some() || is_faulty {
                return found;
            }
            match end {
                Some(end) => {
                    if timeout_at(end, changed).await.is_err() {
                        return None;
                    }
                }
                None => changed.await,
            }
        }
    }

    /// The client has left, and whoever waits for an ack waits no longer.
    pub(crate) fn leave(&self, reason: DisconnectReason, is_known: bool) {
        self.change(|state| {
            if matches!(state.phase, Phase::Joining | Phase::Joined { .. }) {
                state.phase = Phase::Left { reason, is_known };
                state.asked.clear();
            }
        });
    }

    /// Something went wrong that is the test's to know; the first counts.
    pub(crate) fn report(&self, fault: String) {
        self.change(|state| {
            state.fault.get_or_insert(fault);
        });
    }
}

impl State {
    pub(crate) fn is_joined(&self) -> bool {
        matches!(self.phase, Phase::Joined { .. })
    }

    /// All events that nobody has taken, in words.
    pub(crate) fn events_in_words(&self) -> String {
        let shown: Vec<String> = self.events.iter().map(ToString::to_string).collect();
        if shown.is_empty() { "nothing".to_owned() } else { shown.join(", ") }
    }
}
