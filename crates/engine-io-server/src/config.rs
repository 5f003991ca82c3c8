//! An engine's options. Names and defaults are the official server's.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::Request;

use crate::session::Timing;
use crate::{ConfigError, Cors, HttpCompression, Origins, Transport};

/// The options of an [`Engine`](crate::Engine).
///
/// ```
/// use std::time::Duration;
///
/// use engine_io_server::Config;
///
/// let config = Config::default().path("/realtime").ping_interval(Duration::from_secs(10));
/// # let _ = config;
/// ```
#[derive(Clone)]
pub struct Config {
    pub(crate) path: String,
    pub(crate) ping_interval: Duration,
    pub(crate) ping_timeout: Duration,
    pub(crate) upgrade_timeout: Duration,
    pub(crate) max_http_buffer_size: usize,
    pub(crate) polling: bool,
    pub(crate) websocket: bool,
    pub(crate) allow_upgrades: bool,
    pub(crate) allow_eio3: bool,
    pub(crate) origins: Origins,
    pub(crate) cors: Option<Arc<Cors>>,
    pub(crate) allow_request: Option<AllowRequest>,
    pub(crate) http_compression: HttpCompression,
}

pub(crate) type AllowRequest =
    Arc<dyn Fn(Request<()>) -> Pin<Box<dyn Future<Output = Result<(), Forbidden>> + Send>> + Send + Sync>;

/// Why [`Config::allow_request`] lets no session begin. The text is sent to the client, with status 403 and code 4.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Forbidden {
    pub(crate) message: String,
}

impl Forbidden {
    /// A refusal with a text for the client.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

/// `Forbidden`, as the official server says it.
impl Default for Forbidden {
    fn default() -> Self {
        Self::new("Forbidden")
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: "/engine.io".to_owned(),
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            upgrade_timeout: Duration::from_secs(10),
            max_http_buffer_size: 1_000_000,
            polling: true,
            websocket: true,
            allow_upgrades: true,
            allow_eio3: false,
            origins: Origins::default(),
            cors: None,
            allow_request: None,
            http_compression: HttpCompression::default(),
        }
    }
}

impl Config {
    /// The path below which all requests are the engine's, without trailing slash; default `/engine.io`.
    ///
    /// It matches at a segment's border: `/engine.io/` and `/engine.io/any/thing`, but neither `/engine.io-admin` nor
    /// `/engine.io` itself.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// How long after the handshake, or a pong, the server pings; default 25 s. It is shortened by a random part, a
    /// tenth at most, so that clients which connected together are not pinged together.
    #[must_use]
    pub fn ping_interval(mut self, interval: Duration) -> Self {
        self.ping_interval = interval;
        self
    }

    /// How long a client has to answer a ping before its session is closed; default 20 s.
    #[must_use]
    pub fn ping_timeout(mut self, timeout: Duration) -> Self {
        self.ping_timeout = timeout;
        self
    }

    /// How long a WebSocket may take to take over a polling session; default 10 s. After that it is closed, and the
    /// session goes on polling.
    #[must_use]
    pub fn upgrade_timeout(mut self, timeout: Duration) -> Self {
        self.upgrade_timeout = timeout;
        self
    }

    /// The longest message and the longest POST body, in bytes; default 1 000 000. A longer body is refused with 413,
    /// a longer WebSocket message closes its connection with code 1009.
    #[must_use]
    pub fn max_http_buffer_size(mut self, bytes: usize) -> Self {
        self.max_http_buffer_size = bytes;
        self
    }

    /// The transports that are offered; default both.
    #[must_use]
    pub fn transports(mut self, transports: &[Transport]) -> Self {
        self.polling = transports.contains(&Transport::Polling);
        self.websocket = transports.contains(&Transport::WebSocket);
        self
    }

    /// Whether a polling session may move to a WebSocket; default yes. If not, it is neither offered nor accepted.
    #[must_use]
    pub fn allow_upgrades(mut self, allow: bool) -> Self {
        self.allow_upgrades = allow;
        self
    }

    /// Whether clients of protocol revision 3 are let in, those of Socket.IO 1 and 2; default no. In their sessions the
    /// client pings, and no jitter is needed.
    #[must_use]
    pub fn allow_eio3(mut self, allow: bool) -> Self {
        self.allow_eio3 = allow;
        self
    }

    /// Which cross-origin requests are let in; default none.
    #[must_use]
    pub fn origins(mut self, origins: Origins) -> Self {
        self.origins = origins;
        self
    }

    /// What browsers are told about pages of other origins; default nothing, so that they let no such page read an answer.
    #[must_use]
    pub fn cors(mut self, cors: Cors) -> Self {
        self.cors = Some(Arc::new(cors));
        self
    }

