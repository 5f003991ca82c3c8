//! A namespace's state, and the way of a broadcast through it.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use engine_io_parser::SharedFrame;
use hashbrown::HashSet;
use smallvec::SmallVec;
use socketio_adapter::rooms::JoinError;
use socketio_adapter::{BroadcastOptions, Outgoing, Room, SocketId};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;

use crate::config::Shared;
use crate::connection::Wake;
use crate::error::{EmitError, HandlerError};
use crate::event::ExtractError;
use crate::namespace::adapter_slot::AdapterSlot;
use crate::namespace::dynamic::{Child, Role};
use crate::namespace::local::{Local, Receipts, RoomsChanged, Slot};
use crate::namespace::room_events::RoomEvents;
use crate::namespace::server_side::{ServerEventHandler, ServerSide};
use crate::namespace::sessions::Sessions;
use crate::namespace::table::Table;
use crate::server::ServerInner;
use crate::socket::SocketInner;
use crate::sync::Mutex;
use crate::{Server, Socket};

/// One namespace of this node.
pub(crate) struct NamespaceInner {
    name: Box<str>,
    server: Weak<ServerInner>,
    role: Role,
    shared: Arc<Shared>,
    table: Mutex<Arc<Table>>,
    /// Counts the changes of `table`, so that readers need not lock it to know that theirs is current.
    version: AtomicU64,
    local: Mutex<Local>,
    pub(super) adapter: AdapterSlot,
    next_ack_id: AtomicU64,
    server_side: ServerSide,
    sessions: Sessions,
    /// Somebody listens to what is sent to a socket, or once did.
    has_outgoing_listeners: AtomicBool,
}

