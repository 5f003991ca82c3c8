//! When handlers run: in order of arrival, a bounded number at a time, events beyond it parked.
//!
//! ```text
//!            connect handler ends, or 30 s              64 handlers are running
//!   Held ──────────────────────────────► Starting ─────────────────────────────► Full
//!     │                                     ▲                                      │
//!     │ socket leaves                       └────────── a handler ends ────────────┘
//!     ▼
//!   Closed (from anywhere): parked events and listeners are dropped
//! ```
//!
//! At most one thread starts handlers of a socket at a time, so that they start in order even though a handler that
//! ends on another thread lets parked ones start. Acks, pongs and DISCONNECT never come through here.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use engine_io_parser::Text;
use smallvec::SmallVec;
use socketio_parser::Args;

use crate::Socket;
use crate::connection::Flow;
use crate::error::HandlerError;
use crate::event::run::{Caught, Panicked, poll_once};
use crate::event::{Ack, Call, DisconnectContext, EventContext, HandlerId, Verdict};
use crate::namespace::{Registered, Table};
use crate::socket::SocketInner;
use crate::sync::Mutex;

/// A socket's events between the decoder and their handlers.
pub(crate) struct Dispatch(Mutex<State>);

struct State {
    phase: Phase,
    /// Somebody is starting handlers and will look at what is parked when done.
    is_starting: bool,
    n_running: usize,
    parked: VecDeque<Event>,
    /// The namespace's handlers as last seen; taken out while handlers are being started.
    shared: Option<(u64, Arc<Table>)>,
    /// Handlers of this socket alone.
    own: Option<Arc<Table>>,
}

enum Phase {
    /// The connect handlers are running. The socket may have left meanwhile: then its end waits for them.
    Held {
        farewell: Option<Box<Farewell>>,
    },
    Open,
    Closed,
}

struct Farewell {
    context: DisconnectContext,
    disconnecting: Vec<DisconnectHandler>,
    disconnect: Vec<DisconnectHandler>,
}

type DisconnectHandler = Arc<Call<DisconnectContext, HandlerError>>;

/// An event that waits for its handler.
#[derive(Clone)]
pub(crate) struct Event {
    pub(crate) name: Text,
    pub(crate) id: Option<u64>,
    pub(crate) args: Args,
    /// What it counts for while it is parked.
    pub(crate) cost: usize,
}

impl Event {
    /// An event whose frames have this many bytes.
    pub(crate) fn new(name: Text, id: Option<u64>, args: Args, n_bytes: usize) -> Self {
        // Many small events must not cost more than a few large ones.
        let cost = n_bytes.saturating_add(size_of::<Self>());
        Self { name, id, args, cost }
    }
}

impl Dispatch {
    /// Events are held until [`release`] is called.
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State {
            phase: Phase::Held { farewell: None },
            is_starting: false,
            n_running: 0,
            parked: VecDeque::new(),
            shared: None,
            own: None,
        }))
    }

    /// Changes the handlers of this socket alone; without effect once it has left. What is taken off is to be returned,
    /// and dropped by the caller: handlers own user values, whose drop may call back.
    pub(crate) fn register<R>(&self, change: impl FnOnce(&mut Table) -> R) -> Option<R> {
        let mut state = self.0.lock();
        if !matches!(state.phase, Phase::Open | Phase::Held { farewell: None }) {
            return None;
        }
        Some(change(Arc::make_mut(state.own.get_or_insert_default())))
    }

    /// Takes a handler of this socket alone off; returns whether it was there.
    pub(crate) fn remove(&self, id: HandlerId) -> bool {
        self.register(|own| own.remove(id)).flatten().is_some()
    }

    /// The handlers of all events that are this socket's alone.
    pub(crate) fn listeners_any(&self) -> Vec<HandlerId> {
        let state = self.0.lock();
        state.own.iter().flat_map(|own| &own.any).map(|handler| handler.id).collect()
    }
}