    /// Decides about every new session, after transport, method and origin were found right; default all may begin.
    ///
    /// It is asked once per session, not for later requests nor for the upgrade. The request has no body.
    ///
    /// ```
    /// use engine_io_server::{Config, Forbidden};
    ///
    /// let config = Config::default().allow_request(|request| async move {
    ///     match request.headers().get("authorization") {
    ///         Some(_) => Ok(()),
    ///         None => Err(Forbidden::new("log in first")),
    ///     }
    /// });
    /// # let _ = config;
    /// ```
    #[must_use]
    pub fn allow_request<F, Fut>(mut self, decide: F) -> Self
    where
        F: Fn(Request<()>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Forbidden>> + Send + 'static,
    {
        self.allow_request = Some(Arc::new(move |request| Box::pin(decide(request))));
        self
    }

    /// Whether the answers to polls are compressed; default those of 1 024 bytes and more.
    ///
    /// `false` switches it off, `true` is the default, and [`HttpCompression`] sets another threshold. The client chooses
    /// the coding: gzip, deflate or br, whichever its `Accept-Encoding` likes best, and none if it does not say. The
    /// answer that opens a session is never compressed. Nothing is kept for it between two answers but one encoder for
    /// each thread (300 KiB); the work for an answer of more than 64 KiB is done on a thread for blocking work.
    ///
    /// An answer is left as it is if none of its messages may be compressed:
    /// [`SharedFrame::without_compression`](crate::SharedFrame::without_compression). That is for messages with a secret
    /// beside text that somebody else has chosen, on sites over TLS: whoever can do both, have such text sent and see how
    /// long the encrypted answers are, can guess the secret piece by piece (the attack called BREACH). Messages that are
    /// sent at about the same time share an answer, so where that matters switch compression off altogether.
    #[must_use]
    pub fn http_compression(mut self, compression: impl Into<HttpCompression>) -> Self {
        self.http_compression = compression.into();
        self
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        let path = self.path.trim_end_matches('/');
        let is_path = path.starts_with('/')
            && path.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#'));
        if !is_path {
            return Err(ConfigError::InvalidPath { path: self.path.clone() });
        }
        let periods = [
            ("ping_interval", self.ping_interval),
            ("ping_timeout", self.ping_timeout),
            ("upgrade_timeout", self.upgrade_timeout),
        ];
        if let Some((option, _)) = periods.into_iter().find(|(_, period)| period.is_zero()) {
            return Err(ConfigError::ZeroPeriod { option });
        }
        if self.max_http_buffer_size == 0 {
            return Err(ConfigError::ZeroSize { option: "max_http_buffer_size" });
        }
        if !self.polling && !self.websocket {
            return Err(ConfigError::NoTransport);
        }
        if let Some(cors) = &self.cors {
            cors.validate()?;
        }
        self.origins.validate()
    }

    pub(crate) fn timing(&self) -> Timing {
        let shortest = self.ping_interval.min(self.ping_timeout);
        Timing {
            ping_interval: self.ping_interval,
            ping_timeout: self.ping_timeout,
            upgrade_timeout: self.upgrade_timeout,
            grain: (shortest / 100).clamp(FINEST_GRAIN, COARSEST_GRAIN),
        }
    }
}

/// How much too early a deadline may fire: finer costs more wake-ups of the timer, coarser is not exact enough for
/// the 100 ms between two noops.
const COARSEST_GRAIN: Duration = Duration::from_millis(20);
const FINEST_GRAIN: Duration = Duration::from_millis(1);

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("path", &self.path)
            .field("ping_interval", &self.ping_interval)
            .field("ping_timeout", &self.ping_timeout)
            .field("upgrade_timeout", &self.upgrade_timeout)
            .field("max_http_buffer_size", &self.max_http_buffer_size)
            .field("polling", &self.polling)
            .field("websocket", &self.websocket)
            .field("allow_upgrades", &self.allow_upgrades)
            .field("allow_eio3", &self.allow_eio3)
            .field("origins", &self.origins)
            .field("cors", &self.cors)
            .field("allow_request", &self.allow_request.is_some())
            .field("http_compression", &self.http_compression)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_refused() {
        let zero = Duration::ZERO;
        let base = Config::default;
        for config in [
            base().path("engine.io"),
            base().path(""),
            base().path("/"),
            base().path("/a b"),
            base().path("/a?b"),
            base().ping_interval(zero),
            base().ping_timeout(zero),
            base().upgrade_timeout(zero),
            base().max_http_buffer_size(0),
            base().transports(&[]),
            base().origins(Origins::list(["example.com"])),
            base().cors(Cors::new(Origins::list(["example.com"]))),
            base().cors(Cors::new(Origins::any()).credentials(true)),
        ] {
            assert!(config.validate().is_err(), "{config:?}");
        }
        assert_eq!(base().validate(), Ok(()));
        assert_eq!(base().path("/a/b/").validate(), Ok(()));
    }
}
