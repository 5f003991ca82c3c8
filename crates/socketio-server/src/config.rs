//! What a server was built with.

use std::any::{Any, TypeId};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use hashbrown::HashMap;
use socketio_adapter::rooms::RoomLimits;
use socketio_adapter::{AdapterFactory, InMemoryAdapterFactory, SessionAwareAdapterFactory};
use socketio_parser::Parser;

use crate::adapters::Adapters;
use crate::client;
use crate::deadlines::Deadlines;
use crate::driver::ClientInner;
use crate::recovery::Recovery;
use crate::socket::SocketInner;
use crate::tasks::Tasks;

/// Times and bounds; the builder documents each.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) connect_timeout: Duration,
    pub(crate) middleware_timeout: Duration,
    pub(crate) connect_handler_timeout: Duration,
    pub(crate) attachments_timeout: Duration,
    pub(crate) ack_timeout: Duration,
    pub(crate) max_running_handlers: usize,
    pub(crate) max_parked_bytes: usize,
    pub(crate) max_pending_acks: usize,
    pub(crate) max_dynamic_namespaces: usize,
    pub(crate) cleanup_empty_child_namespaces: bool,
    pub(crate) recovery: Option<Recovery>,
    pub(crate) client: client::Limits,
    pub(crate) rooms: RoomLimits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(45),
            middleware_timeout: Duration::from_secs(30),
            connect_handler_timeout: Duration::from_secs(30),
            attachments_timeout: Duration::from_secs(30),
            ack_timeout: Duration::from_secs(30),
            max_running_handlers: 64,
            max_parked_bytes: 1024 * 1024,
            max_pending_acks: 1024,
            max_dynamic_namespaces: 10_000,
            cleanup_empty_child_namespaces: true,
            recovery: None,
            client: client::Limits::default(),
            rooms: RoomLimits::default(),
        }
    }
}

/// What all parts of a server share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) parser: Parser,
    pub(crate) adapters: Adapters,
    pub(crate) tasks: Arc<Tasks>,
    pub(crate) deadlines: Arc<Deadlines<ClientInner>>,
    /// Of sockets whose stay is limited.
    pub(crate) expirations: Arc<Deadlines<SocketInner>>,
    /// Set by a shutdown: nobody joins any more, and no handler of an event starts.
    pub(crate) is_closing: AtomicBool,
    state: StateMap,
}

/// The application's values, one per type.
pub(crate) type StateMap = HashMap<TypeId, Arc<dyn Any + Send + Sync>>;

impl Shared {
    pub(crate) fn new(
        config: Config,
        parser: Parser,
        state: StateMap,
        adapters: Option<Arc<dyn AdapterFactory>>,
    ) -> Self {
        let adapters = adapters.unwrap_or_else(|| match &config.recovery {
            Some(recovery) => Arc::new(SessionAwareAdapterFactory::new(recovery.limits)),
            None => Arc::new(InMemoryAdapterFactory),
        });
        Self {
            config,
            parser,
            adapters: Adapters::new(adapters),
            tasks: Tasks::new(),
            deadlines: Arc::new(Deadlines::new()),
            expirations: Arc::new(Deadlines::new()),
            is_closing: AtomicBool::new(false),
            state,
        }
    }

    /// The application's value of this type.
    pub(crate) fn state<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.state.get(&TypeId::of::<T>()).and_then(|value| Arc::clone(value).downcast().ok())
    }
}
