//! Sessions that can be recovered: who is here, and what is kept of those who are gone.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use engine_io_parser::Text;
use engine_io_server::random_id;
use hashbrown::HashMap;
use serde_json::{Map, Value};
use socketio_adapter::{DEFAULT_REQUEST_TIMEOUT, Replay, Restored, Room, Session, SocketId};
use socketio_parser::Payload;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::DisconnectReason;
use crate::handshake::auth_from_json;
use crate::namespace::room_history::RoomHistory;
use crate::namespace::{NamespaceInner, Stay, locked_by_adapter};
use crate::socket::{SocketData, SocketInner};
use crate::sync::Mutex;

/// The sessions of one namespace on this node.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<State>);

#[derive(Default)]
struct State {
    /// By private id.
    clients: HashMap<Text, Whereabouts>,
    /// Those who are gone, in the order in which they will expire; also some that have come back meanwhile.
    expiring: VecDeque<(Instant, Text)>,
    is_expiring: bool,
}

/// Where the client of a session is.
enum Whereabouts {
    Here(Weak<SocketInner>),
    Gone(Gone),
    /// It has shown its private id, and is being decided about.
    Returning,
}

/// What no adapter can keep of a socket that is gone.
struct Gone {
    socket: SocketId,
    data: SocketData,
    due: Instant,
    is_kept: Arc<Latch>,
    /// The namespace stays while somebody may come back to it.
    _stay: Option<Stay>,
}

/// What makes a socket recoverable.
#[derive(Debug)]
pub(crate) struct SessionKey {
    /// Who shows it continues the session.
    pub(crate) private_id: Text,
    /// Where the log ended when the session began.
    started_at: OnceLock<Text>,
    pub(super) room_history: Mutex<RoomHistory>,
    /// Opens when the socket has left, and the adapter has kept what it keeps.
    is_kept: Arc<Latch>,
}

/// Opens once, for all who wait then or later: a semaphore that never has permits, and is closed.
#[derive(Debug)]
struct Latch(Semaphore);

/// What a socket was that is coming back.
pub(crate) struct Resumed {
    pub(crate) id: SocketId,
    pub(crate) kept: Kept,
    pub(crate) replay: Box<dyn Replay>,
    /// If it is this node that it was gone from.
    pub(crate) returning: Option<Returning>,
}

/// What a socket takes over from the one that it was.
pub(crate) struct Kept {
    pub(crate) key: SessionKey,
    pub(crate) rooms: Vec<Room>,
    pub(crate) data: SocketData,
}

/// Marks a session as one whose client is being decided about. If that does not bring it back, the session is over.
pub(crate) struct Returning {
    namespace: Arc<NamespaceInner>,
    private_id: Text,
    socket: SocketId,
}

/// What a client shows of the session that it wants to continue.
pub(crate) struct Claim {
    private_id: Text,
    offset: Option<String>,
}

impl SessionKey {
    pub(super) fn fresh() -> Option<Self> {
        let private_id = random_id()
            .inspect_err(|error| tracing::error!(target: "socket.io:client", %error, "no private id"))
            .ok()?;
        Some(Self {
            private_id: private_id.into(),
            started_at: OnceLock::new(),
            room_history: Mutex::default(),
            is_kept: Latch::new(),
        })
    }
}

impl Latch {
    fn new() -> Arc<Self> {
        Arc::new(Self(Semaphore::new(0)))
    }

    fn open(&self) {
        self.0.close();
    }

    async fn opened(&self) {
        // It ends when it is closed, with an error.
        let _ = self.0.acquire().await;
    }
}

impl Claim {
    /// Takes what recovery needs out of what a client sent, so that the application does not see it.
    pub(crate) fn take(auth: Option<Payload>) -> (Option<Payload>, Option<Self>) {
        let Some(Ok(mut object)) = auth.as_ref().map(Payload::get::<Map<String, Value>>) else {
            return (auth, None);
        };
        let (private_id, offset) = (object.remove("pid"), object.remove("offset"));
        if private_id.is_none() && offset.is_none() {
            return (auth, None);
        }
        let rest = auth_from_json(&Value::Object(object).to_string());
        let claim = match (private_id, offset) {
            (Some(Value::String(private_id)), None) => {
                Some(Self { private_id: private_id.into(), offset: None })
            }
            (Some(Value::String(private_id)), Some(Value::String(offset))) => {
                Some(Self { private_id: private_id.into(), offset: Some(offset) })
            }
            _ => None,
        };
        (rest, claim)
    }
}

impl NamespaceInner {
    /// Whether sockets can come back.
    pub(crate) fn recovers(self: &Arc<Self>) -> bool {
        self.shared().config.recovery.is_some() && self.adapter().supports_recovery()
    }

    /// The key of a socket that is new.
    /// Calls `open`, which lets a new socket in, and notes where its session begins.
    pub(crate) fn open_session(
        self: &Arc<Self>,
        socket: &Arc<SocketInner>,
        mut open: impl FnMut() -> bool,
    ) -> bool {
        let Some(key) = socket.session() else { return open() };
        let is_in = self.between_events(|at| {
            if let Some(at) = at {
                let _ = key.started_at.set(at);
            }
            open()
        });
        if is_in {
            self.sessions().came(&key.private_id, socket);
        }
        is_in
    }

