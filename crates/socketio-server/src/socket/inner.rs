//! A socket's state, and how it comes and goes.

use std::future::Future;
use std::sync::Arc;

use engine_io_parser::{SharedFrame, Text};
use socketio_adapter as adapter;
use socketio_adapter::rooms::JoinError;
use socketio_adapter::{AckSink, Outgoing, Room, SocketId, SocketSnapshot};

use crate::config::Shared;
use crate::connection::{SendError, Wake};
use crate::driver::ClientInner;
use crate::error::{EmitError, HandlerError, JoinRoomError};
use crate::event::DisconnectContext;
use crate::event::dispatch::{self, Dispatch};
use crate::event::run::Panicked;
use crate::interchange::frames_of_args;
use crate::namespace::{Kept, NamespaceInner, Receipts, SessionKey, Slot, Stay};
use crate::socket::acks::{AckTable, OpenWait, Refused};
use crate::socket::data::SocketData;
use crate::socket::expiry::Expiry;
use crate::socket::gate::{Farewell, Gate};
use crate::socket::outgoing::OutgoingListeners;
use crate::sync::Mutex;
use crate::{DisconnectReason, Handshake, Socket};

/// One client in one namespace.
pub(crate) struct SocketInner {
    id: SocketId,
    namespace: Arc<NamespaceInner>,
    pub(crate) handshake: Handshake,
    pub(crate) data: SocketData,
    pub(crate) dispatch: Dispatch,
    pub(crate) outgoing: OutgoingListeners,
    pub(crate) acks: Mutex<AckTable>,
    gate: Gate,
    membership: Mutex<Membership>,
    /// If the socket can come back.
    session: Option<Box<SessionKey>>,
    is_recovered: bool,
}

/// Where a socket stands in its namespace's table.
enum Membership {
    /// Middleware is deciding; the rooms are joined when it accepts, and nobody hears of them if it does not.
    Early(Box<Early>),
    Entered {
        slot: Slot,
        stay: Stay,
        expiry: Expiry,
    },
    /// It is in no room any more; these it was in until now, for handlers that ask.
    Leaving(Box<[Room]>),
    Left,
}

struct Early {
    rooms: Vec<Room>,
    stay: Stay,
    expiry: Expiry,
}

/// What became of asking a client for an ack.
pub(crate) enum Asked {
    /// It is not connected, so it is not counted.
    Absent,
    /// It was not sent the event, and that was told.
    Refused,
    /// The event is in its outbox.
    Waiting(Wake),
}

impl SocketInner {
    pub(crate) fn new(
        id: SocketId,
        namespace: Arc<NamespaceInner>,
        stay: Stay,
        handshake: Handshake,
        session: Option<SessionKey>,
    ) -> Arc<Self> {
        Arc::new(Self {
            session: session.map(Box::new),
            is_recovered: false,
            id,
            namespace,
            handshake,
            data: SocketData::default(),
            dispatch: Dispatch::new(),
            outgoing: OutgoingListeners::default(),
            acks: Mutex::new(AckTable::default()),
            gate: Gate::new(),
            membership: Mutex::new(Membership::Early(Box::new(Early {
                rooms: Vec::new(),
                stay,
                expiry: Expiry::default(),
            }))),
        })
    }

    /// A socket that goes on where it was.
    pub(crate) fn resume(
        id: SocketId,
        namespace: Arc<NamespaceInner>,
        stay: Stay,
        handshake: Handshake,
        Kept { key: session, rooms, data }: Kept,
    ) -> Arc<Self> {
        let own = Room::from(&id);
        let rooms = rooms.into_iter().filter(|room| *room != own).collect();
        let mut socket = Self::new(id, namespace, stay, handshake, Some(session));
        if let Some(socket) = Arc::get_mut(&mut socket) {
            socket.is_recovered = true;
            socket.data = data;
            if let Membership::Early(early) = &mut *socket.membership.lock() {
                early.rooms = rooms;
            }
        }
        socket
    }

