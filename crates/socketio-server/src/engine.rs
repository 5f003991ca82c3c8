//! What lies between this crate and whatever opens connections: an Engine.IO server, or something else.

use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
pub use engine_io_parser::{Message, SharedFrame};
pub use engine_io_server::Engine as EngineIo;

use crate::Server;
pub use crate::connection::{Connection, Flow, SendError, Wake};
pub use crate::driver::Receiver;
use crate::server::ServerInner;

/// Where connections come from: an Engine.IO server, or whatever else carries messages of clients.
///
/// The one that ships is part of each [`Server`]; others are [bound](Server::bind) beside it. An engine opens its
/// connections by the [`Opener`] that it is given, and closes them when the server ends.
///
/// ```
/// use std::sync::{Arc, OnceLock};
/// use std::time::Duration;
///
/// use socketio_server::engine::{Connection, Engine, Message, Opener};
///
/// /// Clients that come over a message queue, say.
/// #[derive(Default)]
/// struct Queue {
///     opener: OnceLock<Opener>,
/// }
///
/// impl Queue {
///     fn on_client(&self, connection: Arc<dyn Connection>, messages: Vec<Message>) {
///         let Some(mut receiver) = self.opener.get().and_then(|opener| opener.open(connection)) else { return };
///         for message in messages {
///             let _ = receiver.on_message(message);
///         }
///     }
/// }
///
/// #[async_trait::async_trait]
/// impl Engine for Queue {
///     fn bind(&self, opener: Opener) {
///         let _ = self.opener.set(opener);
///     }
///
///     fn close_connections(&self) {}
///
///     async fn shutdown(&self, _deadline: Duration) {}
/// }
/// ```
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// Connections that open from now on are to be opened on the server too. Called once, by [`Server::bind`].
    fn bind(&self, opener: Opener);

    /// Closes all connections that are open now, with the reason `server shutting down`, after what is queued was
    /// written. It does not wait for that.
    fn close_connections(&self);

    /// Closes all connections as [`close_connections`](Self::close_connections) does, and opens no new one until it is
    /// [reopened](Self::reopen). Returns when all are closed; those that are not by `deadline` are cut off.
    async fn shutdown(&self, deadline: Duration);

    /// Connections may open again after a [`shutdown`](Self::shutdown). The default does nothing.
    fn reopen(&self) {}
}

/// Opens connections on a server, which it does not keep alive.
#[derive(Debug, Clone)]
pub struct Opener(Weak<ServerInner>);

impl Opener {
    pub(crate) fn new(server: Weak<ServerInner>) -> Self {
        Self(server)
    }

    /// As [`Server::open`]; `None` if the server is gone.
    ///
    /// # Panics
    ///
    /// Panics outside of a Tokio runtime.
    #[must_use]
    pub fn open(&self, connection: Arc<dyn Connection>) -> Option<Receiver> {
        self.server().map(|server| server.open(connection))
    }

    pub(crate) fn server(&self) -> Option<Server> {
        self.0.upgrade().map(Server::from_inner)
    }
}
