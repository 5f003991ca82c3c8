//! What this crate needs of an Engine.IO server, and what it offers to one.
//!
//! [`Server::open`](crate::Server::open) takes a [`Connection`] and returns the [`Receiver`] of its messages: that is
//! the whole seam. Most applications never meet it; it is for those who bring a transport of their own and for tests
//! that want no network.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::SystemTime;

use engine_io_parser::SharedFrame;
use http::{HeaderName, HeaderValue, Uri};

use crate::DisconnectReason;

/// One client's connection, beneath all its namespaces.
///
/// No method blocks or waits. They are called from any thread, also from within
/// [`Receiver::on_message`](crate::engine::Receiver::on_message).
pub trait Connection: Send + Sync + 'static {
    /// The id of the session. It is a secret between server and client.
    fn id(&self) -> &str;

    /// The revision of the Engine.IO protocol that the client speaks: 4, or 3 for clients before Socket.IO 3.
    fn protocol(&self) -> u8 {
        4
    }

    /// The transport in use at this moment: `polling`, `websocket` or `webtransport`.
    fn transport(&self) -> &'static str;

    /// The client's address, if known.
    fn remote_addr(&self) -> Option<SocketAddr>;

    /// Whether the first request came over TLS.
    fn is_secure(&self) -> bool;

    /// When the first request arrived.
    fn received_at(&self) -> SystemTime;

    /// Path and query of the first request, as sent.
    fn target(&self) -> &str;

    /// Calls `visit` with name (lower case) and value of each header of the first request, in their order.
    fn visit_headers(&self, visit: &mut dyn FnMut(&str, &[u8]));

    /// Puts frames into the outbox, all or none, in order. Whoever writes them is woken when the value is dropped.
    ///
    /// # Errors
    ///
    /// [`SendError`]; the frames are dropped then.
    fn queue(&self, frames: &[SharedFrame]) -> Result<Wake, SendError>;

    /// Like [`queue`](Self::queue) if the client is ready to receive at this instant; else the frames are dropped and
    /// it returns `None`.
    fn queue_volatile(&self, frames: &[SharedFrame]) -> Option<Wake>;

    /// Ready while an emit that is awaited need not wait: no more than 1 MiB waits to be written, or the connection is
    /// closed. Otherwise whoever polls is woken when that is so.
    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<()>;

    /// Closes the connection after what is queued was written, and has
    /// [`Receiver::on_close`](crate::engine::Receiver::on_close) called.
    fn close(&self, reason: DisconnectReason);

    /// As [`close`](Self::close), with more for an operator to read, which `on_close` is to be told. The default leaves
    /// that out.
    fn close_because(&self, reason: DisconnectReason, detail: &dyn fmt::Display) {
        let _ = detail;
        self.close(reason);
    }

    /// Ends a [`Flow::Pause`]. If it is called before `on_message` has returned that value, the pause is void.
    fn resume(&self);

    /// Whether messages can still be sent.
    fn is_open(&self) -> bool;
}

impl dyn Connection {
    /// The first header of that name (in lower case).
    pub(crate) fn header(&self, name: &str) -> Option<Vec<u8>> {
        let mut found = None;
        self.visit_headers(&mut |known, value| {
            if found.is_none() && known == name {
                found = Some(value.to_vec());
            }
        });
        found
    }

    /// The first request, rebuilt for code that wants `http`'s types.
    pub(crate) fn to_request(&self) -> http::Request<()> {
        let mut request = http::Request::new(());
        *request.uri_mut() = self.target().parse().unwrap_or_else(|_| Uri::from_static("/"));
        self.visit_headers(&mut |name, value| {
            let name = HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
                request.headers_mut().append(name, value);
            }
        });
        request
    }
}

impl fmt::Debug for dyn Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("transport", &self.transport()).finish_non_exhaustive()
    }
}

/// Why frames were not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The connection is closed.
    #[error("the connection is closed")]
    Closed,
    /// The outbox is over its limit; the connection is closed for that.
    #[error("the client takes its messages too slowly")]
    SlowConsumer,
}

/// Wakes whoever writes to a connection when it is dropped.
///
/// A broadcast keeps these until all outboxes are filled, so that waking can be spread over time.
#[derive(Debug, Default)]
#[must_use = "dropping it wakes the connection at once"]
pub struct Wake(Writer);

#[derive(Debug, Default)]
enum Writer {
    #[default]
    Awake,
    Waker(Waker),
    Engine(engine_io_server::Wake),
}

impl Wake {
    /// There is nobody to wake: the connection looks by itself, or was woken already.
    pub const fn none() -> Self {
        Self(Writer::Awake)
    }

    /// Whether there is anybody to wake.
    #[must_use]
    pub fn is_needed(&self) -> bool {
        match &self.0 {
            Writer::Awake => false,
            Writer::Waker(_) => true,
            Writer::Engine(wake) => wake.is_needed(),
        }
    }
}

impl From<Waker> for Wake {
    fn from(waker: Waker) -> Self {
        Self(Writer::Waker(waker))
    }
}

impl From<engine_io_server::Wake> for Wake {
    fn from(wake: engine_io_server::Wake) -> Self {
        Self(Writer::Engine(wake))
    }
}

impl Drop for Wake {
    fn drop(&mut self) {
        match std::mem::take(&mut self.0) {
            Writer::Awake => {}
            Writer::Waker(waker) => waker.wake(),
            Writer::Engine(wake) => drop(wake),
        }
    }
}

/// Whether a connection may go on reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Flow {
    /// Go on.
    Continue,
    /// Read nothing more until [`Connection::resume`] is called.
    Pause,
}

/// A handle on the connection beneath a socket, as [`Socket::client`](crate::Socket::client) returns it.
#[derive(Debug, Clone)]
pub struct Client(pub(crate) Arc<crate::driver::ClientInner>);

impl Client {
    /// The id of the Engine.IO session. Keep it secret: whoever knows it can speak in the client's name.
    #[must_use]
    pub fn id(&self) -> &str {
        self.0.connection.id()
    }

    /// The connection itself.
    #[must_use]
    pub fn conn(&self) -> &dyn Connection {
        &*self.0.connection
    }

    /// The sockets of this client: one for each namespace that it has joined.
    #[must_use]
    pub fn sockets(&self) -> Vec<crate::Socket> {
        self.0.sockets()
    }

    /// Closes the connection, and with it the client's sockets in all namespaces.
    ///
    /// They disconnect with the reason `server namespace disconnect`, as in the official server, and stock clients do
    /// not come back by themselves.
    pub fn close(&self) {
        self.0.close_all();
    }
}
