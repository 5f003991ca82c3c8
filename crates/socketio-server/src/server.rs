//! The server as a whole.

use std::fmt;
use std::ops::Deref;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use socketio_adapter::{AdapterError, AdapterFactory};
use socketio_parser::Parser;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::builder::Builder;
use crate::client_files::ServeClient;
use crate::config::Shared;
use crate::connection::Connection;
use crate::driver::Receiver;
use crate::engine::{Engine, EngineIo, Opener};
use crate::engine_io::BuiltIn;
use crate::error::{AdapterFixed, ConfigError};
use crate::event::BoxFuture;
use crate::namespace::{Pattern, Registry, Rule};
use crate::{DisconnectReason, Namespace};

/// A Socket.IO server; a clone is one pointer.
///
/// It stands for its root namespace too: `io.on_connect(…)`, `io.emit(…)` and all other methods of [`Namespace`] work
/// on it.
#[derive(Clone)]
pub struct Server(Arc<ServerInner>);

pub(crate) struct ServerInner {
    shared: Arc<Shared>,
    /// The one that ships, which is among `engines`.
    engine_io: EngineIo,
    engines: RwLock<Vec<Arc<dyn Engine>>>,
    /// Unless it is switched off.
    client: Option<Arc<ServeClient>>,
    registry: Registry,
}

impl Server {
    /// Sets options; [`Builder::build`] makes the server.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The namespace of this name, which is made if there is none. A leading `/` may be left out.
    ///
    /// Clients can join a namespace from then on.
    #[must_use]
    pub fn of(&self, name: &str) -> Namespace {
        let name = name.strip_prefix('/').unwrap_or(name);
        if name.is_empty() {
            return self.0.registry().root().clone();
        }
        self.0.registry().of(&format!("/{name}"))
    }

    /// Namespaces by pattern: one comes into being when a client asks for a name that matches, and goes when the last
    /// client has left it.
    ///
    /// A part of the name in braces is a parameter, which [`Namespace::param`] tells. What is returned stands for all of
    /// them: handlers and middleware that are registered on it, now or later, are theirs too, and what is emitted to it
    /// is emitted to each. Patterns and [predicates](Self::of_matching) are tried in the order in which they were given;
    /// a namespace that exists comes before all.
    ///
    /// ```
    /// use socketio_server::{Namespace, Server, Socket};
    ///
    /// async fn watch(socket: Socket, namespace: Namespace) {
    ///     let id = namespace.param("id").unwrap_or_default();
    ///     socket.emit("watching", id);
    /// }
    ///
    /// fn routes(io: &Server) {
    ///     io.of_pattern("/orders/{id}").on_connect(watch);
    /// }
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if a parameter is no whole part between two slashes, or stands twice.
    #[track_caller]
    #[must_use]
    pub fn of_pattern(&self, pattern: &str) -> Namespace {
        self.0.registry().add_parent(Rule::Pattern(Pattern::new(pattern)))
    }

    /// Namespaces by predicate: as [by pattern](Self::of_pattern), but an async function says which names there are.
    ///
    /// It is asked once for a name, however many clients wait for the answer, and not at all while the namespace exists.
    /// All predicates together have 30 s ([`middleware_timeout`](crate::Builder::middleware_timeout)). Who may join is
    /// for middleware to say, which knows the client.
    ///
    /// ```
    /// # fn demo(io: socketio_server::Server) {
    /// io.of_matching(async |name| name.strip_prefix("/team-").is_some_and(|team| team.len() == 4));
    /// # }
    /// ```
    pub fn of_matching<F, Fut>(&self, predicate: F) -> Namespace
    where
        F: Fn(Arc<str>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        let predicate = Box::new(move |name| Box::pin(predicate(name)) as BoxFuture<bool>);
        self.0.registry().add_parent(Rule::Predicate(predicate))
    }

    /// Calls `hook` for each namespace that comes into being from now on, the root namespace excepted, before its first
    /// client is decided about. It may register handlers on it, and must not block.
    pub fn on_new_namespace(&self, hook: impl Fn(&Namespace) + Send + Sync + 'static) -> &Self {
        self.0.registry().add_hook(Arc::new(hook));
        self
    }

    /// The path below which the server answers, without trailing slash.
    #[must_use]
    pub fn path(&self) -> &str {
        self.engine().path()
    }

    /// Whether browsers get the JavaScript client from this server; see [`Builder::serve_client`].
    #[must_use]
    pub fn serve_client(&self) -> bool {
        self.client().is_some()
    }

