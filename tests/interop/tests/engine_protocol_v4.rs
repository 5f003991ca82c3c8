//! Engine.IO protocol 4 as any client may rely on it, packet by packet.
//!
//! Each case runs against the official server first, so that it cannot ask for what is not the protocol, and against
//! this project's. Both echo every message, ping every 300 ms and wait 200 ms for the answer.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use test_support::http::{self, HttpConnection, Request};
use test_support::polling::{Handshake, Polling};
use test_support::ws::{Received, WebSocket};

const PATH: &str = "/engine.io/";
const OPEN_WEBSOCKET: &str = "/engine.io/?EIO=4&transport=websocket";

const PING_INTERVAL: Duration = Duration::from_millis(300);
const PING_TIMEOUT: Duration = Duration::from_millis(200);

interop_tests::protocol_cases! {
    mode: "engine-io",
    both: [
        polling_opens_a_session
        websocket_opens_a_session
        bad_handshakes_are_refused_on_polling
        a_payload_carries_several_packets
        polling_carries_binary
        websocket_carries_text_and_binary
        a_malformed_message_closes_the_websocket
        a_second_poll_closes_the_session
        an_aborted_poll_closes_the_session
        polling_gets_pings
        websocket_gets_pings
        a_missing_pong_closes_the_polling_session
        a_missing_pong_closes_the_websocket
        a_close_packet_ends_the_polling_session
        a_session_upgrades
        after_the_upgrade_polling_is_refused
        after_the_upgrade_a_second_websocket_is_closed
    ]
    ours: [
        // The official server accepts some of these WebSockets and closes them afterwards.
        bad_handshakes_are_refused_on_websocket
        // The official server answers `ok` and then closes the session.
        a_malformed_payload_closes_the_session
        // The official server takes note, and leaves the rest to the heartbeat.
        a_close_packet_ends_the_websocket
    ]
}

async fn polling_opens_a_session(server: SocketAddr) {
    let response = http::send(server, Request::get("/engine.io/?EIO=4&transport=polling")).await;
    assert_eq!(response.status, 200);
    let content_type = response.header("content-type").unwrap_or_default();
    assert!(content_type.eq_ignore_ascii_case("text/plain; charset=UTF-8"), "{content_type}");
    check_handshake(response.text(), &["websocket"]);
}

async fn websocket_opens_a_session(server: SocketAddr) {
    let mut socket = WebSocket::connect(server, OPEN_WEBSOCKET).await;
    check_handshake(&socket.text().await, &[]);
}

async fn bad_handshakes_are_refused_on_polling(server: SocketAddr) {
    for (method, query, code) in [
        ("GET", "transport=polling", 5),
        ("GET", "transport=polling&EIO=abc", 5),
        ("GET", "EIO=4", 0),
        ("GET", "EIO=4&transport=abc", 0),
        ("GET", "EIO=4&transport=polling&sid=unknown", 1),
        ("POST", "EIO=4&transport=polling", 2),
        ("PUT", "EIO=4&transport=polling", 2),
    ] {
        let response = http::send(server, Request::new(method, &format!("{PATH}?{query}"))).await;
        assert_eq!(
            (response.status, response.json()["code"].as_u64()),
            (400, Some(code)),
            "{method} {query}"
        );
    }
}

async fn bad_handshakes_are_refused_on_websocket(server: SocketAddr) {
    for query in [
        "transport=websocket",
        "transport=websocket&EIO=abc",
        "EIO=4",
        "EIO=4&transport=abc",
        "EIO=4&transport=websocket&sid=unknown",
    ] {
        let response = http::send(server, Request::upgrade(&format!("{PATH}?{query}"))).await;
        assert_eq!(response.status, 400, "{query}");
    }
}

