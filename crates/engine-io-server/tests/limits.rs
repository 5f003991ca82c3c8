//! Sizes at their limit and one past it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, their helpers too")]

mod common;

use bytes::Bytes;
use engine_io_server::{CloseReason, Config, Message};
use http::HeaderValue;
use test_support::frames::{BINARY, CONTINUATION, Frame, RawWebSocket, TEXT};
use tokio::io::AsyncReadExt;

use self::common::{Server, WEBSOCKET, upgrade_request};

const MAX: usize = 1000;

fn server() -> Server {
    Server::new(Config::default().max_http_buffer_size(MAX))
}

/// A body of this many bytes that is one text packet.
fn body(len: usize) -> String {
    format!("4{}", "x".repeat(len - 1))
}

#[tokio::test(start_paused = true)]
async fn a_body_at_the_limit_is_taken() {
    let mut server = server();
    let (polling, mut accepted) = server.polling().await;
    polling.send(&body(MAX)).await;
    assert_eq!(accepted.text().await.len(), MAX - 1);
    let (sender, post) = polling.slow_post();
    for piece in body(MAX).as_bytes().chunks(250) {
        sender.send(Ok(Bytes::copy_from_slice(piece))).await.unwrap();
    }
    drop(sender);
    post.end().await.is(200, "ok");
    assert_eq!(accepted.text().await.len(), MAX - 1);
}

#[tokio::test(start_paused = true)]
async fn a_body_over_the_limit_is_refused_with_413_and_costs_only_the_message() {
    let mut server = server();
    let (polling, mut accepted) = server.polling().await;
    let mut poll = polling.start_poll().await;
    // A length that is announced is enough.
    let mut request = polling.post_request("4x");
    request.headers_mut().insert("content-length", HeaderValue::from_static("1001"));
    polling.running(request).end().await.is(413, "");
    // Without an announced length what arrives is counted.
    let (sender, mut post) = polling.slow_post();
    sender.send(Ok(body(MAX).into())).await.unwrap();
    assert!(post.is_pending().await);
    sender.send(Ok("x".into())).await.unwrap();
    post.end().await.is(413, "");
    polling.post(body(MAX + 1)).await.is(413, "");
    accepted.has_no_event();
    assert!(poll.is_pending().await, "the waiting poll is left alone");
    polling.send("4x").await;
    assert_eq!(accepted.text().await, "x");
}

#[tokio::test(start_paused = true)]
async fn a_giant_announced_length_is_refused_before_a_byte_is_read() {
    let mut server = server();
    let (polling, mut accepted) = server.polling().await;
    for length in ["18446744073709551615", "99999999999"] {
        let (_sender, post) = polling.slow_post();
        drop(post);
        accepted.has_no_event();
        let mut request = polling.post_request("");
        request.headers_mut().insert("content-length", HeaderValue::from_str(length).unwrap());
        polling.running(request).end().await.is(413, "");
    }
}

#[tokio::test(start_paused = true)]
async fn a_websocket_message_at_the_limit_is_taken() {
    let mut server = server();
    let (mut socket, mut accepted) = server.websocket().await;
    socket.write(&Frame::text(&body(MAX))).await;
    assert_eq!(accepted.text().await.len(), MAX - 1);
    socket.write(&Frame::new(BINARY, vec![1; MAX])).await;
    assert_eq!(accepted.message().await.len(), MAX);
    let text = body(MAX);
    socket.write(&Frame::text(&text[..400]).unfinished()).await;
    socket.write(&Frame::new(CONTINUATION, &text.as_bytes()[400..])).await;
    assert_eq!(accepted.text().await.len(), MAX - 1);
}

#[tokio::test(start_paused = true)]
async fn a_websocket_message_over_the_limit_closes_with_1009() {
    let text = body(MAX + 1);
    for frames in [
        vec![Frame::text(&text)],
        vec![Frame::new(BINARY, vec![1; MAX + 1])],
        vec![
            Frame::new(TEXT, &text.as_bytes()[..600]).unfinished(),
            Frame::new(CONTINUATION, &text.as_bytes()[600..]),
        ],
        vec![
            Frame::new(BINARY, vec![1; MAX]).unfinished(),
            Frame::new(CONTINUATION, []).unfinished(),
            Frame::new(CONTINUATION, [1]),
        ],
    ] {
        let mut server = server();
        let (mut other, mut unharmed) = server.websocket().await;
        let (mut socket, mut accepted) = server.websocket().await;
        socket.write_bytes(&frames.iter().flat_map(Frame::to_bytes).collect::<Vec<_>>()).await;
        socket.closes_with(Some(1009)).await;
        accepted.is_closed(CloseReason::TransportError).await;
        other.write(&Frame::text("4x")).await;
        assert_eq!(unharmed.text().await, "x");
    }
}