    /// The Engine.IO server that ships: what clients reach by [`listen`](Self::listen), [`layer`](Self::layer) and their
    /// like.
    #[must_use]
    pub fn engine(&self) -> &EngineIo {
        &self.0.engine_io
    }

    /// Takes clients from another engine too. It is closed and shut down with the server.
    pub fn bind(&self, engine: impl Engine) {
        engine.bind(Opener::new(Arc::downgrade(&self.0)));
        self.0.engines.write().unwrap_or_else(PoisonError::into_inner).push(Arc::new(engine));
    }

    /// How long a connection may take to join its first namespace.
    #[must_use]
    pub fn connect_timeout(&self) -> Duration {
        self.0.shared.config.connect_timeout
    }

    /// How long the middlewares of a namespace may take together to decide about a client.
    #[must_use]
    pub fn middleware_timeout(&self) -> Duration {
        self.0.shared.config.middleware_timeout
    }

    /// How long events of a socket are held for its connect handlers.
    #[must_use]
    pub fn connect_handler_timeout(&self) -> Duration {
        self.0.shared.config.connect_handler_timeout
    }

    /// How long a packet may wait for its attachments.
    #[must_use]
    pub fn attachments_timeout(&self) -> Duration {
        self.0.shared.config.attachments_timeout
    }

    /// How long an answer is waited for, unless a call says otherwise.
    #[must_use]
    pub fn ack_timeout(&self) -> Duration {
        self.0.shared.config.ack_timeout
    }

    /// Changes what connects this server to others, as [`Builder::adapter`] does, for all namespaces. They keep their
    /// handlers; adapters that they had are closed.
    ///
    /// # Errors
    ///
    /// [`AdapterFixed`] once a connection was opened: its rooms are known to the adapter that it met.
    pub fn set_adapter(&self, factory: impl AdapterFactory) -> Result<(), AdapterFixed> {
        self.0.shared.adapters.replace(factory, || {
            self.0.registry().all().iter().for_each(|namespace| namespace.inner().replace_adapter());
        })
    }

    /// Waits until the adapters of all namespaces have connected to the other servers, as [`Namespace::ready`] does for
    /// one.
    ///
    /// # Errors
    ///
    /// What the first one says that could not connect.
    ///
    /// # Cancel safety
    ///
    /// May be dropped and called again.
    ///
    /// # Panics
    ///
    /// Panics outside of a Tokio runtime.
    pub async fn ready(&self) -> Result<(), Arc<AdapterError>> {
        for namespace in self.0.registry().all() {
            namespace.ready().await?;
        }
        Ok(())
    }

    /// Takes one connection over, whose messages are to be handed to what is returned (`onconnection` in Node). Unlike
    /// those of a [bound](Self::bind) engine, whoever opened it closes it when the server ends.
    ///
    /// # Panics
    ///
    /// Panics outside of a Tokio runtime.
    #[must_use]
    pub fn open(&self, connection: Arc<dyn Connection>) -> Receiver {
        Receiver::new(Arc::clone(&self.0), connection)
    }

    /// The format of packets that the clients of this server speak.
    #[must_use]
    pub fn parser(&self) -> &Parser {
        &self.0.shared.parser
    }

