//! Socket.IO protocol 5, over Engine.IO protocol 4, as any client may rely on it, packet by packet.
//!
//! Each case runs against the official server first, so that it cannot ask for what is not the protocol, and against
//! this project's. Both tell a client its credentials when it joins, send events back, and have the namespaces `/` and
//! `/custom`; they ping every 300 ms, wait 200 ms for the answer, and 1 s for a client to join.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use test_support::http::{self, Request};
use test_support::polling::{Handshake, Polling};
use test_support::ws::{Received, WebSocket};

const PATH: &str = "/socket.io/";
const OPEN_WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";

const PING_INTERVAL: Duration = Duration::from_millis(300);
const PING_TIMEOUT: Duration = Duration::from_millis(200);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

interop_tests::protocol_cases! {
    mode: "socket-io",
    both: [
        polling_opens_a_session
        polling_refuses_other_protocols
        polling_refuses_unknown_transports
        polling_refuses_other_methods
        websocket_opens_a_session
        websocket_refuses_unknown_transports
        polling_gets_pings
        a_missing_pong_closes_the_polling_session
        websocket_gets_pings
        a_missing_pong_closes_the_websocket
        a_close_packet_ends_the_polling_session
        a_session_upgrades
        after_the_upgrade_polling_is_refused
        after_the_upgrade_a_second_websocket_is_closed

        a_client_joins_the_main_namespace
        a_client_joins_with_credentials
        a_client_joins_a_custom_namespace
        a_client_joins_a_custom_namespace_with_credentials
        an_unknown_namespace_is_refused
        nonsense_instead_of_a_connect_closes
        a_client_that_does_not_join_is_closed
        leaving_the_main_namespace_keeps_the_connection
        leaving_a_custom_namespace_keeps_the_main_one

        an_event_comes_back_with_all_its_arguments
        attachments_come_back
        an_ack_carries_all_arguments
        an_ack_carries_attachments
        an_unknown_packet_type_closes
        an_event_that_is_no_array_closes
        an_ack_id_that_is_no_number_closes
    ]
    ours: [
        // The official server accepts this WebSocket before it refuses it.
        websocket_refuses_other_protocols
        // The official server takes note, and leaves the rest to the heartbeat.
        a_close_packet_ends_the_websocket
    ]
}

async fn polling_opens_a_session(server: SocketAddr) {
    let session = Polling::open(server, PATH).await;
    check_handshake(&session.handshake, &["websocket"]);
}

async fn polling_refuses_other_protocols(server: SocketAddr) {
    check_refused(server, "GET", "transport=polling").await;
    check_refused(server, "GET", "EIO=abc&transport=polling").await;
}

async fn polling_refuses_unknown_transports(server: SocketAddr) {
    check_refused(server, "GET", "EIO=4").await;
    check_refused(server, "GET", "EIO=4&transport=abc").await;
}

async fn polling_refuses_other_methods(server: SocketAddr) {
    check_refused(server, "POST", "EIO=4&transport=polling").await;
    check_refused(server, "PUT", "EIO=4&transport=polling").await;
}

async fn websocket_opens_a_session(server: SocketAddr) {
    let mut socket = WebSocket::connect(server, OPEN_WEBSOCKET).await;
    check_handshake(&Handshake::from_packet(&socket.text().await), &[]);
}

async fn websocket_refuses_other_protocols(server: SocketAddr) {
    for query in ["transport=websocket", "EIO=abc&transport=websocket"] {
        let response = http::send(server, Request::upgrade(&format!("{PATH}?{query}"))).await;
        assert_eq!(response.status, 400, "{query}");
    }
}

async fn websocket_refuses_unknown_transports(server: SocketAddr) {
    for query in ["EIO=4", "EIO=4&transport=abc"] {
        let response = http::send(server, Request::upgrade(&format!("{PATH}?{query}"))).await;
        assert_eq!(response.status, 400, "{query}");
    }
}

async fn polling_gets_pings(server: SocketAddr) {
    let mut session = Polling::open(server, PATH).await;
    for _ in 0..3 {
        assert_eq!(session.poll().await, ["2"]);
        session.send(&["3"]).await;
    }
}

async fn a_missing_pong_closes_the_polling_session(server: SocketAddr) {
    let mut session = Polling::open(server, PATH).await;
    tokio::time::sleep(PING_INTERVAL + 2 * PING_TIMEOUT).await;
    check_gone(&mut session).await;
}

