//! The end of an engine: every peer is told, what was sent goes out, nothing survives the deadline.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, their helpers too")]

mod common;

use std::time::Duration;

use engine_io_server::{CloseReason, Config, SendError};
use test_support::frames::{CLOSE, Frame, RawWebSocket};
use test_support::wait;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::time::Instant;

use self::common::{POLLING, Server, WEBSOCKET, settle, upgrade_request};

const DEADLINE: Duration = Duration::from_secs(5);
const REFUSED: &str = r#"{"code":3,"message":"Server shutting down"}"#;

/// No task is left, neither of a session nor of a timer.
async fn nothing_is_left(server: &Server) {
    assert_eq!(server.engine.n_sessions(), 0);
    let tasks = || Handle::current().metrics().num_alive_tasks();
    wait::until("all tasks to end", || tasks() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn an_engine_without_sessions_is_down_at_once() {
    let server = Server::new(Config::default());
    let started = Instant::now();
    server.engine.shutdown(DEADLINE).await;
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn idle_websockets_are_closed_with_1001() {
    let mut server = Server::new(Config::default());
    let (mut socket, mut accepted) = server.websocket().await;
    let started = Instant::now();
    server.engine.shutdown(DEADLINE).await;
    assert!(started.elapsed() < Duration::from_secs(1));
    accepted.is_closed(CloseReason::ServerShuttingDown).await;
    socket.closes_with(Some(1001)).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    nothing_is_left(&server).await;
}

#[tokio::test(start_paused = true)]
async fn a_waiting_poll_is_answered_with_the_close_packet() {
    let mut server = Server::new(Config::default());
    let (polling, mut accepted) = server.polling().await;
    let poll = polling.start_poll().await;
    let engine = server.engine.clone();
    let shutdown = tokio::spawn(async move { engine.shutdown(DEADLINE).await });
    poll.end().await.is(200, "1");
    wait::soon("the shutdown", shutdown).await.unwrap();
    accepted.is_closed(CloseReason::ServerShuttingDown).await;
    polling.is_gone().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    nothing_is_left(&server).await;
}

#[tokio::test(start_paused = true)]
async fn a_polling_client_that_comes_back_in_time_gets_what_was_sent() {
    let mut server = Server::new(Config::default());
    let (polling, accepted) = server.polling().await;
    accepted.session.send("last words").unwrap();
    let engine = server.engine.clone();
    let shutdown = tokio::spawn(async move { engine.shutdown(DEADLINE).await });
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(!shutdown.is_finished(), "the client still has a second");
    assert_eq!(polling.poll().await, "4last words");
    assert_eq!(polling.poll().await, "6\x1e1");
    wait::soon("the shutdown", shutdown).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_polling_client_that_stays_away_is_cut_off_at_the_deadline() {
    let mut server = Server::new(Config::default());
    let (polling, mut accepted) = server.polling().await;
    let started = Instant::now();
    server.engine.shutdown(DEADLINE).await;
    assert_eq!(started.elapsed(), DEADLINE);
    accepted.is_closed(CloseReason::ServerShuttingDown).await;
    polling.is_gone().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    nothing_is_left(&server).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_in_the_middle_of_its_upgrade_is_closed_with_its_websocket() {
    let mut server = Server::new(Config::default());
    let (polling, mut accepted) = server.polling().await;
    let mut socket = server.probe(&polling).await;
    let engine = server.engine.clone();
    let shutdown = tokio::spawn(async move { engine.shutdown(DEADLINE).await });
    socket.closes_with(None).await;
    accepted.is_closed(CloseReason::ServerShuttingDown).await;
    assert_eq!(polling.poll().await, "6\x1e1");
    wait::soon("the shutdown", shutdown).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    nothing_is_left(&server).await;
}

#[tokio::test(start_paused = true)]
async fn a_busy_websocket_gets_all_that_was_sent_before_the_close_frame() {
    let mut server = Server::new(Config::default());
    let (mut socket, accepted) = server.websocket().await;
    for n in 0..100 {
        accepted.session.send(format!("{n}{}", "x".repeat(5000))).unwrap();
    }
    let engine = server.engine.clone();
    let shutdown = tokio::spawn(async move { engine.shutdown(DEADLINE).await });
    for n in 0..100 {
        assert!(socket.text().await.starts_with(&format!("4{n}x")));
    }
    socket.closes_with(Some(1001)).await;
    wait::soon("the shutdown", shutdown).await.unwrap();
    assert_eq!(accepted.session.send("too late"), Err(SendError::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_websocket_that_reads_slowly_is_waited_for() {
    let mut server = Server::new(Config::default());
    let (connection, _) = server.connect(1024);
    let mut socket = RawWebSocket::upgrade(connection, upgrade_request(WEBSOCKET)).await;
    socket.text().await;
    let accepted = server.accepted().await;
    accepted.session.send("x".repeat(10_000)).unwrap();
    let engine = server.engine.clone();
    let shutdown = tokio::spawn(async move { engine.shutdown(DEADLINE).await });
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(!shutdown.is_finished(), "the last message is not out yet");
    assert_eq!(socket.text().await.len(), 10_001);
    assert_eq!(socket.read().await.unwrap().opcode, CLOSE);
    wait::soon("the shutdown", shutdown).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_websocket_that_does_not_read_is_cut_off() {
    let mut server = Server::new(Config::default());
    let (connection, task) = server.connect(1024);
    let mut socket = RawWebSocket::upgrade(connection, upgrade_request(WEBSOCKET)).await;
    socket.text().await;
    let mut accepted = server.accepted().await;
    accepted.session.send("x".repeat(100_000)).unwrap();
    settle().await;
    let started = Instant::now();
    server.engine.shutdown(DEADLINE).await;
    assert!(started.elapsed() <= DEADLINE);
    accepted.is_closed(CloseReason::ServerShuttingDown).await;
    wait::soon("the connection to be given up", task).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    nothing_is_left(&server).await;
}

#[tokio::test(start_paused = true)]
async fn the_timer_ends_with_the_shutdown() {
    let mut server = Server::new(Config::default());
    let (polling, _accepted) = server.polling().await;
    polling.send("1").await;
    server.engine.shutdown(DEADLINE).await;
    settle().await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn no_session_begins_after_a_shutdown() {
    let mut server = Server::new(Config::default());
    server.engine.shutdown(DEADLINE).await;
    let reply = server.request("GET", POLLING).await;
    reply.is(503, REFUSED);
    assert_eq!(reply.header("retry-after"), Some("1"));
    server.refused_websocket(WEBSOCKET).await.is(503, REFUSED);
    server.has_accepted_none();
}

#[tokio::test(start_paused = true)]
async fn a_websocket_accepted_before_the_shutdown_and_run_after_it_is_closed_at_once() {
    let mut server = Server::new(Config::default());
    let request = http::Request::get(format!("/engine.io/?{WEBSOCKET}"))
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", test_support::http::WEBSOCKET_KEY);
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let upgrade = server.engine.accept_websocket(&parts).await.unwrap();
    server.engine.shutdown(DEADLINE).await;
    let (mut client, io) = tokio::io::duplex(4096);
    tokio::spawn(upgrade.run(io));
    let mut bytes = Vec::new();
    wait::soon("the end", client.read_to_end(&mut bytes)).await.unwrap();
    assert!(bytes.ends_with(&[0x88, 2, 0x03, 0xe9]), "{bytes:?}");
    let mut accepted = server.accepted().await;
    accepted.is_closed(CloseReason::ServerShuttingDown).await;
    assert_eq!(server.engine.n_sessions(), 0);
}

#[tokio::test(start_paused = true)]
async fn shutdown_may_be_called_again_after_it_was_dropped() {
    let mut server = Server::new(Config::default());
    let (_polling, mut accepted) = server.polling().await;
    assert!(tokio::time::timeout(Duration::from_secs(1), server.engine.shutdown(DEADLINE)).await.is_err());
    accepted.is_closed(CloseReason::ServerShuttingDown).await;
    let started = Instant::now();
    server.engine.shutdown(Duration::ZERO).await;
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert_eq!(server.engine.n_sessions(), 0);
}

#[tokio::test]
async fn listen_returns_and_its_port_and_connections_are_free() {
    let server = Server::new(Config::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let engine = server.engine.clone();
    let listening = tokio::spawn(async move { engine.listen(listener).await });
    let mut idle = test_support::http::HttpConnection::open(address).await;
    let mut polling = test_support::polling::Polling::open(address, "/engine.io/").await;
    polling.start_poll().await;
    let mut socket = RawWebSocket::connect(address, &format!("/engine.io/?{WEBSOCKET}")).await;
    socket.text().await;
    wait::until("two sessions", || server.engine.n_sessions() == 2).await;
    polling.get.stays_silent(Duration::from_millis(20)).await;
    server.engine.shutdown(DEADLINE).await;
    wait::soon("listen to return", listening).await.unwrap().unwrap();
    assert_eq!(polling.end_poll().await, ["1"]);
    polling.get.is_closed().await;
    idle.is_closed().await;
    assert_eq!(socket.read().await.unwrap().payload[..], [0x03, 0xe9]);
    socket.write(&Frame::close(1001, "")).await;
    assert_eq!(socket.read().await, None);
    // The timer's task may still sleep.
    wait::until("all tasks to end", || Handle::current().metrics().num_alive_tasks() <= 1).await;
    tokio::net::TcpListener::bind(address).await.unwrap();
}

#[tokio::test]
async fn two_shutdowns_and_a_listener_that_comes_between_them_all_end() {
    let mut server = Server::new(Config::default());
    let (polling, mut accepted) = server.polling().await;
    let first = tokio::spawn({
        let engine = server.engine.clone();
        async move { engine.shutdown(Duration::from_secs(60)).await }
    });
    accepted.is_closed(CloseReason::ServerShuttingDown).await;
    assert!(!first.is_finished(), "the client has not fetched its close packet");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    wait::soon("the listener", server.engine.listen(listener)).await.unwrap();
    assert!(TcpListener::bind(address).await.is_ok(), "it did not begin while the engine was closing");
    let second = tokio::spawn({
        let engine = server.engine.clone();
        async move { engine.shutdown(Duration::from_secs(60)).await }
    });
    polling.poll().await;
    wait::soon("the first shutdown", first).await.unwrap();
    wait::soon("the second shutdown", second).await.unwrap();

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn({
        let engine = server.engine.clone();
        async move { engine.listen(listener).await }
    });
    let target = format!("/engine.io/?{POLLING}");
    let answer = test_support::http::send(address, test_support::http::Request::get(&target)).await;
    assert_eq!(answer.status, 200, "it serves again");
    server.engine.shutdown(Duration::ZERO).await;
    wait::soon("the listener to end", serving).await.unwrap().unwrap();
}