impl NamespaceInner {
    /// A namespace whose adapter is to be [started](Self::start).
    pub(crate) fn new(name: &str, server: Weak<ServerInner>, shared: Arc<Shared>, role: Role) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            server,
            role,
            table: Mutex::new(Arc::new(Table::default())),
            version: AtomicU64::new(0),
            local: Mutex::new(Local::new(shared.config.rooms)),
            shared,
            adapter: AdapterSlot::default(),
            next_ack_id: AtomicU64::new(0),
            server_side: ServerSide::default(),
            sessions: Sessions::default(),
            has_outgoing_listeners: AtomicBool::new(false),
        })
    }

    /// A namespace that has all of its parent's handlers. The parent's children must be locked.
    pub(crate) fn new_child(name: &str, parent: &Arc<Self>, child: Child) -> Arc<Self> {
        let (server, shared) = (Weak::clone(&parent.server), Arc::clone(&parent.shared));
        let namespace = Self::new(name, server, shared, Role::Child(child));
        *namespace.table.lock() = parent.table();
        namespace.server_side.inherit(&parent.server_side);
        namespace
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    pub(crate) fn role(&self) -> &Role {
        &self.role
    }

    /// The last client has left: the namespace goes, unless somebody has come meanwhile.
    pub(crate) fn retire(self: &Arc<Self>) {
        let Role::Child(child) = &self.role else { return };
        let Some(server) = self.server.upgrade() else { return };
        if !server.remove_if(&self.name, || child.retire()) {
            return;
        }
        if let Some(parent) = child.parent()
            && let Role::Parent(family) = parent.role()
        {
            family.with_children(|children| {
                // A new one of the same name may be there already.
                if children.get(&self.name).is_some_and(|known| Arc::ptr_eq(known, self)) {
                    children.remove(&self.name);
                }
            });
        }
        tracing::debug!(target: "socket.io:parent-namespace", namespace = self.name(), "empty, and gone");
        let namespace = Arc::clone(self);
        self.spawn(async move { namespace.close_adapter().await });
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn server(&self) -> Option<Server> {
        self.server.upgrade().map(Server::from_inner)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn server_side(&self) -> &ServerSide {
        &self.server_side
    }

    pub(crate) fn next_ack_id(&self) -> u64 {
        self.next_ack_id.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        match Handle::try_current() {
            Ok(handle) => self.shared.tasks.spawn(&handle, future),
            Err(_) => {
                tracing::error!(target: "socket.io:namespace", namespace = self.name(), "no runtime to spawn a task on")
            }
        }
    }

    /// Changes the table, and those of the children; sockets see it from their next event on. What is taken off is to be
    /// returned, and dropped by the caller: handlers own user values, whose drop may call back.
    pub(crate) fn register<R>(&self, mut change: impl FnMut(&mut Table) -> R) -> SmallVec<[R; 1]> {
        match &self.role {
            Role::Parent(family) => family.with_children(|children| {
                let all = std::iter::once(self).chain(children.values().map(|child| &**child));
                all.map(|namespace| namespace.change(&mut change)).collect()
            }),
            Role::Single | Role::Child(_) => SmallVec::from_iter([self.change(&mut change)]),
        }
    }

    /// Registers a handler of events of other servers, with the children too.
    pub(crate) fn register_server_side(&self, event: &Arc<str>, handler: &Arc<ServerEventHandler>) {
        let register =
            |namespace: &Self| namespace.server_side.register(Arc::clone(event), Arc::clone(handler));
        match &self.role {
            Role::Parent(family) => family.with_children(|children| {
                register(self);
                children.values().for_each(|child| register(child));
            }),
            Role::Single | Role::Child(_) => register(self),
        }
    }

    fn change<R>(&self, change: impl FnOnce(&mut Table) -> R) -> R {
        let mut table = self.table.lock();
        let result = change(Arc::make_mut(&mut table));
        self.version.fetch_add(1, Ordering::Release);
        result
    }

    pub(crate) fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table.lock())
    }

    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    pub(crate) fn insert(self: &Arc<Self>, socket: Arc<SocketInner>) -> Option<Slot> {
        self.local.lock().insert(socket, &*self.adapter())
    }

    pub(crate) fn remove(self: &Arc<Self>, slot: Slot) -> Vec<Room> {
        self.local.lock().remove(slot, &*self.adapter())
    }

    pub(crate) fn join(
        self: &Arc<Self>,
        slot: Slot,
        rooms: &[Room],
        changed: Option<&mut RoomsChanged>,
    ) -> Result<Receipts, JoinError> {
        self.local.lock().join(slot, rooms, &*self.adapter(), changed)
    }

    pub(crate) fn leave(self: &Arc<Self>, slot: Slot, rooms: &[Room], changed: Option<&mut RoomsChanged>) {
        self.local.lock().leave(slot, rooms, &*self.adapter(), changed);
    }

    pub(crate) fn rooms_of(&self, slot: Slot) -> Vec<Room> {
        self.local.lock().rooms_of(slot)
    }

    pub(crate) fn has_room(&self, room: &str) -> bool {
        match &self.role {
            Role::Parent(family) => family.children().iter().any(|child| child.has_room(room)),
            Role::Single | Role::Child(_) => self.local.lock().has_room(room),
        }
    }

    pub(crate) fn open_rooms(&self) -> Vec<Room> {
        match &self.role {
            Role::Parent(family) => {
                let rooms: HashSet<Room> =
                    family.children().iter().flat_map(|child| child.open_rooms()).collect();
                rooms.into_iter().collect()
            }
            Role::Single | Role::Child(_) => self.local.lock().open_rooms(),
        }
    }

    pub(super) fn ids_in(&self, room: &str) -> Vec<SocketId> {
        match &self.role {
            Role::Parent(family) => family.children().iter().flat_map(|child| child.ids_in(room)).collect(),
            Role::Single | Role::Child(_) => self.local.lock().ids_in(room),
        }
    }

    pub(super) fn rooms_of_id(&self, id: &str) -> Option<Vec<Room>> {
        match &self.role {
            Role::Parent(family) => family.children().iter().find_map(|child| child.rooms_of_id(id)),
            Role::Single | Role::Child(_) => self.local.lock().rooms_of_id(id),
        }
    }

    pub(super) fn room_events(&self) -> RoomEvents {
        self.local.lock().room_events()
    }

    pub(crate) fn n_sockets(&self) -> usize {
        match &self.role {
            Role::Parent(family) => family.children().iter().map(|child| child.n_sockets()).sum(),
            Role::Single | Role::Child(_) => self.local.lock().n_sockets(),
        }
    }

    pub(crate) fn find(&self, id: &str) -> Option<Socket> {
        if let Role::Parent(family) = &self.role {
            return family.children().iter().find_map(|child| child.find(id));
        }
        let socket = self.local.lock().find(id)?;
        socket.is_connected().then(|| Socket::from_inner(&socket))
    }

    /// Appends the local sockets that `options` address, each once.
    pub(crate) fn select(&self, options: &BroadcastOptions, into: &mut Vec<Arc<SocketInner>>) {
        match &self.role {
            Role::Parent(family) => family.children().iter().for_each(|child| child.select(options, into)),
            Role::Single | Role::Child(_) => self.local.lock().select(options, into),
        }
    }

    /// Fills the outbox of each local recipient, then wakes them. Returns how many they are.
    pub(crate) fn deliver(&self, frames: &[SharedFrame], options: &BroadcastOptions) -> usize {
        let mut sockets = RECIPIENTS.take();
        self.select(options, &mut sockets);
        // Of what this node sends, listeners have heard before.
        let is_unheard = self.has_outgoing_listeners() && !is_locked_by_adapter();
        let mut wakes = Vec::new();
        let mut n_reached = 0;
        for socket in sockets.drain(..) {
            if is_unheard {
                socket.tell_listeners(frames);
            }
            let queued = if options.flags().volatile {
                socket.queue_volatile(frames)
            } else {
                socket.queue(frames).map(Some)
            };
            // A client that is gone, or is closed for being slow, is told so by its connection.
            let Ok(queued) = queued else { continue };
            n_reached += 1;
            wakes.extend(queued.filter(Wake::is_needed));
        }
        if sockets.capacity() <= MAX_KEPT_RECIPIENTS {
            RECIPIENTS.set(sockets);
        }
        wake_paced(wakes);
        n_reached
    }

    pub(crate) fn listen_to_outgoing(&self) {
        self.has_outgoing_listeners.store(true, Ordering::Relaxed);
    }

    fn has_outgoing_listeners(&self) -> bool {
        self.has_outgoing_listeners.load(Ordering::Relaxed)
    }

    /// Runs `send`, which hands an event to the adapter, after those were told who listen to what is sent to their socket:
    /// an adapter may deliver under a lock of its own, where no user code is to run.
    pub(crate) fn send<R>(
        &self,
        packet: &Outgoing,
        options: &BroadcastOptions,
        send: impl FnOnce() -> R,
    ) -> R {
        if self.is_listened_to() {
            let mut sockets = Vec::new();
            self.select(options, &mut sockets);
            if let Ok(frames) = packet.frames(|_| Err::<[SharedFrame; 0], _>(())) {
                sockets.iter().for_each(|socket| socket.tell_listeners(frames));
            }
        }
        locked_by_adapter(send)
    }

    /// Whether anybody listens to what is sent to a socket, of the children's too.
    fn is_listened_to(&self) -> bool {
        match &self.role {
            Role::Parent(family) => family.children().iter().any(|child| child.has_outgoing_listeners()),
            Role::Single | Role::Child(_) => self.has_outgoing_listeners(),
        }
    }

    /// Hands an error to the hook and to the log.
    pub(crate) fn report(&self, socket: &Socket, event: &str, error: &HandlerError) {
        let cause = std::error::Error::source(error).map(tracing::field::display);
        // What the client sent is its fault, everything else is ours or the application's.
        if let HandlerError::Extract(ExtractError::Args { .. } | ExtractError::Auth { .. }) = error {
            tracing::debug!(target: "socket.io:socket", sid = %socket.id(), namespace = self.name(), event = loggable(event), %error, cause, "event dropped");
        } else {
            tracing::error!(target: "socket.io:socket", sid = %socket.id(), namespace = self.name(), event = loggable(event), %error, cause, "handler failed");
        }
        let hook = self.table().on_error.clone();
        if let Some(hook) = hook
            && catch_unwind(AssertUnwindSafe(|| hook(socket, event, error))).is_err()
        {
            tracing::error!(target: "socket.io:namespace", namespace = self.name(), "the error hook panicked");
        }
    }

    /// As [`report`](Self::report), for what no socket has caused: there is nobody to name to the hook.
    pub(crate) fn report_emit(&self, event: &str, error: &EmitError) {
        let cause = std::error::Error::source(error).map(tracing::field::display);
        tracing::error!(target: "socket.io:namespace", namespace = self.name(), event, %error, cause, "event not sent");
    }
}

