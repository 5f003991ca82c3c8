//! Why a request is refused, and what the peer is told.

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, RETRY_AFTER, SEC_WEBSOCKET_VERSION, VARY};
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

use crate::Body;
use crate::body::respond;

/// A request that gets no session. Statuses, codes and messages are the official server's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("unknown or disabled transport")]
    UnknownTransport,
    #[error(
        "unknown session id; with several nodes, requests of one session reached different ones (is the load balancer sticky?)"
    )]
    UnknownSid,
    #[error("a session is opened with GET")]
    BadMethod,
    #[error("the `{0}` parameter is repeated")]
    RepeatedParameter(&'static str),
    #[error("the `Host` header is repeated")]
    RepeatedHost,
    #[error("the `Origin` header has a control character")]
    InvalidOrigin,
    #[error("the session uses another transport")]
    TransportMismatch,
    #[error("the session speaks another protocol version")]
    ProtocolMismatch,
    #[error("`transport=websocket` without an upgrade, or an upgrade without it")]
    TransportHandshake,
    #[error("WebSocket handshake: {0}")]
    WebSocketHandshake(&'static str),
    #[error("WebSocket handshake: version 13 is spoken")]
    WebSocketVersion,
    #[error("the payload cannot be read")]
    BadPayload,
    #[error("the body has a content coding")]
    ContentEncoding,
    #[error("requests of one kind overlap")]
    Overlap,
    #[error("`allow_request` refused: {0}")]
    Forbidden(String),
    #[error("cross-origin request from {0}; allow it with the `origins` option")]
    CrossOrigin(String),
    #[error("protocol version {0} is not spoken")]
    UnsupportedVersion(String),
    #[error("the server is shutting down")]
    ShuttingDown,
    #[error("no session id: {0}")]
    NoSessionId(String),
    #[error(
        "the HTTP server offers no upgrade for this connection; it must serve connections with upgrades enabled (hyper: `with_upgrades`)"
    )]
    NoUpgrade,
}

impl Refusal {
    fn parts(&self) -> (StatusCode, u8, &str) {
        match self {
            Self::UnknownTransport => (StatusCode::BAD_REQUEST, 0, "Transport unknown"),
            Self::UnknownSid => (StatusCode::BAD_REQUEST, 1, "Session ID unknown"),
            Self::BadMethod => (StatusCode::BAD_REQUEST, 2, "Bad handshake method"),
            Self::RepeatedHost
            | Self::RepeatedParameter(_)
            | Self::InvalidOrigin
            | Self::TransportMismatch
            | Self::ProtocolMismatch
            | Self::TransportHandshake
            | Self::WebSocketHandshake(_)
            | Self::WebSocketVersion
            | Self::BadPayload
            | Self::Overlap
            | Self::NoSessionId(_) => (StatusCode::BAD_REQUEST, 3, "Bad request"),
            Self::ContentEncoding => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, 3, "Content encoding not supported")
            }
            Self::Forbidden(message) => (StatusCode::FORBIDDEN, 4, message),
            Self::CrossOrigin(_) => (
                StatusCode::FORBIDDEN,
                4,
                "Forbidden: cross-origin request, see the server's `origins` option",
            ),
            Self::UnsupportedVersion(_) => (StatusCode::BAD_REQUEST, 5, "Unsupported protocol version"),
            Self::ShuttingDown => (StatusCode::SERVICE_UNAVAILABLE, 3, "Server shutting down"),
            Self::NoUpgrade => {
                (StatusCode::INTERNAL_SERVER_ERROR, 3, "WebSocket upgrades are not enabled on this server")
            }
        }
    }

    pub(crate) fn response(&self) -> Response<Body> {
        if let Self::Overlap = self {
            // As from the official server: its client tells this case by the session's end.
            return respond(StatusCode::BAD_REQUEST, "text/plain", Bytes::new());
        }
        let (status, code, message) = self.parts();
        // A map would sort its keys; clients compare the text.
        let message = json!(message);
        let body = format!(r#"{{"code":{code},"message":{message}}}"#);
        let mut response = respond(status, "application/json", body.into());
        match self {
            Self::WebSocketVersion => {
                response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
            Self::ShuttingDown => {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Self::ContentEncoding => {
                response.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            }
            Self::CrossOrigin(_) => {
                response.headers_mut().insert(VARY, HeaderValue::from_static("Origin"));
            }
            _ => {}
        }
        response
    }
}

/// The options contradict each other or make no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The path does not start with a slash, or has characters that no request's path has.
    #[error("the path {path:?} must start with `/` and have no query, fragment or spaces")]
    InvalidPath {
        /// The path as given.
        path: String,
    },
    /// A period is zero.
    #[error("{option} must be longer than zero")]
    ZeroPeriod {
        /// The option's name.
        option: &'static str,
    },
    /// A size is zero.
    #[error("{option} must be at least 1 byte")]
    ZeroSize {
        /// The option's name.
        option: &'static str,
    },
    /// No transport is left.
    #[error("at least one transport must be enabled")]
    NoTransport,
    /// Pages of any origin may read answers to requests with cookies: then each page could act in its visitor's name.
    #[error("`cors` with credentials must name its origins")]
    CredentialsOfAnyOrigin,
    /// An origin that cannot be compared.
    #[error("the origin {origin:?} must look like `https://example.com` or `https://example.com:8443`")]
    InvalidOrigin {
        /// The origin as given.
        origin: String,
    },
}
