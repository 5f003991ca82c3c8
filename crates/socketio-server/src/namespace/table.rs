//! What the application has registered on a namespace.

use std::sync::Arc;

use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::Socket;
use crate::error::HandlerError;
use crate::event::{Call, ConnectContext, DisconnectContext, EventHandler, MiddlewareError};

/// The handlers of one namespace or of one socket; replaced as a whole when one is added, so that readers need no lock.
#[derive(Clone, Default)]
pub(crate) struct Table {
    pub(crate) events: Events,
    pub(crate) middlewares: Vec<Arc<Call<ConnectContext, MiddlewareError>>>,
    pub(crate) connect: Vec<Arc<Call<ConnectContext, HandlerError>>>,
    pub(crate) disconnect: Vec<Arc<Call<DisconnectContext, HandlerError>>>,
    pub(crate) on_error: Option<Arc<ErrorHook>>,
}

/// The hook that hears of errors nobody else would.
pub(crate) type ErrorHook = dyn Fn(&Socket, &str, &HandlerError) + Send + Sync;

/// Handlers by event; the names come from the application only.
pub(crate) type Events = HashMap<Arc<str>, SmallVec<[Arc<EventHandler>; 1]>>;
