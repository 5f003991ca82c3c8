//! Events of other servers: when their handlers run.
//!
//! As with the events of a socket, handlers start in the order of arrival, a bounded number at a time, and events beyond
//! it wait, up to a bound. Nobody can be told to send less here, so what is past that bound is lost, and the log says so.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use engine_io_parser::Text;
use hashbrown::HashMap;
use smallvec::SmallVec;
use socketio_adapter::{JsonArgs, ReplySender};
use socketio_parser::Args;

use crate::error::HandlerError;
use crate::event::run::{Caught, Panicked};
use crate::event::{Ack, Call, ServerEventContext};
use crate::json_args;
use crate::namespace::{Namespace, NamespaceInner};
use crate::sync::Mutex;

/// The handler of an event of other servers.
pub(crate) type ServerEventHandler = Call<ServerEventContext, HandlerError>;

type Handlers = SmallVec<[Arc<ServerEventHandler>; 1]>;

/// A namespace's handlers for events of other servers, and the events that wait for them.
#[derive(Default)]
pub(crate) struct ServerSide(Mutex<State>);

#[derive(Default)]
struct State {
    /// The names come from the application only.
    handlers: HashMap<Arc<str>, Handlers>,
    waiting: VecDeque<Event>,
    n_waiting_bytes: usize,
    n_running: usize,
    /// Somebody is starting handlers and will look at what waits when done.
    is_starting: bool,
}

struct Event {
    name: Text,
    args: Args,
    reply: Option<ReplySender>,
    /// What it counts for while it waits.
    cost: usize,
}

impl ServerSide {
    pub(crate) fn register(&self, event: Arc<str>, handler: Arc<ServerEventHandler>) {
        self.0.lock().handlers.entry(event).or_default().push(handler);
    }

    /// Takes a parent's handlers.
    pub(crate) fn inherit(&self, parent: &Self) {
        let handlers = parent.0.lock().handlers.clone();
        self.0.lock().handlers = handlers;
    }
}

/// An event of another server has arrived: starts its handlers, or lets it wait.
pub(super) fn handle_event(namespace: &Arc<NamespaceInner>, event: &JsonArgs, reply: Option<ReplySender>) {
    let n_bytes = event.json.len() + event.attachments.iter().map(bytes::Bytes::len).sum::<usize>();
    let (name, args) = match json_args::read_event(event) {
        Ok(read) => read,
        Err(error) => {
            tracing::warn!(target: "socket.io:namespace", namespace = namespace.name(), %error, "malformed event of another server dropped");
            return;
        }
    };
    // Many small events must not cost more than a few large ones.
    let event = Event { name, args, reply, cost: n_bytes.saturating_add(size_of::<Event>()) };
    let refused = namespace.server_side().0.lock().wait(event, namespace.shared().config.max_parked_bytes);
    if refused.is_some() {
        tracing::warn!(target: "socket.io:namespace", namespace = namespace.name(), "event of another server dropped: too many wait for their handlers");
    }
    start_due(namespace);
}

impl State {
    /// Lets an event wait, or hands it back if too much waits already. One event always fits.
    fn wait(&mut self, event: Event, max_bytes: usize) -> Option<Event> {
        let n_bytes = self.n_waiting_bytes.saturating_add(event.cost);
        if n_bytes > max_bytes && !self.waiting.is_empty() {
            return Some(event);
        }
        self.n_waiting_bytes = n_bytes;
        self.waiting.push_back(event);
        None
    }

    /// Takes out the next event and its handlers if it may start, and becomes the one who starts them.
    fn begin(&mut self, max_running: usize) -> Option<(Event, Handlers)> {
        if self.is_starting || self.n_running >= max_running {
            return None;
        }
        let event = self.waiting.pop_front()?;
        self.n_waiting_bytes -= event.cost;
        self.is_starting = true;
        let handlers = self.handlers.get(&*event.name).cloned().unwrap_or_default();
        Some((event, handlers))
    }
}

/// Starts what waits, in order, as far as the bound allows.
fn start_due(namespace: &Arc<NamespaceInner>) {
    let max_running = namespace.shared().config.max_running_handlers;
    for _ in 0..MAX_STARTED_AT_ONCE {
        let Some((event, handlers)) = namespace.server_side().0.lock().begin(max_running) else { return };
        start(namespace, event, &handlers);
        namespace.server_side().0.lock().is_starting = false;
    }
    let namespace = Arc::clone(namespace);
    namespace.clone().spawn(async move {
        tokio::task::yield_now().await;
        start_due(&namespace);
    });
}

/// Starts the handlers of one event; those that are pending go on as tasks.
fn start(namespace: &Arc<NamespaceInner>, event: Event, handlers: &[Arc<ServerEventHandler>]) {
    if namespace.shared().is_closing.load(Ordering::Acquire) {
        return;
    }
    let Event { name, args, reply, .. } = event;
    if handlers.is_empty() {
        tracing::debug!(target: "socket.io:namespace", namespace = namespace.name(), "event of another server has no handler");
    }
    let mut acks = Ack::for_server(namespace, reply);
    for handler in handlers {
        let context = ServerEventContext {
            namespace: Namespace::from_inner(namespace),
            name: name.clone(),
            args: args.clone(),
            ack: acks.next(),
        };
        let mut future = Caught::new(|| handler(context));
        match future.poll_in_place() {
            Poll::Ready(result) => report(namespace, &name, result),
            Poll::Pending => {
                let running = Running::new(namespace);
                let name = name.clone();
                namespace.spawn(async move {
                    let result = future.await;
                    let namespace = running.finish();
                    report(&namespace, &name, result);
                    start_due(&namespace);
                });
            }
        }
    }
}

fn report(namespace: &NamespaceInner, event: &str, result: Result<Result<(), HandlerError>, Panicked>) {
    let error = match result {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error,
        Err(panicked) => panicked.into(),
    };
    let cause = std::error::Error::source(&error).map(tracing::field::display);
    tracing::error!(target: "socket.io:namespace", namespace = namespace.name(), event, %error, cause, "handler of another server's event failed");
}

/// Counts a handler that is running, however it ends.
struct Running(Arc<NamespaceInner>);

impl Running {
    fn new(namespace: &Arc<NamespaceInner>) -> Self {
        namespace.server_side().0.lock().n_running += 1;
        Self(Arc::clone(namespace))
    }

    fn finish(self) -> Arc<NamespaceInner> {
        Arc::clone(&self.0)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.server_side().0.lock().n_running -= 1;
    }
}

/// Others get their turn after so many events were started in a row.
const MAX_STARTED_AT_ONCE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn event(cost: usize) -> Event {
        Event { name: "e".into(), args: Args::default(), reply: None, cost }
    }

    #[test]
    fn what_waits_is_bounded_and_one_event_always_fits() {
        let mut state = State { n_running: 1, ..State::default() };
        assert!(state.wait(event(11), 10).is_none());
        assert!(state.wait(event(1), 10).is_some());
        assert!(state.begin(1).is_none(), "one is running");
        state.n_running = 0;
        assert!(state.begin(1).is_some());
        assert!(state.wait(event(5), 10).is_none());
        assert!(state.wait(event(5), 10).is_none());
        assert!(state.wait(event(1), 10).is_some());
        assert!(state.begin(1).is_none(), "somebody is starting another one");
        state.is_starting = false;
        assert!(state.begin(1).is_some());
        assert!(state.wait(event(5), 10).is_none());
    }
}
