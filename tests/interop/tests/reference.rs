//! The harness judged by the official server: what it calls right must be right, and what is wrong it must not miss.

use std::time::Duration;

use interop_tests::{reference, run_script};
use test_support::frames::{Frame, RawWebSocket};
use test_support::http::{self, Request};
use test_support::polling::Polling;
use test_support::ws::{Received, WebSocket};

#[test]
fn engine_client_script_accepts_the_official_server() {
    let server = reference("engine-io");
    for transports in ["polling", "websocket", "upgrade"] {
        run_script("engine-client.mjs", &[&server.url(), transports]);
    }
}

#[test]
#[should_panic(expected = "100 messages come back in order")]
fn engine_client_script_notices_a_lost_message() {
    let server = reference("engine-io-lossy");
    run_script("engine-client.mjs", &[&server.url(), "upgrade"]);
}

#[tokio::test]
async fn polling_client_speaks_to_the_official_server() {
    let server = reference("engine-io");
    let mut session = Polling::open(server.address(), "/engine.io/").await;
    assert_eq!(session.handshake.upgrades, ["websocket"]);
    assert_eq!((session.handshake.ping_interval, session.handshake.ping_timeout), (300, 200));
    session.send(&["4hello", "4水"]).await;
    assert_eq!(session.poll().await, ["4hello", "4水"]);
    assert_eq!(session.poll().await, ["2"]);

    http::send(server.address(), Request::get("/engine.io/?EIO=4&transport=polling&sid=none"))
        .await
        .is(400, r#"{"code":1,"message":"Session ID unknown"}"#);
}

#[tokio::test]
async fn websocket_client_speaks_to_the_official_server() {
    let server = reference("engine-io");
    let mut socket = WebSocket::connect(server.address(), "/engine.io/?EIO=4&transport=websocket").await;
    assert!(socket.text().await.starts_with(r#"0{"sid":""#));
    socket.send_text("4hello").await;
    assert_eq!(socket.text().await, "4hello");
    socket.send_binary(&[1, 2, 3][..]).await;
    assert_eq!(socket.binary().await[..], [1, 2, 3]);
    socket.close().await;
    assert!(matches!(socket.receive().await, Received::Close(_)));
    assert_eq!(socket.receive().await, Received::End);
}

#[tokio::test]
async fn raw_frames_reach_the_official_server() {
    let server = reference("engine-io");
    let connect = || RawWebSocket::connect(server.address(), "/engine.io/?EIO=4&transport=websocket");

    let mut socket = connect().await;
    socket.text().await;
    socket.write(&Frame::new(1, "4hel").unfinished()).await;
    socket.write(&Frame::new(0, "lo")).await;
    assert_eq!(socket.text().await, "4hello");

    for (bad, code) in [
        (Frame::text("4x").unmasked(), 1002),
        (Frame::text("4x").reserved(4), 1002),
        (Frame::new(3, "x"), 1002),
        (Frame::text("4x").announcing(2_000_000), 1009),
    ] {
        let mut socket = connect().await;
        socket.text().await;
        socket.write(&bad).await;
        socket.closes_with(Some(code)).await;
    }
}

#[tokio::test]
async fn a_request_may_stop_half_way() {
    let server = reference("engine-io");
    let mut session = Polling::open(server.address(), "/engine.io/").await;
    let request = Request::post(&session.target(), "4hello");
    session.post.send_but(request, 2).await;
    session.post.stays_silent(Duration::from_millis(100)).await;
    session.post.write(b"lo").await;
    session.post.response().await.is(200, "ok");
    assert_eq!(session.poll().await, ["4hello"]);
}
