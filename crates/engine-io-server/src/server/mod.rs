//! The engine: from requests to sessions.

pub(crate) mod deadlines;
pub(crate) mod lifecycle;
pub(crate) mod registry;
pub(crate) mod request;

use std::fmt;
use std::future::ready;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use engine_io_parser::{Handshake, Limits};
use http::header::CONNECTION;
use http::request::Parts;
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, Version};
use hyper::upgrade::OnUpgrade;
use tokio::time::Instant;

use self::deadlines::{Deadlines, now};
use self::lifecycle::Lifecycle;
use self::registry::Registry;
use self::request::{EngineRequest, check_host, check_origin, host, is_below};
use crate::body::recycle;
use crate::coding::Coding;
use crate::config::Config;
use crate::cors::CorsHeaders;
use crate::error::Refusal;
use crate::listen::Link;
use crate::session::{Machine, Protocol, RequestError, Timing, Transport};
use crate::transport::polling;
use crate::transport::websocket::{Handshaken, Upgrading, WebSocketUpgrade};
use crate::{
    Body, CloseReason, ConfigError, Handler, HandshakeRequest, HttpCompression, Origins, Session, SessionId,
};

/// An Engine.IO server; a clone is a handle to the same one.
///
/// It answers HTTP requests and serves WebSockets. Use it as a [`tower` service or layer](crate::EngineLayer), let it
/// [`listen`](Self::listen) on its own, or hand it requests yourself.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    config: Config,
    handler: Box<dyn Handler>,
    shared: Arc<Shared>,
    lifecycle: Lifecycle,
}

/// What sessions need of their engine.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) registry: Arc<Registry>,
    pub(crate) deadlines: Arc<Deadlines>,
    pub(crate) timing: Arc<Timing>,
    pub(crate) http_compression: HttpCompression,
}

/// The peer's address, to be put into a request's extensions by servers that know it.
///
/// [`Engine::listen`] does so itself. With the feature `axum`, axum's `ConnectInfo<SocketAddr>` serves as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);

/// A request that may open a session.
#[derive(Debug)]
pub(crate) struct OpenRequest {
    pub(crate) id: SessionId,
    pub(crate) request: HandshakeRequest,
    pub(crate) base64: bool,
    pub(crate) protocol: Protocol,
}

/// What a request is for.
enum Route {
    Get(Session),
    Post(Session),
    /// A session that does not exist yet, or a WebSocket.
    Open(EngineRequest),
    /// Nothing: a browser asks what a page may do.
    Preflight(Response<Body>),
}

/// What is to be done for it. Each connection has room for the largest: what happens once in a session has its own.
enum Work<B> {
    Get { session: Session, wish: Option<Coding> },
    Post { session: Session, headers: HeaderMap, body: B },
    Open(Pin<Box<dyn Future<Output = Result<Response<Body>, Refusal>> + Send>>),
    Refused(Refusal),
}

impl Engine {
    /// An engine with these options whose sessions go to `handler`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the options make no sense.
    pub fn new(config: Config, handler: impl Handler) -> Result<Self, ConfigError> {
        config.validate()?;
        keep_freed_memory();
        let timing = Arc::new(config.timing());
        let shared = Shared {
            registry: Arc::new(Registry::new()),
            deadlines: Arc::new(Deadlines::new(timing.grain)),
            timing,
            http_compression: config.http_compression,
        };
        Ok(Self(Arc::new(Inner {
            config,
            handler: Box::new(handler),
            shared: Arc::new(shared),
            lifecycle: Lifecycle::new(),
        })))
    }

    /// How many sessions there are, those that are just being closed included.
    #[must_use]
    pub fn n_sessions(&self) -> usize {
        self.0.shared.registry.len()
    }