async fn a_payload_carries_several_packets(server: SocketAddr) {
    let mut session = Polling::open(server, PATH).await;
    session.send(&["4test1", "4", "4水😀", "4test4"]).await;
    assert_eq!(receive(&mut session, 4).await, ["4test1", "4", "4水😀", "4test4"]);
}

async fn polling_carries_binary(server: SocketAddr) {
    let mut session = Polling::open(server, PATH).await;
    session.send(&["bAQIDBA==", "4text", "bAA=="]).await;
    assert_eq!(receive(&mut session, 3).await, ["bAQIDBA==", "4text", "bAA=="]);
}

async fn websocket_carries_text_and_binary(server: SocketAddr) {
    let mut socket = open_websocket(server).await;
    for text in ["4hello", "4", "4水😀"] {
        socket.send_text(text).await;
        assert_eq!(socket.text().await, text);
    }
    socket.send_binary(&[1, 2, 3, 4][..]).await;
    assert_eq!(socket.binary().await[..], [1, 2, 3, 4]);
}

async fn a_malformed_payload_closes_the_session(server: SocketAddr) {
    let mut session = Polling::open(server, PATH).await;
    assert_eq!(session.try_send("abc").await.status, 400);
    check_gone(&mut session).await;
}

async fn a_malformed_message_closes_the_websocket(server: SocketAddr) {
    let mut socket = open_websocket(server).await;
    socket.send_text("abc").await;
    check_ended(&mut socket).await;
}

async fn a_second_poll_closes_the_session(server: SocketAddr) {
    let mut session = Polling::open(server, PATH).await;
    session.start_poll().await;
    session.get.stays_silent(Duration::from_millis(50)).await;
    let second = http::send(server, Request::get(&session.target())).await;
    assert_eq!(second.status, 400);
    assert_eq!(session.end_poll().await, ["1"]);
    check_gone(&mut session).await;
}

async fn an_aborted_poll_closes_the_session(server: SocketAddr) {
    let mut session = Polling::open(server, PATH).await;
    session.start_poll().await;
    session.get.stays_silent(Duration::from_millis(50)).await;
    let aborted = std::mem::replace(&mut session.get, HttpConnection::open(server).await);
    drop(aborted);
    // Less than it takes until the first ping: the session ends by the abort, not by a missing pong.
    tokio::time::sleep(Duration::from_millis(100)).await;
    check_gone(&mut session).await;
}

async fn polling_gets_pings(server: SocketAddr) {
    let mut session = Polling::open(server, PATH).await;
    for _ in 0..3 {
        let waiting = Instant::now();
        assert_eq!(session.poll().await, ["2"]);
        check_on_time(waiting.elapsed());
        session.send(&["3"]).await;
    }
}

async fn websocket_gets_pings(server: SocketAddr) {
    let mut socket = open_websocket(server).await;
    for _ in 0..3 {
        let waiting = Instant::now();
        assert_eq!(socket.text().await, "2");
        check_on_time(waiting.elapsed());
        socket.send_text("3").await;
    }
}

async fn a_missing_pong_closes_the_polling_session(server: SocketAddr) {
    let mut session = Polling::open(server, PATH).await;
    assert_eq!(session.poll().await, ["2"]);
    tokio::time::sleep(2 * PING_TIMEOUT).await;
    check_gone(&mut session).await;
}

async fn a_missing_pong_closes_the_websocket(server: SocketAddr) {
    let mut socket = open_websocket(server).await;
    assert_eq!(socket.text().await, "2");
    let pinged = Instant::now();
    check_ended(&mut socket).await;
    let waited = pinged.elapsed();
    assert!(waited > PING_TIMEOUT / 2, "closed {waited:?} after the ping, which is too early");
    assert!(waited < 5 * PING_TIMEOUT, "closed {waited:?} after the ping, which is too late");
}

async fn a_close_packet_ends_the_polling_session(server: SocketAddr) {
    let mut session = Polling::open(server, PATH).await;
    session.start_poll().await;
    session.get.stays_silent(Duration::from_millis(50)).await;
    session.send(&["1"]).await;
    assert_eq!(session.end_poll().await, ["6"]);
    check_gone(&mut session).await;
}