async fn websocket_gets_pings(server: SocketAddr) {
    let mut socket = open_websocket(server).await;
    for _ in 0..3 {
        let waiting = Instant::now();
        assert_eq!(socket.text().await, "2");
        let waited = waiting.elapsed();
        assert!(
            waited > PING_INTERVAL / 2 && waited < PING_INTERVAL + PING_TIMEOUT,
            "a ping after {waited:?}"
        );
        socket.send_text("3").await;
    }
}

async fn a_missing_pong_closes_the_websocket(server: SocketAddr) {
    let mut socket = open_websocket(server).await;
    assert_eq!(socket.text().await, "2");
    check_ended(&mut socket).await;
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
    check_alive(&mut socket).await;
}

async fn after_the_upgrade_polling_is_refused(server: SocketAddr) {
    let mut session = Polling::open(server, PATH).await;
    let mut socket = upgrade(&mut session, server).await;
    let response = session.get.exchange(Request::get(&session.target())).await;
    assert_eq!(response.status, 400);
    check_alive(&mut socket).await;
}

async fn after_the_upgrade_a_second_websocket_is_closed(server: SocketAddr) {
    let mut session = Polling::open(server, PATH).await;
    let mut socket = upgrade(&mut session, server).await;
    let mut second = WebSocket::connect(server, &session.upgrade_target()).await;
    check_ended(&mut second).await;
    check_alive(&mut socket).await;
}

