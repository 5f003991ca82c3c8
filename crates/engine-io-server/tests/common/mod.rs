//! What the tests of the engine share: an application that writes down what it is told, and clients in the same
//! process, so that time can stand still.
#![allow(dead_code, reason = "every test binary uses a part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, their helpers too")]

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use engine_io_server::{
    Body, CloseReason, Config, Engine, Flow, Handler, Incoming, Message, Session, SessionHandler,
};
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use test_support::frames::{self, RawWebSocket};
use test_support::http::HttpConnection;
use test_support::polling::Handshake;
use test_support::wait;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Query of a request that opens a polling session.
pub(crate) const POLLING: &str = "EIO=4&transport=polling";
/// Query of a request that opens a WebSocket session.
pub(crate) const WEBSOCKET: &str = "EIO=4&transport=websocket";

/// Longer than any deadline that a session could have.
pub(crate) const LONG: Duration = Duration::from_secs(3600);

/// An engine whose application records everything.
pub(crate) struct Server {
    pub(crate) engine: Engine,
    accepted: mpsc::Receiver<Accepted>,
}

/// A session as the application sees it.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) session: Session,
    events: mpsc::Receiver<Event>,
}

/// What the application was told of a session.
#[derive(Debug)]
pub(crate) enum Event {
    Message { message: Message, headers: Option<HeaderMap> },
    Closed(CloseReason, Option<String>),
}

type OnMessage = Arc<dyn Fn(&Session, &Message) -> Flow + Send + Sync>;

struct App {
    accepted: mpsc::Sender<Accepted>,
    on_message: OnMessage,
}

struct AppSession {
    session: Session,
    events: mpsc::Sender<Event>,
    on_message: OnMessage,
}

/// More than any test sends.
const CAPACITY: usize = 100_000;

impl Handler for App {
    fn on_open(&self, session: Session) -> Box<dyn SessionHandler> {
        let (events, receiver) = mpsc::channel(CAPACITY);
        // A test that is over looks at nothing more.
        let _ = self.accepted.try_send(Accepted { session: session.clone(), events: receiver });
        Box::new(AppSession { session, events, on_message: Arc::clone(&self.on_message) })
    }
}

impl SessionHandler for AppSession {
    fn on_message(&mut self, incoming: Incoming<'_>) -> Flow {
        let headers = incoming.headers().cloned();
        let flow = (self.on_message)(&self.session, &incoming.message);
        let _ = self.events.try_send(Event::Message { message: incoming.message, headers });
        flow
    }

    fn on_close(self: Box<Self>, reason: CloseReason, detail: Option<&str>) {
        let _ = self.events.try_send(Event::Closed(reason, detail.map(str::to_owned)));
    }
}

impl Server {
    /// An engine that only records.
    pub(crate) fn new(config: Config) -> Self {
        Self::with(config, |_, _| Flow::Continue)
    }

    /// An engine that sends every message back.
    pub(crate) fn echo(config: Config) -> Self {
        Self::with(config, |session, message| {
            let _ = session.send(message.clone());
            Flow::Continue
        })
    }

    /// An engine whose sessions do this with every message.
    pub(crate) fn with(
        config: Config,
        on_message: impl Fn(&Session, &Message) -> Flow + Send + Sync + 'static,
    ) -> Self {
        let (sender, accepted) = mpsc::channel(CAPACITY);
        let app = App { accepted: sender, on_message: Arc::new(on_message) };
        Self { engine: Engine::new(config, app).unwrap(), accepted }
    }

    /// The next session that was opened.
    pub(crate) async fn accepted(&mut self) -> Accepted {
        wait::soon("a session", self.accepted.recv()).await.unwrap()
    }

    /// Asserts that the application was told of no session but those taken already.
    pub(crate) fn has_accepted_none(&mut self) {
        assert!(self.accepted.try_recv().is_err(), "a session was opened");
    }

    /// Answers a request with this method and query.
    pub(crate) async fn request(&self, method: &str, query: &str) -> Reply {
        self.send(request(method, query)).await
    }

