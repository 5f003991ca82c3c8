//! One connection: from its messages to sockets, and back to its end.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Instant;

use engine_io_parser::Message;
use engine_io_server::random_id;
use socketio_adapter::SocketId;
use socketio_parser::{Decoder, EncodedPacket, Packet, Payload};
use tokio::runtime::Handle;

use crate::client::{Accepted, ConnectTimer, Connecting, Delivery, Departure, Namespaces, Violation};
use crate::config::Shared;
use crate::connection::{Connection, Flow, SendError};
use crate::deadlines::{Key, Timed};
use crate::error::ConnectError;
use crate::event::dispatch::{self, Event};
use crate::event::run::Caught;
use crate::handshake;
use crate::namespace::{self, LookedUp, NamespaceInner, Stay};
use crate::server::ServerInner;
use crate::socket::SocketInner;
use crate::sync::Mutex;
use crate::{DisconnectReason, Socket};

/// Takes the messages of one connection; what [`Server::open`](crate::Server::open) returns to an engine.
///
/// Dropping it counts as [`on_close`](Self::on_close).
#[derive(Debug)]
pub struct Receiver {
    client: Arc<ClientInner>,
    server: Arc<ServerInner>,
    decoder: Decoder,
    /// Bytes of the packet whose attachments are awaited.
    n_bytes: usize,
    awaits_attachments: bool,
    /// A violation has closed the connection: what still comes is ignored.
    has_failed: bool,
    /// The engine has said that the connection is closed.
    is_closed: bool,
}

impl Receiver {
    pub(crate) fn new(server: Arc<ServerInner>, connection: Arc<dyn Connection>) -> Self {
        let shared = Arc::clone(server.shared());
        shared.adapters.fix();
        let decoder = shared.parser.decoder();
        let client = ClientInner::new(shared, connection);
        let mut receiver = Self {
            client,
            server,
            decoder,
            n_bytes: 0,
            awaits_attachments: false,
            has_failed: false,
            is_closed: false,
        };
        if receiver.client.is_legacy() {
            // These clients take it for granted.
            if let Err(violation) = receiver.handle_connect("/", None) {
                receiver.fail(&violation);
            }
        }
        receiver
    }

    /// A message has come in; messages are to be handed over in order, and never two at a time.
    ///
    /// Handlers are polled once in this call. It never waits.
    pub fn on_message(&mut self, message: Message) -> Flow {
        if self.has_failed {
            return Flow::Continue;
        }
        self.n_bytes += message.len();
        match self.decoder.decode(message) {
            Ok(Some(packet)) => {
                let n_bytes = std::mem::take(&mut self.n_bytes);
                if std::mem::take(&mut self.awaits_attachments) {
                    self.client.attachments_complete();
                }
                self.handle_packet(packet, n_bytes)
            }
            Ok(None) => {
                self.handle_pending();
                Flow::Continue
            }
            Err(error) => {
                self.fail(&error);
                Flow::Continue
            }
        }
    }

    /// The connection is closed: all its sockets leave, for this reason. Their disconnect handlers can read `detail`.
    pub fn on_close(mut self, reason: DisconnectReason, detail: Option<&str>) {
        self.is_closed = true;
        self.client.closed(reason, detail.map(Arc::from));
    }

    fn handle_packet(&mut self, packet: Packet, n_bytes: usize) -> Flow {
        let handled = match packet {
            Packet::Event { namespace, id, name, args } => {
                self.client.recipient(&namespace).map(|socket| match socket {
                    Some(socket) => dispatch::handle_event(&socket, Event::new(name, id, args, n_bytes)),
                    None => Flow::Continue,
                })
            }
            Packet::Ack { namespace, id, args } => self.client.recipient(&namespace).map(|socket| {
                if let Some(socket) = socket {
                    socket.handle_ack(id, args);
                }
                Flow::Continue
            }),
            Packet::Connect { namespace, .. } if self.client.is_legacy() => {
                let (name, auth) = handshake::auth_of_query(&namespace);
                self.handle_connect(name, auth)
            }
            Packet::Connect { namespace, auth } => self.handle_connect(&namespace, auth),
            Packet::Disconnect { namespace } => {
                self.client.handle_disconnect(&namespace).map(|()| Flow::Continue)
            }
            // Only servers refuse.
            Packet::ConnectError { .. } => Err(Violation::NeverJoined),
        };
        handled.unwrap_or_else(|violation| {
            self.fail(&violation);
            Flow::Continue
        })
    }

