//! What the application has registered on a namespace.

use std::sync::Arc;

use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::Socket;
use crate::error::HandlerError;
use crate::event::{
    Call, ConnectContext, DisconnectContext, EventHandler, EventMiddleware, HandlerId, MiddlewareError,
};

/// The handlers of one namespace or of one socket; replaced as a whole when one is added, so that readers need no lock.
#[derive(Clone, Default)]
pub(crate) struct Table {
    pub(crate) events: Events,
    /// Handlers of all events, which run before the middlewares.
    pub(crate) any: Vec<Registered>,
    pub(crate) event_middlewares: Vec<Arc<EventMiddleware>>,
    pub(crate) middlewares: Vec<Arc<Call<ConnectContext, MiddlewareError>>>,
    pub(crate) connect: Vec<Arc<Call<ConnectContext, HandlerError>>>,
    pub(crate) disconnecting: Vec<Arc<Call<DisconnectContext, HandlerError>>>,
    pub(crate) disconnect: Vec<Arc<Call<DisconnectContext, HandlerError>>>,
    pub(crate) on_error: Option<Arc<ErrorHook>>,
}

/// The hook that hears of errors nobody else would.
pub(crate) type ErrorHook = dyn Fn(&Socket, &str, &HandlerError) + Send + Sync;

/// Handlers by event; the names come from the application only.
pub(crate) type Events = HashMap<Arc<str>, SmallVec<[Registered; 1]>>;

/// A handler of an event.
#[derive(Clone)]
pub(crate) struct Registered {
    pub(crate) id: HandlerId,
    pub(crate) call: Arc<EventHandler>,
    /// It is taken off before it is called.
    pub(crate) is_once: bool,
}

impl Registered {
    pub(crate) fn new(call: Box<EventHandler>) -> Self {
        Self { id: HandlerId::next(), call: call.into(), is_once: false }
    }
}

impl Table {
    /// Takes a handler off, of one event or of all, and returns it.
    pub(crate) fn remove(&mut self, id: HandlerId) -> Option<Registered> {
        if let Some(at) = self.any.iter().position(|handler| handler.id == id) {
            return Some(self.any.remove(at));
        }
        let (event, handlers, at) = self.events.iter_mut().find_map(|(event, handlers)| {
            let at = handlers.iter().position(|handler| handler.id == id)?;
            Some((Arc::clone(event), handlers, at))
        })?;
        let removed = handlers.remove(at);
        if handlers.is_empty() {
            self.events.remove(&event);
        }
        Some(removed)
    }
}