/// An event has arrived: starts its handlers, or parks it.
pub(crate) fn handle_event(socket: &Arc<SocketInner>, event: Event) -> Flow {
    let max_running = socket.shared().config.max_running_handlers;
    let mut state = socket.dispatch.0.lock();
    match state.phase {
        Phase::Closed | Phase::Held { farewell: Some(_) } => return Flow::Continue,
        Phase::Open if !state.is_starting && state.parked.is_empty() && state.n_running < max_running => {}
        Phase::Open | Phase::Held { farewell: None } => {
            let cost = event.cost;
            state.parked.push_back(event);
            // Under the lock, so that the event is counted before anybody can take it out.
            return socket.client().park(cost);
        }
    }
    let handlers = state.begin(socket);
    drop(state);
    if !handlers.is_plain() && handlers.has_middleware() {
        let starting = Starting::new(socket, handlers);
        socket.client().run(async move { starting.check(event).await });
        return Flow::Continue;
    }
    start(socket, &handlers, event);
    if finish(socket, handlers) {
        spawn_drain(socket);
    }
    Flow::Continue
}

/// The connect handlers have ended, or have had their time: events may start.
pub(crate) async fn release(socket: &Arc<SocketInner>) {
    let farewell = {
        let mut state = socket.dispatch.0.lock();
        let Phase::Held { farewell } = &mut state.phase else { return };
        let farewell = farewell.take();
        state.phase = if farewell.is_some() { Phase::Closed } else { Phase::Open };
        farewell
    };
    match farewell {
        Some(farewell) => farewell.run(socket),
        None => drain_if_idle(socket).await,
    }
}

/// The socket has left: parked events and listeners are dropped, and the disconnect handlers run, after the connect
/// handlers if these are still at it. Without a context nobody has seen the socket, and nobody is told.
pub(crate) fn close(socket: &Arc<SocketInner>, context: Option<DisconnectContext>) {
    let mut state = socket.dispatch.0.lock();
    if matches!(state.phase, Phase::Closed | Phase::Held { farewell: Some(_) }) {
        return;
    }
    let parked = std::mem::take(&mut state.parked);
    let own = state.own.take();
    let farewell = context.map(|context| {
        let table = socket.namespace_inner().table();
        let of_both = |pick: fn(&Table) -> &Vec<DisconnectHandler>| {
            let own = own.iter().flat_map(|own| pick(own));
            pick(&table).iter().chain(own).cloned().collect()
        };
        let disconnecting: Vec<_> = of_both(|table| &table.disconnecting);
        if !disconnecting.is_empty() {
            socket.show_rooms(&context.rooms);
        }
        Box::new(Farewell { context, disconnecting, disconnect: of_both(|table| &table.disconnect) })
    });
    let due = match (&mut state.phase, farewell) {
        (Phase::Held { farewell: waiting }, Some(farewell)) => {
            *waiting = Some(farewell);
            None
        }
        (phase, farewell) => {
            *phase = Phase::Closed;
            farewell
        }
    };
    drop(state);
    if !parked.is_empty() {
        tracing::debug!(target: "socket.io:socket", sid = %socket.id(), n = parked.len(), "events that waited are dropped");
        socket.client().unpark(parked.iter().map(|event| event.cost).sum());
    }
    // Handlers own user values, whose drop may call back.
    drop((parked, own));
    if let Some(farewell) = due {
        farewell.run(socket);
    }
}

impl State {
    /// Becomes the one who starts handlers. The table is taken along, so that no count is touched that all
    /// connections share.
    fn begin(&mut self, socket: &Arc<SocketInner>) -> Handlers {
        self.is_starting = true;
        let namespace = socket.namespace_inner();
        let version = namespace.version();
        let shared = match self.shared.take() {
            Some((seen, table)) if seen == version => (seen, table),
            _ => (version, namespace.table()),
        };
        Handlers { shared, own: self.own.clone() }
    }
}

struct Handlers {
    shared: (u64, Arc<Table>),
    own: Option<Arc<Table>>,
}

impl Handlers {
    /// The namespace's, then the socket's own.
    fn tables(&self) -> impl Iterator<Item = &Table> {
        [Some(&*self.shared.1), self.own.as_deref()].into_iter().flatten()
    }

    /// Adds the handlers of all events.
    fn find_any<'a>(&'a self, found: &mut Found<'a>) {
        for table in self.tables() {
            found.extend(&table.any);
        }
    }

    /// Adds the handlers of an event.
    #[inline]
    fn find<'a>(&'a self, name: &str, found: &mut Found<'a>) {
        for table in self.tables() {
            if let Some(list) = table.events.get(name) {
                list.iter().for_each(|handler| found.push(handler));
            }
        }
    }

    /// Whether events concern nobody but their own handlers, as is usual.
    #[inline]
    fn is_plain(&self) -> bool {
        self.own.is_none() && self.shared.1.any.is_empty() && self.shared.1.event_middlewares.is_empty()
    }

    fn has_middleware(&self) -> bool {
        self.tables().any(|table| !table.event_middlewares.is_empty())
    }
}

