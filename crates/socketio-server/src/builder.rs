//! The options of a server.

use std::any::TypeId;
use std::sync::Arc;
use std::time::Duration;

use engine_io_server::{Config as EngineConfig, Cors, Forbidden, HttpCompression, Origins, Transport};
use socketio_adapter::AdapterFactory;
use socketio_adapter::rooms::RoomLimits;
use socketio_parser::{Limits, Parser};

use crate::Server;
use crate::client_files::{ClientFiles, ServeClient};
use crate::config::{Config, Shared, StateMap};
use crate::error::ConfigError;
use crate::recovery::Recovery;

/// The options of a server, with Node's names and defaults; [`build`](Self::build) makes the server.
///
/// ```
/// use std::time::Duration;
///
/// use socketio_server::Server;
///
/// # fn main() -> Result<(), socketio_server::ConfigError> {
/// let io = Server::builder().connect_timeout(Duration::from_secs(20)).build()?;
/// # let _ = io;
/// # Ok(())
/// # }
/// ```
pub struct Builder {
    config: Config,
    engine: EngineConfig,
    parser: Parser,
    parser_limits: Option<Limits>,
    state: StateMap,
    adapters: Option<Arc<dyn AdapterFactory>>,
    serve_client: bool,
    client_files: Option<ClientFiles>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            config: Config::default(),
            engine: EngineConfig::default().path("/socket.io"),
            parser: Parser::default(),
            parser_limits: None,
            state: StateMap::default(),
            adapters: None,
            serve_client: true,
            client_files: None,
        }
    }
}

impl Builder {
    /// The path below which the server answers. Default: `/socket.io`.
    #[must_use]
    pub fn path(self, path: impl Into<String>) -> Self {
        self.engine(|engine| engine.path(path))
    }

    /// Whether browsers get the JavaScript client from this server: `/socket.io/socket.io.js`, its variants
    /// (`.min.js`, `.esm.min.js`, `.msgpack.min.js`) and their source maps. Default: true.
    ///
    /// If not, these names are answered like any other below the server's path.
    #[must_use]
    pub fn serve_client(mut self, serve: bool) -> Self {
        self.serve_client = serve;
        self
    }

    /// The JavaScript client that browsers get. Default: the one that npm has installed in `node_modules` of the working
    /// directory or of a directory above it, as part of `socket.io` or `socket.io-client`.
    ///
    /// It is looked for when it is first asked for. If there is none, browsers are told what to do, with 404.
    #[must_use]
    pub fn client_files(mut self, files: ClientFiles) -> Self {
        self.client_files = Some(files);
        self
    }

    /// The pause between two pings. Default: 25 s.
    #[must_use]
    pub fn ping_interval(self, interval: Duration) -> Self {
        self.engine(|engine| engine.ping_interval(interval))
    }

    /// How long a client may take to answer a ping. Default: 20 s.
    #[must_use]
    pub fn ping_timeout(self, timeout: Duration) -> Self {
        self.engine(|engine| engine.ping_timeout(timeout))
    }

    /// How long an upgrade to another transport may take. Default: 10 s.
    #[must_use]
    pub fn upgrade_timeout(self, timeout: Duration) -> Self {
        self.engine(|engine| engine.upgrade_timeout(timeout))
    }

    /// How large a message of a client, or the body of one of its requests, may be. Default: 1 MB (1 000 000 bytes).
    #[must_use]
    pub fn max_http_buffer_size(self, bytes: usize) -> Self {
        self.engine(|engine| engine.max_http_buffer_size(bytes))
    }

    /// The transports that clients may use. Default: all.
    #[must_use]
    pub fn transports(self, transports: &[Transport]) -> Self {
        self.engine(|engine| engine.transports(transports))
    }

    /// Whether clients may change from polling to a better transport. Default: true.
    #[must_use]
    pub fn allow_upgrades(self, allow: bool) -> Self {
        self.engine(|engine| engine.allow_upgrades(allow))
    }

