//! Clients of protocol revision 3: they ping, and they state the length of each packet.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, their helpers too")]

mod common;

use std::time::Duration;

use bytes::Bytes;
use engine_io_server::{CloseReason, Config, Transport};
use http::HeaderValue;
use http_body_util::Full;
use test_support::frames::{BINARY, Frame, RawWebSocket};
use test_support::wait;
use tokio::io::DuplexStream;

use self::common::{Accepted, Reply, Server, request};

const POLLING: &str = "EIO=3&transport=polling";
const WEBSOCKET: &str = "EIO=3&transport=websocket";

fn config() -> Config {
    Config::default().allow_eio3(true)
}

/// A session on polling: the query of its requests, and what the application sees.
async fn polling(server: &mut Server, query: &str) -> (String, Accepted) {
    let reply = server.request("GET", query).await;
    let (length, packet) = reply.text().split_once(':').unwrap();
    assert_eq!((reply.status, packet.len()), (200, length.parse().unwrap()));
    let accepted = server.accepted().await;
    let sid = accepted.session.id().as_str().to_owned();
    assert!(packet.starts_with(&format!(r#"0{{"sid":"{sid}","upgrades":["websocket"],"#)), "{packet}");
    assert_eq!(accepted.session.protocol(), 3);
    (format!("{POLLING}&sid={sid}"), accepted)
}

async fn websocket(server: &mut Server, query: &str) -> (RawWebSocket<DuplexStream>, Accepted) {
    let mut socket = server.raw_websocket(query).await;
    assert!(socket.text().await.starts_with(r#"0{"sid":""#));
    (socket, server.accepted().await)
}

async fn post(server: &Server, query: &str, body: impl Into<Bytes>) -> Reply {
    let mut request = request("POST", query);
    *request.body_mut() = Full::new(body.into());
    server.send(request).await
}

#[tokio::test(start_paused = true)]
async fn they_are_let_in_if_the_option_says_so_and_a_missing_revision_is_theirs() {
    let mut server = Server::new(config());
    for query in [POLLING, "transport=polling"] {
        polling(&mut server, query).await;
    }
    server.request("GET", "EIO=2&transport=polling").await.is(400, UNSUPPORTED);
    let server = Server::new(Config::default());
    server.request("GET", POLLING).await.is(400, UNSUPPORTED);
    server.refused_websocket(WEBSOCKET).await.is(400, UNSUPPORTED);
}

const UNSUPPORTED: &str = r#"{"code":5,"message":"Unsupported protocol version"}"#;

#[tokio::test(start_paused = true)]
async fn a_session_keeps_its_revision() {
    let mut server = Server::new(config());
    let (query, accepted) = polling(&mut server, POLLING).await;
    let other = query.replace("EIO=3", "EIO=4");
    server.request("GET", &other).await.is(400, r#"{"code":3,"message":"Bad request"}"#);
    let (newer, _) = server.polling().await;
    let other = newer.query().replace("EIO=4", "EIO=3");
    server.request("GET", &other).await.is(400, r#"{"code":3,"message":"Bad request"}"#);
    assert!(accepted.session.is_open());
}

#[tokio::test(start_paused = true)]
async fn payloads_carry_several_packets_and_count_as_javascript_does() {
    let mut server = Server::echo(config());
    let (query, _accepted) = polling(&mut server, POLLING).await;
    post(&server, &query, "6:4hello3:4😀2:4€").await.is(200, "ok");
    let reply = server.request("GET", &query).await;
    reply.is(200, "6:4hello3:4😀2:4€");
    assert_eq!(reply.header("content-type"), Some("text/plain; charset=UTF-8"));
}

#[tokio::test(start_paused = true)]
async fn binary_messages_are_bytes_unless_the_session_began_with_b64() {
    let as_text = "6:4hello10:b4AQIDBA==";
    let as_bytes = b"\0\x06\xff4hello\x01\x05\xff\x04\x01\x02\x03\x04";
    let mut server = Server::echo(config());
    let (query, _bytes) = polling(&mut server, POLLING).await;
    post(&server, &query, as_text).await.is(200, "ok");
    let reply = server.request("GET", &query).await;
    assert_eq!(
        (reply.header("content-type"), &reply.body[..]),
        (Some("application/octet-stream"), &as_bytes[..])
    );

    let (query, _text) = polling(&mut server, &format!("{POLLING}&b64=1")).await;
    let mut request = request("POST", &query);
    *request.body_mut() = Full::new(Bytes::from_static(as_bytes));
    request.headers_mut().insert("content-type", HeaderValue::from_static("application/octet-stream"));
    server.send(request).await.is(200, "ok");
    server.request("GET", &query).await.is(200, as_text);
}

#[tokio::test(start_paused = true)]
async fn binary_frames_name_their_type() {
    let mut server = Server::echo(config());
    let (mut socket, _bytes) = websocket(&mut server, WEBSOCKET).await;
    socket.write(&Frame::new(BINARY, [4, 1, 2])).await;
    let frame = socket.read().await.unwrap();
    assert_eq!((frame.opcode, &frame.payload[..]), (BINARY, &[4, 1, 2][..]));
    socket.write(&Frame::text("b4AQI=")).await;
    assert_eq!(socket.read().await.unwrap().payload[..], [4, 1, 2]);
    let (mut socket, _text) = websocket(&mut server, &format!("{WEBSOCKET}&b64=1")).await;
    socket.write(&Frame::new(BINARY, [4, 1, 2])).await;
    assert_eq!(socket.text().await, "b4AQI=");
    socket.write(&Frame::text("4text")).await;
    assert_eq!(socket.text().await, "4text");
}

#[tokio::test(start_paused = true)]
async fn the_client_pings_and_the_server_answers() {
    let mut server = Server::new(config());
    let (query, _polling) = polling(&mut server, POLLING).await;
    for _ in 0..3 {
        post(&server, &query, "1:2").await.is(200, "ok");
        server.request("GET", &query).await.is(200, "1:3");
    }
    let (mut socket, _websocket) = websocket(&mut server, WEBSOCKET).await;
    for _ in 0..3 {
        socket.write(&Frame::text("2")).await;
        assert_eq!(socket.text().await, "3");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_silent_is_closed_and_any_packet_breaks_the_silence() {
    let seconds = Duration::from_secs;
    let mut server = Server::new(config().ping_interval(seconds(25)).ping_timeout(seconds(20)));
    let (query, mut on_polling) = polling(&mut server, POLLING).await;
    let (mut socket, mut on_websocket) = websocket(&mut server, WEBSOCKET).await;
    tokio::time::sleep(seconds(40)).await;
    post(&server, &query, "1:2").await.is(200, "ok");
    socket.write(&Frame::text("4a message")).await;
    assert_eq!(on_websocket.text().await, "a message");
    tokio::time::sleep(seconds(44)).await;
    assert!(on_polling.session.is_open() && on_websocket.session.is_open());
    tokio::time::sleep(seconds(2)).await;
    on_polling.is_closed(CloseReason::PingTimeout).await;
    on_websocket.is_closed(CloseReason::PingTimeout).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_no_packet_or_the_servers_part_closes() {
    for (body, reason) in [
        ("abc", CloseReason::ParseError),
        ("", CloseReason::ParseError),
        ("5:4abc", CloseReason::ParseError),
        ("1:9", CloseReason::ParseError),
        ("1:3", CloseReason::TransportError),
        ("1:1", CloseReason::TransportClose),
    ] {
        let mut server = Server::new(config());
        let (query, mut accepted) = polling(&mut server, POLLING).await;
        let _ = post(&server, &query, body).await;
        accepted.is_closed(reason).await;
    }
    for (frame, reason) in [
        (Frame::text("abc"), CloseReason::ParseError),
        (Frame::text("b2AQ=="), CloseReason::ParseError),
        (Frame::new(BINARY, [2, 1]), CloseReason::ParseError),
        (Frame::new(BINARY, []), CloseReason::ParseError),
        (Frame::text("3"), CloseReason::TransportError),
        (Frame::text("1"), CloseReason::TransportClose),
    ] {
        let mut server = Server::new(config());
        let (mut socket, mut accepted) = websocket(&mut server, WEBSOCKET).await;
        socket.write(&frame).await;
        accepted.is_closed(reason).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_session_that_polls() {
    let mut server = Server::new(config());
    let (query, accepted) = polling(&mut server, POLLING).await;
    accepted.session.close(CloseReason::ForcedClose);
    server.request("GET", &query).await.is(200, "1:61:1");
    server.request("GET", &query).await.is(400, r#"{"code":1,"message":"Session ID unknown"}"#);
}

#[tokio::test(start_paused = true)]
async fn a_session_moves_to_a_websocket() {
    let mut server = Server::echo(config());
    let (query, accepted) = polling(&mut server, POLLING).await;
    let mut socket = server.raw_websocket(&query.replace("polling", "websocket")).await;
    socket.write(&Frame::text("2probe")).await;
    assert_eq!(socket.text().await, "3probe");
    server.request("GET", &query).await.is(200, "1:6");
    socket.write(&Frame::text("5")).await;
    wait::until("the upgrade", || accepted.session.transport() == Transport::WebSocket).await;
    socket.write(&Frame::new(BINARY, [4, 7])).await;
    assert_eq!(socket.read().await.unwrap().payload[..], [4, 7]);
    server.request("GET", &query).await.is(400, r#"{"code":3,"message":"Bad request"}"#);
}