    /// Attachments are awaited, for a limited time, and only if the packet has a recipient at all.
    fn handle_pending(&mut self) {
        let Some(pending) = self.decoder.pending() else { return };
        match self.client.recipient(pending.namespace) {
            Ok(_) => {
                self.awaits_attachments = true;
                self.client.await_attachments();
            }
            Err(violation) => self.fail(&violation),
        }
    }

    fn handle_connect(&mut self, name: &str, auth: Option<Payload>) -> Result<Flow, Violation> {
        let name = if name.is_empty() { "/" } else { name };
        if self.client.shared.is_closing.load(Ordering::Acquire) {
            return Ok(Flow::Continue);
        }
        self.client.check_tasks()?;
        let found = match self.server.registry().look_up(name) {
            LookedUp::Found(namespace, stay) => Some((namespace, stay)),
            LookedUp::Ask => None,
            unknown @ (LookedUp::Unknown | LookedUp::Full) => {
                self.client.state.lock().namespaces.handle_unknown()?;
                self.client.send_connect_error(name, &no_namespace(&unknown));
                return Ok(Flow::Continue);
            }
        };
        let Some(ticket) = self.client.handle_connect(name)? else { return Ok(Flow::Continue) };
        let client = Arc::clone(&self.client);
        match found {
            Some((namespace, stay)) => client.run(Arc::clone(&client).join(namespace, stay, ticket, auth)),
            None => {
                let server = Arc::clone(&self.server);
                let name = name.to_owned();
                client.run(Arc::clone(&client).ask_and_join(server, name, ticket, auth));
            }
        }
        Ok(Flow::Continue)
    }

    /// The client has broken the protocol: everything it is in ends with `forced close`, on every transport.
    fn fail(&mut self, error: &dyn std::error::Error) {
        tracing::debug!(target: "socket.io:client", %error, "closing the connection");
        self.has_failed = true;
        self.decoder.reset();
        self.client.attachments_complete();
        self.client.connection.close_because(DisconnectReason::ForcedClose, &error);
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if !self.is_closed {
            self.client.closed(DisconnectReason::TransportClose, None);
        }
    }
}

/// One connection, as its sockets see it.
pub(crate) struct ClientInner {
    pub(crate) connection: Arc<dyn Connection>,
    shared: Arc<Shared>,
    runtime: Handle,
    state: Mutex<State>,
    park: Mutex<Park>,
    /// Tasks of user code, also of sockets that have left.
    n_tasks: AtomicUsize,
}

struct State {
    namespaces: Namespaces<Arc<SocketInner>>,
    timer: ConnectTimer,
    timer_key: Option<Key>,
    /// When the attachments of a packet must be complete.
    attachments_due: Option<Instant>,
    /// An entry of the server's timer, which stays until it fires: most attachments come at once, and whoever sends many
    /// would have it set and removed each time.
    attachments_key: Option<Key>,
}

/// Events of this connection that wait for a handler to end.
#[derive(Default)]
struct Park {
    n_bytes: usize,
    is_paused: bool,
}

impl ClientInner {
    fn new(shared: Arc<Shared>, connection: Arc<dyn Connection>) -> Arc<Self> {
        let now = now();
        let state = State {
            namespaces: Namespaces::new(shared.config.client),
            timer: ConnectTimer::new(shared.config.connect_timeout, now),
            timer_key: None,
            attachments_due: None,
            attachments_key: None,
        };
        let client = Arc::new(Self {
            connection,
            shared,
            runtime: Handle::current(),
            state: Mutex::new(state),
            park: Mutex::new(Park::default()),
            n_tasks: AtomicUsize::new(0),
        });
        client.schedule(&mut client.state.lock());
        client
    }

