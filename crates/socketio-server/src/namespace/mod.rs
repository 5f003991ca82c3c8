//! A namespace: its handlers, its sockets, and what is sent to them.

mod adapter_slot;
mod asking;
mod connect;
mod dynamic;
mod family;
mod inner;
mod local;
mod node;
mod operators;
mod pattern;
mod registry;
mod room_events;
mod room_history;
mod server_acks;
mod server_side;
mod servers;
mod sessions;
mod table;
mod view;

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use socketio_adapter::AdapterError;

pub(crate) use connect::join;
pub(crate) use dynamic::{Child, Family, Params, Role, Rule, Stay};
pub(crate) use inner::{NamespaceInner, is_locked_by_adapter, locked_by_adapter, take_waking};
pub(crate) use local::{Receipts, RoomsChanged, Slot};
pub(crate) use pattern::Pattern;
pub(crate) use registry::{LookedUp, Registry};
pub use room_events::{RoomEvent, RoomEvents, RoomEventsMissed};
pub use server_acks::{ServerAcks, ServerReplies};
pub(crate) use sessions::{Claim, Kept, Resumed, Returning, SessionKey};
pub(crate) use table::{Registered, Table};
pub use view::AdapterView;

use crate::broadcast::{Broadcast, IntoRooms};
use crate::emit::Emit;
use crate::error::HandlerError;
use crate::event::{
    ConnectContext, DisconnectContext, EventContext, EventMiddlewareOutcome, Handler, MiddlewareOutcome,
    Outcome, assert_not_reserved, erase_connect, erase_disconnect, erase_event, erase_event_middleware,
    erase_middleware,
};
use crate::{Server, Socket};

/// A part of a server with handlers, sockets and rooms of its own; a clone is one pointer.
///
/// [`Server::of`] makes them, and a [`Server`] stands for its root namespace, `/`. Clients join several namespaces
/// over one connection.
///
/// Handlers take what they need as arguments (see [`Extract`](crate::handler::Extract)) and are shared by all
/// sockets: they cost a connection nothing. The events of one socket start in the order of arrival, at most 64 run at
/// a time, and events beyond that wait, up to 1 MiB per connection, before the connection stops being read. The answer
/// to an [`emit_with_ack`](Socket::emit_with_ack) never waits behind them.
#[derive(Clone)]
pub struct Namespace(Arc<NamespaceInner>);

