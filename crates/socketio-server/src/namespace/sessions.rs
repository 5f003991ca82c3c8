//! Sessions that can be recovered: who is here, and what is kept of those who are gone.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use engine_io_parser::Text;
use engine_io_server::random_id;
use hashbrown::HashMap;
use serde_json::{Map, Value};
use socketio_adapter::{Replay, Restored, Room, Session, SocketId};
use socketio_parser::Payload;
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::DisconnectReason;
use crate::handshake::auth_from_json;
use crate::namespace::{NamespaceInner, Stay, locked_by_adapter};
use crate::socket::{SocketData, SocketInner};
use crate::sync::Mutex;

/// The sessions of one namespace on this node.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<State>);

#[derive(Default)]
struct State {
    /// By private id.
    live: HashMap<Text, Weak<SocketInner>>,
    gone: HashMap<Text, Gone>,
    /// In the order in which they will expire; also some that have come back meanwhile.
    expiring: VecDeque<(Instant, Text)>,
    is_expiring: bool,
}

/// What no adapter can keep of a socket that is gone.
struct Gone {
    socket: SocketId,
    data: SocketData,
    due: Instant,
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
}

/// What a socket was that is coming back.
pub(crate) struct Resumed {
    pub(crate) id: SocketId,
    pub(crate) rooms: Vec<Room>,
    pub(crate) data: SocketData,
    pub(crate) key: SessionKey,
    pub(crate) replay: Box<dyn Replay>,
}

/// What a client shows of the session that it wants to continue.
pub(crate) struct Claim {
    private_id: Text,
    offset: Option<String>,
}