    pub(crate) fn session(&self) -> Option<&SessionKey> {
        self.session.as_deref()
    }

    pub(crate) fn is_recovered(&self) -> bool {
        self.is_recovered
    }

    /// Whether an event for it is of any use: its client is here, or may come back.
    pub(crate) fn is_expected(&self) -> bool {
        self.is_connected()
            || self.session().is_some_and(|key| self.namespace.sessions().is_expected(&key.private_id))
    }

    pub(crate) fn id(&self) -> &SocketId {
        &self.id
    }

    pub(crate) fn namespace_inner(&self) -> &Arc<NamespaceInner> {
        &self.namespace
    }

    pub(crate) fn client(&self) -> &Arc<ClientInner> {
        self.handshake.client()
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        self.namespace.shared()
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.gate.is_open()
    }

    /// Spawns a task of user code.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.client().spawn(future);
    }

    /// Queues frames if the socket is connected; the wake may be kept.
    pub(crate) fn queue(&self, frames: &[SharedFrame]) -> Result<Wake, EmitError> {
        self.through_gate(|| self.client().connection.queue(frames))?.map_err(|error| match error {
            SendError::Closed => EmitError::Disconnected,
            SendError::SlowConsumer => EmitError::SlowConsumer,
        })
    }

    /// Queues frames if the socket is connected and ready to receive at this instant.
    pub(crate) fn queue_volatile(&self, frames: &[SharedFrame]) -> Result<Option<Wake>, EmitError> {
        self.through_gate(|| self.client().connection.queue_volatile(frames))
    }

    /// Tells those who listen of what is about to be sent.
    #[inline]
    pub(crate) fn tell_listeners(self: &Arc<Self>, frames: &[SharedFrame]) {
        let failed = |event: &str, panicked: Panicked| self.report(event, &panicked.into());
        self.outgoing.notify(&self.shared().parser, frames, failed);
    }

    /// Queues what the client missed. That it was sent once before, listeners know.
    pub(crate) fn catch_up(&self, missed: &[Outgoing]) {
        let parser = &self.shared().parser;
        for packet in missed {
            let name = self.namespace.name();
            match packet.frames(|args| frames_of_args(parser, name, None, args)) {
                Ok(frames) => drop(self.queue(frames)),
                Err(error) => {
                    tracing::error!(target: "socket.io:socket", sid = %self.id, %error, "a missed event not encoded");
                }
            }
        }
    }

    fn through_gate<T>(&self, send: impl FnOnce() -> T) -> Result<T, EmitError> {
        if !self.gate.enter() {
            return Err(EmitError::Disconnected);
        }
        let result = send();
        if self.gate.leave() {
            self.say_farewell();
        }
        Ok(result)
    }

    /// Tells the client that it has left.
    fn say_farewell(&self) {
        match self.shared().parser.encode_disconnect(self.namespace.name()) {
            // The connection may be closed by now, and then the client knows.
            Ok(packet) => drop(self.client().send(packet)),
            Err(error) => {
                tracing::error!(target: "socket.io:socket", sid = %self.id, %error, "DISCONNECT not encoded");
            }
        }
    }

    /// The client was accepted and has been told: events reach it from now on. Returns whether it is still there.
    pub(crate) fn enter(self: &Arc<Self>) -> bool {
        let mut refused = Vec::new();
        let is_expired;
        {
            let mut membership = self.membership.lock();
            let Early { rooms, stay, expiry } = match std::mem::replace(&mut *membership, Membership::Left) {
                Membership::Early(early) => *early,
                other => {
                    *membership = other;
                    return false;
                }
            };
            let Some(slot) = self.namespace.insert(Arc::clone(self)) else { return false };
            for room in rooms {
                if let Err(error) = self.namespace.join(slot, std::slice::from_ref(&room), None) {
                    refused.push(error);
                }
            }
            is_expired = expiry.is_past();
            *membership = Membership::Entered { slot, stay, expiry };
        }
        if !self.gate.open() {
            self.leave_namespace();
            return false;
        }
        if is_expired {
            self.expire();
        }
        if !refused.is_empty() {
            // Not here: the adapter may have locked something.
            let socket = Arc::clone(self);
            self.spawn(async move {
                for error in refused {
                    socket.report("connect", &HandlerError::Join(error.into()));
                }
            });
        }
        true
    }

    /// The application makes the client leave the namespace.
    pub(crate) fn disconnect(self: &Arc<Self>) {
        self.send_away(None);
    }

    /// Its time is over.
    pub(super) fn expire(self: &Arc<Self>) {
        self.send_away(Some("the time of `disconnect_after` is over".into()));
    }

    fn send_away(self: &Arc<Self>, detail: Option<Arc<str>>) {
        // Not before the client was told that it is in: the farewell would overtake the welcome.
        if self.gate.is_open() && self.client().leave(self) {
            self.end(DisconnectReason::ServerNamespaceDisconnect, detail, Farewell::Disconnect);
        }
    }

    /// Looks at how long it may stay, unless it has left.
    pub(super) fn with_expiry<R>(&self, work: impl FnOnce(&mut Expiry) -> R) -> Option<R> {
        match &mut *self.membership.lock() {
            Membership::Early(early) => Some(work(&mut early.expiry)),
            Membership::Entered { expiry, .. } => Some(work(expiry)),
            Membership::Leaving(_) | Membership::Left => None,
        }
    }

    /// The client has left, or its connection is gone.
    pub(crate) fn left(self: &Arc<Self>, reason: DisconnectReason, detail: Option<Arc<str>>) {
        self.end(reason, detail, Farewell::Silent);
    }

    fn end(self: &Arc<Self>, reason: DisconnectReason, detail: Option<Arc<str>>, farewell: Farewell) {
        let Some(closed) = self.gate.close(farewell) else { return };
        if closed.is_farewell_due {
            self.say_farewell();
        }
        tracing::debug!(target: "socket.io:socket", sid = %self.id, namespace = self.namespace.name(), %reason, "left");
        let waiting = self.acks.lock().close();
        drop(waiting);
        self.outgoing.clear();
        // Before it leaves, so that its namespace does not go.
        let stay = self.session().and_then(|_| Stay::begin(&self.namespace));
        let rooms = self.leave_namespace();
        self.namespace.session_ended(self, reason, &rooms, stay);
        let socket = Socket::from_inner(self);
        let context = closed.was_open.then(|| DisconnectContext { socket, reason, detail, rooms });
        dispatch::close(self, context);
    }

    fn leave_namespace(&self) -> Vec<Room> {
        let mut membership = self.membership.lock();
        let (rooms, stay, mut expiry) = match std::mem::replace(&mut *membership, Membership::Left) {
            Membership::Entered { slot, stay, expiry } => (self.namespace.remove(slot), stay, expiry),
            Membership::Early(early) => (Vec::new(), early.stay, early.expiry),
            Membership::Leaving(_) | Membership::Left => return Vec::new(),
        };
        drop(membership);
        expiry.clear(&self.shared().expirations);
        // The namespace may go now.
        drop(stay);
        rooms
    }

    /// Handlers are to see the rooms that the socket was in, until they are [forgotten](Self::forget_rooms).
    pub(crate) fn show_rooms(&self, rooms: &[Room]) {
        *self.membership.lock() = Membership::Leaving(rooms.into());
    }

    /// It is in no room any more, and does not keep its namespace from going.
    pub(crate) fn forget_rooms(&self) {
        let before = std::mem::replace(&mut *self.membership.lock(), Membership::Left);
        drop(before);
    }

    pub(crate) fn join_now(&self, rooms: &[Room]) -> Result<Receipts, JoinError> {
        let slot = match &mut *self.membership.lock() {
            Membership::Early(early) => {
                let early = &mut early.rooms;
                let limits = self.shared().config.rooms;
                if let Some(room) = rooms.iter().find(|room| room.len() > limits.max_room_name_bytes) {
                    return Err(JoinError::NameTooLong { size: room.len(), max: limits.max_room_name_bytes });
                }
                // Its own room will be one more.
                if early.len() + rooms.len() >= limits.max_rooms_per_socket {
                    return Err(JoinError::TooManyRooms { max: limits.max_rooms_per_socket });
                }
                early.extend_from_slice(rooms);
                return Ok(Receipts::new());
            }
            Membership::Entered { slot, .. } => *slot,
            Membership::Leaving(_) | Membership::Left => return Err(JoinError::Gone),
        };
        self.namespace.change_rooms(self, |changed| self.namespace.join(slot, rooms, changed))
    }

    pub(crate) fn leave_now(&self, rooms: &[Room]) {
        let slot = match &mut *self.membership.lock() {
            Membership::Early(early) => return early.rooms.retain(|room| !rooms.contains(room)),
            Membership::Entered { slot, .. } => *slot,
            Membership::Leaving(_) | Membership::Left => return,
        };
        self.namespace.change_rooms(self, |changed| self.namespace.leave(slot, rooms, changed));
    }

    pub(crate) fn rooms(&self) -> Vec<Room> {
        let slot = match &*self.membership.lock() {
            Membership::Early(early) => return early.rooms.clone(),
            Membership::Leaving(rooms) => return rooms.to_vec(),
            Membership::Entered { slot, .. } => *slot,
            Membership::Left => return Vec::new(),
        };
        self.namespace.rooms_of(slot)
    }

    /// The client has answered an event.
    pub(crate) fn handle_ack(&self, id: u64, args: socketio_parser::Args) {
        let answered = self.acks.lock().take(id);
        match answered {
            Some(answered) => answered.resolve(args),
            None => tracing::trace!(target: "socket.io:socket", sid = %self.id, id, "ack nobody waits for"),
        }
    }

    /// Asks the client for an ack to a broadcast. Its part of the answer is told through `acks`, unless it is not here.
    pub(crate) fn ask(&self, id: u64, frames: &[SharedFrame], acks: &AckSink, open: &OpenWait) -> Asked {
        let max = self.shared().config.max_pending_acks;
        if !self.is_connected() {
            return Asked::Absent;
        }
        let pending = acks.asked(self.id.clone());
        let expected = self.acks.lock().expect_for_broadcast(id, pending, open, max);
        if let Err((refused, pending)) = expected {
            pending.resolve(Err(match refused {
                Refused::Closed => adapter::AckError::Disconnected,
                Refused::Full => adapter::AckError::TooMany { max },
            }));
            return Asked::Refused;
        }
        match self.queue(frames) {
            Ok(wake) => Asked::Waiting(wake),
            Err(_) => {
                self.forget_broadcast_ack(id, adapter::AckError::Disconnected);
                Asked::Refused
            }
        }
    }

    pub(crate) fn forget_broadcast_ack(&self, id: u64, error: adapter::AckError) {
        let answered = self.acks.lock().take(id);
        if let Some(answered) = answered {
            answered.fail(error);
        }
    }

    pub(crate) fn snapshot(&self) -> SocketSnapshot {
        let mut snapshot = SocketSnapshot::new(self.id.clone());
        snapshot.rooms = self.rooms();
        if let Ok(handshake) = serde_json::to_string(&self.handshake) {
            snapshot.handshake = Text::from(handshake);
        }
        snapshot.data = Text::from(self.data.to_shared_json());
        snapshot
    }

    /// Hands an error that nobody else hears of to the namespace's hook and to the log.
    pub(crate) fn report(self: &Arc<Self>, event: &str, error: &HandlerError) {
        if !matches!(
            error,
            HandlerError::Emit(EmitError::Disconnected)
                | HandlerError::Join(JoinRoomError::Refused(JoinError::Gone))
        ) {
            self.namespace.report(&Socket::from_inner(self), event, error);
        }
    }
}