#[tokio::test(start_paused = true)]
async fn an_announced_length_is_refused_before_the_payload() {
    let mut server = server();
    for length in [1001, 70_000, u64::MAX >> 1, u64::MAX] {
        let (mut socket, mut accepted) = server.websocket().await;
        socket.write(&Frame::new(BINARY, []).announcing(length)).await;
        let close = socket.read().await.unwrap();
        // The highest bit of a length must not be set: that is another rule.
        let code: u16 = if length == u64::MAX { 1002 } else { 1009 };
        assert!(close.payload[..] == code.to_be_bytes() || close.payload[..] == 1009_u16.to_be_bytes());
        accepted.is_closed(CloseReason::TransportError).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_probing_websocket_has_the_same_limit() {
    let mut server = server();
    let (polling, mut accepted) = server.polling().await;
    let mut socket = server.raw_websocket(&polling.query_of("websocket")).await;
    socket.write(&Frame::text(&format!("2probe{}", "x".repeat(MAX)))).await;
    socket.closes_with(Some(1009)).await;
    accepted.has_no_event();
    polling.send("4x").await;
    assert_eq!(accepted.text().await, "x");
}

#[tokio::test(start_paused = true)]
async fn the_default_limit_is_a_million_bytes_on_both_transports() {
    let mut server = Server::new(Config::default());
    let (polling, mut polled) = server.polling().await;
    polling.send(&body(1_000_000)).await;
    assert_eq!(polled.text().await.len(), 999_999);
    polling.post(body(1_000_001)).await.is(413, "");
    let (mut socket, mut accepted) = server.websocket().await;
    let message = Frame::text(&body(1_000_000)).to_bytes();
    let (head, tail) = message.split_at(500_000);
    socket.write_bytes(head).await;
    socket.write_bytes(tail).await;
    assert_eq!(accepted.text().await.len(), 999_999);
    socket.write(&Frame::new(BINARY, []).announcing(1_000_001)).await;
    socket.closes_with(Some(1009)).await;
}

#[tokio::test(start_paused = true)]
async fn base64_counts_as_it_is_sent() {
    let mut server = server();
    let (polling, mut accepted) = server.polling().await;
    let at_limit = format!("b{}", "A".repeat(MAX - 4));
    polling.send(&at_limit).await;
    assert_eq!(accepted.message().await.len(), (MAX - 4) / 4 * 3);
    polling.post(format!("b{}", "A".repeat(MAX))).await.is(413, "");
}

#[tokio::test(start_paused = true)]
async fn the_limit_is_the_peers_and_not_the_servers() {
    let mut server = server();
    let (polling, accepted) = server.polling().await;
    let text = Message::from("y".repeat(5 * MAX));
    accepted.session.send(text.clone()).unwrap();
    assert_eq!(polling.poll().await.len(), 5 * MAX + 1);
    let (mut connection, _) = server.connect(1 << 16);
    assert_eq!(connection.exchange(upgrade_request(WEBSOCKET)).await.status, 101);
    server.accepted().await.session.send(text).unwrap();
    let (mut stream, unread) = connection.into_parts();
    let mut bytes = unread.to_vec();
    while bytes.iter().filter(|byte| **byte == b'y').count() < 5 * MAX {
        test_support::wait::soon("the message", stream.read_buf(&mut bytes)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn empty_fragments_without_end_take_no_memory_and_no_other_sessions_time() {
    let mut server = server();
    let (connection, _) = server.connect(1 << 16);
    let mut socket = RawWebSocket::upgrade(connection, upgrade_request(WEBSOCKET)).await;
    socket.text().await;
    let mut accepted = server.accepted().await;
    socket.write(&Frame::text("4").unfinished()).await;
    let empty = Frame::new(CONTINUATION, []).unfinished().to_bytes().repeat(1000);
    for _ in 0..20 {
        socket.write_bytes(&empty).await;
    }
    accepted.has_no_event();
    socket.write(&Frame::new(CONTINUATION, *b"x")).await;
    assert_eq!(accepted.text().await, "x");
}
