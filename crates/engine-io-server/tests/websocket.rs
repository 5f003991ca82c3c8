//! WebSocket sessions, frame by frame.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, their helpers too")]

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use engine_io_server::{CloseReason, Config, Flow, Message};
use test_support::frames::{BINARY, CLOSE, CONTINUATION, Frame, PING, PONG, RawWebSocket, ServerFrame, TEXT};
use test_support::polling::Handshake;
use tokio::time::Instant;

use self::common::{Event, Server, WEBSOCKET, settle, upgrade_request};

#[tokio::test(start_paused = true)]
async fn messages_go_both_ways() {
    let mut server = Server::echo(Config::default());
    let (mut socket, mut accepted) = server.websocket().await;
    for text in ["4hello", "4", "4水と😀"] {
        socket.write(&Frame::text(text)).await;
        assert_eq!(socket.text().await, text);
        assert_eq!(accepted.text().await, text[1..]);
    }
    for bytes in [&[][..], &[1, 2, 3, 4], &[0xff; 70_000]] {
        socket.write(&Frame::new(BINARY, bytes)).await;
        let expected =
            ServerFrame { fin: true, rsv: 0, opcode: BINARY, payload: Bytes::copy_from_slice(bytes) };
        assert_eq!(socket.read().await, Some(expected));
        assert_eq!(accepted.message().await, Message::from(Bytes::copy_from_slice(bytes)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_over_a_websocket_has_no_request_of_its_own() {
    let mut server = Server::new(Config::default());
    let (mut socket, mut accepted) = server.websocket().await;
    socket.write(&Frame::text("4x")).await;
    assert!(matches!(accepted.event().await, Event::Message { headers: None, .. }));
}

#[tokio::test(start_paused = true)]
async fn a_text_frame_in_base64_is_a_binary_message() {
    let mut server = Server::echo(Config::default());
    let (mut socket, mut accepted) = server.websocket().await;
    socket.write(&Frame::text("bAQIDBA==")).await;
    assert_eq!(accepted.message().await, Message::from(Bytes::from_static(&[1, 2, 3, 4])));
    assert_eq!(socket.read().await.unwrap().opcode, BINARY, "the client can take binary frames");
}

#[tokio::test(start_paused = true)]
async fn b64_asks_for_binary_in_base64() {
    let mut server = Server::new(Config::default());
    let mut socket = server.raw_websocket(&format!("{WEBSOCKET}&b64=1")).await;
    Handshake::from_packet(&socket.text().await);
    let accepted = server.accepted().await;
    accepted.session.send(Bytes::from_static(&[1, 2, 3, 4])).unwrap();
    accepted.session.send("text").unwrap();
    accepted.session.send(Bytes::from_static(&[])).unwrap();
    assert_eq!(socket.text().await, "bAQIDBA==");
    assert_eq!(socket.text().await, "4text");
    assert_eq!(socket.text().await, "b");
}

#[tokio::test(start_paused = true)]
async fn b64_of_the_upgrade_counts_after_the_upgrade() {
    let mut server = Server::new(Config::default());
    let (polling, accepted) = server.polling().await;
    let mut socket = server.raw_websocket(&format!("{}&b64=1", polling.query_of("websocket"))).await;
    socket.write(&Frame::text("2probe")).await;
    assert_eq!(socket.text().await, "3probe");
    socket.write(&Frame::text("5")).await;
    accepted.session.send(Bytes::from_static(&[1, 2, 3, 4])).unwrap();
    assert_eq!(socket.text().await, "bAQIDBA==");
}

#[tokio::test(start_paused = true)]
async fn packets_without_meaning_are_ignored() {
    let mut server = Server::echo(Config::default());
    let (mut socket, mut accepted) = server.websocket().await;
    for packet in ["5", "6", "3", "3probe"] {
        socket.write(&Frame::text(packet)).await;
    }
    socket.write(&Frame::new(PONG, *b"unasked")).await;
    socket.write(&Frame::text("4x")).await;
    assert_eq!(socket.text().await, "4x");
    assert_eq!(accepted.text().await, "x");
}

#[tokio::test(start_paused = true)]
async fn an_open_packet_of_a_client_is_ignored() {
    let mut server = Server::echo(Config::default());
    let (mut socket, _) = server.websocket().await;
    for packet in ["0", "0{}", "4x"] {
        socket.write(&Frame::text(packet)).await;
    }
    assert_eq!(socket.text().await, "4x");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_pings_in_engine_io_is_closed() {
    let mut server = Server::new(Config::default());
    for ping in ["2", "2probe", "2x"] {
        let (mut socket, mut accepted) = server.websocket().await;
        socket.write(&Frame::text(ping)).await;
        socket.closes_with(Some(1002)).await;
        accepted.is_closed(CloseReason::TransportError).await;
    }
}

#[tokio::test(start_paused = true)]
async fn garbage_ends_the_session_and_no_other() {
    let mut server = Server::echo(Config::default());
    let (mut other, _) = server.websocket().await;
    for garbage in ["", "abc", "7", "undefined", " 4", "b!", "bA"] {
        let (mut socket, mut accepted) = server.websocket().await;
        socket
            .write_bytes(
                &[Frame::text("4good"), Frame::text(garbage), Frame::text("4late")]
                    .map(|f| f.to_bytes())
                    .concat(),
            )
            .await;
        assert_eq!(accepted.text().await, "good");
        accepted.is_closed(CloseReason::ParseError).await;
        assert!(socket.read().await.is_some_and(|frame| frame.opcode == CLOSE || frame.payload == "4good"));
    }
    other.write(&Frame::text("4x")).await;
    assert_eq!(other.text().await, "4x");
}

/// Writes frames that break the rules of RFC 6455.
async fn is_violation(frames: &[Frame], code: u16) {
    let mut server = Server::echo(Config::default());
    let (mut other, _) = server.websocket().await;
    let (mut socket, mut accepted) = server.websocket().await;
    let bytes: Vec<u8> = frames.iter().flat_map(Frame::to_bytes).collect();
    socket.write_bytes(&bytes).await;
    socket.closes_with(Some(code)).await;
    accepted.is_closed(CloseReason::TransportError).await;
    other.write(&Frame::text("4x")).await;
    assert_eq!(other.text().await, "4x");
}

#[tokio::test(start_paused = true)]
async fn frames_that_break_the_rules_are_answered_with_1002() {
    let text = || Frame::text("4x");
    is_violation(&[text().unmasked()], 1002).await;
    for rsv in 1..8 {
        is_violation(&[text().reserved(rsv)], 1002).await;
    }
    for opcode in [3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf] {
        is_violation(&[Frame::new(opcode, *b"x")], 1002).await;
    }
    for opcode in [PING, PONG, CLOSE] {
        is_violation(&[Frame::new(opcode, vec![3; 126])], 1002).await;
        is_violation(&[Frame::new(opcode, []).unfinished()], 1002).await;
    }
    is_violation(&[Frame::new(CONTINUATION, *b"x")], 1002).await;
    is_violation(&[text().unfinished(), text()], 1002).await;
    is_violation(&[Frame::new(CLOSE, [3])], 1002).await;
    for code in [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535] {
        is_violation(&[Frame::close(code, "")], 1002).await;
    }
}

#[tokio::test(start_paused = true)]
async fn text_that_is_not_utf8_is_answered_with_1007() {
    is_violation(&[Frame::new(TEXT, *b"4\xff")], 1007).await;
    is_violation(&[Frame::new(TEXT, *b"4\xed\xa0\x80")], 1007).await;
    is_violation(&[Frame::new(TEXT, *b"4\xe2").unfinished(), Frame::new(CONTINUATION, *b"x")], 1007).await;
    is_violation(&[Frame::new(CLOSE, [&1000_u16.to_be_bytes()[..], b"\xff"].concat())], 1007).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_may_come_in_fragments_with_pings_between_them() {
    let mut server = Server::echo(Config::default());
    let (mut socket, _) = server.websocket().await;
    let euro = "€".as_bytes();
    socket.write(&Frame::new(TEXT, [b"4", &euro[..1]].concat()).unfinished()).await;
    socket.write(&Frame::new(PING, *b"between")).await;
    socket.write(&Frame::new(CONTINUATION, []).unfinished()).await;
    socket.write(&Frame::new(CONTINUATION, &euro[1..])).await;
    let pong = socket.read().await.unwrap();
    assert_eq!((pong.opcode, &pong.payload[..]), (PONG, &b"between"[..]));
    assert_eq!(socket.text().await, "4€");
    socket.write(&Frame::new(BINARY, [1]).unfinished()).await;
    socket.write(&Frame::new(CONTINUATION, [2])).await;
    assert_eq!(socket.read().await.unwrap().payload[..], [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn frames_may_arrive_byte_by_byte() {
    let mut server = Server::echo(Config::default());
    let (mut socket, _) = server.websocket().await;
    let bytes = [
        Frame::text("4short").to_bytes(),
        Frame::text(&format!("4{}", "y".repeat(300))).to_bytes(),
        Frame::new(BINARY, vec![9; 130]).in_longest_form().to_bytes(),
        Frame::new(PING, *b"p").to_bytes(),
    ]
    .concat();
    for byte in bytes {
        socket.write_bytes(&[byte]).await;
        settle().await;
    }
    assert_eq!(socket.text().await, "4short");
    assert_eq!(socket.text().await.len(), 301);
    assert_eq!(socket.read().await.unwrap().payload.len(), 130);
    assert_eq!(socket.read().await.unwrap().opcode, PONG);
}

#[tokio::test(start_paused = true)]
async fn frames_that_come_with_the_upgrade_request_are_not_lost() {
    let server = Server::echo(Config::default());
    let (mut connection, _) = server.connect(1 << 16);
    let request = [upgrade_request(WEBSOCKET).to_bytes(), Frame::text("4early").to_bytes()].concat();
    connection.write(&request).await;
    assert_eq!(connection.response().await.status, 101);
    let (stream, unread) = connection.into_parts();
    let mut bytes = unread.to_vec();
    let mut stream = tokio::io::BufReader::new(stream);
    while !bytes.ends_with(b"\x81\x064early") {
        let byte = tokio::io::AsyncReadExt::read_u8(&mut stream);
        bytes.push(test_support::wait::soon("the echo", byte).await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn pings_of_the_websocket_are_answered_and_too_many_at_once_are_not() {
    let mut server = Server::new(Config::default());
    let (mut socket, mut accepted) = server.websocket().await;
    let ping = Frame::new(PING, *b"hello").to_bytes();
    socket.write_bytes(&ping.repeat(16)).await;
    for _ in 0..16 {
        let pong = socket.read().await.unwrap();
        assert_eq!((pong.opcode, &pong.payload[..]), (PONG, &b"hello"[..]));
    }
    settle().await;
    accepted.has_no_event();
    socket.write_bytes(&ping.repeat(17)).await;
    accepted.is_closed(CloseReason::RateLimited).await;
    while let Some(frame) = socket.read().await {
        if frame.opcode == CLOSE {
            assert_eq!(frame.payload[..], 1008_u16.to_be_bytes());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn pings_without_end_of_a_peer_that_reads_no_pong_take_no_memory() {
    let mut server = Server::new(Config::default());
    let (connection, _) = server.connect(256);
    let mut socket = RawWebSocket::upgrade(connection, upgrade_request(WEBSOCKET)).await;
    socket.text().await;
    let mut accepted = server.accepted().await;
    let ping = Frame::new(PING, vec![0; 125]).to_bytes();
    let flood = tokio::spawn(async move {
        for _ in 0..1000 {
            socket.write_bytes(&ping).await;
        }
    });
    accepted.is_closed(CloseReason::RateLimited).await;
    flood.abort();
}

#[tokio::test(start_paused = true)]
async fn more_than_a_hundred_control_frames_a_second_for_ten_seconds_are_a_flood() {
    let mut server = Server::new(Config::default());
    for (per_100_ms, opcode, is_flood) in [(10, PING, false), (12, PING, true), (12, PONG, true)] {
        let (mut socket, mut accepted) = server.websocket().await;
        let started = Instant::now();
        let frames = Frame::new(opcode, []).to_bytes().repeat(per_100_ms);
        for _ in 0..99 {
            socket.write_bytes(&frames).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(started.elapsed() < Duration::from_secs(10));
        if is_flood {
            accepted.is_closed(CloseReason::RateLimited).await;
        } else {
            accepted.has_no_event();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_where_frames_should_be_ends_the_session() {
    let mut server = Server::new(Config::default());
    let (mut socket, mut accepted) = server.websocket().await;
    socket.write_bytes(b"hello, this is a body\r\n").await;
    socket.closes_with(Some(1002)).await;
    accepted.is_closed(CloseReason::TransportError).await;
}

#[tokio::test(start_paused = true)]
async fn a_paused_session_reads_nothing_more_and_loses_nothing() {
    let mut server = Server::with(Config::default(), |_, message| match message {
        Message::Text(text) if text == "pause" => Flow::Pause,
        _ => Flow::Continue,
    });
    let (mut socket, mut accepted) = server.websocket().await;
    let frames = ["4a", "4pause", "4b", "4pause", "4c"].map(|text| Frame::text(text).to_bytes()).concat();
    socket.write_bytes(&frames).await;
    socket.write(&Frame::text("4d")).await;
    assert_eq!((accepted.text().await, accepted.text().await), ("a".into(), "pause".into()));
    settle().await;
    accepted.has_no_event();
    accepted.session.send("meanwhile").unwrap();
    assert_eq!(socket.text().await, "4meanwhile");
    accepted.session.resume();
    assert_eq!((accepted.text().await, accepted.text().await), ("b".into(), "pause".into()));
    settle().await;
    accepted.has_no_event();
    accepted.session.resume();
    assert_eq!((accepted.text().await, accepted.text().await), ("c".into(), "d".into()));
}

#[tokio::test(start_paused = true)]
async fn a_resumption_that_overtakes_its_pause_is_not_lost() {
    let mut server = Server::with(Config::default(), |session, _| {
        // What a fast worker on another thread does.
        session.resume();
        Flow::Pause
    });
    let (mut socket, mut accepted) = server.websocket().await;
    let (polling, mut polled) = server.polling().await;
    polling.send("4a\x1e4b").await;
    socket.write_bytes(&["4a", "4b"].map(|text| Frame::text(text).to_bytes()).concat()).await;
    for accepted in [&mut accepted, &mut polled] {
        assert_eq!((accepted.text().await, accepted.text().await), ("a".into(), "b".into()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_paused_peer_is_held_back_by_its_connection() {
    let mut server = Server::with(Config::default(), |_, _| Flow::Pause);
    let (connection, _) = server.connect(4096);
    let mut socket = RawWebSocket::upgrade(connection, upgrade_request(WEBSOCKET)).await;
    socket.text().await;
    let mut accepted = server.accepted().await;
    let flood = tokio::spawn(async move {
        for _ in 0..100 {
            socket.write(&Frame::new(BINARY, vec![0; 1000])).await;
        }
        socket
    });
    accepted.message().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!flood.is_finished(), "100 KB were read of a paused session");
    for _ in 1..100 {
        accepted.session.resume();
        accepted.message().await;
    }
    drop(flood.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_busy_peer_does_not_keep_others_waiting() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut server = Server::with(Config::default(), {
        let order = Arc::clone(&order);
        move |_, message| {
            order.lock().unwrap().push(message.len());
            Flow::Continue
        }
    });
    let (mut busy, _flooded) = server.websocket().await;
    let (mut socket, mut accepted) = server.websocket().await;
    // One write of thousands of frames, and then a message of another peer.
    let frames = Frame::text("4x").to_bytes().repeat(8_000);
    busy.write_bytes(&frames[..60_000]).await;
    socket.write(&Frame::text("4me too")).await;
    assert_eq!(accepted.text().await, "me too");
    let before = order.lock().unwrap().iter().position(|len| *len == "me too".len()).unwrap();
    assert!(before <= 2 * 128, "{before} messages of one peer came first");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_before_the_open_packet() {
    let mut server = Server::new(Config::default());
    let mut socket = server.raw_websocket(WEBSOCKET).await;
    let accepted = server.accepted().await;
    accepted.session.send("first").unwrap();
    Handshake::from_packet(&socket.text().await);
    assert_eq!(socket.text().await, "4first");
}