    /// Handlers run on after their socket has left. Whoever leaves and comes back all the time must not get more of them
    /// than the sockets of one connection can have at a time.
    fn check_tasks(&self) -> Result<(), Violation> {
        let config = &self.shared.config;
        let max = config.max_running_handlers.saturating_mul(config.client.max_namespaces);
        if self.n_tasks.load(Ordering::Relaxed) < max { Ok(()) } else { Err(Violation::TooManyTasks { max }) }
    }

    /// The joined socket that a packet for this namespace is for; `None` if it is to be dropped.
    fn recipient(&self, namespace: &str) -> Result<Option<Arc<SocketInner>>, Violation> {
        Ok(match self.state.lock().namespaces.handle_packet(namespace)? {
            Delivery::To(socket) => Some(Arc::clone(socket)),
            Delivery::Dropped => None,
        })
    }

    /// Returns the ticket of a CONNECT that is to be decided.
    fn handle_connect(self: &Arc<Self>, namespace: &str) -> Result<Option<u64>, Violation> {
        let mut state = self.state.lock();
        let Connecting::Decide { ticket } = state.namespaces.handle_connect(namespace)? else {
            return Ok(None);
        };
        state.timer.pause(now());
        self.schedule(&mut state);
        Ok(Some(ticket))
    }

    fn handle_disconnect(self: &Arc<Self>, namespace: &str) -> Result<(), Violation> {
        let departure = {
            let mut state = self.state.lock();
            let departure = state.namespaces.handle_disconnect(namespace)?;
            self.resume_timer(&mut state);
            departure
        };
        match departure {
            Departure::Socket(socket) => socket.left(DisconnectReason::ClientNamespaceDisconnect, None),
            Departure::Attempt | Departure::Nothing => {}
        }
        Ok(())
    }

    /// Middleware has accepted: the client is told, and the socket enters. Returns whether the client is still there.
    pub(crate) fn accept(self: &Arc<Self>, socket: &Arc<SocketInner>, ticket: u64) -> bool {
        {
            let mut state = self.state.lock();
            match state.namespaces.accept(ticket, Arc::clone(socket)) {
                Accepted::Joined => state.timer.stop(),
                Accepted::Gone(_) => return false,
            }
            self.schedule(&mut state);
        }
        let name = socket.namespace_inner().name();
        let welcome = Welcome::to(socket);
        match self.shared.parser.encode_connect(name, Some(&welcome).filter(|_| !self.is_legacy())) {
            Ok(packet) => drop(self.send(packet)),
            Err(error) => tracing::error!(target: "socket.io:client", %error, "CONNECT not encoded"),
        }
        socket.enter()
    }

    async fn join(
        self: Arc<Self>,
        namespace: Arc<NamespaceInner>,
        stay: Stay,
        ticket: u64,
        auth: Option<Payload>,
    ) {
        match self.socket_id(namespace.name()) {
            Some(id) => namespace::join(self, namespace, stay, id, ticket, auth).await,
            None => self.reject(namespace.name(), ticket, &ConnectError::new("internal error")),
        }
    }

    /// Joins a namespace that may be there by a predicate.
    async fn ask_and_join(
        self: Arc<Self>,
        server: Arc<ServerInner>,
        name: String,
        ticket: u64,
        auth: Option<Payload>,
    ) {
        match server.registry().ask(&name).await {
            LookedUp::Found(namespace, stay) => self.join(namespace, stay, ticket, auth).await,
            unknown => {
                self.reject(&name, ticket, &no_namespace(&unknown));
                let counted = self.state.lock().namespaces.handle_unknown();
                if let Err(violation) = counted {
                    tracing::debug!(target: "socket.io:client", error = %violation, "closing the connection");
                    self.connection.close_because(DisconnectReason::ForcedClose, &violation);
                }
            }
        }
    }

    /// The client is refused, and told so if it is still there.
    pub(crate) fn reject(self: &Arc<Self>, namespace: &str, ticket: u64, error: &ConnectError) {
        let is_there = {
            let mut state = self.state.lock();
            let is_there = state.namespaces.reject(ticket);
            self.resume_timer(&mut state);
            is_there
        };
        if is_there {
            self.send_connect_error(namespace, error);
        }
    }