type Found<'a> = SmallVec<[&'a Registered; 1]>;

/// Starts the handlers of one event; those that are pending go on as tasks.
fn start(socket: &Arc<SocketInner>, handlers: &Handlers, event: Event) {
    if socket.shared().is_closing.load(Ordering::Acquire) {
        return;
    }
    let mut found = Found::new();
    if !handlers.is_plain() {
        handlers.find_any(&mut found);
    }
    handlers.find(&event.name, &mut found);
    let handle = Socket::from_inner(socket);
    let mut acks = Ack::for_handlers(&handle, event.id, found.len());
    // Most events have one handler.
    if let [handler] = found[..] {
        let Event { name, args, .. } = event;
        return call(socket, handler, EventContext { socket: handle, name, args, ack: acks.next() });
    }
    call_each(socket, handle, &found, event, acks);
}

/// Whoever starts handlers after middlewares have looked at the event. Until it is through, or is dropped, later events
/// are parked, so that they start in the order of arrival.
struct Starting {
    socket: Arc<SocketInner>,
    handlers: Option<Handlers>,
}

impl Starting {
    fn new(socket: &Arc<SocketInner>, handlers: Handlers) -> Self {
        Self { socket: Arc::clone(socket), handlers: Some(handlers) }
    }

    /// As [`start`], but for the middlewares. Handlers of all events do not wait for them.
    async fn check(&self, mut event: Event) {
        let (socket, Some(handlers)) = (&self.socket, &self.handlers) else { return };
        if socket.shared().is_closing.load(Ordering::Acquire) {
            return;
        }
        // How many handlers may answer is not known yet.
        let handle = Socket::from_inner(socket);
        let mut acks = Ack::for_handlers(&handle, event.id, usize::MAX);
        let mut any = Found::new();
        handlers.find_any(&mut any);
        call_each(socket, handle.clone(), &any, event.clone(), &mut acks);
        let arrived_as = event.name.clone();
        let mut decision = Box::pin(check(socket, handlers, &mut event));
        let decided = match poll_once(&mut decision).await {
            Poll::Ready(decided) => decided,
            Poll::Pending => {
                let timeout = socket.shared().config.middleware_timeout;
                let decided = tokio::time::timeout(timeout, &mut decision).await;
                decided.unwrap_or(Err(HandlerError::MiddlewareTimeout { timeout }))
            }
        };
        drop(decision);
        match decided {
            Ok(true) => {
                let mut found = Found::new();
                handlers.find(&event.name, &mut found);
                call_each(socket, handle, &found, event, acks);
            }
            Ok(false) => {}
            Err(error) => socket.report(&arrived_as, &error),
        }
    }

    async fn run(&self, event: Event) {
        match &self.handlers {
            Some(handlers) if !handlers.has_middleware() => start(&self.socket, handlers, event),
            _ => self.check(event).await,
        }
    }

    /// Stops being the one who starts handlers.
    fn finish(mut self) {
        if let Some(handlers) = self.handlers.take() {
            finish(&self.socket, handlers);
        }
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(handlers) = self.handlers.take()
            && finish(&self.socket, handlers)
        {
            spawn_drain(&self.socket);
        }
    }
}