impl Namespace {
    /// The name, `/` or `/…`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// What stands for a parameter of the pattern by which the namespace came into being; see
    /// [`Server::of_pattern`].
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        match self.0.role() {
            Role::Child(child) => child.param(name),
            Role::Single | Role::Parent(_) => None,
        }
    }

    /// The namespace by whose pattern or predicate this one came into being.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        match self.0.role() {
            Role::Child(child) => child.parent().map(Self),
            Role::Single | Role::Parent(_) => None,
        }
    }

    /// The namespaces that came into being by this one's pattern or predicate, and are still there.
    #[must_use]
    pub fn children(&self) -> Vec<Self> {
        match self.0.role() {
            Role::Parent(family) => family.children().into_iter().map(Self).collect(),
            Role::Single | Role::Child(_) => Vec::new(),
        }
    }

    /// The server, unless it is gone.
    #[must_use]
    pub fn server(&self) -> Option<Server> {
        self.0.server()
    }

    /// Waits until the adapter has connected to the other servers; at once if the server stands alone. Clients are let in
    /// before that too, after 5 s: a server can do without the others.
    ///
    /// Of a parent namespace, those of its children; of a [`Server`], those of all its namespaces.
    ///
    /// # Errors
    ///
    /// What the adapter says, if it could not connect.
    ///
    /// # Cancel safety
    ///
    /// May be dropped and called again.
    ///
    /// # Panics
    ///
    /// Panics outside of a Tokio runtime.
    pub async fn ready(&self) -> Result<(), Arc<AdapterError>> {
        self.0.ready().await
    }

    /// Calls `handler` for each client that joins, after middleware has let it in.
    ///
    /// Events that the client sends are held until the handler ends, so that none is missed by a handler that it
    /// registers on the socket; after 30 s they start all the same. Several handlers run one after the other.
    pub fn on_connect<H, A>(&self, handler: H) -> &Self
    where
        H: Handler<ConnectContext, A>,
        H::Output: Outcome<ConnectContext>,
    {
        let handler = Arc::from(erase_connect(handler));
        self.0.register(|table| table.connect.push(Arc::clone(&handler)));
        self
    }

    /// Calls `handler` for each event of this name, also of clients that have joined already.
    ///
    /// An event may have several handlers. What a handler returns is described at [`Outcome`].
    ///
    /// # Panics
    ///
    /// Panics if the name is reserved (`connect`, `disconnect`, …): no client can send such an event.
    #[track_caller]
    pub fn on<H, A>(&self, event: impl Into<String>, handler: H) -> &Self
    where
        H: Handler<EventContext, A>,
        H::Output: Outcome<EventContext>,
    {
        let event: Arc<str> = event.into().into();
        assert_not_reserved(&event);
        let handler = Registered::new(erase_event(handler));
        self.0.register(|table| {
            table.events.entry(Arc::clone(&event)).or_default().push(handler.clone());
        });
        self
    }

    /// Takes all handlers of an event off, but those that were registered on single sockets; Node calls it
    /// `removeAllListeners`.
    pub fn off_all(&self, event: &str) -> &Self {
        drop(self.0.register(|table| table.events.remove(event)));
        self
    }

    /// Calls `handler` for each event, whatever its name, before middlewares and the event's own handlers.
    ///
    /// It can take the [`EventName`](crate::handler::EventName) and the [`Args`](crate::Args), and answer.
    pub fn on_any<H, A>(&self, handler: H) -> &Self
    where
        H: Handler<EventContext, A>,
        H::Output: Outcome<EventContext>,
    {
        let handler = Registered::new(erase_event(handler));
        self.0.register(|table| table.any.push(handler.clone()));
        self
    }

    /// Takes the handlers of [`on_any`](Self::on_any) off.
    pub fn off_any(&self) -> &Self {
        drop(self.0.register(|table| std::mem::take(&mut table.any)));
        self
    }

    /// Has `middleware` look at each event of each socket before its handlers do; it may change the event or drop it.
    ///
    /// What it returns is described at [`EventMiddlewareOutcome`]. Middlewares run in the order of registration, those of
    /// the namespace before those of a socket ([`Socket::use_middleware`]). While one waits, later events of the socket
    /// wait too, so that their handlers start in the order of arrival; after 30 s
    /// ([`middleware_timeout`](crate::Builder::middleware_timeout)) the event is dropped.
    pub fn use_event_middleware<H, A>(&self, middleware: H) -> &Self
    where
        H: Handler<EventContext, A>,
        H::Output: EventMiddlewareOutcome,
    {
        let middleware = Arc::from(erase_event_middleware(middleware));
        self.0.register(|table| table.event_middlewares.push(Arc::clone(&middleware)));
        self
    }

    /// Calls `handler` for each client that is leaving, while [`Socket::rooms`] still names the rooms that it was in.
    ///
    /// They run before those of [`on_disconnect`](Self::on_disconnect), which wait for them. No event reaches the client
    /// any more.
    pub fn on_disconnecting<H, A>(&self, handler: H) -> &Self
    where
        H: Handler<DisconnectContext, A>,
        H::Output: Outcome<DisconnectContext>,
    {
        let handler = Arc::from(erase_disconnect(handler));
        self.0.register(|table| table.disconnecting.push(Arc::clone(&handler)));
        self
    }

    /// Calls `handler` for each client that has left, once its connect handlers have ended or had their 30 s.
    ///
    /// It can take the [`DisconnectReason`](crate::DisconnectReason) and the [`Rooms`](crate::handler::Rooms) that the
    /// socket was in.
    pub fn on_disconnect<H, A>(&self, handler: H) -> &Self
    where
        H: Handler<DisconnectContext, A>,
        H::Output: Outcome<DisconnectContext>,
    {
        let handler = Arc::from(erase_disconnect(handler));
        self.0.register(|table| table.disconnect.push(Arc::clone(&handler)));
        self
    }

    /// Has `middleware` decide about each client that wants to join; Node calls it `use`.
    ///
    /// Middlewares run in the order of registration. The first that returns an error refuses the client, which gets the
    /// error's message and data as `connect_error`; rooms that were joined by then are never entered. All of them
    /// together have 30 s. One that panics, or whose arguments cannot be made, refuses the client too.
    ///
    /// ```
    /// use serde::Deserialize;
    /// use socketio_server::{Auth, ConnectError, Namespace, Socket};
    ///
    /// #[derive(Deserialize)]
    /// struct Credentials { token: String }
    ///
    /// async fn authenticate(socket: Socket, Auth(credentials): Auth<Credentials>) -> Result<(), ConnectError> {
    ///     if credentials.token != "secret" {
    ///         return Err("not authorized".into());
    ///     }
    ///     socket.join("members");
    ///     Ok(())
    /// }
    ///
    /// fn demo(chat: Namespace) {
    ///     chat.use_middleware(authenticate);
    /// }
    /// ```
    pub fn use_middleware<H, A>(&self, middleware: H) -> &Self
    where
        H: Handler<ConnectContext, A>,
        H::Output: MiddlewareOutcome,
    {
        let middleware = Arc::from(erase_middleware(middleware));
        self.0.register(|table| table.middlewares.push(Arc::clone(&middleware)));
        self
    }

    /// Calls `hook` with each error that nobody else hears of: of handlers that fail, panic or cannot be called, and of
    /// emits whose value was dropped. It gets the socket, the event and the error, and must not block.
    ///
    /// There is one hook; a later one replaces it. All errors are logged as well.
    pub fn on_error(&self, hook: impl Fn(&Socket, &str, &HandlerError) + Send + Sync + 'static) -> &Self {
        let hook: Arc<table::ErrorHook> = Arc::new(hook);
        drop(self.0.register(|table| table.on_error.replace(Arc::clone(&hook))));
        self
    }

    /// Sends an event to all sockets of the namespace; see [`Broadcast::emit`].
    pub fn emit<T: Serialize>(&self, event: &str, args: T) -> Emit {
        self.all().emit(event, args)
    }

    /// Sends the event `message` to all sockets of the namespace.
    pub fn send<T: Serialize>(&self, args: T) -> Emit {
        self.emit("message", args)
    }

    /// Addresses the sockets in one or more rooms.
    #[must_use]
    pub fn to(&self, rooms: impl IntoRooms) -> Broadcast {
        self.all().to(rooms)
    }

    /// The same as [`to`](Self::to); Node calls it `in`.
    #[must_use]
    pub fn within(&self, rooms: impl IntoRooms) -> Broadcast {
        self.to(rooms)
    }

    /// Addresses all sockets but those in these rooms.
    #[must_use]
    pub fn except(&self, rooms: impl IntoRooms) -> Broadcast {
        self.all().except(rooms)
    }

    /// Addresses all sockets; a client that is not ready to receive at the instant of the emit may miss the event.
    #[must_use]
    pub fn volatile(&self) -> Broadcast {
        self.all().volatile()
    }

    /// Addresses all sockets with what their transports may compress, or may not; see [`Socket::compress`].
    #[must_use]
    pub fn compress(&self, compress: bool) -> Broadcast {
        self.all().compress(compress)
    }

    /// Addresses the sockets of this node.
    #[must_use]
    pub fn local(&self) -> Broadcast {
        self.all().local()
    }

    /// Addresses all sockets of the namespace.
    #[must_use]
    pub fn all(&self) -> Broadcast {
        Broadcast::new(&self.0)
    }

    /// The sockets of this node that are in the namespace.
    #[must_use]
    pub fn sockets(&self) -> Vec<Socket> {
        self.all().sockets()
    }

    /// How many sockets of this node are in the namespace.
    #[must_use]
    pub fn n_sockets(&self) -> usize {
        self.0.n_sockets()
    }

    /// The socket of this node with this id, while it is in the room of that name.
    #[must_use]
    pub fn socket(&self, id: &str) -> Option<Socket> {
        self.0.find(id)
    }

    pub(crate) fn from_inner(inner: &Arc<NamespaceInner>) -> Self {
        Self(Arc::clone(inner))
    }

    pub(crate) fn inner(&self) -> &Arc<NamespaceInner> {
        &self.0
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Namespace").field("name", &self.name()).finish_non_exhaustive()
    }
}