    /// The server makes a socket leave; returns whether it was in.
    pub(crate) fn leave(&self, socket: &Arc<SocketInner>) -> bool {
        let name = socket.namespace_inner().name();
        self.state.lock().namespaces.leave(name, |joined| Arc::ptr_eq(joined, socket)).is_some()
    }

    pub(crate) fn sockets(&self) -> Vec<Socket> {
        self.state.lock().namespaces.joined().map(Socket::from_inner).collect()
    }

    /// Makes all sockets leave, and closes the connection.
    pub(crate) fn close_all(&self) {
        for socket in self.sockets() {
            socket.disconnect();
        }
        self.connection.close(DisconnectReason::ForcedClose);
    }

    /// The connection is gone.
    fn closed(self: &Arc<Self>, reason: DisconnectReason, detail: Option<Arc<str>>) {
        if !namespace::is_locked_by_adapter() {
            return self.end(reason, detail);
        }
        // An event was one too many for this client, and is still on its way to others. What happens at a socket's end, user
        // code among it, has to wait for that.
        let client = Arc::clone(self);
        self.runtime.spawn(async move { client.end(reason, detail) });
    }

    fn end(self: &Arc<Self>, reason: DisconnectReason, detail: Option<Arc<str>>) {
        let sockets = {
            let mut state = self.state.lock();
            if state.namespaces.is_closed() {
                return;
            }
            state.timer.stop();
            self.schedule(&mut state);
            if let Some(key) = state.attachments_key.take() {
                self.shared.deadlines.remove(key);
            }
            state.namespaces.close()
        };
        for socket in sockets {
            socket.left(reason, detail.clone());
        }
    }

    pub(crate) fn send(&self, packet: EncodedPacket) -> Result<(), SendError> {
        self.connection.queue(packet.frames()).map(drop)
    }

    fn send_connect_error(&self, namespace: &str, error: &ConnectError) {
        let parser = &self.shared.parser;
        let packet = match error.data() {
            data if !self.is_legacy() => parser.encode_connect_error(namespace, error.message(), data),
            Some(data) => parser.encode_error(namespace, data),
            None => parser.encode_error(namespace, error.message()),
        };
        match packet {
            Ok(packet) => drop(self.send(packet)),
            Err(error) => tracing::error!(target: "socket.io:client", %error, "CONNECT_ERROR not encoded"),
        }
    }

    /// Whether the client is one of Socket.IO 1 or 2.
    pub(crate) fn is_legacy(&self) -> bool {
        self.connection.protocol() == 3
    }

    /// Ids of the two protocols: clients of the old one compute theirs from the session's.
    fn socket_id(&self, namespace: &str) -> Option<SocketId> {
        if self.is_legacy() {
            let sid = self.connection.id();
            return Some(match namespace {
                "/" => SocketId::from(sid),
                name => SocketId::from(format!("{name}#{sid}")),
            });
        }
        random_id()
            .inspect_err(|error| tracing::error!(target: "socket.io:client", %error, "no socket id"))
            .ok()
            .map(SocketId::from)
    }