impl fmt::Debug for NamespaceInner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamespaceInner").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What of a client's string goes into a log line.
fn loggable(text: &str) -> &str {
    let end = text.char_indices().nth(64).map_or(text.len(), |(end, _)| end);
    text.get(..end).unwrap_or_default()
}

/// Wakes connections in slices, with a yield between them on a runtime of one thread: there a broadcast to thousands
/// would hold up everybody else until the last of them is written to.
pub(super) fn wake_paced(mut wakes: Vec<Wake>) {
    if wakes.len() > WOKEN_AT_ONCE
        && let Ok(handle) = Handle::try_current()
        && handle.runtime_flavor() == RuntimeFlavor::CurrentThread
    {
        let (done, waking) = oneshot::channel();
        WAKING.set(Some(waking));
        handle.spawn(async move {
            while !wakes.is_empty() {
                let rest = wakes.len().saturating_sub(WOKEN_AT_ONCE);
                wakes.truncate(rest);
                tokio::task::yield_now().await;
            }
            // Nobody may be waiting.
            let _ = done.send(());
        });
    }
}

/// What the last delivery on this thread left to be awaited: an adapter stands between the emit and the delivery.
pub(crate) fn take_waking() -> Option<oneshot::Receiver<()>> {
    WAKING.take()
}

/// Runs what an adapter may do under a lock of its own, where no user code is to run.
pub(crate) fn locked_by_adapter<R>(run: impl FnOnce() -> R) -> R {
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            IS_LOCKED.set(self.0);
        }
    }
    let _before = Before(IS_LOCKED.replace(true));
    run()
}

/// Whether an adapter may have locked something on this thread at this moment: what runs user code has to wait then.
pub(crate) fn is_locked_by_adapter() -> bool {
    IS_LOCKED.get()
}

thread_local! {
    /// Within [`locked_by_adapter`].
    static IS_LOCKED: Cell<bool> = const { Cell::new(false) };
    static RECIPIENTS: Cell<Vec<Arc<SocketInner>>> = const { Cell::new(Vec::new()) };
    static WAKING: Cell<Option<oneshot::Receiver<()>>> = const { Cell::new(None) };
}

const WOKEN_AT_ONCE: usize = 128;

/// What a thread keeps between two broadcasts, in recipients.
const MAX_KEPT_RECIPIENTS: usize = 16 * 1024;
