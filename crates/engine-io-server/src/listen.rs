//! A server of our own for those who need nothing but the engine.

use std::convert::Infallible;
use std::future::Ready;
use std::io;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::body::respond;
use crate::server::lifecycle::Listening;
use crate::sync::Mutex;
use crate::transport::websocket::{Upgrading, WebSocketUpgrade};
use crate::{Body, Engine, PeerAddr};

impl Engine {
    /// Serves HTTP/1.1 on `listener` until [`shutdown`](Self::shutdown) is called; other paths than the engine's are
    /// answered `501 Not Implemented`, as by the official engine.
    ///
    /// # Errors
    ///
    /// Whatever makes the listener unusable. A lack of file descriptors does not: new connections then wait.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the listener, with the next turn of the runtime; connections that were accepted are
    /// served on.
    pub async fn listen(&self, listener: TcpListener) -> io::Result<()> {
        self.listen_with(listener, |_| None::<Ready<Response<Body>>>).await
    }

    /// As [`listen`](Self::listen), but what `other` has an answer to is answered so, whatever its path.
    ///
    /// It is called for each request before the engine looks at it, and must not block.
    ///
    /// # Errors
    ///
    /// As [`listen`](Self::listen).
    ///
    /// # Cancel safety
    ///
    /// As [`listen`](Self::listen).
    pub async fn listen_with<F, A>(&self, listener: TcpListener, other: F) -> io::Result<()>
    where
        F: Fn(&Request<Incoming>) -> Option<A> + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        let Some(listening) = self.lifecycle().listen() else { return Ok(()) };
        // A task of its own runs on one of the threads that serve connections, whoever polls this future: what it
        // allocates for a connection and what the connection allocates come from one arena then, and leave no gaps.
        let mut accepting = AbortOnDrop(tokio::spawn(self.clone().accept_all(listening, listener, other)));
        match (&mut accepting.0).await {
            Ok(ended) => ended,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The runtime is ending.
                Err(_) => Ok(()),
            },
        }
    }

    async fn accept_all<F, A>(self, listening: Listening, listener: TcpListener, other: F) -> io::Result<()>
    where
        F: Fn(&Request<Incoming>) -> Option<A> + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        // Dropped before it is not counted any more.
        let listener = listener;
        let other = Arc::new(other);
        let mut backoff = SHORTEST_BACKOFF;
        let mut closing = std::pin::pin!(listening.closing());
        loop {
            let accepted = tokio::select! {
                // Accepting loses no connection if it is dropped.
                accepted = listener.accept() => accepted,
                () = &mut closing => return Ok(()),
            };
            match accepted {
                Ok((stream, peer)) => {
                    backoff = SHORTEST_BACKOFF;
                    tokio::spawn(self.clone().serve(stream, PeerAddr(peer), Arc::clone(&other)));
                }
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) if is_exhaustion(&error) => {
                    tracing::warn!(target: "engine", %error, "cannot accept connections for now");
                    tokio::time::sleep(backoff).await;
                    backoff = (backoff * 2).min(LONGEST_BACKOFF);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Serves a connection: HTTP first, and if that leads to a WebSocket, the WebSocket in the same task.
    async fn serve<F, A>(self, stream: TcpStream, peer: PeerAddr, other: Arc<F>)
    where
        F: Fn(&Request<Incoming>) -> Option<A> + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        let link = Arc::new(Link::new(peer));
        // In a box, so that a WebSocket's task is no larger than a WebSocket needs.
        Box::pin(self.serve_http(stream, Arc::clone(&link), other)).await;
        let promised = link.take();
        drop(link);
        if let Some(promised) = promised {
            // In place: a future that is moved into its `await` is kept room for twice.
            std::pin::pin!(promised.keep()).await;
        }
    }

    async fn serve_http<F, A>(self, stream: TcpStream, link: Arc<Link>, other: Arc<F>)
    where
        F: Fn(&Request<Incoming>) -> Option<A> + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        // Small packets leave at once.
        let _ = stream.set_nodelay(true);
        let engine = self.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let answer = match other(&request) {
                Some(answer) => Answer::Other(answer),
                None if engine.owns_path(request.uri().path()) => {
                    Answer::Engine(engine.answer(request, Some(&link)))
                }
                None => Answer::None,
            };
            async move {
                Ok::<_, Infallible>(match answer {
                    Answer::Engine(answer) => answer.await,
                    Answer::Other(answer) => answer.await,
                    Answer::None => respond(StatusCode::NOT_IMPLEMENTED, "text/plain", NOT_IMPLEMENTED),
                })
            }
        });
        let connection = http1::Builder::new()
            // A client that closes its end while a poll waits is gone.
            .half_close(false)
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(MAX_HEADER_BYTES)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            // Both may be dropped: the connection goes on below. It comes first, as it is what happens.
            biased;
            ended = connection.as_mut() => ended,
            () = self.lifecycle().drained() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(target: "engine", %error, "connection ended");
        }
    }
}

struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What this listener knows of a connection, and takes care of, that other HTTP servers do not.
pub(crate) struct Link {
    pub(crate) peer: PeerAddr,
    /// The WebSocket that the client was promised; in a box, since most connections that stay for long have none.
    promised: Mutex<Option<Box<Promised>>>,
}

/// A WebSocket that a client was promised.
struct Promised {
    on_upgrade: OnUpgrade,
    upgrade: WebSocketUpgrade,
}

impl Promised {
    fn keep(self) -> Upgrading {
        Upgrading::new(self.on_upgrade, self.upgrade)
    }
}

impl Link {
    fn new(peer: PeerAddr) -> Self {
        Self { peer, promised: Mutex::new(None) }
    }

    /// The connection's task serves this WebSocket when hyper has let go of the connection.
    pub(crate) fn promise(&self, on_upgrade: OnUpgrade, upgrade: WebSocketUpgrade) {
        *self.promised.lock() = Some(Box::new(Promised { on_upgrade, upgrade }));
    }

    fn take(&self) -> Option<Box<Promised>> {
        self.promised.lock().take()
    }
}

/// Who answers a request.
enum Answer<E, O> {
    Engine(E),
    Other(O),
    None,
}

/// The peer gave up before it was accepted.
fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

/// Too many open files in the process or in the system, or no memory for sockets.
fn is_exhaustion(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(12 | 23 | 24 | 105))
}

const NOT_IMPLEMENTED: Bytes = Bytes::from_static(b"Not Implemented");
/// How long a client may take to send the headers of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest header block.
const MAX_HEADER_BYTES: usize = 16 << 10;
const SHORTEST_BACKOFF: Duration = Duration::from_millis(10);
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);