    /// Answers any request.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Reply {
        send(&self.engine, request).await
    }

    /// Opens a polling session.
    pub(crate) async fn polling(&mut self) -> (Polling, Accepted) {
        let reply = self.request("GET", POLLING).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let handshake = Handshake::from_packet(reply.text());
        let accepted = self.accepted().await;
        assert_eq!(accepted.session.id().as_str(), handshake.sid);
        (Polling { engine: self.engine.clone(), handshake }, accepted)
    }

    /// Opens a WebSocket session and takes its open packet off.
    pub(crate) async fn websocket(&mut self) -> (RawWebSocket<DuplexStream>, Accepted) {
        let mut socket = self.raw_websocket(WEBSOCKET).await;
        Handshake::from_packet(&socket.text().await);
        (socket, self.accepted().await)
    }

    /// A WebSocket whose handshake has this query.
    pub(crate) async fn raw_websocket(&self, query: &str) -> RawWebSocket<DuplexStream> {
        let (connection, _) = self.connect(1 << 16);
        RawWebSocket::upgrade(connection, upgrade_request(query)).await
    }

    /// Asks for a WebSocket that is refused.
    pub(crate) async fn refused_websocket(&self, query: &str) -> test_support::http::Response {
        let (mut connection, _) = self.connect(1 << 16);
        connection.exchange(upgrade_request(query)).await
    }

    /// A connection whose buffers hold `buffer` bytes in each direction, and the task that serves it.
    pub(crate) fn connect(&self, buffer: usize) -> (HttpConnection<DuplexStream>, JoinHandle<()>) {
        connect(&self.engine, buffer)
    }

    /// Serves one WebSocket on `io` as an HTTP server does that upgrades in its own way.
    pub(crate) fn serve<IO>(&self, io: IO) -> JoinHandle<()>
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        tokio::spawn(serve(self.engine.clone(), io))
    }

    /// Probes with `2probe` and gets `3probe`.
    pub(crate) async fn probe(&self, polling: &Polling) -> RawWebSocket<DuplexStream> {
        let mut socket = self.raw_websocket(&polling.query_of("websocket")).await;
        socket.write(&frames::Frame::text("2probe")).await;
        assert_eq!(socket.text().await, "3probe");
        socket
    }

    /// Moves a polling session without a waiting GET to a WebSocket.
    pub(crate) async fn upgrade(&self, polling: &Polling, accepted: &Accepted) -> RawWebSocket<DuplexStream> {
        let mut socket = self.probe(polling).await;
        socket.write(&frames::Frame::text("5")).await;
        wait::until("the upgrade", || accepted.session.transport() == engine_io_server::Transport::WebSocket)
            .await;
        socket
    }
}

impl Accepted {
    /// The next thing that the application was told.
    pub(crate) async fn event(&mut self) -> Event {
        wait::soon("an event of the session", self.events.recv()).await.expect("the session is told on")
    }

    /// The next message.
    pub(crate) async fn message(&mut self) -> Message {
        match self.event().await {
            Event::Message { message, .. } => message,
            Event::Closed(reason, _) => panic!("expected a message, the session was closed: {reason}"),
        }
    }

    /// The next message, which must be text.
    pub(crate) async fn text(&mut self) -> String {
        match self.message().await {
            Message::Text(text) => text.to_string(),
            other => panic!("expected a text, got {other:?}"),
        }
    }

    /// Asserts that the next thing that the application is told is the end, and that nothing follows it.
    pub(crate) async fn is_closed(&mut self, reason: CloseReason) {
        let _ = self.is_closed_with_detail(reason).await;
    }

    /// As [`is_closed`](Self::is_closed); returns what more the application was told.
    pub(crate) async fn is_closed_with_detail(&mut self, reason: CloseReason) -> Option<String> {
        let detail = match self.event().await {
            Event::Closed(closed, detail) => {
                assert_eq!(closed, reason);
                detail
            }
            other => panic!("expected the end, got {other:?}"),
        };
        assert!(self.events.try_recv().is_err(), "something followed the end");
        detail
    }

    /// Asserts that the application was told already that the session is closed.
    pub(crate) fn is_closed_already(&mut self, reason: CloseReason) {
        match self.events.try_recv() {
            Ok(Event::Closed(closed, _)) => assert_eq!(closed, reason),
            other => panic!("expected the end, got {other:?}"),
        }
    }

    /// All messages that the application was told of already, and the reason if the session was closed after them.
    pub(crate) fn told(&mut self) -> (Vec<Message>, Option<CloseReason>) {
        let mut messages = Vec::new();
        loop {
            match self.events.try_recv() {
                Ok(Event::Message { message, .. }) => messages.push(message),
                Ok(Event::Closed(reason, _)) => {
                    assert!(self.events.try_recv().is_err(), "something followed the end");
                    return (messages, Some(reason));
                }
                Err(_) => return (messages, None),
            }
        }
    }

    /// Asserts that the application was told nothing that was not taken yet.
    pub(crate) fn has_no_event(&mut self) {
        if let Ok(event) = self.events.try_recv() {
            panic!("expected nothing, got {event:?}");
        }
    }
}

/// A polling client in the same process.
pub(crate) struct Polling {
    engine: Engine,
    pub(crate) handshake: Handshake,
}

impl Polling {
    /// The query of this session's requests.
    pub(crate) fn query(&self) -> String {
        self.query_of("polling")
    }

    pub(crate) fn query_of(&self, transport: &str) -> String {
        format!("EIO=4&transport={transport}&sid={}", self.handshake.sid)
    }

    /// Sends a request of this method.
    pub(crate) async fn request(&self, method: &str) -> Reply {
        send(&self.engine, request(method, &self.query())).await
    }

    /// The next payload.
    pub(crate) async fn poll(&self) -> String {
        let reply = self.request("GET").await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.text().to_owned()
    }

    /// A GET that waits.
    pub(crate) async fn start_poll(&self) -> Running {
        let mut poll = self.running(request("GET", &self.query()));
        assert!(poll.is_pending().await, "the poll was answered at once");
        poll
    }