    /// Runs `change` while the adapter delivers no event, at a position of its log.
    pub(super) fn between_events<R>(self: &Arc<Self>, mut change: impl FnMut(Option<Text>) -> R) -> R {
        let mut result = None;
        locked_by_adapter(|| self.adapter().between_events(&mut |at| result = Some(change(at))));
        // An adapter that has not called it costs the position, and no more.
        result.unwrap_or_else(|| change(None))
    }

    /// Lets a socket that has come back be found by the next claim.
    pub(crate) fn session_resumed(&self, socket: &Arc<SocketInner>) {
        if let Some(key) = socket.session() {
            self.sessions().came(&key.private_id, socket);
        }
    }

    /// The client went away while it was being decided about: its session waits for it again.
    pub(crate) fn session_unused(self: &Arc<Self>, socket: &Arc<SocketInner>, rooms: &[Room]) {
        let stay = Stay::begin(self);
        self.session_ended(socket, DisconnectReason::TransportClose, rooms, stay);
    }

    /// Finds the session that a client wants to continue. If its socket is still here, because nobody has noticed that the
    /// connection is lost, that ends first; and what is being kept is waited for.
    pub(crate) async fn restore(self: &Arc<Self>, claim: &Claim) -> Option<Resumed> {
        let private_id = &claim.private_id;
        if let Some(is_kept) = self.end_session(private_id) {
            // The end may be another thread's work, and the adapter's store far away.
            let kept = tokio::time::timeout(DEFAULT_REQUEST_TIMEOUT, is_kept.opened()).await;
            if kept.is_err() {
                tracing::warn!(target: "socket.io:namespace", namespace = self.name(), "a client was back before its session was kept");
            }
        }
        let (data, returning) = match self.sessions().take(private_id) {
            Some(Gone { data, socket, .. }) => {
                let (namespace, private_id) = (Arc::clone(self), private_id.clone());
                (data, Some(Returning { namespace, private_id, socket }))
            }
            None => (SocketData::default(), None),
        };
        let restored = self.adapter().restore_session(private_id, claim.offset.as_deref()).await;
        let Restored { session, replay, .. } = restored
            .inspect_err(|error| {
                tracing::error!(target: "socket.io:namespace", namespace = self.name(), %error, "a session was not looked for");
            })
            .ok()??;
        let Session { private_id, socket: id, rooms, started_at, room_changes, room_changes_since, .. } =
            session;
        let room_history = RoomHistory::resume(room_changes, room_changes_since, self.history_limits()?);
        let key = SessionKey {
            private_id,
            started_at: OnceLock::from(started_at),
            room_history: Mutex::new(room_history),
            is_kept: Latch::new(),
        };
        let kept = Kept { key, rooms, data };
        Some(Resumed { id, kept, replay, returning })
    }

    /// Ends a session's socket if that is here. Returns what opens when the session is kept, unless it is not here at all.
    fn end_session(&self, private_id: &Text) -> Option<Arc<Latch>> {
        let live = match self.sessions().0.lock().clients.get(private_id)? {
            Whereabouts::Here(socket) => socket.upgrade()?,
            Whereabouts::Gone(gone) => return Some(Arc::clone(&gone.is_kept)),
            Whereabouts::Returning => return None,
        };
        live.left(DisconnectReason::SessionTakenOver, None);
        live.client().connection.close(DisconnectReason::SessionTakenOver);
        live.session().map(|key| Arc::clone(&key.is_kept))
    }

    /// A socket has left: what is needed for its return is kept, if it may return.
    pub(crate) fn session_ended(
        self: &Arc<Self>,
        socket: &Arc<SocketInner>,
        reason: DisconnectReason,
        rooms: &[Room],
        stay: Option<Stay>,
    ) {
        let Some(key) = socket.session() else { return };
        // Opened at the end of all this, or of the task that keeps the session, whatever becomes of it.
        let kept = Opens(Arc::clone(&key.is_kept));
        let (true, Some(started_at), Some(recovery)) =
            (reason.is_recoverable(), key.started_at.get(), &self.shared().config.recovery)
        else {
            return self.sessions().went(&key.private_id, socket);
        };
        let mut session = Session::new(key.private_id.clone(), socket.id().clone());
        session.rooms = rooms.to_vec();
        session.data = socket.data.to_shared_json().into();
        session.started_at = started_at.clone();
        {
            let history = key.room_history.lock();
            session.room_changes = history.changes();
            session.room_changes_since = history.since();
        }
        let gone = Gone {
            socket: socket.id().clone(),
            data: socket.data.duplicate(),
            due: Instant::now() + recovery.limits.max_age.min(FOREVER),
            is_kept: Arc::clone(&key.is_kept),
            _stay: stay,
        };
        self.keep(key.private_id.clone(), gone, recovery.limits.max_sessions);
        let namespace = Arc::clone(self);
        socket.client().run(async move {
            let _kept = kept;
            if let Err(error) = namespace.adapter().persist_session(session).await {
                tracing::warn!(target: "socket.io:namespace", namespace = namespace.name(), %error, "a session was not kept");
            }
        });
    }