    /// The path below which requests are the engine's, without trailing slash.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.config.path.trim_end_matches('/')
    }

    /// The pause between two pings; a session's own may be shorter by a tenth.
    #[must_use]
    pub fn ping_interval(&self) -> Duration {
        self.0.config.ping_interval
    }

    /// How long a client may take to answer a ping.
    #[must_use]
    pub fn ping_timeout(&self) -> Duration {
        self.0.config.ping_timeout
    }

    /// How long an upgrade to another transport may take.
    #[must_use]
    pub fn upgrade_timeout(&self) -> Duration {
        self.0.config.upgrade_timeout
    }

    /// The longest message and the longest POST body, in bytes.
    #[must_use]
    pub fn max_http_buffer_size(&self) -> usize {
        self.0.config.max_http_buffer_size
    }

    /// Whether clients may use this transport.
    #[must_use]
    pub fn has_transport(&self, transport: Transport) -> bool {
        match transport {
            Transport::Polling => self.0.config.polling,
            Transport::WebSocket => self.0.config.websocket,
        }
    }

    /// Whether clients may change from polling to a better transport.
    #[must_use]
    pub fn allows_upgrades(&self) -> bool {
        self.0.config.allow_upgrades
    }

    /// Whether clients of protocol revision 3 are let in.
    #[must_use]
    pub fn allows_eio3(&self) -> bool {
        self.0.config.allow_eio3
    }

    /// Which cross-origin requests are let in.
    #[must_use]
    pub fn origins(&self) -> &Origins {
        &self.0.config.origins
    }

    /// Whether a request of this path is the engine's.
    #[must_use]
    pub fn owns_path(&self, path: &str) -> bool {
        is_below(&self.0.config.path, path)
    }

    /// The engine's answer to a request that its rule about origins does not let in; for what is served beside it.
    #[must_use]
    pub fn origin_refusal<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        let (headers, uri) = (request.headers(), request.uri());
        let checked = check_host(headers).and_then(|()| check_origin(headers, uri, &self.0.config));
        checked.err().map(|refusal| {
            log(&refusal);
            refusal.response()
        })
    }

    /// What the option [`cors`](Config::cors) adds to the answer to a request; for what is served beside the engine.
    #[must_use]
    pub fn cors_headers<B>(&self, request: &Request<B>) -> Option<CorsHeaders> {
        self.cors_of(request.headers(), request.uri())
    }

    fn cors_of(&self, headers: &HeaderMap, uri: &Uri) -> Option<CorsHeaders> {
        let cors = self.0.config.cors.as_ref()?;
        Some(CorsHeaders::new(cors, headers, host(headers, uri)))
    }

    /// Answers one HTTP request, of which only the query matters, not the path.
    ///
    /// A poll is answered when there is something to send. A WebSocket is upgraded through hyper and served by a task
    /// of its own; for servers that upgrade in another way there is [`accept_websocket`](Self::accept_websocket).
    ///
    /// What the request is for is decided in this call, and of a poll's headers nothing is kept: they are slices of the
    /// HTTP server's read buffer, which it would have to replace while the poll waits.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future tells the engine that the client went away: a waiting poll or a half-read POST closes its
    /// session (`transport error`), since nobody knows what arrived.
    pub fn handle_request<B>(&self, request: Request<B>) -> impl Future<Output = Response<Body>> + use<B>
    where
        B: http_body::Body,
        B::Error: fmt::Display,
    {
        self.answer(request, None)
    }

    /// As [`handle_request`](Self::handle_request), of a request that may have come over our own listener.
    pub(crate) fn answer<B>(
        &self,
        request: Request<B>,
        link: Option<&Arc<Link>>,
    ) -> impl Future<Output = Response<Body>> + use<B>
    where
        B: http_body::Body,
        B::Error: fmt::Display,
    {
        let (mut parts, body) = request.into_parts();
        let is_http1_post = parts.method == Method::POST && parts.version < Version::HTTP_2;
        let limits = self.limits();
        // In a box, since most servers have none, and each connection has room for it.
        let cors = self.cors_of(&parts.headers, &parts.uri).map(Box::new);
        let work = match self.route(&parts) {
            Ok(Route::Get(session)) => {
                let wish = self.0.shared.http_compression.wish(&parts.headers);
                recycle(parts.headers);
                Work::Get { session, wish }
            }
            Ok(Route::Post(session)) => Work::Post { session, headers: parts.headers, body },
            Ok(Route::Open(request)) => {
                if let Some(link) = link {
                    parts.extensions.insert(link.peer);
                }
                Work::Open(Box::pin(self.clone().open_for(parts, request, link.cloned())))
            }
            Ok(Route::Preflight(response)) => Work::Open(Box::pin(ready(Ok(response)))),
            Err(refusal) => Work::Refused(refusal),
        };
        async move {
            let result = match work {
                Work::Get { session, wish } => polling::get(&session, limits, wish).await,
                Work::Post { session, headers, body } => polling::post(&session, headers, body, limits).await,
                Work::Open(opening) => opening.await,
                Work::Refused(refusal) => Err(refusal),
            };
            let mut response = result.unwrap_or_else(|refusal| {
                log(&refusal);
                refusal.response()
            });
            if is_http1_post && response.status().is_client_error() {
                // Its body may not have been read; what follows on the connection must not be taken for a request.
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            if let Some(cors) = cors {
                cors.add_to(response.headers_mut());
            }
            response
        }
    }

    /// Accepts a WebSocket for a server that upgrades connections in its own way.
    ///
    /// # Errors
    ///
    /// The response to send instead.
    pub async fn accept_websocket(&self, request: &Parts) -> Result<WebSocketUpgrade, Response<Body>> {
        let accepted = match self.parse(request) {
            Ok(parsed) if parsed.is_upgrade => self.accept(request, parsed).await,
            Ok(_) => Err(Refusal::TransportHandshake),
            Err(refusal) => Err(refusal),
        };
        accepted.map_err(|refusal| {
            log(&refusal);
            refusal.response()
        })
    }

    /// Closes all sessions (`server shutting down`) and all listeners, and opens no new session; returns when all are
    /// closed, and the listeners' ports free.
    ///
    /// What was sent before still goes out. Sessions that are not through by `deadline` are cut off. Afterwards the engine
    /// may [`listen`](Self::listen) again, or be [reopened](Self::reopen).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the sessions are closing all the same; it may be called again.
    pub async fn shutdown(&self, deadline: Duration) {
        let start = Instant::now();
        self.0.lifecycle.close();
        self.close_sessions();
        if tokio::time::timeout(deadline, self.0.shared.registry.emptied()).await.is_err() {
            for session in self.0.shared.registry.all() {
                session.abort(CloseReason::ServerShuttingDown);
            }
        }
        // Nobody may be polling the future of a listener.
        let left = deadline.saturating_sub(start.elapsed());
        let _ = tokio::time::timeout(left, self.0.lifecycle.unbound()).await;
        self.0.shared.deadlines.clear();
        self.0.lifecycle.closed();
    }

    /// Lets sessions open again after a [`shutdown`](Self::shutdown) has ended; [`listen`](Self::listen) does so by
    /// itself. While a shutdown is under way it does nothing.
    pub fn reopen(&self) {
        self.0.lifecycle.reopen();
    }

    /// Closes all sessions that are open now (`server shutting down`), and goes on serving.
    pub fn close_sessions(&self) {
        for session in self.0.shared.registry.all() {
            session.close(CloseReason::ServerShuttingDown);
        }
    }

    pub(crate) fn lifecycle(&self) -> &Lifecycle {
        &self.0.lifecycle
    }

    fn is_closing(&self) -> bool {
        self.0.lifecycle.is_closing()
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits::default().with_max_payload_bytes(self.0.config.max_http_buffer_size)
    }

    fn parse(&self, parts: &Parts) -> Result<EngineRequest, Refusal> {
        EngineRequest::parse(parts, &self.0.config, &self.0.shared.registry)
    }

    /// What a request is for.
    fn route(&self, parts: &Parts) -> Result<Route, Refusal> {
        if let Some(cors) = &self.0.config.cors
            && parts.method == Method::OPTIONS
        {
            check_host(&parts.headers)?;
            check_origin(&parts.headers, &parts.uri, &self.0.config)?;
            return Ok(Route::Preflight(cors.preflight(&parts.headers)));
        }
        let mut request = self.parse(parts)?;
        if request.is_upgrade {
            return Ok(Route::Open(request));
        }
        let Some(session) = request.session.take() else { return Ok(Route::Open(request)) };
        if request.transport != Transport::Polling {
            return Err(Refusal::TransportMismatch);
        }
        match parts.method {
            Method::GET => Ok(Route::Get(session)),
            Method::POST => Ok(Route::Post(session)),
            _ => Err(Refusal::BadMethod),
        }
    }

    /// Opens a session, or lets a WebSocket into one.
    async fn open_for(
        self,
        parts: Parts,
        request: EngineRequest,
        link: Option<Arc<Link>>,
    ) -> Result<Response<Body>, Refusal> {
        if request.is_upgrade {
            return self.upgrade(parts, request, link).await;
        }
        let open = self.check_open(&parts, &request).await?;
        let handshake = self.handshake(&open.id, Transport::Polling);
        let protocol = open.protocol;
        self.open(open, Transport::Polling);
        Ok(polling::opened(&handshake, protocol))
    }

    async fn upgrade(
        &self,
        mut parts: Parts,
        request: EngineRequest,
        link: Option<Arc<Link>>,
    ) -> Result<Response<Body>, Refusal> {
        let on_upgrade = parts.extensions.remove::<OnUpgrade>();
        let upgrade = self.accept(&parts, request).await?;
        let Some(on_upgrade) = on_upgrade else {
            return Err(Refusal::NoUpgrade);
        };
        let response = upgrade.response();
        match link {
            Some(link) => link.promise(on_upgrade, upgrade),
            None => drop(tokio::spawn(Upgrading::new(on_upgrade, upgrade))),
        }
        Ok(response)
    }

    async fn accept(&self, parts: &Parts, request: EngineRequest) -> Result<WebSocketUpgrade, Refusal> {
        if request.transport != Transport::WebSocket {
            return Err(Refusal::TransportHandshake);
        }
        let headers = Handshaken::check(parts)?;
        let Some(session) = request.session else {
            let open = self.check_open(parts, &request).await?;
            return Ok(WebSocketUpgrade::open(self.clone(), open, &headers));
        };
        if !self.0.config.allow_upgrades {
            return Err(Refusal::TransportMismatch);
        }
        match session.drive(|core| core.machine.handle_websocket(now())) {
            Ok(number) => {
                Ok(WebSocketUpgrade::probe(self.clone(), session, number, request.base64, &headers))
            }
            Err(RequestError::Gone) => Err(Refusal::UnknownSid),
            Err(RequestError::Overlap | RequestError::WrongTransport) => {
                Ok(WebSocketUpgrade::surplus(self.clone(), &headers))
            }
        }
    }

    /// Decides whether a request may open a session, and draws its id.
    async fn check_open(&self, parts: &Parts, request: &EngineRequest) -> Result<OpenRequest, Refusal> {
        let protocol = request.check_open(parts, &self.0.config)?;
        if self.is_closing() {
            return Err(Refusal::ShuttingDown);
        }
        if let Some(allow_request) = &self.0.config.allow_request {
            let mut copy = Request::new(());
            *copy.method_mut() = parts.method.clone();
            *copy.uri_mut() = parts.uri.clone();
            *copy.version_mut() = parts.version;
            *copy.headers_mut() = parts.headers.clone();
            *copy.extensions_mut() = parts.extensions.clone();
            allow_request(copy).await.map_err(|forbidden| Refusal::Forbidden(forbidden.message))?;
        }
        let id = SessionId::random().map_err(|error| Refusal::NoSessionId(error.to_string()))?;
        let remote_addr = remote_addr(parts);
        let secure = parts.uri.scheme() == Some(&Scheme::HTTPS) && parts.version >= Version::HTTP_2;
        let request_kept = HandshakeRequest::new(parts, remote_addr, secure);
        Ok(OpenRequest { id, request: request_kept, base64: request.base64, protocol })
    }

    /// What the client is told of its session.
    pub(crate) fn handshake(&self, id: &SessionId, transport: Transport) -> Handshake {
        let config = &self.0.config;
        let mut handshake = Handshake::new(id.as_str());
        if transport == Transport::Polling && config.allow_upgrades && config.websocket {
            handshake.upgrades.push(Transport::WebSocket.as_str().into());
        }
        handshake.ping_interval = config.ping_interval;
        handshake.ping_timeout = config.ping_timeout;
        handshake.max_payload_bytes = u64::try_from(config.max_http_buffer_size).ok();
        handshake
    }

    pub(crate) fn open(&self, request: OpenRequest, transport: Transport) -> Session {
        let OpenRequest { id, request, protocol, base64 } = request;
        // The id is random, so any mixture of its characters serves as jitter.
        let jitter = id.as_str().bytes().fold(0_u8, |mixed, byte| mixed.wrapping_mul(31).wrapping_add(byte));
        let machine = Machine::new(transport, protocol, Arc::clone(&self.0.shared.timing), jitter, now());
        let session = Session::new(id, request, machine, base64, Arc::clone(&self.0.shared));
        session.open(&*self.0.handler);
        // A shutdown that began meanwhile did not see this session.
        if self.is_closing() {
            session.close(CloseReason::ServerShuttingDown);
        }
        session
    }
}

