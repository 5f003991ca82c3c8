//! HTTP: polling, and the way from a request to a WebSocket.

use std::convert::Infallible;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::upgrade::{self, OnUpgrade};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tungstenite::handshake::derive_accept_key;

use crate::packets::MAX_PAYLOAD;
use crate::sessions::{self, Session};
use crate::socket;
use crate::sync::lock;

/// Serves a connection: HTTP first, and if that leads to a WebSocket, the WebSocket in the same task.
pub(crate) async fn serve(stream: TcpStream) {
    let granted = Arc::new(Mutex::new(None));
    let requests = Requests { granted: Arc::clone(&granted) };
    let connection = http1::Builder::new()
        .half_close(false)
        .serve_connection(TokioIo::new(stream), requests)
        .with_upgrades();
    // In a box, so that a WebSocket's task is no larger than a WebSocket needs.
    if Box::pin(connection).await.is_err() {
        return;
    }
    let upgrade = lock(&granted).take();
    drop(granted);
    let Some(Upgrade { stream, session }) = upgrade else { return };
    if let Ok(upgraded) = stream.await
        && let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>()
    {
        socket::run(parts.io.into_inner(), parts.read_buf, session).await;
    }
}

/// A WebSocket that was promised to the client.
struct Upgrade {
    stream: OnUpgrade,
    /// The session that it wants to take over, if it is not a new one.
    session: Option<Arc<Session>>,
}

struct Requests {
    granted: Arc<Mutex<Option<Upgrade>>>,
}

impl Service<Request<Incoming>> for Requests {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Answer;

    /// Keeps nothing of the request's head: its parts are slices of hyper's read buffer, and hyper looks for the end
    /// of the stream before it polls the answer. While they live it would need a new buffer for that.
    fn call(&self, mut request: Request<Incoming>) -> Answer {
        match Target::of(&request) {
            Target::Open => respond(&mut request, StatusCode::OK, sessions::open()),
            Target::Poll(session) => Answer::Poll { session, headers: emptied(&mut request) },
            Target::Post(session) => {
                let headers = emptied(&mut request);
                Answer::Post { session, headers, body: request.into_body(), received: Vec::new() }
            }
            Target::WebSocket(session) => self.grant(request, session),
            Target::Unknown => respond(&mut request, StatusCode::BAD_REQUEST, Bytes::new()),
        }
    }
}

impl Requests {
    fn grant(&self, mut request: Request<Incoming>, session: Option<Arc<Session>>) -> Answer {
        let key = request.headers().get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).unwrap_or_default();
        let Ok(accept) = HeaderValue::try_from(derive_accept_key(key)) else {
            return respond(&mut request, StatusCode::BAD_REQUEST, Bytes::new());
        };
        *lock(&self.granted) = Some(Upgrade { stream: upgrade::on(&mut request), session });
        let mut headers = emptied(&mut request);
        headers.insert(CONNECTION, SWITCH);
        headers.insert(UPGRADE, WEBSOCKET);
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        Answer::Ready(Some(response(headers, StatusCode::SWITCHING_PROTOCOLS, Bytes::new())))
    }
}

/// What a request is for.
enum Target {
    Open,
    Poll(Arc<Session>),
    Post(Arc<Session>),
    WebSocket(Option<Arc<Session>>),
    Unknown,
}

impl Target {
    fn of(request: &Request<Incoming>) -> Self {
        let uri = request.uri();
        let (mut sid, mut is_websocket) = (None, false);
        for pair in uri.query().unwrap_or_default().split('&') {
            if let Some(value) = pair.strip_prefix("sid=") {
                sid = Some(value);
            } else if pair == "transport=websocket" {
                is_websocket = true;
            }
        }
        let session = sid.map(sessions::find);
        match (request.method(), session) {
            _ if uri.path() != "/socket.io/" => Self::Unknown,
            (_, Some(None)) => Self::Unknown,
            (&Method::GET, session) if is_websocket => Self::WebSocket(session.flatten()),
            (&Method::GET, None) => Self::Open,
            (&Method::GET, Some(Some(session))) => Self::Poll(session),
            (&Method::POST, Some(Some(session))) => Self::Post(session),
            _ => Self::Unknown,
        }
    }
}

/// The answer to a request. hyper keeps it in memory that it allocates once for a connection.
pub(crate) enum Answer {
    Ready(Option<Response<Full<Bytes>>>),
    Poll { session: Arc<Session>, headers: HeaderMap },
    Post { session: Arc<Session>, headers: HeaderMap, body: Incoming, received: Vec<u8> },
}

impl Future for Answer {
    type Output = Result<Response<Full<Bytes>>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (headers, status, content_type, body) = match &mut *self {
            Self::Ready(response) => {
                let response = response.take().expect("hyper does not poll what is ready again");
                return Poll::Ready(Ok(response));
            }
            Self::Poll { session, headers } => (headers, StatusCode::OK, TEXT, ready!(session.poll(cx))),
            Self::Post { session, headers, body, received } => {
                let status = ready!(poll_post(session, body, received, cx));
                (headers, status, HTML, if status == StatusCode::OK { OK } else { Bytes::new() })
            }
        };
        headers.insert(CONTENT_TYPE, content_type);
        Poll::Ready(Ok(response(mem::take(headers), status, body)))
    }
}

/// Collects the body of a POST and gives it to the session. Nearly always it came whole, in one piece.
fn poll_post(
    session: &Session,
    body: &mut Incoming,
    received: &mut Vec<u8>,
    cx: &mut Context<'_>,
) -> Poll<StatusCode> {
    while let Some(frame) = ready!(Pin::new(&mut *body).poll_frame(cx)) {
        let Ok(frame) = frame else { return Poll::Ready(StatusCode::BAD_REQUEST) };
        let Ok(data) = frame.into_data() else { continue };
        if received.len() + data.len() > MAX_PAYLOAD {
            return Poll::Ready(StatusCode::PAYLOAD_TOO_LARGE);
        }
        if received.is_empty() && body.is_end_stream() {
            session.receive(&data);
            return Poll::Ready(StatusCode::OK);
        }
        received.extend_from_slice(&data);
    }
    session.receive(received);
    Poll::Ready(StatusCode::OK)
}

fn respond(request: &mut Request<Incoming>, status: StatusCode, body: Bytes) -> Answer {
    let mut headers = emptied(request);
    headers.insert(CONTENT_TYPE, TEXT);
    Answer::Ready(Some(response(headers, status, body)))
}

fn response(headers: HeaderMap, status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// The map of the request's headers, to be used for the response's: hyper gets it back and uses it for the next
/// request, so that one allocation serves a connection.
fn emptied(request: &mut Request<Incoming>) -> HeaderMap {
    let mut headers = mem::take(request.headers_mut());
    headers.clear();
    headers
}

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=UTF-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html");
const SWITCH: HeaderValue = HeaderValue::from_static("Upgrade");
const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");
const OK: Bytes = Bytes::from_static(b"ok");