async fn a_close_packet_ends_the_websocket(server: SocketAddr) {
    let mut socket = open_websocket(server).await;
    socket.send_text("1").await;
    check_ended(&mut socket).await;
}

async fn a_session_upgrades(server: SocketAddr) {
    let mut session = Polling::open(server, PATH).await;
    let mut socket = upgrade(&mut session, server).await;
    socket.send_text("4hello").await;
    assert_eq!(socket.text().await, "4hello");
    assert_eq!(socket.text().await, "2");
    socket.send_text("3").await;
    assert_eq!(socket.text().await, "2");
}

async fn after_the_upgrade_polling_is_refused(server: SocketAddr) {
    let mut session = Polling::open(server, PATH).await;
    let mut socket = upgrade(&mut session, server).await;
    let get = session.get.exchange(Request::get(&session.target())).await;
    assert_eq!(get.status, 400, "GET");
    assert_eq!(session.try_send("4lost").await.status, 400, "POST");
    socket.send_text("4hello").await;
    assert_eq!(socket.text().await, "4hello");
}

async fn after_the_upgrade_a_second_websocket_is_closed(server: SocketAddr) {
    let mut session = Polling::open(server, PATH).await;
    let mut socket = upgrade(&mut session, server).await;
    let mut second = WebSocket::connect(server, &session.upgrade_target()).await;
    check_ended(&mut second).await;
    socket.send_text("4hello").await;
    assert_eq!(socket.text().await, "4hello");
}

fn check_handshake(packet: &str, upgrades: &[&str]) {
    let handshake = Handshake::from_packet(packet);
    assert_eq!(handshake.sid.len(), 20, "{}", handshake.sid);
    assert_eq!(handshake.upgrades, upgrades);
    assert_eq!(u128::from(handshake.ping_interval), PING_INTERVAL.as_millis());
    assert_eq!(u128::from(handshake.ping_timeout), PING_TIMEOUT.as_millis());
    assert_eq!(handshake.max_payload, 1_000_000);
}

/// The server knows the session no longer.
async fn check_gone(session: &mut Polling) {
    let response = session.get.exchange(Request::get(&session.target())).await;
    response.is(400, r#"{"code":1,"message":"Session ID unknown"}"#);
}

/// The server closes the WebSocket and sends no message before.
async fn check_ended(socket: &mut WebSocket) {
    let received = socket.receive().await;
    assert!(matches!(received, Received::Close(_) | Received::End), "expected the end, got {received:?}");
}

/// A ping comes neither much too early nor late enough for a client to give up.
fn check_on_time(waited: Duration) {
    assert!(waited > PING_INTERVAL / 2, "a ping after {waited:?}");
    assert!(waited < PING_INTERVAL + PING_TIMEOUT, "a ping after {waited:?}");
}

async fn open_websocket(server: SocketAddr) -> WebSocket {
    let mut socket = WebSocket::connect(server, OPEN_WEBSOCKET).await;
    Handshake::from_packet(&socket.text().await);
    socket
}

/// Polls until `n` packets are there; they may come in one payload or in several.
async fn receive(session: &mut Polling, n: usize) -> Vec<String> {
    let mut packets = Vec::new();
    while packets.len() < n {
        packets.extend(session.poll().await);
    }
    packets
}

/// Probes and upgrades with a poll waiting, as clients do.
async fn upgrade(session: &mut Polling, server: SocketAddr) -> WebSocket {
    session.start_poll().await;
    let mut socket = WebSocket::connect(server, &session.upgrade_target()).await;
    socket.send_text("2probe").await;
    assert_eq!(socket.text().await, "3probe");
    assert_eq!(session.end_poll().await, ["6"]);
    socket.send_text("5").await;
    socket
}