/// Has glibc keep up to 1 MiB of freed memory at the top of a heap. By default that is 128 KiB: then the memory of each long
/// message goes back to the kernel, and is faulted in page by page with the next one, which costs more than all the rest.
///
/// It adapts to a large block that is freed (`mallopt(3)`, `M_MMAP_THRESHOLD`). For other allocators this does nothing.
fn keep_freed_memory() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(512 << 10)));
}

fn remote_addr(parts: &Parts) -> Option<SocketAddr> {
    let peer = parts.extensions.get::<PeerAddr>().map(|peer| peer.0);
    #[cfg(feature = "axum")]
    let peer =
        peer.or_else(|| parts.extensions.get::<axum::extract::ConnectInfo<SocketAddr>>().map(|peer| peer.0));
    peer
}

fn log(refusal: &Refusal) {
    match refusal {
        Refusal::NoUpgrade | Refusal::NoSessionId(_) => {
            tracing::error!(target: "engine", %refusal, "request refused")
        }
        Refusal::CrossOrigin(_) => tracing::warn!(target: "engine", %refusal, "request refused"),
        _ => tracing::debug!(target: "engine", %refusal, "request refused"),
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("config", &self.0.config)
            .field("n_sessions", &self.n_sessions())
            .finish_non_exhaustive()
    }
}
