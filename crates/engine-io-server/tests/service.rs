//! The engine behind HTTP servers: its own listener, tower, axum, and HTTP/2.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, their helpers too")]

mod common;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use engine_io_server::{CloseReason, Config, EngineLayer, EngineService};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use test_support::frames::Frame;
use test_support::http::{HttpConnection, Request as RawRequest};
use test_support::polling::{Handshake, Polling};
use test_support::wait;
use test_support::ws::WebSocket;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tower_layer::Layer;
use tower_service::Service;

use self::common::{POLLING, Server, WEBSOCKET, request};

const PATH: &str = "/engine.io/";

/// Lets the engine listen on a free port.
async fn listen(server: &Server) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let engine = server.engine.clone();
    tokio::spawn(async move { engine.listen(listener).await });
    address
}

fn open_websocket() -> String {
    format!("{PATH}?{WEBSOCKET}")
}

#[tokio::test]
async fn the_listener_serves_both_transports_and_the_upgrade() {
    let mut server = Server::echo(Config::default());
    let address = listen(&server).await;
    let mut polling = Polling::open(address, PATH).await;
    let accepted = server.accepted().await;
    let peer = accepted.session.request().remote_addr().unwrap();
    assert_eq!(peer.ip(), address.ip());
    polling.send(&["4a", "bAQ=="]).await;
    assert_eq!(polling.poll().await, ["4a", "bAQ=="]);
    polling.start_poll().await;
    let mut socket = WebSocket::connect(address, &polling.upgrade_target()).await;
    socket.send_text("2probe").await;
    assert_eq!(socket.text().await, "3probe");
    assert_eq!(polling.end_poll().await, ["6"]);
    socket.send_text("5").await;
    socket.send_text("4b").await;
    assert_eq!(socket.text().await, "4b");

    let mut direct = WebSocket::connect(address, &open_websocket()).await;
    Handshake::from_packet(&direct.text().await);
    direct.send_binary(&[1, 2][..]).await;
    assert_eq!(direct.binary().await[..], [1, 2]);
    assert_eq!(server.accepted().await.session.request().remote_addr().unwrap().ip(), address.ip());
}

#[tokio::test]
async fn answers_state_their_length() {
    let mut server = Server::new(Config::default());
    let address = listen(&server).await;
    let mut polling = Polling::open(address, PATH).await;
    server.accepted().await.session.send("水").unwrap();
    let target = polling.target();
    for (request, status, length) in [
        (RawRequest::get(&target), 200, "4"),
        (RawRequest::post(&target, "4x"), 200, "2"),
        (RawRequest::get("/engine.io/?EIO=4&transport=tobi"), 400, "40"),
    ] {
        let reply = test_support::http::send(address, request).await;
        assert_eq!((reply.status, reply.header("content-length")), (status, Some(length)));
    }
    polling.send(&["1"]).await;
}

#[tokio::test]
async fn the_listener_answers_501_for_other_paths() {
    let server = Server::new(Config::default());
    let address = listen(&server).await;
    for target in ["/", "/engine.io", "/engine.iox/?EIO=4&transport=polling", "/socket.io/"] {
        test_support::http::send(address, RawRequest::get(target)).await.is(501, "Not Implemented");
    }
}

