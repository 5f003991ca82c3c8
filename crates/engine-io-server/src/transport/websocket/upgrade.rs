//! From an HTTP request to a WebSocket.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use engine_io_parser::Handshake;
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version};
use hyper::ext::Protocol;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tungstenite::handshake::derive_accept_key;

use super::driver::Driver;
use super::frames::write_close;
use crate::error::Refusal;
use crate::server::{Engine, OpenRequest};
use crate::session::Transport;
use crate::{Body, CloseReason, Session};

/// A WebSocket that the engine accepts: send [`response`](Self::response), then give the stream to
/// [`run`](Self::run).
///
/// This is the entry point for HTTP servers that upgrade connections in their own way; with hyper (and so axum, warp
/// and others) [`Engine::handle_request`] does it all. If it is dropped without `run`, the session it was meant for
/// goes on without it.
#[derive(Debug)]
#[must_use = "the WebSocket is served by `run`"]
pub struct WebSocketUpgrade {
    engine: Engine,
    purpose: Purpose,
    accept: Option<HeaderValue>,
    base64: bool,
}

#[derive(Debug)]
enum Purpose {
    /// A new session.
    Open(Box<OpenRequest>),
    /// A session that polls shall move here.
    Probe {
        session: Session,
        number: u32,
    },
    /// The session has a WebSocket already. Clients take a refused handshake for a broken server, so this one is
    /// accepted and closed.
    Surplus,
    Done,
}

/// Whether the request asks for a WebSocket, over HTTP/1.1 or as HTTP/2's extended CONNECT.
pub(crate) fn is_websocket_request(request: &Parts) -> bool {
    is_extended_connect(request)
        || (request.method == Method::GET && has_token(&request.headers, &UPGRADE, "websocket"))
}

fn is_extended_connect(request: &Parts) -> bool {
    request.method == Method::CONNECT
        && request.extensions.get::<Protocol>().is_some_and(|protocol| protocol.as_str() == "websocket")
}

impl WebSocketUpgrade {
    pub(crate) fn open(engine: Engine, request: OpenRequest, headers: &Handshaken) -> Self {
        let base64 = request.base64;
        Self { engine, purpose: Purpose::Open(Box::new(request)), accept: headers.accept.clone(), base64 }
    }

    pub(crate) fn probe(
        engine: Engine,
        session: Session,
        number: u32,
        base64: bool,
        headers: &Handshaken,
    ) -> Self {
        Self { engine, purpose: Purpose::Probe { session, number }, accept: headers.accept.clone(), base64 }
    }

    pub(crate) fn surplus(engine: Engine, headers: &Handshaken) -> Self {
        Self { engine, purpose: Purpose::Surplus, accept: headers.accept.clone(), base64: false }
    }

    /// The answer to the client: `101 Switching Protocols`, or `200 OK` to an extended CONNECT
    /// ([RFC 8441](https://www.rfc-editor.org/rfc/rfc8441)).
    pub fn response(&self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        if let Some(accept) = &self.accept {
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            let headers = response.headers_mut();
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept.clone());
        }
        response
    }

    /// Serves the WebSocket until it is closed.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the connection is dropped with it and its session is closed (`transport close`), or
    /// goes on polling if it was not upgraded yet.
    pub async fn run<IO: AsyncRead + AsyncWrite + Unpin + Send>(self, io: IO) {
        self.start(io).await;
    }

    /// Opens the session, or joins it.
    fn start<IO: AsyncRead + AsyncWrite + Unpin>(mut self, io: IO) -> Serving<IO> {
        let limits = self.engine.limits();
        match std::mem::replace(&mut self.purpose, Purpose::Done) {
            Purpose::Open(request) => {
                let handshake = self.engine.handshake(&request.id, Transport::WebSocket);
                let session = self.engine.open(*request, Transport::WebSocket);
                let mut driver = Driver::new(io, session, 0, limits, self.base64);
                driver.send_first(&open_packet(&handshake));
                Serving::Session(driver)
            }
            Purpose::Probe { session, number } => {
                Serving::Session(Driver::new(io, session, number, limits, self.base64))
            }
            Purpose::Surplus => {
                let mut close = Vec::new();
                write_close(&mut close, None);
                Serving::Surplus { io, close }
            }
            Purpose::Done => Serving::Nothing,
        }
    }
}