    /// Whether clients of Socket.IO 1 and 2 are let in, which speak Engine.IO 3. Default: false.
    ///
    /// They join the root namespace without asking. What such a client gives with a namespace (`/chat?token=…`) is its
    /// `auth` there, and a refusal is the text, or the data if there is any. They cannot come back to where they were.
    #[must_use]
    pub fn allow_eio3(self, allow: bool) -> Self {
        self.engine(|engine| engine.allow_eio3(allow))
    }

    /// Which pages of other origins may connect. Default: none.
    #[must_use]
    pub fn origins(self, origins: Origins) -> Self {
        self.engine(|engine| engine.origins(origins))
    }

    /// What browsers are told about pages of other origins, which are then let in on every transport. Default: nothing.
    #[must_use]
    pub fn cors(self, cors: Cors) -> Self {
        self.engine(|engine| engine.cors(cors))
    }

    /// Decides about each request that would open a connection. Default: all may.
    #[must_use]
    pub fn allow_request<F, Fut>(self, decide: F) -> Self
    where
        F: Fn(http::Request<()>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Forbidden>> + Send + 'static,
    {
        self.engine(|engine| engine.allow_request(decide))
    }

    /// Whether the answers to clients that poll are compressed. Default: those of 1 024 bytes and more.
    ///
    /// `false` switches it off, [`HttpCompression`] sets another threshold. A client gets the coding that it likes best of
    /// gzip, deflate and br; one event or all that are sent at about the same time make an answer. Events that are
    /// [not to be compressed](crate::Socket::compress) are not, unless they share an answer with others.
    ///
    /// An answer over TLS that has both a secret in it and text that somebody else has chosen gives the secret away, piece
    /// by piece, to an attacker who has many such answers sent and sees how long they are (the attack called BREACH). An
    /// application that sends such events switches this off.
    #[must_use]
    pub fn http_compression(self, compression: impl Into<HttpCompression>) -> Self {
        self.engine(|engine| engine.http_compression(compression))
    }

    fn engine(mut self, change: impl FnOnce(EngineConfig) -> EngineConfig) -> Self {
        self.engine = change(self.engine);
        self
    }

    /// How long a connection may take to join its first namespace. It stands still while a CONNECT is being decided.
    /// Default: 45 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.config.connect_timeout = timeout;
        self
    }

    /// How long the middlewares of a namespace may take together to decide about a client. Default: 30 s.
    #[must_use]
    pub fn middleware_timeout(mut self, timeout: Duration) -> Self {
        self.config.middleware_timeout = timeout;
        self
    }

    /// How long events of a socket are held for its connect handlers. Default: 30 s.
    #[must_use]
    pub fn connect_handler_timeout(mut self, timeout: Duration) -> Self {
        self.config.connect_handler_timeout = timeout;
        self
    }

    /// How long a packet may wait for its attachments before the connection is closed. Default: 30 s.
    #[must_use]
    pub fn attachments_timeout(mut self, timeout: Duration) -> Self {
        self.config.attachments_timeout = timeout;
        self
    }

    /// How long [`emit_with_ack`](crate::Socket::emit_with_ack) waits if it is not told otherwise. Default: 30 s.
    #[must_use]
    pub fn ack_timeout(mut self, timeout: Duration) -> Self {
        self.config.ack_timeout = timeout;
        self
    }

    /// How many handlers of one socket may be running at a time; further events wait. Default: 64.
    ///
    /// With 1, the events of a socket are handled strictly one after the other.
    #[must_use]
    pub fn max_running_handlers(mut self, count: usize) -> Self {
        self.config.max_running_handlers = count;
        self
    }

    /// How many bytes the events of one connection that wait for a handler may have before the connection is not read
    /// any more. One event always fits. Default: 1 MiB.
    #[must_use]
    pub fn max_parked_bytes(mut self, bytes: usize) -> Self {
        self.config.max_parked_bytes = bytes;
        self
    }