    /// A request that has not been looked at yet.
    pub(crate) fn running<B>(&self, request: Request<B>) -> Running
    where
        B: http_body::Body<Error: fmt::Display, Data: Send> + Send + 'static,
    {
        let engine = self.engine.clone();
        Running(Box::pin(async move { read(engine.handle_request(request).await).await }))
    }

    /// A POST whose body comes piece by piece: `Err` breaks it off, dropping the sender ends it.
    pub(crate) fn slow_post(&self) -> (mpsc::Sender<Result<Bytes, &'static str>>, Running) {
        let (sender, pieces) = mpsc::channel(CAPACITY);
        let (parts, _) = self.post_request("").into_parts();
        (sender, self.running(Request::from_parts(parts, Pieces(pieces))))
    }

    /// Posts a payload.
    pub(crate) async fn post(&self, body: impl Into<Bytes>) -> Reply {
        send(&self.engine, self.post_request(body)).await
    }

    /// Posts a payload that the engine must take.
    pub(crate) async fn send(&self, body: &str) {
        self.post(body.to_owned()).await.is(200, "ok");
    }

    pub(crate) fn post_request(&self, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
        let mut request = request("POST", &self.query());
        *request.body_mut() = Full::new(body.into());
        request
    }

    /// Asserts that the engine knows the session no longer.
    pub(crate) async fn is_gone(&self) {
        self.request("GET").await.is(400, r#"{"code":1,"message":"Session ID unknown"}"#);
    }

    /// Asserts that the session works in both directions (the server must echo).
    pub(crate) async fn echoes(&self) {
        self.send("4still here").await;
        assert_eq!(self.poll().await, "4still here");
    }
}

/// A request that runs; dropping it is what a client does that goes away.
pub(crate) struct Running(Pin<Box<dyn Future<Output = Reply> + Send>>);

impl Running {
    /// Gives the request one turn; says whether it still waits.
    pub(crate) async fn is_pending(&mut self) -> bool {
        poll_fn(|cx| Poll::Ready(self.0.as_mut().poll(cx).is_pending())).await
    }

    pub(crate) async fn end(self) -> Reply {
        wait::soon("the answer", self.0).await
    }
}

struct Pieces(mpsc::Receiver<Result<Bytes, &'static str>>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

/// A response with its whole body.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    #[track_caller]
    pub(crate) fn is(&self, status: u16, body: &str) {
        assert_eq!((self.status, self.text()), (status, body));
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, String::from_utf8_lossy(&self.body))
    }
}

/// A request without a body.
pub(crate) fn request(method: &str, query: &str) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(format!("/engine.io/?{query}"))
        .header("host", "127.0.0.1")
        .body(Full::default())
        .unwrap()
}

pub(crate) async fn send(engine: &Engine, request: Request<Full<Bytes>>) -> Reply {
    read(engine.handle_request(request).await).await
}

pub(crate) async fn read(response: Response<Body>) -> Reply {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Reply { status: parts.status.as_u16(), headers: parts.headers, body }
}

pub(crate) fn upgrade_request(query: &str) -> test_support::http::Request {
    test_support::http::Request::upgrade(&format!("/engine.io/?{query}"))
}

/// As [`Server::connect`], to any engine.
pub(crate) fn connect(engine: &Engine, buffer: usize) -> (HttpConnection<DuplexStream>, JoinHandle<()>) {
    let (client, server) = tokio::io::duplex(buffer);
    (HttpConnection::over(client), tokio::spawn(serve(engine.clone(), server)))
}

async fn serve<IO: AsyncRead + AsyncWrite + Unpin + Send>(engine: Engine, mut io: IO) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match io.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.trim_end().lines();
    let mut line = lines.next().unwrap().split(' ');
    let mut request = Request::builder().method(line.next().unwrap()).uri(line.next().unwrap());
    for header in lines {
        let (name, value) = header.split_once(':').unwrap();
        request = request.header(name, value.trim());
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    match engine.accept_websocket(&parts).await {
        Ok(upgrade) => {
            if write_response(&mut io, upgrade.response()).await {
                upgrade.run(io).await;
            }
        }
        Err(response) => drop(write_response(&mut io, response).await),
    }
}

async fn write_response<IO: AsyncWrite + Unpin>(io: &mut IO, response: Response<Body>) -> bool {
    let reply = read(response).await;
    let mut bytes = format!("HTTP/1.1 {} \r\n", reply.status).into_bytes();
    for (name, value) in &reply.headers {
        bytes.extend_from_slice(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&reply.body);
    io.write_all(&bytes).await.is_ok()
}

/// Lets every task run that can.
pub(crate) async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// What may be read of a WebSocket without waiting.
pub(crate) trait TryText {
    /// The next frame, which must be text, if it has come already.
    fn try_text(&mut self) -> impl Future<Output = Option<String>>;
}

impl TryText for RawWebSocket<DuplexStream> {
    async fn try_text(&mut self) -> Option<String> {
        settle().await;
        // A frame that is there is read without a wait.
        tokio::time::timeout(Duration::from_nanos(1), self.text()).await.ok()
    }
}