    /// Ends the service in good order, within `deadline`.
    ///
    /// From now on nobody joins, and no handler of an event starts. Handlers that are running may end, so that their
    /// acks still go out; then the sockets disconnect with the reason `server shutting down` (without a DISCONNECT
    /// packet: stock clients come back, to another server), the connections are closed, and disconnect handlers run.
    /// Handlers that are still running at the deadline are aborted, and the last second of it is kept for the connections:
    /// what was sent before still goes out. A handler that awaits this waits for itself.
    ///
    /// Afterwards the server may [`listen`](Self::listen) again, with all its namespaces and handlers.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: dropped, it leaves the shutdown where it is. It can be called again.
    pub async fn shutdown(&self, deadline: Duration) {
        let shared = &self.0.shared;
        shared.is_closing.store(true, Ordering::Release);
        let start = Instant::now();
        let end = start.checked_add(deadline);
        // Handlers that do not end must not use up the time in which connections are flushed and sockets leave.
        let handlers_end = start.checked_add(deadline - FLUSH.min(deadline / 4));
        wait_until(handlers_end, shared.tasks.idle()).await;
        self.disconnect_all();
        let left = end.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()));
        self.shut_engines_down(left).await;
        wait_until(end, shared.tasks.idle()).await;
        let n_aborted = shared.tasks.len();
        if n_aborted > 0 {
            tracing::warn!(target: "socket.io:server", n_aborted, "handlers aborted at the deadline of the shutdown");
        }
        shared.tasks.abort();
        self.leave_cluster().await;
    }

    /// Closes all connections and listeners at once, as Node's `close` does; [`shutdown`](Self::shutdown) is gentler.
    ///
    /// The sockets disconnect with the reason `server shutting down` (without a DISCONNECT packet: stock clients come
    /// back), and what was sent before has one second to go out. Handlers that are running are not waited for, and run on.
    /// When it returns, the listeners' ports are free, and the server may [`listen`](Self::listen) again, with all its
    /// namespaces and handlers.
    ///
    /// # Cancel safety
    ///
    /// As [`shutdown`](Self::shutdown).
    pub async fn close(&self) {
        self.0.shared.is_closing.store(true, Ordering::Release);
        self.disconnect_all();
        self.shut_engines_down(FLUSH).await;
        self.leave_cluster().await;
    }

    /// Closes all connections that are open now, as [`close`](Self::close) does, and goes on serving.
    pub fn close_sessions(&self) {
        self.disconnect_all();
        self.engines().iter().for_each(|engine| engine.close_connections());
    }

    /// Lets clients join again after [`close`](Self::close) or [`shutdown`](Self::shutdown) has ended;
    /// [`listen`](Self::listen) does so by itself. It is for a server that is a layer in another one, which serves on.
    pub fn reopen(&self) {
        self.engines().iter().for_each(|engine| engine.reopen());
        if self.0.shared.is_closing.swap(false, Ordering::AcqRel) {
            for namespace in self.0.registry().all() {
                namespace.inner().restart();
            }
        }
    }

    fn disconnect_all(&self) {
        for socket in self.0.registry().all().iter().flat_map(Namespace::sockets) {
            socket.inner().left(DisconnectReason::ServerShuttingDown, None);
            socket.conn().close(DisconnectReason::ServerShuttingDown);
        }
    }

    fn engines(&self) -> Vec<Arc<dyn Engine>> {
        self.0.engines.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn shut_engines_down(&self, deadline: Duration) {
        let ending = self.engines().into_iter().map(|engine| async move { engine.shutdown(deadline).await });
        ending.collect::<JoinSet<()>>().join_all().await;
    }

    async fn leave_cluster(&self) {
        for namespace in self.0.registry().all() {
            namespace.inner().close_adapter().await;
        }
    }

    pub(crate) fn new(
        shared: Shared,
        config: engine_io_server::Config,
        client: Option<Arc<ServeClient>>,
    ) -> Result<Self, ConfigError> {
        let shared = Arc::new(shared);
        let engine = BuiltIn::new(config).map_err(|error| ConfigError::Engine(error.into()))?;
        let inner = Arc::new_cyclic(|server: &Weak<ServerInner>| ServerInner {
            registry: Registry::new(Weak::clone(server), Arc::clone(&shared)),
            shared,
            engine_io: engine.engine().clone(),
            engines: RwLock::default(),
            client,
        });
        inner.registry().root().inner().start();
        let server = Self(inner);
        server.bind(engine);
        Ok(server)
    }

    pub(crate) fn client(&self) -> Option<&Arc<ServeClient>> {
        self.0.client.as_ref()
    }

    pub(crate) fn from_inner(inner: Arc<ServerInner>) -> Self {
        Self(inner)
    }
}

/// The root namespace.
impl Deref for Server {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        self.0.registry().root()
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

impl ServerInner {
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Removes a namespace if `decide`, asked while nobody can look for it, says so; returns what it said.
    pub(crate) fn remove_if(&self, name: &str, decide: impl FnOnce() -> bool) -> bool {
        self.registry.remove_if(name, decide)
    }
}

impl fmt::Debug for ServerInner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerInner").finish_non_exhaustive()
    }
}

/// What a shutdown keeps of its time for the end of the connections.
const FLUSH: Duration = Duration::from_secs(1);

async fn wait_until(end: Option<Instant>, done: impl Future<Output = ()>) {
    match end {
        // Either way the caller goes on; what is not done by then is aborted there.
        Some(end) => drop(tokio::time::timeout_at(end, done).await),
        None => done.await,
    }
}