impl SessionKey {
    fn fresh() -> Option<Self> {
        let private_id = random_id()
            .inspect_err(|error| tracing::error!(target: "socket.io:client", %error, "no private id"))
            .ok()?;
        Some(Self { private_id: private_id.into(), started_at: OnceLock::new() })
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
    pub(crate) fn new_session(self: &Arc<Self>) -> Option<SessionKey> {
        if self.recovers() { SessionKey::fresh() } else { None }
    }

    /// Calls `open`, which lets a new socket in, and notes where its session begins.
    pub(crate) fn open_session(
        self: &Arc<Self>,
        socket: &Arc<SocketInner>,
        open: &mut dyn FnMut() -> bool,
    ) -> bool {
        let Some(key) = socket.session() else { return open() };
        let mut is_in = false;
        let started_at = locked_by_adapter(|| self.adapter().open_session(&mut || is_in = open()));
        if let Some(started_at) = started_at {
            let _ = key.started_at.set(started_at);
        }
        if is_in {
            self.sessions().came(&key.private_id, socket);
        }
        is_in
    }

    /// Lets a socket that has come back be found by the next claim.
    pub(crate) fn session_resumed(&self, socket: &Arc<SocketInner>) {
        if let Some(key) = socket.session() {
            self.sessions().came(&key.private_id, socket);
        }
    }

    /// The client went away while it was being decided about: its session waits for it again.
    pub(crate) fn session_unused(self: &Arc<Self>, socket: &Arc<SocketInner>) {
        let mut rooms = socket.rooms();
        rooms.push(Room::from(socket.id()));
        let stay = Stay::begin(self);
        self.session_ended(socket, DisconnectReason::TransportClose, &rooms, stay);
    }

    /// Finds the session that a client wants to continue. If its socket is still here, because nobody has noticed that the
    /// connection is lost, that ends first.
    pub(crate) async fn restore(self: &Arc<Self>, claim: &Claim) -> Option<Resumed> {
        if let Some(live) = self.sessions().live(&claim.private_id) {
            live.left(DisconnectReason::SessionTakenOver, None);
            live.client().connection.close(DisconnectReason::SessionTakenOver);
        }
        let gone = self.sessions().take(&claim.private_id);
        let restored = self.adapter().restore_session(&claim.private_id, claim.offset.as_deref()).await;
        let Restored { session, replay, .. } = restored
            .inspect_err(|error| {
                tracing::error!(target: "socket.io:namespace", namespace = self.name(), %error, "a session was not looked for");
            })
            .ok()??;
        let Session { private_id, socket: id, rooms, started_at, .. } = session;
        let key = SessionKey { private_id, started_at: OnceLock::from(started_at) };
        Some(Resumed { id, rooms, data: gone.unwrap_or_default(), key, replay })
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
        self.sessions().went(&key.private_id, socket);
        let (true, Some(started_at), Some(recovery)) =
            (reason.is_recoverable(), key.started_at.get(), &self.shared().config.recovery)
        else {
            return;
        };
        let mut session = Session::new(key.private_id.clone(), socket.id().clone());
        session.rooms = rooms.to_vec();
        session.data = socket.data.to_shared_json().into();
        session.started_at = started_at.clone();
        let max_age = recovery.limits.max_age;
        let due = Instant::now() + max_age;
        let gone = Gone { socket: socket.id().clone(), data: socket.data.duplicate(), due, _stay: stay };
        self.keep(key.private_id.clone(), gone, recovery.limits.max_sessions);
        let namespace = Arc::clone(self);
        socket.client().run(async move {
            if let Err(error) = namespace.adapter().persist_session(session).await {
                tracing::warn!(target: "socket.io:namespace", namespace = namespace.name(), %error, "a session was not kept");
            }
        });
    }

    fn keep(self: &Arc<Self>, private_id: Text, gone: Gone, max: usize) {
        let mut forgotten = Vec::new();
        let mut state = self.sessions().0.lock();
        state.expiring.push_back((gone.due, private_id.clone()));
        forgotten.extend(state.gone.insert(private_id, gone));
        while state.expiring.len() > max {
            let Some((due, private_id)) = state.expiring.pop_front() else { break };
            forgotten.extend(state.remove(&private_id, due));
        }
        let is_new = !std::mem::replace(&mut state.is_expiring, true);
        drop(state);
        // User values, and stays: they may call back.
        drop(forgotten);
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
        self.0.lock().live.insert(private_id.clone(), Arc::downgrade(socket));
        // It may have left before it was noted.
        if !socket.is_connected() {
            self.went(private_id, socket);
        }
    }

    fn went(&self, private_id: &Text, socket: &Arc<SocketInner>) {
        let mut state = self.0.lock();
        if state.live.get(private_id).is_some_and(|live| std::ptr::eq(live.as_ptr(), Arc::as_ptr(socket))) {
            state.live.remove(private_id);
        }
    }

    fn live(&self, private_id: &Text) -> Option<Arc<SocketInner>> {
        self.0.lock().live.get(private_id)?.upgrade()
    }

    /// Whether a session waits for its client.
    pub(crate) fn is_gone(&self, private_id: &Text) -> bool {
        self.0.lock().gone.contains_key(private_id)
    }

    fn take(&self, private_id: &Text) -> Option<SocketData> {
        let gone = self.0.lock().gone.remove(private_id)?;
        Some(gone.data)
    }
}

impl State {
    /// Takes out what was kept until then, unless its client has come back, and perhaps gone again, meanwhile.
    fn remove(&mut self, private_id: &Text, due: Instant) -> Option<Gone> {
        self.gone.get(private_id).is_some_and(|gone| gone.due == due).then(|| self.gone.remove(private_id))?
    }

    /// Takes out what has expired, and says when more will; at no time if nobody is gone.
    fn expire(&mut self, now: Instant) -> (Vec<Gone>, Option<Instant>) {
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
        let recovery = namespace.shared().config.recovery.as_ref();
        let hook = recovery.and_then(|recovery| recovery.on_expired.as_ref());
        for gone in &expired {
            if let Some(hook) = hook
                && catch_unwind(AssertUnwindSafe(|| hook(&gone.socket))).is_err()
            {
                tracing::error!(target: "socket.io:namespace", namespace = namespace.name(), "the hook for sessions that expired panicked");
            }
        }
    }
}

const SHORTEST_SLEEP: Duration = Duration::from_millis(10);