#[tokio::test]
async fn the_listener_may_answer_some_requests_itself_whatever_their_path() {
    let server = Server::new(Config::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let engine = server.engine.clone();
    tokio::spawn(async move {
        let other = |request: &Request<hyper::body::Incoming>| {
            let path = request.uri().path().to_owned();
            path.ends_with("/hello").then_some(async move { Response::new(Bytes::from(path).into()) })
        };
        engine.listen_with(listener, other).await
    });
    for path in ["/hello", "/engine.io/hello"] {
        test_support::http::send(address, RawRequest::get(path)).await.is(200, path);
    }
    test_support::http::send(address, RawRequest::get("/bye")).await.is(501, "Not Implemented");
    Polling::open(address, PATH).await;
}

#[tokio::test]
async fn a_dropped_poll_is_noticed_within_milliseconds() {
    let mut server = Server::new(Config::default());
    let address = listen(&server).await;
    for is_reset in [false, true] {
        let mut polling = Polling::open(address, PATH).await;
        let mut accepted = server.accepted().await;
        polling.start_poll().await;
        polling.get.stays_silent(Duration::from_millis(50)).await;
        let started = Instant::now();
        if is_reset {
            polling.get.reset();
        } else {
            drop(polling.get);
        }
        accepted.is_closed(CloseReason::TransportError).await;
        // Far below any deadline of the session, with room for a busy machine.
        assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
    }
    assert_eq!(server.engine.n_sessions(), 0);
}

#[tokio::test]
async fn a_post_whose_connection_ends_midway_closes_the_session() {
    let mut server = Server::new(Config::default());
    let address = listen(&server).await;
    for is_reset in [false, true] {
        let mut polling = Polling::open(address, PATH).await;
        let mut accepted = server.accepted().await;
        polling.post.send_but(RawRequest::post(&polling.target(), "4hello"), 2).await;
        polling.post.stays_silent(Duration::from_millis(20)).await;
        if is_reset {
            polling.post.reset();
        } else {
            drop(polling.post);
        }
        accepted.is_closed(CloseReason::TransportError).await;
    }
}

#[tokio::test]
async fn a_client_may_close_its_connection_after_each_request() {
    let mut server = Server::echo(Config::default());
    let address = listen(&server).await;
    let polling = Polling::open(address, PATH).await;
    let mut accepted = server.accepted().await;
    for n in 0..3 {
        let post = RawRequest::post(&polling.target(), format!("4{n}"));
        test_support::http::send(address, post).await.is(200, "ok");
        test_support::http::send(address, RawRequest::get(&polling.target())).await.is(200, &format!("4{n}"));
        assert_eq!(accepted.text().await, n.to_string());
    }
    accepted.has_no_event();
}

#[tokio::test]
async fn a_large_text_arrives_over_polling_whole_or_chunked() {
    let mut server = Server::echo(Config::default().max_http_buffer_size(2_000_000));
    let address = listen(&server).await;
    let mut polling = Polling::open(address, PATH).await;
    let mut accepted = server.accepted().await;
    let text = "4".to_owned() + &"水x".repeat(250_000);
    polling.send(&[&text]).await;
    assert_eq!(polling.poll().await, [&*text]);
    assert_eq!(accepted.text().await, text[1..]);
    let chunks: Vec<_> = text.as_bytes().chunks(99_999).collect();
    let request = RawRequest::post(&polling.target(), "").chunked(&chunks);
    polling.post.exchange(request).await.is(200, "ok");
    assert_eq!(accepted.text().await, text[1..]);
}

#[tokio::test]
async fn a_client_whose_body_is_too_long_gets_to_read_why() {
    let mut server = Server::echo(Config::default());
    let address = listen(&server).await;
    for _ in 0..20 {
        let mut polling = Polling::open(address, PATH).await;
        let mut accepted = server.accepted().await;
        let body = "4".repeat(3_000_000);
        polling.post.exchange(RawRequest::post(&polling.target(), body.clone())).await.is(413, "");
        let chunks: Vec<_> = body.as_bytes().chunks(200_000).collect();
        let mut other = HttpConnection::open(address).await;
        other.exchange(RawRequest::post(&polling.target(), "").chunked(&chunks)).await.is(413, "");
        accepted.has_no_event();
        polling.post = HttpConnection::open(address).await;
        polling.send(&["4still here"]).await;
        assert_eq!(polling.poll().await, ["4still here"]);
    }
}

/// Sends bytes and reads all that comes until the server closes the connection.
async fn answer_to(address: SocketAddr, bytes: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    // A reset is an end as well.
    let _ = wait::soon("the connection's end", stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn requests_whose_length_is_ambiguous_are_not_answered_twice() {
    let mut server = Server::echo(Config::default());
    let address = listen(&server).await;
    let smuggled = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n4smuggled";
    for (what, headers, body) in [
        ("two lengths", "content-length: 2\r\ncontent-length: 0", format!("4a{smuggled}")),
        ("a list of lengths", "content-length: 0, 2", format!("4a{smuggled}")),
        ("a signed length", "content-length: +2", format!("4a{smuggled}")),
        ("a coding beside chunked", "transfer-encoding: chunked, identity", format!("0\r\n\r\n{smuggled}")),
        ("an unknown coding", "transfer-encoding: xchunked", format!("0\r\n\r\n{smuggled}")),
        ("a folded header", "x: y\r\n transfer-encoding: chunked", format!("0\r\n\r\n{smuggled}")),
        ("a space before the colon", "transfer-encoding : chunked", format!("0\r\n\r\n{smuggled}")),
        (
            "a chunk size that overflows",
            "transfer-encoding: chunked",
            format!("10000000000000002\r\n4a\r\n0\r\n\r\n{smuggled}"),
        ),
        (
            "a chunk size that is none",
            "transfer-encoding: chunked",
            format!("-1\r\n4a\r\n0\r\n\r\n{smuggled}"),
        ),
    ] {
        let polling = Polling::open(address, PATH).await;
        let mut accepted = server.accepted().await;
        let post = format!("POST {} HTTP/1.1\r\nhost: x\r\n", polling.target());
        let body = body.replace("POST / ", &format!("POST {} ", polling.target()));
        let answer = answer_to(address, &format!("{post}{headers}\r\n\r\n{body}")).await;
        let (messages, _) = accepted.told();
        assert!(messages.is_empty(), "{what}: {messages:?} after {answer}");
        assert!(answer.matches("HTTP/1.1 ").count() <= 1, "{what}: {answer}");
        assert!(!answer.contains(" 200 "), "{what}: {answer}");
    }
    // With a length and chunks both, the chunks count, and nothing behind them is a request.
    let polling = Polling::open(address, PATH).await;
    let mut accepted = server.accepted().await;
    let smuggled = smuggled.replace("POST / ", &format!("POST {} ", polling.target()));
    let both = format!(
        "POST {} HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n2\r\n4a\r\n0\r\n\r\n{smuggled}",
        polling.target()
    );
    let answer = answer_to(address, &both).await;
    let (messages, _) = accepted.told();
    assert!(messages.len() <= 1, "{messages:?} after {answer}");
}

#[tokio::test]
async fn a_request_has_one_host_and_that_of_an_absolute_target_counts() {
    let server = Server::new(Config::default());
    let address = listen(&server).await;
    let open = |target: &str, headers: &str| {
        format!("GET {target}/engine.io/?{POLLING} HTTP/1.1\r\n{headers}\r\nconnection: close\r\n\r\n")
    };
    for (target, headers, status) in [
        ("", "host: a\r\nhost: a", "400"),
        ("", "host: a\r\nhost: b", "400"),
        ("http://a", "host: a", "200"),
        ("http://a", "host: b\r\norigin: http://a", "200"),
        ("http://a", "host: b\r\norigin: http://b", "403"),
    ] {
        let answer = answer_to(address, &open(target, headers)).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{target} {headers:?}: {answer}");
    }
}

#[tokio::test]
async fn lines_that_end_without_a_carriage_return_are_still_one_request() {
    let mut server = Server::echo(Config::default());
    let address = listen(&server).await;
    let polling = Polling::open(address, PATH).await;
    let mut accepted = server.accepted().await;
    let bare = format!(
        "POST {} HTTP/1.1\nhost: x\ncontent-length: 2\nconnection: close\n\n4aPOST",
        polling.target()
    );
    let answer = answer_to(address, &bare).await;
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    assert!(accepted.told().0.len() <= 1);
}

#[tokio::test]
async fn requests_that_are_no_http_do_no_harm() {
    let mut server = Server::echo(Config::default());
    let address = listen(&server).await;
    let mut polling = Polling::open(address, PATH).await;
    let _accepted = server.accepted().await;
    for garbage in [
        "\r\n\r\n\r\n",
        "hello\r\n\r\n",
        "GET /engine.io/?EIO=4&transport=polling\r\n\r\n",
        "GET /engine.io/?EIO=4&transport=polling HTTP/9.9\r\n\r\n",
        "GET /engine.io/?EIO=4&transport=polling HTTP/1.1\r\nhost: x\r\norigin: http://a\x01b\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\x7c",
    ] {
        let answer = answer_to(address, garbage).await;
        assert!(!answer.contains(" 200 "), "{garbage:?}: {answer}");
    }
    let long = format!("GET {PATH}?{POLLING}&x={} HTTP/1.1\r\nhost: x\r\n\r\n", "y".repeat(100_000));
    let answer = answer_to(address, &long).await;
    assert!(!answer.contains(" 200 "), "{answer}");
    let upgrade = format!(
        "GET {} HTTP/1.0\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        open_websocket()
    );
    assert!(answer_to(address, &upgrade).await.contains(" 400 "));
    server.has_accepted_none();
    polling.send(&["4unharmed"]).await;
    assert_eq!(polling.poll().await, ["4unharmed"]);
}

#[tokio::test]
async fn a_bare_upgrade_request_is_refused() {
    let server = Server::new(Config::default());
    let address = listen(&server).await;
    let bare =
        RawRequest::get(&open_websocket()).header("connection", "upgrade").header("upgrade", "websocket");
    let response = test_support::http::HttpConnection::open(address).await.exchange(bare).await;
    assert_eq!(response.status, 400);
    let foreign = RawRequest::upgrade("/foreign").header("upgrade", "h2c");
    assert_eq!(HttpConnection::open(address).await.exchange(foreign).await.status, 501);
}

#[tokio::test]
async fn a_websocket_whose_connection_breaks_ends_its_session_at_once() {
    let mut server = Server::new(Config::default());
    let address = listen(&server).await;
    let mut connection = HttpConnection::open(address).await;
    assert_eq!(connection.exchange(RawRequest::upgrade(&open_websocket())).await.status, 101);
    let mut accepted = server.accepted().await;
    connection.reset();
    accepted.is_closed(CloseReason::TransportClose).await;
}

#[tokio::test]
async fn many_clients_connect_talk_and_leave_on_many_threads() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    let server = Server::echo(Config::default());
    let engine = server.engine.clone();
    let work = runtime.spawn(async move {
        let address = listen(&server).await;
        let mut clients = tokio::task::JoinSet::new();
        for n in 0..40 {
            clients.spawn(async move {
                if n % 2 == 0 {
                    let mut polling = Polling::open(address, PATH).await;
                    for m in 0..10 {
                        let text = format!("4{n} {m}");
                        polling.send(&[&text]).await;
                        assert_eq!(polling.poll().await, [text]);
                    }
                    polling.send(&["1"]).await;
                } else {
                    let mut socket = WebSocket::connect(address, &open_websocket()).await;
                    socket.text().await;
                    for m in 0..10 {
                        let text = format!("4{n} {m}");
                        socket.send_text(&text).await;
                        assert_eq!(socket.text().await, text);
                    }
                    socket.close().await;
                    socket.closed().await;
                }
            });
        }
        while let Some(ended) = clients.join_next().await {
            ended.unwrap();
        }
    });
    wait::within(Duration::from_secs(30), "all clients", work).await.unwrap();
    wait::until("all sessions to end", || engine.n_sessions() == 0).await;
    runtime.shutdown_background();
}

#[tokio::test(start_paused = true)]
async fn the_service_answers_404_for_other_paths() {
    let server = Server::new(Config::default());
    let mut service = EngineService::new(server.engine.clone());
    for (uri, status) in [("/", 404), ("/engine.io", 404), ("/engine.io/?EIO=4&transport=polling", 200)] {
        let request = Request::get(uri).body(Full::<Bytes>::default()).unwrap();
        assert_eq!(service.call(request).await.unwrap().status(), status, "{uri}");
    }
}

/// Answers with the path.
#[derive(Clone)]
struct Inner;

impl Service<Request<Full<Bytes>>> for Inner {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        std::future::ready(Ok(Response::new(Full::from(request.uri().path().to_owned()))))
    }
}

#[tokio::test(start_paused = true)]
async fn the_layer_passes_other_paths_on() {
    let server = Server::new(Config::default());
    let mut service = EngineLayer::new(server.engine.clone()).layer(Inner);
    for uri in ["/", "/engine.io", "/engine.io-admin/x"] {
        let request = Request::get(uri).body(Full::default()).unwrap();
        let body = service.call(request).await.unwrap().into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, uri);
    }
    let reply = service.call(request("GET", POLLING)).await.unwrap();
    assert!(reply.into_body().collect().await.unwrap().to_bytes().starts_with(b"0{"));
}