    /// Runs a future of this crate's: polled once in place, and spawned if it is pending.
    pub(crate) fn run(self: &Arc<Self>, future: impl Future<Output = ()> + Send + 'static) {
        let mut future = Caught::new(|| Box::pin(future));
        match future.poll_in_place() {
            Poll::Ready(result) => log_panic(result),
            Poll::Pending => self.spawn(async move { log_panic(future.await) }),
        }
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Spawns a task of user code.
    pub(crate) fn spawn(self: &Arc<Self>, future: impl Future<Output = ()> + Send + 'static) {
        let task = Task::new(self);
        self.shared.tasks.spawn(&self.runtime, async move {
            let _task = task;
            future.await;
        });
    }

    /// An event waits that costs so much; returns whether that fills the park.
    pub(crate) fn park(&self, cost: usize) -> Flow {
        let mut park = self.park.lock();
        park.n_bytes = park.n_bytes.saturating_add(cost);
        if park.n_bytes < self.shared.config.max_parked_bytes {
            return Flow::Continue;
        }
        park.is_paused = true;
        Flow::Pause
    }

    /// Events that cost so much together wait no longer.
    pub(crate) fn unpark(&self, cost: usize) {
        let mut park = self.park.lock();
        park.n_bytes = park.n_bytes.saturating_sub(cost);
        if park.is_paused && park.n_bytes <= self.shared.config.max_parked_bytes / 2 {
            park.is_paused = false;
            drop(park);
            self.connection.resume();
        }
    }

    fn await_attachments(self: &Arc<Self>) {
        let mut state = self.state.lock();
        if state.attachments_due.is_some() || state.namespaces.is_closed() {
            return;
        }
        state.attachments_due = now().checked_add(self.shared.config.attachments_timeout);
        if state.attachments_key.is_none() {
            self.schedule_attachments(&mut state);
        }
    }

    fn attachments_complete(&self) {
        self.state.lock().attachments_due = None;
    }

    fn schedule_attachments(self: &Arc<Self>, state: &mut State) {
        state.attachments_key = state
            .attachments_due
            .map(|due| self.shared.deadlines.insert(&self.runtime, due, Arc::downgrade(self)));
    }

    fn resume_timer(self: &Arc<Self>, state: &mut State) {
        if !state.namespaces.is_deciding() {
            state.timer.resume(now());
            self.schedule(state);
        }
    }

    /// Brings the server's timer in line with the connection's.
    fn schedule(self: &Arc<Self>, state: &mut State) {
        let due = state.timer.poll_timeout();
        if due == state.timer_key.map(|(due, _)| due) {
            return;
        }
        if let Some(key) = state.timer_key.take() {
            self.shared.deadlines.remove(key);
        }
        state.timer_key =
            due.map(|due| self.shared.deadlines.insert(&self.runtime, due, Arc::downgrade(self)));
    }
}

impl Timed for ClientInner {
    fn handle_timeout(self: Arc<Self>, key: Key, now: Instant) {
        let mut state = self.state.lock();
        if state.timer_key == Some(key) {
            state.timer_key = None;
            if state.timer.is_due(now) {
                drop(state);
                let detail = "no namespace joined in time";
                tracing::debug!(target: "socket.io:client", detail, "closing the connection");
                return self.connection.close_because(DisconnectReason::ForcedServerClose, &detail);
            }
            self.schedule(&mut state);
        } else if state.attachments_key == Some(key) {
            state.attachments_key = None;
            if state.attachments_due.is_none_or(|due| due > now) {
                // Of a packet that came later, if any.
                return self.schedule_attachments(&mut state);
            }
            drop(state);
            let detail = "attachments did not come in time";
            tracing::debug!(target: "socket.io:client", detail, "closing the connection");
            self.connection.close_because(DisconnectReason::ForcedClose, &detail);
        }
    }
}

impl std::fmt::Debug for ClientInner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientInner").field("connection", &self.connection).finish_non_exhaustive()
    }
}

/// Counts one task of a connection until it ends, however it does.
struct Task(Arc<ClientInner>);

impl Task {
    fn new(client: &Arc<ClientInner>) -> Self {
        client.n_tasks.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(client))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.n_tasks.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a client is told that asks for a namespace which it cannot have.
fn no_namespace(looked_up: &LookedUp) -> ConnectError {
    match looked_up {
        LookedUp::Full => ConnectError::new("Too many namespaces"),
        _ => ConnectError::new("Invalid namespace"),
    }
}

/// What CONNECT is answered with.
#[derive(serde::Serialize)]
struct Welcome<'a> {
    sid: &'a str,
    /// A secret, with which the client can come back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<&'a str>,
}

impl<'a> Welcome<'a> {
    fn to(socket: &'a SocketInner) -> Self {
        Self { sid: socket.id(), pid: socket.session().map(|key| &*key.private_id) }
    }
}

fn log_panic(result: Result<(), crate::event::run::Panicked>) {
    if let Err(panicked) = result {
        tracing::error!(target: "socket.io:client", ?panicked, "bug: a task of the server panicked");
    }
}

/// The clock of the runtime, which tests can stop.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