async fn a_client_joins_the_main_namespace(server: SocketAddr) {
    check_join(server, "40", "40", r#"42["auth",{}]"#).await;
}

async fn a_client_joins_with_credentials(server: SocketAddr) {
    check_join(server, r#"40{"token":"123"}"#, "40", r#"42["auth",{"token":"123"}]"#).await;
}

async fn a_client_joins_a_custom_namespace(server: SocketAddr) {
    check_join(server, "40/custom,", "40/custom,", r#"42/custom,["auth",{}]"#).await;
}

async fn a_client_joins_a_custom_namespace_with_credentials(server: SocketAddr) {
    let auth = r#"42/custom,["auth",{"token":"abc"}]"#;
    check_join(server, r#"40/custom,{"token":"abc"}"#, "40/custom,", auth).await;
}

async fn an_unknown_namespace_is_refused(server: SocketAddr) {
    let mut socket = open_websocket(server).await;
    socket.send_text("40/random").await;
    assert_eq!(packet(&mut socket).await, r#"44/random,{"message":"Invalid namespace"}"#);
}

async fn nonsense_instead_of_a_connect_closes(server: SocketAddr) {
    let mut socket = open_websocket(server).await;
    socket.send_text("4abc").await;
    check_ended(&mut socket).await;
}

async fn a_client_that_does_not_join_is_closed(server: SocketAddr) {
    let mut socket = open_websocket(server).await;
    let opened = Instant::now();
    // It answers the pings, so that it is not the heartbeat that closes it.
    while let Received::Text(text) = socket.receive().await {
        assert_eq!(text, "2");
        socket.send_text("3").await;
    }
    let waited = opened.elapsed();
    assert!(waited > CONNECT_TIMEOUT / 2 && waited < 2 * CONNECT_TIMEOUT, "closed after {waited:?}");
}

async fn leaving_the_main_namespace_keeps_the_connection(server: SocketAddr) {
    let mut socket = join(server).await;
    socket.send_text("41").await;
    assert_eq!(socket.text().await, "2");
}

async fn leaving_a_custom_namespace_keeps_the_main_one(server: SocketAddr) {
    let mut socket = join(server).await;
    socket.send_text("40/custom").await;
    assert!(packet(&mut socket).await.starts_with("40/custom,{"));
    assert_eq!(packet(&mut socket).await, r#"42/custom,["auth",{}]"#);
    socket.send_text("41/custom").await;
    socket.send_text(r#"42["message","to the main namespace"]"#).await;
    assert_eq!(packet(&mut socket).await, r#"42["message-back","to the main namespace"]"#);
}

async fn an_event_comes_back_with_all_its_arguments(server: SocketAddr) {
    let mut socket = join(server).await;
    socket.send_text(r#"42["message",1,"2",{"3":[true]}]"#).await;
    assert_eq!(packet(&mut socket).await, r#"42["message-back",1,"2",{"3":[true]}]"#);
}

async fn attachments_come_back(server: SocketAddr) {
    let placeholders = r#"{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}"#;
    let sent = format!(r#"452-["message",{placeholders}]"#);
    check_attachments(server, &sent, &format!(r#"452-["message-back",{placeholders}]"#)).await;
}

async fn an_ack_carries_all_arguments(server: SocketAddr) {
    let mut socket = join(server).await;
    socket.send_text(r#"42456["message-with-ack",1,"2",{"3":[false]}]"#).await;
    assert_eq!(packet(&mut socket).await, r#"43456[1,"2",{"3":[false]}]"#);
}

async fn an_ack_carries_attachments(server: SocketAddr) {
    let placeholders = r#"{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}"#;
    let sent = format!(r#"452-789["message-with-ack",{placeholders}]"#);
    check_attachments(server, &sent, &format!("462-789[{placeholders}]")).await;
}

async fn an_unknown_packet_type_closes(server: SocketAddr) {
    check_closes(server, "4abc").await;
}

async fn an_event_that_is_no_array_closes(server: SocketAddr) {
    check_closes(server, "42{}").await;
}

async fn an_ack_id_that_is_no_number_closes(server: SocketAddr) {
    check_closes(server, r#"42abc["message-with-ack",1,"2",{"3":[false]}]"#).await;
}

fn check_handshake(handshake: &Handshake, upgrades: &[&str]) {
    assert_eq!(handshake.sid.len(), 20, "{}", handshake.sid);
    assert_eq!(handshake.upgrades, upgrades);
    assert_eq!(u128::from(handshake.ping_interval), PING_INTERVAL.as_millis());
    assert_eq!(u128::from(handshake.ping_timeout), PING_TIMEOUT.as_millis());
    assert_eq!(handshake.max_payload, 1_000_000);
}

async fn check_refused(server: SocketAddr, method: &str, query: &str) {
    let response = http::send(server, Request::new(method, &format!("{PATH}?{query}"))).await;
    assert_eq!(response.status, 400, "{method} {query}");
}

/// The server knows the session no longer.
async fn check_gone(session: &mut Polling) {
    let response = session.get.exchange(Request::get(&session.target())).await;
    assert_eq!(response.status, 400);
}

/// The server closes the WebSocket and sends no message before.
async fn check_ended(socket: &mut WebSocket) {
    let received = socket.receive().await;
    assert!(matches!(received, Received::Close(_) | Received::End), "expected the end, got {received:?}");
}

/// The upgraded session can join and be heard.
async fn check_alive(socket: &mut WebSocket) {
    socket.send_text("40").await;
    assert!(packet(socket).await.starts_with(r#"40{"sid":""#));
    assert_eq!(packet(socket).await, r#"42["auth",{}]"#);
    socket.send_text(r#"42["message"]"#).await;
    assert_eq!(packet(socket).await, r#"42["message-back"]"#);
}

/// A client that sends `connect` is welcomed with an id, and nothing else, after `prefix`, and told its credentials.
async fn check_join(server: SocketAddr, connect: &str, prefix: &str, auth: &str) {
    let mut socket = open_websocket(server).await;
    socket.send_text(connect).await;
    let welcome = packet(&mut socket).await;
    let id = welcome.strip_prefix(prefix).and_then(|welcome| welcome.strip_prefix(r#"{"sid":""#));
    let id = id.and_then(|id| id.strip_suffix(r#""}"#));
    assert!(id.is_some_and(|id| !id.is_empty() && !id.contains('"')), "{welcome}");
    assert_eq!(packet(&mut socket).await, auth);
}

/// Two attachments come back, behind the text that is `expected`.
async fn check_attachments(server: SocketAddr, text: &str, expected: &str) {
    let mut socket = join(server).await;
    socket.send_text(text).await;
    socket.send_binary(&[1, 2, 3][..]).await;
    socket.send_binary(&[4, 5, 6][..]).await;
    assert_eq!(packet(&mut socket).await, expected);
    assert_eq!(socket.binary().await[..], [1, 2, 3]);
    assert_eq!(socket.binary().await[..], [4, 5, 6]);
}

async fn check_closes(server: SocketAddr, text: &str) {
    let mut socket = join(server).await;
    socket.send_text(text).await;
    check_ended(&mut socket).await;
}

async fn open_websocket(server: SocketAddr) -> WebSocket {
    let mut socket = WebSocket::connect(server, OPEN_WEBSOCKET).await;
    Handshake::from_packet(&socket.text().await);
    socket
}

/// A client of the main namespace that knows its credentials already.
async fn join(server: SocketAddr) -> WebSocket {
    let mut socket = open_websocket(server).await;
    socket.send_text("40").await;
    assert!(packet(&mut socket).await.starts_with(r#"40{"sid":""#));
    assert_eq!(packet(&mut socket).await, r#"42["auth",{}]"#);
    socket
}

/// The next text that is no ping.
async fn packet(socket: &mut WebSocket) -> String {
    loop {
        let text = socket.text().await;
        if text != "2" {
            return text;
        }
        socket.send_text("3").await;
    }
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