#[tokio::test]
async fn axum_serves_the_engine_beside_its_own_routes() {
    let server = Server::echo(Config::default());
    for router in [
        Router::new().layer(EngineLayer::new(server.engine.clone())),
        Router::new()
            .route("/hello", get(|| async { "hello" }))
            .layer(EngineLayer::new(server.engine.clone())),
        Router::new()
            .route("/hello", get(|| async { "hello" }))
            .fallback_service(EngineService::new(server.engine.clone())),
    ] {
        let has_route = router.has_routes();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let mut polling = Polling::open(address, PATH).await;
        polling.send(&["4a"]).await;
        assert_eq!(polling.poll().await, ["4a"]);
        polling.start_poll().await;
        let mut socket = WebSocket::connect(address, &polling.upgrade_target()).await;
        socket.send_text("2probe").await;
        assert_eq!(socket.text().await, "3probe");
        socket.send_text("5").await;
        socket.send_text("4b").await;
        assert_eq!(socket.text().await, "4b");
        let mut direct = WebSocket::connect(address, &open_websocket()).await;
        direct.text().await;
        direct.send_text("4c").await;
        assert_eq!(direct.text().await, "4c");
        let foreign = test_support::http::send(address, RawRequest::get("/hello")).await;
        assert_eq!(foreign.status, if has_route { 200 } else { 404 });
    }
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn axum_tells_the_peers_address() {
    let mut server = Server::echo(Config::default());
    let router: Router = Router::new().layer(EngineLayer::new(server.engine.clone()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    Polling::open(address, PATH).await;
    let peer = server.accepted().await.session.request().remote_addr().unwrap();
    assert!(peer.ip() == address.ip() && peer.port() != address.port());
}

/// Collects what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Asks for two WebSockets at a server that cannot upgrade; returns what was logged each time.
async fn without_upgrades() -> Vec<String> {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut server = Server::echo(Config::default());
    let (polling, _accepted) = server.polling().await;
    let mut logs = Vec::new();
    for query in [WEBSOCKET.to_owned(), polling.query_of("websocket")] {
        let mut request = request("GET", &query);
        let headers = request.headers_mut();
        for (name, value) in [
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", test_support::http::WEBSOCKET_KEY),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        let reply = server.send(request).await;
        assert_eq!(reply.status, 500);
        assert!(reply.text().contains("upgrades are not enabled"), "{reply:?}");
        let logged = String::from_utf8(std::mem::take(&mut *log.0.lock().unwrap())).unwrap();
        assert!(logged.contains("ERROR") && logged.contains("with_upgrades"), "{logged}");
        logs.push(logged);
    }
    polling.echoes().await;
    server.has_accepted_none();
    logs
}

#[tokio::test(start_paused = true)]
async fn a_server_that_offers_no_upgrade_is_told_so_in_the_answer_and_in_the_log() {
    assert_eq!(without_upgrades().await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_offers_no_upgrade_is_logged_once_per_request() {
    for logged in without_upgrades().await {
        assert_eq!(logged.lines().count(), 1, "{logged}");
    }
}

#[tokio::test(start_paused = true)]
async fn logs_show_neither_session_ids_nor_messages() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut server = Server::echo(Config::default());
    let (polling, accepted) = server.polling().await;
    polling.send("4topsecret").await;
    let mut socket = server.upgrade(&polling, &accepted).await;
    socket.text().await;
    socket.write(&Frame::text("4topsecret")).await;
    socket.text().await;
    socket.write(&Frame::text("9topsecret")).await;
    socket.read().await;
    let logged = String::from_utf8(std::mem::take(&mut *log.0.lock().unwrap())).unwrap();
    let sid = accepted.session.id().as_str();
    assert!(logged.contains(&sid[..4]) && !logged.contains(&sid[..8]), "{logged}");
    assert!(!logged.contains("topsecret"), "{logged}");
}

#[tokio::test]
async fn websockets_come_over_http_2_too() {
    let mut server = Server::echo(Config::default());
    let (client, io) = tokio::io::duplex(1 << 16);
    let engine = server.engine.clone();
    tokio::spawn(async move {
        let service = hyper::service::service_fn(move |request| {
            let engine = engine.clone();
            async move { Ok::<_, Infallible>(engine.handle_request(request).await) }
        });
        let mut http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        http2.enable_connect_protocol().serve_connection(TokioIo::new(io), service).await
    });
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(client)).await.unwrap();
    tokio::spawn(connection);

    let uri = |query: &str| format!("http://example.com{PATH}?{query}");
    let polling = Request::get(uri(POLLING)).body(Empty::<Bytes>::new()).unwrap();
    let response = wait::soon("the handshake", sender.send_request(polling)).await.unwrap();
    assert_eq!(response.status(), 200);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    Handshake::from_packet(std::str::from_utf8(&body).unwrap());
    server.accepted().await;

    let connect = |query: &str, version: &str| {
        let mut request = Request::builder()
            .method(Method::CONNECT)
            .uri(uri(query))
            .header("sec-websocket-version", version)
            .body(Empty::new())
            .unwrap();
        request.extensions_mut().insert(Protocol::from_static("websocket"));
        request
    };
    let refused = wait::soon("the refusal", sender.send_request(connect(WEBSOCKET, "12"))).await.unwrap();
    assert_eq!(refused.status(), 400);
    let refused = wait::soon("the refusal", sender.send_request(connect(POLLING, "13"))).await.unwrap();
    assert_eq!(refused.status(), 400);

    let response = wait::soon("the WebSocket", sender.send_request(connect(WEBSOCKET, "13"))).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.headers().get("sec-websocket-accept").is_none());
    let mut stream = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    let mut accepted = server.accepted().await;
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"}") {
        wait::soon("the open packet", stream.read_buf(&mut bytes)).await.unwrap();
    }
    stream.write_all(&Frame::text("4over http/2").to_bytes()).await.unwrap();
    assert_eq!(accepted.text().await, "over http/2");
    let mut echo = [0; 14];
    wait::soon("the echo", stream.read_exact(&mut echo)).await.unwrap();
    assert_eq!(&echo, b"\x81\x0c4over http/2");
}