    /// The client of a socket that is gone will not come back to it.
    fn session_over(&self, socket: &SocketId) {
        let recovery = self.shared().config.recovery.as_ref();
        if let Some(hook) = recovery.and_then(|recovery| recovery.on_expired.as_ref())
            && catch_unwind(AssertUnwindSafe(|| hook(socket))).is_err()
        {
            tracing::error!(target: "socket.io:namespace", namespace = self.name(), "the hook for sessions that expired panicked");
        }
    }

    fn keep(self: &Arc<Self>, private_id: Text, gone: Gone, max: usize) {
        let mut forgotten = Vec::new();
        let mut state = self.sessions().0.lock();
        state.expiring.push_back((gone.due, private_id.clone()));
        forgotten.extend(state.clients.insert(private_id, Whereabouts::Gone(gone)));
        while state.expiring.len() > max {
            let Some((due, private_id)) = state.expiring.pop_front() else { break };
            forgotten.extend(state.remove(&private_id, due));
        }
        let is_new = !std::mem::replace(&mut state.is_expiring, true);
        drop(state);
        // User values, stays and the hook: they may call back.
        for client in forgotten {
            if let Whereabouts::Gone(gone) = client {
                self.session_over(&gone.socket);
            }
        }
        // Not a task of user code, which a shutdown would wait for.
        if is_new {
            match Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn(expire(Arc::downgrade(self)))),
                Err(_) => self.sessions().0.lock().is_expiring = false,
            }
        }
    }
}

impl Sessions {
    fn came(&self, private_id: &Text, socket: &Arc<SocketInner>) {
        let mut state = self.0.lock();
        // If it has left already, that was noted.
        if socket.is_connected() {
            state.clients.insert(private_id.clone(), Whereabouts::Here(Arc::downgrade(socket)));
        }
    }

    fn went(&self, private_id: &Text, socket: &Arc<SocketInner>) {
        let mut state = self.0.lock();
        if let Some(Whereabouts::Here(live)) = state.clients.get(private_id)
            && std::ptr::eq(live.as_ptr(), Arc::as_ptr(socket))
        {
            state.clients.remove(private_id);
        }
    }

    /// Whether the client of a session is here, or may come back.
    pub(crate) fn is_expected(&self, private_id: &Text) -> bool {
        self.0.lock().clients.contains_key(private_id)
    }

    /// Takes what was kept, for a client that is now returning.
    fn take(&self, private_id: &Text) -> Option<Gone> {
        let mut state = self.0.lock();
        let client = state.clients.get_mut(private_id)?;
        match std::mem::replace(client, Whereabouts::Returning) {
            Whereabouts::Gone(gone) => Some(gone),
            other => {
                *client = other;
                None
            }
        }
    }
}

impl Drop for Returning {
    fn drop(&mut self) {
        let mut state = self.namespace.sessions().0.lock();
        if let Some(Whereabouts::Returning) = state.clients.get(&self.private_id) {
            state.clients.remove(&self.private_id);
            drop(state);
            self.namespace.session_over(&self.socket);
        }
    }
}

/// Opens a latch when it is dropped.
struct Opens(Arc<Latch>);

impl Drop for Opens {
    fn drop(&mut self) {
        self.0.open();
    }
}

impl State {
    /// Takes out what was kept until then, unless its client has come back, and perhaps gone again, meanwhile.
    fn remove(&mut self, private_id: &Text, due: Instant) -> Option<Whereabouts> {
        match self.clients.get(private_id) {
            Some(Whereabouts::Gone(gone)) if gone.due == due => self.clients.remove(private_id),
            _ => None,
        }
    }

    /// Takes out what has expired, and says when more will; at no time if nobody is gone.
    fn expire(&mut self, now: Instant) -> (Vec<Whereabouts>, Option<Instant>) {
        let mut expired = Vec::new();
        while let Some((due, private_id)) = self.expiring.front().cloned() {
            if due > now {
                return (expired, Some(due));
            }
            self.expiring.pop_front();
            expired.extend(self.remove(&private_id, due));
        }
        self.is_expiring = false;
        (expired, None)
    }
}

/// Forgets sessions whose clients have not come back in time.
async fn expire(namespace: Weak<NamespaceInner>) {
    let mut next = Some(Instant::now());
    while let Some(due) = next {
        tokio::time::sleep_until(due).await;
        let Some(namespace) = namespace.upgrade() else { return };
        let expired;
        (expired, next) = namespace.sessions().0.lock().expire(Instant::now());
        // Many expire at a time.
        next = next.map(|due| due.max(Instant::now() + SHORTEST_SLEEP));
        for client in expired {
            if let Whereabouts::Gone(gone) = client {
                namespace.session_over(&gone.socket);
            }
        }
    }
}

/// Times beyond this are not: a duration may be any.
const FOREVER: Duration = Duration::from_secs(30 * 365 * 24 * 3_600);

const SHORTEST_SLEEP: Duration = Duration::from_millis(10);