/// Has the middlewares look at an event one after the other; returns whether it goes on.
async fn check(
    socket: &Arc<SocketInner>,
    handlers: &Handlers,
    event: &mut Event,
) -> Result<bool, HandlerError> {
    for middleware in handlers.tables().flat_map(|table| &table.event_middlewares) {
        let (name, args) = (event.name.clone(), event.args.clone());
        let context = EventContext { socket: Socket::from_inner(socket), name, args, ack: None };
        match Caught::new(|| middleware(context)).await?? {
            Verdict::Pass => {}
            Verdict::Changed(changed) => (event.name, event.args) = changed.into_parts(),
            Verdict::Dropped => return Ok(false),
        }
        if !socket.is_connected() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn call_each(
    socket: &Arc<SocketInner>,
    handle: Socket,
    found: &[&Registered],
    event: Event,
    mut acks: impl Iterator<Item = Ack>,
) {
    let Event { name, args, .. } = event;
    let Some((last, others)) = found.split_last() else {
        tracing::trace!(target: "socket.io:socket", sid = %socket.id(), "event without handler");
        return;
    };
    for handler in others {
        let (name, args) = (name.clone(), args.clone());
        call(socket, handler, EventContext { socket: handle.clone(), name, args, ack: acks.next() });
    }
    // The last handler, most often the only one, gets what has come in itself.
    let ack = acks.next();
    drop(acks);
    call(socket, last, EventContext { socket: handle, name, args, ack });
}

fn call(socket: &Arc<SocketInner>, handler: &Registered, context: EventContext) {
    if handler.is_once {
        socket.dispatch.remove(handler.id);
    }
    // For reports; a short name is no memory.
    let event = context.name.clone();
    let mut future = Caught::new(|| (handler.call)(context));
    match future.poll_in_place() {
        // The name is of interest only if there is something to report.
        Poll::Ready(Ok(Ok(()))) => {}
        Poll::Ready(result) => report(socket, &event, result),
        Poll::Pending => {
            let running = Running::new(socket);
            socket.spawn(async move {
                let result = future.await;
                report(&running.0, &event, result);
                running.finish().await;
            });
        }
    }
}

/// Stops being the one who starts handlers; returns whether some are due after all.
fn finish(socket: &Arc<SocketInner>, handlers: Handlers) -> bool {
    let Handlers { shared, own } = handlers;
    let mut state = socket.dispatch.0.lock();
    state.is_starting = false;
    if !matches!(state.phase, Phase::Closed) {
        state.shared = Some(shared);
    }
    let is_due = state.is_due(socket);
    drop(state);
    drop(own);
    is_due
}

impl State {
    fn is_due(&self, socket: &Arc<SocketInner>) -> bool {
        matches!(self.phase, Phase::Open)
            && !self.is_starting
            && !self.parked.is_empty()
            && self.n_running < socket.shared().config.max_running_handlers
    }
}

fn spawn_drain(socket: &Arc<SocketInner>) {
    let drained = Arc::clone(socket);
    socket.spawn(async move { drain_if_idle(&drained).await });
}

/// Starts what is parked, in order, as far as the bound allows.
async fn drain_if_idle(socket: &Arc<SocketInner>) {
    let mut n_started = 0_usize;
    loop {
        let (handlers, event) = {
            let mut state = socket.dispatch.0.lock();
            if !state.is_due(socket) {
                return;
            }
            let Some(event) = state.parked.pop_front() else { return };
            if state.parked.is_empty() {
                // An idle socket keeps no room for what it once had parked.
                state.parked = VecDeque::new();
            }
            (state.begin(socket), event)
        };
        socket.client().unpark(event.cost);
        let starting = Starting::new(socket, handlers);
        starting.run(event).await;
        starting.finish();
        n_started += 1;
        if n_started.is_multiple_of(MAX_STARTED_AT_ONCE) {
            tokio::task::yield_now().await;
        }
    }
}

/// Others get their turn after so many handlers were started in a row.
const MAX_STARTED_AT_ONCE: usize = 64;

/// One handler that is a task now, counted until it ends, also if it is aborted.
struct Running(Arc<SocketInner>);

impl Running {
    fn new(socket: &Arc<SocketInner>) -> Self {
        socket.dispatch.0.lock().n_running += 1;
        Self(Arc::clone(socket))
    }

    /// The handler has ended: parked events may start, on this task.
    async fn finish(self) {
        let socket = Arc::clone(&self.0);
        drop(self);
        drain_if_idle(&socket).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dispatch.0.lock().n_running -= 1;
    }
}

impl Farewell {
    /// As a task: whoever makes a socket leave may hold locks of his own.
    fn run(self, socket: &Arc<SocketInner>) {
        if self.disconnecting.is_empty() && self.disconnect.is_empty() {
            return;
        }
        let Self { context, disconnecting, disconnect } = self;
        let left = Arc::clone(socket);
        socket.spawn(async move {
            for handler in disconnecting {
                let result = Caught::new(|| handler(context.clone())).await;
                report(&left, "disconnecting", result);
            }
            left.forget_rooms();
            for handler in disconnect {
                let result = Caught::new(|| handler(context.clone())).await;
                report(&left, "disconnect", result);
            }
        });
    }
}

/// Hands an error to the namespace's hook and to the log.
pub(crate) fn report(
    socket: &Arc<SocketInner>,
    event: &str,
    result: Result<Result<(), HandlerError>, Panicked>,
) {
    let error = match result {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error,
        Err(panicked) => panicked.into(),
    };
    socket.report(event, &error);
}
