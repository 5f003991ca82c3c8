//! The adapter of a server that stands alone and lets clients recover.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use engine_io_parser::Text;
use hashbrown::HashMap;

use super::log::{Log, LogLimits, Position};
use super::{Replay, Restored, Session};
use crate::{
    Adapter, AdapterError, AdapterErrorKind, AdapterFactory, BroadcastOptions, LocalNode, Outgoing, Receipt,
};

/// The adapter of a server that stands alone, with a log of events in memory: a client that comes back in time gets those
/// it missed.
///
/// It keeps what [`LogLimits`] allow, and owns no task. An event that is not volatile and asks for no ack is delivered
/// while the log is locked, so that all clients get events in the log's order.
pub struct SessionAwareAdapter {
    node: Arc<dyn LocalNode>,
    state: Arc<Mutex<State>>,
}

/// Makes a [`SessionAwareAdapter`] for each namespace.
#[derive(Debug, Clone, Copy, Default)]
pub struct SessionAwareAdapterFactory(LogLimits);

struct State {
    log: Log,
    limits: LogLimits,
    sessions: HashMap<Text, Kept>,
    /// Sessions in the order in which they were kept, also some that were restored meanwhile.
    order: VecDeque<(Instant, Text)>,
}

struct Kept {
    session: Session,
    at: Instant,
}

impl SessionAwareAdapterFactory {
    /// A factory with these limits.
    #[must_use]
    pub fn new(limits: LogLimits) -> Self {
        Self(limits)
    }
}

impl SessionAwareAdapter {
    /// The adapter of this namespace.
    #[must_use]
    pub fn new(node: Arc<dyn LocalNode>, limits: LogLimits) -> Self {
        // Need not be secret: it only has to be another one after a restart.
        let epoch = RandomState::new().hash_one(node.namespace());
        let state = State {
            log: Log::new(limits, epoch),
            limits,
            sessions: HashMap::default(),
            order: VecDeque::new(),
        };
        Self { node, state: Arc::new(Mutex::new(state)) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// Forgets what is too old.
    fn forget(&mut self, now: Instant) {
        self.log.forget(now);
        while let Some((at, private_id)) = self.order.front()
            && (now.saturating_duration_since(*at) > self.limits.max_age
                || self.order.len() > self.limits.max_sessions)
        {
            if self.sessions.get(private_id).is_some_and(|kept| kept.at == *at) {
                self.sessions.remove(private_id);
            }
            self.order.pop_front();
        }
    }

    /// From where a session is to be brought up to date: it has got everything that was sent before it began, and what
    /// its client says it has.
    fn resume_from(&self, session: &Session, offset: Option<&str>) -> Option<Position> {
        let start = self.log.position(&session.started_at)?;
        let from = match offset {
            None => start,
            // A client may still have the offset of a session before this one.
            Some(offset) => self.log.position(offset)?.max(start),
        };
        let is_known = match &session.room_changes_since {
            None => true,
            Some(since) => self.log.position(since)? <= from,
        };
        (is_known && self.log.reaches_back_to(from)).then_some(from)
    }
}

#[async_trait]
impl Adapter for SessionAwareAdapter {
    fn node(&self) -> &dyn LocalNode {
        &*self.node
    }

    fn broadcast(&self, packet: &Outgoing, options: &BroadcastOptions) -> Receipt {
        let mut state = self.lock();
        let n_local = if options.flags().volatile {
            // Clients take a text at the end of any event for its position.
            if packet.ends_in_a_string() {
                self.node.deliver(&packet.with_last_arg(&state.log.end()), options)
            } else {
                self.node.deliver(packet, options)
            }
        } else {
            let packet = state.log.push(packet, options, now());
            self.node.deliver(&packet, options)
        };
        drop(state);
        Receipt::done().with_local(n_local)
    }

    fn supports_recovery(&self) -> bool {
        true
    }

    fn between_events(&self, change: &mut dyn FnMut(Option<Text>)) {
        let state = self.lock();
        change(Some(state.log.end()));
    }

    async fn persist_session(&self, session: Session) -> Result<(), AdapterError> {
        let now = now();
        let mut state = self.lock();
        state.order.push_back((now, session.private_id.clone()));
        state.sessions.insert(session.private_id.clone(), Kept { session, at: now });
        state.forget(now);
        Ok(())
    }

    async fn restore_session(
        &self,
        private_id: &str,
        offset: Option<&str>,
    ) -> Result<Option<Restored>, AdapterError> {
        let mut state = self.lock();
        state.forget(now());
        // Nobody else can continue it from now on, whatever comes of this.
        let Some(Kept { session, .. }) = state.sessions.remove(private_id) else { return Ok(None) };
        let Some(from) = state.resume_from(&session, offset) else { return Ok(None) };
        let replay = LogReplay { state: Arc::clone(&self.state), session: session.clone(), from };
        Ok(Some(Restored::new(session, Box::new(replay))))
    }
}

/// What a session missed, in the log.
struct LogReplay {
    state: Arc<Mutex<State>>,
    session: Session,
    from: Position,
}

#[async_trait]
impl Replay for LogReplay {
    async fn replay(
        self: Box<Self>,
        resume: Box<dyn FnOnce(Vec<Outgoing>, Text) + Send>,
    ) -> Result<(), AdapterError> {
        let state = lock(&self.state);
        let missed = state.log.missed(self.from, &self.session);
        let missed = missed.ok_or_else(|| AdapterError::from(AdapterErrorKind::Forgotten))?;
        resume(missed, state.log.end());
        Ok(())
    }
}

/// The clock of the runtime, which tests can stop.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl fmt::Debug for SessionAwareAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionAwareAdapter")
            .field("namespace", &self.node.namespace())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for LogReplay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogReplay").field("from", &self.from).finish_non_exhaustive()
    }
}

impl AdapterFactory for SessionAwareAdapterFactory {
    fn create(&self, node: Arc<dyn LocalNode>) -> Arc<dyn Adapter> {
        Arc::new(SessionAwareAdapter::new(node, self.0))
    }
}