/// A WebSocket that is being served.
///
/// An enum, and not an async function: its task lives as long as the client stays, and must be no larger than the driver.
#[expect(clippy::large_enum_variant, reason = "nearly all are the largest, for as long as they last")]
enum Serving<IO: AsyncRead + AsyncWrite + Unpin> {
    Session(Driver<IO>),
    /// No session wants it: it is sent what is left of a close frame.
    Surplus {
        io: IO,
        close: Vec<u8>,
    },
    Nothing,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Future for Serving<IO> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.get_mut() {
            Self::Session(driver) => Pin::new(driver).poll(cx),
            Self::Surplus { io, close } => {
                while !close.is_empty() {
                    match ready!(Pin::new(&mut *io).poll_write(cx, close)) {
                        Ok(n @ 1..) => drop(close.drain(..n)),
                        // The peer may be gone already, which is as good.
                        Ok(0) | Err(_) => return Poll::Ready(()),
                    }
                }
                Pin::new(io).poll_shutdown(cx).map(|_| ())
            }
            Self::Nothing => Poll::Ready(()),
        }
    }
}

/// Waits for hyper to hand over the connection, then serves its WebSocket.
pub(crate) struct Upgrading(State);

#[expect(clippy::large_enum_variant, reason = "it becomes the largest soon, and stays that")]
enum State {
    Waiting { on_upgrade: OnUpgrade, upgrade: Option<WebSocketUpgrade> },
    Serving(Serving<TokioIo<Upgraded>>),
}

impl Upgrading {
    pub(crate) fn new(on_upgrade: OnUpgrade, upgrade: WebSocketUpgrade) -> Self {
        Self(State::Waiting { on_upgrade, upgrade: Some(upgrade) })
    }
}

impl Future for Upgrading {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let serving = match &mut self.0 {
                State::Serving(serving) => return Pin::new(serving).poll(cx),
                State::Waiting { on_upgrade, upgrade } => {
                    match (ready!(Pin::new(on_upgrade).poll(cx)), upgrade.take()) {
                        (Ok(upgraded), Some(upgrade)) => upgrade.start(TokioIo::new(upgraded)),
                        (Ok(_), None) => Serving::Nothing,
                        (Err(error), _) => {
                            tracing::debug!(target: "engine:ws", %error, "the client went away before the upgrade");
                            Serving::Nothing
                        }
                    }
                }
            };
            self.0 = State::Serving(serving);
        }
    }
}

impl Drop for WebSocketUpgrade {
    fn drop(&mut self) {
        if let Purpose::Probe { session, number } = &self.purpose {
            session.drive(|core| core.machine.handle_websocket_lost(*number, CloseReason::TransportClose));
        }
    }
}

pub(crate) fn open_packet(handshake: &Handshake) -> Vec<u8> {
    let mut packet = vec![b'0'];
    packet.extend_from_slice(handshake.to_json().as_bytes());
    packet
}

/// A handshake whose headers are in order.
#[derive(Debug)]
pub(crate) struct Handshaken {
    /// For HTTP/1.1; an extended CONNECT has no key.
    accept: Option<HeaderValue>,
}

impl Handshaken {
    /// Checks what RFC 6455, section 4.2.1, asks of the request.
    pub(crate) fn check(request: &Parts) -> Result<Self, Refusal> {
        if is_extended_connect(request) {
            return match request.headers.get(SEC_WEBSOCKET_VERSION) {
                Some(version) if version != "13" => Err(Refusal::WebSocketVersion),
                _ => Ok(Self { accept: None }),
            };
        }
        if request.version < Version::HTTP_11 || !has_token(&request.headers, &CONNECTION, "upgrade") {
            return Err(Refusal::WebSocketHandshake("no `Connection: Upgrade`"));
        }
        match request.headers.get(SEC_WEBSOCKET_VERSION) {
            Some(version) if version == "13" => {}
            _ => return Err(Refusal::WebSocketVersion),
        }
        let key = request.headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).unwrap_or_default();
        // Sixteen bytes in base64.
        if key.len() != 24 || !key.ends_with(b"==") {
            return Err(Refusal::WebSocketHandshake("missing or invalid Sec-WebSocket-Key header"));
        }
        match HeaderValue::try_from(derive_accept_key(key)) {
            Ok(accept) => Ok(Self { accept: Some(accept) }),
            Err(_) => Err(Refusal::WebSocketHandshake("missing or invalid Sec-WebSocket-Key header")),
        }
    }
}

/// Whether one of the comma-separated values of a header is `token`, in any case.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|value| value.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}