    /// How many answers of one socket can be waited for. Default: 1 024.
    #[must_use]
    pub fn max_pending_acks(mut self, count: usize) -> Self {
        self.config.max_pending_acks = count;
        self
    }

    /// How many namespaces one connection may join; one more closes it. Default: 64.
    #[must_use]
    pub fn max_namespaces_per_connection(mut self, count: usize) -> Self {
        self.config.client.max_namespaces = count;
        self
    }

    /// Whether a namespace that came into being [by pattern](Server::of_pattern) or predicate goes when its last client
    /// has left; one that the application also got from [`Server::of`] stays. Default: true (false in Node).
    #[must_use]
    pub fn cleanup_empty_child_namespaces(mut self, cleanup: bool) -> Self {
        self.config.cleanup_empty_child_namespaces = cleanup;
        self
    }

    /// How many namespaces can have come into being by patterns and predicates at a time; clients that ask for one more
    /// are refused. Default: 10 000.
    #[must_use]
    pub fn max_dynamic_namespaces(mut self, count: usize) -> Self {
        self.config.max_dynamic_namespaces = count;
        self
    }

    /// The format of packets, which the clients must speak too. Default: JSON, as all clients do that are not told
    /// otherwise.
    #[must_use]
    pub fn parser(mut self, parser: Parser) -> Self {
        self.parser = parser;
        self
    }

    /// What a packet may cost, whichever of the built-in parsers reads it. Default: the parser's own limits, which are
    /// [`Limits::default`] unless others were given to it.
    #[must_use]
    pub fn parser_limits(mut self, limits: Limits) -> Self {
        self.parser_limits = Some(limits);
        self
    }

    /// What one socket can have of rooms. Default: [`RoomLimits::default`].
    #[must_use]
    pub fn room_limits(mut self, limits: RoomLimits) -> Self {
        self.config.rooms = limits;
        self
    }

    /// Shares `value` with all handlers, which take it as [`State<T>`](crate::State). There is one value per type, the
    /// last.
    #[must_use]
    pub fn state<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.state.insert(TypeId::of::<T>(), Arc::new(value));
        self
    }

    /// What connects the namespaces of this server to those of others. Default: nothing, the server stands alone.
    #[must_use]
    pub fn adapter(mut self, factory: impl AdapterFactory) -> Self {
        self.adapters = Some(Arc::new(factory));
        self
    }

    /// Lets clients that lost their connection come back as the sockets they were. Default: they do not.
    ///
    /// Each event then carries its position in a log as a last argument, which stock clients keep and handlers of the
    /// JavaScript client get. An adapter of [another kind](Self::adapter) must be able to keep sessions, or this has no
    /// effect, and the log says so.
    #[must_use]
    pub fn connection_state_recovery(mut self, recovery: Recovery) -> Self {
        self.config.recovery = Some(recovery);
        self
    }

    /// Checks the options and makes the server.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if an option makes no sense.
    pub fn build(self) -> Result<Server, ConfigError> {
        let Self { config, engine, parser, parser_limits, state, adapters, serve_client, client_files } =
            self;
        for (option, is_zero) in [
            ("connect_timeout", config.connect_timeout.is_zero()),
            ("middleware_timeout", config.middleware_timeout.is_zero()),
            ("attachments_timeout", config.attachments_timeout.is_zero()),
            ("max_running_handlers", config.max_running_handlers == 0),
            ("max_parked_bytes", config.max_parked_bytes == 0),
            ("max_namespaces_per_connection", config.client.max_namespaces == 0),
        ] {
            if is_zero {
                return Err(ConfigError::Zero { option });
            }
        }
        let parser = match parser_limits {
            None => parser,
            Some(limits) => parser.with_limits(limits).ok_or(ConfigError::LimitsOfCustomParser)?,
        };
        let client = serve_client.then(|| Arc::new(ServeClient::new(client_files)));
        Server::new(Shared::new(config, parser, state, adapters), engine, client)
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("config", &self.config).finish_non_exhaustive()
    }
}
